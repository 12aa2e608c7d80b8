//! One rule of a list: for which names or addresses, under which conditions, to what effect.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::{DomainName, Prefix, RecordType};

use super::Condition;

/// The names or addresses that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// The name itself.
    Exact(DomainName),
    /// The name and all below it.
    Subtree(DomainName),
    /// All below the name, not itself.
    Below(DomainName),
    /// Every name; only with a condition, or in own rules.
    Everything,
    /// Names, or the text of addresses in answers, that hold a text.
    Text(TextPattern),
    /// Addresses in answers.
    Address(Prefix),
}

/// A text that is looked for in a name's presentation form, lower case, or in an address's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TextPattern {
    /// How the text is written.
    pub syntax: TextSyntax,
    /// The text, lower case.
    pub text: Box<str>,
    /// Whether what does *not* hold the text is meant (Pi-hole's `;invert`).
    pub inverted: bool,
    /// Whether addresses in answers are looked at too.
    pub addresses: bool,
}

/// How a text pattern is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextSyntax {
    /// AdGuard's marks: `||` label border or `|` start in front, `|` or `^` end behind, `*` any run.
    Glob,
    /// A regular expression of the `regex` crate, searched for without Unicode.
    Regex,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The name is blocked.
    Block(Answer),
    /// The name is let through.
    Allow,
    /// This list's rules for names above end here; no allow.
    Hole,
    /// The answer is ours: from trusted lists only, see [`super::Ruleset::judge`].
    Rewrite(Rewrite),
    /// Rewrites for these names are taken back: all, or those equal to one.
    CancelRewrites(Option<Rewrite>),
    /// The answer over UDP is truncated, so that the client asks over TCP.
    Truncate,
}

/// How a blocked query is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Answer {
    /// As the policy says.
    #[default]
    Policy,
    /// The name does not exist.
    NxDomain,
    /// The name has no data of the type.
    NoData,
    /// Refused.
    Refused,
    /// Not at all.
    Drop,
}

/// An answer of ours, one rule's part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rewrite {
    /// A response code and nothing else; 0: the name has no data of any type.
    Code(u16),
    /// An alias of this name.
    Alias(DomainName),
    /// An alias of the query name followed by this name.
    AliasBelow(DomainName),
    /// A record; for types that no record of the name has, there is no data.
    Record(Record),
}

/// A record without its owner name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its type.
    pub record_type: RecordType,
    /// Its RDATA in wire form, names in it not compressed.
    pub data: Box<[u8]>,
    /// Seconds it may be kept; `None`: as long as blocked answers.
    pub ttl: Option<u32>,
}

/// One rule of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The names or addresses.
    pub pattern: Pattern,
    /// Its effect.
    pub effect: Effect,
    /// Whether it stands above rules that are not.
    pub important: bool,
    /// Whether it does nothing but cancel the rules that are like it otherwise.
    pub badfilter: bool,
    /// Whether it is written as AdGuard writes patterns: reported before hosts lines and plain names.
    pub adguard: bool,
    /// When it applies; `None`: always.
    pub condition: Option<Box<Condition>>,
    /// Its line in the list, from 1.
    pub line: u32,
}

impl Pattern {
    /// Returns the pattern of names in which a regular expression is found.
    pub fn regex(expression: &str) -> Pattern {
        let (syntax, text) = (TextSyntax::Regex, expression.into());
        Pattern::Text(TextPattern { syntax, text, inverted: false, addresses: false })
    }
}

impl Rule {
    /// Returns a rule without condition that is no AdGuard syntax.
    pub fn plain(pattern: Pattern, effect: Effect, line: u32) -> Rule {
        let (important, badfilter, adguard) = (false, false, false);
        Rule { pattern, effect, important, badfilter, adguard, condition: None, line }
    }

    /// Returns how many modifiers restrict or weigh it: of rules alike, the one with more is told.
    pub fn points(&self) -> u8 {
        let condition = self.condition.as_ref().map_or(0, |condition| condition.points());
        u8::from(self.important) + u8::from(self.badfilter) + condition
    }

    /// Returns what it does, in a word; in an allowlist every rule allows.
    pub fn word(&self, in_allowlist: bool) -> &'static str {
        match self.effect {
            _ if self.badfilter => "cancel",
            _ if in_allowlist => "allow",
            Effect::Block(_) => "block",
            Effect::Allow => "allow",
            Effect::Hole => "hole",
            Effect::Rewrite(_) => "rewrite",
            Effect::CancelRewrites(_) => "cancel",
            Effect::Truncate => "truncate",
        }
    }

    /// Returns whether both are the same rule but for `badfilter` and their lines.
    pub fn is_like(&self, other: &Rule) -> bool {
        self.pattern == other.pattern
            && self.effect == other.effect
            && self.important == other.important
            && self.condition == other.condition
    }
}

impl Record {
    /// Returns an A record.
    pub fn v4(address: Ipv4Addr) -> Record {
        let data = address.octets().into();
        Record { record_type: RecordType::A, data, ttl: None }
    }

    /// Returns an AAAA record.
    pub fn v6(address: Ipv6Addr) -> Record {
        let data = address.octets().into();
        Record { record_type: RecordType::AAAA, data, ttl: None }
    }
}
