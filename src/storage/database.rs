//! One open database, used by one thread at a time.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::StorageError;
use super::damage::{find_damage, set_aside};

/// How long a statement waits for another process that holds the file.
const BUSY: Duration = Duration::from_secs(1);

/// Prepared statements that are kept: more than any writer of ours uses.
const STATEMENTS: usize = 64;

/// One open database, used by one thread at a time.
pub struct Database {
    path: PathBuf,
    damaged: Option<PathBuf>,
    connection: Mutex<Connection>,
}

impl Database {
    /// Opens or makes the file at `path` and runs the migrations it has not had.
    ///
    /// A damaged file is moved aside and a new one begun; see [`Database::damaged`].
    pub fn open(path: &Path, migrations: &[&str]) -> Result<Database, StorageError> {
        match open_sound(path, migrations) {
            Err(error) if error.is_damage() => Database::begin_anew(path, migrations),
            opened => opened,
        }
    }

    /// Moves the file at `path` aside as damaged and begins a new one.
    pub fn begin_anew(path: &Path, migrations: &[&str]) -> Result<Database, StorageError> {
        let aside = set_aside(path)?;
        let mut database = open_sound(path, migrations)?;
        database.damaged = Some(aside);
        Ok(database)
    }

    /// Opens an existing file for reading only, beside the connection that writes it.
    pub fn open_reader(path: &Path) -> Result<Database, StorageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| sqlite(path, error))?;
        Ok(Database::of(path, connection))
    }

    /// Opens a database that lives in memory only, for tests.
    pub fn memory(migrations: &[&str]) -> Result<Database, StorageError> {
        let path = Path::new(":memory:");
        let mut connection = Connection::open_in_memory().map_err(|error| sqlite(path, error))?;
        migrate(path, &mut connection, migrations)?;
        Ok(Database::of(path, connection))
    }

    /// Returns where the damaged predecessor of this file was put, if there was one at the start.
    pub fn damaged(&self) -> Option<&Path> {
        self.damaged.as_deref()
    }

    /// Returns the file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on the connection; others wait. Never call it on the query path.
    pub fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut connection).map_err(|error| sqlite(&self.path, error))
    }

    fn of(path: &Path, connection: Connection) -> Database {
        Database { path: path.into(), damaged: None, connection: Mutex::new(connection) }
    }
}

fn open_sound(path: &Path, migrations: &[&str]) -> Result<Database, StorageError> {
    make_private(path)?;
    let mut connection = connect(path).map_err(|error| sqlite(path, error))?;
    if let Some(finding) = find_damage(path, &connection).map_err(|error| sqlite(path, error))? {
        return Err(StorageError::Damaged { path: path.into(), finding });
    }
    migrate(path, &mut connection, migrations)?;
    Ok(Database::of(path, connection))
}

/// Makes the file so that only its owner reads it; SQLite gives its journals the same mode.
fn make_private(path: &Path) -> Result<(), StorageError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(StorageError::File { path: path.into(), error })
        }
        _ => Ok(()),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Takes effect in new files only: the pages of what is deleted can be given back in steps.
    connection.execute_batch("PRAGMA auto_vacuum=INCREMENTAL")?;
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;
         PRAGMA journal_size_limit=67108864;",
    )?;
    Ok(connection)
}

fn migrate(
    path: &Path,
    connection: &mut Connection,
    migrations: &[&str],
) -> Result<(), StorageError> {
    let fail = |error| sqlite(path, error);
    let found: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    let found = found as usize;
    if found > migrations.len() {
        return Err(StorageError::Newer { path: path.into(), found, known: migrations.len() });
    }
    for (version, migration) in migrations.iter().enumerate().skip(found) {
        run_migration(connection, migration, version + 1).map_err(fail)?;
    }
    Ok(())
}

fn run_migration(
    connection: &mut Connection,
    migration: &str,
    version: usize,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(migration)?;
    transaction.execute_batch(&format!("PRAGMA user_version={version}"))?;
    transaction.commit()
}

fn sqlite(path: &Path, error: rusqlite::Error) -> StorageError {
    StorageError::Sqlite { path: path.into(), error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FIRST: &str = "CREATE TABLE thing(id INTEGER PRIMARY KEY, name TEXT)";

    fn count(database: &Database) -> i64 {
        database
            .with(|c| c.query_row("SELECT count(*) FROM thing", [], |row| row.get(0)))
            .expect("a table")
    }

    fn add(database: &Database, things: usize) {
        for _ in 0..things {
            database.with(|c| c.execute("INSERT INTO thing(name) VALUES('x')", [])).expect("row");
        }
    }

    #[test]
    fn a_file_is_brought_up_to_date_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        add(&Database::open(&path, &[FIRST]).expect("new"), 2);
        let second = "INSERT INTO thing(name) VALUES('migrated')";
        for _ in 0..2 {
            let database = Database::open(&path, &[FIRST, second]).expect("open");
            assert_eq!(count(&database), 3);
            assert!(database.damaged().is_none());
        }
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        let broken = "CREATE TABLE half(x); CREATE TABLE thing(x);";
        assert!(Database::open(&path, &[FIRST, broken]).is_err());
        let database = Database::open(&path, &[FIRST]).expect("the first version");
        assert!(database.with(|c| c.execute("INSERT INTO half VALUES(1)", [])).is_err());
    }

    #[test]
    fn a_later_version_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        drop(Database::open(&path, &[FIRST, "SELECT 1"]).expect("new"));
        let refused = Database::open(&path, &[FIRST]);
        assert!(matches!(refused, Err(StorageError::Newer { found: 2, known: 1, .. })));
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_database_is_moved_aside() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        let rubbish = "not a database ".repeat(500);
        std::fs::write(&path, &rubbish).expect("written");
        let database = Database::open(&path, &[FIRST]).expect("a new one");
        assert_eq!(count(&database), 0);
        let aside = database.damaged().expect("told");
        assert!(aside.to_string_lossy().contains("a.db.damaged-"));
        assert_eq!(std::fs::read_to_string(aside).expect("kept"), rubbish);
    }

    #[test]
    fn a_page_of_rubbish_is_found_at_the_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        let database = Database::open(&path, &[FIRST]).expect("new");
        add(&database, 2_000);
        database.with(|c| c.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")).expect("checkpoint");
        drop(database);
        let mut octets = std::fs::read(&path).expect("a file");
        let end = octets.len();
        octets[end - 4096..].fill(0x5a);
        std::fs::write(&path, octets).expect("written");
        let database = Database::open(&path, &[FIRST]).expect("a new one");
        assert!(database.damaged().is_some());
        assert_eq!(count(&database), 0);
    }

    #[test]
    fn two_damaged_files_are_both_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        for _ in 0..2 {
            std::fs::write(&path, "rubbish ".repeat(500)).expect("written");
            drop(Database::open(&path, &[FIRST]).expect("a new one"));
        }
        let kept = std::fs::read_dir(folder.path()).expect("a folder");
        let damaged = kept.flatten().filter(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.contains("damaged") && !name.ends_with("-wal") && !name.ends_with("-shm")
        });
        assert_eq!(damaged.count(), 2);
    }
}
