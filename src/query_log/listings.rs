//! Which lists matched together, how often: what tells of a list's worth.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params};

use super::schema::{Bits, DAY, NONE, VerdictBits};
use crate::model::{DeviceId, Outcome};

/// Lists that matched the same queries, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSet {
    /// Their names.
    pub lists: Vec<String>,
    /// Queries that exactly these lists match, whether they bind the device or not.
    pub queries: u64,
    /// Those of them that were blocked, by whatever rule.
    pub blocked: u64,
}

/// Tallies of one batch.
#[derive(Default)]
pub(super) struct Listings(BTreeMap<(i64, DeviceId, i64, VerdictBits), i64>);

impl Listings {
    /// Counts an event of which `lists` is the row of its set.
    pub(super) fn add(&mut self, at: i64, device: DeviceId, lists: i64, bits: Bits) {
        if lists != NONE {
            *self.0.entry((at.div_euclid(DAY), device, lists, bits.verdict())).or_default() += 1;
        }
    }

    /// Adds the tallies to those of the file.
    pub(super) fn write(&self, file: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut insert = file.prepare_cached(
            "INSERT INTO listing VALUES(?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET queries=queries+excluded.queries",
        )?;
        for ((day, device, lists, verdict), queries) in &self.0 {
            insert.execute(params![day, device.0, lists, verdict.0, queries])?;
        }
        Ok(())
    }
}

/// Returns the sets of lists that matched from one day to another, the most frequent first.
pub(super) fn read(
    file: &Transaction<'_>,
    from: i64,
    until: i64,
) -> rusqlite::Result<Vec<ListSet>> {
    let mut select = file.prepare_cached(
        "SELECT text, verdict, sum(queries) FROM listing JOIN word ON word.id=lists
         WHERE day>=?1 AND day<=?2 GROUP BY lists, verdict",
    )?;
    let mut rows = select.query(params![from.div_euclid(DAY), until.div_euclid(DAY)])?;
    let mut sets: BTreeMap<String, ListSet> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (text, verdict) = (row.get::<_, String>(0)?, VerdictBits(row.get(1)?));
        let queries = row.get::<_, i64>(2)?.max(0).unsigned_abs();
        let lists = text.split(',').map(str::to_string).collect();
        let set = sets.entry(text).or_insert(ListSet { lists, queries: 0, blocked: 0 });
        set.queries += queries;
        set.blocked += if verdict.outcome() == Outcome::Blocked { queries } else { 0 };
    }
    let mut sets: Vec<ListSet> = sets.into_values().collect();
    sets.sort_by(|a, b| b.queries.cmp(&a.queries).then_with(|| a.lists.cmp(&b.lists)));
    Ok(sets)
}
