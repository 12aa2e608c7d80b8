//! Identical questions in flight, asked once; failures are remembered for a moment.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::NameRef;
use crate::wire::Question;

use super::{Answer, Failure};

/// Parts of the table, each with its own lock.
const SHARDS: usize = 64;
/// Most questions in flight.
const MAX_FLIGHTS: usize = 4_096;
/// Most entries of one shard, remembered failures included.
const MAX_IN_SHARD: usize = 256;
/// Microseconds for which a failure answers those who ask again (RFC 9520, section 3.2).
const REMEMBERED: u64 = 1_000_000;

/// What became of a question.
pub(super) type Outcome = Result<Answer, Failure>;

/// The questions in flight.
pub(super) struct Flights {
    shards: Vec<Mutex<HashMap<Question, Flight>>>,
    hasher: RandomState,
    flying: AtomicUsize,
}

enum Flight {
    Flying(watch::Receiver<Option<Outcome>>),
    Failed { failure: Failure, until: u64 },
}

/// What is to be done about a question.
pub(super) enum Boarding {
    /// Wait: it is being asked.
    Wait(watch::Receiver<Option<Outcome>>),
    /// Ask, and tell the outcome.
    Ask(Pilot, watch::Receiver<Option<Outcome>>),
    /// It failed a moment ago, or too much is in flight.
    Fail(Failure),
}

/// The duty to ask a question; dropped without an outcome, those who wait are let go.
pub(super) struct Pilot {
    flights: Arc<Flights>,
    question: Question,
    told: watch::Sender<Option<Outcome>>,
    failed: Option<(Failure, u64)>,
}

impl Flights {
    /// Makes an empty table.
    pub(super) fn new() -> Arc<Flights> {
        Arc::new(Flights {
            shards: (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect(),
            hasher: RandomState::new(),
            flying: AtomicUsize::new(0),
        })
    }

    /// Joins the question if it is in flight, or hands over the duty to ask it.
    pub(super) fn board(self: &Arc<Self>, question: Question, now: u64) -> Boarding {
        let mut shard = self.shard(&question);
        match shard.get(&question) {
            Some(Flight::Flying(outcome)) => return Boarding::Wait(outcome.clone()),
            Some(Flight::Failed { failure, until }) if now < *until => {
                return Boarding::Fail(*failure);
            }
            Some(Flight::Failed { .. }) | None => {}
        }
        if shard.len() >= MAX_IN_SHARD {
            shard.retain(|_, flight| matches!(flight, Flight::Flying(_)));
        }
        if self.flying.fetch_add(1, Ordering::Relaxed) >= MAX_FLIGHTS {
            self.flying.fetch_sub(1, Ordering::Relaxed);
            return Boarding::Fail(Failure::Overloaded);
        }
        let (told, outcome) = watch::channel(None);
        shard.insert(question.clone(), Flight::Flying(outcome.clone()));
        drop(shard);
        Boarding::Ask(Pilot { flights: self.clone(), question, told, failed: None }, outcome)
    }

    /// Forgets failures about a name and all below it, or about any.
    pub(super) fn forget_failures(&self, name: Option<NameRef<'_>>) {
        let meant = |question: &Question| {
            name.is_none_or(|name| question.name.as_ref().is_subdomain_of(name))
        };
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard
                .retain(|question, flight| matches!(flight, Flight::Flying(_)) || !meant(question));
        }
    }

    fn shard(&self, question: &Question) -> MutexGuard<'_, HashMap<Question, Flight>> {
        let place = self.hasher.hash_one(question) as usize % SHARDS;
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pilot {
    /// Tells all who wait. Who asks from then on finds no flight: its outcome may be old to them.
    pub(super) fn land(mut self, outcome: Outcome, now: u64) {
        let lasting = outcome.as_ref().err().filter(|failure| **failure != Failure::Overloaded);
        self.failed = lasting.map(|failure| (*failure, now + REMEMBERED));
        let told = self.told.clone();
        drop(self);
        told.send_replace(Some(outcome));
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        let mut shard = self.flights.shard(&self.question);
        match self.failed {
            Some((failure, until)) => {
                shard.insert(self.question.clone(), Flight::Failed { failure, until });
            }
            None => {
                shard.remove(&self.question);
            }
        }
        self.flights.flying.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DomainName, RecordType};

    fn question(name: &str, dnssec_ok: bool) -> Question {
        Question {
            name: DomainName::parse(name).expect("a name"),
            query_type: RecordType::A,
            dnssec_ok,
            checking_disabled: false,
        }
    }

    fn pilot(flights: &Arc<Flights>, name: &str, now: u64) -> Pilot {
        match flights.board(question(name, false), now) {
            Boarding::Ask(pilot, _) => pilot,
            Boarding::Wait(_) | Boarding::Fail(_) => panic!("{name} should be asked"),
        }
    }

    #[test]
    fn the_second_to_ask_waits_for_the_first() {
        let flights = Flights::new();
        let first = pilot(&flights, "a.ex", 0);
        let Boarding::Wait(outcome) = flights.board(question("a.ex", false), 0) else {
            panic!("it is in flight");
        };
        assert!(matches!(flights.board(question("a.ex", true), 0), Boarding::Ask(..)), "other DO");
        first.land(Err(Failure::NetworkError), 0);
        assert!(matches!(*outcome.borrow(), Some(Err(Failure::NetworkError))));
    }

    #[test]
    fn a_failure_answers_for_a_second_and_no_longer() {
        let flights = Flights::new();
        pilot(&flights, "a.ex", 0).land(Err(Failure::NoReachableAuthority), 5);
        let again = flights.board(question("a.ex", false), 5 + REMEMBERED - 1);
        assert!(matches!(again, Boarding::Fail(Failure::NoReachableAuthority)));
        pilot(&flights, "a.ex", 5 + REMEMBERED);
    }

    #[test]
    fn failures_are_forgotten_by_name_and_what_flies_flies_on() {
        let flights = Flights::new();
        let failing = |name: &str| pilot(&flights, name, 0).land(Err(Failure::NetworkError), 0);
        ["a.ex", "b.a.ex", "c.ex"].into_iter().for_each(failing);
        let flying = pilot(&flights, "d.a.ex", 0);
        let name = DomainName::parse("a.ex").expect("a name");
        flights.forget_failures(Some(name.as_ref()));
        let failed = |name: &str| {
            matches!(flights.board(question(name, false), 1), Boarding::Fail(Failure::NetworkError))
        };
        assert!(!failed("a.ex") && !failed("b.a.ex") && failed("c.ex"));
        assert!(matches!(flights.board(question("d.a.ex", false), 1), Boarding::Wait(_)));
        flights.forget_failures(None);
        assert!(!failed("c.ex"));
        drop(flying);
    }

    #[test]
    fn a_pilot_that_vanishes_lets_everybody_go() {
        let flights = Flights::new();
        let first = pilot(&flights, "a.ex", 0);
        let Boarding::Wait(outcome) = flights.board(question("a.ex", false), 0) else {
            panic!("it is in flight");
        };
        drop(first);
        assert!(outcome.has_changed().is_err(), "the sender is gone");
        pilot(&flights, "a.ex", 0);
    }

    #[test]
    fn flights_are_bounded_and_so_is_what_is_remembered() {
        let flights = Flights::new();
        let name = |number: usize| format!("n{number}.ex");
        for number in 0..2 * SHARDS * MAX_IN_SHARD {
            pilot(&flights, &name(number), 0).land(Err(Failure::NetworkError), 0);
        }
        let held: usize =
            flights.shards.iter().map(|shard| shard.lock().expect("whole").len()).sum();
        assert!(held <= SHARDS * MAX_IN_SHARD, "{held}");
        let flying: Vec<Pilot> =
            (0..MAX_FLIGHTS).map(|number| pilot(&flights, &name(number), REMEMBERED)).collect();
        let more = question("more.ex", false);
        assert!(matches!(flights.board(more.clone(), 0), Boarding::Fail(Failure::Overloaded)));
        drop(flying);
        assert!(matches!(flights.board(more, 0), Boarding::Ask(..)), "there is room again");
    }
}
