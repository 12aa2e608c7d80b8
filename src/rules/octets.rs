//! Rules as octets and back: what is read is checked, for it may be anything.

use crate::model::{DomainName, ListId, ListKind, ListMask, ListName, Prefix, RecordType};

use super::parse::Format;
use super::sets::{Part, SetEnd};
use super::{
    Answer, ClientMatch, Condition, Effect, Except, Kind, ListInfo, Reach, Record, Rewrite,
    Selection, Special, TextPattern, TextSyntax,
};

/// Octets that are read from the front.
pub struct Reader<'o>(pub &'o [u8]);

/// A value that has a form in octets; numbers are little-endian, rows begin with their length.
pub trait Stored: Sized {
    /// Appends the value.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes a value off the front; `None`: there is none.
    fn read(from: &mut Reader<'_>) -> Option<Self>;
}

impl<'o> Reader<'o> {
    /// Takes so many octets.
    pub fn take(&mut self, count: usize) -> Option<&'o [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Returns a value that takes up all that is left.
    pub fn last<T: Stored>(mut self) -> Option<T> {
        T::read(&mut self).filter(|_| self.0.is_empty())
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Stored for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                let octets = from.take(size_of::<$number>())?;
                Some(<$number>::from_le_bytes(octets.try_into().ok()?))
            }
        })*
    };
}

numbers!(u8, u16, u32, u64);

impl Stored for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(from: &mut Reader<'_>) -> Option<bool> {
        match u8::read(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Stored> Stored for Box<[T]> {
    fn write(&self, out: &mut Vec<u8>) {
        write_row(self, out);
    }

    fn read(from: &mut Reader<'_>) -> Option<Box<[T]>> {
        let count = u32::read(from)? as usize;
        // No value is shorter than an octet: a length that cannot be reserves nothing.
        if count > from.0.len() {
            return None;
        }
        (0..count).map(|_| T::read(from)).collect()
    }
}

impl<T: Stored> Stored for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Option<T>> {
        if bool::read(from)? { T::read(from).map(Some) } else { Some(None) }
    }
}

impl<T: Stored> Stored for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<Box<T>> {
        T::read(from).map(Box::new)
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<(A, B)> {
        Some((A::read(from)?, B::read(from)?))
    }
}

impl Stored for Box<str> {
    fn write(&self, out: &mut Vec<u8>) {
        write_octets(self.as_bytes(), out);
    }

    fn read(from: &mut Reader<'_>) -> Option<Box<str>> {
        let length = u32::read(from)? as usize;
        Some(std::str::from_utf8(from.take(length)?).ok()?.into())
    }
}

impl Stored for DomainName {
    fn write(&self, out: &mut Vec<u8>) {
        write_octets(self.as_ref().wire(), out);
    }

    fn read(from: &mut Reader<'_>) -> Option<DomainName> {
        let length = u32::read(from)? as usize;
        DomainName::from_wire(from.take(length)?)
    }
}

impl Stored for Prefix {
    fn write(&self, out: &mut Vec<u8>) {
        self.to_string().into_boxed_str().write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<Prefix> {
        Box::<str>::read(from)?.parse().ok()
    }
}

impl Stored for ListId {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<ListId> {
        u8::read(from).map(ListId)
    }
}

impl Stored for ListMask {
    fn write(&self, out: &mut Vec<u8>) {
        let mut octets = [0_u8; 32];
        for list in self.iter() {
            octets[usize::from(list.0 / 8)] |= 1 << (list.0 % 8);
        }
        out.extend(octets);
    }

    fn read(from: &mut Reader<'_>) -> Option<ListMask> {
        let octets = (0_u8..32).zip(from.take(32)?);
        let lists = octets.filter(|(_, octet)| **octet != 0).flat_map(|(place, octet)| {
            (0..8).filter(move |bit| octet >> bit & 1 != 0).map(move |bit| ListId(8 * place + bit))
        });
        Some(lists.collect())
    }
}

impl Stored for RecordType {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<RecordType> {
        u16::read(from).map(RecordType)
    }
}

/// Values that are few, each stored as its place among them.
macro_rules! choices {
    ($($choice:ty: $($value:path),*;)*) => {
        $(impl Stored for $choice {
            fn write(&self, out: &mut Vec<u8>) {
                let all = [$($value),*];
                let place = all.iter().position(|value| value == self);
                out.push(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX));
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                [$($value),*].get(usize::from(u8::read(from)?)).copied()
            }
        })*
    };
}

choices! {
    ListKind: ListKind::Tracking, ListKind::EncryptedDns, ListKind::Ban, ListKind::Other;
    Format: Format::Auto, Format::Hosts, Format::Domains, Format::Wildcard, Format::Adguard,
        Format::Dnsmasq, Format::Unbound, Format::Rpz, Format::Pihole, Format::Disconnect;
    Reach: Reach::Exact, Reach::Subtree, Reach::Below;
    TextSyntax: TextSyntax::Glob, TextSyntax::Regex;
    Answer: Answer::Policy, Answer::NxDomain, Answer::NoData, Answer::Refused, Answer::Drop;
}

/// Structs whose fields are stored one behind the other.
macro_rules! fields {
    ($($name:ident: $($field:ident),*;)*) => {
        $(impl Stored for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)*
            }

            fn read(from: &mut Reader<'_>) -> Option<$name> {
                Some($name { $($field: Stored::read(from)?),* })
            }
        })*
    };
}

fields! {
    Record: record_type, data, ttl;
    Condition: types, clients, tags, except;
    TextPattern: syntax, text, inverted, addresses;
    Special: list, reach, important, adguard, by_client, effect, condition, cancelled_by;
    Part: kind, lists;
    SetEnd: parts, specials;
    ListInfo: name, kind, shipped, part, format, trusted, allowlist;
}

impl<T: Stored> Stored for Selection<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.exclude.write(out);
        self.include.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<Selection<T>> {
        Some(Selection { exclude: Stored::read(from)?, include: Stored::read(from)? })
    }
}

impl Stored for Kind {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.octet());
    }

    fn read(from: &mut Reader<'_>) -> Option<Kind> {
        Kind::from_octet(u8::read(from)?)
    }
}

impl Stored for ListName {
    fn write(&self, out: &mut Vec<u8>) {
        write_octets(self.as_str().as_bytes(), out);
    }

    fn read(from: &mut Reader<'_>) -> Option<ListName> {
        ListName::parse(&Box::<str>::read(from)?).ok()
    }
}

impl Stored for Effect {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Effect::Block(answer) => (0_u8, *answer).write(out),
            Effect::Allow => out.push(1),
            Effect::Hole => out.push(2),
            Effect::Rewrite(rewrite) => {
                out.push(3);
                rewrite.write(out);
            }
            Effect::CancelRewrites(equal) => {
                out.push(4);
                equal.write(out);
            }
            Effect::Truncate => out.push(5),
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Effect> {
        Some(match u8::read(from)? {
            0 => Effect::Block(Stored::read(from)?),
            1 => Effect::Allow,
            2 => Effect::Hole,
            3 => Effect::Rewrite(Stored::read(from)?),
            4 => Effect::CancelRewrites(Stored::read(from)?),
            5 => Effect::Truncate,
            _ => return None,
        })
    }
}

/// Values that each hold one thing: a number for the shape, then what it holds.
macro_rules! shapes {
    ($($name:ident: $($number:literal => $shape:ident),*;)*) => {
        $(impl Stored for $name {
            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $($name::$shape(held) => {
                        out.push($number);
                        held.write(out);
                    })*
                }
            }

            fn read(from: &mut Reader<'_>) -> Option<$name> {
                match u8::read(from)? {
                    $($number => Stored::read(from).map($name::$shape),)*
                    _ => None,
                }
            }
        })*
    };
}

shapes! {
    Rewrite: 0 => Code, 1 => Alias, 2 => AliasBelow, 3 => Record;
    ClientMatch: 0 => Address, 1 => Name;
    Except: 0 => Name, 1 => UnderAnySuffix;
}

fn write_row<T: Stored>(row: &[T], out: &mut Vec<u8>) {
    u32::try_from(row.len()).unwrap_or(u32::MAX).write(out);
    row.iter().for_each(|value| value.write(out));
}

fn write_octets(octets: &[u8], out: &mut Vec<u8>) {
    u32::try_from(octets.len()).unwrap_or(u32::MAX).write(out);
    out.extend(octets);
}
