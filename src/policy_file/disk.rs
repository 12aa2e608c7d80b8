//! `policy.toml` on disk: read whole, replaced whole, never over somebody else's change.

use std::fs::{self, File, OpenOptions, Permissions};
use std::hash::Hasher;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::diagnostic::{Problem, Problems};

/// Largest file that is read.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Why the file was not written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It, or its folder, is not ours to write.
    #[error("{0}")]
    ReadOnly(String),
    /// It is not the text that the change was made to.
    #[error("it was changed at the same moment")]
    Conflict,
    /// The disk failed.
    #[error("{0}")]
    Failed(String),
}

/// The file.
pub struct Disk {
    path: PathBuf,
}

/// Returns the revision of a text: a hash, as people can compare it.
pub fn revision_of(text: &str) -> String {
    // Without a secret key: the text is the owner's, and evidence must name it on any machine.
    let mut hasher = SipHasher13::new();
    hasher.write(text.as_bytes());
    format!("{:032x}", hasher.finish128().as_u128())
}

impl Disk {
    /// Names the file.
    pub fn new(path: PathBuf) -> Disk {
        Disk { path }
    }

    /// Returns the file's name for people.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Reads the file; `None` if there is none.
    pub fn read(&self) -> Result<Option<String>, Problems> {
        let fail = |error: std::io::Error| self.unreadable(1, format!("cannot be read: {error}"));
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let mut octets = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut octets).map_err(fail)?;
        if octets.len() as u64 > LARGEST {
            return Err(self.unreadable(1, "the file is larger than 16 MiB".into()));
        }
        String::from_utf8(octets).map(Some).map_err(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or(&[]);
            let line = good.iter().filter(|&&octet| octet == b'\n').count() + 1;
            self.unreadable(line, "this line is not UTF-8 text".into())
        })
    }

    /// Writes the file where there is none.
    pub fn create(&self, text: &str) -> Result<(), WriteError> {
        self.replace(None, text)
    }

    /// Replaces the file, if its text still has the revision `based_on` (`None`: there is none).
    ///
    /// Owner and mode stay. After a power cut there is the old text or the new one.
    pub fn replace(&self, based_on: Option<&str>, text: &str) -> Result<(), WriteError> {
        // Behind a link it is the file that is replaced, not the link.
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let old = match OpenOptions::new().write(true).open(&target) {
            Ok(old) => Some(old.metadata().map_err(|error| refused(&target, &error))?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(refused(&target, &error)),
        };
        if old.as_ref().is_some_and(|old| old.permissions().readonly()) {
            return Err(WriteError::ReadOnly(format!("{} is read-only", target.display())));
        }
        let draft = target.with_extension(format!("toml.{}.new", std::process::id()));
        let written = write_draft(&draft, text, old.as_ref())
            .and_then(|()| self.still(based_on))
            .and_then(|()| put(&draft, &target));
        if written.is_err() {
            // The draft may not have been made at all; what went wrong is told already.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn still(&self, based_on: Option<&str>) -> Result<(), WriteError> {
        let now = self.read().map_err(|_| WriteError::Conflict)?;
        let now = now.as_deref().map(revision_of);
        if now.as_deref() == based_on { Ok(()) } else { Err(WriteError::Conflict) }
    }

    fn unreadable(&self, line: usize, message: String) -> Problems {
        Problems(vec![Problem {
            file: self.name(),
            line,
            column: 1,
            width: 1,
            text: String::new(),
            message,
            help: None,
        }])
    }
}

fn write_draft(draft: &Path, text: &str, old: Option<&fs::Metadata>) -> Result<(), WriteError> {
    let fail = |error: std::io::Error| refused(draft, &error);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).open(draft).map_err(fail)?;
    if let Some(old) = old {
        let now = file.metadata().map_err(fail)?;
        if (now.uid(), now.gid()) != (old.uid(), old.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid())).map_err(|error| {
                WriteError::ReadOnly(format!("its owner would change: {error}"))
            })?;
        }
        file.set_permissions(Permissions::from_mode(old.mode() & 0o7777)).map_err(fail)?;
    }
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)
}

fn put(draft: &Path, target: &Path) -> Result<(), WriteError> {
    let fail = |error: std::io::Error| refused(target, &error);
    fs::rename(draft, target).map_err(fail)?;
    let folder = target.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)
}

fn refused(path: &Path, error: &std::io::Error) -> WriteError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => WriteError::ReadOnly(text),
        _ => WriteError::Failed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(text: &str) -> (tempfile::TempDir, Disk) {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::new(folder.path().join("policy.toml"));
        disk.create(text).expect("written");
        (folder, disk)
    }

    fn names(folder: &tempfile::TempDir) -> Vec<String> {
        let files = fs::read_dir(folder.path()).expect("a folder");
        files.map(|f| f.expect("a file").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_text_is_replaced_whole_and_keeps_the_mode() {
        let (folder, disk) = disk("one");
        let file = folder.path().join("policy.toml");
        fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("set");
        disk.replace(Some(&revision_of("one")), "two").expect("written");
        assert_eq!(disk.read().expect("read").as_deref(), Some("two"));
        assert_eq!(file.metadata().expect("there").mode() & 0o7777, 0o640);
        assert_eq!(names(&folder), ["policy.toml"]);
    }

    #[test]
    fn somebody_elses_change_is_not_overwritten() {
        let (folder, disk) = disk("one");
        fs::write(folder.path().join("policy.toml"), "theirs").expect("written");
        let ours = disk.replace(Some(&revision_of("one")), "ours");
        assert_eq!(ours, Err(WriteError::Conflict));
        assert_eq!(disk.create("ours"), Err(WriteError::Conflict));
        assert_eq!(disk.read().expect("read").as_deref(), Some("theirs"));
        assert_eq!(names(&folder), ["policy.toml"]);
    }

    #[test]
    fn a_file_that_is_gone_is_no_ground_for_a_change() {
        let (folder, disk) = disk("one");
        fs::remove_file(folder.path().join("policy.toml")).expect("removed");
        assert_eq!(disk.read().expect("read"), None);
        assert_eq!(disk.replace(Some(&revision_of("one")), "two"), Err(WriteError::Conflict));
        assert_eq!(disk.create("two"), Ok(()));
    }

    #[test]
    fn a_read_only_file_is_managed_elsewhere() {
        let (folder, disk) = disk("one");
        let file = folder.path().join("policy.toml");
        fs::set_permissions(&file, Permissions::from_mode(0o444)).expect("set");
        let refused = disk.replace(Some(&revision_of("one")), "two");
        assert!(matches!(refused, Err(WriteError::ReadOnly(_))), "{refused:?}");
        assert_eq!(disk.read().expect("read").as_deref(), Some("one"));
    }

    #[test]
    fn a_link_stays_and_its_file_is_replaced() {
        let (folder, disk) = disk("one");
        let link = Disk::new(folder.path().join("link.toml"));
        std::os::unix::fs::symlink("policy.toml", folder.path().join("link.toml")).expect("made");
        link.replace(Some(&revision_of("one")), "two").expect("written");
        assert_eq!(disk.read().expect("read").as_deref(), Some("two"));
        assert!(folder.path().join("link.toml").is_symlink());
    }

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        let (folder, disk) = disk("one");
        fs::write(folder.path().join("policy.toml"), b"a = 1\nb = \"\xff\"\n").expect("written");
        let problems = disk.read().expect_err("not UTF-8");
        assert_eq!(problems.0[0].line, 2);
    }
}
