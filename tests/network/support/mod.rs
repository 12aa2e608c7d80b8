//! The vocabulary of these tests: a network, its hosts, the daemon in it, who asks or says what.

mod daemon;
mod dhcp;
mod dhcp_server;
mod host;
mod net;
mod speech;

pub use daemon::{Device, House, until};
pub use dhcp::Client;
pub use dhcp_server::DhcpServer;
pub use host::{Answer, Host};
pub use net::Net;
pub use speech::{Announcement, hardware_option, subnet_option};

use crate::question::query;
use net::ip;
