//! What an answer leads to: aliases, service targets and addresses, for any policy to judge.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{DomainName, ListMask, NameRef, Reason, RecordType, Verdict};
use crate::policy::Decision;
use crate::wire::{Message, Section, StoredAnswer};

use super::replies::{BLOCKED, CENSORED, FILTERED};

/// Most different names that one answer may lead to, and most aliases on the way; no honest answer
/// comes near (`reliability.md`, section 6).
const MAX_TARGETS: usize = 64;
const MAX_ALIASES: usize = 16;

/// What an answer leads to, matched against all lists of one generation.
///
/// It is kept with the answer and holds no verdict: that depends on who asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Inspection {
    generation: u32,
    targets: Box<[Target]>,
    forwarded: bool,
    private: bool,
    blocked_upstream: bool,
}

/// A name that an answer leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The name.
    pub name: DomainName,
    /// Every list that names it.
    pub lists: ListMask,
    /// Whether it is a tracking name.
    pub tracking: bool,
}

/// What a policy makes of the targets: their places, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ruling {
    /// The first that is blocked.
    pub block: Option<(usize, Reason)>,
    /// The first that would be, but for a pause or the level.
    pub lifted: Option<(usize, Reason)>,
}

impl Inspection {
    /// Inspects an answer under a generation of lists; `classify` knows lists and tracking names.
    ///
    /// `forwarded` says whether a server of `[forward]` gave it. `None`: it leads to too many names.
    pub fn of(
        answer: &StoredAnswer,
        generation: u32,
        forwarded: bool,
        classify: impl Fn(NameRef<'_>) -> (ListMask, bool),
    ) -> Option<Inspection> {
        let message = Message::parse(answer.octets()).ok()?;
        let mut targets: Vec<Target> = Vec::new();
        let mut aliases = 0;
        let mut private = false;
        let mut blocked_upstream =
            answer.extended_errors().any(|code| matches!(code, BLOCKED | CENSORED | FILTERED));
        for record in message.records().filter(|record| record.section == Section::Answer) {
            let fresh = |name: &DomainName| targets.iter().all(|target| target.name != *name);
            if let Some(name) = record.target().filter(fresh) {
                let (lists, tracking) = classify(name.as_ref());
                targets.push(Target { name, lists, tracking });
                aliases += usize::from(record.record_type == RecordType::CNAME);
            }
            let addresses = record.addresses();
            private |= addresses.iter().any(|&address| is_private(address));
            blocked_upstream |= addresses.iter().any(|address| address.is_unspecified());
        }
        let targets = targets.into();
        let found = Inspection { generation, targets, forwarded, private, blocked_upstream };
        (found.targets.len() <= MAX_TARGETS && aliases <= MAX_ALIASES).then_some(found)
    }

    /// Returns the generation of lists it was made under.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns the names that the answer leads to, in its order.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Returns octets held outside the answer, for the cache's bound.
    pub fn size(&self) -> usize {
        let names: usize =
            self.targets.iter().map(|target| target.name.as_ref().wire().len()).sum();
        size_of::<Self>() + size_of_val(&*self.targets) + names
    }

    /// Returns whether a server of `[forward]` gave the answer.
    pub fn forwarded(&self) -> bool {
        self.forwarded
    }

    /// Returns whether a public name leads into a private network (rebinding).
    pub fn leads_inside(&self) -> bool {
        self.private && !self.forwarded
    }

    /// Returns whether the upstream had blocked it already, by a null address or by saying so.
    pub fn blocked_upstream(&self) -> bool {
        self.blocked_upstream
    }

    /// Judges the targets in their order: a block ends it, and so does an allow of the own tier.
    ///
    /// Any other allow lets only its own target through (`filter-rules.md`, 13, row 12).
    pub fn judge(&self, decide: impl Fn(NameRef<'_>, ListMask) -> Decision) -> Ruling {
        let mut ruling = Ruling::default();
        for (place, target) in self.targets.iter().enumerate() {
            let decision = decide(target.name.as_ref(), target.lists);
            match decision.verdict {
                Verdict::Block(reason) if decision.lifted => {
                    ruling.lifted.get_or_insert((place, reason));
                }
                Verdict::Block(reason) => {
                    ruling.block = Some((place, reason));
                    break;
                }
                Verdict::Allow(_) if decision.own => break,
                Verdict::Allow(_) | Verdict::None => {}
            }
        }
        ruling
    }

    /// Returns the place of the first tracking name among the targets.
    pub fn first_tracking(&self) -> Option<usize> {
        self.targets.iter().position(|target| target.tracking)
    }
}

/// Returns whether no public name may lead to an address (`reliability.md`, section 4).
///
/// The null addresses pass: they lead nowhere and are how upstreams block.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let this_network = v4.octets()[0] == 0 && !v4.is_unspecified();
    v4.is_private() || v4.is_loopback() || v4.is_link_local() || this_network
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
}

#[cfg(test)]
mod tests;
