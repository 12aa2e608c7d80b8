//! Which format a list is in, and its lines as rules.

use serde::{Deserialize, Serialize};

use super::Rule;

/// The syntax of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Found out from the lines.
    #[default]
    Auto,
    /// `0.0.0.0 name`.
    Hosts,
    /// One name a line.
    Domains,
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLine {
    /// Its number, from 1.
    pub line: u32,
    /// Its text, at most 200 characters, control characters escaped.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// A list, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedList {
    /// The rules, duplicates gone.
    pub rules: Vec<Rule>,
    /// Lines in all.
    pub lines: u32,
    /// Lines that could not be read.
    pub refused: u32,
    /// The first of them.
    pub samples: Vec<RefusedLine>,
    /// Lines left out by design: localhost and the like.
    pub boilerplate: u32,
}

/// Why a list is not taken in at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListRefused {
    /// Control octets.
    #[error("it is binary (line {0} has control octets)")]
    Binary(u32),
    /// A web page.
    #[error("it is a web page, not a list")]
    Html,
    /// Nothing in it.
    #[error("it has no rule")]
    Empty,
    /// Over 90 % of its lines are invalid.
    #[error("over 90 % of its lines cannot be read; the first, line {line}: {why}")]
    Unreadable {
        /// Number of the first refused line.
        line: u32,
        /// What is wrong with it.
        why: String,
    },
    /// Larger than 256 MiB.
    #[error("it is larger than 256 MiB")]
    TooLarge,
}

/// Reads a list's octets.
pub fn parse(octets: &[u8], format: Format) -> Result<ParsedList, ListRefused> {
    let _ = (octets, format);
    todo!()
}
