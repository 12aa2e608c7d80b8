//! What one worker counts; each has its own, so that counting never crosses cores.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Counts;

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
}

/// A number that only grows.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Adds these counts to `total`.
    pub(super) fn add_to(&self, total: &mut Counts) {
        total.udp += self.udp.read();
        total.tcp += self.tcp.read();
        total.refused_clients += self.refused_clients.read();
        total.malformed += self.malformed.read();
        total.shed += self.shed.read();
        total.connections_refused += self.connections_refused.read();
        total.unsent += self.unsent.read();
    }
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
}
