//! What is kept on disk: the databases, files written whole, files mapped into memory.

mod damage;
mod database;
mod mapped;
mod state;
mod whole_file;

use std::path::PathBuf;

pub use database::Database;
pub use mapped::map;
pub use state::{STATE_MIGRATIONS, hash_seed};
pub use whole_file::{UNFINISHED, write_whole};

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
    /// The file does not hold together.
    #[error("{path} is damaged: {finding}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first thing found wrong.
        finding: String,
    },
    /// The file cannot be made or moved.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl StorageError {
    /// Returns whether the file itself is damaged, so that only another one helps.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            StorageError::Damaged { .. } => true,
            StorageError::Sqlite { error, .. } => {
                matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
            }
            StorageError::Newer { .. } | StorageError::File { .. } => false,
        }
    }
}
