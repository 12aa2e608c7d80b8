//! One network: a bridge, and hosts at it.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Host;

/// Numbers the bridges' ports.
static PORTS: AtomicU32 = AtomicU32::new(0);

/// A bridge in a namespace of its own; everything goes away when it is dropped.
pub struct Net {
    prefix: String,
}

impl Net {
    /// Makes a network, or says why that is not possible here.
    pub fn new() -> Option<Net> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let net = Net { prefix: format!("dp-{}-{count}", std::process::id()) };
        let made = try_ip(&format!("netns add {}", net.bridge()))
            .and_then(|()| try_ip(&format!("-n {} link add br0 type bridge", net.bridge())))
            .and_then(|()| try_ip(&format!("-n {} link set br0 up", net.bridge())));
        if let Err(error) = made {
            println!("skipped: networks of the test's own need root and iproute2 ({error})");
            return None;
        }
        Some(net)
    }

    fn bridge(&self) -> String {
        format!("{}-bridge", self.prefix)
    }

    /// Adds a host with this hardware address.
    pub fn host(&self, name: &str, hardware: &str) -> Host {
        let namespace = format!("{}-{name}", self.prefix);
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
        let host = Host::new(namespace);
        self.join(&host, "eth0", hardware);
        host
    }

    /// Gives a host a card at this network.
    pub fn join(&self, host: &Host, card: &str, hardware: &str) {
        let bridge = self.bridge();
        let port = format!("port{}", PORTS.fetch_add(1, Ordering::Relaxed));
        host.ip(&format!("link add {card} type veth peer name {port} netns {bridge}"));
        ip(&format!("-n {bridge} link set {port} master br0 up"));
        host.ip(&format!("link set {card} address {hardware}"));
        host.ip(&format!("link set {card} up"));
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let Ok(listed) = Command::new("ip").args(["netns", "list"]).output() else { return };
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let names = listed.lines().filter_map(|line| line.split_whitespace().next());
        for name in names.filter(|name| name.starts_with(&format!("{}-", self.prefix))) {
            // What cannot be removed now goes away with the machine's next start.
            let _ = try_ip(&format!("netns delete {name}"));
        }
    }
}

/// Runs `ip` with these words, which must succeed.
pub fn ip(words: &str) {
    try_ip(words).unwrap_or_else(|error| panic!("ip {words}: {error}"));
}

/// Runs `ip` with these words.
pub fn try_ip(words: &str) -> Result<(), String> {
    let done = Command::new("ip").args(words.split(' ')).output();
    let done = done.map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&done.stderr).trim().to_string();
    if done.status.success() { Ok(()) } else { Err(told) }
}
