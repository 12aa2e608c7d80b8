//! Rows of events on their way into the file: each at a moment of its own, many to a statement.
//!
//! A statement costs more to begin and end than a row costs in it. Moments that are free are
//! therefore known beforehand, from the newest of each device, and rows of one device go in
//! together. What comes late goes alone, to the next moment that the file has free.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

use rusqlite::{CachedStatement, Transaction, params};

use super::schema::{Bits, HOUR, middle};
use super::words::WordRows;
use crate::model::{DeviceId, QueryEvent, QuickHash};

/// Rows of one statement.
const SHEET: usize = 32;

/// Most rows that wait for the others of their device.
const WAITING: usize = 4_096;

/// Most moments of which the next free one is remembered, and most runs.
const REMEMBERED: usize = 16_384;

/// What is ignored is looked at by us: to undo a statement of many rows, SQLite would first copy
/// every page that it changes.
const INSERT: &str = "INSERT OR IGNORE INTO event(hour, device, at, binding, name, type, bits,
         client, reason, lists, company, alias, duration) VALUES";

/// The numbers of a row, and how many of them stand before its client.
const NUMBERS: usize = 12;
const BEFORE_CLIENT: usize = 7;

/// An event with its numbers.
pub(super) struct Judged<'a> {
    pub(super) event: QueryEvent<'a>,
    pub(super) words: WordRows,
    pub(super) bits: Bits,
    pub(super) name: i64,
    pub(super) alias: i64,
}

/// An event as a row.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// All columns in their order, but for the client.
    numbers: [i64; NUMBERS],
    client: IpAddr,
}

/// Rows that wait to be written, and which moments are taken.
#[derive(Default)]
pub(super) struct Rows {
    waiting: Vec<Row>,
    /// Hour, device and place of each that waits: sorted, rows of one device lie together, in the
    /// order in which they came, which is that of their moments.
    order: Vec<(i64, DeviceId, u32)>,
    runs: HashMap<(i64, DeviceId), Run, QuickHash>,
    /// Next free moment of devices with several late events in one.
    crowded: HashMap<(DeviceId, i64), i64, QuickHash>,
}

/// The newest moments of a device in an hour: all from the first on are taken, and none behind the
/// last is.
#[derive(Clone, Copy)]
struct Run {
    first: i64,
    last: i64,
}

/// A statement for so many rows.
struct Sheet<'f> {
    insert: CachedStatement<'f>,
    /// What its parameters are bound to, by row: they stay bound, and most of a row is as before.
    bound: Vec<Row>,
}

impl Rows {
    /// Forgets what waits and what is known of the file.
    pub(super) fn forget(&mut self) {
        *self = Rows::default();
    }

    /// Takes an event in at its moment, or the next that its device has free; returns that.
    pub(super) fn add(
        &mut self,
        file: &Transaction<'_>,
        judged: &Judged<'_>,
    ) -> rusqlite::Result<i64> {
        let (device, asked) = (judged.event.device, judged.event.at);
        let hour = asked.div_euclid(HOUR);
        let run = self.run(file, hour, device)?;
        let free = asked.max(run.last + 1);
        if asked < run.first || free.div_euclid(HOUR) != hour {
            return self.add_late(file, judged);
        }
        run.take(free);
        self.order.push((hour, device, self.waiting.len() as u32));
        self.waiting.push(Row::of(judged, free));
        if self.waiting.len() >= WAITING {
            self.write(file)?;
        }
        Ok(free)
    }

    /// Writes what waits.
    pub(super) fn write(&mut self, file: &Transaction<'_>) -> rusqlite::Result<()> {
        self.order.sort_unstable();
        let row = |&(_, _, place): &(i64, DeviceId, u32)| self.waiting.get(place as usize);
        let (sheets, rest) = self.order.as_chunks::<SHEET>();
        if !sheets.is_empty() {
            let mut sheet = Sheet::of(file, SHEET)?;
            sheets.iter().try_for_each(|part| sheet.write_all(part.iter().filter_map(row)))?;
        }
        if !rest.is_empty() {
            let mut sheet = Sheet::of(file, 1)?;
            rest.chunks(1).try_for_each(|part| sheet.write_all(part.iter().filter_map(row)))?;
        }
        self.waiting.clear();
        self.order.clear();
        Ok(())
    }

    /// Returns the newest moments of a device in an hour; read from the file the first time.
    fn run(
        &mut self,
        file: &Transaction<'_>,
        hour: i64,
        device: DeviceId,
    ) -> rusqlite::Result<&mut Run> {
        if self.runs.len() >= REMEMBERED && !self.runs.contains_key(&(hour, device)) {
            // What waits is in no file yet that could be asked.
            self.write(file)?;
            self.runs.clear();
        }
        match self.runs.entry((hour, device)) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => Ok(unknown.insert(Run::read(file, hour, device)?)),
        }
    }

    /// Inserts an event that is older than the newest of its device.
    fn add_late(&mut self, file: &Transaction<'_>, judged: &Judged<'_>) -> rusqlite::Result<i64> {
        self.write(file)?;
        let (device, asked) = (judged.event.device, judged.event.at);
        let mut at = self.crowded.get(&(device, asked)).copied().unwrap_or(asked);
        let mut sheet = Sheet::of(file, 1)?;
        while sheet.write([&Row::of(judged, at)].into_iter())? == 0 {
            at = next_free(file, device, at)?;
        }
        if at != asked {
            if self.crowded.len() >= REMEMBERED {
                self.crowded.clear();
            }
            self.crowded.insert((device, asked), at + 1);
        }
        if let Some(run) = self.runs.get_mut(&(at.div_euclid(HOUR), device)) {
            run.take(at);
        }
        Ok(at)
    }
}

impl Run {
    fn read(file: &Transaction<'_>, hour: i64, device: DeviceId) -> rusqlite::Result<Run> {
        let newest: Option<i64> = file
            .prepare_cached("SELECT max(at) FROM event WHERE hour=?1 AND device=?2")?
            .query_row(params![hour, device.0], |row| row.get(0))?;
        let last = newest.map_or(i64::MIN, |newest| middle(hour) + newest);
        Ok(Run { first: last, last })
    }

    /// Notes that a moment is taken.
    fn take(&mut self, at: i64) {
        if at > self.last + 1 {
            self.first = at;
        }
        self.last = self.last.max(at);
    }
}

impl Row {
    fn of(judged: &Judged<'_>, at: i64) -> Row {
        let Judged { event, words, bits, name, alias } = judged;
        let hour = at.div_euclid(HOUR);
        let numbers = [
            hour,
            event.device.0.into(),
            at - middle(hour),
            event.binding.0.into(),
            *name,
            event.query_type.0.into(),
            bits.0,
            words.reason,
            words.lists,
            words.company,
            *alias,
            event.duration.into(),
        ];
        Row { numbers, client: event.client }
    }
}

impl<'f> Sheet<'f> {
    fn of(file: &'f Transaction<'f>, rows: usize) -> rusqlite::Result<Sheet<'f>> {
        let places = ["(?,?,?,?,?,?,?,?,?,?,?,?,?)"].repeat(rows).join(",");
        let insert = file.prepare_cached(&format!("{INSERT} {places}"))?;
        Ok(Sheet { insert, bound: Vec::with_capacity(rows) })
    }

    /// Writes its fill of rows, all or none: should a moment be taken after all, the transaction is
    /// undone, and what is known of the file is read again.
    fn write_all<'r>(&mut self, rows: impl Iterator<Item = &'r Row>) -> rusqlite::Result<()> {
        let written = self.write(rows)?;
        let all = written == self.bound.len();
        if all { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(written)) }
    }

    /// Writes its fill of rows; returns how many of them had their moment free.
    fn write<'r>(&mut self, rows: impl Iterator<Item = &'r Row>) -> rusqlite::Result<usize> {
        for (place, row) in rows.enumerate() {
            self.bind(place, row)?;
            match self.bound.get_mut(place) {
                Some(bound) => *bound = *row,
                None => self.bound.push(*row),
            }
        }
        self.insert.raw_execute()
    }

    fn bind(&mut self, place: usize, row: &Row) -> rusqlite::Result<()> {
        let bound = self.bound.get(place);
        let first = place * (NUMBERS + 1) + 1;
        for (column, number) in row.numbers.iter().enumerate() {
            if bound.is_none_or(|bound| bound.numbers.get(column) != Some(number)) {
                let behind_client = usize::from(column >= BEFORE_CLIENT);
                self.insert.raw_bind_parameter(first + column + behind_client, number)?;
            }
        }
        if bound.is_some_and(|bound| bound.client == row.client) {
            return Ok(());
        }
        let client: &[u8] = match &row.client {
            IpAddr::V4(v4) => &v4.octets(),
            IpAddr::V6(v6) => &v6.octets(),
        };
        self.insert.raw_bind_parameter(first + BEFORE_CLIENT, client)
    }
}

/// Returns the first moment after `taken` that `device` has free, within the same hour or just
/// behind it.
fn next_free(file: &Transaction<'_>, device: DeviceId, taken: i64) -> rusqlite::Result<i64> {
    let mut select = file
        .prepare_cached("SELECT at FROM event WHERE hour=?1 AND device=?2 AND at>?3 ORDER BY at")?;
    let hour = taken.div_euclid(HOUR);
    let mut rows = select.query(params![hour, device.0, taken - middle(hour)])?;
    let mut free = taken + 1;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? != free - middle(hour) {
            break;
        }
        free += 1;
    }
    Ok(free)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        AnsweredBy, BindingId, DomainName, ListMask, LogDetail, Outcome, RecordType,
    };
    use crate::query_log::schema::MIGRATIONS;
    use crate::storage::Database;

    /// Adds queries of devices at moments and returns which each was given.
    fn add(file: &Transaction<'_>, rows: &mut Rows, asked: &[(u32, i64)]) -> Vec<(u32, i64)> {
        let name = DomainName::parse("a.example").expect("a name");
        let add = |&(device, at): &(u32, i64)| {
            let event = QueryEvent {
                at,
                client: [10, 0, 0, device as u8].into(),
                device: DeviceId(device),
                binding: BindingId(device),
                name: name.as_ref(),
                query_type: RecordType::A,
                outcome: Outcome::Allowed,
                would_block: false,
                reason: None,
                lists: ListMask::EMPTY,
                alias: None,
                company: None,
                tracking: false,
                answered_by: AnsweredBy::Cache,
                response_code: 0,
                duration: (at % 7) as u32,
                detail: LogDetail::Full,
                edition: 0,
            };
            let words = WordRows { reason: 0, lists: 0, company: 0 };
            let bits = Bits::of(&event, false, false);
            let judged = Judged { event, words, bits, name: at % 5, alias: at % 3 };
            (device, rows.add(file, &judged).expect("room"))
        };
        let given = asked.iter().map(add).collect();
        rows.write(file).expect("written");
        given
    }

    /// Returns device and moment of what is in the file, if its other columns are as they were
    /// when the moment was asked for.
    fn written(file: &Transaction<'_>) -> Vec<(u32, i64)> {
        let sql =
            "SELECT device, at, hour, binding, client, length(client) FROM event ORDER BY 1, 2";
        let mut select = file.prepare(sql).expect("a table");
        let rows = select.query_map([], |row| {
            let (device, hour): (u32, i64) = (row.get(0)?, row.get(2)?);
            assert_eq!(row.get::<_, u32>(3)?, device);
            assert_eq!(row.get::<_, Vec<u8>>(4)?, [10, 0, 0, device as u8]);
            Ok((device, middle(hour) + row.get::<_, i64>(1)?))
        });
        let mut rows: Vec<(u32, i64)> =
            rows.expect("rows").map(|row| row.expect("a row")).collect();
        rows.sort_unstable();
        rows
    }

    proptest! {
        /// The naive twin goes from the moment asked for to the first that is free. Batches lie
        /// around the end of an hour, and what is known of the file is forgotten between some.
        #[test]
        fn each_gets_the_first_moment_that_is_free(
            batches in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec((1..4_u32, -40..40_i64), 0..120)),
                1..5,
            ),
        ) {
            let log = Database::memory(MIGRATIONS).expect("a database");
            let (mut rows, mut taken) = (Rows::default(), BTreeSet::new());
            let checked = log.with(|connection| {
                let file = connection.transaction()?;
                for (forget, mut asked) in batches {
                    // The first half in order, as most come; the rest as it may.
                    let half = asked.len() / 2;
                    if let Some(half) = asked.get_mut(..half) {
                        half.sort_unstable_by_key(|(_, at)| *at);
                    }
                    asked.iter_mut().for_each(|(_, at)| *at += 500_000 * HOUR);
                    let given = add(&file, &mut rows, &asked);
                    for ((device, asked), given) in asked.into_iter().zip(given) {
                        let free = (asked..).find(|at| taken.insert((device, *at)));
                        assert_eq!(Some(given.1), free);
                    }
                    if forget {
                        rows.forget();
                    }
                }
                assert_eq!(written(&file), taken.into_iter().collect::<Vec<_>>());
                Ok(())
            });
            checked.expect("written");
        }
    }

    #[test]
    fn a_sheet_binds_each_row_whole_whatever_stood_in_its_place() {
        let log = Database::memory(MIGRATIONS).expect("a database");
        let asked: Vec<(u32, i64)> = (0..1_000).map(|n| (n % 11 + 1, i64::from(n))).collect();
        let checked = log.with(|connection| {
            let file = connection.transaction()?;
            add(&file, &mut Rows::default(), &asked);
            let sql = "SELECT count(*) FROM event WHERE name=(at+1800000000)%5
                 AND alias=(at+1800000000)%3 AND duration=(at+1800000000)%7
                 AND binding=device AND substr(hex(client), 7)=printf('%02X', device)
                 AND hour=0 AND type=1 AND bits=129 AND reason=0 AND lists=0 AND company=0";
            file.query_row(sql, [], |row| row.get::<_, i64>(0))
        });
        assert_eq!(checked.expect("read"), 1_000);
    }
}
