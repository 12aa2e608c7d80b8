//! A query as it goes out, and what makes a reply the reply to it.

use std::sync::Arc;

use crate::model::MAX_NAME_OCTETS;
use crate::wire::{
    AnswerError, CLASS_IN, HEADER_OCTETS, Header, OUR_PAYLOAD, Question, ResponseCode,
    StoredAnswer, flags,
};

use super::Fault;

/// How a question is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// Whether the name goes out in random letters, which a forger would have to guess (0x20).
    pub(super) random_letters: bool,
    /// Whether an OPT record goes along.
    pub(super) edns: bool,
    /// Whether it goes over a stream.
    pub(super) stream: bool,
}

/// What was made of octets that came in.
#[derive(Debug)]
pub(super) enum Heard {
    /// The answer.
    Answer(Arc<StoredAnswer>),
    /// Not the reply to this query; the wait goes on.
    Stranger,
    /// The reply, but not in the letters of the query.
    OtherLetters,
    /// The reply, but it does not parse or is cut: over a stream it may be whole.
    Unusable,
    /// The upstream does not take EDNS.
    NoEdns,
}

/// A query as it goes out.
pub(super) struct Outgoing {
    octets: Vec<u8>,
    question_end: usize,
    edns: bool,
    lot: u16,
}

impl Outgoing {
    /// Writes the query; no option that a client sent goes along.
    pub(super) fn write(question: &Question, manner: Manner) -> Result<Outgoing, Fault> {
        let name = question.name.as_ref().wire();
        // No more than is used: the kernel takes its time for each block of 32 octets.
        let bits = if manner.random_letters { name.len().div_ceil(8) } else { 0 };
        let mut random = [0_u8; 4 + MAX_NAME_OCTETS.div_ceil(8)];
        let random = &mut random[..4 + bits];
        getrandom::fill(random)
            .map_err(|error| Fault::Unusable(format!("no random numbers: {error}")))?;
        let (numbers, letters) = random.split_at(4);
        let (id, lot) = numbers.split_at(2);
        // AD asks to be told whether the data was validated (RFC 6840, section 5.7).
        let mut word = flags::RECURSION_DESIRED | flags::AUTHENTIC_DATA;
        if question.checking_disabled {
            word |= flags::CHECKING_DISABLED;
        }
        let mut octets = Vec::with_capacity(HEADER_OCTETS + name.len() + 15);
        octets.extend(id);
        octets.extend(word.to_be_bytes());
        octets.extend([0, 1, 0, 0, 0, 0, 0, u8::from(manner.edns)]);
        octets.extend(name);
        randomise(&mut octets[HEADER_OCTETS..], letters);
        octets.extend(question.query_type.0.to_be_bytes());
        octets.extend(CLASS_IN.to_be_bytes());
        let question_end = octets.len();
        if manner.edns {
            octets.extend([0, 0, 41]);
            octets.extend(OUR_PAYLOAD.to_be_bytes());
            octets.extend([0, 0, u8::from(question.dnssec_ok) << 7, 0, 0, 0]);
        }
        let lot = u16::from_be_bytes([lot[0], lot[1]]);
        Ok(Outgoing { octets, question_end, edns: manner.edns, lot })
    }

    /// Returns the message.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Returns its number.
    pub(super) fn id(&self) -> u16 {
        u16::from_be_bytes([self.octets[0], self.octets[1]])
    }

    /// Returns a random number that nobody learns, to draw a socket by.
    pub(super) fn lot(&self) -> u16 {
        self.lot
    }

    /// Reads octets that came from the upstream; `id` is the number they must bear.
    ///
    /// Number, direction, opcode and the question's own octets must fit before anything is
    /// believed (RFC 5452, section 9.1).
    pub(super) fn read(&self, reply: &[u8], id: u16, question: &Question) -> Heard {
        let Some(header) = Header::read(reply) else {
            return Heard::Stranger;
        };
        if header.id != id || !header.has(flags::RESPONSE) || header.flags & flags::OPCODE != 0 {
            return Heard::Stranger;
        }
        let ours = &self.octets[HEADER_OCTETS..self.question_end];
        match (header.counts[0], reply.get(HEADER_OCTETS..self.question_end)) {
            (0, _) if self.may_mean_no_edns(header.response_code()) => Heard::NoEdns,
            (1, Some(theirs)) if theirs == ours => self.take(reply, question),
            (1, Some(theirs)) if theirs.eq_ignore_ascii_case(ours) => Heard::OtherLetters,
            (1, Some(_)) => Heard::Stranger,
            _ => Heard::Unusable,
        }
    }

    fn take(&self, reply: &[u8], question: &Question) -> Heard {
        match StoredAnswer::take(reply, question) {
            Ok(stored) if self.may_mean_no_edns(stored.response_code()) => Heard::NoEdns,
            Ok(stored) => Heard::Answer(Arc::new(stored)),
            Err(AnswerError::OtherQuestion) => Heard::Stranger,
            Err(AnswerError::Malformed | AnswerError::Truncated) => Heard::Unusable,
        }
    }

    /// Servers from before EDNS answer so (RFC 6891, section 7).
    fn may_mean_no_edns(&self, code: ResponseCode) -> bool {
        let codes = [ResponseCode::FORMERR, ResponseCode::NOTIMP, ResponseCode::BADVERS];
        self.edns && codes.contains(&code)
    }
}

/// Raises each letter whose bit is set. Lengths of labels are below any letter.
fn randomise(name: &mut [u8], bits: &[u8]) {
    let bits = bits.iter().flat_map(|octet| (0..8).map(move |place| octet >> place & 1 == 1));
    for (octet, raise) in name.iter_mut().zip(bits) {
        if raise {
            octet.make_ascii_uppercase();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DomainName, RecordType};
    use crate::wire::Query;

    const PLAIN: Manner = Manner { random_letters: false, edns: false, stream: false };
    const FULL: Manner = Manner { random_letters: true, edns: true, stream: false };

    fn question() -> Question {
        Question {
            name: DomainName::parse("a-long.name-of.many-letters.example").expect("a name"),
            query_type: RecordType::AAAA,
            dnssec_ok: true,
            checking_disabled: true,
        }
    }

    fn written(manner: Manner) -> Outgoing {
        Outgoing::write(&question(), manner).expect("random numbers")
    }

    /// The empty NOERROR reply to `query`.
    fn reply(query: &Outgoing) -> Vec<u8> {
        let mut reply = query.octets[..query.question_end].to_vec();
        reply[2..4].copy_from_slice(&0x8180_u16.to_be_bytes());
        reply[11] = 0;
        reply
    }

    fn read(query: &Outgoing, reply: &[u8]) -> Heard {
        query.read(reply, query.id(), &question())
    }

    #[test]
    fn it_says_what_the_question_says_and_nothing_of_the_client() {
        let outgoing = written(FULL);
        let query = Query::parse(outgoing.octets()).expect("a query");
        assert_eq!(query.name(), question().name.as_ref());
        assert_eq!(query.query_type(), RecordType::AAAA);
        let edns = query.edns().expect("EDNS");
        assert_eq!((edns.payload, edns.version, edns.dnssec_ok), (1232, 0, true));
        assert!(query.checking_disabled() && query.header().has(flags::RECURSION_DESIRED));
        assert_eq!(outgoing.octets().len(), outgoing.question_end + 11, "no options");
        assert!(Query::parse(written(PLAIN).octets()).expect("a query").edns().is_none());
    }

    #[test]
    fn number_and_letters_differ_from_query_to_query() {
        let queries: Vec<Outgoing> = (0..16).map(|_| written(FULL)).collect();
        let distinct = |part: &dyn Fn(&Outgoing) -> Vec<u8>| {
            queries.iter().map(part).collect::<std::collections::HashSet<_>>().len()
        };
        assert!(distinct(&|query| query.octets[..2].to_vec()) > 8);
        assert!(distinct(&|query| query.octets[12..query.question_end].to_vec()) > 8);
        assert!(written(PLAIN).octets[12..].iter().all(|octet| !octet.is_ascii_uppercase()));
    }

    #[test]
    fn a_reply_must_fit_in_number_direction_opcode_and_question() {
        let query = written(PLAIN);
        let changed = |place: usize, bits: u8| {
            let mut reply = reply(&query);
            reply[place] ^= bits;
            read(&query, &reply)
        };
        assert!(matches!(changed(3, 0x20), Heard::Answer(_)), "a flag of no matter");
        assert!(matches!(changed(0, 1), Heard::Stranger), "number");
        assert!(matches!(changed(2, 0x80), Heard::Stranger), "a query");
        assert!(matches!(changed(2, 0x10), Heard::Stranger), "opcode");
        assert!(matches!(changed(13, 1), Heard::Stranger), "name");
        assert!(matches!(changed(13, 0x20), Heard::OtherLetters), "case");
        assert!(matches!(changed(query.question_end - 3, 1), Heard::Stranger), "type");
        assert!(matches!(changed(query.question_end - 1, 2), Heard::Stranger), "class");
        assert!(matches!(changed(2, 0x02), Heard::Unusable), "truncated");
        assert!(matches!(changed(7, 1), Heard::Unusable), "a record that is not there");
        assert!(matches!(changed(5, 3), Heard::Unusable), "two questions");
        assert!(matches!(read(&query, &reply(&query)[..20]), Heard::Unusable), "cut");
        assert!(matches!(read(&query, b"short"), Heard::Stranger));
    }

    #[test]
    fn a_server_from_before_edns_is_known_by_its_error() {
        let with_code = |manner, code: u8, whole: bool| {
            let query = written(manner);
            let mut reply = reply(&query);
            reply[3] |= code;
            if !whole {
                reply[5] = 0;
                reply.truncate(12);
            }
            read(&query, &reply)
        };
        assert!(matches!(with_code(FULL, 1, true), Heard::NoEdns));
        assert!(matches!(with_code(FULL, 4, false), Heard::NoEdns));
        assert!(matches!(with_code(PLAIN, 1, true), Heard::Answer(_)));
        assert!(matches!(with_code(PLAIN, 1, false), Heard::Unusable));
        assert!(matches!(with_code(FULL, 5, false), Heard::Unusable), "no question, no belief");
    }
}
