//! Real page loads from six devices; `who` equals a count made from the input alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use deadpixel::clock::Clock;
use regex::Regex;

use crate::support::{FakeUpstream, Setup, TestDaemon, test_data};

const DEVICES: u8 = 6;
const FIRST_DEVICE: u8 = 11;
/// Between two page loads: some of a page's trackers fall into the window of the page before.
const PER_PAGE: u64 = 7_000_000;
const ATTEMPT: u64 = 10_000_000;

/// The catalogue as the test reads it: naive, from the shipped text.
struct Oracle {
    rows: HashMap<String, Row>,
    patterns: Vec<(Regex, Row)>,
    essential: Vec<(String, bool)>,
    hosts: HashSet<String>,
}

#[derive(Clone, Debug)]
struct Row {
    company: String,
    hosting: bool,
    tracking: bool,
    default: bool,
}

/// Attempts, blocked and allowed ones, by device and company.
type Counts = BTreeMap<(String, Option<String>), (u64, u64, u64)>;

fn table(file: &str) -> Vec<HashMap<String, String>> {
    let path = format!("{}/blocklists/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let header: Vec<String> =
        lines.next().expect("a header").split('\t').map(String::from).collect();
    lines
        .map(|line| header.iter().cloned().zip(line.split('\t').map(String::from)).collect())
        .collect()
}

fn row(columns: &HashMap<String, String>) -> Row {
    Row {
        company: columns["company"].clone(),
        hosting: columns["purpose"] == "hosting",
        tracking: !["app", "cdn", "essential"].contains(&columns["tier"].as_str()),
        default: columns["level"] == "default",
    }
}

impl Oracle {
    fn read() -> Oracle {
        let rows = table("names.tsv").iter().map(|c| (c["name"].clone(), row(c))).collect();
        let patterns = table("patterns.tsv")
            .iter()
            .map(|c| (Regex::new(&c["regex"]).expect("a pattern"), row(c)))
            .collect();
        let essential = table("essential.tsv")
            .iter()
            .map(|c| (c["name"].clone(), c["match"] == "suffix"))
            .collect();
        let mut oracle = Oracle { rows, patterns, essential, hosts: HashSet::new() };
        for columns in table("cname-cloaking.tsv") {
            let cloak = Row {
                company: columns["company"].clone(),
                hosting: false,
                tracking: true,
                default: columns["level"] == "default",
            };
            oracle.rows.entry(columns["suffix"].clone()).or_insert(cloak);
        }
        oracle
    }

    /// Returns the row that speaks: the name's own, else a pattern's, else the nearest parent's.
    ///
    /// Names below one of shared hosting belong to its customers.
    fn row(&self, name: &str) -> Option<&Row> {
        if let Some(row) = self.rows.get(name) {
            return Some(row);
        }
        if let Some((_, row)) = self.patterns.iter().find(|(pattern, _)| pattern.is_match(name)) {
            return Some(row);
        }
        parents(name).find_map(|parent| self.rows.get(parent)).filter(|row| !row.hosting)
    }

    fn is_blocked(&self, name: &str) -> bool {
        let essential = |(essential, suffix): &(String, bool)| {
            name == essential || *suffix && name.ends_with(&format!(".{essential}"))
        };
        let is_spared = self.essential.iter().any(essential);
        let by_catalogue = !is_spared && self.row(name).is_some_and(|row| row.default);
        by_catalogue || self.hosts.contains(name)
    }

    fn company(&self, name: &str) -> Option<String> {
        self.row(name).map(|row| row.company.clone())
    }

    fn is_tracking(&self, name: &str) -> bool {
        self.row(name).is_some_and(|row| row.tracking) || self.is_blocked(name)
    }
}

fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.split_once('.'), |(_, rest)| rest.split_once('.'))
        .map(|(_, rest)| rest)
}

/// Returns (page, host) of every request, in order; a `document` begins a page.
fn requests() -> Vec<(usize, String)> {
    let text = test_data("web-requests-in-order-2018.tsv.gz");
    let mut page = 0;
    let mut found = Vec::new();
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        page += usize::from(columns[2] == "document");
        found.push((page, columns[0].to_ascii_lowercase()));
    }
    found
}

fn replay(daemon: &TestDaemon, clock: &Clock, oracle: &Oracle) -> Counts {
    let mut clients: Vec<_> = (0..DEVICES).map(|n| daemon.client(FIRST_DEVICE + n)).collect();
    let mut open: HashMap<(u8, String), u64> = HashMap::new();
    let mut counts = Counts::new();
    let (mut now, mut page_before, mut wrong) = (0, 0, Vec::new());
    let requests = requests();
    assert_eq!(requests.len(), 30_523);
    for (page, host) in &requests {
        if *page != page_before {
            clock.advance(PER_PAGE);
            now += PER_PAGE;
            page_before = *page;
        }
        let device = (page % usize::from(DEVICES)) as u8;
        let addresses = clients[usize::from(device)].ask(host, "A").addresses();
        let blocked = oracle.is_blocked(host);
        let expected: IpAddr =
            if blocked { [0, 0, 0, 0].into() } else { FakeUpstream::address_of(host).into() };
        if addresses != [expected] {
            wrong.push(format!("{host}: {addresses:?}, expected {expected}"));
        }
        if !oracle.is_tracking(host) {
            continue;
        }
        let opened = open.entry((device, host.clone())).or_insert(u64::MAX);
        if *opened != u64::MAX && now - *opened < ATTEMPT {
            continue;
        }
        *opened = now;
        let key = (format!("127.0.0.{}", FIRST_DEVICE + device), oracle.company(host));
        let count = counts.entry(key).or_default();
        count.0 += 1;
        count.1 += u64::from(blocked);
        count.2 += u64::from(!blocked);
    }
    assert!(
        wrong.is_empty(),
        "{} wrong answers: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(10)]
    );
    counts
}

fn who(daemon: &TestDaemon) -> Counts {
    let who = daemon.json(&["who"]);
    let number = |row: &serde_json::Value, key: &str| row[key].as_u64().expect("a count");
    who["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            let device = row["device"].as_str().expect("a name").to_string();
            let company = row["company"]["slug"].as_str().map(String::from);
            let counts = (number(row, "attempts"), number(row, "blocked"), number(row, "allowed"));
            ((device, company), counts)
        })
        .collect()
}

fn check(setup: Setup, oracle: &Oracle) {
    let clock = Clock::manual(1_760_000_000_000_000);
    let daemon = setup.clock(&clock).start();
    let expected = replay(&daemon, &clock, oracle);
    let attempts: u64 = expected.values().map(|count| count.0).sum();
    let blocked: u64 = expected.values().map(|count| count.1).sum();
    println!(
        "30,523 queries answered as expected; {attempts} attempts, {blocked} blocked, {} rows of device and company",
        expected.len()
    );
    let found = who(&daemon);
    let differs = |key: &&(String, Option<String>)| found.get(*key) != expected.get(*key);
    let keys: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let wrong: Vec<String> = keys
        .into_iter()
        .filter(differs)
        .map(|key| format!("{key:?}: {:?}, expected {:?}", found.get(key), expected.get(key)))
        .collect();
    assert!(wrong.is_empty(), "{} rows differ: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

#[test]
fn real_page_loads_are_answered_and_counted() {
    let upstream = FakeUpstream::for_any_name();
    let policy = "[everyone]\nlevel = \"standard\"\n";
    check(Setup::forwarding_to(&upstream).policy(policy), &Oracle::read());
}

#[test]
fn real_page_loads_with_a_real_hosts_list_beside() {
    let hosts = test_data("neodev-2026.hosts.txt.gz");
    let mut oracle = Oracle::read();
    let names = hosts.lines().filter(|line| !line.starts_with('#'));
    oracle.hosts = names
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|name| !name.starts_with("localhost") && name.contains('.'))
        .map(str::to_ascii_lowercase)
        .collect();
    assert!(oracle.hosts.len() > 111_000, "{}", oracle.hosts.len());
    let upstream = FakeUpstream::for_any_name();
    let policy = "
[everyone]
level = \"standard\"
lists = { neodev = true }
[[list]]
name = \"neodev\"
file = \"neodev.hosts\"
kind = \"tracking\"
";
    check(
        Setup::forwarding_to(&upstream).policy(policy).file("lists/neodev.hosts", hosts.as_bytes()),
        &oracle,
    );
}
