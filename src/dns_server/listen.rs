//! Entries of `listen`: an address, a wildcard, sockets that were handed over.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name of an interface.
const LONGEST_NAME: usize = 15;

/// An entry of `listen`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Listen {
    /// An address; a wildcard means each address that an interface has, as they come and go.
    Address(SocketAddr),
    /// A link-local address of the interface of this name: `[fe80::1%eth0]:53`.
    OnInterface {
        /// The address.
        address: Ipv6Addr,
        /// The interface's name.
        interface: String,
        /// The port.
        port: u16,
    },
    /// One wildcard socket for each family: `any:53`.
    Any(u16),
    /// The sockets that the service manager handed over: `systemd`.
    Inherited,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        if text == "systemd" {
            return Ok(Listen::Inherited);
        }
        if let Some(port) = text.strip_prefix("any:").and_then(|port| port.parse().ok()) {
            return Ok(Listen::Any(port));
        }
        match text.parse::<SocketAddr>() {
            Ok(address) => check_address(address),
            Err(_) => on_interface(text).ok_or_else(|| mend(text)),
        }
    }
}

fn check_address(address: SocketAddr) -> Result<Listen, String> {
    let SocketAddr::V6(v6) = address else {
        let ip = address.ip();
        let nobody = ip.is_multicast() || ip == IpAddr::from([255; 4]);
        let why =
            || format!("`{address}` is no address that a machine can have; give one of its own");
        return if nobody { Err(why()) } else { Ok(Listen::Address(address)) };
    };
    let (ip, port) = (v6.ip(), v6.port());
    if let Some(v4) = ip.to_ipv4_mapped() {
        return Err(format!("`{address}` is an IPv4 address: write `{v4}:{port}`"));
    }
    if ip.is_multicast() {
        return Err(format!("`{address}` is the address of a group; give one of this machine"));
    }
    if ip.is_unicast_link_local() && v6.scope_id() == 0 {
        return Err(format!(
            "`{address}` is on every link: name the interface, as in `[{ip}%eth0]:{port}`"
        ));
    }
    Ok(Listen::Address(address))
}

/// Reads `[fe80::1%eth0]:53`.
fn on_interface(text: &str) -> Option<Listen> {
    let (scoped, port) = text.strip_prefix('[')?.split_once("]:")?;
    let (address, interface) = scoped.split_once('%')?;
    let address: Ipv6Addr = address.parse().ok()?;
    let letters = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '%' | ':');
    let named = (1..=LONGEST_NAME).contains(&interface.len()) && interface.chars().all(letters);
    let port = port.parse().ok()?;
    let wanted = named && address.is_unicast_link_local();
    wanted.then(|| Listen::OnInterface { address, interface: interface.into(), port })
}

/// Says what was probably meant.
fn mend(text: &str) -> String {
    let shown = text.escape_debug();
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => return format!("`{v4}` has no port: write `{v4}:53`"),
        Ok(IpAddr::V6(v6)) => return format!("`{v6}` has no port: write `[{v6}]:53`"),
        Err(_) => {}
    }
    let brackets = text.rsplit_once(':').and_then(|(address, port)| {
        Some((address.parse::<Ipv6Addr>().ok()?, port.parse::<u16>().ok()?))
    });
    if let Some((address, port)) = brackets {
        return format!("`{shown}`: brackets are missing, write `[{address}]:{port}`");
    }
    format!(
        "`{shown}` is no address with a port; write 192.168.1.5:53, [fd12::5]:53, [fe80::1%eth0]:53, \
         0.0.0.0:53 and [::]:53 (each address of this machine), any:53, or systemd"
    )
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Listen {
        Listen::Address(address)
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Listen, String> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> String {
        listen.to_string()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Address(address) => address.fmt(f),
            Listen::OnInterface { address, interface, port } => {
                write!(f, "[{address}%{interface}]:{port}")
            }
            Listen::Any(port) => write!(f, "any:{port}"),
            Listen::Inherited => f.write_str("systemd"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_written_as_they_are_read() {
        for text in [
            "192.168.1.5:53",
            "[fd12::5]:53",
            "[fe80::1%eth0]:53",
            "[fe80::1%2]:53",
            "0.0.0.0:53",
            "[::]:53",
            "any:53",
            "systemd",
        ] {
            let read: Listen = text.parse().expect(text);
            assert_eq!(read.to_string(), text);
        }
        assert!(matches!("[fe80::1%2]:53".parse(), Ok(Listen::Address(_))), "a number is enough");
    }

    #[test]
    fn what_is_wrong_is_told_with_the_mend() {
        for (text, mend) in [
            ("192.168.1.5", "write `192.168.1.5:53`"),
            ("fd12::5", "write `[fd12::5]:53`"),
            ("fd12::abcde:53", "is no address with a port"),
            ("1:2:3:4:5:6:7:8:53", "write `[1:2:3:4:5:6:7:8]:53`"),
            ("[fe80::1]:53", "as in `[fe80::1%eth0]:53`"),
            ("[::ffff:10.0.0.1]:53", "write `10.0.0.1:53`"),
            ("[fe80::1%a/b]:53", "is no address with a port"),
            ("[fd12::5%eth0]:53", "is no address with a port"),
            ("224.0.0.251:53", "no address that a machine can have"),
            ("[ff02::fb]:53", "the address of a group"),
            ("any:dns", "any:53"),
            ("any", "any:53"),
            ("localhost:53", "192.168.1.5:53"),
            ("\u{1b}[2J", "`\\u{1b}[2J`"),
            ("", "192.168.1.5:53"),
        ] {
            let told = text.parse::<Listen>().expect_err(text);
            assert!(told.contains(mend), "{text}: {told}");
        }
    }
}
