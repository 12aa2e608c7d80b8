//! List files of the owner's: read below one folder, within bounds; packed lists unpacked.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::rules::parse::{ListRefused, MAX_LIST_OCTETS};

/// First octets of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The folder that list files lie in.
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// Names the folder.
    pub fn new(folder: PathBuf) -> Files {
        Files { folder }
    }

    /// Reads a list file.
    pub fn read(&self, file: &Path) -> Result<Vec<u8>, String> {
        let file = File::open(self.place(file)?).map_err(|error| error.to_string())?;
        read_bounded_from(file, MAX_LIST_OCTETS)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| ListRefused::TooLarge.to_string())
    }

    /// Finds a file; links are followed, but never out of the folder.
    fn place(&self, file: &Path) -> Result<PathBuf, String> {
        let shown = file.display();
        if file.is_absolute() {
            return Err(format!("write {shown} relative to {}", self.folder.display()));
        }
        let folder = fs::canonicalize(&self.folder)
            .map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let place = fs::canonicalize(folder.join(file)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("there is no file {shown} in {}", folder.display()),
            _ => format!("{shown}: {error}"),
        })?;
        if !place.starts_with(&folder) {
            return Err(format!("{shown} lies outside {}", folder.display()));
        }
        if !place.is_file() {
            return Err(format!("{shown} is not a file"));
        }
        Ok(place)
    }
}

/// Reads to the end, or returns nothing if that lies behind `limit` octets.
pub fn read_bounded_from(source: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut octets = Vec::new();
    source.take(limit as u64 + 1).read_to_end(&mut octets)?;
    Ok((octets.len() <= limit).then_some(octets))
}

/// Returns the content of a list that may be packed.
pub fn unpacked(octets: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !octets.starts_with(&GZIP) {
        let fits = octets.len() <= MAX_LIST_OCTETS;
        return fits.then_some(octets.into()).ok_or_else(|| ListRefused::TooLarge.to_string());
    }
    read_bounded_from(MultiGzDecoder::new(octets), MAX_LIST_OCTETS)
        .map_err(|error| format!("it cannot be unpacked: {error}"))?
        .map(Cow::from)
        .ok_or_else(|| ListRefused::TooLarge.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(octets: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(octets).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn no_file_outside_the_folder_is_read() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |inside: &str| root.path().join(inside);
        fs::create_dir_all(at("lists/sub")).expect("folders");
        for file in ["secret.txt", "lists/sub/b.txt"] {
            fs::write(at(file), b"a.example\n").expect("a file is written");
        }
        symlink(at("secret.txt"), at("lists/link.txt")).expect("a link");
        symlink(at("lists/sub/b.txt"), at("lists/inside.txt")).expect("a link");
        let files = Files::new(at("lists"));
        let absolute = at("lists/sub/b.txt");
        let refused = [
            (Path::new("../secret.txt"), "outside"),
            (Path::new("link.txt"), "outside"),
            (Path::new("sub"), "not a file"),
            (absolute.as_path(), "relative to"),
            (Path::new("absent.txt"), "there is no file"),
        ];
        for (file, why) in refused {
            assert!(files.read(file).is_err_and(|told| told.contains(why)), "{}", file.display());
        }
        for file in ["sub/b.txt", "inside.txt", "sub/../sub/b.txt"] {
            assert_eq!(files.read(Path::new(file)).as_deref(), Ok(&b"a.example\n"[..]), "{file}");
        }
    }

    #[test]
    fn what_has_no_end_is_stopped_at_the_limit() {
        let endless = packed(&[b'a'; 100_000]);
        let read =
            |limit| read_bounded_from(MultiGzDecoder::new(&*endless), limit).expect("it is whole");
        assert_eq!(read(99_999), None);
        assert_eq!(read(100_000).map(|octets| octets.len()), Some(100_000));
        assert_eq!(read_bounded_from(io::repeat(b'a'), 1000).expect("no error"), None);
    }

    #[test]
    fn a_list_is_unpacked_if_it_is_packed_and_refused_if_it_is_cut() {
        assert_eq!(unpacked(b"a.example").as_deref(), Ok(&b"a.example"[..]));
        let whole = packed(b"a.example");
        assert_eq!(unpacked(&whole).as_deref(), Ok(&b"a.example"[..]));
        for cut in [&whole[..whole.len() / 2], &GZIP] {
            assert!(unpacked(cut).is_err_and(|why| why.starts_with("it cannot be unpacked")));
        }
    }
}
