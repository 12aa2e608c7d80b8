//! The schema of `state.db`, and the secret that lives in it.

use rusqlite::{Connection, params};

use super::{Database, StorageError};
use crate::model::HashSeed;

/// The schema of `state.db`, version by version; a published one is never edited.
pub const STATE_MIGRATIONS: &[&str] = &[
    "
CREATE TABLE meta(
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE device(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    named INTEGER NOT NULL,       -- 1: the policy names it
    first_seen INTEGER NOT NULL,  -- microseconds since 1970; 0: never
    last_seen INTEGER NOT NULL
);

CREATE TABLE binding(
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL,        -- an address or prefix; empty for the shared device
    device INTEGER NOT NULL,
    grade TEXT NOT NULL,          -- named, address
    source TEXT NOT NULL,         -- policy, prefix, address, others
    began INTEGER NOT NULL,       -- microseconds since 1970
    ended INTEGER                 -- NULL: in force
);
CREATE INDEX binding_by_device ON binding(device);

CREATE TABLE policy_revision(
    hash TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    text BLOB NOT NULL            -- compressed
);
CREATE INDEX policy_revision_by_time ON policy_revision(at);

CREATE TABLE timed_rule(
    scope_kind TEXT NOT NULL,     -- device, group, everyone
    scope_name TEXT NOT NULL,     -- empty for everyone
    action TEXT NOT NULL,
    name TEXT NOT NULL,
    until INTEGER NOT NULL,       -- seconds since 1970
    note TEXT,
    created INTEGER NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY(scope_kind, scope_name, action, name)
) WITHOUT ROWID;

CREATE TABLE pause(
    scope_kind TEXT NOT NULL,
    scope_name TEXT NOT NULL,
    until INTEGER NOT NULL,
    created INTEGER NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY(scope_kind, scope_name)
) WITHOUT ROWID;
",
    "
CREATE TABLE list_version(
    list TEXT NOT NULL,
    number INTEGER NOT NULL,
    hash TEXT NOT NULL,           -- SHA-256 of the content, unpacked; names its copy
    octets INTEGER NOT NULL,
    names INTEGER NOT NULL,
    usable INTEGER NOT NULL,      -- 0: it could not even be read
    expires INTEGER,              -- seconds
    source TEXT NOT NULL,
    change TEXT NOT NULL,         -- JSON: how many names came and went, and the first of them
    at INTEGER NOT NULL,          -- seconds since 1970
    state TEXT NOT NULL,          -- in-force, held, rolled-back, earlier
    why TEXT,
    PRIMARY KEY(list, number)
) WITHOUT ROWID;

CREATE TABLE list_attempt(
    list TEXT PRIMARY KEY,
    newest INTEGER NOT NULL,      -- the highest version number given
    asked TEXT NOT NULL,          -- source and reading of the last attempt
    last_attempt INTEGER,         -- seconds since 1970
    last_success INTEGER,
    failures INTEGER NOT NULL,
    last_error TEXT,
    next_due INTEGER,
    etag TEXT,
    last_modified TEXT
) WITHOUT ROWID;
",
    "
ALTER TABLE device ADD COLUMN part TEXT;  -- a hardware address, an address, others; NULL: a name
ALTER TABLE device ADD COLUMN merged INTEGER NOT NULL DEFAULT 0; -- 1: its entry went to another
UPDATE device SET part = name WHERE named = 0;

CREATE TABLE device_entry(
    device INTEGER NOT NULL,
    entry TEXT NOT NULL,          -- a hardware address, address or prefix that the policy names
    PRIMARY KEY(device, entry)
) WITHOUT ROWID;
INSERT OR IGNORE INTO device_entry
    SELECT device, address FROM binding WHERE source = 'policy' AND ended IS NULL;

-- A binding's device is the part that events are recorded under. Grades are hardware, lease,
-- forwarder, address; sources kernel, lease, forwarder, policy, beside, address, others.
ALTER TABLE binding ADD COLUMN hardware TEXT;
ALTER TABLE binding ADD COLUMN detail TEXT; -- interface, prefix, forwarder or address beside
UPDATE binding SET grade = 'address' WHERE grade = 'named';
UPDATE binding SET ended = max(began, coalesce(
    (SELECT last_seen FROM device WHERE device.id = binding.device), 0))
    WHERE source = 'policy' AND ended IS NULL;

CREATE TABLE device_hint(
    part TEXT NOT NULL,           -- a hardware address or an address
    source TEXT NOT NULL,         -- person, lease, mdns, reverse-name, maker
    name TEXT,
    words TEXT NOT NULL,          -- one a line
    kind TEXT,
    PRIMARY KEY(part, source)
) WITHOUT ROWID;
",
    "
CREATE TABLE timed_change(        -- changes of pauses and rules with an end, for the history
    at INTEGER NOT NULL,          -- microseconds
    actor TEXT NOT NULL,
    what TEXT NOT NULL,
    until INTEGER                 -- seconds
);
",
    "
CREATE TABLE notice(
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    device INTEGER,
    title TEXT NOT NULL,
    words TEXT NOT NULL,
    items TEXT NOT NULL,          -- one to a line
    remedy TEXT NOT NULL,
    raised_at INTEGER NOT NULL,   -- microseconds since 1970, for people
    latest_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    dismissed_at INTEGER,
    always INTEGER NOT NULL,      -- 1: dismissed for good
    raised INTEGER NOT NULL,      -- microseconds that had passed, as notice_time counts them
    touched INTEGER NOT NULL
);

CREATE TABLE notice_time(
    only INTEGER PRIMARY KEY CHECK(only=1),
    passed INTEGER NOT NULL,      -- microseconds since the first start, without leaps
    wall INTEGER NOT NULL
);

CREATE TABLE contact(
    part INTEGER NOT NULL,
    company TEXT NOT NULL,        -- empty: the part was heard of
    since INTEGER NOT NULL,       -- microseconds that had passed, as notice_time counts them
    PRIMARY KEY(part, company)
) WITHOUT ROWID;
",
];

/// Returns the installation's secret hash key, made on first use.
pub fn hash_seed(state: &Database) -> Result<HashSeed, StorageError> {
    let mut fresh = [0_u8; 16];
    getrandom::fill(&mut fresh).expect("the system gives random octets");
    let octets = state.with(|connection| kept_seed(connection, fresh))?;
    let key = u128::from_le_bytes(octets);
    Ok(HashSeed([key as u64, (key >> 64) as u64]))
}

fn kept_seed(connection: &mut Connection, fresh: [u8; 16]) -> rusqlite::Result<[u8; 16]> {
    connection.execute(
        "INSERT OR IGNORE INTO meta(key, value) VALUES('hash_seed', ?1)",
        params![fresh],
    )?;
    connection.query_row("SELECT value FROM meta WHERE key='hash_seed'", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_made_once_and_differs_between_installations() {
        let state = Database::memory(STATE_MIGRATIONS).expect("a database");
        let seed = hash_seed(&state).expect("a seed");
        assert!(seed == hash_seed(&state).expect("the same"));
        let other = Database::memory(STATE_MIGRATIONS).expect("a database");
        assert!(seed != hash_seed(&other).expect("another"));
    }
}
