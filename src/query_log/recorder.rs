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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        AnsweredBy, BindingId, DeviceId, DomainName, ListMask, Outcome, RecordType,
    };
    use crate::query_log::encoding::decode;

    fn record(recorder: &mut Recorder, at: i64, name: &str) {
        let name = DomainName::parse(name).expect("a name");
        recorder.record(&QueryEvent {
            at,
            client: [10, 0, 0, 1].into(),
            device: DeviceId(1),
            binding: BindingId(1),
            name: name.as_ref(),
            query_type: RecordType::A,
            outcome: Outcome::Allowed,
            would_block: false,
            reason: None,
            lists: ListMask::EMPTY,
            alias: None,
            company: None,
            tracking: false,
            answered_by: AnsweredBy::Cache,
            response_code: 0,
            duration: 0,
            detail: LogDetail::Full,
            edition: 0,
        });
    }

    fn drain(source: &mut Source) -> Vec<String> {
        let mut octets = Vec::new();
        source.drain(&mut octets);
        let (mut rest, mut names) = (octets.as_slice(), Vec::new());
        while let Some((event, after)) = decode(rest) {
            names.push(event.name.to_string());
            rest = after;
        }
        assert!(rest.is_empty(), "only whole events");
        names
    }

    #[test]
    fn events_come_out_whole_wherever_the_ring_ends() {
        let (mut recorder, mut source) = ring(512);
        let room = recorder.scratch.capacity();
        for number in 0..500 {
            let names =
                [format!("n{number}.example"), format!("{}.net", "x".repeat(number % 60 + 1))];
            names.iter().for_each(|name| record(&mut recorder, 0, name));
            assert_eq!(drain(&mut source), names);
        }
        assert_eq!(recorder.scratch.capacity(), room, "nothing was allocated");
        assert_eq!(source.take_loss(), None);
    }

    #[test]
    fn what_does_not_fit_is_counted_once_with_its_times() {
        let (mut recorder, mut source) = ring(128);
        for at in 10..20 {
            record(&mut recorder, at, "a.example");
        }
        let kept = drain(&mut source).len() as u64;
        let first = 10 + kept as i64;
        assert_eq!(source.take_loss(), Some(Gap { from: first, until: 19, lost: 10 - kept }));
        assert_eq!(source.take_loss(), None);
        record(&mut recorder, 30, "b.example");
        drop(recorder);
        assert!(!source.is_spent());
        assert_eq!(drain(&mut source), ["b.example"]);
        assert!(source.is_spent());
    }
}
