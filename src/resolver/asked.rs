//! A query bound to a device's policy, and what is decided by its name alone.

use crate::catalogue::Row;
use crate::devices::Binding;
use crate::model::{ListMask, Moment, NameHashes, NameRef, Reason, RecordType, Verdict};
use crate::policy::{Decision, DevicePolicy, InForce, NameFacts, Sought, Subject};
use crate::rules::{Answer, Asker, Asking, Rewritten};
use crate::sinkhole::BlockingMode;
use crate::upstream::{CacheKey, Upstreams};
use crate::wire::{Query, Question};
use crate::zones::Zones;

use super::{Alias, Arrival, Element, Known, Lead, Transport};

/// Names by which devices ask whether the network wants to resolve by itself.
const CANARIES: [&[u8]; 3] = [
    b"\x13use-application-dns\x03net\x00",
    b"\x04mask\x06icloud\x03com\x00",
    b"\x07mask-h2\x06icloud\x03com\x00",
];

/// The first label of names that keys of encrypted server names are asked by.
const ESNI: &[u8] = b"_esni";

/// A query bound to a policy: one edition for all that is decided about it.
pub struct Asked<'q, 'f> {
    /// The query.
    pub query: &'q Query<'q>,
    /// Where and when it came in.
    pub arrival: Arrival,
    /// Who asked.
    pub binding: Binding,
    /// What is in force.
    pub in_force: &'f InForce,
    /// What binds the device.
    pub policy: &'f DevicePolicy,
    /// Every list of which a rule for the name holds.
    pub lists: ListMask,
    /// The catalogue's row for the name.
    pub row: Option<&'f Row>,
    /// What the rules say of the name.
    pub decision: Decision,
    /// Whether the name never leaves.
    pub ours: bool,
    asker: Asker<'f>,
    facts: &'f NameFacts,
    hash: u64,
}

/// What is known of a query's name before any policy is looked at.
#[derive(Clone, Copy)]
pub struct Looked<'f> {
    /// Its hashes.
    pub hashes: &'f NameHashes,
    /// What lists and catalogue say of it, in the generation in force.
    pub facts: &'f NameFacts,
}

/// The next step for a query.
pub enum Step<'f> {
    /// A zone of ours answers.
    Local,
    /// The sinkhole answers.
    Block(Reason, &'f BlockingMode),
    /// A rule has the answer.
    Rewrite(Reason, &'f Rewritten),
    /// It is to be asked over TCP.
    Truncate(Reason),
    /// It asks for everything and gets the least (RFC 8482).
    Minimal,
    /// Cache or upstream answers.
    Resolve,
}

impl<'q, 'f> Asked<'q, 'f> {
    /// Binds a query to a policy and decides on its name.
    pub fn new(
        query: &'q Query<'q>,
        arrival: Arrival,
        binding: Binding,
        in_force: &'f InForce,
        Looked { hashes, facts }: Looked<'f>,
        upstreams: &Upstreams,
    ) -> Asked<'q, 'f> {
        let name = query.name();
        let bound = in_force.policies.bound(binding.device);
        let mut asked = Asked {
            query,
            arrival,
            binding,
            in_force,
            policy: bound.policy,
            lists: ListMask::EMPTY,
            row: in_force.row(facts),
            decision: Verdict::None.into(),
            ours: is_ours(&in_force.zones, upstreams, name, query.query_type()),
            asker: bound.asker(arrival.client),
            facts,
            hash: hashes.key(),
        };
        let asking = Asking { name, query_type: query.query_type(), asker: asked.asker };
        (asked.decision, asked.lists) =
            judge_asked_facts(in_force, bound.policy, asking, (hashes, facts), arrival.now);
        asked
    }

    /// Returns the next step: names of ours, rules, canaries, then whoever knows.
    ///
    /// The canaries stand through pauses and level off: a device that left for another resolver
    /// would not come back when they end. Any allow beats them.
    pub fn step(&self) -> Step<'_> {
        let Decision { verdict, answer, rewritten, lifted, .. } = &self.decision;
        let datagram = self.arrival.transport == Transport::Udp;
        match (*verdict, rewritten) {
            _ if self.ours => Step::Local,
            (Verdict::Block(Reason::NotListed), _) if is_canary(self.query.name()) => {
                Step::Block(Reason::Canary, &BlockingMode::NxDomain)
            }
            (Verdict::Block(reason), _) if !lifted => {
                Step::Block(reason, self.policy.blocking(*answer))
            }
            (Verdict::Rewrite(reason), Some(rewritten)) if !lifted => {
                Step::Rewrite(reason, rewritten)
            }
            (Verdict::Truncate(reason), _) if !lifted && datagram => Step::Truncate(reason),
            (Verdict::Allow(_), _) => self.open_step(),
            _ if is_canary(self.query.name()) => {
                Step::Block(Reason::Canary, &BlockingMode::NxDomain)
            }
            _ => self.open_step(),
        }
    }

    fn open_step(&self) -> Step<'_> {
        match self.query.query_type() {
            RecordType::ANY => Step::Minimal,
            _ => Step::Resolve,
        }
    }

    /// Decides on what an answer leads to.
    pub fn decide(&self, element: &Element) -> Decision {
        let matches = &element.known.matches;
        if self.policy.is_silent_on(matches) {
            return Verdict::None.into();
        }
        let sought = match &element.lead {
            Lead::Name(_) => Sought::Name(&element.known.hashes),
            Lead::Address(address) => Sought::Address(*address),
        };
        let subject = Subject { asking: self.asking(element), sought, matches };
        self.policy.decide(&self.in_force.ruleset, &subject, self.arrival.now)
    }

    /// Returns the lists of which a rule for what an answer leads to holds.
    pub fn holding(&self, element: &Element) -> ListMask {
        self.in_force.ruleset.holding(&element.known.matches, &self.asking(element))
    }

    /// An address is asked about by the name whose answer holds it.
    fn asking<'a>(&'a self, element: &'a Element) -> Asking<'a> {
        let name = match &element.lead {
            Lead::Name(name) => name.as_ref(),
            Lead::Address(_) => self.query.name(),
        };
        Asking { name, query_type: element.record_type, asker: self.asker }
    }

    /// Returns the row of the company behind an alias, else of the name.
    pub fn row_behind(&self, alias: Option<&Alias>) -> Option<&'f Row> {
        let behind = alias
            .and_then(Alias::target)
            .and_then(|(name, hashes)| self.in_force.catalogue.find(name, hashes));
        behind.or(self.row)
    }

    /// Returns whether a row or lists make a tracking name, whatever binds this device.
    pub fn is_tracking(&self, row: Option<&Row>, lists: ListMask) -> bool {
        is_tracking(self.in_force, row, lists)
    }

    /// Returns what is known of a name, if it is the one that was asked for.
    pub fn facts_of(&self, name: NameRef<'_>) -> Option<NameFacts> {
        (name == self.query.name()).then(|| self.facts.clone())
    }

    /// Returns the name's whole hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns the key of the cache.
    pub fn cache_key(&self) -> CacheKey<'q> {
        self.query.into()
    }

    /// Returns the question as upstreams are asked it.
    pub fn question(&self) -> Question {
        self.question_for(self.query.name())
    }

    /// Returns the same question about another name.
    pub fn question_for(&self, name: NameRef<'_>) -> Question {
        Question {
            name: name.to_owned(),
            query_type: self.query.query_type(),
            dnssec_ok: self.query.dnssec_ok(),
            checking_disabled: self.query.checking_disabled(),
        }
    }
}

/// Returns what is known of a lead.
pub fn classify(in_force: &InForce, lead: &Lead) -> Known {
    let ruleset = &in_force.ruleset;
    match lead {
        Lead::Address(address) => {
            Known { matches: ruleset.find_address(*address), ..Known::default() }
        }
        Lead::Name(name) => {
            let hashes = in_force.hashes(name.as_ref());
            let matches = ruleset.find(name.as_ref(), &hashes);
            let row = in_force.catalogue.find(name.as_ref(), &hashes);
            let tracking = is_tracking(in_force, row, matches.lists());
            Known { hashes: hashes.as_slice().into(), matches, tracking }
        }
    }
}

fn is_tracking(in_force: &InForce, row: Option<&Row>, lists: ListMask) -> bool {
    row.is_some_and(|row| row.tier.is_tracking())
        || !lists.intersection(in_force.ruleset.tracking()).is_empty()
}

/// Returns what the rules say of a name that is asked for, and every list of which one holds.
///
/// `_esni.x` does not exist where x is blocked (`filter-rules.md`, section 10).
pub fn judge_asked(
    in_force: &InForce,
    policy: &DevicePolicy,
    asking: Asking<'_>,
    hashes: &NameHashes,
    now: Moment,
) -> (Decision, ListMask) {
    let facts = &in_force.facts(asking.name, hashes);
    judge_asked_facts(in_force, policy, asking, (hashes, facts), now)
}

fn judge_asked_facts(
    in_force: &InForce,
    policy: &DevicePolicy,
    asking: Asking<'_>,
    (hashes, facts): (&NameHashes, &NameFacts),
    now: Moment,
) -> (Decision, ListMask) {
    let (decision, lists) = in_force.judge_facts(policy, asking, hashes, facts, now);
    let host = asking.name.parent().filter(|_| asking.name.labels().next() == Some(ESNI));
    let Some(name) = host.filter(|_| !matches!(decision.verdict, Verdict::Allow(_))) else {
        return (decision, lists);
    };
    let host = Asking { name, ..asking };
    let (of_host, found) = in_force.judge(policy, host, &in_force.hashes(name), now);
    match of_host.verdict {
        Verdict::Block(_) => (Decision { answer: Answer::NxDomain, ..of_host }, lists.union(found)),
        _ => (decision, lists),
    }
}

/// Returns whether a query's name never leaves.
///
/// A zone that `[forward]` maps wins over a special-use name, never over those always ours.
pub fn is_ours(
    zones: &Zones,
    upstreams: &Upstreams,
    name: NameRef<'_>,
    query_type: RecordType,
) -> bool {
    if zones.is_ours(name) {
        zones.is_always_ours(name) || !upstreams.is_forwarded(name)
    } else {
        Zones::is_bare_host(name, query_type) && !upstreams.is_forwarded(name)
    }
}

/// Returns whether devices ask by this name whether the network wants to resolve by itself.
pub fn is_canary(name: NameRef<'_>) -> bool {
    CANARIES.contains(&name.wire())
}

#[cfg(test)]
impl<'q, 'f> Asked<'q, 'f> {
    /// Returns a query that was decided on so, whatever the rules say.
    pub fn decided(
        query: &'q Query<'q>,
        arrival: Arrival,
        in_force: &'f InForce,
        decision: Decision,
    ) -> Asked<'q, 'f> {
        use std::sync::LazyLock;

        use crate::model::{BindingId, DeviceId, Grade};
        static NO_FACTS: LazyLock<NameFacts> = LazyLock::new(NameFacts::default);
        let (id, device) = (BindingId(0), DeviceId(0));
        let bound = in_force.policies.bound(device);
        Asked {
            query,
            arrival,
            binding: Binding { id, device, part: device, grade: Grade::Address },
            in_force,
            policy: bound.policy,
            lists: ListMask::EMPTY,
            row: None,
            decision,
            ours: false,
            asker: bound.asker(arrival.client),
            facts: &NO_FACTS,
            hash: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    #[test]
    fn the_canaries_are_known_and_nothing_beside_them() {
        let canary = |text: &str| is_canary(DomainName::parse(text).expect("a name").as_ref());
        for text in ["use-application-dns.net", "Mask.iCloud.com", "mask-h2.icloud.com"] {
            assert!(canary(text), "{text}");
        }
        for text in ["icloud.com", "x.mask.icloud.com", "use-application-dns.net.example"] {
            assert!(!canary(text), "{text}");
        }
    }
}
