//! What is in force at this moment: one immutable whole, read by each query, replaced seldom.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::{Decision, DevicePolicy, PolicyTable, Sought, Subject};
use crate::catalogue::Catalogue;
use crate::model::{Legend, ListMask, Moment, NameHashes, NameRef};
use crate::rules::{Asking, Ruleset};
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

    /// Decides on the name that is asked for; returns every list of which a rule holds, too.
    pub fn judge(
        &self,
        policy: &DevicePolicy,
        asking: Asking<'_>,
        hashes: &NameHashes,
        now: Moment,
    ) -> (Decision, ListMask) {
        let matches = &self.ruleset.find(asking.name, hashes);
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
