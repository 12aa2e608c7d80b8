//! The replies of the line: refused, blocked, withheld, minimal, given.

use std::sync::Arc;

use crate::model::{AnsweredBy, Outcome, Reason, RecordType, Verdict};
use crate::sinkhole::{self, BlockingMode};
use crate::wire::{
    CLASS_CHAOS, ExtendedError, HEADER_OCTETS, Query, Reply, ResponseCode, StoredAnswer,
};

use super::{Alias, Asked, Ending, Inspection, Ruling};

/// Extended errors (RFC 8914, section 4).
pub const OTHER: u16 = 0;
pub const FORGED: u16 = 4;
pub const BLOCKED: u16 = 15;
pub const CENSORED: u16 = 16;
pub const FILTERED: u16 = 17;
pub const NO_REACHABLE_AUTHORITY: u16 = 22;
pub const NETWORK_ERROR: u16 = 23;

const VERSION_BIND: &[u8] = b"\x07version\x04bind\x00";
/// Processor and system of the minimal answer (RFC 8482, section 4.2).
const MINIMAL: &[u8] = b"\x07RFC8482\x00";
/// Seconds that the minimal answer may be kept.
const MINIMAL_TTL: u32 = 3600;

/// Writes the error for a query that asks for what is not served, or tells our version.
pub fn refuse(
    query: &Query<'_>,
    code: ResponseCode,
    tell_version: bool,
    limit: usize,
    out: &mut Vec<u8>,
) {
    let asks_version = query.class() == CLASS_CHAOS
        && query.query_type() == RecordType::TXT
        && query.name().wire() == VERSION_BIND;
    if !(tell_version && asks_version && code == ResponseCode::REFUSED) {
        return Reply::start(out, query, code).finish(limit, None);
    }
    let version = concat!("deadpixel ", env!("CARGO_PKG_VERSION"));
    let length = u8::try_from(version.len()).unwrap_or(u8::MAX);
    let mut reply = Reply::start(out, query, ResponseCode::NOERROR);
    reply.answer(RecordType::TXT, 0, &[&[length], version.as_bytes()]);
    reply.finish(limit, None);
    // Replies are of class IN; this one record is not.
    let class = HEADER_OCTETS + query.question_octets().len() + 4;
    if let Some(octets) = out.get_mut(class..class + 2) {
        octets.copy_from_slice(&CLASS_CHAOS.to_be_bytes());
    }
}

/// Writes SERVFAIL with an extended error.
pub fn fail(query: &Query<'_>, limit: usize, error: ExtendedError<'_>, out: &mut Vec<u8>) {
    Reply::start(out, query, ResponseCode::SERVFAIL).finish(limit, Some(error));
}

impl Asked<'_, '_> {
    /// Answers from the sinkhole, for the name and type that were asked.
    pub fn block(
        &self,
        reason: Reason,
        mode: &BlockingMode,
        alias: Option<Alias>,
        out: &mut Vec<u8>,
    ) -> Ending {
        let row = self.row_behind(alias.as_ref());
        let company = row.and_then(|row| self.in_force.legend.company(row.company));
        let company = company.map(|company| company.name.as_str());
        let text = explain("Blocked: ", reason, company, self.list_name(reason));
        let code = self.sink(mode, ExtendedError { code: BLOCKED, text: &text }, out);
        let blocked = Ending::by_sinkhole(code);
        Ending { reason: Some(reason), alias, ..blocked }
    }

    /// Answers a query for everything with the least there is.
    pub fn minimal(&self, out: &mut Vec<u8>) -> Ending {
        let mut reply = Reply::start(out, self.query, ResponseCode::NOERROR);
        reply.answer(RecordType::HINFO, MINIMAL_TTL, &[MINIMAL]);
        reply.finish(self.arrival.limit(self.query), None);
        let (reason, would_block) = self.spoken();
        let minimal = Ending::new(Outcome::Allowed, AnsweredBy::Local, ResponseCode::NOERROR);
        Ending { reason, would_block, ..minimal }
    }

    /// Gives an answer of the cache or an upstream, unless what it leads to forbids it.
    ///
    /// `source` is who had it, and its age in seconds.
    pub fn give(
        &self,
        answer: &StoredAnswer,
        inspection: &Arc<Inspection>,
        source: (AnsweredBy, u32),
        out: &mut Vec<u8>,
    ) -> Ending {
        let ruling = self.ruling(inspection);
        if let Some((place, reason, answer)) = ruling.block {
            let alias = Alias::new(inspection, place);
            return self.block(reason, self.policy.blocking(answer), Some(alias), out);
        }
        if inspection.leads_inside() && !self.allowed_by_owner() {
            return self.withhold(out);
        }
        let (answered_by, age) = source;
        let code = answer.response_code();
        let limit = self.arrival.limit(self.query);
        match answered_by {
            AnsweredBy::Stale => answer.write_stale(self.query, limit, out),
            _ => answer.write(self.query, age, limit, out),
        }
        let (reason, would_block) = self.spoken();
        let lifted = ruling.lifted.filter(|_| reason.is_none());
        let unknown = !self.is_tracking(self.row, self.lists);
        let place = lifted
            .map(|(place, _)| place)
            .or_else(|| inspection.first_tracking().filter(|_| unknown));
        Ending {
            outcome: outcome_of(code, inspection),
            answered_by,
            code,
            reason: reason.or(lifted.map(|(_, reason)| reason)),
            would_block: would_block || lifted.is_some(),
            alias: place.map(|place| Alias::new(inspection, place)),
        }
    }

    /// Returns what the policy makes of what an answer leads to; an allowed name's is left alone.
    fn ruling(&self, inspection: &Inspection) -> Ruling {
        match self.decision.verdict {
            Verdict::Allow(_) => Ruling::default(),
            _ => inspection.judge(|element| self.decide(element)),
        }
    }

    /// Answers that the question is to be asked over TCP.
    pub fn truncate(&self, reason: Reason, out: &mut Vec<u8>) -> Ending {
        Reply::start(out, self.query, ResponseCode::NOERROR).finish_truncated();
        let code = ResponseCode::NOERROR;
        let truncated = Ending::new(Outcome::Allowed, AnsweredBy::Sinkhole, code);
        Ending { reason: Some(reason), ..truncated }
    }

    /// Withholds private addresses of a public name: NODATA, with the mend in the extended error.
    ///
    /// It counts as blocked, since the sinkhole answers; it has no reason, since no rule spoke.
    pub fn withhold(&self, out: &mut Vec<u8>) -> Ending {
        let text = &["Withheld: a public name with a private address; an allow rule lets it pass"];
        let code = self.sink(&BlockingMode::NoData, ExtendedError { code: FILTERED, text }, out);
        Ending::by_sinkhole(code)
    }

    fn sink(
        &self,
        mode: &BlockingMode,
        error: ExtendedError<'_>,
        out: &mut Vec<u8>,
    ) -> ResponseCode {
        let ttl = self.in_force.policies.blocked_ttl();
        sinkhole::answer(self.query, mode, ttl, self.arrival.limit(self.query), error, out)
    }

    /// Returns the reason of the verdict on the name, and whether a pause or the level lifted it.
    fn spoken(&self) -> (Option<Reason>, bool) {
        (self.decision.verdict.reason(), self.decision.lifted)
    }

    /// Returns the name of the list behind a reason.
    pub fn list_name(&self, reason: Reason) -> Option<&str> {
        match reason {
            Reason::Ban(list) | Reason::List(list) => {
                let info = self.in_force.ruleset.lists().get(usize::from(list.0));
                info.map(|info| info.name.as_str())
            }
            Reason::Rule(_) | Reason::Canary | Reason::NotListed => None,
        }
    }

    fn allowed_by_owner(&self) -> bool {
        self.decision.own && matches!(self.decision.verdict, Verdict::Allow(_))
    }
}

/// What an upstream blocked is blocked too, with no reason of ours; who answered tells them apart.
fn outcome_of(code: ResponseCode, inspection: &Inspection) -> Outcome {
    match code {
        _ if inspection.blocked_upstream() => Outcome::Blocked,
        ResponseCode::NOERROR | ResponseCode::NXDOMAIN => Outcome::Allowed,
        _ => Outcome::Failed,
    }
}

/// Returns the text of the extended error, in pieces: `Blocked: TikTok, list trackers`.
pub fn explain<'t>(
    what: &'t str,
    reason: Reason,
    company: Option<&'t str>,
    list: Option<&'t str>,
) -> [&'t str; 5] {
    let (how, list) = match (reason, list) {
        (Reason::Canary, _) => return ["Blocked: this network answers DNS itself", "", "", "", ""],
        (Reason::Rule(_), _) => ("own rule", ""),
        (Reason::NotListed, _) => ("not listed", ""),
        (Reason::Ban(_) | Reason::List(_), Some(list)) => ("list ", list),
        (Reason::Ban(_) | Reason::List(_), None) => ("a list", ""),
    };
    [what, company.unwrap_or(""), if company.is_some() { ", " } else { "" }, how, list]
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Asking};
    use hickory_proto::rr::{DNSClass, Name, RecordType as Type};

    use super::*;
    use crate::model::{ListId, RuleId};

    fn refused(class: DNSClass, edns: Option<Edns>, tell_version: bool) -> Message {
        let name = Name::from_ascii("Version.bind.").expect("a name");
        let mut question = Asking::query(name, Type::TXT);
        question.set_query_class(class);
        let mut message = Message::new(1, MessageType::Query, OpCode::Query);
        message.add_query(question);
        if let Some(edns) = edns {
            message.set_edns(edns);
        }
        let packet = message.to_vec().expect("a message");
        let query = Query::parse(&packet).expect("a query");
        let mut out = Vec::new();
        let code = query.refusal().expect("it is not served");
        refuse(&query, code, tell_version, 512, &mut out);
        assert!(tell_version || out.len() <= packet.len() + 11, "no more than was sent");
        Message::from_vec(&out).expect("a well-formed reply")
    }

    #[test]
    fn what_is_not_served_gets_its_error() {
        let chaos = refused(DNSClass::CH, None, false);
        assert_eq!(u16::from(chaos.metadata.response_code), 5);
        let hesiod = refused(DNSClass::HS, None, true);
        assert_eq!(u16::from(hesiod.metadata.response_code), 5);
        let mut edns = Edns::new();
        edns.set_version(1);
        let version = refused(DNSClass::IN, Some(edns), false);
        assert_eq!(u16::from(version.metadata.response_code), 16);
    }

    #[test]
    fn the_version_is_told_where_that_is_switched_on() {
        let reply = refused(DNSClass::CH, None, true);
        assert_eq!(u16::from(reply.metadata.response_code), 0);
        assert_eq!(reply.answers[0].dns_class, DNSClass::CH);
        assert!(reply.answers[0].data.to_string().starts_with("deadpixel "));
    }

    #[test]
    fn the_extended_error_names_company_and_list() {
        let list = Reason::List(ListId(3));
        let text = |reason, company, list| explain("Blocked: ", reason, company, list).concat();
        assert_eq!(text(list, Some("TikTok"), Some("trackers")), "Blocked: TikTok, list trackers");
        assert_eq!(text(list, None, Some("trackers")), "Blocked: list trackers");
        assert_eq!(text(list, None, None), "Blocked: a list");
        let rule = Reason::Rule(RuleId(1));
        assert_eq!(text(rule, Some("Meta"), None), "Blocked: Meta, own rule");
        assert_eq!(text(Reason::NotListed, None, None), "Blocked: not listed");
        assert!(text(Reason::Canary, Some("Apple"), None).contains("this network"));
    }
}
