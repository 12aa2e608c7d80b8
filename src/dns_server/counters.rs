//! What one worker counts; each has its own, so that counting never crosses cores.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::api::{IgnoredClaim, LimitedClient, timestamp};
use crate::model::Moment;

use super::Counts;
use super::rate::Excess;

/// Counts of one worker.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Counters {
    /// Replies over UDP.
    pub(super) udp: Counter,
    /// Replies over TCP.
    pub(super) tcp: Counter,
    /// Queries from addresses that are not served.
    pub(super) refused_clients: Counter,
    /// Packets that could not be read.
    pub(super) malformed: Counter,
    /// Queries shed.
    pub(super) shed: Counter,
    /// Connections closed at once.
    pub(super) connections_refused: Counter,
    /// Of the replies, those that the kernel or the client did not take.
    pub(super) unsent: Counter,
    /// Queries put under whom a forwarder asks for.
    pub(super) claims_taken: Counter,
    claims_ignored: Counter,
    /// Errors after which a loop paused.
    pub(super) socket_errors: Counter,
    /// When a claim was last ignored, and whose.
    last_ignored: Mutex<Option<(i64, IpAddr)>>,
    rate_truncated: Counter,
    rate_refused: Counter,
    /// When a client was last over its limit, and which.
    last_limited: Mutex<Option<(i64, IpAddr)>>,
}

/// A number that only grows.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds `more`.
    pub(super) fn add_many(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Counts a claim that is nobody's to make; never waits.
    pub(super) fn ignore_claim(&self, client: IpAddr, now: Moment) {
        self.claims_ignored.add();
        note(&self.last_ignored, client, now);
    }

    /// Counts a query over its client's limit; never waits.
    pub(super) fn limit(&self, excess: Excess, client: IpAddr, now: Moment) {
        match excess {
            Excess::Truncated => self.rate_truncated.add(),
            Excess::Refused => self.rate_refused.add(),
        }
        note(&self.last_limited, client, now);
    }

    /// Adds these counts to `total`.
    pub(super) fn add_to(&self, total: &mut Counts) {
        total.udp += self.udp.read();
        total.tcp += self.tcp.read();
        total.refused_clients += self.refused_clients.read();
        total.malformed += self.malformed.read();
        total.shed += self.shed.read();
        total.connections_refused += self.connections_refused.read();
        total.unsent += self.unsent.read();
        total.claims_taken += self.claims_taken.read();
        total.claims_ignored += self.claims_ignored.read();
        total.socket_errors += self.socket_errors.read();
        let last = noted(&self.last_ignored);
        let last = last.map(|(at, client)| IgnoredClaim { at: timestamp(at), client });
        total.last_ignored_claim = last.max(total.last_ignored_claim);
        total.rate_truncated += self.rate_truncated.read();
        total.rate_refused += self.rate_refused.read();
        let last = noted(&self.last_limited);
        let last = last.map(|(at, client)| LimitedClient { at: timestamp(at), client });
        total.last_limited = last.max(total.last_limited);
    }
}

/// Notes when something was last seen of a client, unless it is being read just now.
fn note(last: &Mutex<Option<(i64, IpAddr)>>, client: IpAddr, now: Moment) {
    if let Ok(mut last) = last.try_lock() {
        *last = Some((now.wall, client));
    }
}

fn noted(last: &Mutex<Option<(i64, IpAddr)>>) -> Option<(i64, IpAddr)> {
    *last.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up() {
        let workers = [Counters::default(), Counters::default()];
        workers[0].udp.add();
        workers[1].udp.add();
        workers[1].shed.add();
        let mut total = Counts::default();
        workers.iter().for_each(|counters| counters.add_to(&mut total));
        assert_eq!(total, Counts { udp: 2, shed: 1, ..Counts::default() });
    }

    #[test]
    fn the_latest_ignored_claim_of_all_workers_is_kept() {
        let workers = [Counters::default(), Counters::default(), Counters::default()];
        let at = |wall| Moment { wall, monotonic: 0 };
        let client = |last| IpAddr::from([127, 0, 0, last]);
        workers[0].ignore_claim(client(9), at(1_000_000));
        workers[1].ignore_claim(client(7), at(2_000_000));
        workers[1].ignore_claim(client(8), at(3_000_000));
        let mut total = Counts::default();
        workers.iter().for_each(|counters| counters.add_to(&mut total));
        let last = Some(IgnoredClaim { at: timestamp(3_000_000), client: client(8) });
        assert_eq!((total.claims_ignored, total.last_ignored_claim), (3, last));
    }

    #[test]
    fn what_was_over_the_limit_is_counted_with_whose_was_the_last() {
        let workers = [Counters::default(), Counters::default()];
        let at = |wall| Moment { wall, monotonic: 0 };
        let client = |last| IpAddr::from([127, 0, 0, last]);
        workers[0].limit(Excess::Truncated, client(7), at(2_000_000));
        workers[1].limit(Excess::Refused, client(8), at(1_000_000));
        workers[1].limit(Excess::Refused, client(9), at(1_500_000));
        let mut total = Counts::default();
        workers.iter().for_each(|counters| counters.add_to(&mut total));
        let last = Some(LimitedClient { at: timestamp(2_000_000), client: client(7) });
        assert_eq!((total.rate_truncated, total.rate_refused, total.last_limited), (1, 2, last));
    }
}
