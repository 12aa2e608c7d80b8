//! The section `[policy]` of config.toml.

use serde::{Deserialize, Serialize};

/// How the policy is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The zone of schedules: `Europe/Berlin`; empty: the system's.
    pub time_zone: String,
}
