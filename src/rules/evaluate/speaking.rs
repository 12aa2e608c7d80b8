//! The order in which the rules of a list speak where the longest decides.

use std::cmp::Reverse;
use std::net::IpAddr;

use super::{ClientMatch, Effect, Format, ListInfo, NameRef, Pattern, Prefix, Rule, TextPattern};

/// When a rule speaks; the rules of the first step at which any does speak for their list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step<'r> {
    /// In a zone, whatever a device asks; the longer prefix, then the smaller address first.
    Client(Reverse<u8>, IpAddr),
    /// Of the name itself.
    Itself,
    /// Of an address; the longest prefix first.
    Prefix(Reverse<u8>),
    /// By a text: in shipped lists by their lines, in others the longest first.
    Text(u32, Reverse<usize>, &'r str),
    /// Of a parent so many labels up.
    Above(usize),
    /// Of every name.
    Everything,
}

/// Returns whether in this list the rule with the longest name decides, and others do not add up.
pub(super) fn longest_decides(list: &ListInfo) -> bool {
    list.shipped || matches!(list.format, Format::Dnsmasq | Format::Unbound | Format::Rpz)
}

/// Returns when a rule of a list speaks that covers `name`, or an address; `line` is the first on
/// which its pattern stands.
pub(super) fn step<'r>(list: &ListInfo, rule: &'r Rule, line: u32, name: NameRef<'_>) -> Step<'r> {
    match &rule.pattern {
        Pattern::Exact(_) => Step::Itself,
        Pattern::Subtree(top) | Pattern::Below(top) => above(name, top.as_ref()),
        Pattern::Text(TextPattern { text, .. }) => {
            let line = if list.shipped { line } else { 0 };
            Step::Text(line, Reverse(text.len()), text)
        }
        Pattern::Address(prefix) => Step::Prefix(Reverse(prefix.bits())),
        Pattern::Everything => match client(list, rule) {
            Some(prefix) => Step::Client(Reverse(prefix.bits()), prefix.address()),
            None if name.is_root() => Step::Itself,
            None => Step::Everything,
        },
    }
}

fn above<'r>(name: NameRef<'_>, top: NameRef<'_>) -> Step<'r> {
    match name.walk().position(|suffix| suffix == top) {
        Some(0) => Step::Itself,
        Some(depth) => Step::Above(depth),
        None => Step::Everything,
    }
}

/// Returns the devices that a trigger of a zone is for, whatever they ask (section 11).
fn client(list: &ListInfo, rule: &Rule) -> Option<Prefix> {
    if list.format != Format::Rpz || rule.effect == Effect::Hole {
        return None;
    }
    match rule.condition.as_deref()?.clients.include.first()? {
        ClientMatch::Address(prefix) => Some(*prefix),
        ClientMatch::Name(_) => None,
    }
}
