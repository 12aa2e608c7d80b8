//! The notices there are, in memory: raised once per kind, subject and day, and bounded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{DAY, Draft, Notice, NoticeKind};
use crate::model::DeviceId;

/// Most notices that are kept.
pub(super) const MAX_NOTICES: usize = 10_000;

/// How long a notice is kept after it was seen last.
const KEPT: i64 = 90 * DAY;

/// How often the time is written where nothing else is.
const TIME_EVERY: i64 = DAY / 144;

/// What became of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It is a notice now.
    New,
    /// It was told already, and is counted.
    Again,
    /// A person dismissed it, for the day or for good.
    Muted,
}

/// A notice as it is kept; times that passed are those of [`super::Steady`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) notice: Notice,
    /// When it was raised.
    pub(super) raised: i64,
    /// When it was seen or dismissed last.
    pub(super) touched: i64,
}

/// What `state.db` does not hold yet.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) rows: Vec<Row>,
    pub(super) gone: Vec<u64>,
    /// (Time that passed, wall clock) if it is to be written.
    pub(super) time: Option<(i64, i64)>,
}

/// The notices there are.
#[derive(Default)]
pub(super) struct Board {
    rows: BTreeMap<u64, Row>,
    newest: HashMap<(NoticeKind, String), u64>,
    next: u64,
    changed: BTreeSet<u64>,
    gone: Vec<u64>,
    time_written: Option<i64>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.gone.is_empty() && self.time.is_none()
    }
}

impl Board {
    pub(super) fn of(rows: Vec<Row>) -> Board {
        let mut board = Board { next: 1, ..Board::default() };
        for row in rows {
            board.insert(row);
        }
        board
    }

    pub(super) fn raise(&mut self, draft: Draft, wall: i64, passed: i64) -> Raised {
        let draft = draft.bounded();
        let key = (draft.kind, draft.subject.clone());
        let newest = self.newest.get(&key).copied();
        let Some(row) = newest.and_then(|id| self.rows.get_mut(&id)) else {
            return self.begin(draft, wall, passed);
        };
        let today = passed.saturating_sub(row.raised) < DAY;
        let notice = &mut row.notice;
        if notice.dismissed.is_some() {
            let muted = notice.always || passed.saturating_sub(row.touched) < DAY;
            return if muted { Raised::Muted } else { self.begin(draft, wall, passed) };
        }
        if !today && !draft.says_no_more_than(&notice.draft) {
            return self.begin(draft, wall, passed);
        }
        notice.draft = notice.draft.clone().joined(draft);
        notice.latest = wall;
        notice.count = notice.count.saturating_add(1);
        row.touched = passed;
        self.changed.insert(row.notice.id);
        Raised::Again
    }

    pub(super) fn list(&self, all: bool) -> Vec<Notice> {
        let rows = self.rows.values().filter(|row| all || row.notice.dismissed.is_none());
        let mut notices: Vec<(i64, Notice)> =
            rows.map(|row| (row.touched, row.notice.clone())).collect();
        notices.sort_by_key(|(touched, notice)| std::cmp::Reverse((*touched, notice.id)));
        notices.into_iter().map(|(_, notice)| notice).collect()
    }

    /// Dismisses one at (wall clock, time that passed).
    pub(super) fn dismiss(&mut self, id: u64, always: bool, (wall, passed): (i64, i64)) -> bool {
        let Some(row) = self.rows.get_mut(&id) else { return false };
        row.notice.dismissed = Some(row.notice.dismissed.unwrap_or(wall));
        row.notice.always |= always;
        row.touched = passed;
        self.changed.insert(id);
        true
    }

    pub(super) fn forget(&mut self, device: DeviceId) {
        let of_it = |row: &&Row| row.notice.draft.device == Some(device);
        let ids: Vec<u64> = self.rows.values().filter(of_it).map(|row| row.notice.id).collect();
        ids.into_iter().for_each(|id| self.remove(id));
    }

    /// Lets go of what is old, and takes what is to be written; the time is (wall, passed).
    pub(super) fn take_changes(&mut self, (wall, passed): (i64, i64)) -> Changes {
        self.retire(passed);
        let changed = std::mem::take(&mut self.changed);
        let rows: Vec<Row> = changed.iter().filter_map(|id| self.rows.get(id)).cloned().collect();
        let gone = std::mem::take(&mut self.gone);
        let due = self.time_written.is_none_or(|then| passed.saturating_sub(then) >= TIME_EVERY);
        let time = (due || !rows.is_empty()).then_some((passed, wall));
        if time.is_some() {
            self.time_written = Some(passed);
        }
        Changes { rows, gone, time }
    }

    /// Takes back what could not be written.
    pub(super) fn take_back(&mut self, changes: Changes) {
        let ids = changes.rows.iter().map(|row| row.notice.id);
        self.changed.extend(ids.filter(|id| self.rows.contains_key(id)));
        self.gone.extend(changes.gone);
        self.time_written = None;
    }

    fn begin(&mut self, draft: Draft, wall: i64, passed: i64) -> Raised {
        if self.rows.len() >= MAX_NOTICES {
            self.make_room();
        }
        let notice = Notice {
            id: self.next,
            draft,
            raised: wall,
            latest: wall,
            count: 1,
            dismissed: None,
            always: false,
        };
        self.changed.insert(notice.id);
        self.insert(Row { notice, raised: passed, touched: passed });
        Raised::New
    }

    fn insert(&mut self, row: Row) {
        let id = row.notice.id;
        self.next = self.next.max(id.saturating_add(1));
        self.newest.insert((row.notice.draft.kind, row.notice.draft.subject.clone()), id);
        self.rows.insert(id, row);
    }

    /// Removes what was seen longest ago: first what was dismissed, last what is never to return.
    fn make_room(&mut self) {
        let worth = |row: &&Row| {
            let notice = &row.notice;
            (notice.always, notice.dismissed.is_none(), row.touched, notice.id)
        };
        if let Some(id) = self.rows.values().min_by_key(worth).map(|row| row.notice.id) {
            self.remove(id);
        }
    }

    fn retire(&mut self, passed: i64) {
        let old = |row: &&Row| !row.notice.always && passed.saturating_sub(row.touched) >= KEPT;
        let ids: Vec<u64> = self.rows.values().filter(old).map(|row| row.notice.id).collect();
        ids.into_iter().for_each(|id| self.remove(id));
    }

    fn remove(&mut self, id: u64) {
        let Some(row) = self.rows.remove(&id) else { return };
        let key = (row.notice.draft.kind, row.notice.draft.subject);
        if self.newest.get(&key) == Some(&id) {
            self.newest.remove(&key);
        }
        self.changed.remove(&id);
        self.gone.push(id);
    }
}
