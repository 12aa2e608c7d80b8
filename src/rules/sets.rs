//! What is said at one place in the index, by all lists at once; equal sets are one.

use crate::model::ListMask;

use super::{Kind, Special};

/// The lists with a rule of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The kind.
    pub kind: Kind,
    /// The lists.
    pub lists: ListMask,
}

/// All sets by number, laid out one behind the other; numbers begin at 1.
///
/// Special rules stand in a table of their own, in which sets name theirs by number.
#[derive(Default)]
pub struct Sets {
    pub(super) ends: Box<[SetEnd]>,
    pub(super) parts: Box<[Part]>,
    pub(super) groups: Box<[u32]>,
    pub(super) specials: Box<[Special]>,
}

/// Where the parts and special rules of a set end; they begin where those of the one before end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetEnd {
    /// Behind its last part.
    pub parts: u32,
    /// Behind its last special rule.
    pub specials: u32,
}

/// One set.
#[derive(Clone, Copy)]
pub struct SetRef<'s> {
    /// Its parts, in the order of their kinds.
    pub parts: &'s [Part],
    specials: &'s [u32],
    table: &'s [Special],
}

impl Sets {
    /// Returns the set of a number.
    pub fn get(&self, number: u32) -> Option<SetRef<'_>> {
        let place = number as usize;
        let end = *self.ends.get(place.checked_sub(1)?)?;
        let start = place.checked_sub(2).and_then(|before| self.ends.get(before));
        let start = start.copied().unwrap_or_default();
        Some(SetRef {
            parts: self.parts.get(start.parts as usize..end.parts as usize)?,
            specials: self.groups.get(start.specials as usize..end.specials as usize)?,
            table: &self.specials,
        })
    }

    /// Returns how many sets there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Returns resident octets, without what special rules hold outside their table.
    pub fn size(&self) -> usize {
        size_of_val(&*self.ends)
            + size_of_val(&*self.parts)
            + size_of_val(&*self.groups)
            + size_of_val(&*self.specials)
    }
}

impl<'s> SetRef<'s> {
    /// Returns whether a hole may be among its rules; special ones are not looked at.
    pub fn may_have_holes(self) -> bool {
        !self.specials.is_empty() || self.parts.iter().any(|part| part.kind.is_hole())
    }

    /// Returns the special rules, list by list.
    pub fn specials(self) -> impl Iterator<Item = &'s Special> {
        self.specials.iter().filter_map(|&number| self.table.get(number as usize))
    }
}
