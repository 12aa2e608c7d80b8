//! The answer of a rewrite: its records, or an alias with what its target resolves to.

use std::sync::Arc;

use crate::model::{AnsweredBy, NameRef, Reason, RecordType};
use crate::rules::Rewritten;
use crate::upstream::CacheKey;
use crate::wire::{
    CLASS_IN, ExtendedError, Message, Query, Question, RecordView, Reply, ResponseCode, STALE_TTL,
    Section, StoredAnswer,
};

use super::replies::{FORGED, OTHER, explain, fail};
use super::{Asked, Ending, Fetched, Parts, is_ours, source};

/// What the target of a rewrite resolves to.
struct Found {
    answer: Arc<StoredAnswer>,
    /// Who had it, and its age in seconds.
    source: (AnsweredBy, u32),
    /// Whether a public name leads into a private network.
    leads_inside: bool,
}

impl Found {
    /// Returns the seconds for which a client may keep a record of this TTL.
    fn left(&self, ttl: u32) -> u32 {
        match self.source {
            (AnsweredBy::Stale, _) => STALE_TTL,
            (_, age) => ttl.saturating_sub(age),
        }
    }
}

impl Asked<'_, '_> {
    /// Answers a rewrite; `None` if the target of its alias must be resolved first.
    pub fn rewrite(
        &self,
        reason: Reason,
        rewritten: &Rewritten,
        out: &mut Vec<u8>,
    ) -> Option<Ending> {
        let query_type = self.query.query_type();
        let alias_only = matches!(query_type, RecordType::CNAME | RecordType::ANY);
        if rewritten.alias.is_some() && !alias_only {
            return None;
        }
        let code = ResponseCode(rewritten.code);
        let blocked_ttl = self.in_force.policies.blocked_ttl();
        let mut reply = Reply::start(out, self.query, code);
        match &rewritten.alias {
            Some(alias) => self.alias(&mut reply, alias.as_ref()),
            None => rewritten.records.iter().for_each(|record| {
                let about = (record.record_type, record.ttl.unwrap_or(blocked_ttl));
                reply.append(Section::Answer, self.query.name(), about, &record.data);
            }),
        }
        let empty = rewritten.alias.is_none() && rewritten.records.is_empty();
        if code == ResponseCode::NXDOMAIN || code == ResponseCode::NOERROR && empty {
            reply.negative_soa(blocked_ttl);
        }
        self.end_rewrite(reply, reason);
        Some(Ending { reason: Some(reason), ..Ending::rewritten(code) })
    }

    fn alias(&self, reply: &mut Reply<'_>, target: NameRef<'_>) {
        let ttl = self.in_force.policies.blocked_ttl();
        reply.answer(RecordType::CNAME, ttl, &[target.wire()]);
    }

    /// Answers by an alias and what its target resolves to, as far as it goes.
    fn rewrite_with(
        &self,
        reason: Reason,
        target: NameRef<'_>,
        found: &Found,
        out: &mut Vec<u8>,
    ) -> Option<Ending> {
        let code = found.answer.response_code();
        let message = Message::parse(found.answer.octets()).ok()?;
        let mut reply = Reply::start(out, self.query, code);
        self.alias(&mut reply, target);
        let wanted = |record: &RecordView<'_>| {
            record.section != Section::Additional && record.class == CLASS_IN
        };
        for record in message.records().filter(wanted) {
            let (owner, data) = (record.owner()?, record.data_written_out()?);
            let about = (record.record_type, found.left(record.ttl));
            reply.append(record.section, owner.as_ref(), about, &data);
        }
        self.end_rewrite(reply, reason);
        Some(Ending { reason: Some(reason), ..Ending::rewritten(code) })
    }

    fn end_rewrite(&self, reply: Reply<'_>, reason: Reason) {
        let text = explain("Rewritten: ", reason, None, self.list_name(reason));
        let error = ExtendedError { code: FORGED, text: &text };
        reply.finish(self.arrival.limit(self.query), Some(error));
    }
}

impl Parts {
    /// Answers a rewrite to an alias: its target is resolved without being filtered.
    pub(super) async fn follow(
        &self,
        asked: &Asked<'_, '_>,
        reason: Reason,
        rewritten: &Rewritten,
        out: &mut Vec<u8>,
    ) -> Ending {
        let limit = asked.arrival.limit(asked.query);
        let Some(target) = &rewritten.alias else {
            return asked.rewrite(reason, rewritten, out).unwrap_or_else(Ending::failed);
        };
        let found = self.look_up(asked, target.as_ref()).await;
        // The owner may point names into the network; a list may not.
        if found.as_ref().is_some_and(|found| found.leads_inside)
            && !matches!(reason, Reason::Rule(_))
        {
            return asked.withhold(out);
        }
        let ending =
            found.and_then(|found| asked.rewrite_with(reason, target.as_ref(), &found, out));
        ending.unwrap_or_else(|| {
            let text = &["the name it is rewritten to cannot be resolved"];
            fail(asked.query, limit, ExtendedError { code: OTHER, text }, out);
            Ending { reason: Some(reason), ..Ending::failed() }
        })
    }

    /// Looks a name up: in zones of ours, in the cache, upstream; `None` for failures.
    async fn look_up(&self, asked: &Asked<'_, '_>, name: NameRef<'_>) -> Option<Found> {
        let question = asked.question_for(name);
        let zones = &asked.in_force.zones;
        let found = if is_ours(zones, &self.upstreams, name, question.query_type) {
            let answer = Arc::new(local(asked, &question).await?);
            Found { answer, source: (AnsweredBy::Local, 0), leads_inside: false }
        } else {
            let hash = asked.in_force.hashes(name).key();
            match self.remembered(asked, &question, hash) {
                Some(found) => found,
                None => {
                    let Fetched { answer, inspection, source } =
                        self.fetch(asked, question, hash).await;
                    Found { answer, source, leads_inside: inspection.leads_inside() }
                }
            }
        };
        let code = found.answer.response_code();
        matches!(code, ResponseCode::NOERROR | ResponseCode::NXDOMAIN).then_some(found)
    }

    fn remembered(&self, asked: &Asked<'_, '_>, question: &Question, hash: u64) -> Option<Found> {
        let now = asked.arrival.now;
        let found = self.kept.cache.find(hash, CacheKey::of(question), now);
        let entry = found.as_ref().and_then(|found| found.as_deref());
        self.kept.cache.count(hash, entry, now);
        let entry = entry?;
        Some(Found {
            answer: Arc::clone(&entry.answer),
            source: source(entry, now),
            leads_inside: entry.attached.leads_inside(),
        })
    }
}

/// Asks the zones of ours, by a query made for it.
async fn local(asked: &Asked<'_, '_>, question: &Question) -> Option<StoredAnswer> {
    let mut packet = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend(question.name.as_ref().wire());
    packet.extend(question.query_type.0.to_be_bytes());
    packet.extend(CLASS_IN.to_be_bytes());
    let query = Query::parse(&packet).ok()?;
    let mut octets = Vec::new();
    let (local, limit) = (asked.arrival.local, usize::from(u16::MAX));
    asked.in_force.zones.answer(&query, local, limit, &mut octets).await;
    StoredAnswer::take(&octets, question).ok()
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message as Reading, MessageType, OpCode, Query as Question};
    use hickory_proto::rr::{Name, RData, RecordType as Type};

    use super::*;
    use crate::catalogue::Catalogue;
    use crate::model::{DomainName, HashSeed, Legend, ListId, Moment, Outcome, Verdict};
    use crate::policy::{Decision, InForce, PolicyTable, Standing, Timed};
    use crate::resolver::{Arrival, Behalf, Step, Transport};
    use crate::rules::{Record, compile};
    use crate::zones::{LocalNames, Zones};

    const SEED: HashSeed = HashSeed([1, 2]);
    const LIST: Reason = Reason::List(ListId(0));

    fn in_force() -> InForce {
        let ruleset = compile(&[], SEED).expect("no list");
        let (standing, timed) = (Standing::default(), Timed::default());
        InForce {
            edition: 1,
            generation: 1,
            policies: PolicyTable::compile(&standing, &timed, &[], &ruleset, None),
            ruleset: Arc::new(ruleset),
            catalogue: Arc::new(Catalogue::shipped(SEED)),
            zones: Arc::new(Zones::build(&LocalNames::default()).expect("no zone")),
            legend: Arc::new(Legend::default()),
        }
    }

    fn packet(query_type: Type) -> Vec<u8> {
        let mut message = Reading::new(7, MessageType::Query, OpCode::Query);
        let name = Name::from_ascii("wWw.site.com.").expect("a name");
        message.add_query(Question::query(name, query_type)).set_edns(Edns::new());
        message.to_vec().expect("a message")
    }

    fn arrival(transport: Transport) -> Arrival {
        let address = [127, 0, 0, 1].into();
        let now = Moment { wall: 0, monotonic: 0 };
        let behalf = Behalf::Unsaid;
        Arrival { client: address, local: address, transport, now, behalf }
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    fn decision(verdict: Verdict, rewritten: Option<Rewritten>) -> Decision {
        Decision { rewritten: rewritten.map(Box::new), ..verdict.into() }
    }

    /// Answers a rewrite; `None` if it must be resolved first.
    fn answered(query_type: Type, rewritten: Rewritten) -> Option<Reading> {
        let (force, packet) = (in_force(), packet(query_type));
        let query = Query::parse(&packet).expect("a query");
        let decision = decision(Verdict::Rewrite(LIST), Some(rewritten));
        let asked = Asked::decided(&query, arrival(Transport::Udp), &force, decision);
        let Step::Rewrite(reason, rewritten) = asked.step() else { panic!("a rewrite") };
        let mut out = Vec::new();
        let ending = asked.rewrite(reason, rewritten, &mut out)?;
        assert_eq!((ending.outcome, ending.reason), (Outcome::Allowed, Some(LIST)));
        Some(Reading::from_vec(&out).expect("a well-formed reply"))
    }

    #[test]
    fn records_are_given_with_their_ttl_or_that_of_blocked_answers() {
        let own = Record { ttl: Some(42), ..Record::v4([192, 0, 2, 1].into()) };
        let records = vec![own, Record::v4([192, 0, 2, 2].into())];
        let reply = answered(Type::A, Rewritten { records, ..Rewritten::default() });
        let reply = reply.expect("at once");
        let ttls: Vec<u32> = reply.answers.iter().map(|record| record.ttl).collect();
        assert_eq!(ttls, [42, 10]);
        assert!(reply.authorities.is_empty() && !reply.metadata.authentic_data);
        let (code, text) = told(&reply);
        assert_eq!((code, text.as_str()), (4, "Rewritten: a list"));
    }

    fn told(reply: &Reading) -> (u16, String) {
        use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
        let option = reply.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Unknown(15)));
        let Some(EdnsOption::Unknown(_, data)) = option else { panic!("an extended error") };
        let code = u16::from_be_bytes([data[0], data[1]]);
        (code, String::from_utf8_lossy(&data[2..]).into_owned())
    }

    #[test]
    fn negative_answers_have_an_soa_and_failures_have_none() {
        for (code, soas) in [(0, 1), (3, 1), (2, 0), (5, 0)] {
            let reply = answered(Type::A, Rewritten { code, ..Rewritten::default() });
            let reply = reply.expect("at once");
            assert_eq!(u16::from(reply.metadata.response_code), code);
            assert_eq!((reply.answers.len(), reply.authorities.len()), (0, soas), "{code}");
        }
    }

    #[test]
    fn an_alias_is_the_answer_for_its_own_type_and_else_waits_for_its_target() {
        let rewritten = || Rewritten { alias: Some(name("t.example")), ..Rewritten::default() };
        assert!(answered(Type::A, rewritten()).is_none());
        let reply = answered(Type::CNAME, rewritten()).expect("at once");
        assert!(
            matches!(&reply.answers[0].data, RData::CNAME(to) if to.0.to_ascii() == "t.example.")
        );
    }

    #[test]
    fn a_truncating_rule_truncates_datagrams_and_leaves_tcp_alone() {
        let (force, packet) = (in_force(), packet(Type::A));
        let query = Query::parse(&packet).expect("a query");
        let truncating = |transport, lifted| {
            let decision = Decision { lifted, ..decision(Verdict::Truncate(LIST), None) };
            Asked::decided(&query, arrival(transport), &force, decision)
        };
        let asked = truncating(Transport::Udp, false);
        let Step::Truncate(reason) = asked.step() else { panic!("truncated") };
        let mut out = Vec::new();
        let ending = asked.truncate(reason, &mut out);
        let reply = Reading::from_vec(&out).expect("a well-formed reply");
        assert!(reply.metadata.truncation && reply.answers.is_empty());
        assert_eq!((ending.outcome, ending.reason), (Outcome::Allowed, Some(LIST)));
        assert!(matches!(truncating(Transport::Tcp, false).step(), Step::Resolve));
        assert!(matches!(truncating(Transport::Udp, true).step(), Step::Resolve));
    }

    #[test]
    fn what_is_lifted_goes_on_as_if_no_rule_spoke() {
        let (force, packet) = (in_force(), packet(Type::A));
        let query = Query::parse(&packet).expect("a query");
        for verdict in [Verdict::Block(LIST), Verdict::Rewrite(LIST)] {
            let decision =
                Decision { lifted: true, ..decision(verdict, Some(Rewritten::default())) };
            let asked = Asked::decided(&query, arrival(Transport::Udp), &force, decision);
            assert!(matches!(asked.step(), Step::Resolve), "{verdict:?}");
        }
    }
}
