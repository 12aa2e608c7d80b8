//! What is answered at once allocates nothing, and neither does recording it.

#[path = "shared/house.rs"]
mod house;
#[path = "shared/stub_upstream.rs"]
mod stub_upstream;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use deadpixel::discovery::Discovery;
use deadpixel::dns_server::{self, Behind, Serving};
use deadpixel::resolver::{Arrival, Begun, Behalf, Transport};
use deadpixel::wire::Query;
use house::House;
use nix::unistd::gettid;
use stub_upstream::upstream;
use tempfile::TempDir;

/// Allocations of a thread.
struct Tally {
    thread: AtomicI32,
    count: AtomicUsize,
}

/// One for each thread, in the order in which they began to allocate.
static TALLIES: [Tally; 512] =
    [const { Tally { thread: AtomicI32::new(0), count: AtomicUsize::new(0) } }; 512];
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static TALLY: Cell<Option<&'static Tally>> = const { Cell::new(None) };
}

/// The system's allocator, which counts what each thread asks of it.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is an unsafe trait; every call goes to the system's")]
// SAFETY: each method hands its arguments on as they came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System`, as all of ours do.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the pointer came from `System`, as all of ours do.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // A thread that ends may allocate when its own variables are gone.
    let _ = TALLY.try_with(|own| {
        let tally = own.get().unwrap_or_else(|| {
            let tally = &TALLIES[THREADS.fetch_add(1, Ordering::Relaxed)];
            tally.thread.store(gettid().as_raw(), Ordering::Relaxed);
            own.set(Some(tally));
            tally
        });
        tally.count.fetch_add(1, Ordering::Relaxed);
    });
}

/// Returns how often this thread has allocated.
fn allocations() -> usize {
    TALLY.with(Cell::get).map_or(0, |own| own.count.load(Ordering::Relaxed))
}

/// Returns how often the thread called `name` has allocated; there is one.
fn allocations_of_thread(name: &str) -> usize {
    let tallies = TALLIES.iter().filter(|tally| {
        let thread = tally.thread.load(Ordering::Relaxed);
        let named = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
        named.is_ok_and(|named| named.trim_end() == name)
    });
    let counts: Vec<usize> = tallies.map(|tally| tally.count.load(Ordering::Relaxed)).collect();
    assert_eq!(counts.len(), 1, "threads called {name}");
    counts[0]
}

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FORWARDER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Puts the parts behind a door together, over a folder of their own.
fn house() -> (House, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let servers = format!("[upstream]\nservers = [{{ url = \"{}\" }}]\n", upstream(reply));
    let config = format!("{servers}[devices]\nforwarders = [\"{FORWARDER}\"]\n");
    (House::new(folder.path(), &config), folder)
}

impl House {
    /// Answers by both halves and records; returns whether the first half was enough.
    fn answer(&mut self, client: IpAddr, packet: &[u8]) -> bool {
        let query = Query::parse(packet).unwrap_or_else(|_| panic!("a query"));
        let (now, transport, behalf) = (self.clock.now(), Transport::Udp, Behalf::Unsaid);
        let mut arrival = Arrival { client, local: CLIENT, transport, now, behalf };
        self.resolver.attribute(&query, &mut arrival);
        match self.resolver.begin(&query, &arrival, &mut self.out) {
            Begun::Replied(judged) => {
                self.recorder.record(&judged.expect("an event").event());
                true
            }
            Begun::Unfinished(unfinished) => {
                let finish = self.resolver.finish(&unfinished, &mut self.out);
                let judged = self.runtime.block_on(finish).expect("an event");
                self.recorder.record(&judged.event());
                false
            }
        }
    }

    /// Answers until the first half is enough, then a thousand times more; returns how often that
    /// allocated, and the last reply.
    fn allocations_of(&mut self, client: IpAddr, packet: &[u8]) -> (usize, &[u8]) {
        let warm = (0..50).any(|_| {
            // New bindings are published some time after they are made.
            std::thread::sleep(Duration::from_millis(25));
            self.answer(client, packet)
        });
        assert!(warm, "it is never answered at once");
        let before = allocations();
        for _ in 0..1_000 {
            assert!(self.answer(client, packet), "it is answered at once");
        }
        (allocations() - before, &self.out)
    }
}

/// Answers every question with an alias and its address.
fn reply(question: &[u8]) -> Vec<u8> {
    let mut reply = question.to_vec();
    reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]);
    let alias = b"\xc0\x0c\0\x05\0\x01\0\0\x01\x2c\0\x11\x04edge\x03cdn\x04test\x01x\0";
    let target = (reply.len() + 12) as u16 | 0xc000;
    reply.extend(alias);
    reply.extend(target.to_be_bytes());
    reply.extend(b"\0\x01\0\x01\0\0\x01\x2c\0\x04\xcb\0\x71\x07");
    reply
}

fn query(name: &str, query_type: u8) -> Vec<u8> {
    let mut packet = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend(label.bytes());
    }
    packet.extend([0, 0, query_type, 0, 1]);
    // With EDNS, so that extended errors are written too.
    packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}

/// A query that claims to be asked for a hardware address and for 127.0.0.40.
fn claiming(name: &str) -> Vec<u8> {
    let mut packet = query(name, 1);
    let options = b"\xfd\xe9\0\x06\x3c\x5a\xb4\x01\x02\x03\0\x08\0\x08\0\x01\x20\0\x7f\0\0\x28";
    packet.truncate(packet.len() - 2);
    packet.extend((options.len() as u16).to_be_bytes());
    packet.extend(options);
    packet
}

#[test]
fn what_is_answered_at_once_allocates_nothing() {
    let (mut house, _folder) = house();
    assert!(allocations() > 1_000, "building all this is counted");
    let (count, reply) = house.allocations_of(CLIENT, &query("analytics.tiktok.com", 1));
    assert_eq!((count, reply[7]), (0, 1), "blocked");
    let (count, reply) = house.allocations_of(CLIENT, &query("analytics.tiktok.com", 65));
    assert_eq!((count, reply[7]), (0, 0), "blocked, HTTPS");
    let (count, reply) = house.allocations_of(CLIENT, &query("www.example.org", 1));
    assert_eq!((count, reply[7]), (0, 2), "cached, alias and address");
    let (count, reply) = house.allocations_of(CLIENT, &query("www.example.org", 255));
    assert_eq!((count, reply[7]), (0, 1), "ANY");
    for client in [FORWARDER, CLIENT] {
        let (count, reply) = house.allocations_of(client, &claiming("analytics.tiktok.com"));
        assert_eq!((count, reply[7]), (0, 1), "claims of {client}");
    }
    house.log.flush();
    let figures = house.log.figures();
    assert!(figures.events >= 6_000, "all of it was recorded: {figures:?}");
}

/// Datagrams sent before any reply is read: more than the loop takes at once.
const BURST: usize = 40;

/// Sends a burst of one question, and returns the last of the replies to it.
fn burst(client: &UdpSocket, packet: &[u8]) -> Vec<u8> {
    for _ in 0..BURST {
        client.send(packet).expect("loopback");
    }
    let (mut reply, mut length) = (vec![0; 1_500], 0);
    for _ in 0..BURST {
        length = client.recv(&mut reply).expect("a reply to each");
    }
    reply.truncate(length);
    reply
}

/// Opens one worker's doors on loopback before the parts of `house`.
fn serve(house: &House) -> (Serving, UdpSocket) {
    let settings = dns_server::Settings {
        listen: vec![SocketAddr::from((CLIENT, 0)).into()],
        workers: 1,
        ..dns_server::Settings::default()
    };
    let bound = dns_server::bind(&settings).unwrap_or_else(|errors| panic!("{errors:?}"));
    let client = UdpSocket::bind((CLIENT, 0)).expect("a socket");
    client.connect(bound.addresses()[0]).expect("loopback");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    let serving = bound.serve(
        &settings,
        Behind {
            resolver: house.resolver.clone(),
            log: house.log.clone(),
            clock: house.clock.clone(),
            own: Discovery::blind().own_addresses(),
        },
    );
    (serving.expect("a thread"), client)
}

#[test]
fn a_worker_allocates_nothing_from_datagram_to_datagram() {
    const WORKER: &str = "dns-0";
    let (house, _folder) = house();
    let (serving, client) = serve(&house);
    burst(&client, &query("analytics.tiktok.com", 1));
    assert!(allocations_of_thread(WORKER) > 10, "building the loop is counted");
    let questions = [
        ("blocked", query("analytics.tiktok.com", 1), 1),
        ("cached", query("www.example.org", 1), 2),
        ("ANY", query("www.example.org", 255), 1),
        ("unreadable", query("www.example.org", 1)[..20].to_vec(), 0),
    ];
    for (what, packet, answers) in &questions {
        let allocated = || {
            let before = allocations_of_thread(WORKER);
            for _ in 0..50 {
                assert_eq!(burst(&client, packet)[7], *answers, "{what}");
            }
            allocations_of_thread(WORKER) - before
        };
        let warm = (0..20).any(|_| {
            // New bindings are published some time after they are made, and what the runtime
            // reuses grows when it is first needed.
            std::thread::sleep(Duration::from_millis(25));
            burst(&client, packet);
            allocated() == 0
        });
        assert!(warm, "{what}: of 50 bursts one allocates, however often they come");
        assert_eq!(allocated(), 0, "{what}");
    }
    house.log.flush();
    let (replies, events) = (serving.counts().udp, house.log.figures().events);
    assert!(replies >= 200 * BURST as u64 && events >= 150 * BURST as u64, "{replies}, {events}");
    serving.stop(Duration::ZERO);
}

#[test]
fn what_zones_of_ours_say_is_given_without_allocation() {
    let (mut house, _folder) = house();
    for (name, query_type, code) in [
        ("localhost", 1, 0),
        ("x.localhost", 28, 0),
        ("deadpixel.internal", 1, 0),
        ("deadpixel.internal", 28, 0),
        ("1.0.0.127.in-addr.arpa", 12, 0),
        ("tv.home.arpa", 1, 3),
        ("1.1.168.192.in-addr.arpa", 12, 3),
        ("router", 1, 3),
        ("wpad.lan", 1, 3),
    ] {
        let (count, reply) = house.allocations_of(CLIENT, &query(name, query_type));
        assert_eq!((count, reply[3] & 0x0f, reply[2] & 0x04), (0, code, 4), "{name}");
    }
}
