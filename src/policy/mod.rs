//! Whom which rules bind.

mod device_policy;
mod effective;
mod in_force;
pub mod levels;
mod own_rules;
#[cfg(test)]
mod precedence_tests;
mod rule_ids;
mod schedule;
#[cfg(test)]
mod schedule_tests;
mod standing;
mod table;
#[cfg(test)]
mod test_ground;
mod written_rules;

pub use device_policy::{Decision, DevicePolicy, Sought, Subject};
pub use effective::{BoundSchedule, Effective, ListSwitch, Source, Sourced};
pub use in_force::{InForce, LivePolicy, NameFacts};
pub use own_rules::OwnRules;
pub use schedule::{Days, Hours, Schedule, ScheduleState, TimeRange};
pub use standing::{
    CompanySwitch, DevicePart, GroupPart, LevelDifference, OwnRule, Part, Pause, Standing, Syntax,
    Timed, WrittenRule, action_word, scope_words,
};
pub use table::{Bound, PolicyTable};
pub use written_rules::{MAX_WRITTEN, check_written};

use effective::Layers;
use own_rules::{Scopes, Spread};
use rule_ids::{AnyRule, number};
use written_rules::{Member, WrittenRules};
