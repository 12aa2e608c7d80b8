//! Which format a list is in, and its lines as rules.

mod adguard;
mod adguard_conditions;
mod adguard_modifiers;
mod adguard_pattern;
mod adguard_rewrite;
mod adguard_svcb;
mod detect;
mod disconnect;
mod dnsmasq;
mod domains;
mod expression;
mod header;
mod hosts;
mod line_text;
mod lines;
mod name_table;
mod pihole;
mod pihole_expression;
mod reading;
mod rpz;
mod rpz_action;
mod rpz_trigger;
mod rpz_zone;
mod unbound;
mod unbound_zone;
mod words;
mod zone_record;
mod zone_text;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    Answer, ClientMatch, Condition, Effect, Pattern, Record, Rewrite, Rule, Selection, TextPattern,
    TextSyntax,
};
use crate::model::{DomainName, NameError};

use adguard::{read as read_adguard, split_unescaped, unescaped};
use adguard_modifiers::{Browser, Modifiers, modifiers};
use adguard_pattern::{Meaning, inner_expression, is_of_pages, is_plain_name, pattern, prefix};
use detect::{Start, is_header};
use domains::read_word;
use expression::expression;
use header::says_wildcard;
use lines::{Content, Line, Lines, decode, escaped, is_blank};
use name_table::NameTable;
use pihole_expression::translate;
use reading::{LineReading, Reading, Refusal, drop_duplicates};
use rpz_action::{Place, effect};
use rpz_trigger::Trigger;
use rpz_zone::{ZoneNames, ZonePlace};
use unbound_zone::{LocalNames, Spot, ZoneType};
use words::{
    Listed, address, cut_comment, foreign, is_adguard, is_boilerplate, is_cosmetic, is_dnsmasq,
    is_plain, is_sink, is_unbound, listed, words,
};
use zone_record::{Written, domain, name_at, seconds};
use zone_text::{Entry, Word, ZoneText, because, split};
use {adguard_conditions as conditions, adguard_rewrite as rewrite, adguard_svcb as svcb};

pub use adguard::rule as adguard_rule;
pub use line_text::line_texts;
pub use pihole::pihole_regex;

/// Largest list, unpacked.
pub const MAX_LIST_OCTETS: usize = 256 << 20;

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
    /// `*.name` a line, which covers the name too.
    Wildcard,
    /// AdGuard's DNS syntax, with hosts lines and plain names among it.
    Adguard,
    /// `address=/name/` and its like.
    Dnsmasq,
    /// `local-zone:` and `local-data:`.
    Unbound,
    /// A response policy zone.
    Rpz,
    /// What Pi-hole takes: names, `||name^`, regular expressions with its options.
    Pihole,
    /// Disconnect's `services.json`.
    Disconnect,
}

impl Format {
    /// Every syntax and its word in files, arguments and the API.
    pub const WORDS: [(&'static str, Format); 10] = [
        ("auto", Format::Auto),
        ("hosts", Format::Hosts),
        ("domains", Format::Domains),
        ("wildcard", Format::Wildcard),
        ("adguard", Format::Adguard),
        ("dnsmasq", Format::Dnsmasq),
        ("unbound", Format::Unbound),
        ("rpz", Format::Rpz),
        ("pihole", Format::Pihole),
        ("disconnect", Format::Disconnect),
    ];

    /// Returns its word.
    pub fn as_str(self) -> &'static str {
        let found = Format::WORDS.iter().find(|(_, format)| *format == self);
        found.expect("every syntax has a word").0
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        let found = Format::WORDS.iter().find(|(word, _)| *word == text);
        found.map(|(_, format)| *format).ok_or_else(|| {
            let words = Format::WORDS.map(|(word, _)| word).join(", ");
            format!("`{text}` is no format; write one of {words}")
        })
    }
}

/// How a list is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Its syntax.
    pub format: Format,
    /// Whether a plain name or hosts line covers all below it too.
    pub cover_subdomains: bool,
    /// Whether modifiers of browsers are taken off pure `||name^` rules, which else are ignored.
    pub strip_browser_modifiers: bool,
    /// Whether it is an allowlist, in which Pi-hole's syntax takes other lines.
    pub allowlist: bool,
    /// The origin of a zone file that does not name its own.
    pub zone: Option<DomainName>,
    /// Categories to be taken of Disconnect's file, in any case; `None`: all but those that break sites.
    pub categories: Option<Vec<String>>,
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
    /// What was found beside them.
    pub summary: Summary,
}

/// What a list says of itself in its first lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its title.
    pub title: Option<String>,
    /// `4 days`, `12 hours`: in how many seconds it wants to be fetched again.
    pub expires: Option<u32>,
    /// When it was last changed, as written.
    pub modified: Option<String>,
    /// Its home page.
    pub homepage: Option<String>,
    /// Its licence.
    pub license: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

impl Header {
    /// Fills in from another what this one does not say.
    fn or(self, other: Header) -> Header {
        Header {
            title: self.title.or(other.title),
            expires: self.expires.or(other.expires),
            modified: self.modified.or(other.modified),
            homepage: self.homepage.or(other.homepage),
            license: self.license.or(other.license),
            version: self.version.or(other.version),
        }
    }
}

/// What was found in a list beside its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Its syntax, found out if that was asked for.
    pub format: Format,
    /// What it says of itself.
    pub header: Header,
    /// Rules in it, duplicates too.
    pub rules: u32,
    /// Lines in all.
    pub lines: u32,
    /// Lines that could not be read, or not whole.
    pub refused: u32,
    /// The first of them.
    pub samples: Vec<RefusedLine>,
    /// Lines left out: localhost and the like.
    pub boilerplate: u32,
    /// Lines that are not for DNS, ignored by design.
    pub ignored: u32,
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
    /// JSON where lines are wanted: the last words in its arrays would pass for names.
    #[error("it is JSON, and not in the format that is set for it")]
    Json,
    /// JSON of another kind.
    #[error("it is not Disconnect's services.json: {0}")]
    Disconnect(String),
    /// Disconnect's other file.
    #[error(
        "it is Disconnect's entities.json, which tells owners and blocks nothing: take services.json"
    )]
    Entities,
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

/// Reads a list's octets; its rules are all in memory at once.
pub fn parse(octets: &[u8], format: Format) -> Result<ParsedList, ListRefused> {
    let mut rules = Vec::new();
    let options = Options { format, ..Options::default() };
    let summary = read(octets, &options, &mut |rule| rules.push(rule))?;
    drop_duplicates(&mut rules);
    Ok(ParsedList { rules, summary })
}

/// Reads a list's octets and hands out its rules one by one, duplicates too.
///
/// Rules that were handed out before it turned out that the list is refused count for nothing.
pub fn read(
    octets: &[u8],
    options: &Options,
    take: &mut dyn FnMut(Rule),
) -> Result<Summary, ListRefused> {
    if octets.len() > MAX_LIST_OCTETS {
        return Err(ListRefused::TooLarge);
    }
    let octets = decode(octets);
    let format = match (options.format, detect::start(&octets)) {
        (_, Start::Html) => return Err(ListRefused::Html),
        (Format::Auto | Format::Disconnect, Start::Json) => Format::Disconnect,
        (_, Start::Json) => return Err(ListRefused::Json),
        (Format::Auto, Start::Lines) => detect::format(&octets),
        (named, Start::Lines) => named,
    };
    let summary = match format {
        Format::Disconnect => disconnect::read(&octets, options, take)?,
        Format::Rpz => rpz::read(&octets, options, take)?,
        Format::Unbound => unbound::read(&octets, options, take)?,
        _ => read_lines(&octets, Reading::new(format, options, take), format)?,
    };
    let header = header::read(&octets).or(summary.header);
    Ok(Summary { format, header, ..summary })
}

/// Reads a list of which each line is for itself.
fn read_lines(
    octets: &[u8],
    mut reading: Reading<'_>,
    format: Format,
) -> Result<Summary, ListRefused> {
    let read_line = line_reader(format);
    for line in Lines::new(octets) {
        match line.content(format)? {
            Content::Nothing => reading.skip(&line),
            Content::Text(text) if reading.is_at_start() && is_header(text, format) => {
                reading.skip(&line)
            }
            Content::Text(text) => reading.read(&line, |found| read_line(text, found)),
            Content::Refused(refusal) => reading.read(&line, |found| found.refuse(refusal)),
        }
    }
    reading.finish()
}

fn line_reader(format: Format) -> ReadLine {
    match format {
        Format::Hosts => hosts::read,
        Format::Pihole => pihole::read,
        Format::Adguard => adguard::read,
        Format::Dnsmasq => dnsmasq::read,
        Format::Wildcard => domains::read_wildcard,
        _ => domains::read,
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod zone_tests;
