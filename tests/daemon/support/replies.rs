//! Replies as tests look at them.

use std::net::IpAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{RData, RecordType};

/// A reply: its octets, and what hickory reads in them.
#[derive(Clone, Debug)]
pub struct Reply {
    pub octets: Vec<u8>,
    pub message: Message,
}

impl Reply {
    pub fn read(octets: &[u8]) -> Reply {
        let message = Message::from_vec(octets)
            .unwrap_or_else(|error| panic!("not a message: {error}\n{octets:02x?}"));
        Reply { octets: octets.to_vec(), message }
    }

    pub fn code(&self) -> ResponseCode {
        self.message.metadata.response_code
    }

    pub fn addresses(&self) -> Vec<IpAddr> {
        let address = |data: &RData| match data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(a) => Some(IpAddr::V6(a.0)),
            _ => None,
        };
        self.message.answers.iter().filter_map(|record| address(&record.data)).collect()
    }

    pub fn is_truncated(&self) -> bool {
        self.message.metadata.truncation
    }

    pub fn has_soa(&self) -> bool {
        self.message.authorities.iter().any(|record| record.record_type() == RecordType::SOA)
    }

    /// Returns whether this is the sinkhole's null address.
    pub fn is_null_address(&self) -> bool {
        let addresses = self.addresses();
        !addresses.is_empty() && addresses.iter().all(IpAddr::is_unspecified)
    }

    /// Returns code and text of the extended error.
    pub fn extended_error(&self) -> Option<(u16, String)> {
        let edns = self.message.edns.as_ref()?;
        edns.options().as_ref().iter().find_map(|(code, option)| match option {
            EdnsOption::Unknown(15, data) if u16::from(*code) == 15 => {
                let number = u16::from_be_bytes([*data.first()?, *data.get(1)?]);
                Some((number, String::from_utf8_lossy(data.get(2..)?).into_owned()))
            }
            _ => None,
        })
    }

    /// Returns the question's octets as they came back.
    pub fn question(&self) -> &[u8] {
        let end = 12 + self.octets[12..].iter().position(|&octet| octet == 0).expect("a name") + 5;
        &self.octets[12..end]
    }
}
