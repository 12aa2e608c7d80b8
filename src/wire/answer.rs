//! An upstream's answer, checked and cleaned once, then given to many clients.

use crate::model::{DomainName, RecordType};

use super::header::{CLASS_IN, ResponseCode, flags};
use super::query::Query;
use super::records::{BadMessage, Message, RecordView, Section};
use super::reply::{ExtendedError, Reply, set_flag, truncate};

/// Most aliases followed in one answer.
const MAX_ALIASES: usize = 16;
/// Longest text of an extended error that is passed on, in octets.
const MAX_ERROR_TEXT: usize = 128;

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
    errors: Box<[(u16, Box<str>)]>,
    ttl: Option<u32>,
}

impl StoredAnswer {
    /// Checks that `octets` answer `question` and cleans them.
    ///
    /// Only records on the chain of aliases from the question stay among the answers; from the
    /// first that is not on it the rest is cut, since later names may point into it.
    pub fn take(octets: &[u8], question: &Question) -> Result<StoredAnswer, AnswerError> {
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
        if stored.names_are_fixed() { Ok(stored) } else { Err(AnswerError::Malformed) }
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
    ///
    /// `cap` bounds every TTL that is sent, as stale answers need.
    pub fn write(&self, query: &Query<'_>, age: u32, cap: u32, limit: usize, out: &mut Vec<u8>) {
        let mut reply = Reply::start(out, query, self.code);
        let buffer = reply.buffer();
        let question_end = buffer.len();
        let header = [self.octets[2], self.octets[3]];
        let passed = u16::from_be_bytes(header) & (flags::AUTHENTIC_DATA | flags::AUTHORITATIVE);
        let counts = 6..12;
        buffer[counts.clone()].copy_from_slice(&self.octets[counts]);
        buffer.extend(&self.octets[usize::from(self.question_end)..]);
        for &place in &self.ttl_places {
            let octets = &mut buffer[usize::from(place)..usize::from(place) + 4];
            let ttl = octets.iter().fold(0, |ttl, &octet| ttl << 8 | u32::from(octet));
            let left = clamp_ttl(ttl).saturating_sub(age).min(cap);
            octets.copy_from_slice(&left.to_be_bytes());
        }
        let opt = if query.edns().is_some() { 11 } else { 0 };
        if buffer.len() + opt > limit {
            truncate(buffer, question_end);
        } else {
            set_flag(buffer, passed);
        }
        match self.errors.first() {
            Some((code, text)) => {
                let text: &[&str] = &[text];
                reply.finish(limit, Some(ExtendedError { code: *code, text }));
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
        StoredAnswer {
            ttl_places: ttl_places.collect(),
            question_end: self.message.question_end() as u16,
            ttl: self.lifetime(kept, code),
            octets,
            code,
            errors,
        }
    }

    /// Returns the records in front of the first that is not to be kept.
    fn kept(&self) -> &[RecordView<'p>] {
        let foreign = |record: &RecordView<'_>| match record.section {
            _ if record.record_type == RecordType::OPT => true,
            Section::Answer => !self.on_chain(record),
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

    fn lifetime(&self, kept: &[RecordView<'_>], code: ResponseCode) -> Option<u32> {
        let wanted = self.message.query_type;
        let answers = || kept.iter().filter(|record| record.section == Section::Answer);
        let found = answers().any(|record| record.record_type == wanted)
            || wanted == RecordType::ANY && answers().next().is_some();
        let positive = answers().map(|record| clamp_ttl(record.ttl)).min();
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
        // Without an SOA only the aliases in front have a time to live (RFC 2308, section 5).
        negative.map(|ttl| clamp_ttl(ttl).min(positive.unwrap_or(u32::MAX)))
    }

    fn extended(&self) -> (ResponseCode, Box<[(u16, Box<str>)]>) {
        let code = self.message.header.response_code();
        let Some(opt) = self.records.iter().find(|record| record.record_type == RecordType::OPT)
        else {
            return (code, Box::default());
        };
        let upper = (opt.ttl >> 24) as u16;
        (ResponseCode(upper << 4 | code.0), read_errors(opt.data()))
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
            record.section == Section::Answer && record.record_type == RecordType::CNAME
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

fn read_errors(mut options: &[u8]) -> Box<[(u16, Box<str>)]> {
    let mut errors = Vec::new();
    while let [a, b, c, d, rest @ ..] = options {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let Some((value, tail)) = rest.split_at_checked(length) else {
            break;
        };
        if let ([0, 15], [high, low, text @ ..]) = ([*a, *b], value) {
            let text = String::from_utf8_lossy(&text[..text.len().min(MAX_ERROR_TEXT)]);
            errors.push((u16::from_be_bytes([*high, *low]), text.into()));
        }
        options = tail;
    }
    errors.into()
}

/// A TTL with its highest bit set counts as zero (RFC 2181, section 8).
fn clamp_ttl(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}
