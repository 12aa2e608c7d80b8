//! The order in which the rules of a list speak where the longest decides.

use super::{ClientMatch, Format, ListInfo, NameRef, Pattern, Rule};

/// When a rule speaks; the rules of the first step at which any does speak for their list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Whatever is asked by a device; of prefixes the longest first (`filter-rules.md`, section 11).
    Client(u8),
    /// Of the name or address itself.
    Itself,
    /// By a text.
    Text,
    /// Of a parent so many labels up, or a prefix so many bits short.
    Above(usize),
    /// Of every name.
    Everything,
}

/// Returns whether in this list the rule with the longest name decides, and others do not add up.
pub(super) fn longest_decides(list: &ListInfo) -> bool {
    list.shipped || matches!(list.format, Format::Dnsmasq | Format::Unbound | Format::Rpz)
}

/// Returns when a rule that covers `name`, or an address, speaks.
pub(super) fn step(rule: &Rule, name: NameRef<'_>) -> Step {
    match &rule.pattern {
        Pattern::Exact(_) => Step::Itself,
        Pattern::Subtree(top) | Pattern::Below(top) => above(name, top.as_ref()),
        Pattern::Text(_) => Step::Text,
        Pattern::Address(prefix) => match prefix.as_host() {
            Some(_) => Step::Itself,
            None => Step::Above(usize::from(u8::MAX - prefix.bits())),
        },
        Pattern::Everything => longest_client(rule).map_or(Step::Everything, Step::Client),
    }
}

fn above(name: NameRef<'_>, top: NameRef<'_>) -> Step {
    match name.walk().position(|suffix| suffix == top) {
        Some(0) => Step::Itself,
        Some(depth) => Step::Above(depth),
        None => Step::Everything,
    }
}

/// Returns by how much the longest prefix of devices that a rule is for falls short.
fn longest_client(rule: &Rule) -> Option<u8> {
    let clients = &rule.condition.as_deref()?.clients.include;
    let bits = clients.iter().map(|client| match client {
        ClientMatch::Address(prefix) => prefix.bits(),
        ClientMatch::Name(_) => u8::MAX,
    });
    bits.max().map(|bits| u8::MAX - bits)
}
