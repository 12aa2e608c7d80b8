//! Finds damage in a database and moves it out of the way; nothing is ever deleted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use super::StorageError;

/// Larger files are not read whole at the start; what is wrong in them shows when it is used.
const CHECKED_OCTETS: u64 = 16 << 20;

/// Reads a file of moderate size through and returns the first thing found wrong.
pub(super) fn find_damage(
    path: &Path,
    connection: &Connection,
) -> rusqlite::Result<Option<String>> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() > CHECKED_OCTETS) {
        return Ok(None);
    }
    let finding: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((finding != "ok").then_some(finding))
}

/// Renames a database and its journals to `NAME.damaged-<unix time>` and returns the new path.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, StorageError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let aside = (since.as_secs()..)
        .map(|stamp| beside(path, &format!(".damaged-{stamp}")))
        .find(|candidate| !candidate.exists())
        .expect("some second is free");
    rename(path, &aside)?;
    for journal in ["-wal", "-shm"] {
        let from = beside(path, journal);
        if from.exists() {
            rename(&from, &beside(&aside, journal))?;
        }
    }
    Ok(aside)
}

fn rename(from: &Path, to: &Path) -> Result<(), StorageError> {
    std::fs::rename(from, to).map_err(|error| StorageError::File { path: from.into(), error })
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(ending);
    name.into()
}
