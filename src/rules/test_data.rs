//! Real lists for tests, where they are at hand.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// Reads the table that tells what the lists are.
pub fn readme() -> Option<String> {
    std::fs::read_to_string(shared().join("README.md")).ok()
}

/// Reads a packed list, or says why the test that wants it has nothing to read.
pub fn list(file: &str) -> Option<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [here.join("tests/data").join(file), shared().join("lists").join(file)];
    let Some(packed) = places.iter().find_map(|place| std::fs::read(place).ok()) else {
        println!("skipped: {file} is neither in tests/data nor below DEADPIXEL_TEST_DATA");
        return None;
    };
    let mut octets = Vec::new();
    MultiGzDecoder::new(&*packed).read_to_end(&mut octets).expect("test data is whole");
    Some(octets)
}

fn shared() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("DEADPIXEL_TEST_DATA")
        .map_or_else(|| here.join("../shared/data"), PathBuf::from)
}
