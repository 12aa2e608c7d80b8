//! What is ours of a query, between its packet and its reply: `cargo bench --bench line`.
//!
//! Drives `Query::parse`, `Resolver::begin` and `Recorder::record` in this process, over names that
//! are blocked or cached, with the shipped lists and with a million names of the tests' data beside
//! them (or of DEADPIXEL_TEST_DATA). Prints nanoseconds of CPU time a query by stage, and what the
//! log thread takes a row. Asserts nothing about time.
//!
//! `cargo bench --bench line -- CASE COUNT` runs one case once, `COUNT` queries in the functions
//! whose names end with `_all`, for callgrind: `--collect-atstart=no --toggle-collect='*_all*'`.

mod house;
#[path = "../shared/house.rs"]
mod parts;
#[path = "../shared/stub_upstream.rs"]
mod stub_upstream;

use std::hint::black_box;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use deadpixel::resolver::Begun;
use deadpixel::wire::Query;
use flate2::read::MultiGzDecoder;

use house::{ALIASED, arrival, house, query};
use parts::House;

/// Different names of a case.
const NAMES: usize = 4_000;
/// Those of the shipped lists are fewer.
const SHIPPED_NAMES: usize = 1_000;
/// Queries between two flushes of the log: fewer than a ring holds.
const BATCH: usize = 4_000;
const ROUNDS: usize = 9;
/// Devices that ask in turn.
const CLIENTS: usize = 40;

const POLICY: &str = "[everyone]\nlists = { million = true }\n[[list]]\nname = \"million\"\n\
    file = \"million.txt\"\n";

/// Queries of one kind.
struct Case {
    title: String,
    /// Answer records of each reply.
    answers: u8,
    packets: Vec<Vec<u8>>,
}

/// Nanoseconds a query.
#[derive(Clone, Copy, Default)]
struct Spent {
    parse: f64,
    begin: f64,
    record: f64,
    /// Of the log thread, for the row.
    log: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let (only, count) = (arguments.first(), arguments.get(1).and_then(|it| it.parse().ok()));
    let popular = names("popularity/tranco-top100k-2026.txt.gz");
    let million = names("lists/maltrail-1m-2026.domains.txt.gz");
    let chosen = |title: &str| match (only, count) {
        (Some(only), Some(_)) => title == only,
        (Some(only), None) => title.contains(only.as_str()),
        (None, _) => true,
    };
    for (lists, listed) in [("shipped", shipped()), ("million", million)] {
        let folder = tempfile::tempdir().expect("a folder");
        if lists == "million" {
            write_policy(folder.path(), &listed);
        }
        let cases: Vec<Case> = cases(lists, &listed, &popular).collect();
        let cases: Vec<Case> = cases.into_iter().filter(|case| chosen(&case.title)).collect();
        if !cases.is_empty() && !listed.is_empty() {
            run(&mut house(folder.path()), cases, count);
        }
    }
}

/// Makes the cases for one set of lists.
fn cases<'n>(
    lists: &'n str,
    listed: &'n [String],
    popular: &'n [String],
) -> impl Iterator<Item = Case> + 'n {
    let below = |name: &String| format!("a.b.c.d.{name}");
    let www = |name: &String| format!("www.{name}");
    let aliased = |name: &String| format!("{ALIASED}.{name}");
    let of = |what: &str, answers, names: &[String], change: &dyn Fn(&String) -> String| {
        let stride = (names.len() / NAMES).max(1);
        let names = names.iter().step_by(stride).take(NAMES);
        let packets = names.map(|name| query(&change(name), 1)).collect();
        Case { title: format!("{lists}-{what}"), answers, packets }
    };
    [
        of("blocked", 1, listed, &String::clone),
        of("blocked-6-labels", 1, listed, &below),
        of("cached", 1, popular, &www),
        of("cached-6-labels", 1, popular, &below),
        of("cached-aliased", 3, popular, &aliased),
    ]
    .into_iter()
}

fn run(house: &mut House, cases: Vec<Case>, count: Option<usize>) {
    let clients = clients(house);
    for mut case in cases {
        case.packets.truncate(count.unwrap_or(NAMES));
        case.keep_right(house, &clients);
        match count {
            Some(count) => {
                let packets: Vec<&[u8]> = case.turn(0, count).collect();
                record_all(house, &clients, &packets);
            }
            None => measure(house, &clients, &case),
        }
    }
}

/// Prints what the queries of a case cost.
fn measure(house: &mut House, clients: &[IpAddr], case: &Case) {
    let mut rounds: Vec<Spent> = (0..ROUNDS).map(|n| round(house, clients, case, n)).collect();
    let spread = |of: fn(&Spent) -> f64, rounds: &mut Vec<Spent>| {
        rounds.sort_by(|a, b| of(a).total_cmp(&of(b)));
        format!("{:6.0} {:6.0}", of(&rounds[0]), of(&rounds[ROUNDS / 2]))
    };
    println!(
        "{:26} {:6} names: ns a query, least and median: parse {}, begin {}, record {}, all {}; \
         log thread {}",
        case.title,
        case.packets.len(),
        spread(|spent| spent.parse, &mut rounds),
        spread(|spent| spent.begin, &mut rounds),
        spread(|spent| spent.record, &mut rounds),
        spread(|spent| spent.parse + spent.begin + spent.record, &mut rounds),
        spread(|spent| spent.log, &mut rounds),
    );
}

/// Goes through a case once with each further stage; what a stage adds is its cost.
fn round(house: &mut House, clients: &[IpAddr], case: &Case, number: usize) -> Spent {
    let (mut spent, log) = (Spent::default(), log_thread());
    for start in (0..case.packets.len()).step_by(BATCH) {
        let count = BATCH.min(case.packets.len() - start);
        let packets: Vec<&[u8]> = case.turn(start + number, count).collect();
        let parse = timed(|| parse_all(&packets));
        let begin = timed(|| begin_all(house, clients, &packets));
        let record = timed(|| record_all(house, clients, &packets));
        let before = on_cpu(log);
        house.log.flush();
        spent.parse += parse;
        spent.begin += begin - parse;
        spent.record += record - begin;
        spent.log += on_cpu(log) - before;
    }
    assert_eq!(house.log.figures().lost, 0, "the ring holds a batch");
    spent.by(case.packets.len() as f64)
}

#[inline(never)]
fn parse_all(packets: &[&[u8]]) {
    for packet in packets {
        black_box(Query::parse(packet).is_ok());
    }
}

#[inline(never)]
fn begin_all(house: &mut House, clients: &[IpAddr], packets: &[&[u8]]) {
    let now = house.clock.now();
    for (packet, client) in packets.iter().zip(clients.iter().cycle()) {
        let query = Query::parse(packet).unwrap_or_else(|_| panic!("a query"));
        black_box(house.resolver.begin(&query, &arrival(*client, now), &mut house.out));
    }
}

#[inline(never)]
fn record_all(house: &mut House, clients: &[IpAddr], packets: &[&[u8]]) {
    let now = house.clock.now();
    for (packet, client) in packets.iter().zip(clients.iter().cycle()) {
        let query = Query::parse(packet).unwrap_or_else(|_| panic!("a query"));
        match house.resolver.begin(&query, &arrival(*client, now), &mut house.out) {
            Begun::Replied(Some(judged)) => house.recorder.record(&judged.event()),
            _ => panic!("it is answered at once"),
        }
    }
}

impl Case {
    /// Asks each once, so that it is cached if it can be; keeps those that are answered as said.
    fn keep_right(&mut self, house: &mut House, clients: &[IpAddr]) {
        let asked = self.packets.len();
        self.packets.retain(|packet| {
            house.answer(clients[0], packet);
            house.answer(clients[0], packet) && house.out[7] == self.answers
        });
        // Some have pushed others out of the cache.
        self.packets.retain(|packet| house.answer(clients[0], packet));
        self.packets.retain(|packet| house.answer(clients[0], packet));
        assert!(self.packets.len() > asked / 4, "{}: too few", self.title);
    }

    /// Returns so many packets from a place on, from the start again where they end.
    fn turn(&self, start: usize, count: usize) -> impl Iterator<Item = &[u8]> {
        let packets = self.packets.iter().cycle();
        packets.skip(start % self.packets.len()).take(count).map(Vec::as_slice)
    }
}

impl Spent {
    fn by(self, queries: f64) -> Spent {
        let Spent { parse, begin, record, log } = self;
        Spent {
            parse: parse / queries,
            begin: begin / queries,
            record: record / queries,
            log: log / queries,
        }
    }
}

/// Lets devices be known, and returns their addresses.
fn clients(house: &mut House) -> Vec<IpAddr> {
    let clients = (1..=CLIENTS).map(|n| Ipv4Addr::new(10, 0, 0, n as u8).into());
    let clients: Vec<IpAddr> = clients.collect();
    let packet = query("analytics.tiktok.com", 1);
    clients.iter().for_each(|client| house.warm_up(*client, &packet));
    clients
}

/// Returns the names that the shipped list of trackers blocks.
fn shipped() -> Vec<String> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("blocklists/names.tsv");
    let table = std::fs::read_to_string(table).expect("the shipped table");
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    let rows = rows.filter(|row| row.split('\t').nth(4) == Some("default"));
    rows.filter_map(|row| Some(row.split('\t').next()?.to_string())).take(SHIPPED_NAMES).collect()
}

fn write_policy(folder: &Path, listed: &[String]) {
    let lists = folder.join("lists");
    std::fs::create_dir_all(&lists).expect("a folder");
    std::fs::write(lists.join("million.txt"), listed.join("\n")).expect("written");
    std::fs::write(folder.join("policy.toml"), POLICY).expect("written");
}

/// Reads names, one a line; none if the data is not there.
fn names(path: &str) -> Vec<String> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("DEADPIXEL_TEST_DATA")
        .map_or_else(|| here.join("../shared/data"), PathBuf::from);
    let Ok(packed) = std::fs::read(folder.join(path)) else {
        println!("skipped: {path} is not below {}", folder.display());
        return Vec::new();
    };
    let mut text = String::new();
    MultiGzDecoder::new(&*packed).read_to_string(&mut text).expect("the data is whole");
    let names = text.lines().filter(|line| !line.starts_with('#') && line.len() < 200);
    names.map(str::to_string).collect()
}

/// Returns nanoseconds of this thread's CPU time.
fn timed(run: impl FnOnce()) -> f64 {
    let now = || {
        // A thread's account is brought up to date when it yields.
        std::thread::yield_now();
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        nanoseconds(&text)
    };
    let before = now();
    run();
    now() - before
}

/// Returns the number of the thread that writes the log.
fn log_thread() -> u32 {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux");
    let mut threads = threads.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_log = |thread: &u32| {
        let name = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
        name.is_ok_and(|name| name.trim() == "query-log")
    };
    threads.find(is_log).expect("the log has a thread")
}

/// Returns nanoseconds that a thread, which rests now, was on a processor.
fn on_cpu(thread: u32) -> f64 {
    let path = format!("/proc/self/task/{thread}/schedstat");
    nanoseconds(&std::fs::read_to_string(path).unwrap_or_default())
}

fn nanoseconds(schedstat: &str) -> f64 {
    schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0.0)
}
