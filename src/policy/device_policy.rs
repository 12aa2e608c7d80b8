//! What binds one device: masks over the lists, own rules by scope, pauses.

use crate::model::{Level, ListMask, LogDetail, Moment, NameHashes, Verdict};
use crate::sinkhole::BlockingMode;

/// A verdict, and whether it is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// What the rules say.
    pub verdict: Verdict,
    /// Whether a pause or level off lifts a block: the answer is untouched, the event says so.
    pub lifted: bool,
    /// Whether the allow is an own rule's, which on an alias target ends the answer checks.
    pub own: bool,
}

/// What binds one device at this edition.
#[derive(Debug)]
pub struct DevicePolicy {}

impl DevicePolicy {
    /// Decides on a name (or an alias target): own rules by scope, bans, then lists.
    ///
    /// `found` are the lists that match it. Allocates nothing.
    pub fn decide(&self, hashes: &NameHashes, found: ListMask, now: Moment) -> Decision {
        let _ = (hashes, found, now);
        todo!()
    }

    /// Returns how blocked queries are answered.
    pub fn blocking(&self) -> &BlockingMode {
        todo!()
    }

    /// Returns what may be recorded.
    pub fn log_detail(&self) -> LogDetail {
        todo!()
    }

    /// Returns the level in force.
    pub fn level(&self) -> Level {
        todo!()
    }

    /// Returns the lists of the subscribed tier that bind this device.
    pub fn lists(&self) -> ListMask {
        todo!()
    }

    /// Returns the company bans that bind this device.
    pub fn bans(&self) -> ListMask {
        todo!()
    }

    /// Returns until when (seconds since 1970) this device is paused, if it is at `now`.
    pub fn paused_until(&self, now: Moment) -> Option<i64> {
        let _ = now;
        todo!()
    }
}
