//! The schema of `log.db`, and how an event is packed into a row.

use super::encoding::{answer_code, answer_of, outcome_code, outcome_of};
use crate::model::{AnsweredBy, Outcome, QueryEvent};

/// Microseconds.
pub(super) const SECOND: i64 = 1_000_000;
/// Microseconds.
pub(super) const HOUR: i64 = 3_600 * SECOND;
/// Microseconds.
pub(super) const DAY: i64 = 24 * HOUR;

/// The name of events of which only the count is kept, and the company of names without one.
pub(super) const NONE: i64 = 0;
/// The row of [`super::MANY_NAMES`].
pub(super) const MANY_NAMES_ROW: i64 = 1;
/// The row of [`super::COUNTS_ONLY`].
pub(super) const COUNTS_ONLY_ROW: i64 = 1;

/// The schema of `log.db`, version by version; a published one is never edited.
///
/// Events are clustered by hour and device: a device's timeline and the deletion of an old hour
/// each touch one run of pages. What a filter by name or company must read, the roll-ups tell.
/// `verdict` is the lowest three bits of `bits`: outcome (2), tracking (1).
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE meta(
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO meta VALUES
    ('commits', 0),
    ('events', 0),
    ('kept_from', 0);             -- events before this time are gone, only daily totals are left

CREATE TABLE name(
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE,
    day INTEGER NOT NULL          -- the last on which an event referred to it
);
INSERT INTO name VALUES(1, '(many names)', 0);

CREATE TABLE alias(               -- names that were judged by an alias
    name INTEGER NOT NULL,
    alias INTEGER NOT NULL,
    PRIMARY KEY(name, alias)
) WITHOUT ROWID;
CREATE INDEX alias_by_alias ON alias(alias);

CREATE TABLE word(                -- reasons, sets of lists, companies
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);
INSERT INTO word VALUES(1, '(counts only)');

CREATE TABLE event(
    hour INTEGER NOT NULL,
    device INTEGER NOT NULL,
    at INTEGER NOT NULL,          -- microseconds from the middle of the hour, unique per device
    binding INTEGER NOT NULL,
    name INTEGER NOT NULL,
    type INTEGER NOT NULL,
    bits INTEGER NOT NULL,
    client BLOB NOT NULL,         -- 4 or 16 octets
    reason INTEGER NOT NULL,      -- 0: none, here and below
    lists INTEGER NOT NULL,
    company INTEGER NOT NULL,
    alias INTEGER NOT NULL,
    duration INTEGER NOT NULL,    -- microseconds
    PRIMARY KEY(hour, device, at)
) WITHOUT ROWID;

CREATE TABLE rollup(
    hour INTEGER NOT NULL,
    device INTEGER NOT NULL,
    company INTEGER NOT NULL,
    name INTEGER NOT NULL,        -- 0: only counts are kept
    verdict INTEGER NOT NULL,
    queries INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY(hour, device, company, name, verdict)
) WITHOUT ROWID;

CREATE TABLE daily(
    day INTEGER NOT NULL,
    device INTEGER NOT NULL,
    company INTEGER NOT NULL,
    verdict INTEGER NOT NULL,
    queries INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY(day, device, company, verdict)
) WITHOUT ROWID;

CREATE TABLE gap(
    begins INTEGER NOT NULL,      -- the first and the last event lost
    ends INTEGER NOT NULL,
    lost INTEGER NOT NULL
);
CREATE INDEX gap_by_end ON gap(ends);
",
    "
CREATE TABLE listing(             -- which lists matched, together, how often
    day INTEGER NOT NULL,
    device INTEGER NOT NULL,
    lists INTEGER NOT NULL,
    verdict INTEGER NOT NULL,
    queries INTEGER NOT NULL,
    PRIMARY KEY(day, device, lists, verdict)
) WITHOUT ROWID;
",
];

/// Returns the middle of an hour, from which moments are stored: 4 octets instead of 8.
pub(super) fn middle(hour: i64) -> i64 {
    hour * HOUR + HOUR / 2
}

const TRACKING: i64 = 1 << 2;
const WOULD_BLOCK: i64 = 1 << 3;
const ATTEMPT: i64 = 1 << 4;
const RANDOM: i64 = 1 << 5;
const ANSWER: u32 = 6;
const UPSTREAM: u32 = 9;
const RESPONSE_CODE: u32 = 17;

/// The small parts of an event, packed into one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits(pub(super) i64);

/// Outcome and tracking: what roll-ups are kept by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct VerdictBits(pub(super) i64);

impl Bits {
    pub(super) fn of(event: &QueryEvent<'_>, attempt: bool, random: bool) -> Bits {
        let flag = |set: bool, bit: i64| if set { bit } else { 0 };
        let [answer, upstream] = answer_code(event.answered_by);
        Bits(
            i64::from(outcome_code(event.outcome))
                | flag(event.tracking, TRACKING)
                | flag(event.would_block, WOULD_BLOCK)
                | flag(attempt, ATTEMPT)
                | flag(random, RANDOM)
                | i64::from(answer) << ANSWER
                | i64::from(upstream) << UPSTREAM
                | i64::from(event.response_code) << RESPONSE_CODE,
        )
    }

    pub(super) fn verdict(self) -> VerdictBits {
        VerdictBits(self.0 & 0b111)
    }

    pub(super) fn would_block(self) -> bool {
        self.0 & WOULD_BLOCK != 0
    }

    pub(super) fn attempt(self) -> bool {
        self.0 & ATTEMPT != 0
    }

    pub(super) fn random(self) -> bool {
        self.0 & RANDOM != 0
    }

    pub(super) fn response_code(self) -> u16 {
        (self.0 >> RESPONSE_CODE) as u16
    }

    pub(super) fn answered_by(self) -> AnsweredBy {
        let code = [(self.0 >> ANSWER) as u8 & 0b111, (self.0 >> UPSTREAM) as u8];
        answer_of(code).unwrap_or(AnsweredBy::Nobody)
    }
}

impl VerdictBits {
    pub(super) fn outcome(self) -> Outcome {
        outcome_of((self.0 & 0b11) as u8).unwrap_or(Outcome::Failed)
    }

    pub(super) fn tracking(self) -> bool {
        self.0 & TRACKING != 0
    }
}
