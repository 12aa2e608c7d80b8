//! Compiled lists on disk, named for all that they were made of, and mapped at start.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ring::digest::{Context, SHA256, digest};

use crate::storage::{UNFINISHED, map, write_whole};

/// The last octets of a whole file.
const MAGIC: [u8; 8] = *b"dpixel1\n";

/// Octets behind the notes: two lengths, the hash of the notes, the mark.
const TRAILER: usize = 8 + 8 + 32 + MAGIC.len();

/// Everything that compiled lists depend on, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArtefactKey(pub [u8; 32]);

/// Hashes a key's parts, each kept apart from the next.
pub struct KeyParts(Context);

/// The folder of compiled lists.
pub struct Artefacts {
    folder: PathBuf,
}

/// What a file holds: compiled lists, and what was noted when they were compiled.
pub struct Artefact {
    /// Compiled lists.
    pub body: Bytes,
    /// The notes.
    pub notes: Bytes,
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

    /// Maps the file of a key, if there is a whole one.
    pub fn find(&self, key: ArtefactKey) -> Option<Artefact> {
        split(map(&self.path(key)).ok()?)
    }

    /// Writes the file of a key.
    pub fn keep(&self, key: ArtefactKey, mut body: Vec<u8>, notes: &[u8]) -> io::Result<()> {
        let lengths = [body.len() as u64, notes.len() as u64];
        body.extend_from_slice(notes);
        lengths.iter().for_each(|length| body.extend_from_slice(&length.to_le_bytes()));
        body.extend_from_slice(digest(&SHA256, notes).as_ref());
        body.extend_from_slice(&MAGIC);
        write_whole(&self.path(key), &body)
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

fn split(file: Bytes) -> Option<Artefact> {
    let end = file.len().checked_sub(TRAILER)?;
    let trailer = file.slice(end..);
    let (lengths, rest) = trailer.split_at_checked(16)?;
    let (hash, magic) = rest.split_at_checked(32)?;
    let (body, notes) = lengths.split_at_checked(8)?;
    let length = |octets: &[u8]| {
        let octets: [u8; 8] = octets.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(octets)).ok()
    };
    let (body, notes) = (length(body)?, length(notes)?);
    if magic != MAGIC || body.checked_add(notes)? != end {
        return None;
    }
    let notes = file.slice(body..end);
    let body = file.slice(..body);
    (digest(&SHA256, &notes).as_ref() == hash).then_some(Artefact { body, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ArtefactKey {
        let mut parts = KeyParts::new();
        parts.add(text.as_bytes());
        parts.finish()
    }

    fn folder() -> (tempfile::TempDir, Artefacts) {
        let folder = tempfile::tempdir().expect("a folder");
        let artefacts = Artefacts::new(folder.path().join("compiled"));
        (folder, artefacts)
    }

    #[test]
    fn a_file_is_found_by_its_key_alone() {
        let (_folder, artefacts) = folder();
        assert!(artefacts.find(key("a")).is_none());
        artefacts.keep(key("a"), b"body".into(), b"notes").expect("written");
        let found = artefacts.find(key("a")).expect("there");
        assert_eq!((&*found.body, &*found.notes), (&b"body"[..], &b"notes"[..]));
        assert!(artefacts.find(key("b")).is_none());
        artefacts.keep(key("a"), Vec::new(), b"").expect("written");
        assert!(artefacts.find(key("a")).is_some_and(|found| found.notes.is_empty()));
    }

    #[test]
    fn a_file_that_is_cut_or_changed_is_no_artefact() {
        let (_folder, artefacts) = folder();
        artefacts.keep(key("a"), b"body".into(), b"notes").expect("written");
        let path = artefacts.path(key("a"));
        let whole = fs::read(&path).expect("read");
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).expect("written");
            assert!(artefacts.find(key("a")).is_none(), "cut at {end}");
        }
        for place in b"body".len()..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x10;
            fs::write(&path, &changed).expect("written");
            assert!(artefacts.find(key("a")).is_none(), "changed at {place}");
        }
    }

    #[test]
    fn other_files_go_and_what_is_mapped_stays() {
        let (_folder, artefacts) = folder();
        artefacts.keep(key("a"), b"body".into(), b"notes").expect("written");
        let mapped = artefacts.find(key("a")).expect("there");
        artefacts.keep(key("b"), b"other".into(), b"notes").expect("written");
        fs::write(artefacts.path(key("c")).with_extension(UNFINISHED), b"half").expect("written");
        artefacts.sweep(key("b"));
        assert_eq!(fs::read_dir(&artefacts.folder).expect("a folder").count(), 1);
        assert_eq!(&*mapped.body, b"body");
    }

    #[test]
    fn parts_of_a_key_do_not_flow_together() {
        let of = |parts: &[&str]| {
            let mut key = KeyParts::new();
            parts.iter().for_each(|part| key.add(part.as_bytes()));
            key.finish()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    }
}
