//! The whole, wired: what the terminal asks of it.

use std::path::{Path, PathBuf};

use crate::diagnostic::Problems;

/// Why the daemon did not start, or ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file people write does not check.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// What the configuration asks for cannot be had here: a port in use, no such address.
    #[error("{0}")]
    Unusable(String),
    /// Anything else: a disk, a database, a thread.
    #[error("{0}")]
    Failed(String),
}

/// Runs the daemon until it is told to stop.
pub fn run(config: Option<&Path>) -> Result<(), StartError> {
    let _ = config;
    todo!()
}

/// Checks the configuration; returns what to tell when it is right.
pub fn check_config(config: Option<&Path>) -> Result<String, Problems> {
    let _ = config;
    todo!()
}

/// Returns the configuration in force, defaults filled in, as TOML.
pub fn show_config(config: Option<&Path>) -> Result<String, Problems> {
    let _ = config;
    todo!()
}

/// Returns where the local socket lies.
pub fn socket_path(config: Option<&Path>) -> Result<PathBuf, Problems> {
    let _ = config;
    todo!()
}

/// Returns where policy.toml lies.
pub fn policy_path(config: Option<&Path>) -> Result<PathBuf, Problems> {
    let _ = config;
    todo!()
}
