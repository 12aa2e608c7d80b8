//! A list of the owner's, as `policy.toml` subscribes it.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::model::{DomainName, ListKind, ListName};
use crate::rules::parse::{Format, Options};

/// A list of the owner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnList {
    /// Its name; not one of a shipped list.
    pub name: ListName,
    /// Where it comes from.
    pub source: Source,
    /// What it is about.
    pub kind: ListKind,
    /// Its syntax.
    pub format: Format,
    /// Whether a plain name covers all below it too.
    pub cover_subdomains: bool,
    /// Whether modifiers of browsers are taken off pure `||name^` rules.
    pub strip_browser_modifiers: bool,
    /// Whether its rewrites are obeyed.
    pub trusted: bool,
    /// Whether everything it names is allowed.
    pub allowlist: bool,
    /// Whether it may block whole top-level domains.
    pub wide: bool,
    /// Seconds between two fetches; `None`: as the list itself says, or a day.
    pub every: Option<u32>,
    /// The origin of a zone file that does not name its own.
    pub zone: Option<DomainName>,
    /// Categories taken of a list that has such; none: those that break little.
    pub categories: Vec<String>,
}

/// Where a list comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, relative to the folder for lists.
    File(PathBuf),
    /// An address that it is fetched from.
    Address {
        /// The address; https, or http where the list is local.
        url: Url,
        /// Whether it may lie in the own network.
        local: bool,
    },
}

impl OwnList {
    /// Returns a blocklist whose format is found out, with every switch off.
    pub fn new(name: ListName, source: Source) -> OwnList {
        OwnList {
            name,
            source,
            kind: ListKind::Tracking,
            format: Format::Auto,
            cover_subdomains: false,
            strip_browser_modifiers: false,
            trusted: false,
            allowlist: false,
            wide: false,
            every: None,
            zone: None,
            categories: Vec::new(),
        }
    }

    /// Returns how its octets are to be read.
    pub fn options(&self) -> Options {
        Options {
            format: self.format,
            cover_subdomains: self.cover_subdomains,
            strip_browser_modifiers: self.strip_browser_modifiers,
            allowlist: self.allowlist,
            zone: self.zone.clone(),
            categories: (!self.categories.is_empty()).then(|| self.categories.clone()),
        }
    }

    /// Returns source and reading in one line: with another one, what was got before says nothing.
    pub(super) fn asked(&self) -> String {
        format!("{} {:?}", self.source, self.options())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(out),
            Source::Address { url, .. } => url.fmt(out),
        }
    }
}
