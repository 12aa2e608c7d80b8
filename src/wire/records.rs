//! Responses, record by record.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{DomainName, RecordType};

use super::header::{HEADER_OCTETS, Header, word_at};
use super::name::{end_of_name, read_name, skip_name};

/// Most records of one response; more is refused whole (`reliability.md`, section 6).
const MAX_RECORDS: usize = 2_000;
/// SvcParamKeys of address hints (RFC 9460, section 14.3.2).
const IPV4_HINT: u16 = 4;
const IPV6_HINT: u16 = 6;

/// A response that does not hold what its header promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message does not parse")]
pub struct BadMessage;

/// A message with its one question read.
pub struct Message<'p> {
    packet: &'p [u8],
    /// The header.
    pub header: Header,
    /// The name asked for, lower case.
    pub name: DomainName,
    /// The type asked for.
    pub query_type: RecordType,
    /// The class asked for.
    pub class: u16,
    question_end: usize,
}

/// The part of a message that a record stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Answers.
    Answer,
    /// Authority.
    Authority,
    /// Additional.
    Additional,
}

/// One record as it lies in the packet.
#[derive(Clone, Copy)]
pub struct RecordView<'p> {
    packet: &'p [u8],
    /// The section it stands in.
    pub section: Section,
    /// Where the record begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its type.
    pub record_type: RecordType,
    /// Its class, or the payload size of an OPT record.
    pub class: u16,
    /// Its time to live in seconds.
    pub ttl: u32,
    /// Where its data begins.
    pub data_start: usize,
}

impl<'p> Message<'p> {
    /// Reads header and question; every record is walked once, so `records` cannot fail.
    pub fn parse(packet: &'p [u8]) -> Result<Message<'p>, BadMessage> {
        let header = Header::read(packet).ok_or(BadMessage)?;
        if header.counts[0] != 1 {
            return Err(BadMessage);
        }
        let (name, name_end) = read_name(packet, HEADER_OCTETS).ok_or(BadMessage)?;
        // The first name of a message has nothing before it that it could point to.
        if name_end != HEADER_OCTETS + name.as_ref().wire().len() {
            return Err(BadMessage);
        }
        let query_type = RecordType(word_at(packet, name_end).ok_or(BadMessage)?);
        let class = word_at(packet, name_end + 2).ok_or(BadMessage)?;
        let message =
            Message { packet, header, name, query_type, class, question_end: name_end + 4 };
        let promised: usize = header.counts[1..].iter().map(|&count| usize::from(count)).sum();
        if promised > MAX_RECORDS || message.records().count() != promised {
            return Err(BadMessage);
        }
        Ok(message)
    }

    /// Returns the packet.
    pub fn packet(&self) -> &'p [u8] {
        self.packet
    }

    /// Returns where the first record begins.
    pub fn question_end(&self) -> usize {
        self.question_end
    }

    /// Returns the records in their order.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'p>> {
        let packet = self.packet;
        let mut place = self.question_end;
        let [_, answers, authority, additional] = self.header.counts;
        let sections = [
            (Section::Answer, answers),
            (Section::Authority, authority),
            (Section::Additional, additional),
        ];
        sections
            .into_iter()
            .flat_map(|(section, count)| std::iter::repeat_n(section, usize::from(count)))
            .map_while(move |section| {
                let record = RecordView::read(packet, place, section)?;
                place = record.end;
                Some(record)
            })
    }
}

impl<'p> RecordView<'p> {
    fn read(packet: &'p [u8], start: usize, section: Section) -> Option<RecordView<'p>> {
        let fixed = skip_name(packet, start)?;
        let data_start = fixed + 10;
        let end = data_start + usize::from(word_at(packet, fixed + 8)?);
        packet.get(data_start..end)?;
        let ttl =
            u32::from(word_at(packet, fixed + 4)?) << 16 | u32::from(word_at(packet, fixed + 6)?);
        Some(RecordView {
            packet,
            section,
            start,
            end,
            record_type: RecordType(word_at(packet, fixed)?),
            class: word_at(packet, fixed + 2)?,
            ttl,
            data_start,
        })
    }

    /// Returns the owner name.
    pub fn owner(&self) -> Option<DomainName> {
        read_name(self.packet, self.start).map(|(name, _)| name)
    }

    /// Returns the record's data as it lies in the packet.
    pub fn data(&self) -> &'p [u8] {
        &self.packet[self.data_start..self.end]
    }

    /// Returns its data with the names in it written out, for a reply that is put together anew.
    pub fn data_written_out(&self) -> Option<Vec<u8>> {
        let (lead, names) = names_in(self.record_type);
        let mut place = self.data_start + lead;
        let mut data = self.packet.get(self.data_start..place)?.to_vec();
        for _ in 0..names {
            let (name, next) = read_name(self.packet, place)?;
            data.extend(name.as_ref().wire());
            place = next;
        }
        data.extend(self.packet.get(place..self.end)?);
        Some(data)
    }

    /// Returns the name it leads to: target of CNAME and DNAME, TargetName of HTTPS and SVCB.
    ///
    /// A service record whose target is its owner (`.`) leads nowhere else.
    pub fn target(&self) -> Option<DomainName> {
        let (name, next) = read_name(self.packet, self.target_start()?)?;
        (next <= self.end && !name.as_ref().is_root()).then_some(name)
    }

    /// Returns whether owner and target stand where they are read, but for the question's name in
    /// full. A pointer to elsewhere, be it into the question, may lead on through any octets.
    pub(super) fn has_plain_names(&self) -> bool {
        let plain = |at| match end_of_name(self.packet, at) {
            Some((_, target)) => target.is_none_or(|target| target == HEADER_OCTETS),
            None => false,
        };
        plain(self.start) && self.target_start().is_none_or(plain)
    }

    fn target_start(&self) -> Option<usize> {
        match self.record_type {
            RecordType::CNAME | RecordType::DNAME => Some(self.data_start),
            RecordType::HTTPS | RecordType::SVCB => Some(self.data_start + 2),
            _ => None,
        }
    }

    /// Returns the addresses in it: of A and AAAA, and the hints of HTTPS and SVCB.
    pub fn addresses(&self) -> Vec<IpAddr> {
        match self.record_type {
            RecordType::A => addresses_v4(self.data()),
            RecordType::AAAA => addresses_v6(self.data()),
            RecordType::HTTPS | RecordType::SVCB => self.hints(),
            _ => Vec::new(),
        }
    }

    /// Returns for how long it lets a negative answer live, if this is an SOA (RFC 2308, section 5).
    pub fn negative_ttl(&self) -> Option<u32> {
        if self.record_type != RecordType::SOA {
            return None;
        }
        let minimum = self.data().last_chunk::<4>().map(|octets| u32::from_be_bytes(*octets))?;
        Some(clamp_ttl(minimum).min(clamp_ttl(self.ttl)))
    }

    /// Returns every hint in front of the first parameter that does not parse.
    fn hints(&self) -> Vec<IpAddr> {
        let mut found = Vec::new();
        let Some((_, mut place)) = read_name(self.packet, self.data_start + 2) else {
            return found;
        };
        while let Some((key, value)) = self.parameter(place) {
            match key {
                IPV4_HINT => found.append(&mut addresses_v4(value)),
                IPV6_HINT => found.append(&mut addresses_v6(value)),
                _ => {}
            }
            place += 4 + value.len();
        }
        found
    }

    /// Reads the SvcParam at `place` (RFC 9460, section 2.2).
    fn parameter(&self, place: usize) -> Option<(u16, &'p [u8])> {
        let rest = self.packet.get(place..self.end)?;
        let length = usize::from(word_at(rest, 2)?);
        Some((word_at(rest, 0)?, rest.get(4..4 + length)?))
    }
}

/// Returns how many octets of a type's data stand before names that may be compressed, and how many
/// such names there are (RFC 3597, section 4, and RFC 2782).
fn names_in(record_type: RecordType) -> (usize, usize) {
    match record_type.0 {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 39 => (0, 1),
        // SOA, MINFO, RP
        6 | 14 | 17 => (0, 2),
        // MX, AFSDB, RT, KX
        15 | 18 | 21 | 36 => (2, 1),
        // PX
        26 => (2, 2),
        // SRV
        33 => (6, 1),
        _ => (0, 0),
    }
}

/// A TTL with its highest bit set counts as zero (RFC 2181, section 8).
pub(super) fn clamp_ttl(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

fn addresses_v4(data: &[u8]) -> Vec<IpAddr> {
    let quads = data.as_chunks::<4>().0.iter();
    quads.map(|&octets| Ipv4Addr::from(octets).into()).collect()
}

/// IPv4-mapped addresses count as IPv4 (`filter-rules.md`, section 2.2).
fn addresses_v6(data: &[u8]) -> Vec<IpAddr> {
    let chunks = data.as_chunks::<16>().0.iter();
    chunks.map(|&octets| Ipv6Addr::from(octets).to_canonical()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0\x03wWw\x02eX\0\0\x01\0\x01";

    /// A response with one answer record: owner `www.ex` by pointer, 60 s.
    fn with_answer(record_type: u16, data: &[u8]) -> Vec<u8> {
        let mut packet = HEAD.to_vec();
        packet.extend([0xc0, 12]);
        packet.extend(record_type.to_be_bytes());
        packet.extend([0, 1, 0, 0, 0, 60]);
        packet.extend((data.len() as u16).to_be_bytes());
        packet.extend(data);
        packet
    }

    fn only<R>(packet: &[u8], read: impl Fn(RecordView<'_>) -> R) -> R {
        let message = Message::parse(packet).expect("a message");
        let read: Vec<R> = message.records().map(read).collect();
        assert_eq!(read.len(), 1);
        read.into_iter().next().expect("one record")
    }

    #[test]
    fn question_and_records_are_read() {
        let packet = with_answer(1, &[192, 0, 2, 7]);
        let message = Message::parse(&packet).expect("a message");
        assert_eq!(message.name.to_string(), "www.ex");
        assert_eq!((message.query_type, message.class), (RecordType::A, 1));
        let record = message.records().next().expect("a record");
        assert_eq!(record.owner().map(|owner| owner.to_string()).as_deref(), Some("www.ex"));
        assert_eq!((record.section, record.ttl), (Section::Answer, 60));
        assert_eq!(record.addresses(), ["192.0.2.7".parse::<IpAddr>().expect("an address")]);
        assert_eq!((record.end, record.target()), (packet.len(), None));
    }

    #[test]
    fn every_cut_of_a_message_is_refused() {
        let packet = with_answer(5, b"\x01a\xc0\x10");
        assert!(Message::parse(&packet).is_ok());
        for length in 0..packet.len() {
            assert!(Message::parse(&packet[..length]).is_err(), "{length} octets");
        }
    }

    #[test]
    fn counts_beyond_the_bound_or_the_packet_are_refused() {
        let mut packet = with_answer(1, &[192, 0, 2, 7]);
        packet[11] = 1;
        assert!(Message::parse(&packet).is_err(), "an additional record is promised");
        packet[11] = 0;
        packet[5] = 2;
        assert!(Message::parse(&packet).is_err(), "two questions");
        let mut many = HEAD.to_vec();
        many[6..8].copy_from_slice(&2_001_u16.to_be_bytes());
        (0..2_001).for_each(|_| many.extend(b"\0\0\x01\0\x01\0\0\0\0\0\0"));
        assert!(Message::parse(&many).is_err(), "2,001 records");
    }

    #[test]
    fn a_question_that_points_into_the_header_is_refused() {
        let mut packet = b"\x01a\0\x80\0\x01\0\0\0\0\0\0".to_vec();
        packet.extend(b"\xc0\x00\0\x01\0\x01");
        assert!(Message::parse(&packet).is_err());
    }

    #[test]
    fn targets_of_aliases_and_services_are_found() {
        let target = |record_type, data: &[u8]| {
            only(&with_answer(record_type, data), |record| {
                record.target().map(|name| name.to_string())
            })
        };
        assert_eq!(target(5, b"\x01a\xc0\x10").as_deref(), Some("a.ex"));
        assert_eq!(target(65, b"\0\x01\x03svc\x02ex\0").as_deref(), Some("svc.ex"));
        assert_eq!(target(65, b"\0\x01\0"), None, "its own owner");
        assert_eq!(target(64, b"\0"), None, "too short for a priority");
        assert_eq!(target(5, b"\xc0\x1e"), None, "a pointer to itself");
    }

    #[test]
    fn address_hints_are_found_and_mapped_addresses_are_ipv4() {
        let data = b"\0\x01\0\0\x04\0\x08\xc0\0\x02\x01\x0a\0\0\x01\0\x06\0\x10\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01";
        let hints = only(&with_answer(65, data), |record| record.addresses());
        let expected = ["192.0.2.1", "10.0.0.1", "127.0.0.1"];
        assert_eq!(hints, expected.map(|text| text.parse::<IpAddr>().expect("an address")));
    }

    #[test]
    fn a_broken_parameter_does_not_hide_the_hints_in_front_of_it() {
        let data = b"\0\x01\0\0\x04\0\x04\x0a\0\0\x01\0\x06\0\xff";
        let hints = only(&with_answer(65, data), |record| record.addresses());
        assert_eq!(hints, ["10.0.0.1".parse::<IpAddr>().expect("an address")]);
    }

    #[test]
    fn a_negative_answer_lives_as_long_as_the_lower_of_both_bounds() {
        let soa = |minimum: u32| {
            let mut data = b"\0\0".to_vec();
            data.extend([0; 16]);
            data.extend(minimum.to_be_bytes());
            only(&with_answer(6, &data), |record| record.negative_ttl())
        };
        assert_eq!((soa(30), soa(600)), (Some(30), Some(60)));
        assert_eq!(soa(u32::MAX), Some(0), "the highest bit counts as zero");
        assert_eq!(only(&with_answer(1, &[0; 4]), |record| record.negative_ttl()), None);
    }

    #[test]
    fn names_in_data_are_written_out_and_other_data_is_left_alone() {
        let written = |record_type, data: &[u8]| {
            only(&with_answer(record_type, data), |record| record.data_written_out())
        };
        assert_eq!(written(5, b"\x01a\xc0\x0c").as_deref(), Some(&b"\x01a\x03www\x02ex\0"[..]));
        assert_eq!(written(15, b"\0\x05\xc0\x0c").as_deref(), Some(&b"\0\x05\x03www\x02ex\0"[..]));
        let soa = [&b"\xc0\x0c\xc0\x10"[..], &[7; 20]].concat();
        let expanded = [&b"\x03www\x02ex\0\x02ex\0"[..], &[7; 20]].concat();
        assert_eq!(written(6, &soa), Some(expanded));
        assert_eq!(written(16, b"\x02\xc0\x0c").as_deref(), Some(&b"\x02\xc0\x0c"[..]));
        assert_eq!(written(5, b"\xc0\xff"), None);
    }
}
