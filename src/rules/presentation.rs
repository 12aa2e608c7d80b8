//! What text patterns are held against: a name or an address as text, on the stack.

use std::fmt::Write;
use std::net::IpAddr;

use crate::model::{MAX_NAME_OCTETS, NameRef, TextRoom};

/// A name's presentation form, or an address's.
pub struct Presentation {
    octets: [u8; Presentation::LONGEST],
    length: usize,
}

impl Presentation {
    /// Every octet escaped: `\255`.
    const LONGEST: usize = 4 * MAX_NAME_OCTETS;

    /// Hands a name on as text, its strange octets escaped.
    pub fn with_name<T>(name: NameRef<'_>, read: impl FnOnce(&[u8]) -> T) -> T {
        match name.plain_text(&mut TextRoom::default()) {
            Some(text) => read(text),
            None => read(Presentation::of(name).octets()),
        }
    }

    /// Writes a name.
    fn of(name: NameRef<'_>) -> Presentation {
        let mut text = Presentation { octets: [0; Self::LONGEST], length: 0 };
        write!(text, "{name}").expect("the longest presentation form fits");
        text
    }

    /// Writes an address.
    pub fn of_address(address: IpAddr) -> Presentation {
        let mut text = Presentation { octets: [0; Self::LONGEST], length: 0 };
        write!(text, "{address}").expect("an address is shorter than the longest name");
        text
    }

    /// Returns the text.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }

    /// Returns the address that the text is, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        std::str::from_utf8(self.octets()).ok()?.parse().ok()
    }

    fn push(&mut self, octets: &[u8]) -> bool {
        let end = self.length + octets.len();
        let Some(place) = self.octets.get_mut(self.length..end) else {
            return false;
        };
        place.copy_from_slice(octets);
        self.length = end;
        true
    }
}

impl Write for Presentation {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.push(text.as_bytes()) { Ok(()) } else { Err(std::fmt::Error) }
    }
}

/// Returns the address that a name is written like, if it may be one.
pub fn literal_address(name: NameRef<'_>) -> Option<IpAddr> {
    let last = name.labels().last()?;
    let may_be = last.iter().all(u8::is_ascii_digit) || last.contains(&b':');
    if may_be { Presentation::of(name).address() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    fn name(text: &str) -> DomainName {
        DomainName::from_presentation(text).expect("a name")
    }

    #[test]
    fn the_longest_presentation_form_fits() {
        let label = [&[63_u8][..], &[0xff; 63]].concat();
        let last = [&[61_u8][..], &[0xff; 61], &[0]].concat();
        let wire = [&label[..], &label, &label, &last].concat();
        let longest = DomainName::from_wire(&wire).expect("255 octets");
        assert_eq!(Presentation::of(longest.as_ref()).length, 250 * 4 + 3);
        assert_eq!(Presentation::of(DomainName::root().as_ref()).octets(), b".");
    }

    #[test]
    fn names_that_are_written_like_addresses_are_known() {
        let address = |text: &str| literal_address(name(text).as_ref());
        assert_eq!(address("192.0.2.1"), Some([192, 0, 2, 1].into()));
        assert_eq!(address("2001:db8::1"), "2001:db8::1".parse().ok());
        for text in ["192.0.2", "192.0.2.1.com", "1.192.0.2.1", "x:", "."] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
