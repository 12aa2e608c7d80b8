//! The vocabulary of these tests: a network, its hosts, the daemon in it, who asks what.

mod daemon;
mod host;
mod net;

pub use daemon::{Device, House};
pub use host::{Answer, Host};
pub use net::Net;

use net::ip;
