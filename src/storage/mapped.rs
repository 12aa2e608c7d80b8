//! Files mapped into memory: the one place with unsafe code.

use std::fs::File;
use std::io;
use std::path::Path;

use bytes::Bytes;
use memmap2::Mmap;

/// Maps a file that nobody writes any more; its octets are read from disk as they are looked at.
///
/// Only for files that were written by [`super::write_whole`]. Whoever reads the octets must take
/// any for possible: a disk can fail.
pub fn map(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    #[expect(unsafe_code, reason = "a file is mapped; why that is sound stands below")]
    // SAFETY: a mapping must not change under the slice made of it, nor the file shrink. These
    // files are written under another name, synced and renamed, and from then on never opened for
    // writing by this program, which replaces or removes them whole: the mapping then keeps the
    // old file. They lie in the data folder, and are readable and writable for their owner alone.
    // The mapping is private and read-only, and lives as long as the last `Bytes` made of it.
    let mapping = unsafe { Mmap::map(&file)? };
    Ok(Bytes::from_owner(mapping))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::write_whole;

    #[test]
    fn a_mapped_file_outlives_its_name_and_its_successor() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        write_whole(&path, b"one").expect("written");
        let mapped = map(&path).expect("mapped");
        write_whole(&path, b"three").expect("written");
        assert_eq!(&*mapped, b"one");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!((&*mapped, mapped.slice(1..2)), (&b"one"[..], Bytes::from_static(b"n")));
    }

    #[test]
    fn an_empty_file_has_no_octets_and_an_absent_one_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        assert!(map(&path).is_err());
        write_whole(&path, b"").expect("written");
        assert!(map(&path).expect("mapped").is_empty());
    }
}
