//! Events as octets in the ring: a head of fixed parts, then client, name, alias and lists.

use std::net::IpAddr;

use crate::model::{
    AnsweredBy, BindingId, CompanyId, DeviceId, ListId, ListMask, LogDetail, NameRef, Outcome,
    QueryEvent, Reason, RecordType, RuleId, UpstreamId,
};

/// More than any event takes: head, address, two names and 256 lists.
pub(super) const MAX_EVENT: usize = 64 + 16 + 2 * 256 + 257;

const WOULD_BLOCK: u8 = 1;
const TRACKING: u8 = 2;
const ALIAS: u8 = 4;
const COMPANY: u8 = 8;
const IPV6: u8 = 16;

/// Octets of an event's fixed parts, its length included.
const HEAD: usize = 42;

/// Writes an event behind what `out` holds, its length first.
pub(super) fn encode(event: &QueryEvent<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&head(event));
    match event.client {
        IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
    }
    for name in [Some(event.name), event.alias].into_iter().flatten() {
        out.push(name.wire().len() as u8);
        out.extend_from_slice(name.wire());
    }
    event.lists.iter().for_each(|list| out.push(list.0));
    let length = (out.len() - start - 2) as u16;
    if let Some(place) = out.get_mut(start..start + 2) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// Returns the fixed parts: put together at once, since a buffer checks its room for each piece.
fn head(event: &QueryEvent<'_>) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let mut rest = &mut head[2..];
    let (kind, value) = reason_code(event.reason);
    put(&mut rest, event.at.to_le_bytes());
    put(&mut rest, event.device.0.to_le_bytes());
    put(&mut rest, event.binding.0.to_le_bytes());
    put(&mut rest, event.edition.to_le_bytes());
    put(&mut rest, event.duration.to_le_bytes());
    put(&mut rest, event.query_type.0.to_le_bytes());
    put(&mut rest, event.response_code.to_le_bytes());
    put(&mut rest, event.company.map_or(0, |company| company.0).to_le_bytes());
    let outcome = outcome_code(event.outcome);
    put(&mut rest, [flags(event), outcome, detail_code(event.detail), kind]);
    put(&mut rest, value.to_le_bytes());
    put(&mut rest, answer_code(event.answered_by));
    debug_assert!(rest.is_empty(), "{} octets too many", rest.len());
    head
}

/// Writes octets where the rest begins, and moves that behind them.
fn put<const N: usize>(rest: &mut &mut [u8], octets: [u8; N]) {
    if let Some((place, behind)) = std::mem::take(rest).split_first_chunk_mut() {
        *place = octets;
        *rest = behind;
    }
}

/// Reads the event at the beginning of `octets` and returns it with what follows.
pub(super) fn decode(octets: &[u8]) -> Option<(QueryEvent<'_>, &[u8])> {
    let mut whole = Reader(octets);
    let length = u16::from_le_bytes(whole.array()?);
    let mut body = Reader(whole.take(usize::from(length))?);
    let event = decode_body(&mut body)?;
    Some((event, whole.0))
}

/// Reads only when the event at the beginning of `octets` was, and returns it with what follows.
pub(super) fn moment(octets: &[u8]) -> Option<(i64, &[u8])> {
    let mut whole = Reader(octets);
    let length = u16::from_le_bytes(whole.array()?);
    let mut body = Reader(whole.take(usize::from(length))?);
    Some((i64::from_le_bytes(body.array()?), whole.0))
}

fn decode_body<'a>(body: &mut Reader<'a>) -> Option<QueryEvent<'a>> {
    let at = i64::from_le_bytes(body.array()?);
    let device = DeviceId(u32::from_le_bytes(body.array()?));
    let binding = BindingId(u32::from_le_bytes(body.array()?));
    let edition = u32::from_le_bytes(body.array()?);
    let duration = u32::from_le_bytes(body.array()?);
    let query_type = RecordType(u16::from_le_bytes(body.array()?));
    let response_code = u16::from_le_bytes(body.array()?);
    let company = CompanyId(u16::from_le_bytes(body.array()?));
    let [flags, outcome, detail, reason] = body.array()?;
    let reason = reason_of(reason, u32::from_le_bytes(body.array()?))?;
    let answered_by = answer_of(body.array()?)?;
    let client = if flags & IPV6 == 0 {
        IpAddr::from(body.array::<4>()?)
    } else {
        IpAddr::from(body.array::<16>()?)
    };
    let name = body.name()?;
    let alias = if flags & ALIAS == 0 { None } else { Some(body.name()?) };
    Some(QueryEvent {
        at,
        client,
        device,
        binding,
        name,
        query_type,
        outcome: outcome_of(outcome)?,
        would_block: flags & WOULD_BLOCK != 0,
        reason,
        lists: body.0.iter().map(|&list| ListId(list)).collect::<ListMask>(),
        alias,
        company: (flags & COMPANY != 0).then_some(company),
        tracking: flags & TRACKING != 0,
        answered_by,
        response_code,
        duration,
        detail: detail_of(detail)?,
        edition,
    })
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn name(&mut self) -> Option<NameRef<'a>> {
        let [length] = self.array()?;
        NameRef::from_wire(self.take(usize::from(length))?)
    }
}

fn flags(event: &QueryEvent<'_>) -> u8 {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    flag(event.would_block, WOULD_BLOCK)
        | flag(event.tracking, TRACKING)
        | flag(event.alias.is_some(), ALIAS)
        | flag(event.company.is_some(), COMPANY)
        | flag(event.client.is_ipv6(), IPV6)
}

/// Returns the number by which an outcome is written, here and in the file.
pub(super) fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Blocked => 0,
        Outcome::Allowed => 1,
        Outcome::Failed => 2,
    }
}

/// Returns the outcome of a number.
pub(super) fn outcome_of(code: u8) -> Option<Outcome> {
    [Outcome::Blocked, Outcome::Allowed, Outcome::Failed].get(usize::from(code)).copied()
}

fn detail_code(detail: LogDetail) -> u8 {
    match detail {
        LogDetail::Full => 0,
        LogDetail::Tracking => 1,
        LogDetail::Counts => 2,
        LogDetail::Nothing => 3,
    }
}

fn detail_of(code: u8) -> Option<LogDetail> {
    [LogDetail::Full, LogDetail::Tracking, LogDetail::Counts, LogDetail::Nothing]
        .get(usize::from(code))
        .copied()
}

/// Returns the numbers by which a reason is written.
pub(super) fn reason_code(reason: Option<Reason>) -> (u8, u32) {
    match reason {
        None => (0, 0),
        Some(Reason::Rule(rule)) => (1, rule.0),
        Some(Reason::Ban(list)) => (2, u32::from(list.0)),
        Some(Reason::List(list)) => (3, u32::from(list.0)),
        Some(Reason::Canary) => (4, 0),
        Some(Reason::NotListed) => (5, 0),
    }
}

fn reason_of(kind: u8, value: u32) -> Option<Option<Reason>> {
    let list = || u8::try_from(value).ok().map(ListId);
    Some(match kind {
        0 => None,
        1 => Some(Reason::Rule(RuleId(value))),
        2 => Some(Reason::Ban(list()?)),
        3 => Some(Reason::List(list()?)),
        4 => Some(Reason::Canary),
        5 => Some(Reason::NotListed),
        _ => return None,
    })
}

/// Returns the two octets by which an answerer is written, here and in the file.
pub(super) fn answer_code(answered_by: AnsweredBy) -> [u8; 2] {
    match answered_by {
        AnsweredBy::Sinkhole => [0, 0],
        AnsweredBy::Local => [1, 0],
        AnsweredBy::Cache => [2, 0],
        AnsweredBy::Stale => [2, 1],
        AnsweredBy::Upstream(upstream) => [3, upstream.0],
        AnsweredBy::Nobody => [4, 0],
    }
}

/// Returns the answerer of two octets.
pub(super) fn answer_of(code: [u8; 2]) -> Option<AnsweredBy> {
    Some(match code {
        [0, _] => AnsweredBy::Sinkhole,
        [1, _] => AnsweredBy::Local,
        [2, 0] => AnsweredBy::Cache,
        [2, _] => AnsweredBy::Stale,
        [3, upstream] => AnsweredBy::Upstream(UpstreamId(upstream)),
        [4, _] => AnsweredBy::Nobody,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::DomainName;

    fn any_reason() -> impl Strategy<Value = Option<Reason>> {
        prop_oneof![
            Just(None),
            any::<u32>().prop_map(|rule| Some(Reason::Rule(RuleId(rule)))),
            any::<u8>().prop_map(|list| Some(Reason::Ban(ListId(list)))),
            any::<u8>().prop_map(|list| Some(Reason::List(ListId(list)))),
            Just(Some(Reason::Canary)),
            Just(Some(Reason::NotListed)),
        ]
    }

    fn any_answer() -> impl Strategy<Value = AnsweredBy> {
        prop_oneof![
            Just(AnsweredBy::Sinkhole),
            Just(AnsweredBy::Local),
            Just(AnsweredBy::Cache),
            Just(AnsweredBy::Stale),
            Just(AnsweredBy::Nobody),
            any::<u8>().prop_map(|upstream| AnsweredBy::Upstream(UpstreamId(upstream))),
        ]
    }

    proptest! {
        #[test]
        fn an_event_comes_back_as_it_went(
            (at, client, ids) in any::<(i64, IpAddr, (u32, u32, u32))>(),
            (name, alias) in ("[a-z0-9.-]{0,20}", proptest::option::of("[a-z]{1,9}\\.net")),
            (outcome, detail) in (0..3_u8, 0..4_u8),
            (reason, answered_by) in (any_reason(), any_answer()),
            lists in proptest::collection::vec(any::<u8>(), 0..300),
            (tracking, would_block, company) in any::<(bool, bool, Option<u16>)>(),
            (query_type, response_code, duration) in any::<(u16, u16, u32)>(),
        ) {
            let name = DomainName::parse(&name).unwrap_or_else(|_| DomainName::root());
            let alias = alias.map(|alias| DomainName::parse(&alias).expect("a name"));
            let event = QueryEvent {
                at, client, device: DeviceId(ids.0), binding: BindingId(ids.1), edition: ids.2,
                name: name.as_ref(), alias: alias.as_ref().map(|alias| alias.as_ref()),
                query_type: RecordType(query_type), response_code, duration,
                outcome: outcome_of(outcome).expect("an outcome"), would_block, reason,
                lists: lists.into_iter().map(ListId).collect(), tracking,
                company: company.map(CompanyId), answered_by,
                detail: detail_of(detail).expect("a detail"),
            };
            let mut octets = Vec::new();
            encode(&event, &mut octets);
            encode(&event, &mut octets);
            let (first, rest) = decode(&octets).expect("an event");
            let (second, rest) = decode(rest).expect("another");
            prop_assert!(rest.is_empty());
            prop_assert_eq!(format!("{first:?}"), format!("{event:?}"));
            prop_assert_eq!(format!("{second:?}"), format!("{event:?}"));
        }

        #[test]
        fn octets_that_are_no_event_are_refused(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some((_, rest)) = decode(&octets) {
                prop_assert!(rest.len() < octets.len());
            }
        }
    }

    #[test]
    fn the_largest_event_fits_the_bound() {
        let longest = DomainName::parse(&["abcdefg"; 31].join(".")).expect("a name");
        let event = QueryEvent {
            at: 0,
            client: IpAddr::from([0_u16; 8]),
            device: DeviceId(0),
            binding: BindingId(0),
            name: longest.as_ref(),
            query_type: RecordType::A,
            outcome: Outcome::Blocked,
            would_block: false,
            reason: None,
            lists: (0..=255).map(ListId).collect(),
            alias: Some(longest.as_ref()),
            company: None,
            tracking: false,
            answered_by: AnsweredBy::Sinkhole,
            response_code: 0,
            duration: 0,
            detail: LogDetail::Full,
            edition: 0,
        };
        let mut octets = Vec::new();
        encode(&event, &mut octets);
        let spare = 2 * (255 - longest.as_ref().wire().len());
        assert!(octets.len() + spare <= MAX_EVENT);
        assert_eq!(decode(&octets).expect("an event").0.lists.iter().count(), 256);
    }
}
