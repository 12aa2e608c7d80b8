//! What all lists say of one name or address, whoever asks.

use crate::model::{DomainName, ListId, ListMask};

use super::{Answer, Few, Record, Step};

/// What all lists say of one name or address, whoever asks; conditions are not yet judged.
///
/// It means something to the ruleset that made it, and to no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// Lists of which a rule without condition matches.
    pub(super) lists: ListMask,
    /// What was found, in the order of the walk; see [`Step`].
    pub(super) steps: Few,
    /// Whether it is about an address.
    pub(super) address: bool,
    /// Whether special rules are among what was found: which of them speak depends on who asks.
    pub(super) special: bool,
}

/// What the lists of one tier say of a query, taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub enum Judgement {
    /// Nothing.
    #[default]
    None,
    /// Let it through, and what its answer leads to.
    Allow(ListId),
    /// Block it.
    Block(ListId, Answer),
    /// Answer it so.
    Rewrite(ListId, Rewritten),
    /// Truncate the answer over UDP.
    Truncate(ListId),
}

/// An answer of ours, put together of all rewrites that stand, for the type that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// The response code.
    pub code: u16,
    /// The name that the query name is an alias of; it is resolved without being filtered.
    pub alias: Option<DomainName>,
    /// The records of the type asked; without alias and with code 0, none means no data.
    pub records: Vec<Record>,
}

impl Matches {
    /// Returns whether no rule matches, with condition or without.
    pub fn is_empty(&self) -> bool {
        self.steps.as_slice().is_empty()
    }

    /// Returns the lists of which a rule without condition matches.
    pub fn lists(&self) -> ListMask {
        self.lists
    }

    /// Returns resident octets outside the value itself.
    pub fn size(&self) -> usize {
        self.steps.size()
    }

    /// Adds a step behind the others.
    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step.number());
    }
}
