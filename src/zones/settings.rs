//! Names and zone files of the policy.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::model::DomainName;

/// What `policy.toml` says under `[[local]]` and `[[zone]]`, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalNames {
    /// Names with their addresses, and aliases of them.
    pub names: Vec<LocalName>,
    /// Zones with their master files, below the data folder.
    pub zone_files: Vec<(DomainName, PathBuf)>,
}

/// One name of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalName {
    /// The name; `*.x` is a wildcard: written here as `x` with `wildcard` set.
    pub name: DomainName,
    /// Whether every name below `name` is meant, not itself.
    pub wildcard: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The name it is an alias of, instead of addresses.
    pub alias: Option<DomainName>,
}
