//! Levels: how much is blocked, as the program defines it.

use serde::{Deserialize, Serialize};

/// How much is blocked; what each one holds is the program's to say, `policy.toml` has differences.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// No lists; everything is still classified and recorded.
    Off,
    /// Trackers whose absence breaks nothing.
    Basic,
    /// All of `trackers`.
    #[default]
    Standard,
    /// Also `trackers-strict` and `encrypted-dns`.
    Strict,
}

impl Level {
    /// All levels, the least first.
    pub const ALL: [Level; 4] = [Level::Off, Level::Basic, Level::Standard, Level::Strict];

    /// Returns the level's word in files and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Basic => "basic",
            Level::Standard => "standard",
            Level::Strict => "strict",
        }
    }
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        Level::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no level; write off, basic, standard or strict"))
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.as_str())
    }
}
