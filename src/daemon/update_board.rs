//! Which lists are being fetched and how far each is, and who is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::api::{ReceivedView, UpdateEvent, UpdateOutcome};
use crate::lists::fetch::Progress;
use crate::model::{ListName, MAX_LISTS};

/// Events that may wait for a slow reader.
const WAITING: usize = 1024;
/// Places among them that are kept free of progress: for two events a list, and the last.
const RESERVED: usize = 2 * MAX_LISTS + 2;
/// Octets between two tellings of how far a download is.
const STEP: u64 = 128 << 10;

/// What is going on.
#[derive(Default)]
pub(super) struct Board {
    running: Mutex<BTreeMap<ListName, ReceivedView>>,
    watchers: Mutex<Vec<Watcher>>,
}

/// Somebody who is told of some lists until all have ended.
struct Watcher {
    waiting: BTreeSet<ListName>,
    /// Whether one of them changed and is not in force yet.
    changed: bool,
    events: mpsc::Sender<UpdateEvent>,
}

impl Board {
    /// Tells of these lists from now on.
    pub(super) fn watch(&self, lists: BTreeSet<ListName>) -> mpsc::Receiver<UpdateEvent> {
        let (events, told) = mpsc::channel(WAITING);
        if !lists.is_empty() {
            self.watchers().push(Watcher { waiting: lists, changed: false, events });
        }
        told
    }

    /// Returns how far the downloads are.
    pub(super) fn running(&self) -> BTreeMap<ListName, ReceivedView> {
        self.lock_running().clone()
    }

    /// Begins a download, unless there is one of this list.
    pub(super) fn begin(self: &Arc<Board>, list: &ListName, host: &str) -> Option<Slot> {
        let mut running = self.lock_running();
        if running.contains_key(list) {
            return None;
        }
        running.insert(list.clone(), ReceivedView::default());
        drop(running);
        self.tell(list, &UpdateEvent::Started { list: list.to_string(), host: host.into() });
        let (board, list) = (Arc::clone(self), list.clone());
        Some(Slot { board, list, outcome: None, told: AtomicU64::new(0) })
    }

    /// Tells who waits for it whether the lists that changed are in force.
    pub(super) fn settle(&self, event: &UpdateEvent) {
        let mut watchers = self.watchers();
        for watcher in watchers.iter_mut().filter(|watcher| watcher.changed) {
            watcher.changed = false;
            watcher.send(event);
        }
        watchers.retain(Watcher::stays);
    }

    fn tell(&self, list: &ListName, event: &UpdateEvent) {
        let watchers = self.watchers();
        let concerned = watchers.iter().filter(|watcher| watcher.waiting.contains(list));
        concerned.for_each(|watcher| watcher.send(event));
    }

    fn end(&self, list: &ListName, outcome: UpdateOutcome) {
        self.lock_running().remove(list);
        let changed = matches!(outcome, UpdateOutcome::Changed { .. });
        let event = UpdateEvent::Ended { list: list.to_string(), outcome };
        let mut watchers = self.watchers();
        for watcher in watchers.iter_mut().filter(|watcher| watcher.waiting.contains(list)) {
            watcher.send(&event);
            watcher.waiting.remove(list);
            watcher.changed |= changed;
        }
        watchers.retain(Watcher::stays);
    }

    fn lock_running(&self) -> MutexGuard<'_, BTreeMap<ListName, ReceivedView>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Sends what fits; of progress, a slow reader misses some.
    fn send(&self, event: &UpdateEvent) {
        let is_progress = matches!(event, UpdateEvent::Received { .. });
        if !is_progress || self.events.capacity() > RESERVED {
            // Who is gone is told nothing, and forgotten at the next end.
            let _ = self.events.try_send(event.clone());
        }
    }

    fn stays(&self) -> bool {
        !self.events.is_closed() && (self.changed || !self.waiting.is_empty())
    }
}

/// A download's place on the board; dropped, it tells the end.
pub(super) struct Slot {
    board: Arc<Board>,
    list: ListName,
    outcome: Option<UpdateOutcome>,
    told: AtomicU64,
}

impl Slot {
    /// Tells how far the download is, now and then.
    pub(super) fn received(&self, progress: Progress) {
        let Progress { received, expected } = progress;
        let told = self.told.load(Ordering::Relaxed);
        if received > 0 && received < told.saturating_add(STEP) && Some(received) != expected {
            return;
        }
        self.told.store(received, Ordering::Relaxed);
        let progress = ReceivedView { received, expected };
        self.board.lock_running().insert(self.list.clone(), progress);
        let list = self.list.to_string();
        self.board.tell(&self.list, &UpdateEvent::Received { list, progress });
    }

    /// Ends the download.
    pub(super) fn end(mut self, outcome: UpdateOutcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let broken = || UpdateOutcome::Failed { why: "it ended in an error of the program".into() };
        self.board.end(&self.list, self.outcome.take().unwrap_or_else(broken));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ListName {
        ListName::parse(text).expect("a name")
    }

    fn changed() -> UpdateOutcome {
        let (came, went) = Default::default();
        UpdateOutcome::Changed { version: 1, added: 1, removed: 0, came, went }
    }

    fn all(told: &mut mpsc::Receiver<UpdateEvent>) -> Vec<UpdateEvent> {
        std::iter::from_fn(|| told.try_recv().ok()).collect()
    }

    #[test]
    fn a_list_is_fetched_once_at_a_time() {
        let board = Arc::new(Board::default());
        let slot = board.begin(&name("a"), "lists.example").expect("nobody fetches it");
        assert!(board.begin(&name("a"), "lists.example").is_none());
        assert!(board.begin(&name("b"), "lists.example").is_some());
        slot.end(UpdateOutcome::Unchanged);
        assert!(board.begin(&name("a"), "lists.example").is_some());
    }

    #[test]
    fn who_watches_is_told_to_the_end_and_no_longer() {
        let board = Arc::new(Board::default());
        let mut told = board.watch([name("a"), name("b")].into());
        let (a, b) = (name("a"), name("b"));
        board.begin(&a, "h").expect("free").end(UpdateOutcome::Unchanged);
        board.begin(&name("c"), "h").expect("free").end(changed());
        board.begin(&b, "h").expect("free").end(changed());
        assert_eq!(all(&mut told).len(), 4, "two lists, begun and ended");
        assert!(!told.is_closed(), "what changed is not in force yet");
        board.settle(&UpdateEvent::InForce);
        assert_eq!(all(&mut told), [UpdateEvent::InForce]);
        assert!(board.watchers().is_empty());
    }

    #[test]
    fn nothing_changed_ends_the_telling_at_once() {
        let board = Arc::new(Board::default());
        let mut told = board.watch([name("a")].into());
        board.begin(&name("a"), "h").expect("free").end(UpdateOutcome::Unchanged);
        assert_eq!(all(&mut told).len(), 2);
        assert_eq!(told.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        let mut nothing = board.watch(BTreeSet::new());
        assert_eq!(nothing.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }

    #[test]
    fn a_download_that_is_dropped_has_failed() {
        let board = Arc::new(Board::default());
        let mut told = board.watch([name("a")].into());
        drop(board.begin(&name("a"), "h"));
        let last = all(&mut told).pop();
        let failed = |event| {
            matches!(event, UpdateEvent::Ended { outcome: UpdateOutcome::Failed { .. }, .. })
        };
        assert!(last.is_some_and(failed));
        assert!(board.running().is_empty());
    }

    #[test]
    fn a_slow_reader_misses_progress_and_no_end() {
        let board = Arc::new(Board::default());
        let mut told = board.watch([name("a")].into());
        let slot = board.begin(&name("a"), "h").expect("free");
        for received in 0..9_999 {
            slot.received(Progress { received: received * STEP, expected: None });
        }
        slot.end(UpdateOutcome::Unchanged);
        let events = all(&mut told);
        assert!(events.len() < WAITING);
        assert!(matches!(events.last(), Some(UpdateEvent::Ended { .. })));
    }

    #[test]
    fn progress_is_told_in_steps() {
        let board = Arc::new(Board::default());
        let mut told = board.watch([name("a")].into());
        let slot = board.begin(&name("a"), "h").expect("free");
        let expected = Some(3 * STEP);
        for received in (0..=3 * STEP).step_by(1024) {
            slot.received(Progress { received, expected });
        }
        assert_eq!(all(&mut told).len(), 1 + 4);
        assert_eq!(board.running()[&name("a")].received, 3 * STEP);
    }
}
