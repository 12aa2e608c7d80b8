//! One cached answer: whom it answers, and how long it counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{Moment, NameRef, RecordType};
use crate::wire::{Query, Question, ResponseCode, StoredAnswer};

/// What the allocator and the counts of an `Arc` add to an entry, about.
const OVERHEAD: usize = 96;
/// Longest life in seconds of negative answers (RFC 2308).
const MAX_NEGATIVE: u32 = 3_600;
const SECOND: u64 = 1_000_000;
/// For how many seconds a failure is remembered (RFC 9520, section 3.2), and stale answers go out
/// without asking again (RFC 8767, section 5).
const FAILURE: u32 = 5;
/// How long an answer may be given when it has expired (RFC 8767, section 5).
const STALE: u64 = 86_400 * SECOND;

/// What is to be stored.
pub struct Entry<T> {
    /// The question it answers.
    pub question: Question,
    /// The answer.
    pub answer: Arc<StoredAnswer>,
    /// What the resolver found in it.
    pub attached: T,
    /// Octets that `attached` holds outside itself.
    pub attached_bytes: usize,
}

/// A cached answer with what its reader attached: the inspection of its aliases and addresses.
pub struct Cached<T> {
    /// The answer.
    pub answer: Arc<StoredAnswer>,
    /// When it was stored, on the monotonic clock.
    pub stored: u64,
    /// Until when it counts, on the monotonic clock.
    pub expires: u64,
    /// What the resolver found in it.
    pub attached: T,
    /// Until when it may be given although it has expired.
    last: u64,
    /// Until when it is given although it has expired, since nobody had a newer answer.
    held: AtomicU64,
    question: Question,
    bytes: usize,
}

/// What a lookup compares, borrowed from the query.
#[derive(Clone, Copy)]
pub struct CacheKey<'q> {
    /// The name asked for.
    pub name: NameRef<'q>,
    /// The type asked for.
    pub query_type: RecordType,
    /// Whether signatures are wanted.
    pub dnssec_ok: bool,
    /// Whether the client validates by itself.
    pub checking_disabled: bool,
}

/// For how long something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// For so many seconds, and longer for when upstreams fail.
    Answer(u32),
    /// For so many seconds, and never stale.
    Passing(u32),
    /// Not at all.
    Never,
}

impl<'q> From<&'q Query<'_>> for CacheKey<'q> {
    fn from(query: &'q Query<'_>) -> CacheKey<'q> {
        CacheKey {
            name: query.name(),
            query_type: query.query_type(),
            dnssec_ok: query.dnssec_ok(),
            checking_disabled: query.checking_disabled(),
        }
    }
}

impl Stay {
    /// Returns for how long an answer may be kept.
    pub(super) fn of(answer: &StoredAnswer) -> Stay {
        if answer.is_failure() {
            return Stay::Passing(FAILURE);
        }
        let most = if answer.is_negative() { MAX_NEGATIVE } else { u32::MAX };
        match answer.ttl() {
            None | Some(0) => Stay::Never,
            Some(ttl) => Stay::Answer(ttl.min(most)),
        }
    }
}

impl<T> Entry<T> {
    /// Returns what is kept of it from `now` on, for so long and, where it may be, stale.
    pub(super) fn kept(self, now: Moment, seconds: u32, stale: bool) -> Cached<T> {
        let expires = now.monotonic + u64::from(seconds) * SECOND;
        let mut cached = Cached {
            answer: self.answer,
            stored: now.monotonic,
            expires,
            attached: self.attached,
            last: expires + if stale { STALE } else { 0 },
            held: AtomicU64::new(0),
            question: self.question,
            bytes: 0,
        };
        cached.bytes = cached.size(self.attached_bytes);
        cached
    }
}

impl<T> Cached<T> {
    /// Returns the question it answers.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Returns whether it still counts.
    pub fn is_fresh(&self, now: Moment) -> bool {
        now.monotonic < self.expires
    }

    /// Returns whether it has expired and may be given where nobody has a newer answer.
    pub(super) fn is_stale(&self, now: Moment) -> bool {
        !self.is_fresh(now) && !self.is_dead(now)
    }

    /// Returns whether it is of no more use.
    pub(super) fn is_dead(&self, now: Moment) -> bool {
        now.monotonic >= self.last
    }

    /// Returns whether it is given now although it has expired.
    pub(super) fn is_held(&self, now: Moment) -> bool {
        let held = self.held.load(Ordering::Relaxed);
        now.monotonic < held && now.monotonic < self.last
    }

    /// Has it given for the time that a failure is remembered, although it has expired.
    pub fn hold(&self, now: Moment) {
        self.held.store(now.monotonic + u64::from(FAILURE) * SECOND, Ordering::Relaxed);
    }

    /// Returns the same answer with something else attached.
    pub(super) fn with(&self, attached: T, attached_bytes: usize) -> Cached<T> {
        let mut cached = Cached {
            answer: Arc::clone(&self.answer),
            stored: self.stored,
            expires: self.expires,
            attached,
            last: self.last,
            held: AtomicU64::new(self.held.load(Ordering::Relaxed)),
            question: self.question.clone(),
            bytes: 0,
        };
        cached.bytes = cached.size(attached_bytes);
        cached
    }

    pub(super) fn key(&self) -> CacheKey<'_> {
        CacheKey::of(&self.question)
    }

    pub(super) fn is_for(&self, key: CacheKey<'_>) -> bool {
        self.question.query_type == key.query_type
            && self.question.dnssec_ok == key.dnssec_ok
            && self.question.checking_disabled == key.checking_disabled
            && self.question.name.as_ref() == key.name
    }

    /// Returns whether it says that there is no such name.
    pub(super) fn denies(&self) -> bool {
        self.answer.response_code() == ResponseCode::NXDOMAIN
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn size(&self, attached_bytes: usize) -> usize {
        let name = self.question.name.as_ref().wire().len();
        size_of::<Self>() + self.answer.size() + name + attached_bytes + OVERHEAD
    }
}

impl<'q> CacheKey<'q> {
    /// Returns the key of a question.
    pub fn of(question: &'q Question) -> CacheKey<'q> {
        CacheKey {
            name: question.name.as_ref(),
            query_type: question.query_type,
            dnssec_ok: question.dnssec_ok,
            checking_disabled: question.checking_disabled,
        }
    }
}
