//! The sections `[upstream]` and `[[forward]]` of config.toml.

use serde::Deserialize;

/// Section `[upstream]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Servers that are asked for everything.
    pub servers: Vec<UpstreamSettings>,
    /// Octets that cached answers may take.
    pub cache_bytes: usize,
    /// Filled from the `[[forward]]` tables by the reader of the whole file.
    #[serde(skip)]
    pub forward: Vec<ForwardSettings>,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// `https://dns.example/dns-query`, `tls://dns.example`, `udp://192.0.2.1`, `tcp://192.0.2.1:53`.
    pub url: String,
    /// Its addresses, so that nothing needs another resolver to start.
    #[serde(default)]
    pub addresses: Vec<std::net::IpAddr>,
    /// A PEM file of authorities to trust instead of the public ones.
    pub ca_file: Option<std::path::PathBuf>,
}

/// One `[[forward]]` table: a zone and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardSettings {
    /// The zone: `lan`, `fritz.box`, `168.192.in-addr.arpa`, or a prefix as `192.168.0.0/16`.
    pub zone: String,
    /// Its servers.
    pub servers: Vec<UpstreamSettings>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { servers: Vec::new(), cache_bytes: 16 << 20, forward: Vec::new() }
    }
}
