//! Every revision of the policy that was in force, with time, actor and reason, in `state.db`.

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::{OptionalExtension, params};

use crate::model::Moment;
use crate::storage::{Database, StorageError};

/// How long a revision is kept: 400 days, in microseconds.
const LONGEST_KEPT: i64 = 400 * 86_400 * 1_000_000;

/// Compressed octets kept in all.
const MOST_KEPT: i64 = 200 * 1024 * 1024;

/// One revision, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The hash of the text.
    pub hash: String,
    /// Since when it was in force, microseconds since 1970.
    pub at: i64,
    /// Who made it: `cli root`, `api`, `editor`.
    pub actor: String,
    /// What it was made for.
    pub reason: String,
}

/// The revisions in `state.db`.
pub struct Revisions {
    state: Arc<Database>,
    most: i64,
}

impl Revisions {
    /// Uses the table of `state.db`.
    pub fn new(state: Arc<Database>) -> Revisions {
        Revisions { state, most: MOST_KEPT }
    }

    /// Keeps a text that is in force from now on, unless it is the latest one already.
    pub fn record(&self, text: &str, revision: Revision) -> Result<(), StorageError> {
        let packed = pack(text);
        self.state.with(|connection| {
            let step = connection.transaction()?;
            let latest: Option<String> = step
                .query_row(
                    "SELECT hash FROM policy_revision ORDER BY rowid DESC LIMIT 1",
                    [],
                    |row| row.get(0),
                )
                .optional()?;
            if latest.as_deref() == Some(&revision.hash) {
                return Ok(());
            }
            let Revision { hash, at, actor, reason } = &revision;
            step.execute(
                "INSERT INTO policy_revision (hash, at, actor, reason, text) VALUES (?, ?, ?, ?, ?)",
                params![hash, at, actor, reason, packed],
            )?;
            prune(&step, *at, self.most)?;
            step.commit()
        })
    }

    /// Returns the revisions kept, the latest first.
    pub fn list(&self) -> Result<Vec<Revision>, StorageError> {
        self.state.with(|connection| {
            let mut query = connection.prepare(
                "SELECT hash, at, actor, reason FROM policy_revision ORDER BY rowid DESC",
            )?;
            let rows = query.query_map([], |row| {
                Ok(Revision {
                    hash: row.get(0)?,
                    at: row.get(1)?,
                    actor: row.get(2)?,
                    reason: row.get(3)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Returns the text of a revision, if it is kept.
    pub fn text(&self, hash: &str) -> Result<Option<String>, StorageError> {
        let packed: Option<Vec<u8>> = self.state.with(|connection| {
            connection
                .query_row(
                    "SELECT text FROM policy_revision WHERE hash = ? ORDER BY rowid DESC LIMIT 1",
                    [hash],
                    |row| row.get(0),
                )
                .optional()
        })?;
        Ok(packed.and_then(|packed| unpack(&packed)))
    }
}

/// Removes what is too old or, from the latest back, too much; never the latest.
fn prune(step: &rusqlite::Transaction<'_>, now: i64, most: i64) -> rusqlite::Result<usize> {
    step.execute(
        "DELETE FROM policy_revision WHERE rowid < (SELECT max(rowid) FROM policy_revision) AND (
             at < ?1 OR rowid IN (
                 SELECT rowid FROM (
                     SELECT rowid, sum(length(text)) OVER (ORDER BY rowid DESC) AS total
                     FROM policy_revision)
                 WHERE total > ?2))",
        params![now.saturating_sub(LONGEST_KEPT), most],
    )
}

fn pack(text: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    packed.expect("writing to memory does not fail")
}

fn unpack(packed: &[u8]) -> Option<String> {
    let mut text = String::new();
    ZlibDecoder::new(packed).read_to_string(&mut text).ok()?;
    Some(text)
}

impl Revision {
    /// Describes a text that is in force from `now` on.
    pub fn new(hash: &str, now: Moment, actor: &str, reason: &str) -> Revision {
        Revision { hash: hash.into(), at: now.wall, actor: actor.into(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_file::tests::state;

    fn at(days: i64) -> Moment {
        Moment { wall: days * 86_400 * 1_000_000, monotonic: 0 }
    }

    fn hashes(revisions: &Revisions) -> Vec<String> {
        let list = revisions.list().expect("a list");
        list.into_iter().map(|revision| revision.hash).collect()
    }

    #[test]
    fn a_text_is_kept_once_in_a_row_and_comes_back_as_it_was() {
        let (_folder, state) = state();
        let revisions = Revisions::new(state);
        for (hash, text) in [("a", "one"), ("a", "one"), ("b", "zwei – deux\n"), ("a", "one")] {
            let revision = Revision::new(hash, at(1), "cli root", "level strict for TV");
            revisions.record(text, revision).expect("recorded");
        }
        assert_eq!(hashes(&revisions), ["a", "b", "a"]);
        assert_eq!(revisions.text("b").expect("read").as_deref(), Some("zwei – deux\n"));
        assert_eq!(revisions.text("c").expect("read"), None);
        let latest = &revisions.list().expect("a list")[0];
        assert_eq!((latest.actor.as_str(), latest.at), ("cli root", at(1).wall));
    }

    #[test]
    fn old_revisions_go_and_the_latest_stays() {
        let (_folder, state) = state();
        let revisions = Revisions::new(state);
        for (hash, day) in [("a", 0), ("b", 100), ("c", 450)] {
            revisions.record(hash, Revision::new(hash, at(day), "x", "y")).expect("recorded");
        }
        assert_eq!(hashes(&revisions), ["c", "b"]);
        revisions.record("d", Revision::new("d", at(2_000), "x", "y")).expect("recorded");
        assert_eq!(hashes(&revisions), ["d"]);
    }

    #[test]
    fn what_is_too_much_goes_from_the_oldest() {
        let one = pack("text 1").len() as i64;
        let (_folder, state) = state();
        let revisions = Revisions { state, most: 2 * one + 1 };
        for hash in ["1", "2", "3", "4"] {
            let text = format!("text {hash}");
            revisions.record(&text, Revision::new(hash, at(1), "x", "y")).expect("recorded");
        }
        assert_eq!(hashes(&revisions), ["4", "3"]);
        let tight = Revisions { state: Arc::clone(&revisions.state), most: 1 };
        tight.record("text 5", Revision::new("5", at(1), "x", "y")).expect("recorded");
        assert_eq!(hashes(&tight), ["5"]);
    }
}
