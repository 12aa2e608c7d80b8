//! What others say of devices, in a network namespace: leases of a real dnsmasq, announcements.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Protocol, Socket, Type};

use deadpixel::clock::Clock;
use deadpixel::devices::{Devices, Lease};
use deadpixel::discovery::leases::{Format, Reading, parse};
use deadpixel::discovery::{Discovery, Parts, Settings};
use deadpixel::storage::{Database, STATE_MIGRATIONS};

#[path = "network/support/dhcp.rs"]
mod dhcp;

use dhcp::Client;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Runs `test` on a thread that has a network of its own; programs it starts are in it too.
fn in_a_network_of_its_own(test: fn()) {
    let inside = move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => test(),
        Err(error) => println!("skipped: a network namespace needs root ({error})"),
    };
    std::thread::spawn(inside).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Returns whether a link with a server's and a client's end could be made.
fn laid_link() -> bool {
    let run = |words: &str| {
        let done = Command::new("ip").args(words.split(' ')).status();
        done.is_ok_and(|status| status.success())
    };
    // The client's end is to take packets whose source is an address of the same namespace.
    let settings = [("all/accept_local", "1"), ("all/rp_filter", "0"), ("client/rp_filter", "0")];
    run("link add server type veth peer name client")
        && run(&format!("address add {SERVER}/24 dev server"))
        && run("link set server up")
        && run("link set client up")
        && run("link set lo up")
        && settings.iter().all(|(name, value)| {
            fs::write(format!("/proc/sys/net/ipv4/conf/{name}"), value).is_ok()
        })
}

/// A dnsmasq that leases addresses; killed when dropped.
struct Server(Child);

impl Server {
    fn start(leases: &Path) -> Option<Server> {
        let mut dnsmasq = Command::new("dnsmasq");
        dnsmasq
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping"])
            .args(["--user=root", "--pid-file=", "--interface=server", "--bind-interfaces"])
            .args(["--dhcp-authoritative", "--dhcp-range=10.77.0.50,10.77.0.99,2m"])
            .arg(format!("--dhcp-leasefile={}", leases.display()))
            .stderr(Stdio::null());
        dnsmasq.spawn().ok().map(Server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn on_the_link(hardware: [u8; 6], name: &'static [u8]) -> Client {
    Client::new("client", SERVER, hardware, name)
}

/// Reads the file until it is as wanted, or a long time is over.
fn read_until(path: &Path, wanted: impl Fn(&Reading) -> bool) -> Reading {
    let mut latest = Reading::default();
    for _ in 0..600 {
        let octets = fs::read(path).unwrap_or_default();
        latest = parse(&octets).expect("dnsmasq's files are in its format");
        if wanted(&latest) {
            return latest;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{latest:?} is not what was to come");
}

#[test]
fn real_leases_of_dnsmasq_are_read() {
    in_a_network_of_its_own(|| {
        if !laid_link() {
            return println!("skipped: no veth link can be made here");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dnsmasq.leases");
        let Some(_server) = Server::start(&path) else {
            return println!("skipped: dnsmasq is not installed");
        };
        let phone = on_the_link([0x3c, 0x5a, 0xb4, 1, 2, 3], b"annas-phone");
        let nameless = on_the_link([0x3c, 0x5a, 0xb4, 1, 2, 4], b"");
        let hostile = on_the_link([0x3c, 0x5a, 0xb4, 1, 2, 5], b"<b>\x1b[31m\xe2\x80\xae");
        let addresses = [phone.lease(), nameless.lease(), hostile.lease()];

        let reading = read_until(&path, |reading| reading.leases.len() == 3);
        assert_eq!((reading.format, reading.refused), (Some(Format::Dnsmasq), 0));
        let lease = |at: usize| -> &Lease {
            let mut all = reading.leases.iter();
            all.find(|lease| lease.address == addresses[at]).expect("it has a lease")
        };
        for (at, client) in [&phone, &nameless, &hostile].into_iter().enumerate() {
            let hardware = lease(at).hardware.expect("dnsmasq writes it");
            assert_eq!(hardware.0, client.hardware);
            assert!(lease(at).until.is_some_and(|until| until > 1_700_000_000));
        }
        assert_eq!(lease(0).host_name.as_deref(), Some("annas-phone"));
        assert_eq!(lease(1).host_name, None);

        phone.release(addresses[0]);
        let rest = read_until(&path, |reading| reading.leases.len() == 2);
        assert!(rest.leases.iter().all(|lease| lease.address != addresses[0]));
    });
}

/// Returns the questions that come to the group on the client's end within a while.
fn asked_on_the_link() -> Vec<String> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).expect("a socket");
    socket.set_reuse_address(true).expect("reuse");
    let group = Ipv4Addr::new(224, 0, 0, 251);
    socket.bind(&SocketAddr::from((group, 5353)).into()).expect("the port can be shared");
    let client = nix::net::if_::if_nametoindex("client").expect("the link is there");
    let on_client = socket2::InterfaceIndexOrAddress::Index(client);
    socket.join_multicast_v4_n(&group, &on_client).expect("joined");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let socket = UdpSocket::from(socket);
    let mut packet = [0; 1500];
    let mut asked = Vec::new();
    while asked.len() < 17 {
        let Ok(length) = socket.recv(&mut packet) else { break };
        asked.push(String::from_utf8_lossy(&packet[12..length]).into_owned());
    }
    asked
}

#[test]
fn devices_on_a_link_are_asked_once_and_the_group_is_joined() {
    in_a_network_of_its_own(|| {
        if !laid_link() {
            return println!("skipped: no veth link can be made here");
        }
        let state = Arc::new(Database::memory(STATE_MIGRATIONS).expect("a database"));
        let clock = Clock::system();
        let devices = Devices::open(&Default::default(), state, clock.clone()).expect("devices");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            // Joined before we ask, on a thread that is in this namespace as well.
            let listening = tokio::task::spawn_blocking(asked_on_the_link);
            tokio::time::sleep(Duration::from_millis(200)).await;
            let settings = Settings { leases: Vec::new(), mdns: true, reverse_names: false };
            let discovery = Discovery::start(&settings, Parts { devices, clock });
            let asked = listening.await.expect("it ends");
            assert_eq!(asked.len(), 17, "{asked:?}");
            assert!(asked.iter().any(|question| question.contains("_googlecast")));
            let joined = fs::read_to_string("/proc/thread-self/net/igmp").expect("readable");
            let (_, on_server) = joined.split_once("server").expect("the link is listed");
            assert!(on_server.contains("FB0000E0"), "{joined}");
            let mut senses = discovery.senses().into_iter();
            let sense = senses.find(|sense| sense.name == "mDNS").expect("a line");
            assert_eq!(sense.blind, None);
        });
    });
}
