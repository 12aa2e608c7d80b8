//! The whole, wired: assemble, serve, wait, stop.

mod assemble;
mod folder;
mod list_download;
mod list_updates;
mod logging;
mod open_files;
mod reload;
mod signals;
mod update_board;
mod watchers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostic::Problems;

pub use assemble::Daemon;

use list_download::download;
use list_updates::{ListUpdates, UpdateParts};
use signals::Signals;
use update_board::{Board, Slot};
use watchers::{Inbox, WatchedParts, Watchers};

/// How long queries in flight may take when the daemon stops.
const GRACE: Duration = Duration::from_secs(3);

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// config.toml or policy.toml does not check.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// What the configuration asks for cannot be had here: a port in use, a folder of others.
    #[error("{0}")]
    Unusable(String),
    /// Anything else: a disk, a database, a thread.
    #[error("{0}")]
    Failed(String),
}

/// Runs the daemon until SIGTERM or SIGINT.
pub fn run(config: Option<&Path>) -> Result<(), StartError> {
    logging::start();
    open_files::allow_many();
    let config = Config::load(config)?;
    let signals = Signals::listen().map_err(|error| StartError::Failed(error.to_string()))?;
    let daemon = Daemon::start(&config, Clock::system())?;
    for address in daemon.dns_addresses() {
        tracing::info!("answering DNS on {address} (UDP and TCP)");
    }
    tracing::info!("API on {}", daemon.socket().display());
    signals.wait(&daemon);
    tracing::info!("stopping");
    daemon.stop();
    Ok(())
}

/// Checks the configuration without starting; returns what to tell.
pub fn check_config(config: Option<&Path>) -> Result<String, Problems> {
    let config = Config::load(config)?;
    let file = config.file.map_or("no config.toml: defaults".into(), |f| f.display().to_string());
    Ok(format!("{file} is right"))
}

/// Returns every setting in force and where it comes from.
pub fn show_config(config: Option<&Path>) -> Result<String, Problems> {
    Config::load(config).map(|config| config.show())
}

/// Returns every setting in force and where it comes from, for programs.
pub fn config_values(config: Option<&Path>) -> Result<serde_json::Value, Problems> {
    Config::load(config).map(|config| config.values())
}

/// Returns the local socket of the daemon that this configuration runs.
pub fn socket_path(config: Option<&Path>) -> Result<PathBuf, Problems> {
    Config::load(config).map(|config| config.socket())
}

/// Returns where policy.toml lies.
pub fn policy_path(config: Option<&Path>) -> Result<PathBuf, Problems> {
    Config::load(config).map(|config| config.data_folder().join("policy.toml"))
}
