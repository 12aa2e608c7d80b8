//! The first half of the line: what can be answered at once, without a lock or an allocation.

use std::borrow::Cow;

use crate::policy::NameFacts;
use crate::wire::{Query, ResponseCode};

use super::{
    Arrival, Asked, Begun, Ending, KeptAnswer, Looked, Parts, Resolver, Step, Unfinished, replies,
    source,
};

impl Resolver {
    /// Answers what can be answered at once. Takes no lock that a writer can hold, allocates nothing.
    ///
    /// The events of what was answered have duration 0: under the reading of the clock, which is
    /// one for a whole batch of queries.
    pub fn begin<'q>(
        &self,
        query: &'q Query<'_>,
        arrival: &Arrival,
        out: &mut Vec<u8>,
    ) -> Begun<'q> {
        let parts = &*self.0;
        if let Some(code) = query.refusal() {
            replies::refuse(query, code, parts.settings.version_bind, arrival.limit(query), out);
            return Begun::Replied(None);
        }
        let Some(binding) = parts.identify(arrival) else {
            return unfinished(query, arrival, None);
        };
        let in_force = parts.live.load();
        let hashes = &in_force.hashes(query.name());
        // An answer of the cache has with it what is known of its name.
        let kept = parts.kept.cache.find(hashes.key(), query.into(), arrival.now);
        let kept = kept.as_ref().and_then(|kept| kept.as_deref());
        let facts = match kept.map(|kept| kept.attached.facts()) {
            Some(facts) if in_force.knows(facts) => Cow::Borrowed(facts),
            _ => Cow::Owned(in_force.facts(query.name(), hashes)),
        };
        let looked = Looked { hashes, facts: &facts };
        let asked = Asked::new(query, *arrival, binding, &in_force, looked, &parts.upstreams);
        match parts.settle(&asked, kept, out) {
            Some(ending) => Begun::Replied(Some(asked.judged(ending, arrival.now))),
            None => unfinished(query, arrival, Some(facts.into_owned())),
        }
    }
}

impl Parts {
    /// Answers from a zone, the sinkhole, a rule or the cache; `None` if that takes more.
    fn settle(
        &self,
        asked: &Asked<'_, '_>,
        kept: Option<&KeptAnswer>,
        out: &mut Vec<u8>,
    ) -> Option<Ending> {
        match asked.step() {
            Step::Local => self.local_at_once(asked, out),
            Step::Block(reason, mode) => Some(asked.block(reason, mode, None, out)),
            Step::Rewrite(reason, rewritten) => asked.rewrite(reason, rewritten, out),
            Step::Truncate(reason) => Some(asked.truncate(reason, out)),
            Step::Minimal => Some(asked.minimal(out)),
            Step::Resolve => self.cached(asked, kept, out),
        }
    }

    /// Answers from the cache, if the entry was inspected under the lists in force.
    fn cached(
        &self,
        asked: &Asked<'_, '_>,
        kept: Option<&KeptAnswer>,
        out: &mut Vec<u8>,
    ) -> Option<Ending> {
        let now = asked.arrival.now;
        self.kept.cache.count(asked.hash(), kept, now);
        let entry = kept.filter(|kept| asked.in_force.knows(kept.attached.facts()))?;
        Some(asked.give(&entry.answer, &entry.attached, source(entry, now), out))
    }

    /// Answers for a name of ours, if what its zone says is known.
    pub(super) fn local_at_once(&self, asked: &Asked<'_, '_>, out: &mut Vec<u8>) -> Option<Ending> {
        if asked.in_force.zones.deny(asked.query, asked.arrival.limit(asked.query), out) {
            return Some(Ending::local(ResponseCode::NXDOMAIN));
        }
        let found = self.locals.find(asked)?;
        Some(asked.give_local(&found.as_deref()?.answer, out))
    }
}

fn unfinished<'q>(query: &Query<'_>, arrival: &Arrival, facts: Option<NameFacts>) -> Begun<'q> {
    let packet = query.packet().into();
    Begun::Unfinished(Unfinished { packet, arrival: *arrival, facts })
}
