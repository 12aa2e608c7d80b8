//! Where `log -f` stands in the log: what was shown, and what to ask for next.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::api::{Gap, LogEntry, LogPage, MAX_PAGE};

/// An event is as old as its query when it is recorded, and an answer takes 5 s at most.
const LATE: SignedDuration = SignedDuration::from_secs(6);

/// Pages read at one go; what is more is skipped.
const PAGES: usize = 4;

/// A reader of what comes in that shows every event once.
pub struct Follower {
    shown: BTreeMap<Timestamp, BTreeSet<String>>,
    gaps: Vec<Gap>,
    newest: Timestamp,
    start: Timestamp,
    next: Option<String>,
    pages: usize,
}

impl Follower {
    /// Begins behind a page that was shown.
    pub fn new(page: &LogPage) -> Follower {
        let newest = cursor_time(&page.newer).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut follower = Follower {
            shown: BTreeMap::new(),
            gaps: page.gaps.clone(),
            newest,
            // What is older than the page was left out of it on purpose.
            start: page.entries.last().map_or(newest, |entry| entry.time),
            next: None,
            pages: 0,
        };
        for entry in &page.entries {
            follower.remember(entry);
        }
        follower
    }

    /// Returns the place to ask from, or none when all that came in was read.
    pub fn next_page(&mut self) -> Option<String> {
        let place = match self.pages {
            0 => Some(place_at(self.overlap())),
            PAGES => None,
            _ => self.next.clone(),
        };
        self.pages = if place.is_some() { self.pages + 1 } else { self.end_round() };
        place
    }

    /// Takes a page; returns what of it was not shown before.
    pub fn take(&mut self, page: LogPage) -> (Vec<LogEntry>, Vec<Gap>) {
        self.next = (page.entries.len() == MAX_PAGE).then_some(page.newer);
        let mut fresh = Vec::new();
        for entry in page.entries {
            if entry.time >= self.start && self.remember(&entry) {
                fresh.push(entry);
            }
        }
        let mut gaps = page.gaps;
        gaps.retain(|gap| !self.gaps.contains(gap));
        self.gaps.extend(&gaps);
        (fresh, gaps)
    }

    /// Returns whether the last round left something out.
    pub fn has_skipped(&self) -> bool {
        self.next.is_some()
    }

    fn remember(&mut self, entry: &LogEntry) -> bool {
        self.newest = self.newest.max(entry.time);
        self.shown.entry(entry.time).or_default().insert(entry.cursor.clone())
    }

    fn overlap(&self) -> Timestamp {
        self.newest.saturating_sub(LATE).unwrap_or(self.newest)
    }

    /// Forgets what cannot come again; returns the number of pages read in the next round.
    fn end_round(&mut self) -> usize {
        let overlap = self.overlap();
        self.shown = self.shown.split_off(&overlap);
        self.gaps.retain(|gap| gap.until >= overlap);
        0
    }
}

fn place_at(time: Timestamp) -> String {
    format!("{}-0", time.as_microsecond())
}

fn cursor_time(cursor: &str) -> Option<Timestamp> {
    let (micros, _) = cursor.split_once('-')?;
    Timestamp::from_microsecond(micros.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Outcome, RecordType};

    fn entry(second: i64, device: u32) -> LogEntry {
        let time = Timestamp::from_second(second).expect("a time");
        LogEntry {
            cursor: format!("{}-{device}", time.as_microsecond()),
            time,
            device_id: device,
            device: "tv".into(),
            client: "127.0.0.2".into(),
            name: "a.example".into(),
            query_type: RecordType::A,
            outcome: Outcome::Allowed,
            would_block: false,
            reason: None,
            lists: Vec::new(),
            alias: None,
            company: None,
            tracking: false,
            attempt: false,
            answered_by: "cache".into(),
            response_code: "NOERROR".into(),
            duration_micros: 1,
        }
    }

    fn page(entries: Vec<LogEntry>) -> LogPage {
        let newer = entries.last().map_or("0-0".into(), |entry| entry.cursor.clone());
        LogPage { entries, older: None, newer, gaps: Vec::new() }
    }

    fn seconds(fresh: &[LogEntry]) -> Vec<i64> {
        fresh.iter().map(|entry| entry.time.as_second()).collect()
    }

    #[test]
    fn every_event_is_shown_once_even_one_recorded_late() {
        let mut follower = Follower::new(&page(vec![entry(100, 1)]));
        assert_eq!(follower.next_page().as_deref(), Some("94000000-0"));
        let (fresh, _) = follower.take(page(vec![entry(100, 1), entry(105, 1)]));
        assert_eq!(seconds(&fresh), [105]);
        assert_eq!(follower.next_page(), None);
        // A query of second 101 was answered by an upstream only now.
        assert_eq!(follower.next_page().as_deref(), Some("99000000-0"));
        let (fresh, _) = follower.take(page(vec![entry(100, 1), entry(101, 2), entry(105, 1)]));
        assert_eq!(seconds(&fresh), [101]);
    }

    #[test]
    fn what_stands_before_the_first_page_stays_out() {
        let mut follower = Follower::new(&page(vec![entry(100, 1)]));
        follower.next_page();
        let (fresh, _) = follower.take(page(vec![entry(97, 1), entry(100, 1), entry(100, 2)]));
        assert_eq!(fresh.iter().map(|entry| entry.device_id).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn full_pages_are_read_on_until_too_many() {
        let full = |from: i64| page((0..MAX_PAGE as i64).map(|n| entry(from + n, 1)).collect());
        let mut follower = Follower::new(&page(vec![entry(0, 1)]));
        for round in 0..PAGES as i64 {
            assert!(follower.next_page().is_some(), "page {round}");
            follower.take(full(1 + round * MAX_PAGE as i64));
        }
        assert_eq!(follower.next_page(), None);
        assert!(follower.has_skipped());
        follower.next_page();
        follower.take(page(Vec::new()));
        assert!(!follower.has_skipped());
    }

    #[test]
    fn what_was_shown_is_forgotten_once_it_cannot_come_again() {
        let mut follower = Follower::new(&page(vec![entry(0, 1)]));
        for second in 1..100 {
            follower.next_page();
            follower.take(page(vec![entry(second, 1)]));
            assert_eq!(follower.next_page(), None);
        }
        assert!(follower.shown.len() <= 8, "{}", follower.shown.len());
    }

    #[test]
    fn a_gap_is_told_once() {
        let mut follower = Follower::new(&page(vec![entry(100, 1)]));
        let at = |second| Timestamp::from_second(second).expect("a time");
        let gap = Gap { from: at(100), until: at(101), lost: 3 };
        let with_gap = LogPage { gaps: vec![gap], ..page(vec![entry(100, 1)]) };
        follower.next_page();
        assert_eq!(follower.take(with_gap.clone()).1, [gap]);
        follower.next_page();
        follower.next_page();
        assert_eq!(follower.take(with_gap).1, []);
    }
}
