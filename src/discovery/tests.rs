//! The kernel's messages, what is made of them, and the kernel itself.

use std::net::IpAddr;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use nix::sched::{CloneFlags, unshare};
use proptest::prelude::*;

use super::kernel::{Kernel, Told};
use super::look_up::LookUps;
use super::*;
use crate::devices::Neighbour;
use crate::model::HardwareAddress;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn octets_of(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn attribute_of(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut octets = (value.len() as u16 + 4).to_ne_bytes().to_vec();
    octets.extend(kind.to_ne_bytes());
    octets.extend(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

/// A message of the kernel's, in answer to request 7 of port 70, or to nobody's.
fn message_of(kind: u16, body: &[u8], answer: bool) -> Vec<u8> {
    let mut octets = (body.len() as u32 + 16).to_ne_bytes().to_vec();
    octets.extend(kind.to_ne_bytes());
    octets.extend([0, 0]);
    octets.extend((if answer { 7u32 } else { 0 }).to_ne_bytes());
    octets.extend((if answer { 70u32 } else { 0 }).to_ne_bytes());
    octets.extend(body);
    octets
}

fn link(interface: u32, kind: u16, flags: u32) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(kind.to_ne_bytes());
    body.extend(interface.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend([0; 4]);
    body
}

const REACHABLE: u16 = 2;
const STALE: u16 = 4;
const FAILED: u16 = 32;
const INCOMPLETE: u16 = 1;
const WITHOUT_ARP: u16 = 64;

fn row(text: &str, state: u16, flags: u8, hardware: &[u8]) -> Vec<u8> {
    let address = address(text);
    let mut body = vec![if address.is_ipv4() { 2 } else { 10 }, 0, 0, 0];
    body.extend(2u32.to_ne_bytes());
    body.extend(state.to_ne_bytes());
    body.extend([flags, 1]);
    body.extend(attribute_of(1, &octets_of(address)));
    if !hardware.is_empty() {
        body.extend(attribute_of(2, hardware));
    }
    body
}

fn own(text: &str, bits: u8) -> Vec<u8> {
    let address = address(text);
    let mut body = vec![if address.is_ipv4() { 2 } else { 10 }, bits, 0, 0];
    body.extend(2u32.to_ne_bytes());
    body.extend(attribute_of(1, &octets_of(address)));
    body
}

fn route(destination: Option<(&str, u8)>, attributes: &[Vec<u8>]) -> Vec<u8> {
    let bits = destination.map_or(0, |(_, bits)| bits);
    let mut body = vec![2, bits, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
    if let Some((text, _)) = destination {
        body.extend(attribute_of(1, &octets_of(address(text))));
    }
    attributes.iter().for_each(|attribute| body.extend(attribute));
    body
}

/// What router advertisements' options look like when the kernel hands them on.
fn advertised(options: &[u8], router: &str) -> Vec<u8> {
    let mut body = vec![10, 0];
    body.extend((options.len() as u16).to_ne_bytes());
    body.extend(2u32.to_ne_bytes());
    body.extend([134, 0, 0, 0, 0, 0, 0, 0]);
    body.extend(options);
    body.extend(attribute_of(1, &octets_of(address(router))));
    body
}

fn rdnss(lifetime: u32, servers: &[&str]) -> Vec<u8> {
    let mut option = vec![25, 1 + 2 * servers.len() as u8, 0, 0];
    option.extend(lifetime.to_be_bytes());
    servers.iter().for_each(|server| option.extend(octets_of(address(server))));
    option
}

const TV: HardwareAddress = HardwareAddress([0x3c, 0x5a, 0xb4, 1, 2, 3]);
const DUMP: u32 = 7;

/// Tables that know interface 2 and our address on it.
struct Ground {
    tables: Tables,
    dump: Option<Dump>,
}

impl Ground {
    fn new() -> Ground {
        let mut ground = Ground { tables: Tables::default(), dump: None };
        ground.whole(Table::Links, &[message_of(16, &link(2, 1, 0x1043), true)]);
        ground.whole(Table::Addresses, &[message_of(20, &own("192.168.1.2", 24), true)]);
        ground.tables.take_news();
        ground
    }

    /// Takes messages as one dump.
    fn whole(&mut self, table: Table, parts: &[Vec<u8>]) -> Vec<Effect> {
        self.dump = Some(Dump { table, port: 70, sequence: DUMP });
        self.tables.begin(table);
        let mut effects: Vec<Effect> = parts.iter().flat_map(|part| self.take(part)).collect();
        effects.extend(self.take(&message_of(3, &[0; 4], true)));
        self.dump = None;
        effects.retain(|effect| *effect != Effect::Nothing);
        effects
    }

    fn take(&mut self, datagram: &[u8]) -> Vec<Effect> {
        messages(datagram).map(|message| self.tables.take(message, self.dump)).collect()
    }

    /// Takes one row as news and returns what is told of it.
    fn news(&mut self, kind: u16, row: &[u8]) -> Vec<(IpAddr, Option<HardwareAddress>, bool)> {
        self.take(&message_of(kind, row, false));
        let news = self.tables.take_news();
        news.iter().map(|row| (row.address, row.hardware, row.reachable)).collect()
    }
}

#[test]
fn rows_of_neighbours_are_told_by_their_state() {
    let mut ground = Ground::new();
    let tv = address("192.168.1.23");
    for (state, told) in [(REACHABLE, (Some(TV), true)), (STALE, (Some(TV), false))] {
        let news = ground.news(28, &row("192.168.1.23", state, 0, &TV.0));
        assert_eq!(news, [(tv, told.0, told.1)]);
    }
    for state in [FAILED, INCOMPLETE, 0] {
        let news = ground.news(28, &row("192.168.1.23", state, 0, &TV.0));
        assert_eq!(news, [(tv, None, false)], "state {state}");
    }
    let deleted = ground.news(29, &row("192.168.1.23", REACHABLE, 0, &TV.0));
    assert_eq!(deleted, [(tv, None, false)]);
    let v6 = ground.news(28, &row("fe80::7", STALE, 0x80, &TV.0));
    assert_eq!(v6, [(address("fe80::7"), Some(TV), false)]);
}

#[test]
fn what_is_no_neighbour_is_not_told() {
    let mut ground = Ground::new();
    for (why, row) in [
        ("our own", row("192.168.1.2", REACHABLE, 0, &TV.0)),
        ("loopback", row("127.0.0.1", REACHABLE, 0, &TV.0)),
        ("a group", row("224.0.0.251", REACHABLE, 0, &TV.0)),
        ("without ARP", row("192.168.1.9", WITHOUT_ARP, 0, &TV.0)),
        ("proxied", row("192.168.1.9", REACHABLE, 8, &TV.0)),
    ] {
        assert_eq!(ground.news(28, &row), [], "{why}");
    }
    for hardware in [&[][..], &[1, 0, 0x5e, 0, 0, 1], &[0; 6], &[2; 8], &[2; 4]] {
        let news = ground.news(28, &row("192.168.1.9", REACHABLE, 0, hardware));
        assert_eq!(news, [(address("192.168.1.9"), None, false)], "{hardware:?}");
    }
    ground.take(&message_of(17, &link(2, 1, 0), false));
    assert_eq!(ground.news(28, &row("192.168.1.9", REACHABLE, 0, &TV.0)), [], "no such link");
}

#[test]
fn news_between_the_parts_of_a_dump_count_in_their_order() {
    let mut ground = Ground::new();
    let part = |text: &str| message_of(28, &row(text, STALE, 0, &TV.0), true);
    let gone = |text: &str| message_of(29, &row(text, STALE, 0, &TV.0), false);
    let effects = ground.whole(
        Table::Neighbours,
        &[
            part("192.168.1.10"),
            part("192.168.1.11"),
            gone("192.168.1.10"),
            message_of(28, &row("192.168.1.12", STALE, 0, &TV.0), false),
            gone("192.168.1.13"),
            part("192.168.1.13"),
        ],
    );
    assert_eq!(effects, [Effect::Done]);
    let all = ground.tables.take_dumped().expect("complete");
    let mut addresses: Vec<String> = all.iter().map(|row| row.address.to_string()).collect();
    addresses.sort();
    assert_eq!(addresses, ["192.168.1.11", "192.168.1.12", "192.168.1.13"]);
    assert_eq!(ground.tables.take_dumped(), None);
}

#[test]
fn an_address_that_becomes_ours_is_nobodys() {
    let mut ground = Ground::new();
    ground.news(28, &row("192.168.1.9", REACHABLE, 0, &TV.0));
    let lost = (address("192.168.1.9"), None, false);
    assert_eq!(ground.news(20, &own("192.168.1.9", 24)), [lost]);
    assert_eq!(ground.news(20, &own("192.168.1.9", 24)), [], "told before");
}

#[test]
fn routers_are_those_of_default_routes() {
    let mut ground = Ground::new();
    let gateway = |text: &str| attribute_of(5, &octets_of(address(text)));
    let mut ways = Vec::new();
    for router in ["192.168.1.4", "192.168.1.5"] {
        let way = gateway(router);
        ways.extend((8 + way.len() as u16).to_ne_bytes());
        ways.extend([0, 0, 2, 0, 0, 0]);
        ways.extend(way);
    }
    let via = [&[10, 0][..], &octets_of(address("fe80::1"))].concat();
    let part = |body: Vec<u8>| message_of(24, &body, true);
    let routes = [
        part(route(None, &[gateway("192.168.1.1")])),
        part(route(None, &[attribute_of(18, &via)])),
        part(route(None, &[attribute_of(9, &ways)])),
        part(route(Some(("10.9.0.0", 16)), &[gateway("192.168.1.77")])),
        part(route(Some(("192.168.3.0", 24)), &[attribute_of(4, &2u32.to_ne_bytes())])),
    ];
    assert_eq!(ground.whole(Table::Routes, &routes), [Effect::Done]);
    let routers: Vec<String> = ground.tables.routers().iter().map(IpAddr::to_string).collect();
    assert_eq!(routers, ["192.168.1.1", "192.168.1.4", "192.168.1.5", "fe80::1"]);
    let on_link = ground.tables.take_on_link().expect("it changed");
    let local = address("192.168.1.2");
    assert_eq!(on_link.interface_of(address("192.168.3.9"), local), Some(2));
    assert_eq!(on_link.interface_of(address("10.9.0.9"), local), None);
    let news = message_of(24, &route(None, &[gateway("192.168.1.9")]), false);
    assert_eq!(ground.take(&news), [Effect::Routes], "they are read again");
}

#[test]
fn only_servers_that_are_not_ours_are_told() {
    let mut ground = Ground::new();
    ground.take(&message_of(20, &own("fd00::2", 64), false));
    let mut told = |options: &[u8]| {
        ground.take(&message_of(68, &advertised(options, "fe80::1"), false)).remove(0)
    };
    assert_eq!(told(&rdnss(600, &["fd00::2"])), Effect::Nothing);
    assert_eq!(told(&rdnss(0, &["2001:db8::53"])), Effect::Nothing, "no longer");
    let expected = NameServers {
        router: address("fe80::1"),
        servers: vec![address("2001:db8::53"), address("fd00::2")],
    };
    assert_eq!(told(&rdnss(600, &["fd00::2", "2001:db8::53"])), Effect::Advertised(expected));
}

#[test]
#[cfg(target_endian = "little")]
fn an_advertisement_is_read_as_linux_writes_it() {
    // Linux 6.18, after a router advertisement with one server.
    let told = "4c000000440000000000000000000000 0a0018000200000086000000000000001903000000000258\
                20010db8000000000000000000000053 14000100fe8000000000000020f4e2fffe9b0f30";
    let digits: Vec<u8> = told.bytes().filter(u8::is_ascii_hexdigit).collect();
    let octet =
        |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("digits");
    let datagram: Vec<u8> = digits.chunks(2).map(octet).collect();
    let expected = NameServers {
        router: address("fe80::20f4:e2ff:fe9b:f30"),
        servers: vec![address("2001:db8::53")],
    };
    assert_eq!(Ground::new().take(&datagram), [Effect::Advertised(expected)]);
}

#[test]
fn hostile_advertisements_are_bounded() {
    let many = vec!["2001:db8::53"; 100];
    let distinct: Vec<String> = (0..100).map(|number| format!("2001:db8::{number}")).collect();
    let distinct: Vec<&str> = distinct.iter().map(String::as_str).collect();
    let read = |options: &[u8]| {
        name_servers(&advertised(options, "fe80::1")).map_or(0, |found| found.servers.len())
    };
    assert_eq!(read(&rdnss(600, &many)), 1);
    assert_eq!(read(&rdnss(600, &distinct)), 8);
    assert_eq!(read(&rdnss(600, &["ff02::1", "::"])), 0);
    assert_eq!(read(&[25, 0, 0, 0, 0, 0, 0, 1]), 0, "a length of none");
    assert_eq!(read(&[25, 255, 0, 0]), 0, "longer than what is there");
    let behind = [&[31, 1, 0, 0, 0, 0, 0, 0][..], &rdnss(9, &["2001:db8::1"])].concat();
    assert_eq!(read(&behind), 1, "behind another option");
}

#[test]
fn a_message_cut_short_is_a_doubt() {
    let whole = message_of(28, &row("192.168.1.9", REACHABLE, 0, &TV.0), false);
    for length in 1..20 {
        let mut ground = Ground::new();
        assert_eq!(ground.take(&whole[..length]), [Effect::Doubt], "{length} octets");
    }
    assert_eq!(Ground::new().take(&message_of(4, &[], false)), [Effect::Doubt], "overrun");
}

#[test]
fn a_dump_that_failed_or_changed_is_asked_for_again() {
    let mut ground = Ground::new();
    let busy = message_of(2, &(-16i32).to_ne_bytes(), true);
    assert_eq!(ground.whole(Table::Links, &[busy])[0], Effect::Again);
    let mut changed = message_of(16, &link(2, 1, 0), true);
    changed[6] = 0x10;
    assert_eq!(ground.whole(Table::Links, &[changed]), [Effect::Again]);
    assert_eq!(ground.whole(Table::Links, &[]), [Effect::Done]);
}

proptest! {
    #[test]
    fn no_octets_make_reading_panic(
        kind in prop::sample::select(vec![2u16, 3, 16, 17, 20, 21, 24, 25, 28, 29, 68, 90]),
        body in prop::collection::vec(any::<u8>(), 0..200),
        raw in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut ground = Ground::new();
        ground.take(&message_of(kind, &body, false));
        ground.take(&raw);
        let _ = name_servers(&raw);
        prop_assert!(ground.tables.waiting() <= 50);
    }

    #[test]
    fn attributes_of_any_make_are_bounded(flips in prop::collection::vec((0usize..120, any::<u8>()), 1..4)) {
        let mut message = message_of(68, &advertised(&rdnss(9, &["2001:db8::1"; 3]), "fe80::1"), false);
        for (at, octet) in flips {
            if let Some(place) = message.get_mut(at) {
                *place = octet;
            }
        }
        for read in messages(&message) {
            if let News::NameServers(found) = read.news {
                prop_assert!(found.servers.len() <= 8);
            }
        }
    }
}

#[test]
fn an_address_is_tentative_until_the_kernel_uses_it() {
    let mut ground = Ground::new();
    ground.tables.take_own();
    let told = |ground: &mut Ground, kind, flags| {
        let mut body = own("fd00::9", 64);
        body[2] = flags;
        ground.take(&message_of(kind, &body, false));
        let all = ground.tables.take_own()?;
        Some(all.iter().find(|own| own.address == address("fd00::9")).map(|own| own.tentative))
    };
    assert_eq!(told(&mut ground, 20, 0x40), Some(Some(true)));
    assert_eq!(told(&mut ground, 20, 0x40), None, "nothing new");
    assert_eq!(told(&mut ground, 20, 0x44), Some(Some(false)), "optimistic: it is used already");
    assert_eq!(told(&mut ground, 20, 0x48), Some(Some(true)), "another host has it");
    assert_eq!(told(&mut ground, 20, 0x80), Some(Some(false)));
    assert_eq!(told(&mut ground, 21, 0x80), Some(None));
    assert_eq!(told(&mut ground, 21, 0x80), None, "it is gone already");
}

/// Runs `test` on a thread that has a network of its own.
fn in_a_network_of_its_own(test: fn()) {
    let inside = move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => test(),
        Err(error) => println!("skipped: a network namespace needs root ({error})"),
    };
    std::thread::spawn(inside).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Runs lines of `ip`.
fn ip(lines: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lines");
    std::fs::write(&file, lines).expect("written");
    let done = Command::new("ip").arg("-batch").arg(&file).status().expect("iproute2 is there");
    assert!(done.success(), "{lines}");
}

/// An interface that is a link to nobody.
const LINK: &str = "link add one type veth peer name two\nlink set one up\nlink set two up\naddress add 10.5.0.1/16 dev one\n";

/// Follows the tables of this network; what is told comes out of the receiver.
struct Following {
    runtime: tokio::runtime::Runtime,
    told: Receiver<Told>,
    on_link: Arc<ArcSwap<OnLink>>,
    own: Own,
    tell: Tell,
    _running: Running,
}

impl Following {
    fn start(room: usize) -> Following {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (sender, told): (Sender<Told>, _) = channel();
        let sender = Mutex::new(sender);
        let tell: Tell = Arc::new(move |told| {
            // A test that has seen enough is gone.
            let _ = sender.lock().expect("unharmed").send(told);
        });
        let on_link = Arc::new(ArcSwap::from_pointee(OnLink::default()));
        let (ready, _) = sync_channel(1);
        let sights = Sights::default();
        let inside = runtime.enter();
        let own = Own::read();
        let of_it = Kernel {
            tell: tell.clone(),
            on_link: on_link.clone(),
            own: own.clone(),
            sights,
            room,
            ready,
        };
        let running = kernel::spawn(of_it);
        drop(inside);
        Following { runtime, told, on_link, own, tell, _running: running }
    }

    /// Lets it work until something is told that `wanted` takes.
    fn until<T>(&self, mut wanted: impl FnMut(Told) -> Option<T>) -> T {
        for _ in 0..1_000 {
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
            if let Some(found) = self.told.try_iter().find_map(&mut wanted) {
                return found;
            }
        }
        panic!("it is not told within seconds");
    }

    /// Lets it work until our addresses are as `wanted`.
    fn until_own(&self, what: &str, wanted: impl Fn(&[OwnAddress]) -> bool) {
        for _ in 0..1_000 {
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
            if wanted(&self.own.follow().borrow()) {
                return;
            }
        }
        panic!("waited in vain until {what}: {:?}", self.own.follow().borrow());
    }

    fn all(&self) -> Vec<Neighbour> {
        self.until(|told| match told {
            Told::All(all) => Some(all),
            _ => None,
        })
    }
}

#[test]
fn the_tables_are_read_and_then_followed() {
    in_a_network_of_its_own(|| {
        ip(LINK);
        ip("neighbour add 10.5.0.9 lladdr 3c:5a:b4:01:02:03 dev one nud stale\n");
        let following = Following::start(kernel::ROOM);
        let all = following.all();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].address, all[0].hardware), (address("10.5.0.9"), Some(TV)));
        ip("neighbour replace 10.5.0.9 lladdr 3c:5a:b4:01:02:04 dev one nud reachable\n");
        let changed = following.until(|told| match told {
            Told::News(news) => news.into_iter().find(|row| row.hardware != Some(TV)),
            _ => None,
        });
        let hardware = changed.hardware.map(|hardware| hardware.to_string());
        assert_eq!(hardware.as_deref(), Some("3c:5a:b4:01:02:04"));
        ip("route add default via 10.5.0.254\n");
        let routers = following.until(|told| match told {
            Told::Routers(routers) => Some(routers),
            _ => None,
        });
        assert_eq!(routers, [address("10.5.0.254")]);
        ip("link delete one\n");
        let lost = following.until(|told| match told {
            Told::News(news) => news.into_iter().find(|row| row.hardware.is_none()),
            _ => None,
        });
        assert_eq!(lost.address, address("10.5.0.9"));
    });
}

#[test]
fn our_addresses_are_followed() {
    in_a_network_of_its_own(|| {
        ip(LINK);
        let following = Following::start(kernel::ROOM);
        let has = |text: &'static str| {
            let wanted = address(text);
            move |all: &[OwnAddress]| all.iter().any(|own| own.address == wanted && !own.tentative)
        };
        following.until_own("the first is there", has("10.5.0.1"));
        ip("address add 10.5.0.2/16 dev one\naddress add fd00:5::2/64 dev one nodad\n");
        following.until_own("another is there", has("10.5.0.2"));
        following.until_own("one of IPv6 is there", has("fd00:5::2"));
        ip("address add fd00:5::3/64 dev one\n");
        let is_tentative = |all: &[OwnAddress]| {
            all.iter().any(|own| own.address == address("fd00:5::3") && own.tentative)
        };
        following.until_own("a tentative one is there", is_tentative);
        following.until_own("it is tentative no longer", has("fd00:5::3"));
        ip("address delete 10.5.0.2/16 dev one\n");
        following.until_own("one has gone", |all| !has("10.5.0.2")(all));
        ip("link delete one\n");
        following.until_own("all have gone", |all| !has("10.5.0.1")(all) && !has("fd00:5::2")(all));
    });
}

#[test]
fn where_news_overflow_the_tables_are_read_again() {
    in_a_network_of_its_own(|| {
        ip(LINK);
        let following = Following::start(1);
        assert_eq!(following.all(), []);
        // Nothing is read meanwhile: the runtime stands still.
        let row = |number: u32| {
            let (high, low) = (number / 200, number % 200 + 2);
            format!(
                "neighbour add 10.5.{high}.{low} lladdr 3c:5a:b4:01:{high:02x}:{low:02x} dev one\n"
            )
        };
        ip(&(0..500).map(row).collect::<String>());
        let all = following.all();
        assert_eq!(all.len(), 500);
        let last = all.iter().find(|row| row.address == address("10.5.2.101"));
        let hardware = last.and_then(|row| row.hardware).map(|hardware| hardware.to_string());
        assert_eq!(hardware.as_deref(), Some("3c:5a:b4:01:02:65"));
    });
}

#[test]
fn one_address_is_looked_up_in_the_kernel_at_once() {
    in_a_network_of_its_own(|| {
        ip(LINK);
        let following = Following::start(kernel::ROOM);
        following.all();
        ip("neighbour add 10.5.0.9 lladdr 3c:5a:b4:01:02:03 dev one nud stale\n");
        let inside = following.runtime.enter();
        let clock = Clock::manual(0);
        let look_ups = LookUps::new(following.tell.clone(), following.on_link.clone(), clock);
        drop(inside);
        let local = address("10.5.0.1");
        let told = || following.told.try_iter().collect::<Vec<Told>>();
        following.runtime.block_on(look_ups.look_up(address("10.5.0.9"), local));
        let is_of = |told: &Told, address: IpAddr| match told {
            Told::News(news) => {
                news.iter().any(|row| row.address == address && row.hardware.is_some())
            }
            _ => false,
        };
        let tv = address("10.5.0.9");
        assert!(told().iter().any(|told| is_of(told, tv)), "told when it returns");
        for stranger in ["10.6.0.9", "10.5.0.1", "10.5.0.77"].map(address) {
            following.runtime.block_on(look_ups.look_up(stranger, local));
            assert!(!told().iter().any(|told| is_of(told, stranger)), "nobody is at {stranger}");
        }
    });
}
