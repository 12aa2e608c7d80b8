//! Bursts and floods: others are answered, and what was too much is counted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use serde_json::Value;

use deadpixel::clock::Clock;

use crate::support::{Client, FakeUpstream, Reply, Setup, TestDaemon, Wanted, ask_tcp_from};

const PIXEL: &str = "analytics.tiktok.com";
const START: i64 = 1_760_000_000_000_000;
const SECOND: u64 = 1_000_000;
/// Who asks too much, and who does not.
const FLOODER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
const HONEST: u8 = 7;

fn daemon(settings: &str, clock: &Clock) -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::for_any_name();
    let mut setup = Setup::forwarding_to(&upstream).clock(clock);
    setup.config = setup.config.replace("workers = 2", &format!("workers = 2\n{settings}"));
    (setup.start(), upstream)
}

fn counts(daemon: &TestDaemon) -> Value {
    daemon.json(&["status"])["counts"].clone()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn socket(client: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((client, 0)).expect("a loopback address");
    socket.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    socket
}

/// Asks once from a socket; what comes is the reply.
fn exchange(socket: &UdpSocket, server: SocketAddr, wanted: &Wanted) -> Reply {
    socket.send_to(&wanted.packet(), server).expect("sent");
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("a reply");
    Reply::read(&buffer[..length])
}

/// Returns the datagrams that the kernel had no room for on sockets with one of these ports.
fn dropped(ports: &[u16]) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").expect("a table of sockets");
    let drops = |row: &str| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let (_, port) = fields.get(1)?.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        ports.contains(&port).then(|| fields.last()?.parse::<u64>().ok()).flatten()
    };
    table.lines().skip(1).filter_map(drops).sum()
}

/// Asks like a person's device: again after a second, three times at most.
fn ask_patiently(client: &mut Client, name: &str) -> Reply {
    let packet = Wanted::new(name, "A").packet();
    (0..3).find_map(|_| client.exchange(&packet)).unwrap_or_else(|| panic!("no reply for {name}"))
}

#[test]
fn ten_thousand_queries_at_once_are_all_answered_or_counted() {
    let (daemon, _upstream) = daemon("", &Clock::manual(START));
    let sockets: Vec<UdpSocket> = (0..50).map(|_| socket(FLOODER)).collect();
    let packet = Wanted::new(PIXEL, "A").packet();
    for _ in 0..200 {
        for socket in &sockets {
            socket.send_to(&packet, daemon.dns()).expect("sent");
        }
    }
    let mut honest = daemon.client(HONEST).patience(Duration::from_secs(3));
    assert!(ask_patiently(&mut honest, PIXEL).is_null_address());
    assert_eq!(ask_patiently(&mut honest, "www.example.org").addresses().len(), 1);
    let (mut blocked, mut truncated) = (0, 0);
    for socket in &sockets {
        socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        let mut buffer = [0; 1500];
        while let Ok(length) = socket.recv(&mut buffer) {
            let reply = Reply::read(&buffer[..length]);
            blocked += u64::from(reply.is_null_address());
            truncated += u64::from(reply.is_truncated());
        }
    }
    let ports = sockets.iter().map(|socket| socket.local_addr().expect("bound").port());
    let unheard = dropped(&ports.collect::<Vec<u16>>());
    let untaken = dropped(&[daemon.dns().port()]);
    println!("{blocked} answered, {truncated} truncated, {untaken} and {unheard} dropped");
    let counts = counts(&daemon);
    let told = blocked + truncated + unheard + untaken + number(&counts["unsent"]);
    // The kernel may have dropped some of the honest client's too.
    assert!((10_000..=10_006).contains(&told), "{told}: {counts}");
    assert!(number(&counts["udp"]) >= 10_002 - untaken, "{counts}");
    let limited = number(&counts["rate_truncated"]) + number(&counts["rate_refused"]);
    let expected = 5_000_u64.saturating_sub(untaken);
    assert!((expected..=expected + 6).contains(&limited), "{limited}: {counts}");
}

#[test]
fn who_asks_too_much_is_sent_to_tcp_then_refused_and_answered_again_in_time() {
    let clock = Clock::manual(START);
    let (daemon, upstream) = daemon("rate_limit = 10\nrate_burst = 20", &clock);
    let flooder = socket(FLOODER);
    let wanted = Wanted::new(PIXEL, "A").edns(1232);
    let replies: Vec<Reply> = (0..60).map(|_| exchange(&flooder, daemon.dns(), &wanted)).collect();
    assert!(replies[..20].iter().all(Reply::is_null_address));
    for reply in &replies[20..40] {
        assert_eq!((reply.is_truncated(), reply.code()), (true, ResponseCode::NoError));
        assert_eq!(reply.octets.len(), wanted.packet().len());
    }
    for reply in &replies[40..] {
        assert_eq!((reply.is_truncated(), reply.code()), (false, ResponseCode::Refused));
        assert_eq!(reply.extended_error(), Some((31, String::new())), "rate limited");
    }
    let tcp: Vec<Reply> =
        (0..25).map(|_| ask_tcp_from(FLOODER.into(), daemon.dns(), &wanted)).collect();
    assert!(tcp[..20].iter().all(Reply::is_null_address), "a real client came back");
    assert!(tcp[20..].iter().all(|reply| reply.code() == ResponseCode::Refused));
    let counts = counts(&daemon);
    assert_eq!((&counts["rate_truncated"], &counts["rate_refused"]), (&20.into(), &25.into()));
    assert_eq!(counts["last_limited"]["client"], FLOODER.to_string());
    let told = daemon.run(&["status"]);
    assert!(told.contains("45 queries over the rate limit (25 refused)"), "{told}");
    assert!(told.contains(&FLOODER.to_string()) && told.contains("Healthy"), "{told}");
    let logged = daemon.json(&["log", "-n", "500"])["entries"].clone();
    assert_eq!(logged.as_array().map(Vec::len), Some(40), "a flood does not fill the log");
    clock.advance(SECOND);
    let answered = (0..60).filter(|_| exchange(&flooder, daemon.dns(), &wanted).is_null_address());
    assert_eq!(answered.count(), 10, "its rate");
    let mut honest = daemon.client(HONEST);
    assert!((0..20).all(|_| honest.ask(PIXEL, "A").is_null_address()));
    assert!(upstream.names_asked().is_empty());
}

#[test]
fn this_machine_and_networks_that_are_exempt_are_never_limited() {
    let clock = Clock::manual(START);
    let (strict, _upstream) = daemon("rate_limit = 1\nrate_burst = 1", &clock);
    let mut here = strict.client(1);
    assert!((0..50).all(|_| here.ask(PIXEL, "A").is_null_address()));
    let settings = "rate_limit = 1\nrate_burst = 1\nrate_limit_local = false";
    let (exempt, _upstream) = daemon(settings, &clock);
    let mut local = exempt.client(HONEST);
    assert!((0..50).all(|_| local.ask(PIXEL, "A").is_null_address()));
    let (unlimited, _upstream) = daemon("rate_limit = 0\nrate_burst = 1", &clock);
    let mut anybody = unlimited.client(HONEST);
    assert!((0..50).all(|_| anybody.ask(PIXEL, "A").is_null_address()));
}

#[test]
fn where_a_forwarder_names_clients_each_has_its_own_limit_and_the_forwarder_none() {
    let upstream = FakeUpstream::for_any_name();
    let mut setup = Setup::forwarding_to(&upstream).clock(&Clock::manual(START));
    let limits = "workers = 2\nrate_limit = 1\nrate_burst = 5";
    setup.config = setup.config.replace("workers = 2", limits);
    setup.config.push_str("[devices]\nforwarders = [\"127.0.0.53\"]\n");
    let daemon = setup.start();
    let forwarder = socket(Ipv4Addr::new(127, 0, 0, 53));
    let asked_for = |last: u8| {
        let mut packet = Wanted::new(PIXEL, "A").edns(1232).packet();
        packet.truncate(packet.len() - 2);
        packet.extend([0, 12, 0, 8, 0, 8, 0, 1, 32, 0, 192, 168, 9, last]);
        forwarder.send_to(&packet, daemon.dns()).expect("sent");
        let mut buffer = [0; 1500];
        let length = forwarder.recv(&mut buffer).expect("a reply");
        Reply::read(&buffer[..length]).is_null_address()
    };
    assert_eq!((0..9).filter(|_| asked_for(41)).count(), 5);
    assert_eq!((0..9).filter(|_| asked_for(42)).count(), 5);
    let wanted = Wanted::new(PIXEL, "A");
    let own = (0..50).filter(|_| exchange(&forwarder, daemon.dns(), &wanted).is_null_address());
    assert_eq!(own.count(), 50);
    assert_eq!(counts(&daemon)["last_limited"]["client"], "192.168.9.42");
}

#[test]
fn a_flood_from_one_address_keeps_nobody_else_from_answers() {
    let (daemon, _upstream) = daemon("rate_limit = 20\nrate_burst = 150", &Clock::system());
    let (server, stop) = (daemon.dns(), AtomicBool::new(false));
    let mut honest = daemon.client(HONEST).patience(Duration::from_secs(4));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (flooder, packet) = (socket(FLOODER), Wanted::new(PIXEL, "A").packet());
            flooder.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
            // As fast as it is answered, with two hundred always on the way.
            for n in 0..200_000 {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let _ = flooder.send_to(&packet, server);
                if n >= 200 {
                    let _ = flooder.recv(&mut [0; 1500]);
                }
            }
        });
        for n in 0..50 {
            assert!(ask_patiently(&mut honest, PIXEL).is_null_address(), "{n}");
            let name = format!("n{n}.example.org");
            let reply = ask_patiently(&mut honest, &name);
            assert_eq!(reply.addresses(), [IpAddr::V4(FakeUpstream::address_of(&name))]);
            thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::SeqCst);
    });
    let counts = counts(&daemon);
    println!("{counts}");
    assert!(number(&counts["rate_truncated"]) > 0, "{counts}");
    assert_eq!(counts["last_limited"]["client"], FLOODER.to_string());
}

#[test]
fn random_names_that_are_never_answered_starve_nobody_else() {
    let (daemon, upstream) = daemon("", &Clock::system());
    let mut honest = daemon.client(HONEST);
    assert_eq!(honest.ask("cached.example.org", "A").addresses().len(), 1);
    upstream.never_answer_below("victim.example");
    let flooder = socket(FLOODER);
    let stop = AtomicBool::new(false);
    let server = daemon.dns();
    thread::scope(|scope| {
        scope.spawn(|| {
            flooder.set_nonblocking(true).expect("non-blocking");
            // For twelve seconds: two and a half times the longest wait for an upstream.
            for n in 0..1_200 {
                for m in 0..10 {
                    let name = format!("r{n}x{m}.victim.example");
                    let _ = flooder.send_to(&Wanted::new(&name, "A").packet(), server);
                }
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                while flooder.recv(&mut [0; 1500]).is_ok() {}
                thread::sleep(Duration::from_millis(10));
            }
        });
        for n in 0..80 {
            assert!(honest.ask(PIXEL, "A").is_null_address());
            assert_eq!(honest.ask("cached.example.org", "A").addresses().len(), 1);
            let reply = honest.ask(&format!("n{n}.example.org"), "A");
            assert_eq!(reply.addresses().len(), 1, "after {n}: {:?}", reply.extended_error());
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::SeqCst);
    });
    let status = daemon.json(&["status"]);
    assert!(number(&status["counts"]["shed"]) > 0, "{status}");
    assert!(daemon.run(&["status"]).contains(" shed"));
    assert_eq!(status["health"], "healthy", "its own upstream answers: {status}");
}

#[test]
fn one_question_without_an_answer_makes_no_alarm() {
    let (daemon, upstream) = daemon("", &Clock::system());
    let mut client = daemon.client(HONEST);
    assert_eq!(client.ask("www.example.org", "A").addresses().len(), 1);
    upstream.never_answer_below("lost.example");
    assert_eq!(client.ask("a.lost.example", "A").code(), ResponseCode::ServFail);
    let status = daemon.json(&["status"]);
    assert_eq!(status["health"], "healthy", "{status}");
    let told = daemon.run(&["status"]);
    assert!(told.contains(" failed"), "it is shown all the same: {told}");
}
