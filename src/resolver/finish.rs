//! The second half of the line: what takes time.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use tokio::time::timeout;

use crate::devices::Binding;
use crate::model::{AnsweredBy, Outcome};
use crate::upstream::CacheKey;
use crate::wire::{ExtendedError, Query, Question, Reply, ResponseCode};

use super::replies::OTHER;
use super::{
    Arrival, Asked, Ending, Fetched, Judged, Looked, Parts, Resolver, Step, Unfinished,
    is_definite, replies, source,
};

/// How long a client waits for a fresh answer where there is one that has expired (RFC 8767,
/// section 5).
const STALE_AFTER: Duration = Duration::from_millis(1_800);

impl Resolver {
    /// Answers the rest, within 5 s.
    ///
    /// It decides anew, under one edition from here to the event: what `begin` saw may have been
    /// replaced, and a device that was not known to it has no policy yet.
    pub async fn finish(
        &self,
        unfinished: &Unfinished,
        out: &mut Vec<u8>,
    ) -> Option<Judged<'static>> {
        let parts = &*self.0;
        let Unfinished { packet, arrival, facts } = unfinished;
        let (query, arrival) = (Query::parse(packet).ok()?, *arrival);
        let binding = parts.find_out(&arrival).await;
        let in_force = Guard::into_inner(parts.live.load());
        let hashes = &in_force.hashes(query.name());
        let known = facts.as_ref().filter(|facts| in_force.knows(facts));
        let known =
            known.map_or_else(|| Cow::Owned(in_force.facts(query.name(), hashes)), Cow::Borrowed);
        let looked = Looked { hashes, facts: &known };
        let asked = Asked::new(&query, arrival, binding, &in_force, looked, &parts.upstreams);
        let ending = match asked.step() {
            Step::Local => parts.ask_zones(&asked, out).await,
            Step::Block(reason, mode) => asked.block(reason, mode, None, out),
            Step::Rewrite(reason, rewritten) => match asked.rewrite(reason, rewritten, out) {
                Some(ending) => ending,
                None => parts.follow(&asked, reason, rewritten, out).await,
            },
            Step::Truncate(reason) => asked.truncate(reason, out),
            Step::Minimal => asked.minimal(out),
            Step::Resolve => parts.resolve(&asked, facts.is_some(), out).await,
        };
        Some(asked.judged(ending, parts.clock.now()).into_owned())
    }

    /// Writes SERVFAIL for a query that a defect ended; it has no event, which might meet it again.
    pub fn give_up(&self, unfinished: &Unfinished, out: &mut Vec<u8>) {
        out.clear();
        let Unfinished { packet, arrival, .. } = unfinished;
        let Ok(query) = Query::parse(packet) else { return };
        let text = &["an error in the program"];
        replies::fail(&query, arrival.limit(&query), ExtendedError { code: OTHER, text }, out);
    }

    /// Writes SERVFAIL for a query that was shed, and returns its event.
    pub fn shed(&self, unfinished: Unfinished, out: &mut Vec<u8>) -> Option<Judged<'static>> {
        let parts = &*self.0;
        let Unfinished { packet, arrival, .. } = unfinished;
        let query = Query::parse(&packet).ok()?;
        let text = &["too many queries are in flight"];
        replies::fail(&query, arrival.limit(&query), ExtendedError { code: OTHER, text }, out);
        let in_force = parts.live.load();
        let binding = parts.bound(&arrival);
        let hashes = &in_force.hashes(query.name());
        let facts = &in_force.facts(query.name(), hashes);
        let looked = Looked { hashes, facts };
        let asked = Asked::new(&query, arrival, binding, &in_force, looked, &parts.upstreams);
        Some(asked.judged(Ending::failed(), parts.clock.now()).into_owned())
    }
}

impl Parts {
    fn bound(&self, arrival: &Arrival) -> Binding {
        self.identify(arrival).unwrap_or_else(|| self.admit(arrival))
    }

    /// Binds who asks; an address that is not known is looked for first.
    async fn find_out(&self, arrival: &Arrival) -> Binding {
        if self.identify(arrival).is_none()
            && let Some(address) = arrival.sought()
        {
            self.discovery.look_up(address, arrival.local).await;
        }
        self.bound(arrival)
    }

    /// Answers from the cache after all, else asks upstream.
    async fn resolve(&self, asked: &Asked<'_, '_>, looked_up: bool, out: &mut Vec<u8>) -> Ending {
        if let Some(ending) = self.known(asked, looked_up, out) {
            return ending;
        }
        let fetched = self.fetch(asked, asked.question(), asked.hash()).await;
        asked.give(&fetched.answer, &fetched.inspection, fetched.source, out)
    }

    /// Answers from an entry that came meanwhile, or was inspected under older lists.
    fn known(&self, asked: &Asked<'_, '_>, looked_up: bool, out: &mut Vec<u8>) -> Option<Ending> {
        let (cache, now) = (&self.kept.cache, asked.arrival.now);
        let (hash, key) = (asked.hash(), asked.cache_key());
        let found = cache.find(hash, key, now);
        if !looked_up {
            let entry = found.as_ref().and_then(|found| found.as_deref());
            cache.count(hash, entry, now);
        }
        let found = found?;
        let entry = found.as_ref()?;
        let inspection = self.kept.inspection(asked, entry);
        Some(asked.give(&entry.answer, &inspection, source(entry, now), out))
    }

    /// Asks upstream; where that fails or takes long, gives what has expired (RFC 8767).
    ///
    /// What comes is kept whoever still waits for it; `hash` is that of the question's name.
    pub(super) async fn fetch(
        &self,
        asked: &Asked<'_, '_>,
        question: Question,
        hash: u64,
    ) -> Fetched {
        let key = CacheKey::of(&question);
        let stale = self.kept.cache.find_stale(hash, key, asked.arrival.now);
        let (kept, asking) = (Arc::clone(&self.kept), question.clone());
        let facts = asked.facts_of(question.name.as_ref());
        let keep = move |outcome: &_| kept.keep(asking, hash, facts, outcome);
        let asking = self.upstreams.ask_and_keep(question.clone(), keep);
        let Some(stale) = stale else {
            let outcome = asking.await;
            return self.kept.of_outcome((&question, hash), &outcome, asked);
        };
        match timeout(STALE_AFTER, asking).await {
            Ok(outcome) if is_definite(&outcome) => {
                return self.kept.of_outcome((&question, hash), &outcome, asked);
            }
            Ok(_) => {}
            // Nobody else needs to wait as long for what is still in flight.
            Err(_) => stale.hold(self.clock.now()),
        }
        self.kept.cache.count_stale(hash);
        let inspection = self.kept.inspection(asked, &stale);
        let source = (AnsweredBy::Stale, 0);
        Fetched { answer: Arc::clone(&stale.answer), inspection, source }
    }

    /// Asks the zones of ours, and keeps what they say for as long as they are in force.
    async fn ask_zones(&self, asked: &Asked<'_, '_>, out: &mut Vec<u8>) -> Ending {
        if let Some(ending) = self.local_at_once(asked, out) {
            return ending;
        }
        let (query, local) = (asked.query, asked.arrival.local);
        let zones = &asked.in_force.zones;
        let Some(answer) = zones.find(query.name(), query.query_type(), local).await else {
            let limit = asked.arrival.limit(query);
            Reply::start(out, query, ResponseCode::SERVFAIL).finish(limit, None);
            return Ending::new(Outcome::Failed, AnsweredBy::Local, ResponseCode::SERVFAIL);
        };
        let answer = Arc::new(answer);
        self.locals.keep(asked, &answer);
        asked.give_local(&answer, out)
    }
}
