//! Plain values that every other module speaks: names, lists, devices, companies, verdicts, events.

mod company;
mod device;
mod domain_name;
mod ends;
mod event;
mod grams;
mod hardware;
mod legend;
mod level;
mod list;
mod name_hashes;
mod name_text;
mod prefix;
mod quick_hash;
mod record_type;
mod time;
mod verdict;

pub use company::{Company, CompanyId, Tier};
pub use device::{BindingId, DeviceId, DeviceKind, DeviceName, Grade, GroupName, LogDetail};
pub use domain_name::{DomainName, MAX_NAME_OCTETS, NameError, NameRef, TextRoom};
pub use ends::Ends;
pub use event::{AnsweredBy, Outcome, QueryEvent, UpstreamId};
pub use grams::Grams;
pub use hardware::HardwareAddress;
pub use legend::{CompanyLabel, Legend};
pub use level::Level;
pub use list::{ListId, ListKind, ListMask, ListName, MAX_LISTS};
pub use name_hashes::{HashSeed, NameHashes};
pub use name_text::{NameText, Presentation};
pub use prefix::Prefix;
pub use quick_hash::QuickHash;
pub use record_type::RecordType;
pub use time::Moment;
pub use verdict::{Action, Reason, RuleId, Scope, Verdict};
