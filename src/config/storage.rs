//! The section `[storage]` of config.toml.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where data lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The data folder; relative to the folder of config.toml.
    pub path: PathBuf,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { path: PathBuf::from("data") }
    }
}
