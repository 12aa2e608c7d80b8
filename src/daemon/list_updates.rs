//! Lists kept fresh: those that are due are fetched, two at a time, and put in force together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Board, Slot, download};
use crate::api::{ListUpdateView, ProblemDocument, ProblemKind, UpdateEvent, UpdateOutcome};
use crate::clock::Clock;
use crate::diagnostic::nearest;
use crate::lists::fetch::Fetcher;
use crate::lists::{Due, OwnList, Source, Store};
use crate::policy::Standing;
use crate::policy_file::PolicyFile;

/// Downloads at the same time.
const AT_ONCE: usize = 2;
/// How often it is looked which lists are due.
const LOOK: Duration = Duration::from_secs(1);
/// How long a list that changed waits for others to be put in force with it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests that may wait.
const REQUESTS: usize = 16;

/// What updates work with.
pub(super) struct UpdateParts {
    pub policy: PolicyFile,
    pub store: Store,
    pub fetcher: Fetcher,
    pub clock: Clock,
}

/// Asks for updates and sees how they go: a handle that is cheap to clone. The task ends with the
/// last one.
#[derive(Clone)]
pub(super) struct ListUpdates {
    parts: Arc<UpdateParts>,
    board: Arc<Board>,
    requests: mpsc::Sender<Vec<OwnList>>,
}

impl ListUpdates {
    /// Starts to keep lists fresh. Call it inside the main runtime: its task lives there.
    pub(super) fn spawn(parts: UpdateParts) -> ListUpdates {
        let (requests, asked) = mpsc::channel(REQUESTS);
        let (parts, board) = (Arc::new(parts), Arc::new(Board::default()));
        let updater = Updater {
            parts: Arc::clone(&parts),
            board: Arc::clone(&board),
            asked,
            queue: VecDeque::new(),
            downloads: JoinSet::new(),
            changed: None,
        };
        tokio::spawn(updater.run());
        ListUpdates { parts, board, requests }
    }

    /// Fetches these lists now, or all that have an address; tells what becomes of them.
    pub(super) fn update(
        &self,
        names: &[String],
    ) -> Result<mpsc::Receiver<UpdateEvent>, ProblemDocument> {
        let standing = self.parts.policy.standing();
        let wanted = chosen(&standing, names)?;
        let events = self.board.watch(wanted.iter().map(|list| list.name.clone()).collect());
        self.requests.try_send(wanted).map_err(|_| {
            let detail = "too many updates are asked for at the same time";
            ProblemDocument::new(ProblemKind::Conflict, detail)
        })?;
        Ok(events)
    }

    /// Returns how the fetching of each list goes.
    pub(super) fn views(&self) -> Vec<ListUpdateView> {
        let running = self.board.running();
        let view = |list: &OwnList| {
            let attempts = self.parts.store.history(&list.name).attempts;
            let time = |second: Option<i64>| Timestamp::from_second(second?).ok();
            Some(ListUpdateView {
                list: list.name.to_string(),
                host: host(list)?,
                last_attempt: time(attempts.last_attempt),
                last_success: time(attempts.last_success),
                next_due: time(attempts.next_due),
                last_error: attempts.last_error,
                running: running.get(&list.name).copied(),
            })
        };
        self.parts.policy.standing().fetched().filter_map(view).collect()
    }
}

/// Returns the host that is contacted for a list, if it has an address.
fn host(list: &OwnList) -> Option<String> {
    match &list.source {
        Source::Address { url, .. } => url.host_str().map(String::from),
        Source::File(_) => None,
    }
}

/// Returns the lists of these names, or all that are fetched if no name is given.
fn chosen(standing: &Standing, names: &[String]) -> Result<Vec<OwnList>, ProblemDocument> {
    if names.is_empty() {
        let fetched = standing.fetched().filter(|list| host(list).is_some());
        return Ok(fetched.cloned().collect());
    }
    names.iter().map(|name| choose(&standing.lists, name)).collect()
}

fn choose(lists: &[OwnList], name: &str) -> Result<OwnList, ProblemDocument> {
    let problem = |kind, detail| ProblemDocument::new(kind, detail).field("lists");
    let Some(list) = lists.iter().find(|list| list.name.as_str() == name) else {
        let unknown =
            problem(ProblemKind::NotFound, format!("the policy has no list `{name}` to fetch"));
        let like = nearest(name, lists.iter().map(|list| list.name.as_str()));
        return Err(like.map_or(unknown.clone(), |like| unknown.hint(like)));
    };
    if host(list).is_none() {
        let detail = format!("list {name} is a file: `deadpixel reload` reads it again");
        return Err(problem(ProblemKind::InvalidInput, detail));
    }
    Ok(list.clone())
}

/// The task.
struct Updater {
    parts: Arc<UpdateParts>,
    board: Arc<Board>,
    asked: mpsc::Receiver<Vec<OwnList>>,
    /// Lists that somebody asked for, due or not.
    queue: VecDeque<OwnList>,
    downloads: JoinSet<(Slot, UpdateOutcome)>,
    /// Since when a list that changed has not been put in force.
    changed: Option<Instant>,
}

impl Updater {
    async fn run(mut self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                asked = self.asked.recv() => match asked {
                    Some(lists) => self.queue.extend(lists),
                    None => return,
                },
                Some(ended) = self.downloads.join_next() => {
                    // One that panicked has told its end by itself.
                    if let Ok((slot, outcome)) = ended {
                        self.end(slot, outcome);
                    }
                }
                _ = look.tick() => {}
            }
            self.begin();
            self.put_in_force().await;
        }
    }

    fn end(&mut self, slot: Slot, outcome: UpdateOutcome) {
        if matches!(outcome, UpdateOutcome::Changed { .. }) && self.changed.is_none() {
            self.changed = Some(Instant::now());
        }
        slot.end(outcome);
    }

    /// Begins as many downloads as there may be: first those asked for, then those that are due.
    fn begin(&mut self) {
        if self.downloads.len() >= AT_ONCE {
            return;
        }
        let asked: Vec<OwnList> = self.queue.drain(..).collect();
        // Whoever asks does not wait for the time.
        let asked_for = self.parts.store.due(&asked, i64::MAX);
        let now = self.parts.clock.now().unix_seconds();
        let fetched: Vec<OwnList> = self.parts.policy.standing().fetched().cloned().collect();
        let due = self.parts.store.due(&fetched, now);
        for due in asked_for.into_iter().chain(due) {
            if self.downloads.len() < AT_ONCE {
                self.begin_one(due);
            } else if asked.contains(&due.list) && !self.queue.contains(&due.list) {
                self.queue.push_back(due.list);
            }
        }
    }

    fn begin_one(&mut self, due: Due) {
        let host = host(&due.list).unwrap_or_default();
        if let Some(slot) = self.board.begin(&due.list.name, &host) {
            self.downloads.spawn(download(Arc::clone(&self.parts), due, slot));
        }
    }

    /// Puts what changed in force, once nothing is under way or it has waited long enough.
    async fn put_in_force(&mut self) {
        let ripe = self.downloads.is_empty()
            || self.changed.is_some_and(|since| since.elapsed() >= PATIENCE);
        if !ripe || self.changed.take().is_none() {
            return;
        }
        let policy = self.parts.policy.clone();
        let refreshed = tokio::task::spawn_blocking(move || policy.refresh_lists()).await;
        let why = match refreshed {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(_) => Some("an error of the program".into()),
        };
        self.board.settle(&match why {
            None => UpdateEvent::InForce,
            Some(why) => {
                tracing::error!("the lists that changed are not in force: {why}");
                UpdateEvent::NotInForce { why }
            }
        });
    }
}
