//! Answers that are kept: inspected and stored once for all who wait, given stale in need.

use std::sync::Arc;

use crate::clock::Clock;
use crate::model::{AnsweredBy, Moment, RecordType};
use crate::policy::{InForce, LivePolicy, NameFacts};
use crate::upstream::{self, Answer, Cache, CacheKey, Cached, Entry, Failure};
use crate::wire::{CLASS_IN, Question, ResponseCode, StoredAnswer, flags};

use super::replies::{NETWORK_ERROR, NO_REACHABLE_AUTHORITY, OTHER};
use super::{Asked, Inspection, classify};

/// An answer in the cache.
pub type KeptAnswer = Cached<Arc<Inspection>>;

/// The cache of upstreams' answers, and what is needed to keep one although nobody waits for it.
pub struct Kept {
    /// The cache.
    pub cache: Cache<Arc<Inspection>>,
    live: LivePolicy,
    clock: Clock,
}

/// An answer with what it leads to.
pub struct Fetched {
    /// The answer.
    pub answer: Arc<StoredAnswer>,
    /// What it leads to.
    pub inspection: Arc<Inspection>,
    /// Who had it, and its age in seconds.
    pub source: (AnsweredBy, u32),
}

impl Kept {
    /// Makes an empty cache.
    pub fn new(settings: &upstream::Settings, live: LivePolicy, clock: Clock) -> Kept {
        let cache = Cache::new(settings.cache_bytes, settings.serve_stale);
        Kept { cache, live, clock }
    }

    /// Keeps what came of a question; called once, whoever waits for it. `facts` are what was known
    /// of its name when it was asked.
    pub fn keep(
        &self,
        question: Question,
        hash: u64,
        facts: Option<NameFacts>,
        outcome: &Result<Answer, Failure>,
    ) {
        if matches!(outcome, Err(Failure::Overloaded)) {
            return;
        }
        let in_force = self.live.load();
        let facts = current(facts, &question, &in_force);
        let Fetched { answer, inspection, .. } = inspected(&question, outcome, &in_force, facts);
        let attached_bytes = inspection.size();
        let entry = Entry { question, answer, attached: inspection, attached_bytes };
        self.cache.store(hash, entry, self.clock.now());
    }

    /// Returns what a client gets of what came of a question, under the lists that bind it.
    pub fn of_outcome(
        &self,
        (question, hash): (&Question, u64),
        outcome: &Result<Answer, Failure>,
        asked: &Asked<'_, '_>,
    ) -> Fetched {
        let in_force = asked.in_force;
        if let Ok(answer) = outcome
            && let Some(kept) = self.cache.peek(hash, CacheKey::of(question))
            && Arc::ptr_eq(&kept.answer, &answer.stored)
            && kept.attached.generation() == in_force.generation
        {
            let source = (AnsweredBy::Upstream(answer.upstream), 0);
            let inspection = Arc::clone(&kept.attached);
            return Fetched { answer: Arc::clone(&answer.stored), inspection, source };
        }
        let facts = current(asked.facts_of(question.name.as_ref()), question, in_force);
        inspected(question, outcome, in_force, facts)
    }

    /// Returns what an answer of the cache leads to; inspects it again under newer lists.
    pub fn inspection(&self, asked: &Asked<'_, '_>, entry: &Arc<KeptAnswer>) -> Arc<Inspection> {
        if entry.attached.generation() == asked.in_force.generation {
            return Arc::clone(&entry.attached);
        }
        let (name, forwarded) = (entry.question().name.as_ref(), entry.attached.forwarded());
        let facts = current(asked.facts_of(name), entry.question(), asked.in_force);
        let Some(again) = inspect(&entry.answer, forwarded, asked.in_force, facts) else {
            // What an answer leads to is never more than when it was stored.
            return Arc::clone(&entry.attached);
        };
        let hash = asked.in_force.hashes(name).key();
        let attached = (Arc::clone(&again), again.size());
        self.cache.reattach(hash, entry, attached, asked.arrival.now);
        again
    }
}

/// Returns who had an answer of the cache, and its age in seconds.
pub fn source(entry: &KeptAnswer, now: Moment) -> (AnsweredBy, u32) {
    if !entry.is_fresh(now) {
        return (AnsweredBy::Stale, 0);
    }
    let age = now.monotonic.saturating_sub(entry.stored) / 1_000_000;
    (AnsweredBy::Cache, u32::try_from(age).unwrap_or(u32::MAX))
}

/// Returns whether upstreams said what there is, or that there is nothing.
pub fn is_definite(outcome: &Result<Answer, Failure>) -> bool {
    outcome.as_ref().is_ok_and(|answer| !answer.stored.is_failure())
}

/// Inspects what came of a question; what cannot be given becomes a failure.
fn inspected(
    question: &Question,
    outcome: &Result<Answer, Failure>,
    in_force: &InForce,
    facts: NameFacts,
) -> Fetched {
    let failure = match outcome {
        Ok(answer) => {
            let source = (AnsweredBy::Upstream(answer.upstream), 0);
            match inspect(&answer.stored, answer.forwarded_zone, in_force, facts.clone()) {
                Some(inspection) => {
                    return Fetched { answer: Arc::clone(&answer.stored), inspection, source };
                }
                None => {
                    servfail(question, OTHER, "the answer leads to too many names or addresses")
                }
            }
        }
        Err(failure) => failed(question, *failure),
    };
    let inspection = inspect(&failure, false, in_force, facts).expect("a failure leads nowhere");
    Fetched { answer: Arc::new(failure), inspection, source: (AnsweredBy::Nobody, 0) }
}

fn inspect(
    answer: &StoredAnswer,
    forwarded: bool,
    in_force: &InForce,
    facts: NameFacts,
) -> Option<Arc<Inspection>> {
    let classify = |lead: &_| classify(in_force, lead);
    Inspection::of(answer, (in_force.generation, facts), forwarded, classify).map(Arc::new)
}

/// Returns what is known of a question's name: what was known before, if that still holds.
fn current(known: Option<NameFacts>, question: &Question, in_force: &InForce) -> NameFacts {
    known.filter(|facts| in_force.knows(facts)).unwrap_or_else(|| {
        let name = question.name.as_ref();
        in_force.facts(name, &in_force.hashes(name))
    })
}

fn failed(question: &Question, why: Failure) -> StoredAnswer {
    let code = match why {
        Failure::NoReachableAuthority => NO_REACHABLE_AUTHORITY,
        Failure::NetworkError => NETWORK_ERROR,
        Failure::Overloaded => OTHER,
    };
    servfail(question, code, &why.to_string())
}

/// Makes the answer of a failure, so that it is cached and given like any other (RFC 9520).
fn servfail(question: &Question, code: u16, text: &str) -> StoredAnswer {
    let flags = flags::RESPONSE | flags::RECURSION_AVAILABLE | ResponseCode::SERVFAIL.0;
    let mut octets = vec![0, 0];
    octets.extend(flags.to_be_bytes());
    octets.extend([0, 1, 0, 0, 0, 0, 0, 1]);
    octets.extend(question.name.as_ref().wire());
    octets.extend(question.query_type.0.to_be_bytes());
    octets.extend(CLASS_IN.to_be_bytes());
    octets.extend([0, 0, RecordType::OPT.0 as u8, 2, 0, 0, 0, 0, 0]);
    let length = text.len() as u16 + 2;
    octets.extend((length + 4).to_be_bytes());
    octets.extend([0, 15]);
    octets.extend(length.to_be_bytes());
    octets.extend(code.to_be_bytes());
    octets.extend(text.as_bytes());
    StoredAnswer::take(&octets, question).expect("we wrote an answer to this question")
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Asking};
    use hickory_proto::rr::{Name, RecordType as Type};

    use super::*;
    use crate::model::DomainName;
    use crate::wire::Query;

    #[test]
    fn a_failure_is_an_answer_that_says_why() {
        let question = Question {
            name: DomainName::parse("www.example.com").expect("a name"),
            query_type: RecordType::A,
            dnssec_ok: false,
            checking_disabled: false,
        };
        let mut asking = Message::new(9, MessageType::Query, OpCode::Query);
        let name = Name::from_ascii("WWW.example.com.").expect("a name");
        asking.add_query(Asking::query(name, Type::A)).set_edns(Edns::new());
        let packet = asking.to_vec().expect("a message");
        let query = Query::parse(&packet).expect("a query");
        for (failure, code) in [
            (Failure::NoReachableAuthority, 22),
            (Failure::NetworkError, 23),
            (Failure::Overloaded, 0),
        ] {
            let answer = failed(&question, failure);
            assert_eq!(answer.response_code(), ResponseCode::SERVFAIL);
            assert_eq!(answer.extended_errors().collect::<Vec<_>>(), [code]);
            let mut out = Vec::new();
            answer.write(&query, 0, 1232, &mut out);
            let reply = Message::from_vec(&out).expect("a well-formed reply");
            assert_eq!((reply.metadata.id, u16::from(reply.metadata.response_code)), (9, 2));
            let told = String::from_utf8_lossy(&out).contains(&failure.to_string());
            assert!(told && reply.edns.is_some(), "{failure}");
        }
    }
}
