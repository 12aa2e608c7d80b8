//! What the zones of ours said, kept for as long as their edition is in force.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::Guard;

use crate::model::{AnsweredBy, Outcome};
use crate::upstream::{Cache, CacheKey, Cached, Entry};
use crate::wire::{Question, ResponseCode, StoredAnswer};
use crate::zones::Zones;

use super::{Asked, Ending};

/// Octets that they may take: names under a zone of ours are as many as somebody cares to ask for.
const BYTES: usize = 512 << 10;
/// Seconds for which one is kept: until the edition or room ends it.
const LONG: u32 = 86_400;

/// Finished answers of the zones, by question and the address that was asked.
pub struct Locals(Cache<Said>);

/// What an answer of the zones depends on beside the question.
pub struct Said {
    edition: u32,
    local: IpAddr,
}

impl Locals {
    /// Makes an empty cache.
    pub fn new() -> Locals {
        Locals(Cache::new(BYTES, false))
    }

    /// Returns what the zones in force said to this question. Takes no lock, allocates nothing.
    pub fn find(&self, asked: &Asked<'_, '_>) -> Option<Guard<Option<Arc<Cached<Said>>>>> {
        let key = CacheKey { dnssec_ok: false, checking_disabled: false, ..asked.cache_key() };
        let found = self.0.find(hash(asked), key, asked.arrival.now)?;
        let Said { edition, local } = found.as_deref()?.attached;
        let holds = edition == asked.in_force.edition && local == asked.arrival.local;
        holds.then_some(found)
    }

    /// Keeps what the zones in force say to this question.
    pub fn keep(&self, asked: &Asked<'_, '_>, answer: &Arc<StoredAnswer>) {
        let said = Said { edition: asked.in_force.edition, local: asked.arrival.local };
        let question = Question { dnssec_ok: false, checking_disabled: false, ..asked.question() };
        let answer = Arc::clone(answer);
        let entry = Entry { question, answer, attached: said, attached_bytes: 0 };
        self.0.store_for(hash(asked), entry, LONG, asked.arrival.now);
    }
}

impl Asked<'_, '_> {
    /// Gives what a zone of ours says.
    pub fn give_local(&self, answer: &StoredAnswer, out: &mut Vec<u8>) -> Ending {
        Zones::write(answer, self.query, self.arrival.limit(self.query), out);
        Ending::local(answer.response_code())
    }
}

impl Ending {
    /// Returns the ending of a query that a zone of ours answered.
    pub fn local(code: ResponseCode) -> Ending {
        let failed = code == ResponseCode::SERVFAIL;
        let outcome = if failed { Outcome::Failed } else { Outcome::Allowed };
        Ending::new(outcome, AnsweredBy::Local, code)
    }
}

/// Each of our addresses has a slot of its own: what we say of ourselves depends on it.
fn hash(asked: &Asked<'_, '_>) -> u64 {
    let local = match asked.arrival.local {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits() as u64 ^ (v6.to_bits() >> 64) as u64,
    };
    asked.hash() ^ local.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
