//! Responses, record by record.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{DomainName, RecordType};

use super::header::{HEADER_OCTETS, Header, word_at};
use super::name::{read_name, skip_name};

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
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        sections
            .into_iter()
            .zip(self.header.counts[1..].to_vec())
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

    /// Returns the name it leads to: target of CNAME and DNAME, TargetName of HTTPS and SVCB.
    ///
    /// A service record whose target is its owner (`.`) leads nowhere else.
    pub fn target(&self) -> Option<DomainName> {
        let at = match self.record_type {
            RecordType::CNAME | RecordType::DNAME => self.data_start,
            RecordType::HTTPS | RecordType::SVCB => self.data_start + 2,
            _ => return None,
        };
        let (name, next) = read_name(self.packet, at)?;
        (next <= self.end && !name.as_ref().is_root()).then_some(name)
    }

    /// Returns the addresses in it: of A and AAAA, and the hints of HTTPS and SVCB.
    pub fn addresses(&self) -> Vec<IpAddr> {
        match self.record_type {
            RecordType::A => addresses_v4(self.data()),
            RecordType::AAAA => addresses_v6(self.data()),
            RecordType::HTTPS | RecordType::SVCB => self.hints().unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Returns TTL bound and owner of a negative answer, if this is an SOA (RFC 2308, section 5).
    pub fn negative_ttl(&self) -> Option<u32> {
        if self.record_type != RecordType::SOA {
            return None;
        }
        let minimum = self.data().last_chunk::<4>().map(|octets| u32::from_be_bytes(*octets))?;
        Some(minimum.min(self.ttl))
    }

    fn hints(&self) -> Option<Vec<IpAddr>> {
        let (_, mut place) = read_name(self.packet, self.data_start + 2)?;
        let mut found = Vec::new();
        while place < self.end {
            let key = word_at(self.packet, place)?;
            let value_end = place + 4 + usize::from(word_at(self.packet, place + 2)?);
            let value = self.packet.get(place + 4..value_end.min(self.end))?;
            match key {
                IPV4_HINT => found.append(&mut addresses_v4(value)),
                IPV6_HINT => found.append(&mut addresses_v6(value)),
                _ => {}
            }
            place = value_end;
        }
        Some(found)
    }
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
