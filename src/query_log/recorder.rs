//! The two ends of a ring: the recorder, which never waits, and what the log thread drains.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};

use super::Gap;
use super::encoding::{MAX_EVENT, encode};
use crate::model::{LogDetail, QueryEvent};

/// Octets of one ring: about 12,000 events.
pub(super) const RING: usize = 1 << 20;

/// One producing thread's end of its ring.
pub struct Recorder {
    ring: Producer<u8>,
    /// The event as octets; large enough from the start, so that it never grows.
    scratch: Vec<u8>,
    loss: Arc<Loss>,
}

/// The log thread's end of a ring.
pub(super) struct Source {
    ring: Consumer<u8>,
    loss: Arc<Loss>,
}

/// What did not fit into a ring since this was last taken.
#[derive(Default)]
struct Loss {
    count: AtomicU64,
    first: AtomicI64,
    last: AtomicI64,
}

/// Makes a ring of `octets` and returns its ends.
pub(super) fn ring(octets: usize) -> (Recorder, Source) {
    let (producer, consumer) = RingBuffer::new(octets);
    let loss = Arc::new(Loss::default());
    let scratch = Vec::with_capacity(MAX_EVENT);
    (Recorder { ring: producer, scratch, loss: loss.clone() }, Source { ring: consumer, loss })
}

impl Recorder {
    /// Records an event; what does not fit is counted as a gap. Never waits, never allocates.
    pub fn record(&mut self, event: &QueryEvent<'_>) {
        if event.detail == LogDetail::Nothing {
            return;
        }
        self.scratch.clear();
        encode(event, &mut self.scratch);
        // All or nothing, so that the log thread never sees half an event.
        if self.ring.push_entire_slice(&self.scratch).is_err() {
            self.loss.note(event.at);
        }
    }
}

impl Source {
    /// Moves everything in the ring behind what `octets` holds.
    pub(super) fn drain(&mut self, octets: &mut Vec<u8>) {
        let Ok(chunk) = self.ring.read_chunk(self.ring.slots()) else { return };
        let (first, second) = chunk.as_slices();
        octets.extend_from_slice(first);
        octets.extend_from_slice(second);
        chunk.commit_all();
    }

    /// Returns what was lost since the last call.
    pub(super) fn take_loss(&self) -> Option<Gap> {
        let lost = self.loss.count.swap(0, Ordering::Acquire);
        (lost > 0).then(|| Gap {
            from: self.loss.first.load(Ordering::Relaxed),
            until: self.loss.last.load(Ordering::Relaxed),
            lost,
        })
    }

    /// Returns whether nothing will ever come out of this ring again.
    pub(super) fn is_spent(&self) -> bool {
        self.ring.is_abandoned()
            && self.ring.is_empty()
            && self.loss.count.load(Ordering::Acquire) == 0
    }
}

impl Loss {
    /// Counts one event. Should the other end take the count at this very moment, the next gap
    /// begins too early; it never hides a loss.
    fn note(&self, at: i64) {
        if self.count.load(Ordering::Relaxed) == 0 {
            self.first.store(at, Ordering::Relaxed);
        }
        self.last.store(at, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Release);
    }
}
