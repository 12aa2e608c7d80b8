//! Names in packets, compression pointers followed.

use crate::model::{DomainName, MAX_NAME_OCTETS};

use super::header::{HEADER_OCTETS, word_at};

/// Most pointers followed in one name: it has at most 127 labels to compress.
const MAX_POINTERS: usize = 127;

/// Reads the name at `at`, folded to lower case, and returns it with the place behind it.
///
/// Pointers must lead strictly backwards, so that no chain of them can loop (RFC 9267, section 2),
/// and never into the header, whose octets differ between an upstream's reply and ours.
pub fn read_name(packet: &[u8], at: usize) -> Option<(DomainName, usize)> {
    let mut wire = [0_u8; MAX_NAME_OCTETS];
    let (length, next) = expand(packet, at, &mut wire)?;
    Some((DomainName::from_wire(&wire[..length])?, next))
}

/// Expands the name at `at` into `wire`, lower case; returns its length and the place behind it.
pub(super) fn expand(
    packet: &[u8],
    at: usize,
    wire: &mut [u8; MAX_NAME_OCTETS],
) -> Option<(usize, usize)> {
    let mut length = 0;
    let mut place = at;
    let mut run_start = at;
    let mut next = None;
    let mut pointers = 0;
    loop {
        match *packet.get(place)? {
            0 => {
                *wire.get_mut(length)? = 0;
                return Some((length + 1, next.unwrap_or(place + 1)));
            }
            size @ 1..=63 => {
                let end = place + 1 + usize::from(size);
                let label = packet.get(place..end)?;
                let room = wire.get_mut(length..length + label.len())?;
                room.copy_from_slice(label);
                room.make_ascii_lowercase();
                // The length octet is below `A`, so folding left it alone.
                length += label.len();
                place = end;
            }
            0xc0..=0xff => {
                let target = usize::from(word_at(packet, place)? & 0x3fff);
                pointers += 1;
                if target < HEADER_OCTETS || target >= run_start || pointers > MAX_POINTERS {
                    return None;
                }
                next.get_or_insert(place + 2);
                (place, run_start) = (target, target);
            }
            _ => return None,
        }
    }
}

/// Returns the octets of the name that `octets` begin with, if there is no pointer in it.
pub(super) fn whole_name(octets: &[u8]) -> Option<&[u8]> {
    let mut end = 0;
    loop {
        match *octets.get(end)? {
            0 => return octets.get(..=end).filter(|name| name.len() <= MAX_NAME_OCTETS),
            size @ 1..=63 => end += 1 + usize::from(size),
            _ => return None,
        }
    }
}

/// Returns the place behind the name at `at` without expanding it.
pub(super) fn skip_name(packet: &[u8], at: usize) -> Option<usize> {
    end_of_name(packet, at).map(|(end, _)| end)
}

/// Returns the place behind the name at `at`, and where the pointer leads that it ends with.
pub(super) fn end_of_name(packet: &[u8], at: usize) -> Option<(usize, Option<usize>)> {
    let mut place = at;
    loop {
        match *packet.get(place)? {
            0 => return Some((place + 1, None)),
            size @ 1..=63 => place += 1 + usize::from(size),
            0xc0..=0xff => {
                let target = usize::from(word_at(packet, place)? & 0x3fff);
                return Some((place + 2, Some(target)));
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_followed_backwards_only() {
        let packet = [&[0; HEADER_OCTETS][..], b"\x03com\x00\x01A\xc0\x0c\xc0\x13"].concat();
        let (name, next) = read_name(&packet, 17).expect("a name");
        assert_eq!((name.to_string().as_str(), next), ("a.com", 21));
        assert!(read_name(&packet, 21).is_some(), "a pointer to a pointer ends");
        let behind_header = |octets: &[u8]| read_name(&[&[0; 12], octets].concat(), 12);
        assert!(behind_header(b"\xc0\x0c").is_none(), "a pointer to itself");
        assert!(behind_header(b"\x01a\xc0\x0c").is_none(), "a loop");
        assert!(behind_header(b"\xc0\x04").is_none(), "a pointer into the header");
    }

    #[test]
    fn a_long_chain_of_pointers_is_refused() {
        let chain = |pointers: usize| {
            let mut packet = [&[0; HEADER_OCTETS][..], b"\x03com\x00\xc0\x0c"].concat();
            for _ in 1..pointers {
                let last = u16::try_from(packet.len() - 2).expect("short");
                packet.extend((0xc000 | last).to_be_bytes());
            }
            read_name(&packet, packet.len() - 2)
        };
        assert!(chain(MAX_POINTERS).is_some());
        assert!(chain(MAX_POINTERS + 1).is_none());
    }

    #[test]
    fn lengths_past_the_end_are_refused() {
        for packet in [&b"\x05ab"[..], b"\x01a", b"", b"\x40a\x00", b"\xc0"] {
            assert!(read_name(packet, 0).is_none(), "{packet:?}");
        }
        let long: Vec<u8> = [&[63_u8; 64][..]; 4].concat();
        assert!(read_name(&[&long[..], &[0]].concat(), 0).is_none(), "257 octets");
    }
}
