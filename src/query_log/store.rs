//! Writes batches of events: rows, roll-ups and daily totals in one transaction.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Transaction, params, params_from_iter};

use super::Gap;
use super::encoding::decode;
use super::listings::Listings;
use super::names::{MAX_NAMES, Names};
use super::rows::{Judged, Rows};
use super::schema::{Bits, COUNTS_ONLY_ROW, DAY, HOUR, NONE, SECOND, VerdictBits};
use super::words::{WordRows, Words};
use crate::model::{DeviceId, LogDetail, QueryEvent, QuickHash};

/// Gaps closer than this become one.
const GAP_JOIN: i64 = 10 * SECOND;

/// Tallies of one statement.
const TALLIES: usize = 16;

/// Events that were drained and are not yet written.
#[derive(Default)]
pub(super) struct Batch {
    /// Events as they came out of the rings.
    pub(super) octets: Vec<u8>,
    /// Where each begins, in the order of time.
    pub(super) events: Vec<Place>,
    /// What was lost.
    pub(super) gap: Option<Gap>,
}

/// One event of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) at: i64,
    pub(super) start: usize,
    pub(super) attempt: bool,
}

/// What is known of the file between batches.
pub(super) struct Store {
    pub(super) words: Words,
    pub(super) names: Names,
    /// Names that an erasure means to remove; one that is used meanwhile is taken out.
    pub(super) watched: HashSet<i64>,
    /// Events before this time are gone; only daily totals are left of them.
    pub(super) kept_from: i64,
    pub(super) events: u64,
    rows: Rows,
}

/// Hour, device, company, name, verdict.
type RollupKey = (i64, DeviceId, i64, i64, VerdictBits);

/// Tallies of one batch, written when all its events are.
#[derive(Default)]
struct Tallies {
    rollups: HashMap<RollupKey, Tally, QuickHash>,
    daily: HashMap<(i64, DeviceId, i64, VerdictBits), Tally, QuickHash>,
    listings: Listings,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    queries: i64,
    attempts: i64,
    last: i64,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.gap.is_none()
    }

    pub(super) fn clear(&mut self) {
        *self = Batch::default();
    }
}

impl Store {
    /// Begins with nothing known; `max_octets` bounds what names may take of the file.
    pub(super) fn new(max_octets: u64) -> Store {
        // A name takes about 100 octets with its index; half the file is enough for them.
        let most = MAX_NAMES.min(max_octets / 200);
        Store {
            words: Words::default(),
            names: Names::new(0, most),
            watched: HashSet::new(),
            kept_from: i64::MIN,
            events: 0,
            rows: Rows::default(),
        }
    }

    /// Reads what must be known of the file, after it was opened or a transaction was undone.
    pub(super) fn load(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let meta = |key: &str| {
            connection.query_row("SELECT value FROM meta WHERE key=?1", [key], |row| row.get(0))
        };
        self.kept_from = meta("kept_from")?;
        self.events = connection
            .query_row("SELECT value FROM meta WHERE key='events'", [], |row| row.get::<_, i64>(0))?
            .max(0) as u64;
        let names: i64 = connection.query_row("SELECT count(*) FROM name", [], |row| row.get(0))?;
        self.names.recount(names.max(0) as u64);
        self.words.forget_rows();
        self.rows.forget();
        Ok(())
    }

    /// Writes a batch in one transaction; `now` is by the wall clock.
    pub(super) fn write(
        &mut self,
        connection: &mut Connection,
        batch: &Batch,
        now: i64,
    ) -> rusqlite::Result<()> {
        let file = connection.transaction()?;
        if self.kept_from > now {
            self.keep_from(&file, now)?;
        }
        let mut tallies = Tallies::default();
        for place in &batch.events {
            let octets = batch.octets.get(place.start..).unwrap_or_default();
            if let Some((event, _)) = decode(octets) {
                self.write_event(&file, event, place.attempt, &mut tallies)?;
            }
        }
        self.rows.write(&file)?;
        tallies.write(&file)?;
        if let Some(gap) = batch.gap {
            write_gap(&file, gap)?;
        }
        self.write_figures(&file)?;
        file.commit()
    }

    /// Notes from when on events are kept. It moves back only when it lay ahead of the clock: then
    /// one of the two was wrong, and what is asked now would not be kept.
    pub(super) fn keep_from(&mut self, file: &Transaction<'_>, from: i64) -> rusqlite::Result<()> {
        file.execute("UPDATE meta SET value=?1 WHERE key='kept_from'", [from])?;
        self.kept_from = from;
        Ok(())
    }

    /// Notes how many events there are; this also makes every transaction write something.
    pub(super) fn write_figures(&self, file: &Transaction<'_>) -> rusqlite::Result<()> {
        file.prepare_cached("UPDATE meta SET value=value+1 WHERE key='commits'")?.execute([])?;
        file.prepare_cached("UPDATE meta SET value=?1 WHERE key='events'")?
            .execute([self.events as i64])?;
        Ok(())
    }

    fn write_event(
        &mut self,
        file: &Transaction<'_>,
        event: QueryEvent<'_>,
        attempt: bool,
        tallies: &mut Tallies,
    ) -> rusqlite::Result<()> {
        let named = match event.detail {
            LogDetail::Nothing => return Ok(()),
            LogDetail::Full => true,
            LogDetail::Tracking => event.tracking,
            LogDetail::Counts => false,
        };
        if !named {
            // Not even the company is told where only counts are kept.
            let company = if event.tracking { COUNTS_ONLY_ROW } else { NONE };
            let bits = Bits::of(&event, attempt, false);
            tallies.add(event.at, self.kept_from, (event.device, company, NONE), bits);
            return Ok(());
        }
        let words = self.words.rows(file, &event)?;
        if event.at < self.kept_from {
            let bits = Bits::of(&event, attempt, false);
            tallies.add(event.at, self.kept_from, (event.device, words.company, NONE), bits);
            return Ok(());
        }
        let judged = self.judge(file, event, words, attempt)?;
        let at = self.rows.add(file, &judged)?;
        self.events += 1;
        let key = (judged.event.device, words.company, judged.name);
        tallies.add(at, self.kept_from, key, judged.bits);
        tallies.listings.add(at, judged.event.device, words.lists, judged.bits);
        Ok(())
    }

    fn judge<'a>(
        &mut self,
        file: &Transaction<'_>,
        event: QueryEvent<'a>,
        words: WordRows,
        attempt: bool,
    ) -> rusqlite::Result<Judged<'a>> {
        let name = self.names.intern(file, event.device, event.name, event.at)?;
        let alias = match event.alias {
            Some(alias) => self.names.intern(file, event.device, alias, event.at)?.id,
            None => NONE,
        };
        if alias != NONE {
            file.prepare_cached("INSERT OR IGNORE INTO alias(name, alias) VALUES(?1, ?2)")?
                .execute([name.id, alias])?;
        }
        if !self.watched.is_empty() {
            self.watched.remove(&name.id);
            self.watched.remove(&alias);
        }
        let bits = Bits::of(&event, attempt, name.random);
        Ok(Judged { event, words, bits, name: name.id, alias })
    }
}

fn write_gap(file: &Transaction<'_>, gap: Gap) -> rusqlite::Result<()> {
    let near = params![gap.from - GAP_JOIN, gap.from, gap.until, gap.lost as i64];
    let joined = file.execute(
        "UPDATE gap SET ends=max(ends, ?3), lost=lost+?4
         WHERE rowid=(SELECT max(rowid) FROM gap) AND ends>=?1 AND begins<=?2",
        near,
    )?;
    if joined == 0 {
        file.execute(
            "INSERT INTO gap VALUES(?1, ?2, ?3)",
            params![gap.from, gap.until, gap.lost as i64],
        )?;
    }
    Ok(())
}

impl Tallies {
    fn add(&mut self, at: i64, kept_from: i64, key: (DeviceId, i64, i64), bits: Bits) {
        let (device, company, name) = key;
        let verdict = bits.verdict();
        let one = Tally { queries: 1, attempts: i64::from(bits.attempt()), last: at };
        if at >= kept_from {
            let key = (at.div_euclid(HOUR), device, company, name, verdict);
            self.rollups.entry(key).or_default().add(one);
        }
        let company = if verdict.tracking() { company } else { NONE };
        self.daily.entry((at.div_euclid(DAY), device, company, verdict)).or_default().add(one);
    }

    fn write(&self, file: &Transaction<'_>) -> rusqlite::Result<()> {
        let rollups = self.rollups.iter().map(|((hour, device, company, name, verdict), tally)| {
            let Tally { queries, attempts, last } = *tally;
            [*hour, device.0.into(), *company, *name, verdict.0, queries, attempts, last]
        });
        add_to(file, "rollup", rollups)?;
        let daily = self.daily.iter().map(|((day, device, company, verdict), tally)| {
            let Tally { queries, attempts, last } = *tally;
            [*day, device.0.into(), *company, verdict.0, queries, attempts, last]
        });
        add_to(file, "daily", daily)?;
        self.listings.write(file)
    }
}

/// Adds tallies to those of a table, many to a statement, in the order of its key: what lies
/// together in the file is written together.
fn add_to<const COLUMNS: usize>(
    file: &Transaction<'_>,
    table: &str,
    rows: impl Iterator<Item = [i64; COLUMNS]>,
) -> rusqlite::Result<()> {
    let mut rows: Vec<[i64; COLUMNS]> = rows.collect();
    rows.sort_unstable();
    let (sheets, rest) = rows.as_chunks::<TALLIES>();
    let statement = |rows: usize| {
        let row = format!("({})", ["?"; COLUMNS].join(","));
        file.prepare_cached(&format!(
            "INSERT INTO {table} VALUES {} ON CONFLICT DO UPDATE SET
                 queries=queries+excluded.queries, attempts=attempts+excluded.attempts,
                 last=max(last, excluded.last)",
            vec![row; rows].join(",")
        ))
    };
    if !sheets.is_empty() {
        let mut insert = statement(TALLIES)?;
        for sheet in sheets {
            insert.execute(params_from_iter(sheet.as_flattened()))?;
        }
    }
    if !rest.is_empty() {
        let mut insert = statement(1)?;
        for row in rest {
            insert.execute(params_from_iter(row))?;
        }
    }
    Ok(())
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.queries += other.queries;
        self.attempts += other.attempts;
        self.last = self.last.max(other.last);
    }
}
