//! A real dnsmasq that leases addresses.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::Host;

/// The running server; killed when dropped.
pub struct DhcpServer(Child);

impl DhcpServer {
    /// Starts it on a host, or says why that is not possible here.
    pub fn start(host: &Host, leases: &Path, ranges: &[&str]) -> Option<DhcpServer> {
        let mut dnsmasq = Command::new("dnsmasq");
        dnsmasq
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping"])
            .args(["--user=root", "--pid-file=", "--interface=eth0", "--bind-interfaces"])
            .arg("--dhcp-authoritative")
            .args(ranges.iter().map(|range| format!("--dhcp-range={range},255.255.255.0,2m")))
            .arg(format!("--dhcp-leasefile={}", leases.display()))
            .stderr(Stdio::null());
        let started = host.inside(|| dnsmasq.spawn());
        if let Err(error) = &started {
            println!("skipped: dnsmasq does not run here ({error})");
        }
        started.ok().map(DhcpServer)
    }
}

impl Drop for DhcpServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
