//! The versions of lists in `state.db`.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, Transaction, params};

use super::{Attempts, ContentHash, History, ListChange, Version, VersionState};
use crate::model::ListName;
use crate::storage::{Database, StorageError};

const STATES: [(&str, VersionState); 4] = [
    ("in-force", VersionState::InForce),
    ("held", VersionState::Held),
    ("rolled-back", VersionState::RolledBack),
    ("earlier", VersionState::Earlier),
];

/// Reads what is known of all lists; rows that make no sense are passed over.
pub fn load(state: &Database) -> Result<BTreeMap<ListName, History>, StorageError> {
    state.with(|connection| {
        let mut histories = attempts(connection)?;
        let mut query = connection.prepare(
            "SELECT list, number, hash, octets, names, usable, expires, source, change, at, state,
             why FROM list_version ORDER BY list, number",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            if let (Ok(name), Some(version)) = (ListName::parse(&name), version(row)?) {
                histories.entry(name).or_default().versions.push(version);
            }
        }
        Ok(histories)
    })
}

/// Writes all that is known of one list, in one step.
pub fn save(state: &Database, list: &ListName, history: &History) -> Result<(), StorageError> {
    state.with(|connection| {
        let step = connection.transaction()?;
        clear(&step, list)?;
        for version in &history.versions {
            insert(&step, list, version)?;
        }
        insert_attempts(&step, list, history)?;
        step.commit()
    })
}

/// Forgets a list.
pub fn forget(state: &Database, list: &ListName) -> Result<(), StorageError> {
    state.with(|connection| {
        let step = connection.transaction()?;
        clear(&step, list)?;
        step.commit()
    })
}

fn clear(step: &Transaction<'_>, list: &ListName) -> rusqlite::Result<()> {
    step.execute("DELETE FROM list_version WHERE list = ?", [list.as_str()])?;
    step.execute("DELETE FROM list_attempt WHERE list = ?", [list.as_str()])?;
    Ok(())
}

fn attempts(connection: &Connection) -> rusqlite::Result<BTreeMap<ListName, History>> {
    let mut query = connection.prepare(
        "SELECT list, newest, asked, last_attempt, last_success, failures, last_error, next_due,
         etag, last_modified FROM list_attempt",
    )?;
    let mut rows = query.query([])?;
    let mut histories = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let attempts = Attempts {
            asked: row.get(2)?,
            last_attempt: row.get(3)?,
            last_success: row.get(4)?,
            failures: row.get(5)?,
            last_error: row.get(6)?,
            next_due: row.get(7)?,
            etag: row.get(8)?,
            last_modified: row.get(9)?,
        };
        let name: String = row.get(0)?;
        let history = History { versions: Vec::new(), newest: row.get(1)?, attempts };
        histories.extend(ListName::parse(&name).ok().map(|name| (name, history)));
    }
    Ok(histories)
}

fn version(row: &Row<'_>) -> rusqlite::Result<Option<Version>> {
    let (hash, state): (String, String) = (row.get(2)?, row.get(10)?);
    let change: String = row.get(8)?;
    let state = STATES.iter().find(|(word, _)| *word == state).map(|(_, state)| *state);
    let (Some(hash), Some(state)) = (ContentHash::parse(&hash), state) else {
        return Ok(None);
    };
    Ok(Some(Version {
        number: row.get(1)?,
        hash,
        octets: row.get(3)?,
        names: row.get(4)?,
        usable: row.get(5)?,
        expires: row.get(6)?,
        source: row.get(7)?,
        change: serde_json::from_str::<ListChange>(&change).unwrap_or_default(),
        at: row.get(9)?,
        state,
        why: row.get(11)?,
    }))
}

fn insert(step: &Transaction<'_>, list: &ListName, version: &Version) -> rusqlite::Result<usize> {
    let state = STATES.iter().find(|(_, state)| *state == version.state);
    let state = state.map(|(word, _)| *word).expect("every state has its word");
    let change = serde_json::to_string(&version.change).expect("numbers and texts");
    step.execute(
        "INSERT INTO list_version (list, number, hash, octets, names, usable, expires, source,
         change, at, state, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            list.as_str(),
            version.number,
            version.hash.to_string(),
            version.octets,
            version.names,
            version.usable,
            version.expires,
            version.source,
            change,
            version.at,
            state,
            version.why,
        ],
    )
}

fn insert_attempts(
    step: &Transaction<'_>,
    list: &ListName,
    history: &History,
) -> rusqlite::Result<usize> {
    let attempts = &history.attempts;
    step.execute(
        "INSERT INTO list_attempt (list, newest, asked, last_attempt, last_success, failures,
         last_error, next_due, etag, last_modified) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            list.as_str(),
            history.newest,
            attempts.asked,
            attempts.last_attempt,
            attempts.last_success,
            attempts.failures,
            attempts.last_error,
            attempts.next_due,
            attempts.etag,
            attempts.last_modified,
        ],
    )
}
