//! Record types by number, shown by their registered names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The type of a record or question (RFC 1035, section 3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordType(pub u16);

macro_rules! record_types {
    ($($name:ident = $number:literal,)*) => {
        impl RecordType {
            $(#[doc = concat!("Type ", stringify!($name), ".")] pub const $name: RecordType = RecordType($number);)*
        }

        fn registered(number: u16) -> Option<&'static str> {
            match number {
                $($number => Some(stringify!($name)),)*
                _ => None,
            }
        }

        fn by_name(name: &str) -> Option<RecordType> {
            match name {
                $(stringify!($name) => Some(RecordType($number)),)*
                _ => None,
            }
        }
    };
}

record_types! {
    A = 1, NS = 2, MD = 3, MF = 4, CNAME = 5, SOA = 6, MB = 7, MG = 8, MR = 9, NULL = 10, WKS = 11,
    PTR = 12, HINFO = 13, MINFO = 14, MX = 15, TXT = 16, RP = 17, AFSDB = 18, X25 = 19, ISDN = 20,
    RT = 21, SIG = 24, KEY = 25, PX = 26, GPOS = 27, AAAA = 28, LOC = 29, NXT = 30, SRV = 33,
    NAPTR = 35, KX = 36, CERT = 37, DNAME = 39, OPT = 41, APL = 42, DS = 43, SSHFP = 44,
    IPSECKEY = 45, RRSIG = 46, NSEC = 47, DNSKEY = 48, DHCID = 49, NSEC3 = 50, NSEC3PARAM = 51,
    TLSA = 52, SMIMEA = 53, HIP = 55, CDS = 59, CDNSKEY = 60, OPENPGPKEY = 61, CSYNC = 62,
    ZONEMD = 63, SVCB = 64, HTTPS = 65, SPF = 99, NID = 104, L32 = 105, L64 = 106, LP = 107,
    EUI48 = 108, EUI64 = 109, TKEY = 249, TSIG = 250, IXFR = 251, AXFR = 252, MAILB = 253,
    MAILA = 254, ANY = 255, URI = 256, CAA = 257, AVC = 258, AMTRELAY = 260, TA = 32768, DLV = 32769,
}

impl fmt::Display for RecordType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match registered(self.0) {
            Some(name) => out.write_str(name),
            None => write!(out, "TYPE{}", self.0),
        }
    }
}

impl FromStr for RecordType {
    type Err = String;

    fn from_str(text: &str) -> Result<RecordType, String> {
        let upper = text.to_ascii_uppercase();
        let numbered = upper.strip_prefix("TYPE").and_then(|number| number.parse().ok());
        by_name(&upper)
            .or(numbered.map(RecordType))
            .ok_or_else(|| format!("`{text}` is no record type; write A, AAAA, HTTPS or TYPE65280"))
    }
}

impl Serialize for RecordType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<RecordType, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_and_read_by_name_or_number() {
        for text in ["A", "AAAA", "HTTPS", "TYPE65280"] {
            assert_eq!(text.parse::<RecordType>().map(|t| t.to_string()), Ok(text.to_string()));
        }
        assert_eq!("type28".parse(), Ok(RecordType::AAAA));
        assert!("FOO".parse::<RecordType>().is_err());
    }
}
