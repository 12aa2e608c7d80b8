//! Where in the index rules have their place: the keyed hash of a name, address prefix or text.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use crate::model::{HashSeed, NameHashes};

use super::{Pattern, TextPattern, TextSyntax};

/// The place of the root, and of rules for every name: where the hash of each name starts from.
pub const ROOT: u64 = 0;

/// Keep addresses and texts apart from labels, which follow the hash of a parent.
const ADDRESSES: u64 = u64::MAX;
const TEXTS: u64 = u64::MAX - 1;

/// Returns the place of a pattern.
pub fn place(pattern: &Pattern, seed: HashSeed) -> u64 {
    match pattern {
        Pattern::Exact(name) | Pattern::Subtree(name) | Pattern::Below(name) => {
            NameHashes::of(name.as_ref(), seed).whole().unwrap_or(ROOT)
        }
        Pattern::Everything => ROOT,
        Pattern::Text(text) => text_place(text, seed),
        Pattern::Address(prefix) => address_place(prefix.address(), prefix.bits(), seed),
    }
}

/// Returns the place of the prefix of these many bits that an address lies in.
pub fn address_place(address: IpAddr, bits: u8, seed: HashSeed) -> u64 {
    let mut hasher = hasher(seed, ADDRESSES);
    match address {
        IpAddr::V4(v4) => {
            let keep = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            hasher.write(&[4, bits]);
            hasher.write(&(v4.to_bits() & keep).to_be_bytes());
        }
        IpAddr::V6(v6) => {
            let keep = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            hasher.write(&[6, bits]);
            hasher.write(&(v6.to_bits() & keep).to_be_bytes());
        }
    }
    hasher.finish()
}

/// Returns the place of a text pattern.
pub fn text_place(text: &TextPattern, seed: HashSeed) -> u64 {
    let syntax = match text.syntax {
        TextSyntax::Glob => 0,
        TextSyntax::Regex => 1,
    };
    let mut hasher = hasher(seed, TEXTS);
    hasher.write(&[syntax, u8::from(text.inverted), u8::from(text.addresses)]);
    hasher.write(text.text.as_bytes());
    hasher.finish()
}

fn hasher(seed: HashSeed, apart: u64) -> SipHasher13 {
    let mut hasher = SipHasher13::new_with_keys(seed.0[0], seed.0[1]);
    hasher.write_u64(apart);
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: HashSeed = HashSeed([1, 2]);

    #[test]
    fn an_address_has_the_place_of_each_prefix_it_lies_in() {
        for (prefix, address) in [
            ("192.0.2.0/24", "192.0.2.9"),
            ("2001:db8::/32", "2001:db8::9"),
            ("0.0.0.0/0", "1.1.1.1"),
        ] {
            let pattern = Pattern::Address(prefix.parse().expect("a prefix"));
            let Pattern::Address(prefix) = pattern else { panic!("it is a prefix") };
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(place(&pattern, SEED), address_place(address, prefix.bits(), SEED));
            assert_ne!(place(&pattern, SEED), address_place(address, prefix.bits() + 1, SEED));
        }
    }

    #[test]
    fn texts_that_differ_in_anything_have_places_of_their_own() {
        let text = |syntax, inverted, addresses| {
            text_place(&TextPattern { syntax, text: "ads".into(), inverted, addresses }, SEED)
        };
        let places = [
            text(TextSyntax::Glob, false, false),
            text(TextSyntax::Regex, false, false),
            text(TextSyntax::Regex, true, false),
            text(TextSyntax::Regex, true, true),
        ];
        let distinct: std::collections::HashSet<_> = places.into_iter().collect();
        assert_eq!(distinct.len(), places.len());
    }
}
