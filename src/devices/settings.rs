//! The section `[devices]` of config.toml.

use serde::{Deserialize, Serialize};

use crate::model::Prefix;

/// Whose word on devices counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Forwarders that may say for whom they ask: addresses and prefixes.
    pub forwarders: Vec<Prefix>,
}
