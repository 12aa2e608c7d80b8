//! Service bindings of `$dnsrewrite` (RFC 9460): `1 host alpn=h3 port=8443`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::rewrite::{number, target};

/// Keys by name; their places are their numbers.
const KEYS: [&str; 8] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath"];

/// Reads a priority, a host and keys; unknown keys are skipped.
pub fn service_binding(text: &str) -> Result<Vec<u8>, String> {
    let mut words = text.split_whitespace();
    let (Some(priority), Some(host)) = (words.next(), words.next()) else {
        return Err("HTTPS and SVCB take a priority and a host".to_string());
    };
    let mut data = number(priority)?.to_vec();
    data.extend(target(host)?.as_ref().wire());
    // On the wire keys stand in the order of their numbers.
    let mut values = BTreeMap::new();
    for word in words {
        let (key, value) =
            word.split_once('=').ok_or_else(|| format!("`{}` has no `=`", super::escaped(word)))?;
        let Some(key) = key_number(&key.to_ascii_lowercase()) else {
            continue;
        };
        if values.insert(key, encoded(key, value)?).is_some() {
            return Err(format!("`{}` has a key that stands there twice", super::escaped(word)));
        }
    }
    for (key, value) in values {
        data.extend(key.to_be_bytes());
        data.extend(length(&value)?.to_be_bytes());
        data.extend(value);
    }
    Ok(data)
}

fn key_number(name: &str) -> Option<u16> {
    (0..).zip(KEYS).find(|(_, known)| *known == name).map(|(number, _)| number)
}

fn encoded(key: u16, value: &str) -> Result<Vec<u8>, String> {
    let name = KEYS.get(usize::from(key)).copied().unwrap_or_default();
    match name {
        "mandatory" => mandatory(value),
        "alpn" => protocols(value),
        "no-default-alpn" if value.is_empty() => Ok(Vec::new()),
        "no-default-alpn" => Err("`no-default-alpn` takes no value".to_string()),
        "port" => number(value).map(Vec::from),
        "ipv4hint" => addresses(value, |v4: Ipv4Addr| v4.octets().to_vec()),
        "ipv6hint" => addresses(value, |v6: Ipv6Addr| v6.octets().to_vec()),
        "ech" => base64(value).ok_or_else(|| "`ech` takes base64".to_string()),
        _ if value.is_empty() => Err("`dohpath` takes a path".to_string()),
        _ => Ok(value.as_bytes().to_vec()),
    }
}

fn mandatory(value: &str) -> Result<Vec<u8>, String> {
    let number = |name: &str| {
        let key = key_number(name).filter(|&key| key != 0);
        key.ok_or_else(|| format!("`{}` cannot be mandatory", super::escaped(name)))
    };
    let mut keys = value.split(',').map(number).collect::<Result<Vec<u16>, String>>()?;
    keys.sort_unstable();
    keys.dedup();
    Ok(keys.into_iter().flat_map(u16::to_be_bytes).collect())
}

fn protocols(value: &str) -> Result<Vec<u8>, String> {
    let mut data = Vec::new();
    for protocol in value.split(',') {
        let length = u8::try_from(protocol.len()).ok().filter(|&length| length > 0);
        data.push(length.ok_or_else(|| "a protocol has 1 to 255 characters".to_string())?);
        data.extend(protocol.as_bytes());
    }
    Ok(data)
}

fn addresses<A: FromStr>(value: &str, octets: fn(A) -> Vec<u8>) -> Result<Vec<u8>, String> {
    let read = |text: &str| {
        text.parse()
            .map(octets)
            .map_err(|_| format!("`{}` is no such address", super::escaped(text)))
    };
    value.split(',').map(read).collect::<Result<Vec<_>, _>>().map(|all| all.concat())
}

fn length(value: &[u8]) -> Result<u16, String> {
    u16::try_from(value.len()).map_err(|_| "a value is longer than 65535 octets".to_string())
}

/// Reads base64 of whole groups, the last one filled up with `=`.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if text.is_empty() || !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut data = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0_u32, 0);
    for octet in digits.bytes() {
        let digit = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(digit)) & 0x00ff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            data.extend(u8::try_from(bits >> count & 0xff));
        }
    }
    Some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_in_the_order_of_their_numbers() {
        let text = "1 x.com dohpath=/q{?dns} ipv6hint=::1 ech=AP8= ipv4hint=192.0.2.1,192.0.2.2 \
                    port=8443 no-default-alpn= alpn=h2,h3 mandatory=port,alpn";
        let wanted = [
            &b"\x00\x01\x01x\x03com\x00"[..],
            b"\x00\x00\x00\x04\x00\x01\x00\x03",
            b"\x00\x01\x00\x06\x02h2\x02h3",
            b"\x00\x02\x00\x00",
            b"\x00\x03\x00\x02\x20\xfb",
            b"\x00\x04\x00\x08\xc0\x00\x02\x01\xc0\x00\x02\x02",
            b"\x00\x05\x00\x02\x00\xff",
            b"\x00\x06\x00\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
            b"\x00\x07\x00\x08/q{?dns}",
        ];
        assert_eq!(service_binding(text), Ok(wanted.concat()));
    }

    #[test]
    fn unknown_keys_are_skipped_and_the_root_is_a_host() {
        assert_eq!(service_binding("0 . foo=bar"), Ok(vec![0, 0, 0]));
        assert_eq!(service_binding("1 . ALPN=h3"), Ok(b"\0\x01\0\0\x01\0\x03\x02h3".to_vec()));
    }

    #[test]
    fn bad_bindings_are_refused() {
        for text in [
            "",
            "1",
            "x.com",
            "65536 .",
            "1 a_b",
            "1 . alpn",
            "1 . alpn=",
            "1 . alpn=h2,",
            "1 . port=x",
            "1 . port=",
            "1 . ipv4hint=::1",
            "1 . ipv6hint=192.0.2.1",
            "1 . ipv4hint=",
            "1 . ech=?",
            "1 . ech=",
            "1 . ech=A",
            "1 . no-default-alpn=x",
            "1 . mandatory=foo",
            "1 . mandatory=mandatory",
            "1 . dohpath=",
            "1 . port=1 port=2",
        ] {
            assert!(service_binding(text).is_err(), "{text}");
        }
    }

    #[test]
    fn base64_is_read() {
        let cases: [(&str, Option<&[u8]>); 6] = [
            ("TWFu", Some(b"Man")),
            ("TWE=", Some(b"Ma")),
            ("TQ==", Some(b"M")),
            ("T===", None),
            ("TWF", None),
            ("TW=u", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(base64(text).as_deref(), wanted, "{text}");
        }
    }
}
