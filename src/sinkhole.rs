//! The answer a blocked query gets, per query type and blocking mode.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::RecordType;
use crate::wire::{ExtendedError, Query, Reply, ResponseCode};

/// How blocked queries are answered (`filter-rules.md`, section 2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BlockingMode {
    /// `0.0.0.0` and `::`.
    #[default]
    NullAddress,
    /// The name does not exist.
    NxDomain,
    /// The name has no data.
    NoData,
    /// Refused.
    Refused,
    /// Addresses of the owner's choice; a family without one falls back to the null address.
    Addresses {
        /// For A queries.
        v4: Vec<Ipv4Addr>,
        /// For AAAA queries.
        v6: Vec<Ipv6Addr>,
    },
    /// Not at all.
    Drop,
}

/// Writes the blocked answer to `query`, with EDE when it carried EDNS. Allocates nothing.
///
/// Where there is to be none the buffer is left empty. Returns the response code sent.
pub fn answer(
    query: &Query<'_>,
    mode: &BlockingMode,
    ttl: u32,
    limit: usize,
    error: ExtendedError<'_>,
    out: &mut Vec<u8>,
) -> ResponseCode {
    let code = response_code(mode, query.query_type());
    if *mode == BlockingMode::Drop {
        out.clear();
        return code;
    }
    let mut reply = Reply::start(out, query, code);
    match (mode, query.query_type()) {
        (BlockingMode::Refused, _) if code == ResponseCode::REFUSED => {}
        (BlockingMode::NullAddress, RecordType::A) => null_v4(&mut reply, ttl),
        (BlockingMode::NullAddress, RecordType::AAAA) => null_v6(&mut reply, ttl),
        (BlockingMode::Addresses { v4, .. }, RecordType::A) => match v4.as_slice() {
            [] => null_v4(&mut reply, ttl),
            chosen => chosen.iter().for_each(|&v4| reply.address(v4.into(), ttl)),
        },
        (BlockingMode::Addresses { v6, .. }, RecordType::AAAA) => match v6.as_slice() {
            [] => null_v6(&mut reply, ttl),
            chosen => chosen.iter().for_each(|&v6| reply.address(v6.into(), ttl)),
        },
        // HTTPS and SVCB too: left unanswered, they would leak address hints.
        _ => reply.negative_soa(ttl),
    }
    reply.finish(limit, Some(error));
    code
}

/// A name's DS is its parent's word, which is not blocked: no data (`filter-rules.md`, 13, row 32).
fn response_code(mode: &BlockingMode, query_type: RecordType) -> ResponseCode {
    match mode {
        _ if query_type == RecordType::DS => ResponseCode::NOERROR,
        BlockingMode::NxDomain => ResponseCode::NXDOMAIN,
        BlockingMode::Refused => ResponseCode::REFUSED,
        _ => ResponseCode::NOERROR,
    }
}

fn null_v4(reply: &mut Reply<'_>, ttl: u32) {
    reply.address(IpAddr::V4(Ipv4Addr::UNSPECIFIED), ttl);
}

fn null_v6(reply: &mut Reply<'_>, ttl: u32) {
    reply.address(IpAddr::V6(Ipv6Addr::UNSPECIFIED), ttl);
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message, OpCode, Query as Asked, ResponseCode as Code};
    use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
    use hickory_proto::rr::{Name, RData, RecordType as Type};

    use super::*;

    const WHY: ExtendedError<'static> =
        ExtendedError { code: 15, text: &["Blocked: ", "TikTok", ", list ", "trackers"] };

    fn packet(query_type: Type, edns: bool) -> Vec<u8> {
        let name = Name::from_ascii("AnalytiCs.TikTok.com.").expect("a name");
        let mut message =
            Message::new(0x1234, hickory_proto::op::MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Asked::query(name, query_type));
        if edns {
            message.set_edns(Edns::new());
        }
        message.to_vec().expect("a message")
    }

    fn blocked(query_type: Type, edns: bool, mode: &BlockingMode, limit: usize) -> Message {
        let packet = packet(query_type, edns);
        let query = Query::parse(&packet).expect("a query");
        let mut out = Vec::new();
        answer(&query, mode, 10, limit, WHY, &mut out);
        assert!(out.len() <= limit);
        Message::from_vec(&out).expect("a well-formed reply")
    }

    fn addresses(message: &Message) -> Vec<String> {
        message.answers.iter().map(|record| record.data.to_string()).collect()
    }

    #[test]
    fn each_mode_and_type_has_its_answer() {
        let chosen = BlockingMode::Addresses {
            v4: vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()],
            v6: Vec::new(),
        };
        let null = BlockingMode::NullAddress;
        let no_error = Code::NoError;
        let table: &[(&BlockingMode, Type, Code, &[&str], usize)] = &[
            (&null, Type::A, no_error, &["0.0.0.0"], 0),
            (&null, Type::AAAA, no_error, &["::"], 0),
            (&null, Type::HTTPS, no_error, &[], 1),
            (&null, Type::SVCB, no_error, &[], 1),
            (&null, Type::ANY, no_error, &[], 1),
            (&null, Type::DS, no_error, &[], 1),
            (&null, Type::Unknown(65280), no_error, &[], 1),
            (&BlockingMode::NxDomain, Type::A, Code::NXDomain, &[], 1),
            (&BlockingMode::NxDomain, Type::HTTPS, Code::NXDomain, &[], 1),
            (&BlockingMode::NxDomain, Type::DS, no_error, &[], 1),
            (&BlockingMode::Refused, Type::DS, no_error, &[], 1),
            (&BlockingMode::NoData, Type::A, no_error, &[], 1),
            (&BlockingMode::Refused, Type::A, Code::Refused, &[], 0),
            (&chosen, Type::A, no_error, &["192.0.2.1", "192.0.2.2"], 0),
            (&chosen, Type::AAAA, no_error, &["::"], 0),
            (&chosen, Type::TXT, no_error, &[], 1),
        ];
        for (mode, query_type, code, expected, soas) in table {
            let reply = blocked(*query_type, true, mode, 1232);
            assert_eq!(reply.metadata.response_code, *code, "{mode:?} {query_type}");
            assert_eq!(addresses(&reply), *expected, "{mode:?} {query_type}");
            assert_eq!(reply.authorities.len(), *soas, "{mode:?} {query_type}");
            let records = reply.answers.iter().chain(&reply.authorities);
            assert!(records.clone().all(|record| record.ttl == 10), "{mode:?} {query_type}");
            assert!(!reply.metadata.authentic_data && reply.metadata.recursion_available);
            assert_eq!(reply.queries[0].name().to_ascii(), "AnalytiCs.TikTok.com.");
        }
    }

    #[test]
    fn a_query_that_is_dropped_leaves_nothing_to_send() {
        let packet = packet(Type::A, true);
        let query = Query::parse(&packet).expect("a query");
        let mut out = vec![1, 2, 3];
        answer(&query, &BlockingMode::Drop, 10, 1232, WHY, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn the_soa_bounds_how_long_a_negative_answer_is_kept() {
        let reply = blocked(Type::HTTPS, false, &BlockingMode::NullAddress, 512);
        let RData::SOA(soa) = &reply.authorities[0].data else {
            panic!("an SOA");
        };
        assert_eq!(soa.minimum, 10);
        assert_eq!(soa.mname.to_ascii(), "deadpixel.internal.");
    }

    #[test]
    fn who_and_which_list_are_told_only_over_edns() {
        let with = blocked(Type::A, true, &BlockingMode::NullAddress, 1232);
        let edns = with.edns.expect("EDNS");
        let told = edns.option(EdnsCode::Unknown(15)).cloned();
        let mut expected = vec![0, 15];
        expected.extend(b"Blocked: TikTok, list trackers");
        assert_eq!(told, Some(EdnsOption::Unknown(15, expected)));
        let without = blocked(Type::A, false, &BlockingMode::NullAddress, 512);
        assert!(without.edns.is_none());
    }

    #[test]
    fn what_does_not_fit_is_truncated_and_whole_over_tcp() {
        let v4 = (0..=255).map(|last| [192, 0, 2, last].into()).collect();
        let many = BlockingMode::Addresses { v4, v6: Vec::new() };
        let datagram = blocked(Type::A, true, &many, 1232);
        assert!(datagram.metadata.truncation && datagram.answers.is_empty());
        let stream = blocked(Type::A, true, &many, 65_535);
        assert!(!stream.metadata.truncation);
        assert_eq!(stream.answers.len(), 256);
    }
}
