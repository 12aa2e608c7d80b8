//! All rules, compiled: one lookup tells every list that names a name.

use crate::model::{HashSeed, ListKind, ListMask, ListName, NameHashes, NameRef};

/// What is known of a list in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// Its name.
    pub name: ListName,
    /// What it is about.
    pub kind: ListKind,
    /// Whether it is shipped with the program.
    pub shipped: bool,
    /// Whether it is only the `basic` part of the list of that name, and never shown by itself.
    pub part: bool,
}

/// One list's match, with the rule that speaks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The list.
    pub list: crate::model::ListId,
    /// The rule as text: `tiktok.com and below`, or the regular expression.
    pub rule: String,
    /// Its line in the list.
    pub line: Option<u32>,
}

/// All rules, compiled; immutable.
pub struct Ruleset {}

impl Ruleset {
    /// Returns the lists that match `name`, in any policy or none. Allocates nothing.
    pub fn find(&self, name: NameRef<'_>, hashes: &NameHashes) -> ListMask {
        let _ = (name, hashes);
        todo!()
    }

    /// Returns the same lists, each with the rule that speaks for it. Not for the query path.
    pub fn explain(&self, name: NameRef<'_>) -> Vec<Explained> {
        let _ = name;
        todo!()
    }

    /// Returns the lists in force; a `ListId` is a place in here.
    pub fn lists(&self) -> &[ListInfo] {
        todo!()
    }

    /// Returns the lists whose names are tracking names.
    pub fn tracking(&self) -> ListMask {
        todo!()
    }

    /// Returns the key of its hashes.
    pub fn seed(&self) -> HashSeed {
        todo!()
    }

    /// Returns resident octets of the index.
    pub fn size(&self) -> usize {
        todo!()
    }
}
