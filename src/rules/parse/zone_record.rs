//! Records as zone files and unbound write them, and their data in wire form.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::model::{DomainName, RecordType};

use super::{NameError, Record, Refusal, Rewrite, Word, because, escaped};

/// Longest time, in seconds, that an answer of ours may be kept: un-blocking should show.
const MAX_TTL: u32 = 60;

/// Most octets of a record's data.
const MAX_DATA: usize = 4096;

/// Types by which zones are delegated and signed; a filter has no use for them.
const OF_ZONES: [RecordType; 10] = [
    RecordType::SOA,
    RecordType::NS,
    RecordType::DS,
    RecordType::RRSIG,
    RecordType::NSEC,
    RecordType::DNSKEY,
    RecordType::NSEC3,
    RecordType::NSEC3PARAM,
    RecordType::CDS,
    RecordType::CDNSKEY,
];

/// What stands behind an owner.
pub struct Written<'w, 't> {
    /// Seconds it may be kept, if that is written.
    pub ttl: Option<u32>,
    /// Its type.
    pub record_type: RecordType,
    /// The words of its data.
    pub data: &'w [Word<'t>],
}

impl<'w, 't> Written<'w, 't> {
    /// Reads `[ttl] [IN] TYPE data…`; time and class may stand in either order.
    pub fn read(mut words: &'w [Word<'t>]) -> Result<Written<'w, 't>, Refusal> {
        let mut ttl = None;
        while let Some((word, rest)) = words.split_first() {
            words = rest;
            if ttl.is_none() && word.text.starts_with(|first: char| first.is_ascii_digit()) {
                ttl = Some(seconds(word.text).ok_or_else(|| because("a bad time to live"))?);
            } else if ["CH", "HS", "CS"].iter().any(|class| word.text.eq_ignore_ascii_case(class)) {
                return Err(because("a record of another class than IN"));
            } else if !word.text.eq_ignore_ascii_case("IN") {
                let unknown = || because(&format!("`{}` is no record type", escaped(word.text)));
                let record_type = RecordType::from_str(word.text).map_err(|_| unknown())?;
                return Ok(Written { ttl, record_type, data: rest });
            }
        }
        Err(because("a record without type"))
    }

    /// Returns whether it is about the zone as such.
    pub fn is_of_zone(&self) -> bool {
        OF_ZONES.contains(&self.record_type)
    }

    /// Returns the text of the only word of the data.
    pub fn only(&self) -> Result<&'t str, Refusal> {
        match self.data {
            [Word { text, .. }] => Ok(text),
            [] => Err(because("a record without data")),
            _ => Err(because("more words than the record's type takes")),
        }
    }

    /// Returns the address, if it is the record of one.
    pub fn address(&self) -> Option<std::net::IpAddr> {
        let text = self.only().ok()?;
        match self.record_type {
            RecordType::A => Ipv4Addr::from_str(text).ok().map(Into::into),
            RecordType::AAAA => Ipv6Addr::from_str(text).ok().map(Into::into),
            _ => None,
        }
    }

    /// Returns the answer that it is; relative names in it stand below `origin`.
    pub fn rewrite(&self, origin: Option<&str>, ttl: Option<u32>) -> Result<Rewrite, Refusal> {
        if self.record_type == RecordType::CNAME {
            return alias(self.only()?, origin);
        }
        let data = self.wire(origin)?;
        if data.len() > MAX_DATA {
            return Err(because("a record of more than 4096 octets"));
        }
        let ttl = self.ttl.or(ttl).map(|ttl| ttl.min(MAX_TTL));
        Ok(Rewrite::Record(Record { record_type: self.record_type, data: data.into(), ttl }))
    }

    fn wire(&self, origin: Option<&str>) -> Result<Vec<u8>, Refusal> {
        let name = |text: &str| name_at(text, origin).map(|name| name.as_ref().wire().to_vec());
        match (self.record_type, self.data) {
            (RecordType::A, _) => Ok(parsed::<Ipv4Addr>(self.only()?)?.octets().to_vec()),
            (RecordType::AAAA, _) => Ok(parsed::<Ipv6Addr>(self.only()?)?.octets().to_vec()),
            (RecordType::PTR, _) => name(self.only()?),
            (RecordType::MX, [preference, host]) => {
                let number = parsed::<u16>(preference.text)?.to_be_bytes();
                Ok([&number[..], &name(host.text)?].concat())
            }
            (RecordType::SRV, [numbers @ .., host]) if numbers.len() == 3 => {
                let mut wire = Vec::new();
                for number in numbers {
                    wire.extend(parsed::<u16>(number.text)?.to_be_bytes());
                }
                Ok([wire, name(host.text)?].concat())
            }
            (RecordType::MX | RecordType::SRV, _) => {
                Err(because("the record's data has too few or too many words"))
            }
            (RecordType::TXT | RecordType::SPF, [_, ..]) => texts(self.data),
            (RecordType::TXT | RecordType::SPF, []) => Err(because("a record without data")),
            (other, _) => Err(because(&format!("this version answers no {other} records"))),
        }
    }
}

/// Reads seconds, plain or as in `1h30m`.
pub fn seconds(text: &str) -> Option<u32> {
    let (mut total, mut number) = (0_u32, None::<u32>);
    for character in text.chars() {
        let unit = match character.to_ascii_lowercase() {
            digit if digit.is_ascii_digit() => {
                let value = number.unwrap_or(0).checked_mul(10)?;
                number = Some(value.checked_add(digit.to_digit(10)?)?);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    total.checked_add(number.unwrap_or(0))
}

/// Reads a name, which stands below `origin` unless a dot ends it.
pub fn name_at(text: &str, origin: Option<&str>) -> Result<DomainName, Refusal> {
    match (text, origin) {
        (".", _) | ("@", Some("")) => Ok(DomainName::root()),
        ("@", Some(origin)) => Ok(domain(origin)?),
        (_, Some(origin)) if !text.ends_with('.') => Ok(domain(&format!("{text}.{origin}"))?),
        _ => Ok(domain(text)?),
    }
}

/// Reads a name that may have escapes; what they stand for must be allowed in a list's name.
pub fn domain(text: &str) -> Result<DomainName, NameError> {
    if text.contains('\\') {
        let plain = DomainName::from_presentation(text)?.to_string();
        return DomainName::parse(&plain);
    }
    DomainName::parse(text)
}

/// Reads the target of an alias: a name, or `*.name` where the query name takes the star's place.
fn alias(text: &str, origin: Option<&str>) -> Result<Rewrite, Refusal> {
    let (make, target): (fn(DomainName) -> Rewrite, &str) = match text.strip_prefix("*.") {
        Some(suffix) => (Rewrite::AliasBelow, suffix),
        None => (Rewrite::Alias, text),
    };
    match name_at(target, origin)? {
        root if root.as_ref().is_root() => Err(because("an alias of the root")),
        name => Ok(make(name)),
    }
}

fn parsed<T: FromStr>(text: &str) -> Result<T, Refusal> {
    let wrong = |_| because(&format!("`{}` does not fit the record's type", escaped(text)));
    text.parse().map_err(wrong)
}

fn texts(words: &[Word<'_>]) -> Result<Vec<u8>, Refusal> {
    let mut wire = Vec::new();
    for word in words {
        let octets = unescaped(word.text).ok_or(NameError::BadEscape)?;
        let length = u8::try_from(octets.len());
        wire.push(length.map_err(|_| because("a text of more than 255 octets"))?);
        wire.extend(octets);
    }
    Ok(wire)
}

/// Undoes `\"` and `\034`.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut octets = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        if octet != b'\\' {
            plain.push(octet);
            continue;
        }
        let first = octets.next()?;
        if !first.is_ascii_digit() {
            plain.push(first);
            continue;
        }
        let digits = [first, octets.next()?, octets.next()?];
        plain.push(std::str::from_utf8(&digits).ok()?.parse().ok()?);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::parse::split;

    fn rewrite(text: &str, origin: Option<&str>) -> Result<Rewrite, String> {
        let mut words = Vec::new();
        split(text, &mut 0, &mut words).expect("words");
        let written = Written::read(&words).map_err(|refusal| refusal.to_string())?;
        written.rewrite(origin, None).map_err(|refusal| refusal.to_string())
    }

    fn why(text: &str) -> String {
        rewrite(text, None).expect_err("refused")
    }

    fn record(text: &str) -> (RecordType, Vec<u8>, Option<u32>) {
        match rewrite(text, None) {
            Ok(Rewrite::Record(record)) => (record.record_type, record.data.into(), record.ttl),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn time_and_class_stand_in_any_order_or_not_at_all() {
        let address = || vec![192, 0, 2, 1];
        assert_eq!(record("A 192.0.2.1"), (RecordType::A, address(), None));
        assert_eq!(record("30 IN A 192.0.2.1"), (RecordType::A, address(), Some(30)));
        assert_eq!(record("in 1h a 192.0.2.1"), (RecordType::A, address(), Some(60)));
        assert_eq!(why("CH A 192.0.2.1"), "a record of another class than IN");
        assert_eq!(why("5x A 192.0.2.1"), "a bad time to live");
        assert_eq!(why("IN 30"), "a record without type");
        assert_eq!(why("FOO x"), "`FOO` is no record type");
    }

    #[test]
    fn data_is_in_wire_form() {
        let host = b"\x04mail\x01x\0";
        assert_eq!(record("AAAA ::1").1, Ipv6Addr::LOCALHOST.octets());
        assert_eq!(record("PTR Mail.x.").1, host);
        assert_eq!(record("MX 10 mail.x.").1, [b"\0\x0a", &host[..]].concat());
        assert_eq!(record("SRV 1 2 443 mail.x.").1, [b"\0\x01\0\x02\x01\xbb", &host[..]].concat());
        assert_eq!(record("SRV 0 0 0 .").1, [0; 7]);
        assert_eq!(record(r#"TXT "a b" c\"\100"#).1, b"\x03a b\x03c\"d");
    }

    #[test]
    fn data_that_does_not_fit_is_refused() {
        let cases = [
            ("A ::1", "`::1` does not fit the record's type"),
            ("A", "a record without data"),
            ("TXT", "a record without data"),
            ("A 192.0.2.1 192.0.2.2", "more words than the record's type takes"),
            ("MX mail.x.", "the record's data has too few or too many words"),
            ("SRV 1 2 mail.x.", "the record's data has too few or too many words"),
            ("MX 70000 mail.x.", "`70000` does not fit the record's type"),
            (r"TXT \9", "a backslash stands before nothing that it could escape"),
            (r"TXT \999", "a backslash stands before nothing that it could escape"),
            ("HTTPS 1 .", "this version answers no HTTPS records"),
            ("CNAME .", "an alias of the root"),
            ("CNAME 1.2.3.4.", "the last label is a number: neither a name nor an address"),
        ];
        for (text, expected) in cases {
            assert_eq!(why(text), expected, "{text}");
        }
        let long = format!("TXT {}", "a".repeat(256));
        assert_eq!(why(&long), "a text of more than 255 octets");
        let longer = format!("TXT {}", "a ".repeat(2049));
        assert_eq!(why(&longer), "a record of more than 4096 octets");
    }

    #[test]
    fn relative_names_stand_below_the_origin() {
        let name = |text| domain(text).expect("a name");
        let alias = |text, origin| rewrite(text, origin).expect("an alias");
        assert_eq!(alias("CNAME a", Some("x")), Rewrite::Alias(name("a.x")));
        assert_eq!(alias("CNAME a.", Some("x")), Rewrite::Alias(name("a")));
        assert_eq!(alias("CNAME @", Some("x")), Rewrite::Alias(name("x")));
        assert_eq!(alias("CNAME a.b", None), Rewrite::Alias(name("a.b")));
        assert_eq!(alias("CNAME *.b.", Some("x")), Rewrite::AliasBelow(name("b")));
        assert_eq!(name(r"a\045b.x"), name("a-b.x"));
        assert!(domain(r"a\.b.x").is_err() && domain(r"a\032b.x").is_err());
    }

    #[test]
    fn seconds_are_read_with_units() {
        let cases =
            [("0", Some(0)), ("90", Some(90)), ("1h30m", Some(5400)), ("1W", Some(604_800))];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for bad in ["h", "1x", "99999999999", "9999999w"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
