//! The whole configuration: a field for each section of config.toml.

mod check;
mod load;
mod shown;
mod storage;

use std::path::{Path, PathBuf};

use crate::diagnostic::Problems;
use crate::{devices, discovery, dns_server, lists, policy_file, query_log, resolver, upstream};

pub use load::find;
pub use storage::Settings as StorageSettings;

/// The configuration, checked whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it was read from; `None`: no file, all defaults.
    pub file: Option<PathBuf>,
    /// Section `[dns]`.
    pub dns: dns_server::Settings,
    /// Section `[resolver]`.
    pub resolver: resolver::Settings,
    /// Section `[upstream]` and the `[[forward]]` tables.
    pub upstream: upstream::Settings,
    /// Section `[devices]`.
    pub devices: devices::Settings,
    /// Section `[discovery]`.
    pub discovery: discovery::Settings,
    /// Section `[policy]`.
    pub policy: policy_file::Settings,
    /// Section `[lists]`.
    pub lists: lists::Settings,
    /// Section `[log]`.
    pub log: query_log::Settings,
    /// Section `[storage]`.
    pub storage: StorageSettings,
}

impl Config {
    /// Reads and checks a file; without one, `config.toml` here or in `/etc/deadpixel`, or defaults.
    pub fn load(file: Option<&Path>) -> Result<Config, Problems> {
        load::load(file)
    }

    /// Reads and checks a text, known to people as `file`.
    pub fn read(file: Option<&Path>, text: &str) -> Result<Config, Problems> {
        load::read(file, text)
    }

    /// Returns the data folder: beside config.toml, unless it is given whole.
    pub fn data_folder(&self) -> PathBuf {
        let beside = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        beside.join(&self.storage.path)
    }

    /// Returns the local socket of the API.
    pub fn socket(&self) -> PathBuf {
        self.data_folder().join("deadpixel.sock")
    }

    /// Returns every setting in force, and where each comes from.
    pub fn show(&self) -> String {
        shown::show(self)
    }

    /// Returns every setting in force and where it comes from, for programs.
    pub fn values(&self) -> serde_json::Value {
        shown::values(self)
    }
}
