//! Files that are written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How the names of unfinished files end.
pub const UNFINISHED: &str = "unfinished";

/// Writes a file under another name, syncs it and renames it: whoever looks sees all or nothing.
pub fn write_whole(path: &Path, octets: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unfinished = path.with_extension(UNFINISHED);
    let written = write_synced(&unfinished, octets).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // What cannot be written may be a full disk, which it should not help to fill.
        let _ = fs::remove_file(&unfinished);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_synced(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_unfinished_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/a.gz");
        write_whole(&path, b"one").expect("written");
        write_whole(&path, b"two").expect("written");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::read_dir(folder.path().join("new")).expect("a folder").count(), 1);
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        write_whole(&path, b"one").expect("written");
        fs::create_dir(path.with_extension(UNFINISHED)).expect("in the way");
        assert!(write_whole(&path, b"two").is_err());
        assert_eq!(fs::read(&path).expect("read"), b"one");
        assert!(write_whole(&path.join("below"), b"x").is_err());
    }
}
