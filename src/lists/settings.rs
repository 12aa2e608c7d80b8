//! The section `[lists]` of config.toml.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where lists lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A folder that overrides the lists shipped with the program.
    pub blocklists: Option<PathBuf>,
    /// The one folder below which list files of `policy.toml` may lie; `lists/` in the data folder.
    pub folder: Option<PathBuf>,
}
