//! The section `[lists]` of config.toml.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where lists lie, and which are fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether the levels subscribe lists of others beside the shipped ones.
    pub subscribe_defaults: bool,
    /// A folder that overrides the lists shipped with the program.
    pub blocklists: Option<PathBuf>,
    /// The one folder below which list files of `policy.toml` may lie; `lists/` in the data folder.
    pub folder: Option<PathBuf>,
    /// A PEM file of authorities that vouch for the servers of lists with `local = true`, beside
    /// the public ones.
    pub ca: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { subscribe_defaults: true, blocklists: None, folder: None, ca: None }
    }
}
