//! The levels as the program defines them; `policy.toml` holds only differences.

use crate::model::Level;

/// What a level holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The level.
    pub level: Level,
    /// Its lists.
    pub lists: &'static [LevelList],
    /// What it adds to the level below it, for people.
    pub adds: &'static str,
}

/// A list of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelList {
    /// Its name.
    pub name: &'static str,
    /// Whether only its rows whose breakage is "no" count.
    pub part: bool,
    /// Whether it is one by others that is fetched, unless `subscribe_defaults` is off.
    pub subscribed: bool,
}

const TRACKERS: LevelList = shipped("trackers");
const HARMLESS: LevelList = LevelList { part: true, ..TRACKERS };
const TRACKERS_STRICT: LevelList = shipped("trackers-strict");
const ENCRYPTED_DNS: LevelList = shipped("encrypted-dns");
const BROAD: LevelList = LevelList { subscribed: true, ..shipped("hagezi-normal") };
const BROADER: LevelList = LevelList { subscribed: true, ..shipped("hagezi-pro") };

const fn shipped(name: &'static str) -> LevelList {
    LevelList { name, part: false, subscribed: false }
}

/// Returns what a level holds before the differences of `policy.toml`.
pub fn definition(level: Level) -> Definition {
    let (lists, adds): (&'static [LevelList], &'static str) = match level {
        Level::Off => (
            &[],
            "No lists. Your rules and company bans still bind, and what Standard would have \
             blocked is recorded.",
        ),
        Level::Basic => {
            (&[HARMLESS], "Of the list trackers, the names whose absence breaks nothing.")
        }
        Level::Standard => (
            &[TRACKERS, BROAD],
            "The list trackers: pixels, analytics, ads, telemetry; and a broad list by others, \
             which is fetched. Sites and apps themselves keep working.",
        ),
        Level::Strict => (
            &[TRACKERS, TRACKERS_STRICT, ENCRYPTED_DNS, BROADER],
            "Also the list trackers-strict, which breaks parts of some sites and apps, and \
             encrypted-dns, the servers by which devices get past this one; and a broader list \
             by others.",
        ),
    };
    Definition { level, lists, adds }
}
