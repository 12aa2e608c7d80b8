//! The databases: opened, brought up to date, set aside when damaged, and how they sync.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// SQLite's own words.
    #[error("{path}: {error}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        error: rusqlite::Error,
    },
    /// The file was written by a later version of the program.
    #[error("{path} has schema version {found}, this program knows {known}; run the newer program")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: usize,
        /// The latest version this program knows.
        known: usize,
    },
}

/// One open database, used by one thread at a time.
pub struct Database {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Database {
    /// Opens or makes the file at `path` and runs the migrations it has not had.
    pub fn open(path: &Path, migrations: &[&str]) -> Result<Database, StorageError> {
        let fail = |error| StorageError::Sqlite { path: path.into(), error };
        let connection = Connection::open(path).map_err(fail)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            )
            .map_err(fail)?;
        let found: u32 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
        let found = found as usize;
        if found > migrations.len() {
            return Err(StorageError::Newer { path: path.into(), found, known: migrations.len() });
        }
        for (version, migration) in migrations.iter().enumerate().skip(found) {
            let batch = format!("BEGIN; {migration}; PRAGMA user_version={}; COMMIT;", version + 1);
            connection.execute_batch(&batch).map_err(fail)?;
        }
        Ok(Database { path: path.into(), connection: Mutex::new(connection) })
    }

    /// Runs `work` on the connection; others wait. Never call it on the query path.
    pub fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut connection)
            .map_err(|error| StorageError::Sqlite { path: self.path.clone(), error })
    }
}
