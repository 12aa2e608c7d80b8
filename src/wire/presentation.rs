//! Data of records as people write them in zone files.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::{NameRef, RecordType};

use super::header::word_at;

/// Letters of base64 (RFC 4648, section 4).
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns a record's data, in which no name is compressed, as text; of types that are not known
/// here, and of data that does not fit its type, the octets (RFC 3597, section 5).
pub fn data_text(record_type: RecordType, data: &[u8]) -> String {
    known(record_type, data).unwrap_or_else(|| {
        let octets: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("\\# {} {octets}", data.len()).trim_end().into()
    })
}

fn known(record_type: RecordType, data: &[u8]) -> Option<String> {
    match record_type {
        RecordType::A => {
            <[u8; 4]>::try_from(data).ok().map(|octets| Ipv4Addr::from(octets).to_string())
        }
        RecordType::AAAA => {
            <[u8; 16]>::try_from(data).ok().map(|octets| Ipv6Addr::from(octets).to_string())
        }
        RecordType::CNAME | RecordType::DNAME | RecordType::NS | RecordType::PTR => last_name(data),
        RecordType::MX => numbers_and_name(data, 1),
        RecordType::SRV => numbers_and_name(data, 3),
        RecordType::TXT => strings(data),
        RecordType::HTTPS | RecordType::SVCB => service(data),
        _ => None,
    }
}

/// Cuts the name off that data begins with.
fn split_name(data: &[u8]) -> Option<(String, &[u8])> {
    let mut length = 0;
    loop {
        let label = usize::from(*data.get(length)?);
        length += 1 + label;
        if label == 0 {
            let (name, rest) = data.split_at_checked(length)?;
            return Some((NameRef::from_wire(name)?.to_string(), rest));
        }
    }
}

fn last_name(data: &[u8]) -> Option<String> {
    split_name(data).filter(|(_, rest)| rest.is_empty()).map(|(name, _)| name)
}

fn numbers_and_name(data: &[u8], count: usize) -> Option<String> {
    let (numbers, name) = data.split_at_checked(2 * count)?;
    let numbers: String =
        numbers.as_chunks::<2>().0.iter().map(|&n| format!("{} ", u16::from_be_bytes(n))).collect();
    Some(format!("{numbers}{}", last_name(name)?))
}

fn strings(data: &[u8]) -> Option<String> {
    let mut rest = data;
    let mut texts = Vec::new();
    while let Some((&length, behind)) = rest.split_first() {
        let (text, behind) = behind.split_at_checked(usize::from(length))?;
        texts.push(format!("\"{}\"", escaped(text)));
        rest = behind;
    }
    (!texts.is_empty()).then(|| texts.join(" "))
}

fn escaped(text: &[u8]) -> String {
    let written = |&octet: &u8| match octet {
        b'"' | b'\\' => format!("\\{}", char::from(octet)),
        b' '..=b'~' => char::from(octet).into(),
        _ => format!("\\{octet:03}"),
    };
    text.iter().map(written).collect()
}

/// `1 target key=value` (RFC 9460, section 2.1).
fn service(data: &[u8]) -> Option<String> {
    let priority = word_at(data, 0)?;
    let (target, mut rest) = split_name(data.get(2..)?)?;
    let mut text = format!("{priority} {target}");
    while !rest.is_empty() {
        let (key, length) = (word_at(rest, 0)?, usize::from(word_at(rest, 2)?));
        let (value, behind) = rest.get(4..)?.split_at_checked(length)?;
        text.push(' ');
        text.push_str(&parameter(key, value)?);
        rest = behind;
    }
    Some(text)
}

fn parameter(key: u16, value: &[u8]) -> Option<String> {
    let keys =
        ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath"];
    let name_of = |key: u16| match keys.get(usize::from(key)) {
        Some(name) => (*name).to_string(),
        None => format!("key{key}"),
    };
    let value = match key {
        0 => listed(value.as_chunks::<2>().0.iter().map(|&key| name_of(u16::from_be_bytes(key)))),
        1 => strings(value)?.replace("\" \"", ",").replace('"', ""),
        3 => word_at(value, 0)?.to_string(),
        4 => listed(value.as_chunks::<4>().0.iter().map(|&v4| Ipv4Addr::from(v4).to_string())),
        5 => base64(value),
        6 => listed(value.as_chunks::<16>().0.iter().map(|&v6| Ipv6Addr::from(v6).to_string())),
        _ if value.is_empty() => return Some(name_of(key)),
        _ => escaped(value),
    };
    Some(format!("{}={value}", name_of(key)))
}

fn listed(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<String>>().join(",")
}

fn base64(octets: &[u8]) -> String {
    let mut text = String::new();
    for group in octets.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(*group.get(at).unwrap_or(&0)));
        for place in 0..4 {
            let letter = BASE64.get(bits >> (18 - 6 * place) & 63).copied().unwrap_or(b'=');
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_are_written_as_in_zone_files() {
        let cases: [(RecordType, &[u8], &str); 9] = [
            (RecordType::A, &[192, 0, 2, 1], "192.0.2.1"),
            (RecordType::AAAA, &[0; 16], "::"),
            (RecordType::CNAME, b"\x01a\x02ex\0", "a.ex"),
            (RecordType::MX, b"\0\x0a\x01a\0", "10 a"),
            (RecordType::SRV, b"\0\x01\0\x02\0\x50\0", "1 2 80 ."),
            (RecordType::TXT, b"\x03a\"b\x02\x01\xff", r#""a\"b" "\001\255""#),
            (RecordType::HTTPS, b"\0\x01\0", "1 ."),
            (
                RecordType::SVCB,
                b"\0\x01\x01s\0\0\x01\0\x06\x02h2\x02h3\0\x02\0\0\0\x03\0\x02\x01\xbb\0\x04\0\x04\xc0\0\x02\x01\0\x05\0\x04abcd",
                "1 s alpn=h2,h3 no-default-alpn port=443 ipv4hint=192.0.2.1 ech=YWJjZA==",
            ),
            (RecordType(65280), b"\x01\xab", r"\# 2 01ab"),
        ];
        for (record_type, data, expected) in cases {
            assert_eq!(data_text(record_type, data), expected);
        }
    }

    #[test]
    fn data_that_does_not_fit_its_type_is_shown_as_octets() {
        let cases: [(RecordType, &[u8]); 6] = [
            (RecordType::A, &[1, 2, 3]),
            (RecordType::CNAME, b"\x01a"),
            (RecordType::CNAME, b"\x01a\0rest"),
            (RecordType::MX, b"\0"),
            (RecordType::TXT, b"\x05a"),
            (RecordType::HTTPS, b"\0\x01\0\0\x04\0\x04\x01"),
        ];
        for (record_type, data) in cases {
            let text = data_text(record_type, data);
            assert!(text.starts_with(&format!("\\# {} ", data.len())), "{text}");
        }
        assert_eq!(data_text(RecordType::TXT, b""), r"\# 0");
    }
}
