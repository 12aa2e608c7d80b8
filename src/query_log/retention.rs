//! What is old enough to go, removed in steps so that writing goes on.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Settings;
use super::schema::{DAY, HOUR, MANY_NAMES_ROW, middle};
use super::store::Store;

/// Rows that one step looks at.
const STEP: i64 = 20_000;

/// Pages that one step gives back to the system.
const PAGES: u32 = 2_000;

/// A file that grew too large is brought down to this share of what it may take.
const PERCENT: u64 = 95;

/// One round of retention.
pub(super) struct Retention {
    /// When the round began.
    now: i64,
    /// Events before this time go.
    events_from: i64,
    /// Daily totals before this day go.
    totals_from: i64,
    max_octets: u64,
    /// Whether the running hour was already given up for lack of room.
    desperate: bool,
    phase: Phase,
}

/// What the next step does.
#[derive(Clone, Copy)]
enum Phase {
    Cut,
    Events((i64, i64, i64)),
    Rollups((i64, i64)),
    Names(i64),
    Totals((i64, i64)),
    Pages,
}

impl Retention {
    /// Begins a round; without `by_age` only the file's size counts.
    pub(super) fn begin(settings: &Settings, now: i64, by_age: bool) -> Retention {
        let oldest = |days: u32, grain: i64| {
            let age = i64::from(days).saturating_mul(DAY);
            if by_age { now.saturating_sub(age).div_euclid(grain) } else { 0 }
        };
        Retention {
            now,
            events_from: oldest(settings.days, HOUR) * HOUR,
            totals_from: oldest(settings.totals_days, DAY),
            max_octets: settings.max_octets(),
            desperate: false,
            phase: Phase::Cut,
        }
    }

    /// Does one step in a transaction of its own; returns whether that was the last.
    pub(super) fn step(
        &mut self,
        connection: &mut Connection,
        store: &mut Store,
    ) -> rusqlite::Result<bool> {
        let file = connection.transaction()?;
        let next = match self.phase {
            Phase::Cut => self.cut(&file, store)?,
            Phase::Events(after) => delete_events(&file, store, after)?,
            Phase::Rollups(after) => self.delete_rollups(&file, store, after)?,
            Phase::Names(after) => delete_names(&file, store, after)?,
            Phase::Totals(after) => self.delete_totals(&file, after)?,
            Phase::Pages => {
                drop(file);
                return self.give_back_pages(connection);
            }
        };
        store.write_figures(&file)?;
        file.commit()?;
        self.phase = next;
        Ok(false)
    }

    /// Decides what goes, and says so in the file before anything does.
    fn cut(&mut self, file: &Transaction<'_>, store: &mut Store) -> rusqlite::Result<Phase> {
        let from = self.events_from.max(self.cut_by_size(file)?);
        if from <= store.kept_from {
            return Ok(Phase::Names(MANY_NAMES_ROW));
        }
        store.keep_from(file, from)?;
        // The roll-ups of an hour must tell of the events that are left of it.
        if from.rem_euclid(HOUR) != 0 {
            file.execute("DELETE FROM rollup WHERE hour=?1", [from.div_euclid(HOUR)])?;
        }
        Ok(Phase::Events((i64::MIN, 0, 0)))
    }

    /// Returns from when on events may stay for the file to be small enough.
    fn cut_by_size(&mut self, file: &Transaction<'_>) -> rusqlite::Result<i64> {
        if used(file)? <= self.max_octets / 100 * PERCENT {
            return Ok(i64::MIN);
        }
        let oldest: Option<i64> =
            file.query_row("SELECT min(hour) FROM event", [], |row| row.get(0))?;
        let running = self.now.div_euclid(HOUR);
        match oldest {
            Some(hour) if hour < running => Ok((hour + 1) * HOUR),
            Some(_) if !self.desperate => {
                self.desperate = true;
                Ok(self.now)
            }
            _ => Ok(i64::MIN),
        }
    }

    fn delete_rollups(
        &self,
        file: &Transaction<'_>,
        store: &Store,
        after: (i64, i64),
    ) -> rusqlite::Result<Phase> {
        let hour = store.kept_from.div_euclid(HOUR);
        let next: Option<(i64, i64)> = file
            .query_row(
                "SELECT hour, device FROM rollup WHERE (hour, device) > (?1, ?2) AND hour < ?3
                 ORDER BY hour, device LIMIT 1 OFFSET ?4",
                params![after.0, after.1, hour, STEP],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let end = next.unwrap_or((hour, -1));
        file.execute("DELETE FROM rollup WHERE (hour, device) <= (?1, ?2)", params![end.0, end.1])?;
        Ok(match next {
            Some(key) => Phase::Rollups(key),
            // More must go if the file is still too large.
            None => Phase::Cut,
        })
    }

    /// Returns the first day of which sets of lists are kept: as long as events.
    fn listings_from(&self) -> i64 {
        self.events_from.div_euclid(DAY)
    }

    fn delete_totals(&self, file: &Transaction<'_>, after: (i64, i64)) -> rusqlite::Result<Phase> {
        let next: Option<(i64, i64)> = file
            .query_row(
                "SELECT day, device FROM daily WHERE (day, device) > (?1, ?2) AND day < ?3
                 ORDER BY day, device LIMIT 1 OFFSET ?4",
                params![after.0, after.1, self.totals_from, STEP],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let end = next.unwrap_or((self.totals_from, -1));
        file.execute("DELETE FROM daily WHERE (day, device) <= (?1, ?2)", params![end.0, end.1])?;
        file.execute("DELETE FROM gap WHERE ends < ?1", [self.totals_from * DAY])?;
        file.execute("DELETE FROM listing WHERE day < ?1", [self.listings_from()])?;
        Ok(next.map_or(Phase::Pages, Phase::Totals))
    }

    /// Makes the file smaller where it takes more room than it may.
    fn give_back_pages(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let page: u64 = pragma(connection, "page_size")?;
        let pages: u64 = pragma(connection, "page_count")?;
        let free: u64 = pragma(connection, "freelist_count")?;
        if free == 0 || page * pages <= self.max_octets {
            return Ok(true);
        }
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        Ok(false)
    }
}

/// Deletes events before `kept_from`, from `after` on.
fn delete_events(
    file: &Transaction<'_>,
    store: &mut Store,
    after: (i64, i64, i64),
) -> rusqlite::Result<Phase> {
    // The hour of the last event that goes; it may be the running one.
    let hour = (store.kept_from - 1).div_euclid(HOUR);
    let next: Option<(i64, i64, i64)> = file
        .query_row(
            "SELECT hour, device, at FROM event
             WHERE (hour, device, at) > (?1, ?2, ?3) AND hour <= ?4
             ORDER BY hour, device, at LIMIT 1 OFFSET ?5",
            params![after.0, after.1, after.2, hour, STEP],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let end = next.unwrap_or((hour, i64::MAX, i64::MAX));
    let gone = file.execute(
        "DELETE FROM event WHERE (hour, device, at) > (?1, ?2, ?3)
         AND (hour, device, at) <= (?4, ?5, ?6) AND (hour < ?7 OR at < ?8)",
        params![
            after.0,
            after.1,
            after.2,
            end.0,
            end.1,
            end.2,
            hour,
            store.kept_from - middle(hour)
        ],
    )?;
    store.events = store.events.saturating_sub(gone as u64);
    Ok(next.map_or(Phase::Rollups((i64::MIN, 0)), Phase::Events))
}

/// Deletes names that no event refers to any more, from `after` on.
fn delete_names(file: &Transaction<'_>, store: &mut Store, after: i64) -> rusqlite::Result<Phase> {
    let last: i64 =
        file.query_row("SELECT coalesce(max(id), 0) FROM name", [], |row| row.get(0))?;
    if after >= last {
        return Ok(Phase::Totals((i64::MIN, 0)));
    }
    let until = after + STEP;
    let day = store.kept_from.div_euclid(DAY);
    let gone = file.execute(
        "DELETE FROM name WHERE id > ?1 AND id <= ?2 AND day < ?3",
        params![after, until, day],
    )?;
    if gone > 0 {
        file.execute(
            "DELETE FROM alias WHERE name > ?1 AND name <= ?2
             AND NOT EXISTS(SELECT 1 FROM name WHERE name.id=alias.name)",
            params![after, until],
        )?;
        store.names.removed(gone as u64);
    }
    Ok(Phase::Names(until))
}

/// Returns the end of the newest hour that has an event.
pub(super) fn newest_event(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let hour: Option<i64> =
        connection.query_row("SELECT max(hour) FROM event", [], |row| row.get(0))?;
    Ok(hour.map(|hour| (hour + 1) * HOUR))
}

/// Returns the octets of the file that hold something.
pub(super) fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let pages: u64 = pragma(connection, "page_count")?;
    let free: u64 = pragma(connection, "freelist_count")?;
    Ok(pages.saturating_sub(free) * pragma(connection, "page_size")?)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
    Ok(value.unsigned_abs())
}
