//! Lists: their names, their places in force, and sets of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most lists that can be in force at once (architecture, section 5).
pub const MAX_LISTS: usize = 256;

/// The place of a list among those in force; means nothing outside one ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId(pub u8);

/// The name of a list: `a-z`, digits and hyphen, 1 to 64 of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ListName(Box<str>);

/// What a list is about; `tracking` ones make a name a tracking name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListKind {
    /// Trackers, telemetry and ads.
    Tracking,
    /// Servers by which devices pass the network's resolver.
    EncryptedDns,
    /// Everything a company runs.
    Ban,
    /// Anything else: malware, gambling, social networks.
    Other,
}

impl ListKind {
    /// The kinds that a list of the owner's may have, and their words in files and arguments.
    pub const WORDS: [(&'static str, ListKind); 3] = [
        ("tracking", ListKind::Tracking),
        ("encrypted-dns", ListKind::EncryptedDns),
        ("other", ListKind::Other),
    ];

    /// Returns its word.
    pub fn as_str(self) -> &'static str {
        let found = ListKind::WORDS.iter().find(|(_, kind)| *kind == self);
        found.map_or("ban", |(word, _)| word)
    }
}

impl FromStr for ListKind {
    type Err = String;

    fn from_str(text: &str) -> Result<ListKind, String> {
        let found = ListKind::WORDS.iter().find(|(word, _)| *word == text);
        let wrong = || format!("`{text}` is no kind; write tracking, encrypted-dns or other");
        found.map(|(_, kind)| *kind).ok_or_else(wrong)
    }
}

/// A set of lists in force, one bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ListMask([u64; MAX_LISTS / 64]);

impl ListName {
    /// Checks and takes a list's name.
    pub fn parse(text: &str) -> Result<ListName, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
            return Err(format!("`{text}` is no list name; write 1 to 64 of a-z, 0-9 and hyphen"));
        }
        Ok(ListName(text.into()))
    }

    /// Returns the name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ListName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<ListName, D::Error> {
        let text = String::deserialize(deserializer)?;
        ListName::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl ListMask {
    /// The set without any list.
    pub const EMPTY: ListMask = ListMask([0; MAX_LISTS / 64]);

    /// Adds a list.
    pub fn insert(&mut self, list: ListId) {
        self.0[usize::from(list.0 / 64)] |= 1 << (list.0 % 64);
    }

    /// Takes a list out.
    pub fn remove(&mut self, list: ListId) {
        self.0[usize::from(list.0 / 64)] &= !(1 << (list.0 % 64));
    }

    /// Returns whether the set has this list.
    pub fn contains(&self, list: ListId) -> bool {
        self.0[usize::from(list.0 / 64)] & (1 << (list.0 % 64)) != 0
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        *self == ListMask::EMPTY
    }

    /// Returns the lists in either set.
    #[must_use]
    pub fn union(self, other: ListMask) -> ListMask {
        self.zip(other, |a, b| a | b)
    }

    /// Returns the lists in both sets.
    #[must_use]
    pub fn intersection(self, other: ListMask) -> ListMask {
        self.zip(other, |a, b| a & b)
    }

    /// Returns the lists of this set that are not in `other`.
    #[must_use]
    pub fn difference(self, other: ListMask) -> ListMask {
        self.zip(other, |a, b| a & !b)
    }

    /// Returns the first list of the set.
    pub fn first(&self) -> Option<ListId> {
        self.iter().next()
    }

    /// Returns the lists in their order.
    pub fn iter(&self) -> impl Iterator<Item = ListId> + '_ {
        self.0.iter().enumerate().flat_map(|(word, &bits)| {
            std::iter::successors((bits != 0).then_some(bits), |rest| {
                Some(rest & (rest - 1)).filter(|&rest| rest != 0)
            })
            .map(move |rest| ListId((word * 64) as u8 + rest.trailing_zeros() as u8))
        })
    }

    fn zip(self, other: ListMask, join: impl Fn(u64, u64) -> u64) -> ListMask {
        let mut joined = self;
        for (word, theirs) in joined.0.iter_mut().zip(other.0) {
            *word = join(*word, theirs);
        }
        joined
    }
}

impl FromIterator<ListId> for ListMask {
    fn from_iter<I: IntoIterator<Item = ListId>>(lists: I) -> ListMask {
        let mut mask = ListMask::EMPTY;
        lists.into_iter().for_each(|list| mask.insert(list));
        mask
    }
}

impl fmt::Debug for ListMask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter().map(|list| list.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_sets() {
        let mask: ListMask = [0, 63, 64, 255].map(ListId).into_iter().collect();
        assert_eq!(mask.iter().map(|l| l.0).collect::<Vec<_>>(), [0, 63, 64, 255]);
        let other: ListMask = [63, 100].map(ListId).into_iter().collect();
        assert_eq!(mask.intersection(other).first(), Some(ListId(63)));
        assert!(!mask.difference(other).contains(ListId(63)));
        assert!(mask.union(other).contains(ListId(100)));
    }

    #[test]
    fn list_names_are_plain() {
        assert!(ListName::parse("ban-tiktok").is_ok());
        assert!(ListName::parse("Ban TikTok").is_err());
        assert!(ListName::parse("").is_err());
    }
}
