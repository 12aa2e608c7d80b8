//! What stands behind the numbers of an event: legends by edition, and words as rows.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Transaction};

use super::encoding::reason_code;
use super::schema::NONE;
use crate::model::{CompanyId, Legend, ListId, ListMask, QueryEvent, QuickHash, Reason};

/// Shown where an edition was never announced, or lacks the word.
const UNKNOWN: &str = "(unknown)";

/// Most rows that are remembered of each sort.
const CACHED: usize = 8_192;

/// The rows of an event's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WordRows {
    pub(super) reason: i64,
    pub(super) lists: i64,
    pub(super) company: i64,
}

/// Rows by what they stand for.
type Rows<K> = HashMap<K, i64, QuickHash>;

/// Words of events as rows.
#[derive(Default)]
pub(super) struct Words {
    legends: HashMap<u32, Announced>,
    reasons: Rows<(u32, (u8, u32))>,
    companies: Rows<(u32, CompanyId)>,
    lists: Rows<(u32, ListMask)>,
}

struct Announced {
    legend: Arc<Legend>,
    /// Nobody but us held it before the last drain, so no event can refer to it any more.
    idle: bool,
}

impl Words {
    /// Takes in an edition.
    pub(super) fn announce(&mut self, legend: Arc<Legend>) {
        self.legends.insert(legend.edition, Announced { legend, idle: false });
    }

    /// Lets go of editions that no event can refer to; called when all that was drained is written.
    pub(super) fn drop_idle(&mut self) {
        let newest = self.legends.keys().copied().max();
        let before = self.legends.len();
        self.legends.retain(|&edition, announced| {
            let alone = Arc::strong_count(&announced.legend) == 1;
            let was_idle = std::mem::replace(&mut announced.idle, alone);
            Some(edition) == newest || !(alone && was_idle)
        });
        if self.legends.len() < before {
            self.forget_rows();
        }
    }

    /// Forgets which rows words have, after a transaction that was undone.
    pub(super) fn forget_rows(&mut self) {
        self.reasons.clear();
        self.companies.clear();
        self.lists.clear();
    }

    /// Returns the rows of an event's reason, lists and company.
    pub(super) fn rows(
        &mut self,
        file: &Transaction<'_>,
        event: &QueryEvent<'_>,
    ) -> rusqlite::Result<WordRows> {
        Ok(WordRows {
            reason: self.reason(file, event)?,
            lists: self.list_set(file, event)?,
            company: self.company(file, event)?,
        })
    }

    fn reason(&mut self, file: &Transaction<'_>, event: &QueryEvent<'_>) -> rusqlite::Result<i64> {
        let Some(reason) = event.reason else { return Ok(NONE) };
        let key = (event.edition, reason_code(event.reason));
        if let Some(&row) = self.reasons.get(&key) {
            return Ok(row);
        }
        let row = row_of(file, &self.reason_text(event.edition, reason))?;
        remember(&mut self.reasons, key, row);
        Ok(row)
    }

    fn company(&mut self, file: &Transaction<'_>, event: &QueryEvent<'_>) -> rusqlite::Result<i64> {
        let Some(company) = event.company else { return Ok(NONE) };
        let key = (event.edition, company);
        if let Some(&row) = self.companies.get(&key) {
            return Ok(row);
        }
        let label = self.legend(event.edition).and_then(|legend| legend.company(company));
        let row = row_of(file, label.map_or(UNKNOWN, |label| &label.slug))?;
        remember(&mut self.companies, key, row);
        Ok(row)
    }

    fn list_set(
        &mut self,
        file: &Transaction<'_>,
        event: &QueryEvent<'_>,
    ) -> rusqlite::Result<i64> {
        if event.lists.is_empty() {
            return Ok(NONE);
        }
        let key = (event.edition, event.lists);
        if let Some(&row) = self.lists.get(&key) {
            return Ok(row);
        }
        let text = self.lists_text(event);
        let row = if text.is_empty() { NONE } else { row_of(file, &text)? };
        remember(&mut self.lists, key, row);
        Ok(row)
    }

    /// Returns what the numbers of an edition mean, if it was announced.
    pub(super) fn legend(&self, edition: u32) -> Option<&Legend> {
        self.legends.get(&edition).map(|announced| announced.legend.as_ref())
    }

    fn reason_text(&self, edition: u32, reason: Reason) -> String {
        let legend = self.legend(edition);
        let list = |list: ListId| {
            let name = legend.and_then(|legend| legend.list(list));
            name.map_or(UNKNOWN, |name| name.as_str())
        };
        match reason {
            Reason::Rule(rule) => {
                let text = legend.and_then(|legend| legend.rules.get(&rule));
                format!("rule {}", text.map_or(UNKNOWN, String::as_str))
            }
            Reason::Ban(ban) => format!("ban {}", list(ban)),
            Reason::List(named) => format!("list {}", list(named)),
            Reason::Canary => "canary".into(),
            Reason::NotListed => "not listed".into(),
        }
    }

    /// Returns the names of the lists that are shown, with commas between.
    fn lists_text(&self, event: &QueryEvent<'_>) -> String {
        let Some(legend) = self.legend(event.edition) else { return UNKNOWN.into() };
        let names = event.lists.iter().filter_map(|list| legend.list(list));
        names.map(|name| name.as_str()).collect::<Vec<_>>().join(",")
    }
}

fn row_of(file: &Transaction<'_>, text: &str) -> rusqlite::Result<i64> {
    let known = file
        .prepare_cached("SELECT id FROM word WHERE text=?1")?
        .query_row([text], |row| row.get(0))
        .optional()?;
    if let Some(row) = known {
        return Ok(row);
    }
    file.prepare_cached("INSERT INTO word(text) VALUES(?1)")?.execute([text])?;
    Ok(file.last_insert_rowid())
}

fn remember<K: std::hash::Hash + Eq>(rows: &mut Rows<K>, key: K, row: i64) {
    if rows.len() >= CACHED {
        rows.clear();
    }
    rows.insert(key, row);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legend(edition: u32) -> Arc<Legend> {
        Arc::new(Legend { edition, ..Legend::default() })
    }

    #[test]
    fn an_edition_is_kept_while_an_event_can_refer_to_it() {
        let mut words = Words::default();
        let held = legend(1);
        words.announce(held.clone());
        words.announce(legend(2));
        words.announce(legend(3));
        words.drop_idle();
        assert_eq!(words.legends.len(), 3, "events of 2 may still lie in a ring");
        words.drop_idle();
        assert!(words.legend(1).is_some() && words.legend(2).is_none());
        assert!(words.legend(3).is_some(), "the newest stays");
        drop(held);
        words.drop_idle();
        assert!(words.legend(1).is_some());
        words.drop_idle();
        assert!(words.legend(1).is_none());
    }
}
