//! The work on one question: who has been asked, who is asked next, whose answer counts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::clock::Clock;
use crate::model::UpstreamId;
use crate::wire::{Question, ResponseCode, StoredAnswer};

use super::{Allowance, Failure, Fault, Limits, Told, Upstream};

/// Queries of one question; with those of its probe 16 in all (`reliability.md`, section 6).
const QUERIES: u8 = 12;
/// The answer of an upstream usually comes within so many times its smoothed latency.
const USUALLY_WITHIN: u32 = 4;

/// An answer and who gave it.
pub(super) type Found = (UpstreamId, StoredAnswer);

/// The work on one question.
pub(super) struct Effort {
    question: Arc<Question>,
    /// Not asked yet, best first.
    unasked: VecDeque<Arc<Upstream>>,
    /// Asked and silent so far: asked again in turn when there is nobody else.
    silent: VecDeque<Arc<Upstream>>,
    asked: Vec<Asked>,
    tries: JoinSet<(usize, Told)>,
    allowance: Arc<Allowance>,
    patience: Duration,
    refusal: Option<Found>,
    limits: Limits,
    clock: Clock,
}

struct Asked {
    upstream: Arc<Upstream>,
    since: u64,
    launched: Instant,
    state: State,
}

enum State {
    Waiting { overdue: bool },
    Refused { code: ResponseCode, took: u64 },
    Failed(Fault),
}

/// Returns whether an answer is one that another upstream may be able to better.
pub(super) fn is_refusal(stored: &StoredAnswer) -> bool {
    // YXDOMAIN is the answer where a DNAME makes a name too long (RFC 6672, section 2.2).
    const YXDOMAIN: ResponseCode = ResponseCode(6);
    let answers = [ResponseCode::NOERROR, ResponseCode::NXDOMAIN, YXDOMAIN];
    !answers.contains(&stored.response_code())
}

impl Effort {
    /// Prepares to ask the upstreams of `order`, best first.
    pub(super) fn new(
        question: Arc<Question>,
        order: Vec<Arc<Upstream>>,
        limits: Limits,
        clock: Clock,
    ) -> Effort {
        let best = order.first().map(|best| best.health.standing());
        let patience =
            match best.and_then(|best| best.latency.filter(|_| best.rests_until.is_none())) {
                Some(latency) => Duration::from_micros(latency)
                    .saturating_mul(USUALLY_WITHIN)
                    .clamp(limits.least_patience, limits.most_patience),
                None => limits.most_patience,
            };
        Effort {
            question,
            unasked: order.into(),
            silent: VecDeque::new(),
            asked: Vec::new(),
            tries: JoinSet::new(),
            allowance: Arc::new(Allowance::new(QUERIES)),
            patience,
            refusal: None,
            limits,
            clock,
        }
    }

    /// Asks until somebody answers or nobody is left; those who are slow may still answer.
    pub(super) async fn run(&mut self) -> Option<Found> {
        self.ask_next();
        let mut patient_until = Instant::now() + self.patience;
        while !self.tries.is_empty() {
            tokio::select! {
                Some(ended) = self.tries.join_next() => {
                    // A try that panicked has told nothing and counts as silent.
                    if let Ok((place, result)) = ended
                        && let Some(found) = self.note(place, result)
                    {
                        return Some(found);
                    }
                    if !self.unasked.is_empty() {
                        self.ask_next();
                        patient_until = Instant::now() + self.patience;
                    }
                }
                () = sleep_until(patient_until) => {
                    self.lose_patience();
                    patient_until = Instant::now() + self.patience;
                }
            }
        }
        self.settle_for_refusal()
    }

    /// Ends at the time limit: who is silent now has failed.
    pub(super) fn give_up(&mut self) -> Option<Found> {
        self.tries.abort_all();
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
        self.settle_for_refusal()
    }

    /// Returns why there is no answer.
    pub(super) fn failure(&self) -> Failure {
        let all = |matching: fn(&Fault) -> bool| {
            self.asked.iter().all(|asked| matches!(&asked.state, State::Failed(f) if matching(f)))
        };
        if !self.asked.is_empty() && all(|fault| *fault == Fault::Busy) {
            Failure::Overloaded
        } else if all(|fault| matches!(fault, Fault::Connect(_))) {
            Failure::NetworkError
        } else {
            Failure::NoReachableAuthority
        }
    }

    fn ask_next(&mut self) {
        // Under a flood of names that nobody answers, first tries of other names come first.
        let pressed = self.silent.front().is_some_and(|silent| silent.is_pressed());
        let silent = &mut self.silent;
        let again = || (!pressed).then(|| silent.pop_front()).flatten();
        let Some(upstream) = self.unasked.pop_front().or_else(again) else {
            return;
        };
        let place = self.asked.len();
        let (question, allowance) = (self.question.clone(), self.allowance.clone());
        let asks = upstream.clone();
        self.tries.spawn(async move { (place, asks.ask(&question, &allowance).await) });
        self.silent.push_back(upstream.clone());
        let since = self.clock.now().monotonic;
        let state = State::Waiting { overdue: false };
        self.asked.push(Asked { upstream, since, launched: Instant::now(), state });
    }

    fn lose_patience(&mut self) {
        for asked in &mut self.asked {
            if let State::Waiting { overdue } = &mut asked.state {
                *overdue = true;
                // A name may be slow, but not on a connection over which nothing else came in.
                if asked.launched.elapsed() >= self.limits.most_patience {
                    asked.upstream.doubt(asked.since);
                }
            }
        }
        self.patience = (self.patience * 3 / 2).min(self.limits.most_patience);
        self.ask_next();
    }

    fn note(&mut self, place: usize, result: Told) -> Option<Found> {
        let asked = &mut self.asked[place];
        let id = asked.upstream.id;
        match result {
            Ok((stored, took)) if !is_refusal(&stored) => {
                asked.upstream.answered(took);
                self.blame_others(id);
                return Some((id, stored));
            }
            Ok((stored, took)) => {
                asked.state = State::Refused { code: stored.response_code(), took };
                self.refusal = Some((id, stored));
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

    /// Returns the last refusal, if there was one: it is the name's fault, not that of who said so.
    fn settle_for_refusal(&mut self) -> Option<Found> {
        let refusal = self.refusal.take()?;
        for asked in &self.asked {
            if let State::Refused { took, .. } = asked.state {
                asked.upstream.answered(took);
            }
        }
        Some(refusal)
    }
}
