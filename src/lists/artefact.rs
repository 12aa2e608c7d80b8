//! Compiled lists on disk, named for all that they were made of, and mapped at start.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ring::digest::{Context, SHA256};

use crate::storage::{UNFINISHED, map, write_whole};

/// Everything that compiled lists depend on, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArtefactKey(pub [u8; 32]);

/// Hashes a key's parts, each kept apart from the next.
pub struct KeyParts(Context);

/// The folder of compiled lists.
pub struct Artefacts {
    folder: PathBuf,
}

impl KeyParts {
    /// Starts with nothing.
    pub fn new() -> KeyParts {
        KeyParts(Context::new(&SHA256))
    }

    /// Adds a part.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// Returns the key.
    pub fn finish(self) -> ArtefactKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.finish().as_ref());
        ArtefactKey(key)
    }
}

impl fmt::Display for ArtefactKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(out, "{octet:02x}"))
    }
}

impl Artefacts {
    /// Names the folder.
    pub fn new(folder: PathBuf) -> Artefacts {
        Artefacts { folder }
    }

    /// Maps the file of a key, if there is one; what is in it is not yet to be trusted.
    pub fn find(&self, key: ArtefactKey) -> Option<Bytes> {
        map(&self.path(key)).ok()
    }

    /// Writes the file of a key.
    pub fn keep(&self, key: ArtefactKey, octets: &[u8]) -> io::Result<()> {
        write_whole(&self.path(key), octets)
    }

    /// Removes the files of all other keys; whoever has one mapped keeps what is in it.
    pub fn sweep(&self, key: ArtefactKey) {
        let wanted = self.path(key);
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let others = entries.flatten().map(|entry| entry.path()).filter(|path| *path != wanted);
        for path in others.filter(|path| is_ours(path)) {
            // One that stays is swept the next time.
            let _ = fs::remove_file(path);
        }
    }

    fn path(&self, key: ArtefactKey) -> PathBuf {
        self.folder.join(format!("{key}.rules"))
    }
}

fn is_ours(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "rules" || ending == UNFINISHED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[&str]) -> ArtefactKey {
        let mut key = KeyParts::new();
        parts.iter().for_each(|part| key.add(part.as_bytes()));
        key.finish()
    }

    #[test]
    fn other_files_go_and_what_is_mapped_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let artefacts = Artefacts::new(folder.path().join("compiled"));
        let [a, b, c] = ["a", "b", "c"].map(|part| key(&[part]));
        assert_eq!(artefacts.find(a), None);
        artefacts.keep(a, b"one").expect("written");
        let mapped = artefacts.find(a).expect("there");
        artefacts.keep(b, b"other").expect("written");
        fs::write(artefacts.path(c).with_extension(UNFINISHED), b"half").expect("written");
        fs::write(artefacts.folder.join("notes.txt"), b"of somebody's").expect("written");
        artefacts.sweep(b);
        assert_eq!(fs::read_dir(&artefacts.folder).expect("a folder").count(), 2);
        assert_eq!(artefacts.find(b).as_deref(), Some(&b"other"[..]));
        assert_eq!(&*mapped, b"one");
    }

    #[test]
    fn parts_of_a_key_do_not_flow_together() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
    }
}
