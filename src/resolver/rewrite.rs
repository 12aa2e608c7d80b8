//! The answer of a rewrite: its records, or an alias with what its target resolves to.

use std::sync::Arc;

use crate::model::{NameRef, Reason, RecordType};
use crate::rules::Rewritten;
use crate::upstream::CacheKey;
use crate::wire::{
    CLASS_IN, ExtendedError, Message, Query, Question, RecordView, Reply, ResponseCode, Section,
    StoredAnswer,
};

use super::asked::is_ours;
use super::replies::{FORGED, OTHER, explain, fail};
use super::{Asked, Ending, Fetched, Parts};

/// What the target of a rewrite resolves to.
struct Found {
    answer: Arc<StoredAnswer>,
    /// Its age in seconds.
    age: u32,
    /// Whether a public name leads into a private network.
    leads_inside: bool,
}

impl Asked<'_, '_> {
    /// Answers a rewrite; `None` if the target of its alias must be resolved first.
    ///
    /// It counts as blocked: the real answer does not go out.
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
        Some(Ending { reason: Some(reason), ..Ending::by_sinkhole(code) })
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
            let about = (record.record_type, record.ttl.saturating_sub(found.age));
            reply.append(record.section, owner.as_ref(), about, &data);
        }
        self.end_rewrite(reply, reason);
        Some(Ending { reason: Some(reason), ..Ending::by_sinkhole(code) })
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
            Found { answer, age: 0, leads_inside: false }
        } else {
            let hash = asked.in_force.hashes(name).whole().unwrap_or(0);
            match self.remembered(asked, &question, hash) {
                Some(found) => found,
                None => {
                    let Fetched { answer, inspection, .. } =
                        self.fetch(asked, question, hash).await;
                    Found { answer, age: 0, leads_inside: inspection.leads_inside() }
                }
            }
        };
        let code = found.answer.response_code();
        matches!(code, ResponseCode::NOERROR | ResponseCode::NXDOMAIN).then_some(found)
    }

    fn remembered(&self, asked: &Asked<'_, '_>, question: &Question, hash: u64) -> Option<Found> {
        let key = CacheKey {
            name: question.name.as_ref(),
            query_type: question.query_type,
            dnssec_ok: question.dnssec_ok,
            checking_disabled: question.checking_disabled,
        };
        let found = self.cache.find(hash, key, asked.arrival.now)?;
        let entry = found.as_deref()?;
        Some(Found {
            answer: Arc::clone(&entry.answer),
            age: asked.age(entry.stored),
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
