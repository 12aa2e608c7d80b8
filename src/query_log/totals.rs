//! Device by company tallies and raw queries over a span, from three tables of different grain.
//!
//! Whole days come from daily totals, whole hours from roll-ups, the rest from events, so that
//! any span is exact to the microsecond. Two things are known by the hour or day only: devices
//! of which only counts are kept, and what is older than the events. Such an hour or day counts
//! to the span in which it begins; spans that adjoin never count it twice.

use std::collections::HashMap;

use rusqlite::{Row, ToSql, Transaction, params};

use super::schema::{DAY, HOUR, MANY_NAMES_ROW, NONE, VerdictBits, middle};
use super::{AskedName, QueryCount, TopName, Total};
use crate::model::{DeviceId, Outcome};

/// Tallies by device, company and verdict.
type Tallies = HashMap<(DeviceId, i64, VerdictBits), Tally>;

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    queries: u64,
    attempts: u64,
    last: i64,
}

/// A span and where its parts are read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pieces {
    /// First day and the day behind the last.
    days: Vec<(i64, i64)>,
    /// First hour and the hour behind the last.
    hours: Vec<(i64, i64)>,
    /// Hours of which only counts without names are read.
    counts: Vec<i64>,
    /// Moments: the first, and the first that is no longer wanted.
    moments: Vec<(i64, i64)>,
}

/// Returns attempts by device and company over a span.
pub(super) fn totals(
    file: &Transaction<'_>,
    from: i64,
    until: i64,
) -> rusqlite::Result<Vec<Total>> {
    let mut totals: HashMap<(DeviceId, i64), Total> = HashMap::new();
    for ((device, company, verdict), tally) in tallies(file, from, until)? {
        if !verdict.tracking() {
            continue;
        }
        let total = totals.entry((device, company)).or_insert_with(|| Total::none(device));
        total.add(verdict.outcome(), tally);
    }
    let mut words = file.prepare_cached("SELECT text FROM word WHERE id=?1")?;
    for ((_, company), total) in totals.iter_mut().filter(|((_, company), _)| *company != NONE) {
        total.company = words.query_row([company], |row| row.get(0))?;
    }
    let mut totals: Vec<Total> = totals.into_values().collect();
    totals.sort_by(|a, b| (a.device, &a.company).cmp(&(b.device, &b.company)));
    Ok(totals)
}

/// Returns, by device and company, the tracking name with the most attempts in the hours of a span.
pub(super) fn top_names(
    file: &Transaction<'_>,
    from: i64,
    until: i64,
) -> rusqlite::Result<Vec<TopName>> {
    let mut select = file.prepare_cached(TOP_NAMES)?;
    let hours = params![from.div_euclid(HOUR), until.div_euclid(HOUR), MANY_NAMES_ROW];
    let rows = select.query_map(hours, |row| {
        Ok(TopName {
            device: DeviceId(row.get(0)?),
            company: row.get(1)?,
            name: row.get(2)?,
            alias: row.get(3)?,
            attempts: count(row, 4)?,
        })
    })?;
    let mut names = rows.collect::<rusqlite::Result<Vec<TopName>>>()?;
    // They come with the most attempts first within each device and company.
    names.dedup_by(|later, first| (later.device, &later.company) == (first.device, &first.company));
    Ok(names)
}

/// Returns names that a device asked for in the hours of a span, at most so many.
pub(super) fn asked_names(
    file: &Transaction<'_>,
    device: DeviceId,
    (from, until): (i64, i64),
    most: usize,
) -> rusqlite::Result<Vec<AskedName>> {
    let mut select = file.prepare_cached(ASKED_NAMES)?;
    let mut aliases = file.prepare_cached(ALIASES)?;
    let (first, last) = (from.div_euclid(HOUR), until.div_euclid(HOUR));
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = select.query(params![first, last, device.0, MANY_NAMES_ROW, most])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        let found = aliases.query_map([row.get::<_, i64>(0)?], |row| row.get(0))?;
        let aliases = found.collect::<rusqlite::Result<Vec<String>>>()?;
        names.push(AskedName { name: row.get(1)?, aliases, queries: count(row, 2)? });
    }
    Ok(names)
}

/// Returns raw queries by device over a span.
pub(super) fn queries(
    file: &Transaction<'_>,
    from: i64,
    until: i64,
) -> rusqlite::Result<Vec<(DeviceId, QueryCount)>> {
    let mut counts: HashMap<DeviceId, QueryCount> = HashMap::new();
    for ((device, _, verdict), tally) in tallies(file, from, until)? {
        let count = counts.entry(device).or_default();
        count.queries += tally.queries;
        match verdict.outcome() {
            Outcome::Blocked => count.blocked += tally.queries,
            Outcome::Failed => count.failed += tally.queries,
            Outcome::Allowed => {}
        }
    }
    let mut counts: Vec<(DeviceId, QueryCount)> = counts.into_iter().collect();
    counts.sort_by_key(|(device, _)| *device);
    Ok(counts)
}

impl Total {
    fn none(device: DeviceId) -> Total {
        Total {
            device,
            company: None,
            attempts: 0,
            blocked: 0,
            allowed: 0,
            failed: 0,
            queries: 0,
            last: 0,
        }
    }

    fn add(&mut self, outcome: Outcome, tally: Tally) {
        self.queries += tally.queries;
        self.attempts += tally.attempts;
        self.last = self.last.max(tally.last);
        match outcome {
            Outcome::Blocked => self.blocked += tally.attempts,
            Outcome::Allowed => self.allowed += tally.attempts,
            Outcome::Failed => self.failed += tally.attempts,
        }
    }
}

fn tallies(file: &Transaction<'_>, from: i64, until: i64) -> rusqlite::Result<Tallies> {
    let kept_from: i64 =
        file.query_row("SELECT value FROM meta WHERE key='kept_from'", [], |row| row.get(0))?;
    let until = whole_hour(file, until)?;
    let pieces = Pieces::of(from, until, kept_from);
    let mut tallies = Tallies::new();
    for (first, end) in pieces.days {
        add(file, &mut tallies, DAILY, params![first, end])?;
    }
    for (first, end) in pieces.hours {
        add(file, &mut tallies, ROLLUP, params![first, end])?;
    }
    for hour in pieces.counts {
        add(file, &mut tallies, COUNTS, params![hour, NONE])?;
    }
    for (from, until) in pieces.moments {
        let hour = from.div_euclid(HOUR);
        let middle = middle(hour);
        let span = params![hour, from - middle, until - middle, middle];
        add(file, &mut tallies, EVENTS, span)?;
    }
    Ok(tallies)
}

/// Returns the end of the hour in which a span ends, if none of its events comes after the span: until
/// now is until the end of this hour, and its roll-ups are fewer than its events.
fn whole_hour(file: &Transaction<'_>, until: i64) -> rusqlite::Result<i64> {
    let until = until.min(i64::MAX / 2);
    let hour = until.div_euclid(HOUR);
    let mut select = file.prepare_cached("SELECT max(last) FROM rollup WHERE hour=?1")?;
    let newest: Option<i64> = select.query_row([hour], |row| row.get(0))?;
    let is_whole = newest.is_some_and(|newest| newest < until);
    Ok(if is_whole { (hour + 1) * HOUR } else { until })
}

const DAILY: &str = "SELECT device, company, verdict, sum(queries), sum(attempts), max(last)
     FROM daily WHERE day>=?1 AND day<?2 GROUP BY device, company, verdict";

const ROLLUP: &str = "SELECT device, company, verdict, sum(queries), sum(attempts), max(last)
     FROM rollup WHERE hour>=?1 AND hour<?2 GROUP BY device, company, verdict";

const COUNTS: &str = "SELECT device, company, verdict, sum(queries), sum(attempts), max(last)
     FROM rollup WHERE hour=?1 AND name=?2 GROUP BY device, company, verdict";

/// Both ends lie in one hour, the middle of which is ?4; 16 is the bit that opens an attempt.
const EVENTS: &str = "SELECT device, company, bits & 7, count(*), sum((bits & 16) != 0), ?4+max(at)
     FROM event WHERE hour=?1 AND at>=?2 AND at<?3 GROUP BY device, company, bits & 7";

/// 4 is the bit of tracking names; rows up to ?3 stand for no name of their own.
const TOP_NAMES: &str = "SELECT device, word.text, name.text,
        (SELECT text FROM alias JOIN name ON id=alias WHERE alias.name=top.name LIMIT 1), attempts
     FROM (SELECT device, company, name, sum(attempts) AS attempts, max(last) AS last FROM rollup
           WHERE hour>=?1 AND hour<=?2 AND verdict & 4 AND name>?3 AND company<>0
           GROUP BY device, company, name) AS top
     JOIN word ON word.id=top.company JOIN name ON name.id=top.name
     ORDER BY device, company, attempts DESC, last DESC, top.name";

/// Hour by hour, since a device's rows of one hour lie together; rows up to ?4 stand for no name
/// of their own.
const ASKED_NAMES: &str = "WITH RECURSIVE span(hour) AS
         (SELECT ?1 UNION ALL SELECT hour + 1 FROM span WHERE hour < ?2)
     SELECT rollup.name, name.text, sum(queries) FROM span
     CROSS JOIN rollup ON rollup.hour=span.hour AND rollup.device=?3
     JOIN name ON name.id=rollup.name
     WHERE rollup.name>?4 GROUP BY rollup.name LIMIT ?5";

const ALIASES: &str =
    "SELECT text FROM alias JOIN name ON name.id=alias.alias WHERE alias.name=?1 LIMIT 8";

fn add(
    file: &Transaction<'_>,
    tallies: &mut Tallies,
    sql: &str,
    span: &[&dyn ToSql],
) -> rusqlite::Result<()> {
    let mut select = file.prepare_cached(sql)?;
    let mut rows = select.query(span)?;
    while let Some(row) = rows.next()? {
        let key = (DeviceId(row.get(0)?), row.get(1)?, VerdictBits(row.get(2)?));
        let tally = tallies.entry(key).or_default();
        tally.queries += count(row, 3)?;
        tally.attempts += count(row, 4)?;
        tally.last = tally.last.max(row.get(5)?);
    }
    Ok(())
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0).unsigned_abs())
}

impl Pieces {
    fn of(from: i64, until: i64, kept_from: i64) -> Pieces {
        let mut pieces = Pieces::default();
        // Nothing was recorded outside of these, and sums below must not overflow.
        let (from, until) = (from.max(0), until.min(i64::MAX / 2));
        if from >= until {
            return pieces;
        }
        let (first_day, end_day) = (from.div_euclid(DAY) + i64::from(from % DAY != 0), until / DAY);
        if first_day > end_day {
            pieces.add_part_of_day(from, until, kept_from);
            return pieces;
        }
        pieces.add_part_of_day(from, first_day * DAY, kept_from);
        if first_day < end_day {
            pieces.days.push((first_day, end_day));
        }
        pieces.add_part_of_day(end_day * DAY, until, kept_from);
        pieces
    }

    /// Adds a span that is shorter than a day and lies within one.
    fn add_part_of_day(&mut self, from: i64, until: i64, kept_from: i64) {
        if from >= until {
            return;
        }
        if from < kept_from && from % DAY == 0 {
            // Part of what it asks for is gone: the day as a whole is what is left.
            self.days.push((from / DAY, from / DAY + 1));
            return;
        }
        let from = from.max(kept_from);
        let (first_hour, end_hour) =
            (from.div_euclid(HOUR) + i64::from(from % HOUR != 0), until / HOUR);
        if first_hour > end_hour {
            self.add_part_of_hour(from, until);
            return;
        }
        self.add_part_of_hour(from, first_hour * HOUR);
        if first_hour < end_hour {
            self.hours.push((first_hour, end_hour));
        }
        self.add_part_of_hour(end_hour * HOUR, until);
    }

    fn add_part_of_hour(&mut self, from: i64, until: i64) {
        if from >= until {
            return;
        }
        if from % HOUR == 0 {
            self.counts.push(from / HOUR);
        }
        self.moments.push((from, until));
    }
}
