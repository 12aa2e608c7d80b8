//! `why --list`: list files judged without a daemon, a configuration or a network.

mod answers;
mod files;
mod judging;
mod report;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::{Failure, Screen, Style, escape, fields, plural, width};
use crate::model::{DomainName, RecordType};
use crate::rules::parse::Format;

use answers::{Element, elements};
use files::{Loaded, Role, load};
use judging::{Case, judge};

pub use report::{Report, render};

/// What the lists are and how they are read, who asks, and what upstream would answer.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Offline: list files instead of the daemon")]
pub struct OfflineArgs {
    /// A list file, packed (.gz) or not; more of them come in their order
    #[arg(long = "list", value_name = "FILE", conflicts_with = "device")]
    pub lists: Vec<PathBuf>,
    /// Their syntax: auto, hosts, domains, wildcard, adguard, dnsmasq, unbound, rpz, pihole or
    /// disconnect
    #[arg(long, value_name = "FORMAT", default_value = "auto", hide_default_value = true)]
    pub list_format: Format,
    /// Their rewrites are obeyed
    #[arg(long)]
    pub trusted: bool,
    /// A list file that allows all it names
    #[arg(long = "allowlist", value_name = "FILE", conflicts_with = "device")]
    pub allowlists: Vec<PathBuf>,
    /// The address that asks
    #[arg(long, value_name = "ADDRESS")]
    pub client_ip: Option<IpAddr>,
    /// A name of the device that asks
    #[arg(long = "client-name", value_name = "NAME")]
    pub client_names: Vec<String>,
    /// A tag of the device that asks
    #[arg(long = "client-tag", value_name = "TAG")]
    pub client_tags: Vec<String>,
    /// A record of upstream's answer, in order: 'CNAME x.example', 'A 192.0.2.1'
    #[arg(long = "answer", value_name = "RECORD")]
    pub answers: Vec<String>,
}

impl OfflineArgs {
    /// Returns whether list files are named.
    pub fn is_wanted(&self) -> bool {
        !self.lists.is_empty() || !self.allowlists.is_empty()
    }

    /// Returns the first option that means nothing without a list file.
    fn stray(&self) -> Option<&'static str> {
        let given = [
            ("--list-format", self.list_format != Format::Auto),
            ("--trusted", self.trusted),
            ("--client-ip", self.client_ip.is_some()),
            ("--client-name", !self.client_names.is_empty()),
            ("--client-tag", !self.client_tags.is_empty()),
            ("--answer", !self.answers.is_empty()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
    }

    /// Refuses options that mean nothing without a list file.
    pub fn check_unwanted(&self) -> Result<(), Failure> {
        match self.stray() {
            Some(option) => Err(Failure::Usage(format!("{option} needs a --list FILE"))),
            None => Ok(()),
        }
    }
}

/// Judges a name by list files.
pub fn explain(name: &str, query_type: &str, args: &OfflineArgs) -> Result<Report, Failure> {
    let invalid = |why: String| Failure::Invalid(format!("error: {why}"));
    let query_type: RecordType = query_type.parse().map_err(invalid)?;
    let asked = parse_name(name).map_err(invalid)?;
    let elements = elements(asked, query_type, &args.answers).map_err(invalid)?;
    let blocklist = Role { format: args.list_format, trusted: args.trusted, allowlist: false };
    let allowlist = Role { trusted: false, allowlist: true, ..blocklist };
    let lists = args.lists.iter().map(|file| (file, blocklist));
    let lists: Vec<_> = lists.chain(args.allowlists.iter().map(|file| (file, allowlist))).collect();
    let loaded = load(&lists, &elements)?;
    let address = args.client_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    let names: Vec<Box<str>> =
        args.client_names.iter().map(|name| name.to_lowercase().into()).collect();
    let tags: Vec<Box<str>> =
        args.client_tags.iter().map(|tag| tag.to_ascii_lowercase().into()).collect();
    let asker = crate::rules::Asker { address, names: &names, tags: &tags };
    Ok(judge(&Case { elements: &elements, lists: &loaded, asker, query_type }))
}

/// Reads a name as people write it, or as the log shows one that only machines ask for.
fn parse_name(text: &str) -> Result<DomainName, String> {
    let read = DomainName::parse(text).or_else(|why| {
        let text = text.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(text);
        DomainName::from_presentation(text).map_err(|_| why)
    });
    read.map_err(|why| format!("`{text}` is no domain name: {why}"))
}
