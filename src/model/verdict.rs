//! Verdicts and their reasons.

use serde::{Deserialize, Serialize};

use super::{GroupName, ListId};

/// The number of an own rule: a hash of its scope and what it says, the same while it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// What an own rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Let the name and all below it through.
    Allow,
    /// Block the name and all below it.
    Block,
}

/// Whom a rule, pause or switch binds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One device, by its name.
    Device(super::DeviceName),
    /// A group.
    Group(GroupName),
    /// Everyone.
    Everyone,
}

/// Why a verdict is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An own rule.
    Rule(RuleId),
    /// A company ban, which stands in the own tier.
    Ban(ListId),
    /// A list of the subscribed tier; the first of those that match.
    List(ListId),
    /// A canary or relay name that tells devices to use the network's resolver.
    Canary,
    /// Only listed names are answered, and nothing allows this one.
    NotListed,
}

/// What the rules say of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// No rule speaks: ask upstream and inspect the answer.
    None,
    /// Ask upstream and leave the answer alone.
    Allow(Reason),
    /// Answer from the sinkhole.
    Block(Reason),
    /// Answer as a rule says.
    Rewrite(Reason),
    /// Truncate the answer over UDP; over TCP as if no rule spoke.
    Truncate(Reason),
}

impl Verdict {
    /// Returns the reason, if a rule speaks.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Verdict::None => None,
            Verdict::Allow(reason)
            | Verdict::Block(reason)
            | Verdict::Rewrite(reason)
            | Verdict::Truncate(reason) => Some(reason),
        }
    }

    /// Returns whether it changes the answer, so that a pause lifts it.
    pub fn interferes(self) -> bool {
        matches!(self, Verdict::Block(_) | Verdict::Rewrite(_) | Verdict::Truncate(_))
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Device(name) => name.fmt(out),
            Scope::Group(name) => write!(out, "group {name}"),
            Scope::Everyone => out.write_str("everyone"),
        }
    }
}
