//! The section `[resolver]` of config.toml.

use serde::{Deserialize, Serialize};

/// Switches of the query path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether `version.bind` (class CH) is answered.
    pub version_bind: bool,
}
