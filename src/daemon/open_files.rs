//! How many files the process may have open: connections are files, and 1,024 is a common bound.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Enough for the connections and queries in flight that config.toml allows by default.
const WANTED: u64 = 65_536;

/// Raises the bound as far as the system allows without asking; what it refuses stays as it is.
pub(super) fn allow_many() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let most = hard.min(WANTED);
    if soft < most && setrlimit(Resource::RLIMIT_NOFILE, most, hard).is_err() {
        tracing::warn!("at most {soft} files may be open: some connections may be refused");
    }
}
