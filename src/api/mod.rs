//! The contract of the HTTP API: what the daemon serves, and what commands and pages call.

mod changes;
mod error;
pub mod paths;
mod questions;
mod views;

pub use changes::{
    CacheFlush, CompanyChange, DeviceChange, DeviceMerge, DeviceSplitting, Dismissal, LevelChange,
    ListAddition, ListChange, ListRollback, PauseChange, PolicyText, ResumeChange, RuleChange,
    RuleRemoval, RuleText, ScopeChoice, UndoRequest, UpdateRequest,
};
pub use error::{ProblemDocument, ProblemKind};
pub use questions::{
    DiffParams, ForgetParams, HistoryParams, LogParams, NoticeParams, WhoParams, WhyParams,
};
pub use views::{
    BindingView, Bound, CacheFlushed, CacheView, ChangeView, Changed, Checked, CompanyBrief,
    CompanyRow, CompanyView, Counts, DecidedBy, DeviceBrief, DeviceDetails, DeviceSplit,
    DeviceView, DevicesMerged, Dismissed, Expected, FailedAssert, Fate, Gap, HardwareView, Health,
    HeardName, IgnoredClaim, LevelList, LevelView, LikenessView, LimitedClient, LineView,
    ListBrief, ListMatch, ListState, ListUpdateView, ListView, ListWorth, LogEntry, LogPage,
    LogState, NoticeView, Overlap, OwnMatch, PauseView, PlannedChange, PolicyDiff, PolicyPlan,
    PolicyUndone, QueryTally, ReceivedView, Reloaded, RevisionView, RuleSyntax, RuleView, Rules,
    ScheduleView, Status, SwitchView, Tally, Tested, UpdateEvent, UpdateOutcome, UpstreamView,
    VersionView, Who, WhoRow, Why, WhyAlias, timestamp,
};

/// The most events one page of the log holds.
pub const MAX_PAGE: usize = 500;

/// The most seconds a pause, a rule with an end or a look back may span: 366 days.
pub const MAX_SECONDS: u64 = 366 * 86_400;

/// The most characters a name, filter or note may have.
pub const MAX_TEXT: usize = 300;
