//! The policies of all devices, worked out when the policy changes, looked up per query.

use std::collections::HashMap;

use super::{DevicePolicy, Standing, Timed};
use crate::catalogue::Catalogue;
use crate::model::{DeviceId, RuleId};
use crate::rules::Ruleset;

/// The policies of all devices; immutable.
#[derive(Debug)]
pub struct PolicyTable {}

impl PolicyTable {
    /// Works out every device's policy. `devices` are the numbers of `standing.devices`, in order.
    pub fn compile(
        standing: &Standing,
        timed: &Timed,
        devices: &[DeviceId],
        ruleset: &Ruleset,
        catalogue: &Catalogue,
    ) -> PolicyTable {
        let _ = (standing, timed, devices, ruleset, catalogue);
        todo!()
    }

    /// Returns a device's policy; everyone's for a device the policy does not name.
    pub fn for_device(&self, device: DeviceId) -> &DevicePolicy {
        let _ = device;
        todo!()
    }

    /// Returns own rules as people read them: `block example.com for TV`.
    pub fn rule_texts(&self) -> &HashMap<RuleId, String> {
        todo!()
    }

    /// Returns seconds that a blocked answer may be kept.
    pub fn blocked_ttl(&self) -> u32 {
        todo!()
    }
}
