//! Where rules come from: the shipped lists and those of the owner, by file or address.
//!
//! `load` puts all lists together, by way of `store`, which keeps their versions (`versions`, pure,
//! in `state.db` by `version_rows`) and copies (`kept`), `guard`, which skips what no list may
//! block, and `artefact`, the compiled lists of the last time.

mod artefact;
mod changes;
pub mod fetch;
mod file;
mod guard;
mod kept;
pub mod known;
mod load;
mod loading;
mod own_list;
mod report;
pub mod schedule;
mod settings;
pub mod shipped;
mod store;
mod text_guard;
mod version_rows;
mod versions;

use artefact::{ArtefactKey, Artefacts, KeyParts};
use changes::{Named, Reading, compare, text as pattern_text};
use file::{Files, read_bounded_from};
use kept::Kept;
use loading::Loading;
use shipped::ShippedList;
use text_guard::TextGuard;
use versions::suspicion;

pub use file::unpacked;
pub use guard::{Guard, Sieve};
pub use kept::ContentHash;
pub use load::{FoundCatalogue, Lists, Loaded};
pub use own_list::{OwnList, Source};
pub use report::ListReport;
pub use settings::Settings;
pub use store::{Due, Meta, Offered, Store};
pub use versions::{Attempts, History, KEPT_VERSIONS, ListChange, Version, VersionState};

#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;
