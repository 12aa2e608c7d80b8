//! One rule of a list: a pattern and its effect.

use crate::model::DomainName;

/// The names that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The name itself.
    Exact(DomainName),
    /// The name and all below it.
    Subtree(DomainName),
    /// Names whose presentation form matches a regular expression.
    Regex(Box<str>),
}

/// What a rule does in its own list; the longest rule that covers a name speaks for the list.
///
/// Of rules for the same name a hole stands; of regular expressions the one that blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The list matches.
    Block,
    /// The list does not match here, although a shorter rule would.
    Hole,
}

/// One rule of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The names.
    pub pattern: Pattern,
    /// Its effect.
    pub effect: Effect,
    /// Its line in the list, from 1.
    pub line: u32,
}
