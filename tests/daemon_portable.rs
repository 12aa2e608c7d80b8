//! The tests of the daemon again, on the loop of systems without calls for batches of datagrams.

#[path = "daemon/main.rs"]
mod daemon;

use daemon::support;
