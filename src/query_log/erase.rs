//! Erases a device's past: events, roll-ups, totals, and names that nobody else asked for.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::schema::{MANY_NAMES_ROW, NONE};
use super::store::Store;
use crate::model::DeviceId;

/// Hours of one device that a step erases.
const HOURS: usize = 24;

/// Roll-ups that a step looks through for names that others asked for.
const STEP: i64 = 50_000;

/// The erasure of one device's past, in steps so that writing goes on.
pub(super) struct Erasure {
    device: DeviceId,
    phase: Phase,
}

/// What the next step does.
#[derive(Clone, Copy)]
enum Phase {
    Begin,
    /// Events and roll-ups of hours after this one.
    Hours(i64),
    Totals,
    /// Names that other roll-ups after this one refer to are spared.
    Spare((i64, i64)),
    Names,
    Journal,
}

impl Erasure {
    /// Begins an erasure.
    pub(super) fn begin(device: DeviceId) -> Erasure {
        Erasure { device, phase: Phase::Begin }
    }

    /// Does one step in a transaction of its own; returns whether that was the last.
    pub(super) fn step(
        &mut self,
        connection: &mut Connection,
        store: &mut Store,
    ) -> rusqlite::Result<bool> {
        match self.phase {
            Phase::Begin => {
                store.watched.clear();
                // What is deleted is overwritten too: it is not for the next reader of the disk.
                connection.execute_batch("PRAGMA secure_delete=ON")?;
                self.phase = Phase::Hours(i64::MIN);
                return Ok(false);
            }
            Phase::Journal => {
                connection
                    .execute_batch("PRAGMA secure_delete=OFF; PRAGMA wal_checkpoint(TRUNCATE)")?;
                return Ok(true);
            }
            _ => {}
        }
        let file = connection.transaction()?;
        self.phase = match self.phase {
            Phase::Hours(after) => self.erase_hours(&file, store, after)?,
            Phase::Totals => self.erase_totals(&file)?,
            Phase::Spare(after) => spare_names(&file, store, after)?,
            _ => erase_names(&file, store)?,
        };
        store.write_figures(&file)?;
        file.commit()?;
        Ok(false)
    }

    fn erase_hours(
        &self,
        file: &Transaction<'_>,
        store: &mut Store,
        after: i64,
    ) -> rusqlite::Result<Phase> {
        let mut last = after;
        for _ in 0..HOURS {
            let Some(hour) = next_hour(file, last)? else { return Ok(Phase::Totals) };
            self.erase_hour(file, store, hour)?;
            last = hour;
        }
        Ok(Phase::Hours(last))
    }

    fn erase_hour(
        &self,
        file: &Transaction<'_>,
        store: &mut Store,
        hour: i64,
    ) -> rusqlite::Result<()> {
        let key = params![hour, self.device.0];
        let mut select = file.prepare_cached(
            "SELECT DISTINCT r.name, coalesce(a.alias, 0) FROM rollup r
             LEFT JOIN alias a ON a.name=r.name WHERE r.hour=?1 AND r.device=?2",
        )?;
        let mut rows = select.query(key)?;
        while let Some(row) = rows.next()? {
            store.watched.insert(row.get(0)?);
            store.watched.insert(row.get(1)?);
        }
        let gone =
            file.prepare_cached("DELETE FROM event WHERE hour=?1 AND device=?2")?.execute(key)?;
        store.events = store.events.saturating_sub(gone as u64);
        file.prepare_cached("DELETE FROM rollup WHERE hour=?1 AND device=?2")?.execute(key)?;
        Ok(())
    }

    fn erase_totals(&self, file: &Transaction<'_>) -> rusqlite::Result<Phase> {
        let mut day = i64::MIN;
        while let Some(next) = next_day(file, day)? {
            let key = params![next, self.device.0];
            file.prepare_cached("DELETE FROM daily WHERE day=?1 AND device=?2")?.execute(key)?;
            file.prepare_cached("DELETE FROM listing WHERE day=?1 AND device=?2")?.execute(key)?;
            day = next;
        }
        Ok(Phase::Spare((i64::MIN, 0)))
    }
}

fn next_hour(file: &Transaction<'_>, after: i64) -> rusqlite::Result<Option<i64>> {
    file.prepare_cached(
        "SELECT min(hour) FROM (SELECT min(hour) AS hour FROM event WHERE hour > ?1
             UNION ALL SELECT min(hour) FROM rollup WHERE hour > ?1)",
    )?
    .query_row([after], |row| row.get(0))
}

fn next_day(file: &Transaction<'_>, after: i64) -> rusqlite::Result<Option<i64>> {
    file.prepare_cached("SELECT min(day) FROM daily WHERE day > ?1")?
        .query_row([after], |row| row.get(0))
}

/// Takes names out of those to be removed that other devices asked for.
fn spare_names(
    file: &Transaction<'_>,
    store: &mut Store,
    after: (i64, i64),
) -> rusqlite::Result<Phase> {
    let next: Option<(i64, i64)> = file
        .query_row(
            "SELECT hour, device FROM rollup WHERE (hour, device) > (?1, ?2)
             ORDER BY hour, device LIMIT 1 OFFSET ?3",
            params![after.0, after.1, STEP],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let end = next.unwrap_or((i64::MAX, i64::MAX));
    let mut select = file.prepare_cached(
        "SELECT name FROM rollup WHERE (hour, device) > (?1, ?2) AND (hour, device) <= (?3, ?4)",
    )?;
    let mut rows = select.query(params![after.0, after.1, end.0, end.1])?;
    while let Some(row) = rows.next()? {
        store.watched.remove(&row.get(0)?);
    }
    Ok(next.map_or(Phase::Names, Phase::Spare))
}

/// Removes the names that are left, and aliases that stood for them alone.
fn erase_names(file: &Transaction<'_>, store: &mut Store) -> rusqlite::Result<Phase> {
    let mut names: HashSet<i64> = std::mem::take(&mut store.watched);
    names.remove(&NONE);
    names.remove(&MANY_NAMES_ROW);
    for name in &names {
        // An alias that stands for a name which stays is in use.
        file.prepare_cached("DELETE FROM alias WHERE name=?1")?.execute([name])?;
    }
    let mut gone = 0;
    for name in &names {
        gone += file
            .prepare_cached(
                "DELETE FROM name WHERE id=?1 AND NOT EXISTS(SELECT 1 FROM alias WHERE alias=?1)",
            )?
            .execute([name])?;
    }
    store.names.removed(gone as u64);
    Ok(Phase::Journal)
}
