//! How one upstream does: its latency, its failures, its rest, whether a probe is due.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Latencies;

/// Failures in a row after which an upstream rests.
const TOO_MANY: u32 = 3;
/// First and longest rest in microseconds; it doubles with every probe that fails.
const FIRST_REST: u64 = 1_000_000;
const LONGEST_REST: u64 = 6_000_000;
/// An answer moves the smoothed latency by one part in so many.
const SMOOTHING: u64 = 8;
/// Microseconds that an answer counts beyond four times the latency so far, at most.
const TOLERATED: u64 = 10_000;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Silence, which may be the name's fault.
    Silence,
    /// Another one that may be the name's fault: an error that others did not give.
    Doubtful,
    /// One that is certain: no connection.
    Certain,
}

/// Health of one upstream; shared.
#[derive(Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Default)]
struct State {
    latency: Option<u64>,
    in_a_row: u32,
    rest: Option<Rest>,
    answered_at: Option<u64>,
    probing: bool,
    counts: Counts,
    latencies: Latencies,
    last_error: Option<String>,
}

/// How questions ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// By an answer.
    pub(super) answered: u64,
    /// Without a usable answer.
    pub(super) failed: u64,
    /// Of these, by silence.
    pub(super) timeouts: u64,
}

/// What is shown of it.
pub(super) struct Figures {
    pub(super) counts: Counts,
    /// The time within which half of the recent answers came, and 95 of 100.
    pub(super) percentiles: Option<(u64, u64)>,
    /// The last error, if it fails now.
    pub(super) last_error: Option<String>,
}

#[derive(Clone, Copy)]
struct Rest {
    until: u64,
    length: u64,
}

/// By what upstreams are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Smoothed time of an answer in microseconds.
    pub(super) latency: Option<u64>,
    /// Until when it rests, if it does; it rests on until it has answered.
    pub(super) rests_until: Option<u64>,
}

impl Health {
    /// Notes an answer: whatever was wrong is over.
    pub(super) fn answered(&self, now: u64, took: u64) {
        let mut state = self.lock();
        state.latency = Some(match state.latency {
            // One slow name says little of who was asked for it.
            Some(old) => (old * (SMOOTHING - 1) + took.min(4 * old + TOLERATED)) / SMOOTHING,
            None => took,
        });
        state.in_a_row = 0;
        state.rest = None;
        state.last_error = None;
        state.answered_at = Some(now);
        state.counts.answered += 1;
        state.latencies.note(took);
    }

    /// Notes a failure of a question asked at `since`.
    ///
    /// What may be the name's fault counts only if nothing else was answered meanwhile.
    pub(super) fn failed(&self, since: u64, now: u64, weight: Weight, error: String) {
        let mut state = self.lock();
        state.counts.failed += 1;
        state.counts.timeouts += u64::from(weight == Weight::Silence);
        if weight != Weight::Certain && state.answered_at.is_some_and(|at| at > since) {
            return;
        }
        state.in_a_row += if weight == Weight::Certain { TOO_MANY } else { 1 };
        state.last_error = Some(error);
        let length = match state.rest {
            // It was asked before this rest began, or as a last resort: nothing new is learnt.
            Some(rest) if now < rest.until => return,
            Some(rest) => (rest.length * 2).min(LONGEST_REST),
            // Who was never heard of has no credit.
            None if state.in_a_row >= TOO_MANY || state.latency.is_none() => FIRST_REST,
            None => return,
        };
        state.rest = Some(Rest { until: now + length, length });
    }

    /// Returns whether it should be asked just to see how it does; whoever is told so must probe.
    ///
    /// One at a time; due for who has rested, and for who does not rest if the caller is `curious`.
    pub(super) fn begin_probe(&self, now: u64, curious: bool) -> bool {
        let mut state = self.lock();
        let due = match state.rest {
            Some(rest) => now >= rest.until,
            None => curious,
        };
        let begins = due && !state.probing;
        state.probing |= begins;
        begins
    }

    /// Ends a probe, however it went.
    pub(super) fn end_probe(&self) {
        self.lock().probing = false;
    }

    /// Returns by what it is chosen.
    pub(super) fn standing(&self) -> Standing {
        let state = self.lock();
        Standing { latency: state.latency, rests_until: state.rest.map(|rest| rest.until) }
    }

    /// Returns what is shown of it.
    pub(super) fn figures(&self) -> Figures {
        let state = self.lock();
        Figures {
            counts: state.counts,
            percentiles: state.latencies.percentiles(),
            last_error: state.last_error.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn fails(health: &Health, at: u64, weight: Weight) {
        health.failed(at, at, weight, "no answer".into());
    }

    fn failures(health: &Health) -> (u64, Option<String>) {
        let figures = health.figures();
        (figures.counts.failed, figures.last_error)
    }

    #[test]
    fn latency_follows_the_answers_smoothly() {
        let health = Health::default();
        health.answered(1, 8_000);
        assert_eq!(health.standing().latency, Some(8_000));
        health.answered(2, 16_000);
        assert_eq!(health.standing().latency, Some(9_000));
        health.answered(3, 4_000_000);
        assert_eq!(health.standing().latency, Some((9_000 * 7 + 46_000) / 8), "one slow name");
    }

    #[test]
    fn three_failures_in_a_row_or_one_without_connection_put_it_to_rest() {
        let health = Health::default();
        health.answered(0, 100);
        for at in 1..=3 {
            assert_eq!(health.standing().rests_until, None);
            fails(&health, at, Weight::Doubtful);
        }
        assert_eq!(health.standing().rests_until, Some(3 + SECOND));
        let other = Health::default();
        other.answered(0, 100);
        fails(&other, 1, Weight::Certain);
        assert_eq!(other.standing().rests_until, Some(1 + SECOND));
        let unknown = Health::default();
        fails(&unknown, 1, Weight::Doubtful);
        assert_eq!(unknown.standing().rests_until, Some(1 + SECOND), "no credit");
        assert_eq!(failures(&other), (1, Some("no answer".into())));
    }

    #[test]
    fn rests_grow_to_a_bound_and_one_answer_ends_them() {
        let health = Health::default();
        let mut now = 0;
        let mut lengths = Vec::new();
        for _ in 0..6 {
            fails(&health, now, Weight::Certain);
            let until = health.standing().rests_until.expect("it rests");
            lengths.push((until - now) / SECOND);
            fails(&health, now + 1, Weight::Certain);
            assert_eq!(health.standing().rests_until, Some(until), "no longer by a late failure");
            now = until;
        }
        assert_eq!(lengths, [1, 2, 4, 6, 6, 6]);
        health.answered(now, 10);
        assert_eq!(health.standing().rests_until, None);
        assert_eq!(failures(&health), (12, None));
        fails(&health, now, Weight::Certain);
        assert_eq!(health.standing().rests_until, Some(now + SECOND), "it starts small again");
    }

    #[test]
    fn a_slow_name_does_not_put_a_busy_upstream_to_rest() {
        let health = Health::default();
        for since in [10, 20, 30, 40] {
            health.answered(since + 5, 100);
            health.failed(since, since + 9, Weight::Silence, "no answer".into());
        }
        assert_eq!(health.standing().rests_until, None);
        assert_eq!(failures(&health), (4, None));
        let counts = Counts { answered: 4, failed: 4, timeouts: 4 };
        assert_eq!(health.figures().counts, counts);
    }

    #[test]
    fn a_probe_is_due_for_the_rested_and_out_of_curiosity() {
        let health = Health::default();
        assert!(!health.begin_probe(1, false));
        assert!(health.begin_probe(1, true), "out of curiosity");
        assert!(!health.begin_probe(1, true), "one at a time");
        health.answered(2, 100);
        health.end_probe();
        fails(&health, 4, Weight::Certain);
        assert!(!health.begin_probe(5, true), "it rests");
        assert!(health.begin_probe(4 + SECOND, false), "it has rested");
    }
}
