//! Which program holds a port, as far as /proc tells.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// State of a listening TCP socket in /proc/net/tcp.
const LISTENING: &str = "0A";

/// Returns the program that holds `address`, as `dnsmasq (process 812)`.
///
/// Best effort: without root the kernel shows only sockets of the same user.
pub(super) fn find(address: SocketAddr, transport: &str) -> Option<String> {
    let tables = [transport.to_string(), format!("{transport}6")];
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(Path::new("/proc/net").join(table)).ok())
        .flat_map(|table| holding_inodes(&table, address, transport == "tcp"))
        .collect();
    let (process, name) = process_with(&inodes)?;
    Some(format!("{} (process {process})", name.trim_end().escape_debug()))
}

/// Returns the inodes of sockets in a table of /proc/net that conflict with `address`.
fn holding_inodes(table: &str, address: SocketAddr, listening: bool) -> Vec<String> {
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| !listening || row.get(3) == Some(&LISTENING))
        .filter(|row| row.get(1).and_then(|text| read_address(text)).is_some_and(conflict(address)))
        .filter_map(|row| row.get(9).map(ToString::to_string))
        .collect()
}

fn conflict(wanted: SocketAddr) -> impl Fn(SocketAddr) -> bool {
    move |held| {
        let (a, b) = (held.ip().to_canonical(), wanted.ip().to_canonical());
        held.port() == wanted.port() && (a == b || a.is_unspecified() || b.is_unspecified())
    }
}

/// Reads `0100007F:14D7`: words as they lie in this machine's memory, and the port.
fn read_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let octets: Vec<u8> = (0..address.len() / 8)
        .map(|word| u32::from_str_radix(address.get(8 * word..8 * word + 8)?, 16).ok())
        .collect::<Option<Vec<u32>>>()?
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect();
    let ip: IpAddr = match octets.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into(),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Returns number and name of the first process that has one of the sockets open.
fn process_with(inodes: &[String]) -> Option<(u32, String)> {
    let wanted: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holder = numbers.find(|number| has_open(*number, &wanted))?;
    let name = fs::read_to_string(format!("/proc/{holder}/comm")).ok()?;
    Some((holder, name))
}

fn has_open(process: u32, wanted: &[String]) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    let mut targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    targets.any(|target| wanted.iter().any(|socket| target.as_os_str() == socket.as_str()))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let own = format!("(process {})", std::process::id());
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let held = find(udp.local_addr().expect("bound"), "udp").expect("this process");
        assert!(held.ends_with(&own), "{held}");
        let tcp = TcpListener::bind("[::1]:0").expect("a free port");
        let held = find(tcp.local_addr().expect("bound"), "tcp").expect("this process");
        assert!(held.ends_with(&own), "{held}");
    }

    #[test]
    fn rows_of_the_kernels_tables_are_read() {
        let mapped = "0000000000000000FFFF00000100007F:0035";
        let row = |address: &str, state: &str, inode: u32| {
            format!("  0: {address} 00000000:0000 {state} 0:0 00:0 0 0 0 {inode} 1 0\n")
        };
        let table = format!(
            "header\n{}{}{}{}garbage\n 1: x\n",
            row("0100007F:0035", LISTENING, 1),
            row("00000000:0035", LISTENING, 2),
            row(mapped, LISTENING, 3),
            row("0100007F:0035", "06", 4),
        );
        let address = "127.0.0.1:53".parse().expect("an address");
        if cfg!(target_endian = "little") {
            assert_eq!(holding_inodes(&table, address, true), ["1", "2", "3"]);
            assert_eq!(holding_inodes(&table, address, false).len(), 4);
        }
        let other = "127.0.0.1:54".parse().expect("an address");
        assert!(holding_inodes(&table, other, false).is_empty());
    }
}
