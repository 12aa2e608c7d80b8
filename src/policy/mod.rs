//! Whom which rules bind.

mod device_policy;
mod effective;
mod in_force;
pub mod levels;
mod own_rules;
mod rule_ids;
mod standing;
mod table;

pub use device_policy::{Decision, DevicePolicy};
pub use effective::{Effective, ListSwitch, Source, Sourced};
pub use in_force::{InForce, LivePolicy};
pub use own_rules::OwnRules;
pub use standing::{
    CompanySwitch, DevicePart, GroupPart, LevelDifference, OwnRule, Part, Pause, Standing, Timed,
    action_word, scope_words,
};
pub use table::PolicyTable;

use effective::Layers;
use own_rules::Spread;
use rule_ids::RuleIds;
