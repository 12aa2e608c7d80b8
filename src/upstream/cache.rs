//! Answers for as long as their TTL, negative ones and failures too; bounded in octets.

use std::sync::Arc;

use crate::model::Moment;
use crate::wire::{Question, StoredAnswer};

/// A cached answer with what its reader attached: the inspection of its aliases and addresses.
pub struct Cached<T> {
    /// The answer.
    pub answer: StoredAnswer,
    /// When it was stored, on the monotonic clock.
    pub stored: u64,
    /// Until when it counts, on the monotonic clock.
    pub expires: u64,
    /// What the resolver found in it.
    pub attached: T,
}

/// How full the cache is, and how well it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFigures {
    /// Answers held.
    pub entries: u64,
    /// Octets held.
    pub bytes: u64,
    /// Lookups that found a fresh answer.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
}

/// The cache: read without a lock, written slot by slot.
pub struct Cache<T>(std::marker::PhantomData<T>);

impl<T> Cache<T> {
    /// Makes an empty cache of at most `bytes` octets.
    pub fn new(bytes: usize) -> Cache<T> {
        let _ = bytes;
        todo!()
    }

    /// Returns a fresh answer. `name`'s whole hash under the ruleset's seed speeds the lookup.
    pub fn find(
        &self,
        hash: u64,
        key: CacheKey<'_>,
        now: Moment,
    ) -> Option<arc_swap::Guard<Option<Arc<Cached<T>>>>> {
        let _ = (hash, key, now);
        todo!()
    }

    /// Stores an answer for as long as it says, within our bounds; does nothing where it may not be.
    pub fn store(
        &self,
        hash: u64,
        question: Question,
        answer: StoredAnswer,
        attached: T,
        now: Moment,
    ) {
        let _ = (hash, question, answer, attached, now);
        todo!()
    }

    /// Returns figures.
    pub fn figures(&self) -> CacheFigures {
        todo!()
    }
}

/// What a lookup compares, borrowed from the query.
#[derive(Clone, Copy)]
pub struct CacheKey<'q> {
    /// The name asked for.
    pub name: crate::model::NameRef<'q>,
    /// The type asked for.
    pub query_type: crate::model::RecordType,
    /// Whether signatures are wanted.
    pub dnssec_ok: bool,
    /// Whether the client validates by itself.
    pub checking_disabled: bool,
}
