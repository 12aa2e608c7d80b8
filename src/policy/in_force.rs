//! What is in force at this moment: one immutable whole, read by each query, replaced seldom.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::{Decision, DevicePolicy, PolicyTable, Sought, Subject};
use crate::catalogue::{Catalogue, Row};
use crate::model::{Legend, ListMask, Moment, NameHashes, NameRef, NameText};
use crate::rules::{Asking, Matches, Ruleset};
use crate::zones::Zones;

/// Rules, policies, catalogue and zones of one edition.
pub struct InForce {
    /// Rises by one with each change.
    pub edition: u32,
    /// Rises by one when the lists change: what cached inspections depend on.
    pub generation: u32,
    /// All lists.
    pub ruleset: Arc<Ruleset>,
    /// Companies and tiers.
    pub catalogue: Arc<Catalogue>,
    /// Every device's policy.
    pub policies: PolicyTable,
    /// Names that are ours.
    pub zones: Arc<Zones>,
    /// The words behind this edition's numbers.
    pub legend: Arc<Legend>,
}

/// What all lists and the catalogue say of a name, whoever asks; it holds for one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFacts {
    generation: u32,
    matches: Matches,
    row: Option<u32>,
}

/// The edition in force; a handle that is cheap to clone.
#[derive(Clone)]
pub struct LivePolicy(Arc<ArcSwap<InForce>>);

impl LivePolicy {
    /// Puts a first edition in force.
    pub fn new(first: InForce) -> LivePolicy {
        LivePolicy(Arc::new(ArcSwap::from_pointee(first)))
    }

    /// Returns the edition in force, for the length of one query.
    pub fn load(&self) -> Guard<Arc<InForce>> {
        self.0.load()
    }

    /// Puts another edition in force.
    pub fn replace(&self, next: InForce) {
        self.0.store(Arc::new(next));
    }
}

impl InForce {
    /// Hashes a name with the ruleset's key.
    pub fn hashes(&self, name: NameRef<'_>) -> NameHashes {
        NameHashes::of(name, self.ruleset.seed())
    }

    /// Looks a name up in all lists and the catalogue.
    pub fn facts(&self, name: NameRef<'_>, hashes: &[u64]) -> NameFacts {
        let text = &NameText::of(name);
        NameFacts {
            generation: self.generation,
            matches: self.ruleset.find_text(text, hashes),
            row: self.catalogue.place(text, hashes),
        }
    }

    /// Returns whether facts hold in this edition.
    pub fn knows(&self, facts: &NameFacts) -> bool {
        facts.generation == self.generation
    }

    /// Returns the catalogue's row for a name of which these facts are known.
    pub fn row(&self, facts: &NameFacts) -> Option<&Row> {
        self.catalogue.row(facts.row?)
    }

    /// Decides on the name that is asked for; returns every list of which a rule holds, too.
    pub fn judge(
        &self,
        policy: &DevicePolicy,
        asking: Asking<'_>,
        hashes: &NameHashes,
        now: Moment,
    ) -> (Decision, ListMask) {
        self.judge_facts(policy, asking, hashes, &self.facts(asking.name, hashes), now)
    }

    /// Does what `judge` does for a name of which the facts are known, in this edition.
    pub fn judge_facts(
        &self,
        policy: &DevicePolicy,
        asking: Asking<'_>,
        hashes: &NameHashes,
        NameFacts { matches, .. }: &NameFacts,
        now: Moment,
    ) -> (Decision, ListMask) {
        let lists = self.ruleset.holding(matches, &asking);
        let subject = Subject { asking, sought: Sought::Name(hashes), matches };
        let stays_open = || self.catalogue.stays_open(asking.name);
        (policy.decide_asked(&self.ruleset, &subject, now, stays_open), lists)
    }

    /// Decides on a name that an answer leads to; returns every list of which a rule holds, too.
    pub fn judge_target(
        &self,
        policy: &DevicePolicy,
        asking: Asking<'_>,
        hashes: &NameHashes,
        now: Moment,
    ) -> (Decision, ListMask) {
        let matches = &self.ruleset.find(asking.name, hashes);
        let lists = self.ruleset.holding(matches, &asking);
        let subject = Subject { asking, sought: Sought::Name(hashes), matches };
        (policy.decide(&self.ruleset, &subject, now), lists)
    }
}

impl NameFacts {
    /// Returns octets held outside the value itself.
    pub fn size(&self) -> usize {
        self.matches.size()
    }
}
