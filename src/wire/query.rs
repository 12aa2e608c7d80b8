//! A query, read in place.

use std::ops::Range;

use crate::model::{MAX_NAME_OCTETS, NameRef, RecordType};

use super::claims::Claims;
use super::header::{CLASS_IN, HEADER_OCTETS, Header, ResponseCode, flags, word_at};
use super::name::{skip_name, whole_name};

/// Most additional records a query may have before it is called malformed.
const MAX_ADDITIONAL: u16 = 16;

/// Octets that are folded together, and room for any name in such pieces.
const NAME_PIECE: usize = 16;
const NAME_ROOM: usize = MAX_NAME_OCTETS.next_multiple_of(NAME_PIECE);

/// A readable query with exactly one question.
#[derive(Clone)]
pub struct Query<'p> {
    packet: &'p [u8],
    header: Header,
    name: [u8; NAME_ROOM],
    name_length: usize,
    question_end: usize,
    query_type: RecordType,
    class: u16,
    edns: Option<Edns>,
    /// Where the options of EDNS lie.
    options: Range<usize>,
}

/// What the client said of itself by EDNS (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Octets of UDP payload that it takes.
    pub payload: u16,
    /// EDNS version; we serve 0.
    pub version: u8,
    /// Whether it wants signatures.
    pub dnssec_ok: bool,
}

/// Why a packet is no query that can be answered by its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Too short, or a response: answering could start a loop.
    Silence,
    /// An error goes back with a bare header.
    Error(ResponseCode),
}

/// What a query asks, before its name is copied: that is done once, where it stays.
struct Fields<'p> {
    name: &'p [u8],
    query_type: RecordType,
    class: u16,
    edns: Option<Edns>,
    options: Range<usize>,
}

impl<'p> Fields<'p> {
    fn read(packet: &'p [u8], header: &Header) -> Option<Fields<'p>> {
        let [1, answers, authority, additional] = header.counts else {
            return None;
        };
        // The first name of a message has nothing before it that it could point to.
        let name = whole_name(packet.get(HEADER_OCTETS..)?)?;
        let name_end = HEADER_OCTETS + name.len();
        let query_type = RecordType(word_at(packet, name_end)?);
        let class = word_at(packet, name_end + 2)?;
        let transfer = matches!(query_type, RecordType::AXFR | RecordType::IXFR);
        if (answers, authority) != (0, 0) && !transfer {
            return None;
        }
        let opt = if transfer { None } else { read_edns(packet, name_end + 4, additional)? };
        let (edns, options) = opt.map_or((None, 0..0), |(edns, options)| (Some(edns), options));
        Some(Fields { name, query_type, class, edns, options })
    }
}

impl<'p> Query<'p> {
    /// Reads a packet; allocates nothing.
    // Inlined, since a query is large and would be copied to where it is wanted.
    #[inline]
    pub fn parse(packet: &'p [u8]) -> Result<Query<'p>, Unreadable> {
        let header = Header::read(packet).ok_or(Unreadable::Silence)?;
        if header.has(flags::RESPONSE) {
            return Err(Unreadable::Silence);
        }
        if header.flags & flags::OPCODE != 0 {
            return Err(Unreadable::Error(ResponseCode::NOTIMP));
        }
        let fields = Fields::read(packet, &header);
        let fields = fields.ok_or(Unreadable::Error(ResponseCode::FORMERR))?;
        let mut name = [0; NAME_ROOM];
        name[..fields.name.len()].copy_from_slice(fields.name);
        // Lengths are below `A`, so folding leaves them alone. In pieces of one size few steps fold
        // all octets of each.
        let pieces = fields.name.len().div_ceil(NAME_PIECE);
        for piece in name.as_chunks_mut::<NAME_PIECE>().0.iter_mut().take(pieces) {
            piece.make_ascii_lowercase();
        }
        Ok(Query {
            packet,
            header,
            name,
            name_length: fields.name.len(),
            question_end: HEADER_OCTETS + fields.name.len() + 4,
            query_type: fields.query_type,
            class: fields.class,
            edns: fields.edns,
            options: fields.options,
        })
    }

    /// Returns the error a readable query gets when it asks for what we do not serve.
    pub fn refusal(&self) -> Option<ResponseCode> {
        if self.edns.is_some_and(|edns| edns.version > 0) {
            return Some(ResponseCode::BADVERS);
        }
        match self.query_type {
            RecordType::OPT | RecordType(0) => Some(ResponseCode::FORMERR),
            RecordType(249..=252) => Some(ResponseCode::REFUSED),
            _ => (self.class != CLASS_IN).then_some(ResponseCode::REFUSED),
        }
    }

    /// Returns the packet it was read from.
    pub fn packet(&self) -> &'p [u8] {
        self.packet
    }

    /// Returns the header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Returns the name asked for, in lower case.
    pub fn name(&self) -> NameRef<'_> {
        NameRef::from_checked(&self.name[..self.name_length])
    }

    /// Returns the type asked for.
    pub fn query_type(&self) -> RecordType {
        self.query_type
    }

    /// Returns the class asked for.
    pub fn class(&self) -> u16 {
        self.class
    }

    /// Returns what EDNS told, if the query had it.
    pub fn edns(&self) -> Option<Edns> {
        self.edns
    }

    /// Returns for whom it says to be asked; reads the options, allocates nothing.
    pub fn claims(&self) -> Option<Claims> {
        Claims::read(self.packet.get(self.options.clone())?)
    }

    /// Returns whether the client wants signatures.
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Returns whether the client validates by itself.
    pub fn checking_disabled(&self) -> bool {
        self.header.has(flags::CHECKING_DISABLED)
    }

    /// Returns the question's own octets: the name in the letters it came in, type and class.
    pub fn question_octets(&self) -> &'p [u8] {
        &self.packet[HEADER_OCTETS..self.question_end]
    }

    /// Returns the octets of a UDP reply: what the client takes, at most `ours`, at least 512.
    pub fn udp_limit(&self, ours: u16) -> usize {
        let theirs = self.edns.map_or(512, |edns| edns.payload.max(512));
        usize::from(theirs.min(ours.max(512)))
    }
}

/// Reads the OPT record among the additional ones; the outer `None` is a malformed section.
fn read_edns(packet: &[u8], start: usize, count: u16) -> Option<Option<(Edns, Range<usize>)>> {
    if count > MAX_ADDITIONAL {
        return None;
    }
    let mut edns = None;
    let mut place = start;
    for _ in 0..count {
        let fixed = skip_name(packet, place)?;
        let length = usize::from(word_at(packet, fixed + 8)?);
        let end = fixed + 10 + length;
        packet.get(fixed..end)?;
        if word_at(packet, fixed)? == RecordType::OPT.0 {
            // A second OPT, or one that does not belong to the root (RFC 6891, section 6.1.1).
            if edns.is_some() || fixed != place + 1 || !options_are_whole(&packet[fixed + 10..end])
            {
                return None;
            }
            let told = Edns {
                payload: word_at(packet, fixed + 2)?,
                version: packet[fixed + 5],
                dnssec_ok: packet[fixed + 6] & 0x80 != 0,
            };
            edns = Some((told, fixed + 10..end));
        }
        place = end;
    }
    Some(edns)
}

fn options_are_whole(mut options: &[u8]) -> bool {
    while !options.is_empty() {
        let Some(length) = word_at(options, 2) else {
            return false;
        };
        let Some(rest) = options.get(4 + usize::from(length)..) else {
            return false;
        };
        options = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for `name` in wire form, with flags and what stands behind the question.
    fn packet(
        flags: u16,
        name: &[u8],
        query_type: u16,
        class: u16,
        additional: &[&[u8]],
    ) -> Vec<u8> {
        let mut packet = vec![0xab, 0xcd];
        packet.extend(flags.to_be_bytes());
        packet.extend([0, 1, 0, 0, 0, 0, 0, additional.len() as u8]);
        packet.extend(name);
        packet.extend(query_type.to_be_bytes());
        packet.extend(class.to_be_bytes());
        additional.iter().for_each(|record| packet.extend(*record));
        packet
    }

    const NAME: &[u8] = b"\x03wWw\x02eX\x00";
    const OPT: &[u8] = b"\x00\x00\x29\x10\x00\x00\x00\x80\x00\x00\x00";

    #[test]
    fn a_query_is_read_and_its_letters_kept() {
        let packet = packet(flags::RECURSION_DESIRED, NAME, 28, 1, &[OPT]);
        let query = Query::parse(&packet).expect("a query");
        assert_eq!(query.name().to_string(), "www.ex");
        assert_eq!(query.question_octets(), b"\x03wWw\x02eX\x00\x00\x1c\x00\x01");
        assert_eq!(query.edns(), Some(Edns { payload: 4096, version: 0, dnssec_ok: true }));
        assert_eq!((query.udp_limit(1232), query.refusal()), (1232, None));
    }

    #[test]
    fn responses_and_stumps_get_silence() {
        assert_eq!(Query::parse(&[0; 11]).err(), Some(Unreadable::Silence));
        let response = packet(flags::RESPONSE, NAME, 1, 1, &[]);
        assert_eq!(Query::parse(&response).err(), Some(Unreadable::Silence));
    }

    #[test]
    fn what_cannot_be_read_gets_an_error() {
        let form_error = Some(Unreadable::Error(ResponseCode::FORMERR));
        let status = packet(0x1000, NAME, 1, 1, &[]);
        assert_eq!(Query::parse(&status).err(), Some(Unreadable::Error(ResponseCode::NOTIMP)));
        let mut two = packet(0, NAME, 1, 1, &[]);
        two[5] = 2;
        assert_eq!(Query::parse(&two).err(), form_error);
        assert_eq!(Query::parse(&packet(0, NAME, 1, 1, &[OPT, OPT])).err(), form_error);
        assert_eq!(Query::parse(&packet(0, b"\xc0\x0c", 1, 1, &[])).err(), form_error);
        let cut = packet(0, NAME, 1, 1, &[&OPT[..9]]);
        assert_eq!(Query::parse(&cut).err(), form_error);
    }

    #[test]
    fn what_is_not_served_is_refused() {
        let refusal = |query_type, class, additional: &[&[u8]]| {
            let packet = packet(0, NAME, query_type, class, additional);
            Query::parse(&packet).expect("a query").refusal()
        };
        assert_eq!(refusal(252, 1, &[]), Some(ResponseCode::REFUSED));
        assert_eq!(refusal(1, 3, &[]), Some(ResponseCode::REFUSED));
        let version_1 = b"\x00\x00\x29\x10\x00\x00\x01\x00\x00\x00\x00";
        assert_eq!(refusal(1, 1, &[version_1]), Some(ResponseCode::BADVERS));
    }
}
