//! What the API shows: plain values with stable keys, times as RFC 3339.

mod activity;
mod cache;
mod history;
mod list_updates;
mod notices;
mod policy;
mod status;
mod subjects;
mod tallies;
mod why;

use jiff::Timestamp;

pub use activity::{Gap, LogEntry, LogPage, Who, WhoRow};
pub use cache::{CacheFlushed, CacheView};
pub use history::{
    ChangeView, Fate, PlannedChange, PolicyDiff, PolicyPlan, PolicyUndone, RevisionView,
};
pub use list_updates::{ListUpdateView, ReceivedView, UpdateEvent, UpdateOutcome};
pub use notices::{Dismissed, NoticeView};
pub use policy::{
    Changed, Checked, FailedAssert, LevelList, LevelView, LineView, ListBrief, ListState, ListView,
    ListWorth, Overlap, PauseView, Reloaded, RuleSyntax, RuleView, Rules, SwitchView, Tested,
    VersionView,
};
pub use status::{Counts, Health, IgnoredClaim, LimitedClient, LogState, Status, UpstreamView};
pub use subjects::{
    BindingView, Bound, CompanyView, DeviceBrief, DeviceDetails, DeviceSplit, DeviceView,
    DevicesMerged, HardwareView, HeardName, LikenessView, ScheduleView,
};

pub use tallies::{CompanyBrief, QueryTally, Tally};
pub use why::{CompanyRow, DecidedBy, Expected, ListMatch, OwnMatch, Why, WhyAlias};

/// Returns microseconds since 1970 as a time; what no calendar has becomes 1970.
pub fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}
