//! Which format a list is in, and its lines as rules.

mod dnsmasq;
mod domains;
mod hosts;
mod lines;
mod name_table;
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

use serde::{Deserialize, Serialize};

use super::{
    Answer, ClientMatch, Condition, Effect, Pattern, Record, Rewrite, Rule, Selection, TextPattern,
    TextSyntax,
};
use crate::model::{DomainName, NameError};

use lines::{Content, Line, Lines, escaped, is_blank};
use name_table::NameTable;
use reading::{LineReading, Reading, Refusal, drop_duplicates};
use rpz_action::{Place, effect};
use rpz_trigger::Trigger;
use rpz_zone::{ZoneNames, ZonePlace};
use unbound_zone::{LocalNames, Spot, ZoneType};
use words::{address, cut_comment, foreign, is_address_rule, is_boilerplate, is_sink, words};
use zone_record::{Written, domain, name_at, seconds};
use zone_text::{Entry, Word, ZoneText, because, split};

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
    let octets = lines::decode(octets);
    let format = match options.format {
        Format::Auto if looks_like_hosts(&octets) => Format::Hosts,
        Format::Auto => Format::Domains,
        format => format,
    };
    let read_line: ReadLine = match format {
        Format::Rpz => return rpz::read(&octets, options, take),
        Format::Unbound => return unbound::read(&octets, options, take),
        Format::Hosts => hosts::read,
        Format::Dnsmasq => dnsmasq::read,
        _ => domains::read,
    };
    let mut reading = Reading::new(format, options.cover_subdomains, take);
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
#[cfg(test)]
mod zone_tests;
