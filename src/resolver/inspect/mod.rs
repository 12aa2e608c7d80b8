//! What an answer leads to: aliases, service targets and addresses, for any policy to judge.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{DomainName, Reason, RecordType, Verdict};
use crate::policy::{Decision, NameFacts};
use crate::rules::{Answer, Matches};
use crate::wire::{Message, RecordView, Section, StoredAnswer};

use super::replies::{BLOCKED, CENSORED, FILTERED};

/// Most different names that one answer may lead to, and most aliases on the way; no honest answer
/// comes near (`reliability.md`, section 6).
const MAX_TARGETS: usize = 64;
const MAX_ALIASES: usize = 16;
/// Most different addresses, hints counted too.
const MAX_ADDRESSES: usize = 256;

/// What an answer leads to, matched against all lists of one generation.
///
/// It is kept with the answer and holds no verdict: that depends on who asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Inspection {
    generation: u32,
    facts: NameFacts,
    elements: Box<[Element]>,
    forwarded: bool,
    private: bool,
    blocked_upstream: bool,
}

/// One thing that an answer leads to, with what all lists say of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Element {
    /// The name or address.
    pub lead: Lead,
    /// The type of the record that leads there, as rules are asked by (`filter-rules.md`, 2.2).
    pub record_type: RecordType,
    /// What is known of it.
    pub known: Known,
}

/// What is known of a lead, whoever asks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Hashes of the name and its parents, by which a device's own rules are looked up.
    pub hashes: Box<[u64]>,
    /// What all lists say of it.
    pub matches: Matches,
    /// Whether it is a tracking name.
    pub tracking: bool,
}

/// Where a record leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Lead {
    /// To a name: an alias or service target.
    Name(DomainName),
    /// To an address, as record or hint.
    Address(IpAddr),
}

/// What a policy makes of what an answer leads to: the places, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ruling {
    /// The first that is blocked, and how that is answered.
    pub block: Option<(usize, Reason, Answer)>,
    /// The first that would be, but for a pause or the level.
    pub lifted: Option<(usize, Reason)>,
}

/// What was found in an answer so far.
#[derive(Default)]
struct Found {
    elements: Vec<Element>,
    targets: usize,
    aliases: usize,
    addresses: usize,
    private: bool,
    null: bool,
}

impl Inspection {
    /// Inspects an answer under a generation of lists; `classify` tells what is known of a lead.
    ///
    /// `facts` are those of the name that was asked for, in that generation; `forwarded` says
    /// whether a server of `[forward]` gave the answer. `None`: it leads to too much.
    pub fn of(
        answer: &StoredAnswer,
        (generation, facts): (u32, NameFacts),
        forwarded: bool,
        classify: impl Fn(&Lead) -> Known,
    ) -> Option<Inspection> {
        let message = Message::parse(answer.octets()).ok()?;
        let mut found = Found::default();
        for record in message.records().filter(|record| record.section == Section::Answer) {
            found.take(&record, &classify)?;
        }
        let said = |code| matches!(code, BLOCKED | CENSORED | FILTERED);
        let blocked_upstream = found.null || answer.extended_errors().any(said);
        let (elements, private) = (found.elements.into(), found.private);
        Some(Inspection { generation, facts, elements, forwarded, private, blocked_upstream })
    }

    /// Returns the generation of lists it was made under.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns what is known of the name that was asked for.
    pub fn facts(&self) -> &NameFacts {
        &self.facts
    }

    /// Returns what the answer leads to, in its order.
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// Returns octets held outside the answer, for the cache's bound.
    pub fn size(&self) -> usize {
        let outside = |element: &Element| match &element.lead {
            Lead::Name(name) => name.as_ref().wire().len() + element.known.size(),
            Lead::Address(_) => element.known.size(),
        };
        let outside: usize = self.elements.iter().map(outside).sum();
        size_of::<Self>() + size_of_val(&*self.elements) + self.facts.size() + outside
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

    /// Judges what it leads to in its order: a block ends it, and so does an own allow of a name.
    ///
    /// Any other allow lets only its own element through (`filter-rules.md`, 13, row 12). A rewrite
    /// has no effect there.
    pub fn judge(&self, decide: impl Fn(&Element) -> Decision) -> Ruling {
        let mut ruling = Ruling::default();
        for (place, element) in self.elements.iter().enumerate() {
            let decision = decide(element);
            match decision.verdict {
                Verdict::Block(reason) if decision.lifted => {
                    ruling.lifted.get_or_insert((place, reason));
                }
                Verdict::Block(reason) => {
                    ruling.block = Some((place, reason, decision.answer));
                    break;
                }
                Verdict::Allow(_) if decision.own && matches!(element.lead, Lead::Name(_)) => break,
                _ => {}
            }
        }
        ruling
    }

    /// Returns the place of the first tracking name that it leads to.
    pub fn first_tracking(&self) -> Option<usize> {
        self.elements.iter().position(|element| element.known.tracking)
    }
}

impl Known {
    fn size(&self) -> usize {
        size_of_val(&*self.hashes) + self.matches.size()
    }
}

impl Found {
    /// Takes in where a record leads; `None` if that is too much.
    fn take(&mut self, record: &RecordView<'_>, classify: &impl Fn(&Lead) -> Known) -> Option<()> {
        let record_type = match record.record_type {
            RecordType::DNAME => RecordType::CNAME,
            other => other,
        };
        if let Some(name) = record.target().map(Lead::Name)
            && self.add(name, record_type, classify)
        {
            self.targets += 1;
            self.aliases += usize::from(record.record_type == RecordType::CNAME);
        }
        for address in record.addresses() {
            self.private |= is_private(address);
            self.null |= address.is_unspecified();
            let fresh = self.add(Lead::Address(address), record_type, classify);
            self.addresses += usize::from(fresh);
            if self.addresses > MAX_ADDRESSES {
                return None;
            }
        }
        (self.targets <= MAX_TARGETS && self.aliases <= MAX_ALIASES).then_some(())
    }

    /// Adds a lead with its record's type; returns whether it is a new one.
    fn add(
        &mut self,
        lead: Lead,
        record_type: RecordType,
        classify: &impl Fn(&Lead) -> Known,
    ) -> bool {
        let same = |other: &Element| other.record_type == record_type && other.lead == lead;
        if self.elements.iter().any(same) {
            return false;
        }
        let known = classify(&lead);
        self.elements.push(Element { lead, record_type, known });
        true
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
