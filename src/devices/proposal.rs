//! Hints combined into a proposed name and kind, each with its source.

use super::{HintSource, HintText};
use crate::model::{DeviceKind, HardwareAddress};

/// A name and kind that nobody gave but hints suggest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The name: plain text of 1 to 64 characters.
    pub name: Option<(String, HintSource)>,
    /// The kind.
    pub kind: Option<(DeviceKind, HintSource)>,
}

/// Combines hints on one device.
pub fn propose(hints: &[(HintSource, HintText)], hardware: Option<HardwareAddress>) -> Proposal {
    let _ = (hints, hardware);
    Proposal::default()
}
