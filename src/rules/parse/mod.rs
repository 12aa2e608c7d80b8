//! Which format a list is in, and its lines as rules.

mod domains;
mod hosts;
mod lines;
mod reading;
mod words;

use serde::{Deserialize, Serialize};

use super::{Effect, Pattern, Rule};

use lines::{Content, Line, Lines, escaped, is_blank};
use reading::{LineReading, Reading, Refusal};
use words::{address, cut_comment, foreign, is_address_rule, is_boilerplate, is_sink, words};

/// Largest list, unpacked.
pub const MAX_LIST_OCTETS: usize = 256 << 20;

/// Lines that are looked at to find the format out.
const DETECTION_LINES: usize = 1000;

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
    /// Lines that could not be read, or not whole.
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
    /// A JSON object, whose last words in each array would pass for names.
    #[error("it is JSON, which this version does not read")]
    Json,
    /// Nothing in it.
    #[error("it has no rule")]
    Empty,
    /// Over 90 % of its lines are invalid.
    #[error("over 90 % of its lines cannot be read; most often, first on line {line}: {why}")]
    Unreadable {
        /// Number of the first line refused for the commonest reason.
        line: u32,
        /// The commonest reason.
        why: String,
    },
    /// Larger than 256 MiB.
    #[error("it is larger than 256 MiB")]
    TooLarge,
}

/// Reads one line's text into what was found on it.
type ReadLine = fn(&str, &mut LineReading<'_>);

/// Reads a list's octets.
pub fn parse(octets: &[u8], format: Format) -> Result<ParsedList, ListRefused> {
    if octets.len() > MAX_LIST_OCTETS {
        return Err(ListRefused::TooLarge);
    }
    let octets = lines::decode(octets);
    let read_line: ReadLine = match format {
        Format::Hosts => hosts::read,
        Format::Domains => domains::read,
        Format::Auto if looks_like_hosts(&octets) => hosts::read,
        Format::Auto => domains::read,
    };
    let mut reading = Reading::default();
    for line in Lines::new(&octets) {
        match line.content()? {
            Content::Nothing => reading.skip(&line),
            Content::Text(text) if reading.is_at_start() && is_header(text) => reading.skip(&line),
            Content::Text(text) if reading.is_at_start() && is_html(text) => {
                return Err(ListRefused::Html);
            }
            Content::Text(text) if reading.is_at_start() && text.starts_with('{') => {
                return Err(ListRefused::Json);
            }
            Content::Text(text) => reading.read(&line, |found| read_line(text, found)),
            Content::Refused(refusal) => reading.read(&line, |found| found.refuse(refusal)),
        }
    }
    reading.finish()
}

/// Judges by what the majority of lines can only be: an address and names, or one name.
fn looks_like_hosts(octets: &[u8]) -> bool {
    let (mut hosts, mut names) = (0, 0);
    let texts = Lines::new(octets).filter_map(|line| match line.content() {
        Ok(Content::Text(text)) => Some(cut_comment(text)),
        _ => None,
    });
    for text in texts.take(DETECTION_LINES) {
        let mut words = words(text);
        match (words.next().map(address), words.next()) {
            (Some(Some(_)), Some(_)) => hosts += 1,
            (Some(None), None) => names += 1,
            _ => {}
        }
    }
    hosts > 0 && hosts >= names
}

/// A first line such as `[Adblock Plus 2.0]`.
fn is_header(text: &str) -> bool {
    text.starts_with('[') && text.ends_with(']')
}

fn is_html(text: &str) -> bool {
    let begins =
        |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    begins("<!doctype") || begins("<html")
}

#[cfg(test)]
mod tests;
