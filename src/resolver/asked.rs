//! A query bound to a device's policy, and what is decided by its name alone.

use crate::catalogue::Row;
use crate::devices::Binding;
use crate::model::{ListMask, NameRef, Reason, RecordType, Verdict};
use crate::policy::{Decision, DevicePolicy, InForce};
use crate::sinkhole::BlockingMode;
use crate::upstream::{CacheKey, Upstreams};
use crate::wire::{Query, Question};
use crate::zones::Zones;

use super::{Alias, Arrival};

/// Names by which devices ask whether the network wants to resolve by itself.
const CANARIES: [&[u8]; 3] = [
    b"\x13use-application-dns\x03net\x00",
    b"\x04mask\x06icloud\x03com\x00",
    b"\x07mask-h2\x06icloud\x03com\x00",
];

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
    /// Every list that names the name.
    pub lists: ListMask,
    /// The catalogue's row for the name.
    pub row: Option<&'f Row>,
    /// What the rules say of the name.
    pub decision: Decision,
    /// Whether the name never leaves.
    pub ours: bool,
    hash: u64,
}

/// The next step for a query.
pub enum Step<'f> {
    /// A zone of ours answers.
    Local,
    /// The sinkhole answers.
    Block(Reason, &'f BlockingMode),
    /// It asks for everything and gets the least (RFC 8482).
    Minimal,
    /// Cache or upstream answers.
    Resolve,
}

impl<'q, 'f> Asked<'q, 'f> {
    /// Binds a query to a policy and decides on its name; hashes it once.
    pub fn new(
        query: &'q Query<'q>,
        arrival: Arrival,
        binding: Binding,
        in_force: &'f InForce,
        upstreams: &Upstreams,
    ) -> Asked<'q, 'f> {
        let name = query.name();
        let policy = in_force.policies.for_device(binding.device);
        let hashes = in_force.hashes(name);
        let lists = in_force.ruleset.find(name, &hashes).lists();
        Asked {
            query,
            arrival,
            binding,
            in_force,
            policy,
            lists,
            row: in_force.catalogue.find(name, &hashes),
            decision: policy.decide(&hashes, lists, arrival.now),
            ours: is_ours(&in_force.zones, upstreams, name, query.query_type()),
            hash: hashes.whole().unwrap_or(0),
        }
    }

    /// Returns the next step: names of ours, rules, canaries, then whoever knows.
    ///
    /// The canaries stand through pauses and level off: a device that left for another resolver
    /// would not come back when they end. Any allow beats them.
    pub fn step(&self) -> Step<'f> {
        if self.ours {
            return Step::Local;
        }
        match self.decision.verdict {
            Verdict::Block(reason) if !self.decision.lifted => {
                Step::Block(reason, self.policy.blocking())
            }
            Verdict::Block(_) | Verdict::None if is_canary(self.query.name()) => {
                Step::Block(Reason::Canary, &BlockingMode::NxDomain)
            }
            _ if self.query.query_type() == RecordType::ANY => Step::Minimal,
            _ => Step::Resolve,
        }
    }

    /// Decides on a name that an answer leads to.
    pub fn decide(&self, target: NameRef<'_>, lists: ListMask) -> Decision {
        self.policy.decide(&self.in_force.hashes(target), lists, self.arrival.now)
    }

    /// Returns the lists that name a target, and whether it is a tracking name.
    pub fn classify(&self, target: NameRef<'_>) -> (ListMask, bool) {
        let hashes = self.in_force.hashes(target);
        let lists = self.in_force.ruleset.find(target, &hashes).lists();
        (lists, self.is_tracking(self.in_force.catalogue.find(target, &hashes), lists))
    }

    /// Returns the row of the company behind an alias, else of the name.
    pub fn row_behind(&self, alias: Option<&Alias>) -> Option<&'f Row> {
        let behind = alias.and_then(Alias::target).and_then(|target| {
            let name = target.name.as_ref();
            self.in_force.catalogue.find(name, &self.in_force.hashes(name))
        });
        behind.or(self.row)
    }

    /// Returns whether a row or lists make a tracking name, whatever binds this device.
    pub fn is_tracking(&self, row: Option<&Row>, lists: ListMask) -> bool {
        row.is_some_and(|row| row.tier.is_tracking())
            || !lists.intersection(self.in_force.ruleset.tracking()).is_empty()
    }

    /// Returns the name's whole hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns the key of the cache.
    pub fn cache_key(&self) -> CacheKey<'q> {
        CacheKey {
            name: self.query.name(),
            query_type: self.query.query_type(),
            dnssec_ok: self.query.dnssec_ok(),
            checking_disabled: self.query.checking_disabled(),
        }
    }

    /// Returns the question as upstreams are asked it.
    pub fn question(&self) -> Question {
        Question {
            name: self.query.name().to_owned(),
            query_type: self.query.query_type(),
            dnssec_ok: self.query.dnssec_ok(),
            checking_disabled: self.query.checking_disabled(),
        }
    }

    /// Returns the seconds since `stored`, on the monotonic clock.
    pub fn age(&self, stored: u64) -> u32 {
        let micros = self.arrival.now.monotonic.saturating_sub(stored);
        u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX)
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
