//! The second half of the line: what takes time.

use std::sync::Arc;

use arc_swap::Guard;

use crate::devices::Binding;
use crate::model::{AnsweredBy, Outcome, RecordType};
use crate::upstream::{Entry, Failure};
use crate::wire::{
    CLASS_IN, ExtendedError, Header, Query, Question, ResponseCode, StoredAnswer, flags,
};

use super::replies::{NETWORK_ERROR, NO_REACHABLE_AUTHORITY, OTHER};
use super::{
    Arrival, Asked, Ending, Inspection, Judged, Parts, Resolver, Step, Unfinished, replies,
};

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
        let Unfinished { packet, arrival } = unfinished;
        let (query, arrival) = (Query::parse(packet).ok()?, *arrival);
        let binding = parts.find_out(&arrival).await;
        let in_force = Guard::into_inner(parts.live.load());
        let asked = Asked::new(&query, arrival, binding, &in_force, &parts.upstreams);
        let ending = match parts.settle(&asked, out) {
            Some(ending) => ending,
            None if asked.ours => local(&asked, out).await,
            None => match asked.step() {
                Step::Rewrite(reason, rewritten) => {
                    parts.follow(&asked, reason, rewritten, out).await
                }
                _ => parts.resolve(&asked, out).await,
            },
        };
        Some(asked.judged(ending, parts.clock.now()).into_owned())
    }

    /// Writes SERVFAIL for a query that a defect ended; it has no event, which might meet it again.
    pub fn give_up(&self, unfinished: &Unfinished, out: &mut Vec<u8>) {
        out.clear();
        let Unfinished { packet, arrival } = unfinished;
        let Ok(query) = Query::parse(packet) else { return };
        let text = &["an error in the program"];
        replies::fail(&query, arrival.limit(&query), ExtendedError { code: OTHER, text }, out);
    }

    /// Writes SERVFAIL for a query that was shed, and returns its event.
    pub fn shed(&self, unfinished: Unfinished, out: &mut Vec<u8>) -> Option<Judged<'static>> {
        let parts = &*self.0;
        let Unfinished { packet, arrival } = unfinished;
        let query = Query::parse(&packet).ok()?;
        let text = &["too many queries are in flight"];
        replies::fail(&query, arrival.limit(&query), ExtendedError { code: OTHER, text }, out);
        let in_force = parts.live.load();
        let binding = parts.bound(&arrival);
        let asked = Asked::new(&query, arrival, binding, &in_force, &parts.upstreams);
        Some(asked.judged(Ending::failed(), parts.clock.now()).into_owned())
    }
}

/// What an upstream had.
pub(super) struct Fetched {
    pub answer: Arc<StoredAnswer>,
    pub inspection: Arc<Inspection>,
    pub answered_by: AnsweredBy,
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

    /// Answers from an entry inspected under older lists, else asks upstream.
    async fn resolve(&self, asked: &Asked<'_, '_>, out: &mut Vec<u8>) -> Ending {
        if let Some(ending) = self.inspect_again(asked, out) {
            return ending;
        }
        let fetched = self.fetch(asked, asked.question(), asked.hash()).await;
        asked.give(&fetched.answer, &fetched.inspection, (fetched.answered_by, 0), out)
    }

    /// Asks upstream, inspects what comes and keeps it; `hash` is that of the question's name.
    pub(super) async fn fetch(
        &self,
        asked: &Asked<'_, '_>,
        question: Question,
        hash: u64,
    ) -> Fetched {
        let (mut answer, mut answered_by, forwarded, keep) =
            match self.upstreams.ask(question.clone()).await {
                Ok(answer) => {
                    let by = AnsweredBy::Upstream(answer.upstream);
                    (answer.stored, by, answer.forwarded_zone, true)
                }
                Err(failure) => {
                    let keep = failure != Failure::Overloaded;
                    (Arc::new(failed(&question, failure)), AnsweredBy::Nobody, false, keep)
                }
            };
        let inspection = inspection(asked, &answer, forwarded).unwrap_or_else(|| {
            let text = "the answer leads to too many names or addresses";
            answer = Arc::new(servfail(&question, OTHER, text));
            answered_by = AnsweredBy::Nobody;
            inspection(asked, &answer, false).expect("a failure leads nowhere")
        });
        if keep {
            let entry = Entry {
                question,
                answer: Arc::clone(&answer),
                attached: Arc::clone(&inspection),
                attached_bytes: inspection.size(),
            };
            self.cache.store(hash, entry, self.clock.now());
        }
        Fetched { answer, inspection, answered_by }
    }

    fn inspect_again(&self, asked: &Asked<'_, '_>, out: &mut Vec<u8>) -> Option<Ending> {
        let found = self.cache.find(asked.hash(), asked.cache_key(), asked.arrival.now)?;
        let entry = found.as_ref()?;
        let inspection = inspection(asked, &entry.answer, entry.attached.forwarded())?;
        let attached = Arc::clone(&inspection);
        self.cache.reattach(asked.hash(), entry, attached, inspection.size());
        let source = (AnsweredBy::Cache, asked.age(entry.stored));
        Some(asked.give(&entry.answer, &inspection, source, out))
    }
}

async fn local(asked: &Asked<'_, '_>, out: &mut Vec<u8>) -> Ending {
    let limit = asked.arrival.limit(asked.query);
    asked.in_force.zones.answer(asked.query, asked.arrival.local, limit, out).await;
    let code = Header::read(out).map_or(ResponseCode::SERVFAIL, |header| header.response_code());
    let failed = code == ResponseCode::SERVFAIL;
    let outcome = if failed { Outcome::Failed } else { Outcome::Allowed };
    Ending::new(outcome, AnsweredBy::Local, code)
}

fn inspection(
    asked: &Asked<'_, '_>,
    answer: &StoredAnswer,
    forwarded: bool,
) -> Option<Arc<Inspection>> {
    let generation = asked.in_force.generation;
    Inspection::of(answer, generation, forwarded, |lead| asked.classify(lead)).map(Arc::new)
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
            answer.write(&query, 0, u32::MAX, 1232, &mut out);
            let reply = Message::from_vec(&out).expect("a well-formed reply");
            assert_eq!((reply.metadata.id, u16::from(reply.metadata.response_code)), (9, 2));
            let told = String::from_utf8_lossy(&out).contains(&failure.to_string());
            assert!(told && reply.edns.is_some(), "{failure}");
        }
    }
}
