//! Replies, written into a buffer that is used again and again.

use std::net::IpAddr;

use crate::model::{NameRef, RecordType};

use super::header::{CLASS_IN, HEADER_OCTETS, Header, ResponseCode, flags};
use super::query::Query;
use super::records::Section;

/// The UDP payload we announce and never exceed (DNS flag day 2020).
pub const OUR_PAYLOAD: u16 = 1232;
/// A pointer to the question's name.
const QUESTION_NAME: [u8; 2] = [0xc0, HEADER_OCTETS as u8];
/// `deadpixel.internal`, primary server and mailbox of negative answers.
const OUR_NAME: &[u8] = b"\x09deadpixel\x08internal\x00";
/// Octets of an OPT record without options.
const BARE_OPT: usize = 11;
/// The option of extended errors, and its octets in front of the text.
const EXTENDED_ERROR: u16 = 15;
const OPTION_HEAD: usize = 6;

/// An extended error (RFC 8914): its code, and its text in pieces.
#[derive(Clone, Copy, Debug)]
pub struct ExtendedError<'t> {
    /// The registered code: 15 blocked, 22 no reachable authority, 23 network error.
    pub code: u16,
    /// The text, whose pieces are written one behind the other.
    pub text: &'t [&'t str],
}

/// A reply being written: records first, then `finish`.
pub struct Reply<'o> {
    out: &'o mut Vec<u8>,
    dnssec_ok: Option<bool>,
    code: ResponseCode,
    question_end: usize,
}

impl<'o> Reply<'o> {
    /// Starts a reply to `query` in `out`, which is cleared; the question is echoed in its letters.
    pub fn start(out: &'o mut Vec<u8>, query: &Query<'_>, code: ResponseCode) -> Reply<'o> {
        let kept = flags::RECURSION_DESIRED | flags::CHECKING_DISABLED;
        let word = flags::RESPONSE
            | flags::RECURSION_AVAILABLE
            | query.header().flags & kept
            | code.0 & 0x000f;
        let ([id, low_id], [upper, lower]) = (query.header().id.to_be_bytes(), word.to_be_bytes());
        out.clear();
        out.extend_from_slice(&[id, low_id, upper, lower, 0, 1, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(query.question_octets());
        let question_end = out.len();
        let dnssec_ok = query.edns().map(|edns| edns.dnssec_ok);
        Reply { out, dnssec_ok, code, question_end }
    }

    /// Sets further header flags.
    pub fn flag(&mut self, flag: u16) {
        set_flag(self.out, flag);
    }

    /// Adds an address of the name asked for to the answer.
    pub fn address(&mut self, address: IpAddr, ttl: u32) {
        match address {
            IpAddr::V4(v4) => self.answer(RecordType::A, ttl, &[&v4.octets()]),
            IpAddr::V6(v6) => self.answer(RecordType::AAAA, ttl, &[&v6.octets()]),
        }
    }

    /// Adds a record of the name asked for to the answer; its data is given in pieces.
    pub fn answer(&mut self, record_type: RecordType, ttl: u32, data: &[&[u8]]) {
        self.record(record_type, ttl, data);
        increment(self.out, 6);
    }

    /// Adds a record of whatever name; the sections must be filled in their order.
    ///
    /// Data that is longer than a record can hold is left out.
    pub fn append(
        &mut self,
        section: Section,
        owner: NameRef<'_>,
        (record_type, ttl): (RecordType, u32),
        data: &[u8],
    ) {
        let Ok(length) = u16::try_from(data.len()) else { return };
        self.out.extend_from_slice(owner.wire());
        self.out.extend_from_slice(&behind_owner(record_type, ttl, length));
        self.out.extend_from_slice(data);
        let count = match section {
            Section::Answer => 6,
            Section::Authority => 8,
            Section::Additional => 10,
        };
        increment(self.out, count);
    }

    /// Adds the SOA by which clients keep a negative answer for `ttl` seconds (RFC 2308).
    pub fn negative_soa(&mut self, ttl: u32) {
        let mut numbers = [0; 20];
        for (slot, number) in numbers.chunks_exact_mut(4).zip([1, 1800, 900, 604_800, ttl]) {
            slot.copy_from_slice(&number.to_be_bytes());
        }
        self.record(RecordType::SOA, ttl, &[OUR_NAME, OUR_NAME, &numbers]);
        increment(self.out, 8);
    }

    /// Ends the reply without any record and marked truncated: the client is to ask over TCP.
    pub fn finish_truncated(self) {
        truncate(self.out, self.question_end);
        self.finish(usize::from(OUR_PAYLOAD), None);
    }

    /// Ends the reply: OPT if the query had one, cut to `limit` octets with TC if it does not fit.
    pub fn finish(mut self, limit: usize, error: Option<ExtendedError<'_>>) {
        let room = if self.dnssec_ok.is_some() { BARE_OPT } else { 0 };
        if self.out.len() + room > limit {
            truncate(self.out, self.question_end);
        }
        let free = limit.saturating_sub(self.out.len() + room);
        let option = error.map(|error| (error, OPTION_HEAD + text_octets(error)));
        self.opt(option.filter(|(_, octets)| *octets <= free));
    }

    /// Ends a reply whose records were copied in behind the question by [`super::StoredAnswer`].
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    fn record(&mut self, record_type: RecordType, ttl: u32, data: &[&[u8]]) {
        let length: usize = data.iter().map(|piece| piece.len()).sum();
        let length = u16::try_from(length).expect("our own records are short");
        self.out.extend_from_slice(&QUESTION_NAME);
        self.out.extend_from_slice(&behind_owner(record_type, ttl, length));
        data.iter().for_each(|piece| self.out.extend_from_slice(piece));
    }

    /// Writes OPT with an error and the octets of its option.
    fn opt(&mut self, option: Option<(ExtendedError<'_>, usize)>) {
        let Some(dnssec_ok) = self.dnssec_ok else { return };
        let length = option.map_or(0, |(_, octets)| octets as u16);
        let ([kind, low_kind], [payload, low_payload]) =
            (RecordType::OPT.0.to_be_bytes(), OUR_PAYLOAD.to_be_bytes());
        let ([upper, lower], code) = (length.to_be_bytes(), (self.code.0 >> 4) as u8);
        let wants = u8::from(dnssec_ok) << 7;
        let opt: [u8; BARE_OPT] =
            [0, kind, low_kind, payload, low_payload, code, 0, wants, 0, upper, lower];
        self.out.extend_from_slice(&opt);
        if let Some((error, octets)) = option {
            let words = [EXTENDED_ERROR, (octets - 4) as u16, error.code].map(u16::to_be_bytes);
            self.out.extend_from_slice(words.as_flattened());
            error.text.iter().for_each(|piece| self.out.extend_from_slice(piece.as_bytes()));
        }
        increment(self.out, 10);
    }
}

fn text_octets(error: ExtendedError<'_>) -> usize {
    error.text.iter().map(|piece| piece.len()).sum()
}

/// Returns what stands between a record's owner and its data: type, class IN, TTL and length.
fn behind_owner(record_type: RecordType, ttl: u32, length: u16) -> [u8; 10] {
    let ([kind, low_kind], [class, low_class]) =
        (record_type.0.to_be_bytes(), CLASS_IN.to_be_bytes());
    let ([a, b, c, d], [upper, lower]) = (ttl.to_be_bytes(), length.to_be_bytes());
    [kind, low_kind, class, low_class, a, b, c, d, upper, lower]
}

/// Writes an error to a packet whose question cannot be echoed: the header alone.
///
/// `packet` must hold a header.
pub fn bare_error(packet: &[u8], code: ResponseCode, out: &mut Vec<u8>) {
    out.clear();
    let Some(header) = Header::read(packet) else {
        return;
    };
    let kept = flags::OPCODE | flags::RECURSION_DESIRED;
    let word = flags::RESPONSE | header.flags & kept | code.0 & 0x000f;
    out.extend(header.id.to_be_bytes());
    out.extend(word.to_be_bytes());
    out.extend([0; 8]);
}

/// Cuts a reply behind its question and marks it truncated.
pub(super) fn truncate(out: &mut Vec<u8>, question_end: usize) {
    out.truncate(question_end);
    out[6..HEADER_OCTETS].fill(0);
    set_flag(out, flags::TRUNCATED);
}

pub(super) fn set_flag(out: &mut [u8], flag: u16) {
    for (octet, bits) in out[2..4].iter_mut().zip(flag.to_be_bytes()) {
        *octet |= bits;
    }
}

/// Adds one to the count at `at`.
fn increment(out: &mut [u8], at: usize) {
    let count = u16::from_be_bytes([out[at], out[at + 1]]).saturating_add(1);
    out[at..at + 2].copy_from_slice(&count.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;
    use crate::wire::Message;

    const PLAIN: &[u8] = b"\xab\xcd\x01\x10\0\x01\0\0\0\0\0\0\x03wWw\x02eX\0\0\x01\0\x01";
    const WITH_EDNS: &[u8] = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\x01\x03wWw\x02eX\0\0\x01\0\x01\
        \0\0\x29\x10\0\0\0\x80\0\0\0";
    const QUESTION_END: usize = 24;

    fn query(packet: &[u8]) -> Query<'_> {
        Query::parse(packet).expect("a query")
    }

    #[test]
    fn a_reply_echoes_question_and_flags_and_counts_its_records() {
        let mut out = vec![0xee; 700];
        let mut reply = Reply::start(&mut out, &query(PLAIN), ResponseCode::NOERROR);
        reply.flag(flags::AUTHORITATIVE);
        reply.address("192.0.2.1".parse().expect("an address"), 10);
        reply.address("2001:db8::1".parse().expect("an address"), 10);
        reply.negative_soa(30);
        reply.finish(512, None);
        assert_eq!(out[..12], *b"\xab\xcd\x85\x90\0\x01\0\x02\0\x01\0\0");
        assert_eq!(out[12..QUESTION_END], PLAIN[12..]);
        let message = Message::parse(&out).expect("a message");
        let found: Vec<_> = message.records().flat_map(|record| record.addresses()).collect();
        assert_eq!(found.len(), 2);
        let soa = message.records().last().expect("an SOA");
        assert_eq!((soa.negative_ttl(), soa.end), (Some(30), out.len()));
    }

    #[test]
    fn upper_bits_of_the_code_and_the_error_stand_in_the_opt_record() {
        let mut out = Vec::new();
        let reply = Reply::start(&mut out, &query(WITH_EDNS), ResponseCode::BADVERS);
        reply.finish(512, Some(ExtendedError { code: 15, text: &["TikTok: ", "trackers"] }));
        assert_eq!(out[3] & 0x0f, 0);
        let opt = b"\0\0\x29\x04\xd0\x01\0\x80\0\0\x16\0\x0f\0\x12\0\x0fTikTok: trackers";
        assert_eq!(out[QUESTION_END..], *opt);
        assert_eq!(out[10..12], [0, 1]);
    }

    #[test]
    fn an_error_text_that_does_not_fit_is_left_out() {
        let mut out = Vec::new();
        let text = "x".repeat(480);
        let reply = Reply::start(&mut out, &query(WITH_EDNS), ResponseCode::NOERROR);
        reply.finish(512, Some(ExtendedError { code: 15, text: &[&text] }));
        assert_eq!((out.len(), out[2] & 0x02), (QUESTION_END + BARE_OPT, 0));
    }

    #[test]
    fn records_that_do_not_fit_are_cut_and_opt_stays() {
        let mut out = Vec::new();
        let mut reply = Reply::start(&mut out, &query(WITH_EDNS), ResponseCode::NOERROR);
        (0..40).for_each(|last| reply.address([192, 0, 2, last].into(), 10));
        reply.finish(512, None);
        assert_eq!(out[2] & 0x02, 0x02);
        assert_eq!(out[4..12], [0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(out.len(), QUESTION_END + BARE_OPT);
    }

    #[test]
    fn a_truncated_reply_has_question_and_opt_and_no_record() {
        let mut out = Vec::new();
        let reply = Reply::start(&mut out, &query(WITH_EDNS), ResponseCode::NOERROR);
        reply.finish_truncated();
        assert_eq!((out[2] & 0x02, out.len()), (0x02, QUESTION_END + BARE_OPT));
        assert_eq!(out[4..12], [0, 1, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn records_of_other_names_are_counted_in_their_sections() {
        let name = DomainName::parse("target.example").expect("a name");
        let mut out = Vec::new();
        let mut reply = Reply::start(&mut out, &query(PLAIN), ResponseCode::NOERROR);
        reply.append(Section::Answer, name.as_ref(), (RecordType::A, 60), &[192, 0, 2, 1]);
        reply.append(Section::Authority, name.as_ref(), (RecordType::NS, 60), b"\x01x\0");
        reply.append(Section::Answer, name.as_ref(), (RecordType::TXT, 60), &[0; 65_536]);
        reply.finish(512, None);
        assert_eq!(out[4..12], [0, 1, 0, 1, 0, 1, 0, 0]);
        let message = Message::parse(&out).expect("a message");
        assert!(message.records().all(|record| record.owner().as_ref() == Some(&name)));
    }

    #[test]
    fn a_bare_error_is_a_header_without_counts() {
        let mut out = vec![1];
        bare_error(b"\xab\xcd\x11\x10\0\x07\0\x01\0\0\0\0garbage", ResponseCode::NOTIMP, &mut out);
        assert_eq!(out, b"\xab\xcd\x91\x04\0\0\0\0\0\0\0\0");
        bare_error(b"short", ResponseCode::FORMERR, &mut out);
        assert!(out.is_empty());
    }
}
