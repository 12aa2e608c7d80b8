//! Events by device, company, name, outcome and time; in pages, newest or oldest first.
//!
//! The file is clustered by hour and device. Hours are walked in order; roll-ups tell which
//! devices of an hour can match, and those devices' timelines are merged.

use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::schema::{Bits, HOUR, NONE, VerdictBits, middle};
use super::{Cursor, Entry, Filter, UNATTRIBUTED};
use crate::model::{AnsweredBy, BindingId, DeviceId, Outcome, RecordType};

macro_rules! timeline {
    ($order:literal) => {
        concat!(
            "SELECT device, at, binding, name, type, bits, client, reason, lists, company, alias,
                 duration
             FROM event WHERE hour=?1 AND device=?2 AND at>=?3 AND at<?4 ORDER BY at ",
            $order
        )
    };
}

const NEWEST_FIRST: &str = timeline!("DESC");
const OLDEST_FIRST: &str = timeline!("ASC");

/// Which way to walk, and where the walk begins (that place itself is left out).
#[derive(Clone, Copy, Debug)]
pub(super) enum Walk {
    /// Newest first, before this place if there is one.
    Back(Option<Cursor>),
    /// Oldest first, after this place.
    On(Cursor),
}

/// A filter with its words turned into rows.
struct Plan {
    devices: BTreeSet<DeviceId>,
    company: Option<Wanted>,
    outcome: Option<Outcome>,
    names: Option<Names>,
    tracking: bool,
    /// The first moment that is wanted, and the first that is no longer.
    from: i64,
    until: i64,
}

#[derive(Clone, Copy)]
enum Wanted {
    Row(i64),
    Unattributed,
}

/// Names with a text in them, and those that were judged by an alias that has it.
struct Names {
    matching: HashSet<i64>,
    by_alias: HashSet<i64>,
}

/// An event as it lies in the file.
struct Found {
    at: i64,
    device: DeviceId,
    binding: BindingId,
    name: i64,
    query_type: RecordType,
    bits: Bits,
    client: Vec<u8>,
    reason: i64,
    lists: i64,
    company: i64,
    alias: i64,
    duration: u32,
}

/// One device's timeline within an hour, read in pages.
struct Lane {
    device: DeviceId,
    hour: i64,
    /// What is left to read: from this moment, before that one.
    from: i64,
    until: i64,
    page: VecDeque<Found>,
    spent: bool,
}

/// Returns at most `limit` matching events along a walk.
pub(super) fn search(
    file: &Transaction<'_>,
    filter: &Filter,
    walk: Walk,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let Some(plan) = Plan::of(file, filter)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut hour = walk.first_hour(&plan);
    while let Some(next) = walk.next_hour(file, &plan, hour)? {
        if found.len() >= limit {
            break;
        }
        read_hour(file, &plan, walk, next, limit, &mut found)?;
        hour = match walk {
            Walk::Back(_) => next - 1,
            Walk::On(_) => next + 1,
        };
    }
    let mut words = Words::default();
    found.into_iter().map(|found| words.entry(file, found)).collect()
}

impl Plan {
    /// Returns `None` where nothing can match.
    fn of(file: &Transaction<'_>, filter: &Filter) -> rusqlite::Result<Option<Plan>> {
        let company = match filter.company.as_deref() {
            None => None,
            Some(UNATTRIBUTED) => Some(Wanted::Unattributed),
            Some(slug) => match word_row(file, slug)? {
                Some(row) => Some(Wanted::Row(row)),
                None => return Ok(None),
            },
        };
        let names = match filter.text.as_deref().filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(Names::with(file, &text.to_lowercase())?),
        };
        if names.as_ref().is_some_and(|names| names.matching.is_empty()) {
            return Ok(None);
        }
        let kept_from: i64 =
            file.query_row("SELECT value FROM meta WHERE key='kept_from'", [], |row| row.get(0))?;
        Ok(Some(Plan {
            devices: filter.devices.iter().copied().collect(),
            company,
            outcome: filter.outcome,
            names,
            tracking: filter.tracking,
            from: filter.from.unwrap_or(i64::MIN).max(kept_from),
            until: filter.until.unwrap_or(i64::MAX),
        }))
    }

    /// Returns whether roll-ups can rule devices out.
    fn is_selective(&self) -> bool {
        self.company.is_some() || self.outcome.is_some() || self.names.is_some() || self.tracking
    }

    fn wants_company(&self, company: i64, verdict: VerdictBits) -> bool {
        match self.company {
            None => true,
            Some(Wanted::Row(row)) => company == row,
            Some(Wanted::Unattributed) => company == NONE && verdict.tracking(),
        }
    }

    fn wants_verdict(&self, verdict: VerdictBits) -> bool {
        self.outcome.is_none_or(|outcome| outcome == verdict.outcome())
            && (!self.tracking || verdict.tracking())
    }

    /// Returns whether events behind a roll-up may match.
    fn may_want(&self, company: i64, name: i64, verdict: VerdictBits) -> bool {
        name != NONE
            && self.wants_verdict(verdict)
            && self.wants_company(company, verdict)
            && self.names.as_ref().is_none_or(|names| {
                names.matching.contains(&name) || names.by_alias.contains(&name)
            })
    }

    fn wants(&self, found: &Found) -> bool {
        let verdict = found.bits.verdict();
        self.wants_verdict(verdict)
            && self.wants_company(found.company, verdict)
            && self.names.as_ref().is_none_or(|names| {
                names.matching.contains(&found.name) || names.matching.contains(&found.alias)
            })
    }

    /// Returns the devices of an hour that may have events.
    fn devices_of(&self, file: &Transaction<'_>, hour: i64) -> rusqlite::Result<Vec<DeviceId>> {
        let mut devices = Vec::new();
        let mut next = first_device(file, hour, -1)?;
        while let Some(device) = next {
            let wanted = self.devices.is_empty() || self.devices.contains(&DeviceId(device));
            if wanted && self.may_have(file, hour, device)? {
                devices.push(DeviceId(device));
            }
            next = first_device(file, hour, i64::from(device))?;
        }
        Ok(devices)
    }

    fn may_have(&self, file: &Transaction<'_>, hour: i64, device: u32) -> rusqlite::Result<bool> {
        if !self.is_selective() {
            return Ok(true);
        }
        let mut select = file.prepare_cached(
            "SELECT company, name, verdict FROM rollup WHERE hour=?1 AND device=?2",
        )?;
        let mut rows = select.query(params![hour, device])?;
        while let Some(row) = rows.next()? {
            if self.may_want(row.get(0)?, row.get(1)?, VerdictBits(row.get(2)?)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Names {
    fn with(file: &Transaction<'_>, text: &str) -> rusqlite::Result<Names> {
        let collect = |sql: &str| -> rusqlite::Result<HashSet<i64>> {
            file.prepare_cached(sql)?.query_map([text], |row| row.get(0))?.collect()
        };
        Ok(Names {
            matching: collect("SELECT id FROM name WHERE instr(text, ?1) > 0")?,
            by_alias: collect(
                "SELECT a.name FROM alias a JOIN name n ON n.id=a.alias
                 WHERE instr(n.text, ?1) > 0",
            )?,
        })
    }
}

impl Walk {
    fn first_hour(self, plan: &Plan) -> i64 {
        match self {
            Walk::Back(before) => {
                let until = before.map_or(i64::MAX, |before| before.at);
                until.min(plan.until).div_euclid(HOUR)
            }
            Walk::On(after) => after.at.max(plan.from).div_euclid(HOUR),
        }
    }

    fn next_hour(
        self,
        file: &Transaction<'_>,
        plan: &Plan,
        hour: i64,
    ) -> rusqlite::Result<Option<i64>> {
        let sql = match self {
            Walk::Back(_) => "SELECT max(hour) FROM event WHERE hour <= ?1",
            Walk::On(_) => "SELECT min(hour) FROM event WHERE hour >= ?1",
        };
        let next: Option<i64> = file.prepare_cached(sql)?.query_row([hour], |row| row.get(0))?;
        let within = plan.from.div_euclid(HOUR)..=plan.until.div_euclid(HOUR);
        Ok(next.filter(|next| within.contains(next)))
    }

    /// Returns the part of a device's timeline that the walk has before it.
    fn span(self, plan: &Plan, device: DeviceId) -> (i64, i64) {
        match self {
            Walk::Back(None) => (plan.from, plan.until),
            Walk::Back(Some(before)) => {
                // At the same moment the lower devices are still to come.
                let end = before.at.saturating_add(i64::from(device < before.device));
                (plan.from, plan.until.min(end))
            }
            Walk::On(after) => {
                let begin = after.at.saturating_add(i64::from(device <= after.device));
                (plan.from.max(begin), plan.until)
            }
        }
    }

    /// Returns a key by which what comes first on the walk is greatest.
    fn rank(self, found: &Found) -> (i64, i64) {
        let device = i64::from(found.device.0);
        match self {
            Walk::Back(_) => (found.at, device),
            Walk::On(_) => (-found.at, -device),
        }
    }
}

/// Merges the timelines of an hour's devices behind what was found before.
fn read_hour(
    file: &Transaction<'_>,
    plan: &Plan,
    walk: Walk,
    hour: i64,
    limit: usize,
    found: &mut Vec<Found>,
) -> rusqlite::Result<()> {
    let devices = plan.devices_of(file, hour)?;
    let page = (limit - found.len()).div_ceil(devices.len().max(1)).clamp(4, 1_000);
    let mut lanes = Vec::with_capacity(devices.len());
    let mut heads = BinaryHeap::new();
    for device in devices {
        let (from, until) = walk.span(plan, device);
        let mut lane = Lane { device, hour, from, until, page: VecDeque::new(), spent: false };
        if let Some(head) = lane.head(file, plan, walk, page)? {
            heads.push((head, lanes.len()));
            lanes.push(lane);
        }
    }
    while let Some((_, place)) = heads.pop() {
        if found.len() >= limit {
            break;
        }
        let Some(lane) = lanes.get_mut(place) else { break };
        found.extend(lane.page.pop_front());
        if let Some(head) = lane.head(file, plan, walk, page)? {
            heads.push((head, place));
        }
    }
    Ok(())
}

impl Lane {
    /// Returns the rank of the lane's next event, reading another page if need be.
    fn head(
        &mut self,
        file: &Transaction<'_>,
        plan: &Plan,
        walk: Walk,
        page: usize,
    ) -> rusqlite::Result<Option<(i64, i64)>> {
        if self.page.is_empty() && !self.spent {
            self.read_page(file, plan, walk, page)?;
        }
        Ok(self.page.front().map(|found| walk.rank(found)))
    }

    fn read_page(
        &mut self,
        file: &Transaction<'_>,
        plan: &Plan,
        walk: Walk,
        page: usize,
    ) -> rusqlite::Result<()> {
        let mut select = file.prepare_cached(match walk {
            Walk::Back(_) => NEWEST_FIRST,
            Walk::On(_) => OLDEST_FIRST,
        })?;
        let middle = middle(self.hour);
        let (from, until) = (self.from.saturating_sub(middle), self.until.saturating_sub(middle));
        let mut rows = select.query(params![self.hour, self.device.0, from, until])?;
        while self.page.len() < page {
            let Some(row) = rows.next()? else {
                self.spent = true;
                return Ok(());
            };
            let found = Found::read(row, middle)?;
            match walk {
                Walk::Back(_) => self.until = found.at,
                Walk::On(_) => self.from = found.at + 1,
            }
            if plan.wants(&found) {
                self.page.push_back(found);
            }
        }
        Ok(())
    }
}

impl Found {
    /// Reads a row of the hour with this middle.
    fn read(row: &Row<'_>, middle: i64) -> rusqlite::Result<Found> {
        Ok(Found {
            device: DeviceId(row.get(0)?),
            at: middle + row.get::<_, i64>(1)?,
            binding: BindingId(row.get(2)?),
            name: row.get(3)?,
            query_type: RecordType(row.get(4)?),
            bits: Bits(row.get(5)?),
            client: row.get(6)?,
            reason: row.get(7)?,
            lists: row.get(8)?,
            company: row.get(9)?,
            alias: row.get(10)?,
            duration: row.get(11)?,
        })
    }
}

/// Texts of rows, read once a search.
#[derive(Default)]
struct Words {
    words: HashMap<i64, String>,
    names: HashMap<i64, String>,
}

impl Words {
    fn entry(&mut self, file: &Transaction<'_>, found: Found) -> rusqlite::Result<Entry> {
        let Found { bits, .. } = found;
        let lists = self.word(file, found.lists)?.unwrap_or_default();
        Ok(Entry {
            cursor: Cursor { at: found.at, device: found.device },
            binding: found.binding,
            client: client_text(&found.client),
            name: self.name(file, found.name)?.unwrap_or_default(),
            random: bits.random(),
            query_type: found.query_type,
            outcome: bits.verdict().outcome(),
            would_block: bits.would_block(),
            reason: self.word(file, found.reason)?,
            lists: lists.split(',').filter(|list| !list.is_empty()).map(String::from).collect(),
            alias: self.name(file, found.alias)?,
            company: self.word(file, found.company)?,
            tracking: bits.verdict().tracking(),
            attempt: bits.attempt(),
            answered_by: answer_text(bits.answered_by()),
            response_code: bits.response_code(),
            duration: found.duration,
        })
    }

    fn word(&mut self, file: &Transaction<'_>, row: i64) -> rusqlite::Result<Option<String>> {
        text(file, &mut self.words, "SELECT text FROM word WHERE id=?1", row)
    }

    fn name(&mut self, file: &Transaction<'_>, row: i64) -> rusqlite::Result<Option<String>> {
        text(file, &mut self.names, "SELECT text FROM name WHERE id=?1", row)
    }
}

fn text(
    file: &Transaction<'_>,
    known: &mut HashMap<i64, String>,
    sql: &str,
    row: i64,
) -> rusqlite::Result<Option<String>> {
    if row == NONE {
        return Ok(None);
    }
    if let Some(text) = known.get(&row) {
        return Ok(Some(text.clone()));
    }
    let text: Option<String> =
        file.prepare_cached(sql)?.query_row([row], |row| row.get(0)).optional()?;
    known.extend(text.clone().map(|text| (row, text)));
    Ok(text)
}

fn word_row(file: &Transaction<'_>, word: &str) -> rusqlite::Result<Option<i64>> {
    file.prepare_cached("SELECT id FROM word WHERE text=?1")?
        .query_row([word], |row| row.get(0))
        .optional()
}

/// Returns the lowest device above `after` with events in an hour.
fn first_device(file: &Transaction<'_>, hour: i64, after: i64) -> rusqlite::Result<Option<u32>> {
    file.prepare_cached("SELECT min(device) FROM event WHERE hour=?1 AND device>?2")?
        .query_row([hour, after], |row| row.get(0))
}

fn client_text(octets: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    address.map_or_else(|_| String::new(), |address| address.to_string())
}

fn answer_text(answered_by: AnsweredBy) -> String {
    match answered_by {
        AnsweredBy::Sinkhole => "sinkhole".into(),
        AnsweredBy::Local => "local".into(),
        AnsweredBy::Cache => "cache".into(),
        AnsweredBy::Stale => "stale cache".into(),
        AnsweredBy::Upstream(upstream) => format!("upstream {}", upstream.0),
        AnsweredBy::Nobody => "nobody".into(),
    }
}
