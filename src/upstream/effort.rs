//! The work on one question: who has been asked, who is asked next, whose answer counts.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::Clock;
use crate::model::UpstreamId;
use crate::wire::{Question, ResponseCode, StoredAnswer};

use super::{Allowance, Failure, Fault, Group, Limits, Reply, Told, Upstream};

/// Queries of one question; with those of its probe 16 in all (`reliability.md`, section 6).
const QUERIES: u8 = 12;
/// The answer of an upstream usually comes within so many times its smoothed latency.
const USUALLY_WITHIN: u32 = 4;

/// An answer, who gave it and when it came.
pub(super) struct Found {
    pub(super) upstream: UpstreamId,
    pub(super) stored: Arc<StoredAnswer>,
    pub(super) at: u64,
}

/// What is asked, of whom, and within what.
#[derive(Clone, Copy)]
pub(super) struct Task<'q> {
    pub(super) question: &'q Question,
    pub(super) group: &'q Group,
    /// When it was asked, on the monotonic clock.
    pub(super) started: u64,
    pub(super) limits: &'q Limits,
    pub(super) clock: &'q Clock,
}

/// The work on one question.
struct Effort<'q> {
    task: Task<'q>,
    /// Not asked yet, best first; known only once the first was asked in vain.
    unasked: Option<VecDeque<&'q Arc<Upstream>>>,
    /// Asked and silent so far: asked again in turn when there is nobody else.
    silent: VecDeque<&'q Arc<Upstream>>,
    asked: Vec<Asked<'q>>,
    allowance: &'q Allowance,
    patience: Duration,
    patient_until: Instant,
    refusal: Option<Found>,
}

struct Asked<'q> {
    upstream: &'q Arc<Upstream>,
    since: u64,
    launched: Instant,
    state: State,
}

enum State {
    Waiting { overdue: bool },
    Refused { code: ResponseCode, took: u64 },
    Failed(Fault),
}

/// What happens next.
enum Event {
    Told(usize, Told),
    TimeIsUp,
}

/// A question put to somebody beside the first.
type Asking<'t> = Pin<Box<dyn Future<Output = Told> + Send + 't>>;

/// Those that are being asked: the first, and whoever is asked when that is late or fails.
struct Tries<'t> {
    first: Option<Pin<&'t mut (dyn Future<Output = Told> + Send + 't)>>,
    more: Vec<(usize, Asking<'t>)>,
}

/// Returns whether an answer is one that another upstream may be able to better.
pub(super) fn is_refusal(stored: &StoredAnswer) -> bool {
    // YXDOMAIN is the answer where a DNAME makes a name too long (RFC 6672, section 2.2).
    const YXDOMAIN: ResponseCode = ResponseCode(6);
    let answers = [ResponseCode::NOERROR, ResponseCode::NXDOMAIN, YXDOMAIN];
    !answers.contains(&stored.response_code())
}

/// Asks `first`, and the others of the group while it is late or fails, until somebody answers,
/// nobody is left or the time is up; those who are slow may still answer.
pub(super) async fn ask(task: Task<'_>, first: &Arc<Upstream>) -> Result<Found, Failure> {
    let allowance = Allowance::new(QUERIES);
    let now = Instant::now();
    let mut effort = Effort::new(task, &allowance, first, now);
    let asking = pin!(first.ask(task.question, &allowance, task.started));
    let mut tries = Tries { first: Some(asking), more: Vec::new() };
    let ends = now + task.limits.question;
    let mut timer = pin!(sleep_until(effort.patient_until.min(ends)));
    while !tries.is_empty() {
        match tries.next(timer.as_mut()).await {
            Event::Told(place, told) => {
                if let Some(found) = effort.note(place, told) {
                    return Ok(found);
                }
                if !effort.unasked().is_empty() {
                    effort.ask_next(&mut tries);
                    effort.patient_until = Instant::now() + effort.patience;
                }
            }
            Event::TimeIsUp if timer.deadline() >= ends => {
                effort.give_up();
                break;
            }
            Event::TimeIsUp => {
                effort.lose_patience(&mut tries);
                effort.patient_until = Instant::now() + effort.patience;
            }
        }
        timer.as_mut().reset(effort.patient_until.min(ends));
    }
    effort.settle_for_refusal().ok_or_else(|| effort.failure())
}

impl<'t> Tries<'t> {
    fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_empty()
    }

    async fn next(&mut self, mut timer: Pin<&mut Sleep>) -> Event {
        poll_fn(|context| match self.poll(context) {
            Poll::Ready((place, told)) => Poll::Ready(Event::Told(place, told)),
            Poll::Pending => timer.as_mut().poll(context).map(|()| Event::TimeIsUp),
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(usize, Told)> {
        if let Some(first) = &mut self.first
            && let Poll::Ready(told) = first.as_mut().poll(context)
        {
            self.first = None;
            return Poll::Ready((0, told));
        }
        for at in 0..self.more.len() {
            let (place, asking) = &mut self.more[at];
            if let Poll::Ready(told) = asking.as_mut().poll(context) {
                let place = *place;
                drop(self.more.swap_remove(at));
                return Poll::Ready((place, told));
            }
        }
        Poll::Pending
    }
}

impl<'q> Effort<'q> {
    /// Prepares to ask; `first` is being asked already.
    fn new(
        task: Task<'q>,
        allowance: &'q Allowance,
        first: &'q Arc<Upstream>,
        now: Instant,
    ) -> Effort<'q> {
        let standing = first.health.standing();
        let patience = match standing.latency.filter(|_| standing.rests_until.is_none()) {
            Some(latency) => Duration::from_micros(latency)
                .saturating_mul(USUALLY_WITHIN)
                .clamp(task.limits.least_patience, task.limits.most_patience),
            None => task.limits.most_patience,
        };
        let state = State::Waiting { overdue: false };
        Effort {
            task,
            unasked: None,
            silent: VecDeque::new(),
            asked: vec![Asked { upstream: first, since: task.started, launched: now, state }],
            allowance,
            patience,
            patient_until: now + patience,
            refusal: None,
        }
    }

    /// Returns who is left to ask, best first.
    fn unasked(&mut self) -> &mut VecDeque<&'q Arc<Upstream>> {
        let (group, first) = (self.task.group, &self.asked[0]);
        self.unasked.get_or_insert_with(|| {
            if matches!(first.state, State::Waiting { .. }) {
                self.silent.push_back(first.upstream);
            }
            let others = group.order().into_iter();
            others.filter(|member| member.id != first.upstream.id).collect()
        })
    }

    fn ask_next<'t>(&mut self, tries: &mut Tries<'t>)
    where
        'q: 't,
    {
        let fresh = self.unasked().pop_front();
        // Under a flood of names that nobody answers, first tries of other names come first.
        let again = self.silent.front().is_some_and(|silent| !silent.is_pressed());
        let next = fresh.or_else(|| again.then(|| self.silent.pop_front()).flatten());
        let Some(upstream) = next else { return };
        let (question, allowance) = (self.task.question, self.allowance);
        let since = self.task.clock.now().monotonic;
        let place = self.asked.len();
        tries.more.push((place, Box::pin(upstream.ask(question, allowance, since))));
        self.silent.push_back(upstream);
        let state = State::Waiting { overdue: false };
        self.asked.push(Asked { upstream, since, launched: Instant::now(), state });
    }

    fn lose_patience<'t>(&mut self, tries: &mut Tries<'t>)
    where
        'q: 't,
    {
        for asked in &mut self.asked {
            if let State::Waiting { overdue } = &mut asked.state {
                *overdue = true;
                // A name may be slow, but not on a connection over which nothing else came in.
                if asked.launched.elapsed() >= self.task.limits.most_patience {
                    asked.upstream.doubt(asked.since);
                }
            }
        }
        self.patience = (self.patience * 3 / 2).min(self.task.limits.most_patience);
        self.ask_next(tries);
    }

    fn note(&mut self, place: usize, told: Told) -> Option<Found> {
        let asked = &mut self.asked[place];
        let id = asked.upstream.id;
        match told {
            Ok(Reply { stored, took, at }) if !is_refusal(&stored) => {
                asked.upstream.answered(took, at);
                self.blame_others(id);
                return Some(Found { upstream: id, stored, at });
            }
            Ok(Reply { stored, took, at }) => {
                asked.state = State::Refused { code: stored.response_code(), took };
                self.refusal = Some(Found { upstream: id, stored, at });
            }
            Err(fault) => {
                asked.upstream.failed(asked.since, &fault);
                asked.state = State::Failed(fault);
            }
        }
        self.silent.retain(|silent| silent.id != id);
        None
    }

    /// Notes, now that `id` answered, who refused or was too slow.
    fn blame_others(&self, id: UpstreamId) {
        for asked in self.asked.iter().filter(|asked| asked.upstream.id != id) {
            match asked.state {
                State::Refused { code, .. } => {
                    let why = format!("it answers {code} where others answer");
                    asked.upstream.failed(asked.since, &Fault::Unusable(why));
                }
                State::Waiting { overdue: true } => {
                    asked.upstream.failed(asked.since, &Fault::Silent);
                }
                State::Waiting { overdue: false } | State::Failed(_) => {}
            }
        }
    }

    /// Ends at the time limit: who is silent now has failed.
    fn give_up(&mut self) {
        let mut silent: Vec<UpstreamId> = Vec::new();
        for asked in &mut self.asked {
            if !matches!(asked.state, State::Waiting { .. }) {
                continue;
            }
            asked.state = State::Failed(Fault::Silent);
            // However often it was asked, it has left one question without an answer.
            if !silent.contains(&asked.upstream.id) {
                silent.push(asked.upstream.id);
                asked.upstream.failed(asked.since, &Fault::Silent);
                asked.upstream.doubt(asked.since);
            }
        }
    }

    /// Returns the last refusal, if there was one: it is the name's fault, not that of who said so.
    fn settle_for_refusal(&mut self) -> Option<Found> {
        let refusal = self.refusal.take()?;
        for asked in &self.asked {
            if let State::Refused { took, .. } = asked.state {
                asked.upstream.answered(took, refusal.at);
            }
        }
        Some(refusal)
    }

    /// Returns why there is no answer.
    fn failure(&self) -> Failure {
        let all = |matching: fn(&Fault) -> bool| {
            self.asked.iter().all(|asked| matches!(&asked.state, State::Failed(f) if matching(f)))
        };
        if all(|fault| *fault == Fault::Busy) {
            Failure::Overloaded
        } else if all(|fault| matches!(fault, Fault::Connect(_))) {
            Failure::NetworkError
        } else {
            Failure::NoReachableAuthority
        }
    }
}
