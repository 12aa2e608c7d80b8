//! What is around this machine: routers, container networks, who advertises DNS, the time zone.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::{Draft, NoticeKind};
use crate::discovery::Sight;
use crate::model::Prefix;

/// Networks that Docker and Podman use unless told otherwise.
const CONTAINER_NETWORKS: [&str; 2] = ["172.17.0.0/16", "10.88.0.0/16"];

/// Most name servers that one notice tells of a router.
const MAX_SERVERS: usize = 8;

/// What is around this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The addresses of our routers.
    pub routers: Vec<IpAddr>,
    /// Container networks of this host.
    pub bridges: Vec<Prefix>,
    /// Our own addresses.
    pub own: Vec<IpAddr>,
    /// Whether we run in a container.
    pub contained: bool,
    /// Whether schedules stand in the policy.
    pub scheduled: bool,
    /// Whether the zone of schedules is UTC and nobody chose it.
    pub utc: bool,
}

impl Surroundings {
    /// Returns whether an address is where a container network meets the rest.
    pub(super) fn is_container_gateway(&self, address: IpAddr) -> bool {
        let usual = CONTAINER_NETWORKS.iter().filter_map(|text| text.parse::<Prefix>().ok());
        usual.chain(self.bridges.iter().copied()).any(|network| network.contains(address))
            || (self.contained && self.routers.contains(&address))
    }

    /// Returns what to tell of the time zone.
    pub(super) fn time_zone(&self) -> Option<Draft> {
        (self.scheduled && self.utc && self.contained).then(|| Draft {
            kind: NoticeKind::TimeZone,
            subject: "zone".into(),
            device: None,
            title: "schedules run by UTC".into(),
            words: "The policy has schedules, and this container's time zone is UTC. Nobody set \
                    one, so schedules may begin and end at the wrong hour."
                .into(),
            items: Vec::new(),
            remedy: "Write time_zone = \"Europe/Berlin\" (or yours) under [policy] of config.toml."
                .into(),
        })
    }

    /// Returns what to tell of something seen on the network.
    pub(super) fn sight(&self, sight: &Sight) -> Option<Draft> {
        let Sight::NameServers { router, servers } = sight;
        let others: Vec<String> = servers
            .iter()
            .filter(|server| !self.own.contains(server))
            .take(MAX_SERVERS)
            .map(ToString::to_string)
            .collect();
        if others.is_empty() {
            return None;
        }
        let who = if self.routers.contains(router) { "Your router" } else { "The router" };
        let others = others.join(", ");
        Some(Draft {
            kind: NoticeKind::OtherNameServer,
            subject: format!("router {router}"),
            device: None,
            title: format!("{router} advertises another DNS server: {others}"),
            words: format!(
                "{who} {router} advertises {others} as DNS server by IPv6 router advertisement. \
                 Devices that use it may be bypassing this resolver."
            ),
            items: Vec::new(),
            remedy: "In the router's IPv6 settings put this machine's address in place of it, or \
                     switch off its DNS advertisement (RDNSS)."
                .into(),
        })
    }
}

/// Returns whether this machine looks like a container.
pub fn container_hints() -> bool {
    let marks = ["/.dockerenv", "/run/.containerenv"];
    marks.iter().any(|mark| Path::new(mark).exists())
        || std::fs::read_to_string("/proc/1/cgroup").is_ok_and(|text| is_container(&text))
}

/// Returns (gateways, container networks) of a text in the form of `/proc/net/route`.
///
/// `is_bridge` tells whether an interface is a bridge of this host.
pub fn routes(text: &str, is_bridge: impl Fn(&str) -> bool) -> (Vec<IpAddr>, Vec<Prefix>) {
    let (mut gateways, mut networks) = (Vec::new(), Vec::new());
    for line in text.lines().skip(1).take(4_096) {
        let fields: Vec<&str> = line.split_whitespace().take(8).collect();
        let [interface, destination, gateway, .., mask] = fields.as_slice() else { continue };
        let read = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes);
        let (Some(destination), Some(gateway), Some(mask)) =
            (read(destination), read(gateway), read(mask))
        else {
            continue;
        };
        if destination == [0; 4] && gateway != [0; 4] {
            gateways.push(IpAddr::from(gateway));
        } else if is_of_containers(interface) && is_bridge(interface) {
            let bits = u32::from_be_bytes(mask).leading_ones();
            let network = format!("{}/{bits}", Ipv4Addr::from(destination));
            networks.extend(network.parse::<Prefix>());
        }
    }
    (gateways, networks)
}

/// A bridge of another name may be the house's own network.
fn is_of_containers(interface: &str) -> bool {
    let beginnings = ["docker", "br-", "podman", "cni", "virbr", "lxcbr", "lxdbr"];
    beginnings.iter().any(|beginning| interface.starts_with(beginning))
}

fn is_container(cgroup: &str) -> bool {
    ["docker", "kubepods", "containerd", "libpod", "/lxc"].iter().any(|word| cgroup.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn gateways_and_container_networks_are_read_from_the_routing_table() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
                    eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                    eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n\
                    br0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                    br-1f2e\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                    docker1\t000013AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                    rubbish\nx y z\n";
        let (gateways, networks) = routes(text, |interface| interface != "docker1");
        if cfg!(target_endian = "little") {
            assert_eq!(gateways, [address("192.168.1.1")]);
            assert_eq!(networks, ["172.18.0.0/16".parse().expect("a prefix")]);
        }
    }

    #[test]
    fn only_servers_that_are_not_ours_are_told() {
        let around = Surroundings { own: vec![address("fd00::53")], ..Surroundings::default() };
        let sight = |servers: &[&str]| Sight::NameServers {
            router: address("fe80::1"),
            servers: servers.iter().map(|text| address(text)).collect(),
        };
        assert_eq!(around.sight(&sight(&["fd00::53"])), None);
        let draft = around.sight(&sight(&["fd00::53", "fd00::1"])).expect("another one");
        assert!(draft.words.contains("fd00::1 as DNS server"), "{}", draft.words);
        assert!(!draft.words.contains("fd00::53"));
    }

    #[test]
    fn utc_is_told_only_in_a_container_with_schedules_and_no_zone_set() {
        let all =
            Surroundings { contained: true, scheduled: true, utc: true, ..Default::default() };
        assert!(all.time_zone().is_some_and(|draft| draft.remedy.contains("[policy]")));
        for less in [
            Surroundings { contained: false, ..all.clone() },
            Surroundings { scheduled: false, ..all.clone() },
            Surroundings { utc: false, ..all.clone() },
        ] {
            assert_eq!(less.time_zone(), None);
        }
    }

    #[test]
    fn containers_are_known_by_their_control_groups() {
        assert!(is_container("12:cpu:/docker/0a1b2c\n"));
        assert!(is_container("0::/kubepods.slice/x"));
        assert!(!is_container("0::/init.scope\n"));
    }
}
