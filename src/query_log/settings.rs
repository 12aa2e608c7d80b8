//! The section `[log]` of config.toml.

use serde::{Deserialize, Serialize};

/// How much is kept for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Days that events are kept.
    pub days: u32,
    /// Octets that events may take, in MiB.
    pub max_mib: u64,
    /// Days that daily totals are kept.
    pub totals_days: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { days: 30, max_mib: 512, totals_days: 400 }
    }
}

impl Settings {
    /// Returns the octets that the file may take.
    pub(super) fn max_octets(&self) -> u64 {
        self.max_mib.saturating_mul(1 << 20)
    }
}
