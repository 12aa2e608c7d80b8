//! Values of AdGuard's `$dnsrewrite`: answers of ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{DomainName, RecordType};
use crate::rules::{Record, Rewrite};

use super::{conditions, svcb};

/// Response codes by name.
const CODES: [(&str, u16); 11] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
];

/// Those that may stand alone.
const SHORT_CODES: [&str; 4] = ["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED"];

/// Reads a value that is not empty.
pub fn rewrite(value: &str) -> Result<Rewrite, String> {
    let mut parts = value.splitn(3, ';');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(code), Some(kind), Some(data)) => full(code, kind, data),
        (_, Some(_), None) => Err("write `RCODE;TYPE;VALUE`, with two semicolons".to_string()),
        _ => short(value),
    }
}

/// Reads a code, an address or a name.
fn short(value: &str) -> Result<Rewrite, String> {
    if value.bytes().all(|octet| octet.is_ascii_uppercase()) {
        let code = code(value).filter(|_| SHORT_CODES.contains(&value)).map(Rewrite::Code);
        let told = super::escaped(value);
        return code.ok_or_else(|| format!("`{told}` is none of {}", SHORT_CODES.join(", ")));
    }
    match value.parse() {
        Ok(IpAddr::V4(v4)) => Ok(Rewrite::Record(Record::v4(v4))),
        Ok(IpAddr::V6(v6)) => Ok(Rewrite::Record(Record::v6(v6))),
        Err(_) => host(value).map(Rewrite::Alias),
    }
}

/// Reads `RCODE;TYPE;VALUE`.
///
/// Types that we cannot write come out as no data at all: a rule for one of them answers no other
/// type either, and records that other rules give for the name stand beside it.
fn full(rcode: &str, kind: &str, data: &str) -> Result<Rewrite, String> {
    let rcode = code(&rcode.to_ascii_uppercase())
        .ok_or_else(|| format!("`{}` is no response code", super::escaped(rcode)))?;
    if rcode != 0 {
        return Ok(Rewrite::Code(rcode));
    }
    if kind.is_empty() {
        let none = data.is_empty().then_some(Rewrite::Code(0));
        return none.ok_or_else(|| "a value without a type".to_string());
    }
    let record_type = conditions::record_type(kind)?;
    let record =
        |data: Vec<u8>| Rewrite::Record(Record { record_type, data: data.into(), ttl: None });
    match record_type {
        RecordType::A => address::<Ipv4Addr>(data).map(Record::v4).map(Rewrite::Record),
        RecordType::AAAA => address::<Ipv6Addr>(data).map(Record::v6).map(Rewrite::Record),
        RecordType::CNAME => host(data).map(Rewrite::Alias),
        RecordType::PTR => Ok(record(host(data)?.as_ref().wire().to_vec())),
        RecordType::TXT => Ok(record(character_strings(data))),
        RecordType::MX => mail_exchange(data).map(record),
        RecordType::SRV => service(data).map(record),
        RecordType::HTTPS | RecordType::SVCB => svcb::service_binding(data).map(record),
        _ => Ok(Rewrite::Code(0)),
    }
}

/// Returns a response code by its name in capitals.
fn code(name: &str) -> Option<u16> {
    CODES.iter().find(|(known, _)| *known == name).map(|(_, code)| *code)
}

fn address<A: std::str::FromStr>(text: &str) -> Result<A, String> {
    text.parse().map_err(|_| format!("`{}` is no address of that type", super::escaped(text)))
}

/// Reads a host name: letters, digits and hyphens, no label beginning with a hyphen.
pub fn host(text: &str) -> Result<DomainName, String> {
    let wrong = |why: String| format!("`{}`: {why}", super::escaped(text));
    let name = DomainName::parse(text).map_err(|error| wrong(error.to_string()))?;
    let fits = |label: &[u8]| !label.starts_with(b"-") && !label.contains(&b'_');
    if text.starts_with(char::is_whitespace) || !name.as_ref().labels().all(fits) {
        return Err(wrong("no host name".to_string()));
    }
    Ok(name)
}

/// Reads a host name, or `.` for the root.
pub fn target(text: &str) -> Result<DomainName, String> {
    if text == "." { Ok(DomainName::root()) } else { host(text) }
}

/// Reads a number of 16 bits, as it stands in records.
pub fn number(text: &str) -> Result<[u8; 2], String> {
    let wrong = || format!("`{}` is no number from 0 to 65535", super::escaped(text));
    if !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(wrong());
    }
    text.parse().map(u16::to_be_bytes).map_err(|_| wrong())
}

/// Writes text as strings of at most 255 octets.
fn character_strings(text: &str) -> Vec<u8> {
    let mut data = Vec::with_capacity(text.len() + 2);
    let mut rest = text.as_bytes();
    loop {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(u8::MAX)));
        data.push(u8::try_from(piece.len()).expect("at most 255"));
        data.extend(piece);
        if after.is_empty() {
            return data;
        }
        rest = after;
    }
}

fn mail_exchange(data: &str) -> Result<Vec<u8>, String> {
    let [preference, exchange] = fields(data, "MX takes a preference and a host")?;
    Ok([&number(preference)?[..], host(exchange)?.as_ref().wire()].concat())
}

fn service(data: &str) -> Result<Vec<u8>, String> {
    let [priority, weight, port, host] =
        fields(data, "SRV takes a priority, a weight, a port and a host")?;
    let numbers = [number(priority)?, number(weight)?, number(port)?].concat();
    Ok([&numbers[..], target(host)?.as_ref().wire()].concat())
}

fn fields<'d, const COUNT: usize>(data: &'d str, why: &str) -> Result<[&'d str; COUNT], String> {
    let fields: Vec<&str> = data.split_whitespace().collect();
    fields.try_into().map_err(|_| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, data: &[u8]) -> Result<Rewrite, String> {
        let record_type = kind.parse().expect("a type");
        Ok(Rewrite::Record(Record { record_type, data: data.into(), ttl: None }))
    }

    fn alias(text: &str) -> Result<Rewrite, String> {
        Ok(Rewrite::Alias(DomainName::parse(text).expect("a name")))
    }

    #[test]
    fn short_values_are_codes_addresses_or_names() {
        let codes = [("NOERROR", 0), ("NXDOMAIN", 3), ("SERVFAIL", 2), ("REFUSED", 5)];
        for (text, code) in codes {
            assert_eq!(rewrite(text), Ok(Rewrite::Code(code)), "{text}");
        }
        assert_eq!(rewrite("192.0.2.1"), record("A", &[192, 0, 2, 1]));
        let mapped = "::ffff:1.2.3.4".parse::<Ipv6Addr>().expect("an address");
        assert_eq!(rewrite("::ffff:1.2.3.4"), record("AAAA", &mapped.octets()));
        assert_eq!(rewrite("X.example.ORG"), alias("x.example.org"));
        assert_eq!(rewrite("nxdomain"), alias("nxdomain"), "only capitals are codes");
    }

    #[test]
    fn other_short_values_are_refused() {
        let refused =
            ["FORMERR", "LOCALHOST", "1.2.3.400", "a_b.com", "-a.com", "a b", "a..b", "*"];
        for text in refused {
            assert!(rewrite(text).is_err(), "{text}");
        }
    }

    #[test]
    fn full_values_are_read_without_case() {
        assert_eq!(rewrite("noerror;a;192.0.2.1"), record("A", &[192, 0, 2, 1]));
        assert_eq!(rewrite("NOERROR;AAAA;::1"), record("AAAA", &Ipv6Addr::LOCALHOST.octets()));
        assert_eq!(rewrite("NOERROR;CNAME;x.com"), alias("x.com"));
        assert_eq!(rewrite("NXDOMAIN;;"), Ok(Rewrite::Code(3)));
        assert_eq!(rewrite("refused;foo;bar"), Ok(Rewrite::Code(5)));
        assert_eq!(rewrite("NOERROR;;"), Ok(Rewrite::Code(0)));
        assert_eq!(rewrite("NOERROR;NS;ns.x.com"), Ok(Rewrite::Code(0)));
    }

    #[test]
    fn records_are_written_as_on_the_wire() {
        let x_com = b"\x01x\x03com\x00";
        assert_eq!(rewrite("NOERROR;PTR;x.com."), record("PTR", x_com));
        assert_eq!(rewrite("NOERROR;PTR;x.com"), record("PTR", x_com));
        assert_eq!(rewrite("NOERROR;MX;32 x.com"), record("MX", b"\x00\x20\x01x\x03com\x00"));
        assert_eq!(rewrite("NOERROR;TXT;a;b c"), record("TXT", b"\x05a;b c"));
        assert_eq!(rewrite("NOERROR;TXT;"), record("TXT", b"\x00"));
        let srv = b"\x00\x0a\x00\x3c\x1f\x90\x01x\x03com\x00";
        assert_eq!(rewrite("NOERROR;SRV;10 60 8080 x.com"), record("SRV", srv));
        assert_eq!(rewrite("NOERROR;SRV;0 0 0 ."), record("SRV", &[0; 7]));
        assert_eq!(rewrite("NOERROR;HTTPS;0 x.com"), record("HTTPS", b"\x00\x00\x01x\x03com\x00"));
        let long = rewrite(&format!("NOERROR;TXT;{}", "a".repeat(256)));
        let data = [&[255][..], &[b'a'; 255], &[1, b'a']].concat();
        assert_eq!(long, record("TXT", &data));
    }

    #[test]
    fn bad_full_values_are_refused() {
        for text in [
            "NOERROR;A",
            "NOERROR;;v",
            "FOO;A;192.0.2.1",
            ";A;192.0.2.1",
            "NOERROR;FOO;x",
            "NOERROR;A;::1",
            "NOERROR;A;",
            "NOERROR;AAAA;192.0.2.1",
            "NOERROR;CNAME;",
            "NOERROR;CNAME;a b",
            "NOERROR;MX;x.com",
            "NOERROR;MX;65536 x.com",
            "NOERROR;MX;+1 x.com",
            "NOERROR;MX;-1 x.com",
            "NOERROR;MX;1 .",
            "NOERROR;SRV;1 2 x.com",
            "NOERROR;SRV;1 2 3 x.com y",
            "NOERROR;PTR;a_b",
            "NOERROR;HTTPS;x.com",
        ] {
            assert!(rewrite(text).is_err(), "{text}");
        }
        let long = ["abcdefg"; 32].join(".");
        assert!(rewrite(&long).is_err());
        assert!(rewrite(&["abcdefg"; 20].join(".")).is_ok(), "longer than one label may be");
    }
}
