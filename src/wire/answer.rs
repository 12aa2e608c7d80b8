//! An upstream's answer, checked and cleaned once, then given to many clients.

use crate::model::{DomainName, RecordType};

use super::header::{CLASS_IN, ResponseCode, flags};
use super::query::Query;
use super::records::{BadMessage, Message, RecordView, Section, clamp_ttl};
use super::reply::{ExtendedError, Reply, set_flag, truncate};

/// Most aliases followed in one answer.
const MAX_ALIASES: usize = 16;
/// Longest text of an extended error that is passed on, in octets.
const MAX_ERROR_TEXT: usize = 128;
/// Most extended errors kept of one answer.
const MAX_ERRORS: usize = 4;
/// Seconds for which clients may keep what has expired (RFC 8767, section 5).
pub const STALE_TTL: u32 = 30;
/// Extended errors of stale answers (RFC 8914, sections 4.4 and 4.20).
const STALE_ANSWER: u16 = 3;
const STALE_NXDOMAIN: u16 = 19;

/// Extended errors: codes and texts.
type Errors = Box<[(u16, Box<str>)]>;

/// What was asked: the key of caches and of questions in flight. Class is always IN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name asked for.
    pub name: DomainName,
    /// The type asked for.
    pub query_type: RecordType,
    /// Whether signatures are wanted.
    pub dnssec_ok: bool,
    /// Whether the client validates by itself.
    pub checking_disabled: bool,
}

/// Why octets are not the answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It does not parse.
    #[error("the reply does not parse")]
    Malformed,
    /// It answers another question, or is no response.
    #[error("the reply answers another question")]
    OtherQuestion,
    /// It was cut; ask again over TCP.
    #[error("the reply is truncated")]
    Truncated,
}

impl From<BadMessage> for AnswerError {
    fn from(_: BadMessage) -> AnswerError {
        AnswerError::Malformed
    }
}

/// An answer without its OPT record and without records that do not belong to the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    octets: Box<[u8]>,
    ttl_places: Box<[u16]>,
    question_end: u16,
    code: ResponseCode,
    errors: Errors,
    ttl: Option<u32>,
    negative: bool,
}

impl StoredAnswer {
    /// Checks that `octets` answer `question` and cleans them.
    ///
    /// Only records on the chain of aliases from the question stay among the answers; from the
    /// first that is not on it the rest is cut, since later names may point into it.
    pub fn take(octets: &[u8], question: &Question) -> Result<StoredAnswer, AnswerError> {
        // Places are kept in 16 bits; no transport but HTTPS could carry more.
        if octets.len() > usize::from(u16::MAX) {
            return Err(AnswerError::Malformed);
        }
        let message = Message::parse(octets)?;
        let asked = message.name == question.name
            && message.query_type == question.query_type
            && message.class == CLASS_IN;
        if !asked
            || !message.header.has(flags::RESPONSE)
            || message.header.flags & flags::OPCODE != 0
        {
            return Err(AnswerError::OtherQuestion);
        }
        if message.header.has(flags::TRUNCATED) {
            return Err(AnswerError::Truncated);
        }
        let stored = Cleaner::new(&message).clean();
        // Usual names end in the question's, which nothing changes.
        let plain = message.records().all(|record| record.has_plain_names());
        debug_assert!(!plain || stored.names_are_fixed(), "{octets:?}");
        if plain || stored.names_are_fixed() { Ok(stored) } else { Err(AnswerError::Malformed) }
    }

    /// Returns whether owners and targets read the same whatever becomes of the TTLs.
    ///
    /// A pointer may lead into octets that `write` changes: what was inspected is then not what
    /// is sent.
    fn names_are_fixed(&self) -> bool {
        let mut other = self.octets.clone();
        for &place in &self.ttl_places {
            let place = usize::from(place);
            other[place..place + 4].iter_mut().for_each(|octet| *octet = !*octet);
        }
        let (Ok(ours), Ok(theirs)) = (Message::parse(&self.octets), Message::parse(&other)) else {
            return false;
        };
        ours.records()
            .zip(theirs.records())
            .all(|(a, b)| a.owner() == b.owner() && a.target() == b.target())
    }

    /// Returns the response code, upper bits included.
    pub fn response_code(&self) -> ResponseCode {
        self.code
    }

    /// Returns for how many seconds it may be kept; `None` if nothing in it says so.
    pub fn ttl(&self) -> Option<u32> {
        self.ttl
    }

    /// Returns whether it says that there is no such name or no such data.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Returns whether it says neither what there is nor that there is nothing.
    pub fn is_failure(&self) -> bool {
        self.code != ResponseCode::NOERROR && self.code != ResponseCode::NXDOMAIN
    }

    /// Brings every TTL within bounds, that for which it may be kept too; failures have none.
    pub fn bound_ttls(&mut self, least: u32, most: u32) {
        if self.is_failure() {
            return;
        }
        let bounded = |ttl: u32| ttl.max(least).min(most);
        for &place in &self.ttl_places {
            let place = usize::from(place);
            if let Some(octets) = self.octets.get_mut(place..place + 4) {
                let ttl = octets.iter().fold(0, |ttl, &octet| ttl << 8 | u32::from(octet));
                octets.copy_from_slice(&bounded(clamp_ttl(ttl)).to_be_bytes());
            }
        }
        self.ttl = self.ttl.map(bounded);
    }

    /// Returns the octets, for readers of its records.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Returns octets held, for bounds in bytes.
    pub fn size(&self) -> usize {
        let texts: usize = self.errors.iter().map(|(_, text)| text.len() + 24).sum();
        size_of::<Self>() + self.octets.len() + 2 * self.ttl_places.len() + texts
    }

    /// Returns the codes of the extended errors that came with it.
    pub fn extended_errors(&self) -> impl Iterator<Item = u16> + '_ {
        self.errors.iter().map(|(code, _)| *code)
    }

    /// Writes it as the reply to `query`, `age` seconds older, within `limit` octets.
    pub fn write(&self, query: &Query<'_>, age: u32, limit: usize, out: &mut Vec<u8>) {
        let error = self.errors.first().map(|(code, text)| (*code, &**text));
        self.put(query, limit, error, out, |ttl| ttl.saturating_sub(age));
    }

    /// Writes it as the reply to `query` although it has expired; says so to who can read it.
    pub fn write_stale(&self, query: &Query<'_>, limit: usize, out: &mut Vec<u8>) {
        let nothing = self.code == ResponseCode::NXDOMAIN;
        let error = (if nothing { STALE_NXDOMAIN } else { STALE_ANSWER }, "");
        self.put(query, limit, Some(error), out, |_| STALE_TTL);
    }

    fn put(
        &self,
        query: &Query<'_>,
        limit: usize,
        error: Option<(u16, &str)>,
        out: &mut Vec<u8>,
        left: impl Fn(u32) -> u32,
    ) {
        let mut reply = Reply::start(out, query, self.code);
        let buffer = reply.buffer();
        let question_end = buffer.len();
        let header = [self.octets[2], self.octets[3]];
        // The data was validated for us; who did not ask for that is not told (RFC 6840, 5.8).
        let told = query.dnssec_ok() || query.header().has(flags::AUTHENTIC_DATA);
        let passed = u16::from_be_bytes(header) & if told { flags::AUTHENTIC_DATA } else { 0 };
        let counts = 6..12;
        buffer[counts.clone()].copy_from_slice(&self.octets[counts]);
        buffer.extend_from_slice(&self.octets[usize::from(self.question_end)..]);
        for &place in &self.ttl_places {
            let octets = &mut buffer[usize::from(place)..usize::from(place) + 4];
            let octets = octets.first_chunk_mut().expect("four octets are a TTL");
            *octets = left(clamp_ttl(u32::from_be_bytes(*octets))).to_be_bytes();
        }
        let opt = if query.edns().is_some() { 11 } else { 0 };
        if buffer.len() + opt > limit {
            truncate(buffer, question_end);
        } else {
            set_flag(buffer, passed);
        }
        match error {
            Some((code, text)) => {
                let text: &[&str] = &[text];
                reply.finish(limit, Some(ExtendedError { code, text }));
            }
            None => reply.finish(limit, None),
        }
    }
}

struct Cleaner<'m, 'p> {
    message: &'m Message<'p>,
    records: Vec<RecordView<'p>>,
    chain: Vec<DomainName>,
}

impl<'m, 'p> Cleaner<'m, 'p> {
    fn new(message: &'m Message<'p>) -> Self {
        let records: Vec<RecordView<'p>> = message.records().collect();
        let chain = alias_chain(message, &records);
        Cleaner { message, records, chain }
    }

    fn clean(self) -> StoredAnswer {
        let kept = self.kept();
        let end = kept.last().map_or(self.message.question_end(), |record| record.end);
        let mut octets: Box<[u8]> = self.message.packet()[..end].into();
        for (index, section) in
            [Section::Answer, Section::Authority, Section::Additional].iter().enumerate()
        {
            let count = kept.iter().filter(|record| record.section == *section).count() as u16;
            octets[6 + 2 * index..8 + 2 * index].copy_from_slice(&count.to_be_bytes());
        }
        let ttl_places = kept.iter().filter_map(|record| u16::try_from(record.data_start - 6).ok());
        let (code, errors) = self.extended();
        let found = self.found(kept);
        let negative = code == ResponseCode::NXDOMAIN || code == ResponseCode::NOERROR && !found;
        if negative {
            shorten_soa(kept, &mut octets);
        }
        StoredAnswer {
            ttl_places: ttl_places.collect(),
            question_end: self.message.question_end() as u16,
            ttl: self.lifetime(kept, code, found),
            negative,
            octets,
            code,
            errors,
        }
    }

    /// Returns the records in front of the first that is not to be kept.
    fn kept(&self) -> &[RecordView<'p>] {
        let foreign = |record: &RecordView<'_>| match record.section {
            _ if record.record_type == RecordType::OPT => true,
            Section::Answer => record.class != CLASS_IN || !self.on_chain(record),
            _ => record.owner().is_none(),
        };
        let end = self.records.iter().position(foreign).unwrap_or(self.records.len());
        &self.records[..end]
    }

    fn on_chain(&self, record: &RecordView<'_>) -> bool {
        let Some(owner) = record.owner() else {
            return false;
        };
        let above = record.record_type == RecordType::DNAME
            || record.record_type == RecordType::RRSIG && record.data().starts_with(&[0, 39]);
        self.chain
            .iter()
            .any(|name| *name == owner || above && name.as_ref().is_subdomain_of(owner.as_ref()))
    }

    /// Returns whether the kept answers hold what was asked for.
    fn found(&self, kept: &[RecordView<'_>]) -> bool {
        let wanted = self.message.query_type;
        kept.iter().any(|record| {
            record.section == Section::Answer
                && (record.record_type == wanted || wanted == RecordType::ANY)
        })
    }

    fn lifetime(&self, kept: &[RecordView<'_>], code: ResponseCode, found: bool) -> Option<u32> {
        let answers = kept.iter().filter(|record| record.section == Section::Answer);
        let positive = answers.map(|record| clamp_ttl(record.ttl)).min();
        if code == ResponseCode::NOERROR && found {
            return positive;
        }
        if code != ResponseCode::NOERROR && code != ResponseCode::NXDOMAIN {
            return None;
        }
        let last = self.chain.last().unwrap_or(&self.message.name);
        let negative = kept.iter().find_map(|record| {
            let owner = record.owner()?;
            let covers = last.as_ref().is_subdomain_of(owner.as_ref());
            record.negative_ttl().filter(|_| covers && record.section == Section::Authority)
        });
        // Without an SOA nothing says how long a negative answer holds (RFC 2308, section 5).
        negative.map(|ttl| ttl.min(positive.unwrap_or(u32::MAX)))
    }

    fn extended(&self) -> (ResponseCode, Errors) {
        let code = self.message.header.response_code();
        let Some(opt) = self.records.iter().find(|record| record.record_type == RecordType::OPT)
        else {
            return (code, Box::default());
        };
        let upper = (opt.ttl >> 24) as u16;
        (ResponseCode(upper << 4 | code.0), read_errors(opt.data()))
    }
}

/// Gives the SOA of a negative answer the TTL for which that answer holds (RFC 2308, section 5).
///
/// It is that which counts down: a minimum beside a longer TTL would begin anew at each client.
fn shorten_soa(kept: &[RecordView<'_>], octets: &mut [u8]) {
    for record in kept.iter().filter(|record| record.section == Section::Authority) {
        let place = record.data_start - 6..record.data_start - 2;
        if let (Some(ttl), Some(place)) = (record.negative_ttl(), octets.get_mut(place)) {
            place.copy_from_slice(&ttl.to_be_bytes());
        }
    }
}

/// Returns the name asked for and every name its aliases lead to, whatever their order.
fn alias_chain(message: &Message<'_>, records: &[RecordView<'_>]) -> Vec<DomainName> {
    let mut chain = vec![message.name.clone()];
    if message.query_type == RecordType::CNAME || message.query_type == RecordType::ANY {
        return chain;
    }
    let aliases: Vec<(DomainName, DomainName)> = records
        .iter()
        .filter(|record| {
            record.section == Section::Answer
                && record.record_type == RecordType::CNAME
                && record.class == CLASS_IN
        })
        .filter_map(|record| Some((record.owner()?, record.target()?)))
        .collect();
    while chain.len() <= MAX_ALIASES {
        let last = &chain[chain.len() - 1];
        match aliases.iter().find(|(owner, target)| owner == last && !chain.contains(target)) {
            Some((_, target)) => chain.push(target.clone()),
            None => break,
        }
    }
    chain
}

fn read_errors(mut options: &[u8]) -> Errors {
    let mut errors = Vec::new();
    while let [a, b, c, d, rest @ ..] = options {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let Some((value, tail)) = rest.split_at_checked(length) else {
            break;
        };
        if let ([0, 15], [high, low, text @ ..], true) =
            ([*a, *b], value, errors.len() < MAX_ERRORS)
        {
            let text = String::from_utf8_lossy(&text[..text.len().min(MAX_ERROR_TEXT)]);
            errors.push((u16::from_be_bytes([*high, *low]), text.into()));
        }
        options = tail;
    }
    errors.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOERROR: u16 = 0x8180;
    const NXDOMAIN: u16 = 0x8183;
    const WWW: &[u8] = b"\xc0\x0c";
    const A: u16 = 1;
    const CNAME: u16 = 5;
    const SOA: u16 = 6;

    /// A record in wire form.
    fn record(owner: &[u8], record_type: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
        let mut octets = owner.to_vec();
        octets.extend(record_type.to_be_bytes());
        octets.extend([0, 1]);
        octets.extend(ttl.to_be_bytes());
        octets.extend((data.len() as u16).to_be_bytes());
        octets.extend(data);
        octets
    }

    /// A reply to `www.ex A` with records for its three sections.
    fn reply(flags: u16, sections: [&[Vec<u8>]; 3]) -> Vec<u8> {
        let mut packet = vec![0, 0];
        packet.extend(flags.to_be_bytes());
        packet.extend([0, 1]);
        sections.iter().for_each(|part| packet.extend((part.len() as u16).to_be_bytes()));
        packet.extend(b"\x03www\x02ex\0\0\x01\0\x01");
        sections.iter().for_each(|part| part.iter().for_each(|one| packet.extend(one)));
        packet
    }

    fn question() -> Question {
        Question {
            name: DomainName::parse("www.ex").expect("a name"),
            query_type: RecordType::A,
            dnssec_ok: false,
            checking_disabled: false,
        }
    }

    fn take(flags: u16, sections: [&[Vec<u8>]; 3]) -> StoredAnswer {
        StoredAnswer::take(&reply(flags, sections), &question()).expect("an answer")
    }

    fn owners(stored: &StoredAnswer) -> Vec<String> {
        let message = Message::parse(stored.octets()).expect("what was cleaned parses");
        let owner = |record: RecordView<'_>| record.owner().map(|name| name.to_string());
        message.records().filter_map(owner).collect()
    }

    fn address(owner: &[u8], ttl: u32) -> Vec<u8> {
        record(owner, A, ttl, &[192, 0, 2, 1])
    }

    fn soa(owner: &[u8], ttl: u32, minimum: u32) -> Vec<u8> {
        record(owner, SOA, ttl, &[&[0; 18][..], &minimum.to_be_bytes()].concat())
    }

    fn opt(upper: u32, options: &[u8]) -> Vec<u8> {
        record(b"\0", 41, upper << 24, options)
    }

    /// A query for `wWw.eX A`, with flags and an OPT record if `edns` gives its payload size.
    fn query(flags: u16, edns: Option<(u16, bool)>) -> Vec<u8> {
        let mut packet = b"\xab\xcd".to_vec();
        packet.extend(flags.to_be_bytes());
        packet.extend([0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())]);
        packet.extend(b"\x03wWw\x02eX\0\0\x01\0\x01");
        if let Some((payload, dnssec_ok)) = edns {
            packet.extend(b"\0\0\x29");
            packet.extend(payload.to_be_bytes());
            packet.extend([0, 0, u8::from(dnssec_ok) << 7, 0, 0, 0]);
        }
        packet
    }

    fn write(stored: &StoredAnswer, query: &[u8], age: u32, limit: usize) -> Vec<u8> {
        let mut out = vec![0xff; 3];
        let query = Query::parse(query).expect("a query");
        stored.write(&query, age, limit, &mut out);
        out
    }

    #[test]
    fn what_answers_another_question_is_refused() {
        let good = reply(NOERROR, [&[address(WWW, 60)], &[], &[]]);
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut packet = good.clone();
            change(&mut packet);
            StoredAnswer::take(&packet, &question()).err()
        };
        assert_eq!(refused(&|_| ()), None);
        assert_eq!(refused(&|packet| packet[13] = b'x'), Some(AnswerError::OtherQuestion));
        assert_eq!(refused(&|packet| packet[21] = 28), Some(AnswerError::OtherQuestion));
        assert_eq!(refused(&|packet| packet[23] = 3), Some(AnswerError::OtherQuestion));
        assert_eq!(refused(&|packet| packet[2] = 0x01), Some(AnswerError::OtherQuestion));
        assert_eq!(refused(&|packet| packet[2] = 0x91), Some(AnswerError::OtherQuestion));
        assert_eq!(refused(&|packet| packet[2] = 0x83), Some(AnswerError::Truncated));
        assert_eq!(refused(&|packet| packet.truncate(30)), Some(AnswerError::Malformed));
        assert_eq!(refused(&|packet| packet.resize(65_536, 0)), Some(AnswerError::Malformed));
    }

    #[test]
    fn aliases_are_followed_in_any_order_and_strangers_cut() {
        let stored = take(
            NOERROR,
            [
                &[
                    record(b"\x01b\x02ex\0", CNAME, 30, b"\x01c\x02ex\0"),
                    record(WWW, CNAME, 20, b"\x01b\x02ex\0"),
                    address(b"\x01c\x02ex\0", 40),
                    address(b"\x05evil1\x02ex\0", 1),
                    address(b"\x01c\x02ex\0", 2),
                ],
                &[],
                &[address(b"\x05evil2\x02ex\0", 1)],
            ],
        );
        assert_eq!(owners(&stored), ["b.ex", "www.ex", "c.ex"]);
        assert_eq!((stored.ttl(), stored.is_negative()), (Some(20), false));
    }

    #[test]
    fn a_dname_above_the_name_stays_and_one_beside_it_goes() {
        let alias = || record(WWW, CNAME, 20, b"\x01b\x02ex\0");
        let above = take(NOERROR, [&[record(b"\x02ex\0", 39, 60, b"\x01y\0"), alias()], &[], &[]]);
        assert_eq!(owners(&above), ["ex", "www.ex"]);
        let beside = take(NOERROR, [&[record(b"\x02ey\0", 39, 60, b"\x01y\0"), alias()], &[], &[]]);
        assert!(owners(&beside).is_empty());
    }

    #[test]
    fn a_loop_of_aliases_ends_and_a_foreign_class_is_cut() {
        let looped = take(NOERROR, [&[record(WWW, CNAME, 20, WWW)], &[], &[]]);
        assert_eq!((owners(&looped).len(), looped.ttl()), (1, None));
        let mut chaos = address(WWW, 60);
        chaos[5] = 3;
        assert!(owners(&take(NOERROR, [&[chaos], &[], &[]])).is_empty());
    }

    #[test]
    fn negative_answers_live_by_their_soa() {
        let ttl = |flags, soa: Vec<u8>| take(flags, [&[], &[soa], &[]]).ttl();
        assert_eq!(ttl(NXDOMAIN, soa(b"\x02ex\0", 300, 60)), Some(60));
        assert_eq!(ttl(NOERROR, soa(b"\x02ex\0", 30, 60)), Some(30));
        assert_eq!(ttl(NXDOMAIN, soa(b"\x02ey\0", 300, 60)), None, "not an ancestor");
        assert_eq!(ttl(0x8182, soa(b"\x02ex\0", 300, 60)), None, "SERVFAIL");
        assert_eq!(take(NXDOMAIN, [&[], &[], &[]]).ttl(), None);
        assert!(take(NXDOMAIN, [&[], &[], &[]]).is_negative());
    }

    #[test]
    fn the_soa_of_a_negative_answer_is_sent_with_the_time_that_is_left() {
        let sent = |answers: &[Vec<u8>], age| {
            let stored = take(NOERROR, [answers, &[soa(b"\x02ex\0", 300, 60)], &[]]);
            let out = write(&stored, &query(0, None), age, 512);
            let message = Message::parse(&out).expect("a reply");
            message.records().last().map(|record| (record.record_type.0, record.ttl))
        };
        assert_eq!(sent(&[], 0), Some((SOA, 60)), "not 300: the minimum counts");
        assert_eq!(sent(&[], 45), Some((SOA, 15)));
        assert_eq!(
            sent(&[address(WWW, 30)], 0),
            Some((SOA, 300)),
            "beside an answer it is as given"
        );
    }

    #[test]
    fn an_alias_without_data_lives_no_longer_than_itself() {
        let alias = record(WWW, CNAME, 20, b"\x01b\x02ex\0");
        let aliases = [alias];
        let stored = take(NOERROR, [&aliases, &[soa(b"\x02ex\0", 300, 60)], &[]]);
        assert_eq!((stored.ttl(), stored.is_negative()), (Some(20), true));
        assert_eq!(take(NOERROR, [&aliases, &[], &[]]).ttl(), None, "no SOA, no time");
    }

    #[test]
    fn code_and_errors_of_the_opt_record_are_kept_but_not_the_record() {
        let options = b"\0\x0f\0\x05\0\x06abc\0\x03\0\x01x\0\x0f\0\x02\0\x16";
        let stored = take(0x8182, [&[], &[], &[opt(1, options)]]);
        assert_eq!(stored.response_code(), ResponseCode(0x12));
        assert_eq!(stored.extended_errors().collect::<Vec<_>>(), [6, 22]);
        assert!(owners(&stored).is_empty());
        let many = b"\0\x0f\0\x02\0\x01".repeat(50);
        assert_eq!(take(0x8182, [&[], &[], &[opt(0, &many)]]).extended_errors().count(), 4);
    }

    #[test]
    fn it_is_written_in_the_letters_of_the_query_and_grows_older() {
        let stored = take(NOERROR, [&[address(WWW, 300)], &[soa(b"\x02ex\0", 50, 60)], &[]]);
        let query = query(0x0100, None);
        let out = write(&stored, &query, 100, 512);
        assert_eq!(out[..12], *b"\xab\xcd\x81\x80\0\x01\0\x01\0\x01\0\0");
        assert_eq!(out[12..24], query[12..24]);
        let message = Message::parse(&out).expect("a message");
        let ttls: Vec<u32> = message.records().map(|record| record.ttl).collect();
        assert_eq!(ttls, [200, 0]);
    }

    #[test]
    fn what_has_expired_goes_out_for_half_a_minute_and_says_so_to_who_can_read_it() {
        let records = [address(WWW, 300), address(WWW, 0)];
        let positive = take(NOERROR, [&records, &[soa(b"\x02ex\0", 5, 60)], &[]]);
        let negative = take(NXDOMAIN, [&[], &[soa(b"\x02ex\0", 50, 60)], &[]]);
        for (stored, told) in [(positive, 3), (negative, 19)] {
            for edns in [None, Some((1232, false))] {
                let (query, mut out) = (query(0, edns), Vec::new());
                stored.write_stale(&Query::parse(&query).expect("a query"), 512, &mut out);
                let message = Message::parse(&out).expect("a message");
                assert_eq!(message.header.response_code(), stored.response_code());
                let plain =
                    message.records().filter(|record| record.record_type != RecordType::OPT);
                assert!(plain.map(|record| record.ttl).all(|ttl| ttl == STALE_TTL));
                let error = [0, 15, 0, 2, 0, told];
                assert_eq!(out.ends_with(&error), edns.is_some());
            }
        }
    }

    #[test]
    fn ttls_are_bounded_where_it_is_kept_and_where_it_is_sent() {
        let bounded = |flags, sections| {
            let mut stored = take(flags, sections);
            stored.bound_ttls(60, 3_600);
            let out = write(&stored, &query(0, None), 10, 512);
            let message = Message::parse(&out).expect("a message");
            let sent: Vec<u32> = message.records().map(|record| record.ttl).collect();
            (stored.ttl(), sent)
        };
        let records = [address(WWW, 5), address(WWW, 100), address(WWW, 86_400)];
        assert_eq!(bounded(NOERROR, [&records, &[], &[]]), (Some(60), vec![50, 90, 3_590]));
        let soa = [soa(b"\x02ex\0", 5, 60)];
        assert_eq!(bounded(NXDOMAIN, [&[], &soa, &[]]), (Some(60), vec![50]));
        assert_eq!(bounded(NXDOMAIN, [&[], &[], &[]]), (None, vec![]), "nothing says how long");
        assert_eq!(bounded(0x8182, [&[address(WWW, 5)], &[], &[]]), (None, vec![0]), "SERVFAIL");
    }

    #[test]
    fn a_ttl_with_its_highest_bit_set_is_sent_as_zero() {
        let stored = take(NOERROR, [&[address(WWW, u32::MAX)], &[], &[]]);
        assert_eq!(stored.ttl(), Some(0));
        let out = write(&stored, &query(0, None), 0, 512);
        let message = Message::parse(&out).expect("a message");
        assert_eq!(message.records().next().map(|record| record.ttl), Some(0));
    }

    #[test]
    fn validated_data_is_told_to_those_who_asked_and_authority_never() {
        let stored = take(0x85a0, [&[address(WWW, 60)], &[], &[]]);
        let flags = |query: &[u8]| {
            let out = write(&stored, query, 0, 512);
            u16::from_be_bytes([out[2], out[3]])
        };
        assert_eq!(flags(&query(0, None)), 0x8080);
        assert_eq!(flags(&query(0x0020, None)), 0x80a0);
        assert_eq!(flags(&query(0, Some((1232, true)))), 0x80a0);
        assert_eq!(flags(&query(0, Some((1232, false)))), 0x8080);
    }

    #[test]
    fn edns_goes_to_those_who_sent_it_with_the_first_error() {
        let stored = take(0x8182, [&[], &[], &[opt(0, b"\0\x0f\0\x04\0\x06no")]]);
        let bare = write(&stored, &query(0, None), 0, 512);
        assert_eq!(bare.len(), 24);
        let out = write(&stored, &query(0, Some((1232, true))), 0, 512);
        assert_eq!(out[24..], *b"\0\0\x29\x04\xd0\0\0\x80\0\0\x08\0\x0f\0\x04\0\x06no");
        assert_eq!(out[11], 1);
    }

    #[test]
    fn what_does_not_fit_is_cut_behind_the_question() {
        let addresses = vec![address(WWW, 60); 40];
        let stored = take(NOERROR, [&addresses, &[], &[]]);
        let out = write(&stored, &query(0, Some((1232, false))), 0, 512);
        assert_eq!(out[2] & 0x02, 0x02);
        assert_eq!(out[6..12], [0, 0, 0, 0, 0, 1]);
        assert_eq!(out.len(), 24 + 11);
        let whole = write(&stored, &query(0, Some((1232, false))), 0, 65_535);
        assert_eq!((whole[2] & 0x02, whole.len()), (0, 24 + 40 * 16 + 11));
    }

    #[test]
    fn no_cut_and_no_changed_octet_makes_it_panic() {
        let alias = record(WWW, CNAME, 20, b"\x01b\xc0\x10");
        let all = [alias, address(b"\x01b\x02ex\0", 5)];
        let good =
            reply(NOERROR, [&all, &[soa(b"\x02ex\0", 9, 9)], &[opt(0, b"\0\x0f\0\x02\0\x01")]]);
        let query = query(0, Some((1232, true)));
        for place in 0..good.len() {
            for value in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
                let mut packet = good.clone();
                packet[place] = value;
                for packet in [&packet[..], &packet[..place]] {
                    if let Ok(stored) = StoredAnswer::take(packet, &question()) {
                        assert!(Message::parse(stored.octets()).is_ok());
                        assert!(write(&stored, &query, 1, 1232).len() <= 1232);
                    }
                }
            }
        }
    }
}
