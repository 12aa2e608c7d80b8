//! The twelve octets in front of every message (RFC 1035, section 4.1.1).

use std::fmt;

/// Length of the header.
pub const HEADER_OCTETS: usize = 12;
/// Class IN.
pub const CLASS_IN: u16 = 1;
/// Class CH, in which servers tell about themselves.
pub const CLASS_CHAOS: u16 = 3;

/// Bits of the header's second word.
pub mod flags {
    /// This is a response.
    pub const RESPONSE: u16 = 0x8000;
    /// The answer comes from the zone itself.
    pub const AUTHORITATIVE: u16 = 0x0400;
    /// The reply did not fit.
    pub const TRUNCATED: u16 = 0x0200;
    /// The client wants recursion.
    pub const RECURSION_DESIRED: u16 = 0x0100;
    /// The server offers recursion.
    pub const RECURSION_AVAILABLE: u16 = 0x0080;
    /// The data was validated.
    pub const AUTHENTIC_DATA: u16 = 0x0020;
    /// The client validates by itself.
    pub const CHECKING_DISABLED: u16 = 0x0010;
    /// The four bits of the opcode.
    pub const OPCODE: u16 = 0x7800;
}

/// A response code, the upper bits of EDNS included (RFC 6895, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResponseCode(pub u16);

impl ResponseCode {
    /// No error.
    pub const NOERROR: ResponseCode = ResponseCode(0);
    /// The query cannot be read.
    pub const FORMERR: ResponseCode = ResponseCode(1);
    /// The server failed.
    pub const SERVFAIL: ResponseCode = ResponseCode(2);
    /// The name does not exist.
    pub const NXDOMAIN: ResponseCode = ResponseCode(3);
    /// The opcode is not served.
    pub const NOTIMP: ResponseCode = ResponseCode(4);
    /// The server declines.
    pub const REFUSED: ResponseCode = ResponseCode(5);
    /// The EDNS version is not served (RFC 6891, section 9).
    pub const BADVERS: ResponseCode = ResponseCode(16);
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            16 => "BADVERS",
            other => return write!(out, "RCODE{other}"),
        };
        out.write_str(name)
    }
}

/// The header as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The message's number, chosen by who asked.
    pub id: u16,
    /// Flags, opcode and response code.
    pub flags: u16,
    /// Counts of questions, answers, authority and additional records.
    pub counts: [u16; 4],
}

impl Header {
    /// Reads the header, or returns `None` if the packet is shorter than one.
    pub fn read(packet: &[u8]) -> Option<Header> {
        let mut words = packet.get(..HEADER_OCTETS)?.chunks_exact(2);
        let mut word = || words.next().map_or(0, |pair| u16::from_be_bytes([pair[0], pair[1]]));
        Some(Header { id: word(), flags: word(), counts: [word(), word(), word(), word()] })
    }

    /// Returns whether all bits of `flag` are set.
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag == flag
    }

    /// Returns the four-bit response code.
    pub fn response_code(&self) -> ResponseCode {
        ResponseCode(self.flags & 0x000f)
    }
}

/// Reads a big-endian word at `at`.
pub(super) fn word_at(packet: &[u8], at: usize) -> Option<u16> {
    let pair = packet.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}
