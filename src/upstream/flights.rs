//! Identical questions in flight, asked once; failures are remembered for a moment.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
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

/// Where those who wait beside who asks are told the outcome.
type Told = watch::Sender<Option<Outcome>>;

/// The questions in flight.
pub(super) struct Flights {
    shards: Vec<Mutex<HashMap<Arc<Question>, Flight>>>,
    hasher: RandomState,
    flying: AtomicUsize,
}

enum Flight {
    /// Most questions have nobody else who waits for them, and no channel then.
    Flying(Option<Told>),
    Failed {
        failure: Failure,
        until: u64,
    },
}

/// What is to be done about a question.
pub(super) enum Boarding {
    /// Wait: it is being asked.
    Wait(watch::Receiver<Option<Outcome>>),
    /// Ask, and tell the outcome.
    Ask(Pilot),
    /// It failed a moment ago, or too much is in flight.
    Fail(Failure),
}

/// The duty to ask a question; dropped without an outcome, those who wait are let go.
pub(super) struct Pilot {
    flights: Arc<Flights>,
    question: Arc<Question>,
    landed: bool,
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
    pub(super) fn board(self: &Arc<Self>, question: &Arc<Question>, now: u64) -> Boarding {
        let mut shard = self.shard(question);
        match shard.get_mut(question) {
            Some(Flight::Flying(told)) => {
                let told = told.get_or_insert_with(|| watch::channel(None).0);
                return Boarding::Wait(told.subscribe());
            }
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
        shard.insert(question.clone(), Flight::Flying(None));
        drop(shard);
        Boarding::Ask(Pilot { flights: self.clone(), question: question.clone(), landed: false })
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

    fn shard(&self, question: &Question) -> MutexGuard<'_, HashMap<Arc<Question>, Flight>> {
        let place = self.hasher.hash_one(question) as usize % SHARDS;
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pilot {
    /// Returns what is to be asked.
    pub(super) fn question(&self) -> &Question {
        &self.question
    }

    /// Tells all who wait. Who asks from then on finds no flight: its outcome may be old to them.
    pub(super) fn land(mut self, outcome: &Outcome, now: u64) {
        let lasting = outcome.as_ref().err().filter(|failure| **failure != Failure::Overloaded);
        let failed = lasting.map(|&failure| Flight::Failed { failure, until: now + REMEMBERED });
        if let Some(told) = self.leave(failed) {
            told.send_replace(Some(outcome.clone()));
        }
    }

    /// Takes the flight off the table and returns where those who wait are told.
    fn leave(&mut self, failed: Option<Flight>) -> Option<Told> {
        if std::mem::replace(&mut self.landed, true) {
            return None;
        }
        let mut shard = self.flights.shard(&self.question);
        let flight = match failed {
            Some(failed) => shard.insert(self.question.clone(), failed),
            None => shard.remove(&self.question),
        };
        drop(shard);
        self.flights.flying.fetch_sub(1, Ordering::Relaxed);
        match flight {
            Some(Flight::Flying(told)) => told,
            Some(Flight::Failed { .. }) | None => None,
        }
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.leave(None);
    }
}

/// A future that goes on by itself, on the same runtime, if whoever awaits it goes away.
///
/// The usual question has one client, which waits for it to the end: that needs no task.
pub(super) struct Unstopped<F: Future + Send + 'static>(Option<Pin<Box<F>>>)
where
    F::Output: Send;

impl<F: Future<Output: Send> + Send + 'static> Unstopped<F> {
    /// Wraps a future, which must not have been polled.
    pub(super) fn new(future: F) -> Unstopped<F> {
        Unstopped(Some(Box::pin(future)))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Unstopped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // A future that panics is not put back, and so does not go on.
        let mut running = self.0.take().expect("it is not polled after its end");
        let polled = running.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(running);
        }
        polled
    }
}

impl<F: Future + Send + 'static> Drop for Unstopped<F>
where
    F::Output: Send,
{
    fn drop(&mut self) {
        // Without a runtime around, everything is going down.
        if let (Some(running), Ok(here)) = (self.0.take(), Handle::try_current()) {
            here.spawn(running);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DomainName, RecordType};

    fn question(name: &str, dnssec_ok: bool) -> Arc<Question> {
        Arc::new(Question {
            name: DomainName::parse(name).expect("a name"),
            query_type: RecordType::A,
            dnssec_ok,
            checking_disabled: false,
        })
    }

    fn pilot(flights: &Arc<Flights>, name: &str, now: u64) -> Pilot {
        match flights.board(&question(name, false), now) {
            Boarding::Ask(pilot) => pilot,
            Boarding::Wait(_) | Boarding::Fail(_) => panic!("{name} should be asked"),
        }
    }

    #[test]
    fn the_second_to_ask_waits_for_the_first() {
        let flights = Flights::new();
        let first = pilot(&flights, "a.ex", 0);
        let Boarding::Wait(outcome) = flights.board(&question("a.ex", false), 0) else {
            panic!("it is in flight");
        };
        assert!(matches!(flights.board(&question("a.ex", true), 0), Boarding::Ask(_)), "other DO");
        first.land(&Err(Failure::NetworkError), 0);
        assert!(matches!(*outcome.borrow(), Some(Err(Failure::NetworkError))));
    }

    #[test]
    fn a_failure_answers_for_a_second_and_no_longer() {
        let flights = Flights::new();
        pilot(&flights, "a.ex", 0).land(&Err(Failure::NoReachableAuthority), 5);
        let again = flights.board(&question("a.ex", false), 5 + REMEMBERED - 1);
        assert!(matches!(again, Boarding::Fail(Failure::NoReachableAuthority)));
        pilot(&flights, "a.ex", 5 + REMEMBERED);
    }

    #[test]
    fn failures_are_forgotten_by_name_and_what_flies_flies_on() {
        let flights = Flights::new();
        let failing = |name: &str| pilot(&flights, name, 0).land(&Err(Failure::NetworkError), 0);
        ["a.ex", "b.a.ex", "c.ex"].into_iter().for_each(failing);
        let flying = pilot(&flights, "d.a.ex", 0);
        let name = DomainName::parse("a.ex").expect("a name");
        flights.forget_failures(Some(name.as_ref()));
        let failed = |name: &str| {
            matches!(
                flights.board(&question(name, false), 1),
                Boarding::Fail(Failure::NetworkError)
            )
        };
        assert!(!failed("a.ex") && !failed("b.a.ex") && failed("c.ex"));
        assert!(matches!(flights.board(&question("d.a.ex", false), 1), Boarding::Wait(_)));
        flights.forget_failures(None);
        assert!(!failed("c.ex"));
        drop(flying);
    }

    #[test]
    fn a_pilot_that_vanishes_lets_everybody_go() {
        let flights = Flights::new();
        let first = pilot(&flights, "a.ex", 0);
        let Boarding::Wait(outcome) = flights.board(&question("a.ex", false), 0) else {
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
            pilot(&flights, &name(number), 0).land(&Err(Failure::NetworkError), 0);
        }
        let held: usize =
            flights.shards.iter().map(|shard| shard.lock().expect("whole").len()).sum();
        assert!(held <= SHARDS * MAX_IN_SHARD, "{held}");
        let flying: Vec<Pilot> =
            (0..MAX_FLIGHTS).map(|number| pilot(&flights, &name(number), REMEMBERED)).collect();
        let more = question("more.ex", false);
        assert!(matches!(flights.board(&more, 0), Boarding::Fail(Failure::Overloaded)));
        drop(flying);
        assert!(matches!(flights.board(&more, 0), Boarding::Ask(_)), "there is room again");
    }
}
