//! Whom which rules bind.

mod device_policy;
mod in_force;
mod own_rules;
mod standing;
mod table;

pub use device_policy::{Decision, DevicePolicy};
pub use in_force::{InForce, LivePolicy};
pub use own_rules::OwnRules;
pub use standing::{
    CompanySwitch, DevicePart, GroupPart, LevelDifference, OwnRule, Part, Pause, Standing, Timed,
};
pub use table::PolicyTable;
