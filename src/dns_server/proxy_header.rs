//! PROXY protocol, versions 1 and 2: who a connection is opened for (haproxy's proxy-protocol.txt).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How a header of version 1 begins.
const VERSION_1: &[u8] = b"PROXY ";
/// How a header of version 2 begins.
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest header of version 1, its line end included.
const LONGEST_LINE: usize = 107;
/// Octets of version 2 in front of the addresses.
const FIXED: usize = 16;
/// Most octets of version 2 behind those, more than any address and many extensions take.
const LONGEST_REST: usize = 2_048;

/// What the first octets of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// No header.
    None,
    /// It may become a header; more octets tell.
    Unfinished,
    /// It begins as a header does, and is none.
    Malformed,
    /// A whole header, so many octets long.
    Header(ProxyHeader, usize),
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Who the connection is for; `None`: for the forwarder itself.
    pub client: Option<IpAddr>,
}

/// A header that cannot become a right one.
struct Malformed;

/// Reads the first octets of a connection.
pub fn read_opening(octets: &[u8]) -> Opening {
    let read = if begins(octets, VERSION_2) {
        read_binary(octets)
    } else if begins(octets, VERSION_1) {
        read_line(octets)
    } else {
        return Opening::None;
    };
    match read {
        Ok(Some((client, length))) => Opening::Header(ProxyHeader { client }, length),
        Ok(None) => Opening::Unfinished,
        Err(Malformed) => Opening::Malformed,
    }
}

/// Returns whether a connection began as a header does, with the whole of a signature.
pub(super) fn is_signed(octets: &[u8]) -> bool {
    octets.starts_with(VERSION_1) || octets.starts_with(VERSION_2)
}

/// Returns whether octets begin with a signature, as far as they go.
fn begins(octets: &[u8], signature: &[u8]) -> bool {
    let length = octets.len().min(signature.len());
    octets.get(..length) == signature.get(..length)
}

type Read = Result<Option<(Option<IpAddr>, usize)>, Malformed>;

fn read_binary(octets: &[u8]) -> Read {
    let Some(fixed) = octets.first_chunk::<FIXED>() else { return Ok(None) };
    let [.., command, family, high, low] = *fixed;
    let rest = usize::from(u16::from_be_bytes([high, low]));
    let addressed = match (command, family >> 4, family & 0x0f) {
        // LOCAL: the forwarder looks whether we are there.
        (0x20, 0..=3, 0..=2) => 0,
        (0x21, 1..=3, 0) | (0x21, 0, 0..=2) => 0,
        (0x21, 1, 1 | 2) => 4,
        (0x21, 2, 1 | 2) => 16,
        // Between sockets of one machine: nobody's address.
        (0x21, 3, 1 | 2) => 0,
        _ => return Err(Malformed),
    };
    let needed = match addressed {
        0 => 0,
        octets => 2 * octets + 4,
    };
    if rest > LONGEST_REST || rest < needed {
        return Err(Malformed);
    }
    let length = FIXED + rest;
    let Some(rest) = octets.get(FIXED..length) else { return Ok(None) };
    let client = match addressed {
        4 => rest.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        16 => rest.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    };
    Ok(Some((client.map(|client| client.to_canonical()), length)))
}

fn read_line(octets: &[u8]) -> Read {
    let window = octets.get(..LONGEST_LINE).unwrap_or(octets);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if window.len() < LONGEST_LINE { Ok(None) } else { Err(Malformed) };
    };
    let line = window.get(VERSION_1.len()..end).ok_or(Malformed)?;
    Ok(Some((line_client(line)?, end + 2)))
}

/// Reads what stands behind `PROXY `.
fn line_client(line: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    if matches!(line.strip_prefix(b"UNKNOWN"), Some([] | [b' ', ..])) {
        return Ok(None);
    }
    let mut words = std::str::from_utf8(line).map_err(|_| Malformed)?.split(' ');
    let family = words.next().unwrap_or_default();
    let mut word = || words.next().ok_or(Malformed);
    let (source, target) = (word()?, word()?);
    let ports = [word()?, word()?];
    let addresses = match family {
        "TCP4" => both::<Ipv4Addr>(source, target),
        "TCP6" => both::<Ipv6Addr>(source, target),
        _ => None,
    };
    let right = ports.iter().all(|port| is_port(port)) && words.next().is_none();
    addresses.filter(|_| right).map(|client| Some(client.to_canonical())).ok_or(Malformed)
}

fn both<A: std::str::FromStr + Into<IpAddr>>(source: &str, target: &str) -> Option<IpAddr> {
    target.parse::<A>().ok()?;
    source.parse::<A>().ok().map(Into::into)
}

fn is_port(text: &str) -> bool {
    let plain = text == "0" || !text.starts_with(['0', '+']);
    plain && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// A header of version 2.
    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [VERSION_2, &[command, family], &length, rest].concat()
    }

    fn of_v4(extensions: &[u8]) -> Vec<u8> {
        let addresses = [192, 168, 1, 40, 192, 168, 1, 2, 0xc0, 1, 0, 53];
        binary(0x21, 0x11, &[&addresses[..], extensions].concat())
    }

    fn of_v6(source: &str) -> Vec<u8> {
        let IpAddr::V6(source) = address(source) else { panic!("it is IPv6") };
        binary(0x21, 0x21, &[&source.octets()[..], &[0; 16], &[0xc0, 1, 0, 53]].concat())
    }

    fn client(octets: &[u8]) -> Option<IpAddr> {
        match read_opening(octets) {
            Opening::Header(header, length) => {
                assert_eq!(length, octets.len(), "all of it is the header");
                header.client
            }
            other => panic!("{other:?}: {octets:02x?}"),
        }
    }

    #[test]
    fn both_versions_tell_the_client_in_both_families() {
        let v4 = Some(address("192.168.1.40"));
        assert_eq!(client(b"PROXY TCP4 192.168.1.40 192.168.1.2 49153 53\r\n"), v4);
        assert_eq!(client(&of_v4(&[])), v4);
        let mut datagram = of_v4(&[]);
        datagram[13] = 0x12;
        assert_eq!(client(&datagram), v4, "a client that asked over UDP");
        let v6 = Some(address("fd00::40"));
        assert_eq!(client(b"PROXY TCP6 fd00::40 fd00::2 49153 53\r\n"), v6);
        assert_eq!(client(&of_v6("fd00::40")), v6);
        assert_eq!(client(b"PROXY TCP6 ::ffff:192.168.1.40 ::1 0 65535\r\n"), v4, "mapped");
        assert_eq!(client(&of_v6("::ffff:192.168.1.40")), v4, "mapped");
        let longest = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
        assert_eq!(client(longest), None);
    }

    #[test]
    fn who_names_nobody_asks_for_itself() {
        assert_eq!(client(b"PROXY UNKNOWN\r\n"), None);
        assert_eq!(client(b"PROXY UNKNOWN what\xffever 1\r\n"), None);
        for (command, family) in [
            (0x20, 0x00),
            (0x20, 0x11),
            (0x20, 0x21),
            (0x20, 0x31),
            (0x21, 0x00),
            (0x21, 0x10),
            (0x21, 0x31),
            (0x21, 0x32),
        ] {
            assert_eq!(client(&binary(command, family, &[])), None, "{command:x} {family:x}");
            assert_eq!(client(&binary(command, family, &[7; 216])), None);
        }
    }

    #[test]
    fn extensions_are_passed_over_whatever_they_hold() {
        for extensions in [&[3, 0, 4, 1, 2, 3, 4][..], &[0xff, 0xff, 0xff], &[0; 2_036]] {
            assert_eq!(client(&of_v4(extensions)), Some(address("192.168.1.40")));
        }
    }

    #[test]
    fn a_header_cut_anywhere_is_waited_for_and_what_follows_it_is_left() {
        let line = b"PROXY TCP4 192.168.1.40 192.168.1.2 49153 53\r\n";
        for header in [line.to_vec(), of_v4(&[4, 0, 1, 0]), of_v6("fd00::40")] {
            for cut in 0..header.len() {
                assert_eq!(read_opening(&header[..cut]), Opening::Unfinished, "{cut}");
            }
            let length = header.len();
            let more = [&header[..], &[0, 30, 1, 2, 3]].concat();
            let Opening::Header(header, taken) = read_opening(&more) else { panic!("whole") };
            assert_eq!((header.client.is_some(), taken), (true, length));
        }
    }

    #[test]
    fn messages_are_no_headers() {
        for message in
            [&b"\0\x1e\x12\x34\x01\0\0\x01"[..], b"\r\x0b", b"\r\n\r\n\0\r\nQUIT\r", b"PR0", b"GET"]
        {
            assert_eq!(read_opening(message), Opening::None, "{message:?}");
            assert!(!is_signed(message));
        }
        assert!(is_signed(VERSION_1) && is_signed(VERSION_2) && !is_signed(&VERSION_2[..11]));
    }

    #[test]
    fn what_begins_as_a_header_and_is_none_is_malformed() {
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY tcp4 10.0.0.1 10.0.0.2 1 2\r\n",
            "PROXY TCP5 10.0.0.1 10.0.0.2 1 2\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 1\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 1 2 3\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 1 2 \r\n",
            "PROXY TCP4  10.0.0.1 10.0.0.2 1 2\r\n",
            "PROXY TCP4 10.0.0.01 10.0.0.2 1 2\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.256 1 2\r\n",
            "PROXY TCP4 fd00::1 fd00::2 1 2\r\n",
            "PROXY TCP6 10.0.0.1 10.0.0.2 1 2\r\n",
            "PROXY TCP6 fe80::1%eth0 fd00::2 1 2\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 65536 2\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 +1 2\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 01 2\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 1 \r\n",
            "PROXY UNKNOWN\u{0}\r\n",
        ] {
            assert_eq!(read_opening(line.as_bytes()), Opening::Malformed, "{line:?}");
        }
        for (command, family) in
            [(0x11, 0x11), (0x22, 0x11), (0x01, 0x11), (0x21, 0x41), (0x21, 0x13), (0x20, 0xf0)]
        {
            let octets = binary(command, family, &[0; 216]);
            assert_eq!(read_opening(&octets), Opening::Malformed, "{command:x} {family:x}");
        }
    }

    #[test]
    fn hostile_lengths_are_refused_before_they_are_waited_for() {
        let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 93]].concat();
        assert_eq!(read_opening(&endless[..LONGEST_LINE - 1]), Opening::Unfinished);
        assert_eq!(read_opening(&endless), Opening::Malformed);
        let late = [&endless[..], b"\r\n"].concat();
        assert_eq!(read_opening(&late), Opening::Malformed);
        for (family, rest) in [(0x11, 11), (0x21, 35), (0x11, 0), (0x11, 2_049), (0x21, u16::MAX)] {
            let head = [VERSION_2, &[0x21, family], &rest.to_be_bytes()].concat();
            assert_eq!(read_opening(&head), Opening::Malformed, "{family:x} {rest}");
        }
        let head = [VERSION_2, &[0x20, 0], &u16::MAX.to_be_bytes()].concat();
        assert_eq!(read_opening(&head), Opening::Malformed, "LOCAL is bounded too");
    }
}
