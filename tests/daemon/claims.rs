//! Forwarders say for whom they ask; nobody else can put a query under another device.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::support::{
    Client, FakeUpstream, Reply, Setup, TestDaemon, Wanted, read_framed, write_framed,
};

const PIXEL: &str = "analytics.tiktok.com";

/// Of whom everything is let through.
const FREE: u8 = 40;
/// Of whom `games.example` is blocked beside trackers.
const KID: u8 = 41;
const FORWARDER: u8 = 53;
const ROGUE: u8 = 66;

const POLICY: &str = "
[[device]]
name = \"Free\"
addresses = [\"127.0.0.40\", \"fd00::40\"]
level = \"off\"

[[device]]
name = \"Kid\"
addresses = [\"127.0.0.41\"]

[[device]]
name = \"Rogue\"
addresses = [\"127.0.0.66\"]

[[rule]]
action = \"block\"
name = \"games.example\"
device = \"Kid\"
";

const CARD: [u8; 6] = [0x3c, 0x5a, 0xb4, 1, 2, 3];
const OTHER_CARD: [u8; 6] = [0x3c, 0x5a, 0xb4, 1, 2, 4];

fn daemon() -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::for_any_name();
    let mut setup = Setup::forwarding_to(&upstream).policy(POLICY);
    setup.config.push_str("[devices]\nforwarders = [\"127.0.0.53\"]\n");
    (setup.start(), upstream)
}

fn ip(last_octet: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last_octet))
}

/// Option 8 with a whole address.
fn subnet(address: IpAddr) -> Vec<u8> {
    let data = match address {
        IpAddr::V4(v4) => [&[0, 1, 32, 0][..], &v4.octets()].concat(),
        IpAddr::V6(v6) => [&[0, 2, 128, 0][..], &v6.octets()].concat(),
    };
    option(8, &data)
}

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

fn packet(name: &str, options: &[Vec<u8>]) -> Vec<u8> {
    let mut packet = Wanted::new(name, "A").edns(1232).packet();
    let options = options.concat();
    packet.truncate(packet.len() - 2);
    packet.extend((options.len() as u16).to_be_bytes());
    packet.extend(options);
    packet
}

fn ask_with(daemon: &TestDaemon, from: u8, name: &str, options: &[Vec<u8>]) -> Reply {
    daemon.client(from).exchange(&packet(name, options)).expect("a reply")
}

fn connect(daemon: &TestDaemon, from: u8) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(ip(from), 0).into()).expect("a loopback address");
    socket.connect(&daemon.dns().into()).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    stream
}

/// Asks over TCP behind a header; `None` if the connection is closed instead.
fn ask_behind(daemon: &TestDaemon, from: u8, header: &[u8], packet: &[u8]) -> Option<Reply> {
    let mut stream = connect(daemon, from);
    stream.write_all(header).expect("sent");
    let framed = [&(packet.len() as u16).to_be_bytes()[..], packet].concat();
    // Where the header alone ends the connection, this may find it closed.
    let _ = stream.write_all(&framed);
    read_framed(&mut stream).map(|reply| Reply::read(&reply))
}

fn line(client: &str) -> Vec<u8> {
    let family = if client.contains(':') { "TCP6" } else { "TCP4" };
    let server = if client.contains(':') { "::1" } else { "127.0.0.1" };
    format!("PROXY {family} {client} {server} 40000 53\r\n").into_bytes()
}

/// A header of version 2 with an extension behind the addresses.
fn binary(client: IpAddr) -> Vec<u8> {
    let (family, addresses) = match client {
        IpAddr::V4(v4) => (0x11, [v4.octets(), [127, 0, 0, 1]].concat()),
        IpAddr::V6(v6) => (0x21, [v6.octets(), [0; 16]].concat()),
    };
    let rest = [&addresses[..], &[0x9c, 0x40, 0, 53], &[4, 0, 2, 0, 0]].concat();
    let head = [&b"\r\n\r\n\0\r\nQUIT\n\x21"[..], &[family], &(rest.len() as u16).to_be_bytes()];
    [&head.concat()[..], &rest].concat()
}

fn local() -> Vec<u8> {
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec()
}

fn counts(daemon: &TestDaemon) -> Value {
    daemon.json(&["status"])["counts"].clone()
}

/// Returns (client, device) of the latest query for a name.
fn last_asked(daemon: &TestDaemon, name: &str) -> (String, String) {
    let page = daemon.json(&["log", name]);
    let entry = &page["entries"][0];
    let text = |key: &str| entry[key].as_str().unwrap_or_else(|| panic!("{page}")).to_string();
    (text("client"), text("device"))
}

#[test]
fn options_of_a_rogue_never_get_it_anothers_policy() {
    let (daemon, _upstream) = daemon();
    let claims = [
        subnet(ip(FREE)),
        subnet("fd00::40".parse().expect("an address")),
        option(65001, &CARD),
        option(65073, b"3c:5a:b4:01:02:03"),
        option(65073, b"PFq0AQID"),
    ];
    daemon.client(FREE).ask(PIXEL, "A");
    for (sent, claim) in claims.iter().enumerate() {
        let name = format!("n{sent}.example");
        assert!(
            ask_with(&daemon, ROGUE, PIXEL, std::slice::from_ref(claim)).is_null_address(),
            "{claim:?}"
        );
        ask_with(&daemon, ROGUE, &name, std::slice::from_ref(claim));
        assert_eq!(last_asked(&daemon, &name), ("127.0.0.66".into(), "Rogue".into()));
    }
    let behind = ask_behind(&daemon, ROGUE, b"", &packet(PIXEL, &claims[..1])).expect("a reply");
    assert!(behind.is_null_address(), "nor over TCP");
    let counts = counts(&daemon);
    assert_eq!((&counts["claims_ignored"], &counts["claims_taken"]), (&11.into(), &0.into()));
    assert_eq!(counts["last_ignored_claim"]["client"], "127.0.0.66");
    let told = daemon.run(&["status"]);
    assert!(told.contains("11 claims of others ignored") && told.contains("127.0.0.66"), "{told}");
}

#[test]
fn a_proxy_header_of_a_rogue_closes_its_connection() {
    let (daemon, _upstream) = daemon();
    let headers = [line("127.0.0.40"), binary(ip(FREE)), local(), b"PROXY UNKNOWN\r\n".to_vec()];
    for header in &headers {
        let reply = ask_behind(&daemon, ROGUE, header, &packet(PIXEL, &[]));
        assert!(reply.is_none(), "{header:?}");
    }
    let counts = counts(&daemon);
    assert_eq!(counts["claims_ignored"], headers.len());
    assert_eq!((&counts["claims_taken"], &counts["malformed"]), (&0.into(), &0.into()));
    let page = daemon.json(&["log"]);
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(0), "nothing was asked: {page}");
    assert!(daemon.client(ROGUE).ask(PIXEL, "A").is_null_address(), "it is served as before");
}

#[test]
fn a_network_is_no_claim() {
    let (daemon, _upstream) = daemon();
    for data in [&[0, 1, 24, 0, 127, 0, 0][..], &[0, 1, 0, 0], &[0, 1, 32, 0, 127, 0, 0]] {
        assert!(ask_with(&daemon, ROGUE, PIXEL, &[option(8, data)]).is_null_address());
        assert!(ask_with(&daemon, FORWARDER, PIXEL, &[option(8, data)]).is_null_address());
    }
    let counts = counts(&daemon);
    assert_eq!((&counts["claims_ignored"], &counts["claims_taken"]), (&0.into(), &0.into()));
}

#[test]
fn a_forwarders_subnet_option_puts_a_query_under_its_device() {
    let (daemon, _upstream) = daemon();
    for round in 0..3 {
        let free = ask_with(&daemon, FORWARDER, PIXEL, &[subnet(ip(FREE))]);
        assert!(!free.is_null_address(), "round {round}: level off");
        assert!(ask_with(&daemon, FORWARDER, PIXEL, &[subnet(ip(KID))]).is_null_address());
    }
    let tcp = ask_behind(&daemon, FORWARDER, b"", &packet("games.example", &[subnet(ip(KID))]));
    assert!(tcp.expect("a reply").is_null_address(), "a rule of the device");
    assert_eq!(last_asked(&daemon, "games.example"), ("127.0.0.41".into(), "Kid".into()));
    let v6 = subnet("fd00::40".parse().expect("an address"));
    assert!(!ask_with(&daemon, FORWARDER, PIXEL, &[v6]).is_null_address());
    assert!(ask_with(&daemon, FORWARDER, PIXEL, &[]).is_null_address(), "it asks for itself");
    assert_eq!(last_asked(&daemon, PIXEL).0, "127.0.0.53");
    let counts = counts(&daemon);
    assert_eq!((&counts["claims_ignored"], &counts["claims_taken"]), (&0.into(), &8.into()));
}

#[test]
fn a_forwarders_hardware_option_tells_devices_apart() {
    let (daemon, _upstream) = daemon();
    let forms = [
        (option(65001, &CARD), "a.example"),
        (option(65073, b"3c:5a:b4:01:02:03"), "b.example"),
        (option(65073, b"PFq0AQID"), "c.example"),
        (option(65001, &OTHER_CARD), "d.example"),
    ];
    for (form, name) in &forms {
        ask_with(&daemon, FORWARDER, name, std::slice::from_ref(form));
    }
    ask_with(&daemon, FORWARDER, "e.example", &[]);
    let devices: Vec<String> = forms.iter().map(|(_, name)| last_asked(&daemon, name).1).collect();
    assert_eq!((&devices[0], &devices[0]), (&devices[1], &devices[2]), "{devices:?}");
    let own = last_asked(&daemon, "e.example").1;
    assert!(devices[0] != devices[3] && !devices.contains(&own), "{devices:?} {own}");
    assert_eq!(last_asked(&daemon, "a.example").0, "127.0.0.53", "no address was claimed");
}

#[test]
fn an_address_that_the_policy_names_holds_beside_hardware_that_it_does_not() {
    let (daemon, _upstream) = daemon();
    let both = [option(65001, &CARD), subnet(ip(FREE))];
    for _ in 0..3 {
        assert!(!ask_with(&daemon, FORWARDER, PIXEL, &both).is_null_address());
    }
    assert_eq!(last_asked(&daemon, PIXEL), ("127.0.0.40".into(), "Free".into()));
    for (address, name) in [(60, "a.example"), (61, "b.example")] {
        ask_with(&daemon, FORWARDER, name, &[option(65001, &CARD), subnet(ip(address))]);
    }
    let [a, b] = ["a.example", "b.example"].map(|name| last_asked(&daemon, name));
    assert_eq!([&*a.0, &*b.0], ["127.0.0.60", "127.0.0.61"]);
    assert_eq!(a.1, b.1, "one card, wherever it is");
}

#[test]
fn a_forwarders_proxy_header_holds_for_its_whole_connection() {
    let (daemon, _upstream) = daemon();
    for header in [line("127.0.0.40"), binary(ip(FREE)), line("fd00::40")] {
        let mut stream = connect(&daemon, FORWARDER);
        stream.write_all(&header).expect("sent");
        for _ in 0..3 {
            write_framed(&mut stream, &packet(PIXEL, &[]));
            let reply = Reply::read(&read_framed(&mut stream).expect("a reply"));
            assert!(!reply.is_null_address(), "{header:?}");
        }
        assert_eq!(last_asked(&daemon, PIXEL).1, "Free");
    }
    for header in [line("127.0.0.41"), binary(ip(KID))] {
        let reply = ask_behind(&daemon, FORWARDER, &header, &packet("games.example", &[]));
        assert!(reply.expect("a reply").is_null_address());
        assert_eq!(last_asked(&daemon, "games.example"), ("127.0.0.41".into(), "Kid".into()));
    }
    for header in [local(), b"PROXY UNKNOWN\r\n".to_vec(), Vec::new()] {
        ask_behind(&daemon, FORWARDER, &header, &packet("own.example", &[])).expect("a reply");
        assert_eq!(last_asked(&daemon, "own.example").0, "127.0.0.53");
    }
    assert_eq!(counts(&daemon)["claims_taken"], 11);
}

#[test]
fn options_beside_a_proxy_header_are_its_clients_own_and_ignored() {
    let (daemon, _upstream) = daemon();
    let claim = packet(PIXEL, &[subnet(ip(FREE)), option(65001, &CARD)]);
    for header in [line("127.0.0.66"), binary(ip(ROGUE)), local()] {
        let reply = ask_behind(&daemon, FORWARDER, &header, &claim);
        assert!(reply.expect("a reply").is_null_address(), "{header:?}");
    }
    let counts = counts(&daemon);
    assert_eq!((&counts["claims_ignored"], &counts["claims_taken"]), (&3.into(), &2.into()));
}

#[test]
fn a_malformed_header_of_a_forwarder_closes_the_connection() {
    let (daemon, _upstream) = daemon();
    let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
    for header in [b"PROXY TCP4 ten eleven 1 2\r\n".to_vec(), endless] {
        assert!(ask_behind(&daemon, FORWARDER, &header, &packet(PIXEL, &[])).is_none());
    }
    let counts = counts(&daemon);
    assert_eq!((&counts["malformed"], &counts["claims_ignored"]), (&2.into(), &0.into()));
}

#[test]
fn who_is_not_served_is_not_served_through_a_forwarder() {
    let (daemon, _upstream) = daemon();
    let stranger: IpAddr = [203, 0, 113, 9].into();
    let refused = hickory_proto::op::ResponseCode::Refused;
    let reply = ask_with(&daemon, FORWARDER, "www.example", &[subnet(stranger)]);
    assert_eq!(reply.code(), refused);
    let reply = ask_behind(&daemon, FORWARDER, &binary(stranger), &packet("www.example", &[]));
    assert_eq!(reply.expect("a reply").code(), refused);
    assert_eq!(counts(&daemon)["refused_clients"], 2);
}

#[test]
fn nothing_of_what_tells_devices_apart_goes_upstream() {
    let (daemon, upstream) = daemon();
    let options = [
        subnet(ip(FREE)),
        subnet("fd00::40".parse().expect("an address")),
        option(65001, &CARD),
        option(65073, b"3c:5a:b4:01:02:03"),
        option(65073, b"PFq0AQID"),
    ];
    for (number, from) in [FORWARDER, ROGUE].into_iter().enumerate() {
        for (sent, claim) in options.iter().enumerate() {
            let name = format!("n{sent}.x{number}.example");
            let reply = ask_with(&daemon, from, &name, std::slice::from_ref(claim));
            assert_eq!(reply.addresses(), [IpAddr::V4(FakeUpstream::address_of(&name))]);
            assert_eq!(upstream.times_asked(&name, RecordType::A), 1);
        }
    }
    let mut traces: Vec<Vec<u8>> = options.iter().map(|option| option[..4].to_vec()).collect();
    traces.extend([&[127, 0, 0, FREE][..], &CARD, b"3c:5a", b"PFq0"].map(<[u8]>::to_vec));
    for octets in &traces {
        assert!(!upstream.saw_octets(octets), "{octets:02x?}");
    }
    assert!(upstream.saw_octets(&[0, 0, 1, 0, 1]), "packets are looked at");
}

#[test]
fn other_forwarders_take_effect_at_restart() {
    let (daemon, _upstream) = daemon();
    let file = daemon.data().parent().expect("a folder").join("config.toml");
    let text = std::fs::read_to_string(&file).expect("config.toml");
    std::fs::write(&file, text.replace("127.0.0.53", "127.0.0.66")).expect("written");
    let told = daemon.run(&["reload"]);
    assert!(told.contains("[devices]") && told.contains("restart"), "{told}");
    assert!(ask_with(&daemon, ROGUE, PIXEL, &[subnet(ip(FREE))]).is_null_address());
    let daemon = daemon.restart(&deadpixel::clock::Clock::system());
    assert!(!ask_with(&daemon, ROGUE, PIXEL, &[subnet(ip(FREE))]).is_null_address());
}

/// A program of others that runs until the test ends.
struct Running(Child);

impl Running {
    fn start(program: &str, arguments: &[String]) -> Option<Running> {
        let started = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(child) => Some(Running(child)),
            Err(error) => {
                println!("skipped: {program}: {error}");
                None
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port(address: IpAddr) -> SocketAddr {
    let socket = UdpSocket::bind((address, 0)).expect("a port");
    socket.local_addr().expect("an address")
}

/// Returns a client that asks `server` as soon as it answers.
fn client_of(last_octet: u8, server: SocketAddr) -> Client {
    let probe = Wanted::new("ready.example", "A").packet();
    let mut client = Client::new(last_octet, server).patience(Duration::from_millis(300));
    let ready = (0..30).any(|_| {
        let ready = client.exchange(&probe).is_some_and(|reply| !reply.addresses().is_empty());
        if !ready {
            std::thread::sleep(Duration::from_millis(100));
        }
        ready
    });
    assert!(ready, "{server} does not answer");
    client.patience(Duration::from_secs(8))
}

/// Starts dnsmasq on 127.0.0.53 in front of a daemon.
fn dnsmasq(daemon: &TestDaemon, more: &[&str]) -> Option<(Running, SocketAddr)> {
    let address = free_port(ip(FORWARDER));
    let server = format!("--server=127.0.0.1#{}@127.0.0.53", daemon.dns().port());
    let port = format!("--port={}", address.port());
    let fixed = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--listen-address=127.0.0.53",
        "--cache-size=0",
        "--pid-file=",
        "--add-subnet=32,128",
    ];
    let arguments = fixed.iter().chain(more).map(ToString::to_string).chain([server, port]);
    let running = Running::start("dnsmasq", &arguments.collect::<Vec<String>>())?;
    Some((running, address))
}

#[test]
fn devices_behind_a_real_dnsmasq_are_told_apart() {
    let (daemon, _upstream) = daemon();
    let Some((_running, address)) = dnsmasq(&daemon, &["--strip-subnet", "--strip-mac"]) else {
        return;
    };
    let (mut free, mut kid) = (client_of(FREE, address), client_of(KID, address));
    assert!(!free.ask(PIXEL, "A").is_null_address());
    assert!(kid.ask(PIXEL, "A").is_null_address());
    assert!(kid.ask("games.example", "A").is_null_address());
    assert_eq!(last_asked(&daemon, "games.example"), ("127.0.0.41".into(), "Kid".into()));
    let mut rogue = client_of(ROGUE, address);
    for claim in [subnet(ip(FREE)), option(65001, &CARD)] {
        let reply = rogue.exchange(&packet(PIXEL, &[claim])).expect("a reply");
        assert!(reply.is_null_address(), "dnsmasq puts its own word in place of a client's");
        assert_eq!(last_asked(&daemon, PIXEL), ("127.0.0.66".into(), "Rogue".into()));
    }
}

#[test]
fn devices_behind_a_real_dnsdist_are_told_apart() {
    let (daemon, _upstream) = daemon();
    let address = free_port(ip(FORWARDER));
    let file = daemon.data().join("dnsdist.conf");
    let text = format!(
        "setLocal('{address}')\nsetACL('127.0.0.0/8')\nsetSecurityPollSuffix('')\n\
         newServer{{address='127.0.0.1:{}', source='127.0.0.53', useProxyProtocol=true, \
         tcpOnly=true}}:setUp()\n",
        daemon.dns().port()
    );
    std::fs::write(&file, text).expect("dnsdist.conf");
    let file = file.display().to_string();
    let arguments = ["--supervised", "--disable-syslog", "-C", &file].map(String::from);
    let Some(_running) = Running::start("dnsdist", &arguments) else { return };
    let (mut free, mut kid) = (client_of(FREE, address), client_of(KID, address));
    assert!(!free.ask(PIXEL, "A").is_null_address());
    assert!(kid.ask("games.example", "A").is_null_address());
    assert_eq!(last_asked(&daemon, "games.example"), ("127.0.0.41".into(), "Kid".into()));
    let mut rogue = client_of(ROGUE, address);
    let claim = packet(PIXEL, &[subnet(ip(FREE)), option(65001, &CARD)]);
    assert!(rogue.exchange(&claim).expect("a reply").is_null_address(), "a client's own word");
    assert_eq!(last_asked(&daemon, PIXEL), ("127.0.0.66".into(), "Rogue".into()));
}

#[test]
fn a_connection_that_only_knocks_is_closed_in_time() {
    let (daemon, _upstream) = daemon();
    let mut stream = connect(&daemon, FORWARDER);
    stream.write_all(&binary(ip(FREE))[..20]).expect("sent");
    assert_eq!(stream.read(&mut [0; 1]).expect("closed, not timed out"), 0);
}
