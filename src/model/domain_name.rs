//! Domain names in one normal form: lower-case wire octets, walked up through their parents.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name on the wire, final root octet included (RFC 1035, section 3.1).
pub const MAX_NAME_OCTETS: usize = 255;

/// A domain name in wire form, letters folded to lower case, root octet included.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Box<[u8]>);

/// A borrowed [`DomainName`]: octets known to be a well-formed lower-case name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameRef<'a>(&'a [u8]);

/// Room for a name as text. Behind the text stands what needs no escape either.
pub struct TextRoom([u8; MAX_NAME_OCTETS.next_multiple_of(TEXT_PIECE)]);

/// Octets of a text that are looked at together.
const TEXT_PIECE: usize = 16;

/// Why a text is not a domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left once blanks and the final dot are cut.
    #[error("the name is empty")]
    Empty,
    /// Two dots in a row, or one at the beginning.
    #[error("the name has an empty label (two dots in a row, or one in front)")]
    EmptyLabel,
    /// A label is longer than 63 octets.
    #[error("a label is longer than 63 octets")]
    LabelTooLong,
    /// The name is longer than 253 characters.
    #[error("the name is longer than 253 characters")]
    TooLong,
    /// An octet that no label of a list or rule may hold.
    #[error("a label may hold letters, digits, hyphen and underscore, not `{0}`")]
    BadCharacter(char),
    /// The last label is a number, so it is a mistyped address.
    #[error("the last label is a number: neither a name nor an address")]
    NumericTopLevel,
    /// A `\` that is not followed by an octet.
    #[error("a backslash stands before nothing that it could escape")]
    BadEscape,
}

impl DomainName {
    /// Returns the root.
    pub fn root() -> DomainName {
        DomainName(Box::new([0]))
    }

    /// Reads a name as a person or a list writes it (`filter-rules.md`, section 3).
    ///
    /// Non-ASCII text becomes A-labels (UTS 46, non-transitional).
    pub fn parse(text: &str) -> Result<DomainName, NameError> {
        let text = text.trim();
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let name = if text.is_ascii() {
            labels_to_wire(text)?
        } else {
            labels_to_wire(&to_a_labels(text)?)?
        };
        let numeric = |label: &[u8]| label.iter().all(u8::is_ascii_digit);
        if name.as_ref().labels().last().is_some_and(numeric) {
            return Err(NameError::NumericTopLevel);
        }
        Ok(name)
    }

    /// Reads the presentation form that `Display` writes, escapes included (RFC 4343, section 2.1).
    pub fn from_presentation(text: &str) -> Result<DomainName, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        let mut label = Vec::with_capacity(63);
        let mut octets = text.bytes();
        if text == "." {
            return Ok(DomainName::root());
        }
        while let Some(octet) = octets.next() {
            match octet {
                b'.' => push_label(&mut wire, &mut label)?,
                b'\\' => label.push(unescape(&mut octets)?),
                other => label.push(other.to_ascii_lowercase()),
            }
        }
        if !label.is_empty() {
            push_label(&mut wire, &mut label)?;
        }
        finish(wire)
    }

    /// Takes over octets that a reader of packets has already checked and folded.
    pub fn from_wire(wire: &[u8]) -> Option<DomainName> {
        NameRef::from_wire(wire).map(NameRef::to_owned)
    }

    /// Borrows the name.
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef(&self.0)
    }
}

impl Default for TextRoom {
    fn default() -> TextRoom {
        TextRoom([b'a'; MAX_NAME_OCTETS.next_multiple_of(TEXT_PIECE)])
    }
}

impl TextRoom {
    /// Returns what is written at the front.
    pub(super) fn first(&self, length: usize) -> &[u8] {
        self.0.get(..length).unwrap_or_default()
    }
}

impl<'a> NameRef<'a> {
    /// Checks that `wire` is one lower-case name, root octet included, and borrows it.
    pub fn from_wire(wire: &'a [u8]) -> Option<NameRef<'a>> {
        if wire.len() > MAX_NAME_OCTETS {
            return None;
        }
        let mut rest = wire;
        loop {
            let (&length, tail) = rest.split_first()?;
            if length == 0 {
                return tail.is_empty().then_some(NameRef(wire));
            }
            if length > 63 || tail.len() < usize::from(length) {
                return None;
            }
            let (label, after) = tail.split_at(usize::from(length));
            if label.iter().any(u8::is_ascii_uppercase) {
                return None;
            }
            rest = after;
        }
    }

    /// Borrows octets that a reader of packets has checked and folded already.
    pub fn from_checked(wire: &'a [u8]) -> NameRef<'a> {
        debug_assert!(NameRef::from_wire(wire).is_some(), "{wire:?}");
        NameRef(wire)
    }

    /// Returns the wire octets, root octet included.
    pub fn wire(self) -> &'a [u8] {
        self.0
    }

    /// Copies the name.
    pub fn to_owned(self) -> DomainName {
        DomainName(self.0.into())
    }

    /// Returns whether this is the root.
    pub fn is_root(self) -> bool {
        self.0.len() == 1
    }

    /// Returns the labels, first to last, without the root.
    pub fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        self.walk().filter_map(|name| {
            let length = usize::from(*name.0.first()?);
            name.0.get(1..1 + length)
        })
    }

    /// Returns the name itself and then each parent; the root is left out.
    pub fn walk(self) -> impl Iterator<Item = NameRef<'a>> {
        std::iter::successors(Some(self), |name| name.parent()).take_while(|name| !name.is_root())
    }

    /// Returns the name less its first label, or `None` for the root.
    pub fn parent(self) -> Option<NameRef<'a>> {
        let length = usize::from(*self.0.first()?);
        (length > 0).then(|| NameRef(self.0.get(1 + length..).unwrap_or(&[0])))
    }

    /// Writes the name as text, if none of its octets is to be escaped; the root is left out.
    pub fn plain_text(self, room: &mut TextRoom) -> Option<&[u8]> {
        let octets = self.0.get(1..self.0.len().checked_sub(1)?)?;
        let text = room.0.get_mut(..octets.len())?;
        text.copy_from_slice(octets);
        let (mut place, mut dots) = (usize::from(*self.0.first()?), 0);
        while let Some(length) = text.get_mut(place) {
            place += 1 + usize::from(std::mem::replace(length, b'.'));
            dots += 1;
        }
        // In pieces of one size, without an early end: a few steps look at all octets of each.
        let (mut plain, mut points) = (true, 0);
        for piece in
            room.0.as_chunks::<TEXT_PIECE>().0.iter().take(octets.len().div_ceil(TEXT_PIECE))
        {
            for &octet in piece {
                let point = octet == b'.';
                let word = octet.is_ascii_lowercase() | octet.is_ascii_digit();
                plain &= word | point | (octet == b'-') | (octet == b'_');
                points += u8::from(point);
            }
        }
        let told = plain && points == dots && !octets.is_empty();
        room.0.get(..octets.len()).filter(|_| told)
    }

    /// Returns whether this name is `other` or stands below it.
    pub fn is_subdomain_of(self, other: NameRef<'_>) -> bool {
        other.is_root() || self.walk().any(|name| name.0 == other.0)
    }
}

impl fmt::Display for NameRef<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return out.write_str(".");
        }
        for (position, label) in self.labels().enumerate() {
            if position > 0 {
                out.write_str(".")?;
            }
            for &octet in label {
                write_escaped(out, octet)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(out)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl std::str::FromStr for DomainName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<DomainName, NameError> {
        DomainName::parse(text)
    }
}

impl Serialize for DomainName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DomainName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<DomainName, D::Error> {
        let text = String::deserialize(deserializer)?;
        DomainName::parse(&text)
            .map_err(|error| serde::de::Error::custom(format!("`{text}`: {error}")))
    }
}

fn to_a_labels(text: &str) -> Result<String, NameError> {
    let config = idna::uts46::Uts46::new();
    config
        .to_ascii(
            text.as_bytes(),
            idna::AsciiDenyList::EMPTY,
            idna::uts46::Hyphens::Allow,
            idna::uts46::DnsLength::Ignore,
        )
        .map(|name| name.into_owned())
        .map_err(|_| NameError::BadCharacter(text.chars().find(|c| !c.is_ascii()).unwrap_or('?')))
}

fn labels_to_wire(text: &str) -> Result<DomainName, NameError> {
    let mut wire = Vec::with_capacity(text.len() + 2);
    for label in text.split('.') {
        let mut octets = Vec::with_capacity(label.len());
        for character in label.chars() {
            match character {
                'a'..='z' | '0'..='9' | '-' | '_' => octets.push(character as u8),
                'A'..='Z' => octets.push((character as u8).to_ascii_lowercase()),
                other => return Err(NameError::BadCharacter(other)),
            }
        }
        push_label(&mut wire, &mut octets)?;
    }
    finish(wire)
}

fn push_label(wire: &mut Vec<u8>, label: &mut Vec<u8>) -> Result<(), NameError> {
    match u8::try_from(label.len()) {
        Ok(0) => return Err(NameError::EmptyLabel),
        Ok(length @ 1..=63) => wire.push(length),
        _ => return Err(NameError::LabelTooLong),
    }
    wire.append(label);
    Ok(())
}

fn finish(mut wire: Vec<u8>) -> Result<DomainName, NameError> {
    wire.push(0);
    if wire.len() == 1 {
        return Err(NameError::Empty);
    }
    if wire.len() > MAX_NAME_OCTETS {
        return Err(NameError::TooLong);
    }
    Ok(DomainName(wire.into()))
}

fn unescape(octets: &mut std::str::Bytes<'_>) -> Result<u8, NameError> {
    let first = octets.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first.to_ascii_lowercase());
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit).ok_or(NameError::BadEscape)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    let octet = u8::try_from(value).map_err(|_| NameError::BadEscape)?;
    Ok(octet.to_ascii_lowercase())
}

/// Writes one octet so that no name can pass for another or carry control characters.
fn write_escaped(out: &mut fmt::Formatter<'_>, octet: u8) -> fmt::Result {
    match octet {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => write!(out, "{}", octet as char),
        b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
            write!(out, "\\{}", octet as char)
        }
        0x21..=0x7e => write!(out, "{}", octet as char),
        other => write!(out, "\\{other:03}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    fn is_plain(octet: u8) -> bool {
        matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
    }

    #[test]
    fn text_is_folded_and_one_final_dot_cut() {
        assert_eq!(name("Analytics.TikTok.com.").to_string(), "analytics.tiktok.com");
        assert_eq!(DomainName::parse("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(DomainName::parse("a.b.."), Err(NameError::EmptyLabel));
        assert_eq!(DomainName::parse(""), Err(NameError::Empty));
    }

    #[test]
    fn unusual_labels_of_real_trackers_are_names() {
        for text in ["_ad.x.com", "a_b.x.com", "-x.com", "x-.com", "foo"] {
            assert_eq!(name(text).to_string(), text);
        }
    }

    #[test]
    fn mistyped_addresses_and_long_names_are_refused() {
        assert_eq!(DomainName::parse("300.1.1.1"), Err(NameError::NumericTopLevel));
        assert_eq!(DomainName::parse("a.１２３"), Err(NameError::NumericTopLevel));
        assert_eq!(DomainName::parse(&"a".repeat(64)), Err(NameError::LabelTooLong));
        let long = ["abcdefg"; 32].join(".");
        assert_eq!(DomainName::parse(&long), Err(NameError::TooLong));
    }

    #[test]
    fn non_ascii_names_become_a_labels() {
        assert_eq!(name("müller.com").to_string(), "xn--mller-kva.com");
        assert_eq!(name("ß.com").to_string(), "xn--zca.com");
    }

    #[test]
    fn parents_are_walked_at_label_borders() {
        let child = name("a.b.example.com");
        let walked: Vec<String> = child.as_ref().walk().map(|n| n.to_string()).collect();
        assert_eq!(walked, ["a.b.example.com", "b.example.com", "example.com", "com"]);
        assert!(child.as_ref().is_subdomain_of(name("example.com").as_ref()));
        assert!(!name("xexample.com").as_ref().is_subdomain_of(name("example.com").as_ref()));
    }

    #[test]
    fn any_octets_survive_the_presentation_form() {
        let wire = [4, b'a', b'.', 0, 0xff, 3, b'c', b'o', b'm', 0];
        let odd = DomainName::from_wire(&wire).expect("a name");
        assert_eq!(odd.to_string(), "a\\.\\000\\255.com");
        assert_eq!(DomainName::from_presentation(&odd.to_string()), Ok(odd));
    }

    proptest! {
        #[test]
        fn plain_text_is_the_presentation_form_where_nothing_is_escaped(
            labels in prop::collection::vec("[a-z0-9_.-]{1,9}|[a-z0-9-]{1,30}|[ -@^-`]{2}", 0..8),
        ) {
            let octets = labels.iter().flat_map(|it| [&[it.len() as u8], it.as_bytes()].concat());
            let wire: Vec<u8> = octets.chain([0]).collect();
            let name = DomainName::from_wire(&wire).expect("a name");
            let plain = !labels.is_empty() && labels.iter().all(|label| label.bytes().all(is_plain));
            let text = plain.then(|| name.to_string());
            let mut room = TextRoom::default();
            let written = name.as_ref().plain_text(&mut room);
            prop_assert_eq!(written, text.as_deref().map(str::as_bytes));
        }
    }
}
