//! Raw copies of lists, each under the hash of its content.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use ring::digest::{SHA256, digest};

use super::read_bounded_from;
use crate::rules::parse::MAX_LIST_OCTETS;
use crate::storage::{UNFINISHED, write_whole};

/// The SHA-256 of a list's content, unpacked, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(Box<str>);

/// The folder of copies.
pub struct Kept {
    folder: PathBuf,
    /// Copies that could not be written, packed: they last until the program ends.
    unwritten: Mutex<HashMap<ContentHash, Arc<[u8]>>>,
}

impl ContentHash {
    /// Hashes a list's content.
    pub fn of(octets: &[u8]) -> ContentHash {
        let digits = digest(&SHA256, octets);
        ContentHash(digits.as_ref().iter().map(|octet| format!("{octet:02x}")).collect())
    }

    /// Takes a hash as it was written down.
    pub fn parse(text: &str) -> Option<ContentHash> {
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        (text.len() == 64 && text.chars().all(digit)).then(|| ContentHash(text.into()))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Kept {
    /// Names the folder.
    pub fn new(folder: PathBuf) -> Kept {
        Kept { folder, unwritten: Mutex::default() }
    }

    /// Keeps a copy; as long as one cannot be written, it is kept in memory and the error returned.
    pub fn keep(&self, hash: &ContentHash, octets: &[u8]) -> io::Result<()> {
        if !self.has(hash) {
            let packed = pack(octets);
            self.unwritten().insert(hash.clone(), packed.into());
        }
        let waiting: Vec<(ContentHash, Arc<[u8]>)> =
            self.unwritten().iter().map(|(hash, packed)| (hash.clone(), packed.clone())).collect();
        for (hash, packed) in waiting {
            write_whole(&self.path(&hash), &packed)?;
            self.unwritten().remove(&hash);
        }
        Ok(())
    }

    /// Reads a copy, which must be what it was.
    pub fn read(&self, hash: &ContentHash) -> Result<Vec<u8>, String> {
        let in_memory = self.unwritten().get(hash).cloned();
        let octets = match in_memory {
            Some(packed) => unpack(&*packed),
            None => File::open(self.path(hash)).and_then(unpack),
        };
        match octets {
            Ok(octets) if ContentHash::of(&octets) == *hash => Ok(octets),
            Ok(_) => Err("its copy is damaged".into()),
            Err(error) => Err(format!("its copy cannot be read: {error}")),
        }
    }

    /// Returns whether there is a copy, be it damaged.
    pub fn has(&self, hash: &ContentHash) -> bool {
        self.unwritten().contains_key(hash) || self.path(hash).is_file()
    }

    /// Removes a copy.
    pub fn remove(&self, hash: &ContentHash) {
        self.unwritten().remove(hash);
        // One that stays is swept at the next start.
        let _ = fs::remove_file(self.path(hash));
    }

    /// Removes every copy but these, and what was left unfinished.
    pub fn sweep(&self, wanted: &BTreeSet<ContentHash>) {
        self.unwritten().retain(|hash, _| wanted.contains(hash));
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(ContentHash::parse);
            let Some(hash) = stem else { continue };
            let goes = match path.extension().and_then(|ending| ending.to_str()) {
                Some("gz") => !wanted.contains(&hash),
                Some(ending) => ending == UNFINISHED,
                None => false,
            };
            if goes {
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn path(&self, hash: &ContentHash) -> PathBuf {
        self.folder.join(format!("{hash}.gz"))
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<ContentHash, Arc<[u8]>>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pack(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(octets).and_then(|()| encoder.finish()).expect("memory takes all")
}

fn unpack(packed: impl io::Read) -> io::Result<Vec<u8>> {
    let octets = read_bounded_from(GzDecoder::new(packed), MAX_LIST_OCTETS)?;
    octets.ok_or_else(|| io::Error::other("it is larger than 256 MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> (tempfile::TempDir, Kept) {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = Kept::new(folder.path().join("lists-kept"));
        (folder, kept)
    }

    #[test]
    fn a_copy_is_kept_once_and_read_as_it_was() {
        let (folder, kept) = kept();
        let hash = ContentHash::of(b"a.example\n");
        for _ in 0..2 {
            kept.keep(&hash, b"a.example\n").expect("written");
        }
        assert_eq!(kept.read(&hash).as_deref(), Ok(&b"a.example\n"[..]));
        let files = fs::read_dir(folder.path().join("lists-kept")).expect("a folder");
        let names: Vec<_> = files.flatten().map(|file| file.file_name()).collect();
        assert_eq!(names, [format!("{hash}.gz").as_str()]);
        assert_eq!(ContentHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(ContentHash::parse("../../etc/passwd"), None);
    }

    #[test]
    fn a_damaged_copy_is_no_list() {
        let (_folder, kept) = kept();
        let hash = ContentHash::of(b"a.example\n");
        let path = kept.path(&hash);
        kept.keep(&hash, b"a.example\n").expect("written");
        fs::write(&path, pack(b"b.example\n")).expect("written");
        assert_eq!(kept.read(&hash), Err("its copy is damaged".into()));
        let whole = pack(b"a.example\n");
        fs::write(&path, &whole[..whole.len() - 9]).expect("written");
        assert!(kept.read(&hash).is_err_and(|why| why.starts_with("its copy cannot be read")));
        fs::remove_file(&path).expect("removed");
        assert!(!kept.has(&hash) && kept.read(&hash).is_err());
    }

    #[test]
    fn what_cannot_be_written_lives_in_memory() {
        let (folder, kept) = kept();
        fs::write(folder.path().join("lists-kept"), b"in the way").expect("written");
        let hash = ContentHash::of(b"a.example\n");
        assert!(kept.keep(&hash, b"a.example\n").is_err());
        assert!(kept.has(&hash));
        assert_eq!(kept.read(&hash).as_deref(), Ok(&b"a.example\n"[..]));
        kept.remove(&hash);
        assert!(!kept.has(&hash));
    }

    #[test]
    fn what_nobody_wants_and_what_was_left_unfinished_is_swept() {
        let (_folder, kept) = kept();
        let [wanted, other] = [b"a", b"b"].map(|content| {
            let hash = ContentHash::of(content);
            kept.keep(&hash, content).expect("written");
            hash
        });
        let unfinished = kept.path(&ContentHash::of(b"c")).with_extension(UNFINISHED);
        let stranger = kept.folder.join("notes.gz");
        for path in [&unfinished, &stranger] {
            fs::write(path, b"half").expect("written");
        }
        kept.sweep(&BTreeSet::from([wanted.clone()]));
        assert!(kept.has(&wanted) && !kept.has(&other));
        assert!(!unfinished.exists() && stranger.exists(), "only what is ours goes");
    }
}
