//! The section `[discovery]` of config.toml.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What is looked at to tell devices apart and to name them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Lease files of DHCP servers; those that are not there are looked for again.
    pub leases: Vec<PathBuf>,
    /// Whether announcements on the network are listened to and asked for.
    pub mdns: bool,
    /// Whether the router is asked for names of addresses.
    pub reverse_names: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let leases = [
            "/var/lib/misc/dnsmasq.leases",
            "/var/lib/dhcp/dhcpd.leases",
            "/var/lib/kea/kea-leases4.csv",
            "/var/lib/kea/kea-leases6.csv",
            "/var/lib/systemd/network/dhcp-server-lease",
            "/tmp/hosts/odhcpd",
        ];
        let leases = leases.into_iter().map(PathBuf::from).collect();
        Settings { leases, mdns: true, reverse_names: true }
    }
}
