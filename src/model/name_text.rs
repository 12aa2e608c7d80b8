//! Names and addresses as text, written on the stack: what patterns are held against.

use std::cell::OnceCell;
use std::fmt::{Display, Write};

use super::{MAX_NAME_OCTETS, NameRef, TextRoom};

/// Octets of the longest presentation form: every octet of a name escaped, `\255`.
const LONGEST: usize = 4 * MAX_NAME_OCTETS;

/// A name's presentation form, without the root's dot behind it; written when it is first read.
///
/// Names with octets to be escaped are seldom: these are written anew for each who reads them.
pub struct NameText<'n> {
    name: NameRef<'n>,
    /// The text, if none of its octets is to be escaped.
    plain: OnceCell<Option<TextRoom>>,
}

/// The text of a name or an address.
pub struct Presentation {
    octets: [u8; LONGEST],
    length: usize,
}

impl<'n> NameText<'n> {
    /// Takes a name.
    pub fn of(name: NameRef<'n>) -> NameText<'n> {
        NameText { name, plain: OnceCell::new() }
    }

    /// Returns the name.
    pub fn name(&self) -> NameRef<'n> {
        self.name
    }

    /// Hands the text on.
    pub fn read<T>(&self, read: impl FnOnce(&[u8]) -> T) -> T {
        let plain = self.plain.get_or_init(|| {
            let mut room = TextRoom::default();
            self.name.plain_text(&mut room).is_some().then_some(room)
        });
        match plain {
            // The text is as long as the name, less the first length and the root.
            Some(room) => read(room.first(self.name.wire().len() - 2)),
            None => read(Presentation::of(self.name).octets()),
        }
    }
}

impl Presentation {
    /// Writes a name or an address.
    pub fn of(value: impl Display) -> Presentation {
        let mut text = Presentation { octets: [0; LONGEST], length: 0 };
        write!(text, "{value}").expect("the longest presentation form fits");
        text
    }

    /// Returns the text.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

impl Write for Presentation {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let place = self.octets.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::DomainName;

    fn text(name: &DomainName) -> String {
        let owned = |text: &[u8]| String::from_utf8(text.to_vec()).expect("ASCII");
        NameText::of(name.as_ref()).read(owned)
    }

    #[test]
    fn the_longest_presentation_form_fits() {
        let label = [&[63_u8][..], &[0xff; 63]].concat();
        let last = [&[61_u8][..], &[0xff; 61], &[0]].concat();
        let wire = [&label[..], &label, &label, &last].concat();
        let longest = DomainName::from_wire(&wire).expect("255 octets");
        assert_eq!(text(&longest), longest.to_string());
        assert_eq!(text(&longest).len(), 250 * 4 + 3);
        assert_eq!(text(&DomainName::root()), ".");
    }

    proptest! {
        #[test]
        fn the_text_is_the_one_that_names_display(
            labels in prop::collection::vec(
                prop_oneof![prop::collection::vec(any::<u8>(), 1..20), "[a-z0-9-]{1,20}".prop_map(String::into_bytes)],
                1..8,
            )
        ) {
            let octets = labels.iter().flat_map(|label| {
                [&[label.len() as u8], &label.to_ascii_lowercase()[..]].concat()
            });
            let wire: Vec<u8> = octets.chain([0]).collect();
            let name = DomainName::from_wire(&wire).expect("a name");
            prop_assert_eq!(text(&name), name.to_string());
        }
    }
}
