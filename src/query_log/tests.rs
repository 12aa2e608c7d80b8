//! The record as a whole: what is recorded is found, counted, kept and erased as told.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use proptest::prelude::*;
use tempfile::TempDir;

use super::recorder::RING;
use super::schema::{DAY, HOUR, SECOND};
use super::*;
use crate::model::{
    AnsweredBy, BindingId, CompanyId, CompanyLabel, DomainName, ListId, ListMask, ListName,
    LogDetail, Outcome, QueryEvent, Reason, RecordType, RuleId, UpstreamId,
};

/// An hour that begins a day.
const START: i64 = 20_000 * DAY;
const TV: DeviceId = DeviceId(1);
const PC: DeviceId = DeviceId(2);

struct House {
    folder: TempDir,
    clock: Clock,
    settings: Settings,
    seen: Arc<Mutex<HashMap<BindingId, (i64, u32)>>>,
    log: QueryLog,
    recorder: Recorder,
}

/// A query as tests write it.
#[derive(Clone, Debug)]
struct Ask {
    at: i64,
    device: DeviceId,
    name: String,
    alias: Option<String>,
    outcome: Outcome,
    tracking: bool,
    company: Option<u16>,
    lists: Vec<u8>,
    reason: Option<Reason>,
    detail: LogDetail,
}

fn ask(at: i64, device: DeviceId, name: &str) -> Ask {
    Ask {
        at: START + at,
        device,
        name: name.into(),
        alias: None,
        outcome: Outcome::Allowed,
        tracking: false,
        company: None,
        lists: Vec::new(),
        reason: None,
        detail: LogDetail::Full,
    }
}

/// A blocked query for a tracking name of TikTok.
fn tracked(at: i64, device: DeviceId, name: &str) -> Ask {
    Ask {
        outcome: Outcome::Blocked,
        tracking: true,
        company: Some(0),
        lists: vec![0, 1],
        reason: Some(Reason::List(ListId(0))),
        ..ask(at, device, name)
    }
}

fn legend() -> Arc<Legend> {
    let company = |slug: &str| CompanyLabel { slug: slug.into(), name: slug.to_uppercase() };
    Arc::new(Legend {
        edition: 7,
        lists: ["trackers", "ban-tiktok"].map(|name| ListName::parse(name).ok()).into(),
        encrypted_dns: ListMask::from_iter([ListId(5)]),
        rules: HashMap::from([(RuleId(9), "allow example.com for TV".to_string())]),
        companies: vec![company("tiktok"), company("meta")],
    })
}

impl House {
    fn new() -> House {
        House::with(Settings::default())
    }

    fn with(settings: Settings) -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(START);
        let seen = Arc::new(Mutex::new(HashMap::new()));
        let log = open(&folder, &settings, &clock, &seen);
        let recorder = log.recorder();
        House { folder, clock, settings, seen, log, recorder }
    }

    fn restart(&mut self) {
        self.log.stop();
        self.log = open(&self.folder, &self.settings, &self.clock, &self.seen);
        self.recorder = self.log.recorder();
    }

    fn record(&mut self, asked: &[Ask]) {
        for asked in asked {
            record(&mut self.recorder, asked);
        }
    }

    /// Records, and waits until it is written.
    fn write(&mut self, asked: &[Ask]) {
        self.record(asked);
        self.log.flush();
    }

    fn all(&self, filter: &Filter) -> Vec<Entry> {
        self.log.search(filter, None, 100_000).expect("a page")
    }

    fn names(&self, filter: &Filter) -> Vec<String> {
        self.all(filter).into_iter().map(|entry| entry.name).collect()
    }

    fn total(&self, from: i64, until: i64) -> Vec<Total> {
        self.log.totals(START + from, START + until).expect("totals")
    }

    fn attempts(&self, from: i64, until: i64) -> u64 {
        self.total(from, until).iter().map(|total| total.attempts).sum()
    }

    /// Runs statements on the file, as another program might.
    fn meddle(&self, sql: &str) {
        let file = rusqlite::Connection::open(self.folder.path().join("log.db")).expect("a file");
        file.execute_batch(sql).expect("done");
    }

    fn count(&self, sql: &str) -> i64 {
        let file = rusqlite::Connection::open(self.folder.path().join("log.db")).expect("a file");
        file.query_row(sql, [], |row| row.get(0)).expect("a number")
    }
}

fn open(
    folder: &TempDir,
    settings: &Settings,
    clock: &Clock,
    seen: &Arc<Mutex<HashMap<BindingId, (i64, u32)>>>,
) -> QueryLog {
    let seen = seen.clone();
    let sink = move |told: &Told| {
        for seen_now in &told.seen {
            let known = &mut *lock(&seen);
            let entry = known.entry(seen_now.binding).or_insert((seen_now.latest, 0));
            *entry = (entry.0.max(seen_now.latest), entry.1 + seen_now.queries);
        }
    };
    let log =
        QueryLog::open(folder.path(), settings, clock.clone(), Box::new(sink)).expect("a log");
    log.announce(legend());
    log
}

fn record(recorder: &mut Recorder, asked: &Ask) {
    let name = DomainName::from_presentation(&asked.name).expect("a name");
    let alias = asked.alias.as_ref().map(|alias| DomainName::parse(alias).expect("a name"));
    recorder.record(&QueryEvent {
        at: asked.at,
        client: IpAddr::from([192, 168, 1, asked.device.0 as u8]),
        device: asked.device,
        binding: BindingId(asked.device.0 + 100),
        name: name.as_ref(),
        query_type: RecordType::A,
        outcome: asked.outcome,
        would_block: false,
        reason: asked.reason,
        lists: asked.lists.iter().map(|&list| ListId(list)).collect::<ListMask>(),
        alias: alias.as_ref().map(|alias| alias.as_ref()),
        company: asked.company.map(CompanyId),
        tracking: asked.tracking,
        answered_by: AnsweredBy::Upstream(UpstreamId(2)),
        response_code: 3,
        duration: 1_234,
        detail: asked.detail,
        edition: 7,
    });
}

#[test]
fn an_event_is_told_in_words() {
    let mut house = House::new();
    house
        .write(&[Ask { alias: Some("t.tiktok.com".into()), ..tracked(5, TV, "metrics.shop.com") }]);
    let expected = Entry {
        cursor: Cursor { at: START + 5, device: TV },
        binding: BindingId(101),
        client: "192.168.1.1".into(),
        name: "metrics.shop.com".into(),
        random: false,
        query_type: RecordType::A,
        outcome: Outcome::Blocked,
        would_block: false,
        reason: Some("list trackers".into()),
        lists: vec!["trackers".into(), "ban-tiktok".into()],
        alias: Some("t.tiktok.com".into()),
        company: Some("tiktok".into()),
        tracking: true,
        attempt: true,
        answered_by: "upstream 2".into(),
        response_code: 3,
        duration: 1_234,
    };
    assert_eq!(house.all(&Filter::default()), [expected]);
    assert_eq!(house.log.figures().events, 1);
    assert_eq!(lock(&house.seen).get(&BindingId(101)), Some(&(START + 5, 1)));
}

#[test]
fn every_reason_has_its_words() {
    let mut house = House::new();
    let reasons = [
        (Some(Reason::Rule(RuleId(9))), Some("rule allow example.com for TV")),
        (Some(Reason::Ban(ListId(1))), Some("ban ban-tiktok")),
        (Some(Reason::Canary), Some("canary")),
        (Some(Reason::NotListed), Some("not listed")),
        (Some(Reason::List(ListId(5))), Some("list (unknown)")),
        (None, None),
    ];
    for (at, (reason, _)) in reasons.iter().enumerate() {
        house.record(&[Ask { reason: *reason, ..ask(at as i64, TV, "a.example") }]);
    }
    house.log.flush();
    let told: Vec<Option<String>> =
        house.all(&Filter::default()).into_iter().rev().map(|entry| entry.reason).collect();
    assert_eq!(told, reasons.map(|(_, text)| text.map(String::from)));
}

#[test]
fn events_of_one_moment_are_all_kept_in_order() {
    let mut house = House::new();
    let end = HOUR - 2;
    let names: Vec<String> = (0..500).map(|number| format!("n{number}.example.com")).collect();
    for half in names.chunks(250) {
        let asked: Vec<Ask> = half.iter().map(|name| ask(end, TV, name)).collect();
        house.write(&asked);
        house.restart();
    }
    let found = house.all(&Filter::default());
    let mut told: Vec<String> = found.iter().map(|entry| entry.name.clone()).collect();
    told.reverse();
    assert_eq!(told, names);
    assert_eq!(found[0].cursor.at, START + end + 499);
    let queries: u64 = house
        .log
        .queries(START, START + 2 * HOUR)
        .expect("counts")
        .iter()
        .map(|(_, count)| count.queries)
        .sum();
    assert_eq!(queries, 500);
}

#[test]
fn pages_join_without_loss_both_ways() {
    let mut house = House::new();
    let mut asked = Vec::new();
    for number in 0..300_i64 {
        let device = DeviceId(1 + number as u32 % 7);
        asked.push(ask(number / 3 * (HOUR / 20), device, &format!("n{number}.example.com")));
    }
    house.write(&asked);
    let whole = house.all(&Filter::default());
    assert_eq!(whole.len(), 300);
    assert!(whole.windows(2).all(|pair| pair[0].cursor > pair[1].cursor));
    let (mut back, mut before) = (Vec::new(), None);
    loop {
        let page = house.log.search(&Filter::default(), before, 7).expect("a page");
        let Some(last) = page.last() else { break };
        before = Some(last.cursor);
        back.extend(page);
    }
    assert_eq!(back, whole);
    let (mut on, mut after) = (Vec::new(), Cursor { at: 0, device: DeviceId(0) });
    loop {
        let page = house.log.follow(&Filter::default(), after, 11).expect("a page");
        let Some(last) = page.last() else { break };
        after = last.cursor;
        on.extend(page);
    }
    on.reverse();
    assert_eq!(on, whole);
}

#[test]
fn filters_find_what_they_name() {
    let mut house = House::new();
    house.write(&[
        tracked(1, TV, "analytics.tiktok.com"),
        Ask { company: Some(1), ..tracked(2 * HOUR, PC, "pixel.facebook.com") },
        Ask { company: None, ..tracked(3 * HOUR, TV, "odd-tracker.example") },
        ask(4 * HOUR, TV, "example.com"),
        Ask { alias: Some("x.tiktok.com".into()), ..tracked(5 * HOUR, PC, "m.shop.example") },
        Ask { outcome: Outcome::Failed, ..ask(6 * HOUR, PC, "gone.example") },
    ]);
    let all = Filter::default;
    let found = |filter: Filter| house.names(&filter);
    let company = |slug: &str| Filter { company: Some(slug.into()), ..all() };
    assert_eq!(found(company("tiktok")), ["m.shop.example", "analytics.tiktok.com"]);
    assert_eq!(found(company("unattributed")), ["odd-tracker.example"]);
    assert_eq!(found(company("nobody")), [""; 0]);
    let text = Filter { text: Some("TikTok".into()), ..all() };
    assert_eq!(found(text), ["m.shop.example", "analytics.tiktok.com"], "by name or alias");
    assert_eq!(found(Filter { text: Some("zzz".into()), ..all() }), [""; 0]);
    let failed = Filter { outcome: Some(Outcome::Failed), ..all() };
    assert_eq!(found(failed), ["gone.example"]);
    assert_eq!(found(Filter { tracking: true, devices: vec![TV], ..all() }).len(), 2);
    let span = Filter { from: Some(START + 1), until: Some(START + 4 * HOUR), ..all() };
    assert_eq!(found(span).len(), 3);
}

#[test]
fn the_top_name_of_a_device_and_company_is_the_one_with_most_attempts() {
    let mut house = House::new();
    house.write(&[
        tracked(0, TV, "mon.tiktok.com"),
        tracked(0, TV, "analytics.tiktok.com"),
        tracked(11 * SECOND, TV, "analytics.tiktok.com"),
        Ask { alias: Some("t.tiktok.com".into()), ..tracked(0, PC, "metrics.shop.example") },
        ask(0, PC, "www.tiktok.com"),
        Ask { company: None, ..tracked(3 * SECOND, PC, "odd.example") },
        Ask { detail: LogDetail::Counts, company: Some(1), ..tracked(0, PC, "pixel.meta.example") },
    ]);
    let top = |device, name: &str, alias: Option<&str>, attempts| TopName {
        device,
        company: "tiktok".into(),
        name: name.into(),
        alias: alias.map(String::from),
        attempts,
    };
    let expected = vec![
        top(TV, "analytics.tiktok.com", None, 2),
        top(PC, "metrics.shop.example", Some("t.tiktok.com"), 1),
    ];
    assert_eq!(house.log.top_names(START, START + HOUR).expect("names"), expected);
    assert_eq!(house.log.top_names(START + HOUR, START + DAY).expect("names"), []);
}

#[test]
fn totals_count_attempts_of_tracking_names_by_their_outcome() {
    let mut house = House::new();
    house.write(&[
        tracked(0, TV, "analytics.tiktok.com"),
        tracked(SECOND, TV, "analytics.tiktok.com"),
        Ask { outcome: Outcome::Allowed, ..tracked(2 * SECOND, TV, "mon.tiktok.com") },
        Ask { company: None, ..tracked(3 * SECOND, PC, "odd.example") },
        Ask { company: Some(0), ..ask(4 * SECOND, TV, "www.tiktok.com") },
    ]);
    house.write(&[tracked(10 * SECOND, TV, "analytics.tiktok.com")]);
    let tiktok = Total {
        device: TV,
        company: Some("tiktok".into()),
        attempts: 3,
        blocked: 2,
        allowed: 1,
        failed: 0,
        queries: 4,
        last: START + 10 * SECOND,
    };
    let odd = Total {
        device: PC,
        company: None,
        attempts: 1,
        blocked: 1,
        allowed: 0,
        queries: 1,
        last: START + 3 * SECOND,
        ..tiktok.clone()
    };
    for until in [HOUR / 2, HOUR, DAY, 5 * DAY] {
        assert_eq!(house.total(0, until), [tiktok.clone(), odd.clone()]);
    }
    let counts = house.log.queries(START, START + HOUR).expect("counts");
    assert_eq!(counts[0], (TV, QueryCount { queries: 5, blocked: 3, failed: 0 }));
}

#[test]
fn a_span_that_ends_now_is_read_from_roll_ups_alone() {
    let mut house = House::new();
    let asked: Vec<Ask> =
        (0..9).map(|n| tracked(n * 10 * SECOND, TV, "analytics.tiktok.com")).collect();
    house.write(&asked);
    assert_eq!((house.attempts(0, 91 * SECOND), house.attempts(0, 45 * SECOND)), (9, 5));
    house.meddle("DELETE FROM event");
    assert_eq!(house.attempts(0, 81 * SECOND), 9, "nothing came later");
    assert_eq!(house.attempts(0, 80 * SECOND), 0, "only the events tell which came before");
}

#[test]
fn sets_of_lists_are_counted_by_day_and_go_with_their_device() {
    let mut house = House::new();
    let alone = |at, device| Ask { lists: vec![0], ..tracked(at, device, "a.example") };
    let seen = |at, device| Ask { outcome: Outcome::Allowed, ..alone(at, device) };
    house.write(&[
        tracked(0, TV, "a.example"),
        alone(1, TV),
        seen(2, PC),
        ask(3, PC, "free.example"),
        Ask { detail: LogDetail::Counts, ..alone(4, PC) },
        alone(DAY, PC),
    ]);
    let sets = |from, until| -> Vec<(String, u64, u64)> {
        let sets = house.log.list_sets(START + from, START + until).expect("readable");
        sets.into_iter().map(|set| (set.lists.join("+"), set.queries, set.blocked)).collect()
    };
    let both = || ("trackers+ban-tiktok".to_string(), 1, 1);
    let only = |queries, blocked| ("trackers".to_string(), queries, blocked);
    assert_eq!(sets(0, DAY - 1), [only(2, 1), both()]);
    assert_eq!(sets(0, DAY), [only(3, 2), both()]);
    house.log.erase(TV).expect("erased");
    assert_eq!(sets(0, DAY), [only(2, 1)]);
}

#[test]
fn attempts_do_not_depend_on_how_events_are_drained() {
    let mut house = House::new();
    let mut other = house.log.recorder();
    record(&mut other, &tracked(9 * SECOND, TV, "t.example"));
    house.write(&[tracked(0, TV, "t.example"), tracked(5 * SECOND, TV, "t.example")]);
    assert_eq!(house.attempts(0, HOUR), 1);
    let opening: Vec<bool> =
        house.all(&Filter::default()).iter().map(|entry| entry.attempt).collect();
    assert_eq!(opening, [false, false, true], "the opening event carries the mark");
}

#[test]
fn details_kept_are_those_allowed() {
    let mut house = House::new();
    let with = |detail, asked: Ask| Ask { detail, ..asked };
    house.write(&[
        with(LogDetail::Tracking, tracked(0, TV, "t.example")),
        with(LogDetail::Tracking, ask(1, TV, "private.example")),
        with(LogDetail::Counts, tracked(2, PC, "secret-tracker.example")),
        with(LogDetail::Counts, ask(3, PC, "secret.example")),
        with(LogDetail::Nothing, tracked(4, DeviceId(3), "nothing.example")),
    ]);
    assert_eq!(house.names(&Filter::default()), ["t.example"]);
    let kept =
        house.count("SELECT count(*) FROM name WHERE text NOT IN ('(many names)', 't.example')");
    assert_eq!(kept, 0, "no other name is in the file");
    let counts = house.log.queries(START, START + HOUR).expect("counts");
    let queries: Vec<(DeviceId, u64)> = counts.iter().map(|(id, c)| (*id, c.queries)).collect();
    assert_eq!(queries, [(TV, 2), (PC, 2)]);
    let totals = house.total(0, HOUR);
    let companies: Vec<Option<&str>> = totals.iter().map(|t| t.company.as_deref()).collect();
    assert_eq!(companies, [Some("tiktok"), Some(COUNTS_ONLY)]);
    assert_eq!(totals[1].attempts, 1);
    assert!(!lock(&house.seen).contains_key(&BindingId(103)));
}

#[test]
fn counts_only_are_known_by_the_hour_in_which_the_span_holds_its_beginning() {
    let mut house = House::new();
    house.write(&[Ask { detail: LogDetail::Counts, ..tracked(HOUR / 2, TV, "t.example") }]);
    assert_eq!(house.attempts(0, HOUR / 4), 1);
    assert_eq!(house.attempts(HOUR / 4, HOUR), 0);
}

#[test]
fn what_does_not_fit_is_a_gap() {
    let mut house = House::new();
    // Nobody drains this ring while it fills: its other end is handed over afterwards.
    let (mut recorder, source) = super::recorder::ring(RING / 64);
    let mut fitting = 0;
    for number in 0..1_000 {
        record(&mut recorder, &ask(number, TV, "a.example"));
    }
    lock(&house.log.0.shared.sources).push(source);
    house.log.flush();
    fitting += house.log.figures().events;
    let gaps = house.log.gaps(START, START + HOUR).expect("gaps");
    assert!(fitting > 100 && fitting < 1_000);
    let gap = Gap { from: START + fitting as i64, until: START + 999, lost: 1_000 - fitting };
    assert_eq!(gaps, [gap]);
    assert_eq!(house.log.figures().lost, gap.lost);
    record(&mut recorder, &ask(2_000, TV, "later.example"));
    house.log.flush();
    assert_eq!(house.names(&Filter::default())[0], "later.example");
    house.restart();
    assert_eq!(house.log.gaps(START + 999, START + 1_000).expect("gaps"), [gap]);
    assert!(house.log.gaps(START + 1_000, START + HOUR).expect("gaps").is_empty());
}

#[test]
fn after_a_flush_another_connection_sees_everything() {
    let mut house = House::new();
    for number in 0..50 {
        house.write(&[tracked(number, TV, "t.example")]);
        assert_eq!(house.count("SELECT count(*) FROM event"), number + 1);
    }
    assert_eq!(house.count("SELECT value FROM meta WHERE key='events'"), 50);
    assert_eq!(house.count("SELECT sum(queries) FROM rollup"), 50);
    assert_eq!(house.count("SELECT sum(queries) FROM daily"), 50);
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_was_written() {
    let mut house = House::new();
    house.write(&[tracked(1, TV, "a.example"), tracked(2, PC, "b.example")]);
    std::mem::forget(house.log.clone());
    let copy = tempfile::tempdir().expect("a folder");
    for file in ["log.db", "log.db-wal"] {
        std::fs::copy(house.folder.path().join(file), copy.path().join(file)).expect("copied");
    }
    let settings = Settings::default();
    let log = open(&copy, &settings, &house.clock, &house.seen);
    assert_eq!(log.search(&Filter::default(), None, 10).expect("a page").len(), 2);
    assert_eq!(log.totals(START, START + HOUR).expect("totals").len(), 2);
}

#[test]
fn stopping_writes_what_is_left_and_may_be_done_twice() {
    let mut house = House::new();
    assert_eq!(house.names(&Filter::default()).len(), 0);
    house.record(&[ask(1, TV, "a.example")]);
    house.log.stop();
    house.log.stop();
    house.log.flush();
    assert!(!house.folder.path().join("log.db-wal").exists(), "the journal is folded in");
    assert!(house.log.erase(TV).is_err());
    assert_eq!(house.names(&Filter::default()), ["a.example"]);
    house.restart();
    house.record(&[ask(2, TV, "b.example")]);
    let log = std::mem::replace(&mut house.log, open_elsewhere());
    drop(log);
    assert_eq!(house.count("SELECT count(*) FROM event"), 2, "the last handle stops it too");
}

fn open_elsewhere() -> QueryLog {
    let folder = tempfile::tempdir().expect("a folder");
    open(&folder, &Settings::default(), &Clock::manual(START), &Arc::default())
}

#[test]
fn while_the_database_is_locked_events_wait_and_then_are_written() {
    let mut house = House::new();
    let blocker = rusqlite::Connection::open(house.folder.path().join("log.db")).expect("a file");
    blocker.execute_batch("BEGIN IMMEDIATE").expect("locked");
    house.write(&[tracked(1, TV, "a.example")]);
    assert!(house.log.figures().error.is_some_and(|error| error.contains("locked")));
    blocker.execute_batch("COMMIT").expect("unlocked");
    house.write(&[tracked(2, TV, "a.example")]);
    assert_eq!(house.log.figures().error, None);
    assert_eq!(house.all(&Filter::default()).len(), 2);
    assert_eq!(house.attempts(0, HOUR), 1, "trying again opens no second attempt");
    assert_eq!(lock(&house.seen).get(&BindingId(101)), Some(&(START + 2, 2)));
}

#[test]
fn when_rows_are_refused_writing_resumes_by_itself_and_the_gap_is_told() {
    let mut house = House::new();
    house
        .meddle("CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(FAIL, 'full'); END");
    house.write(&[ask(0, TV, "a.example")]);
    assert!(house.log.figures().error.is_some_and(|error| error.contains("full")));
    for number in 1..=RING as i64 / 50 {
        house.record(&[ask(number, TV, "b.example")]);
    }
    house.log.flush();
    let gaps = house.log.gaps(START, START + HOUR).expect("gaps");
    assert_eq!(gaps.len(), 1, "told although it cannot be written");
    house.meddle("DROP TRIGGER full");
    house.log.flush();
    let figures = house.log.figures();
    assert_eq!((figures.error, figures.lost), (None, gaps[0].lost));
    assert_eq!(figures.events + figures.lost, 1 + RING as u64 / 50);
    assert_eq!(house.log.gaps(START, START + HOUR).expect("gaps"), gaps);
}

#[test]
fn a_damaged_log_is_moved_aside_and_writing_goes_on() {
    let mut house = House::new();
    house.write(&[ask(0, TV, "a.example")]);
    house.log.stop();
    let path = house.folder.path().join("log.db");
    std::fs::write(&path, "rubbish ".repeat(2_000)).expect("written");
    house.restart();
    house.write(&[ask(1, TV, "b.example")]);
    assert_eq!(house.names(&Filter::default()), ["b.example"]);
    let aside = house.log.figures().set_aside.expect("told");
    assert!(aside.exists() && aside != path);
}

#[test]
fn damage_found_while_writing_costs_no_event() {
    let mut house = House::new();
    house.write(&[ask(0, TV, "a.example")]);
    // The page of the events' table now belongs to no tree at all.
    house.meddle(
        "PRAGMA writable_schema=ON;
         UPDATE sqlite_schema SET rootpage=99999 WHERE name='event';
         PRAGMA schema_version=4711;",
    );
    house.write(&[ask(1, TV, "b.example")]);
    house.log.flush();
    assert!(house.log.figures().set_aside.is_some());
    assert_eq!(house.names(&Filter::default()), ["b.example"]);
    assert_eq!(house.log.figures().error, None);
}

#[test]
fn a_log_deleted_under_way_is_begun_anew() {
    let mut house = House::new();
    house.write(&[ask(0, TV, "a.example")]);
    for file in ["log.db", "log.db-wal", "log.db-shm"] {
        std::fs::remove_file(house.folder.path().join(file)).expect("removed");
    }
    house.write(&[ask(1, TV, "b.example")]);
    assert_eq!(house.count("SELECT count(*) FROM event"), 1);
    assert_eq!(house.names(&Filter::default()), ["b.example"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let later = folder.path().join("later");
    let clock = Clock::manual(START);
    let log = QueryLog::open(&later, &Settings::default(), clock, Box::new(|_| {})).expect("a log");
    let mut recorder = log.recorder();
    record(&mut recorder, &ask(0, TV, "a.example"));
    log.flush();
    assert!(log.figures().error.is_some());
    std::fs::create_dir(&later).expect("made");
    log.flush();
    assert_eq!(log.figures().error, None);
    assert_eq!(log.search(&Filter::default(), None, 9).expect("a page").len(), 1);
}

#[test]
fn old_events_go_and_their_daily_totals_stay() {
    let settings = Settings { days: 2, totals_days: 9, ..Settings::default() };
    let mut house = House::with(settings);
    for day in 0..12 {
        house.write(&[tracked(day * DAY + HOUR, TV, &format!("t{day}.example"))]);
    }
    house.clock.advance(11 * DAY as u64 + 2 * HOUR as u64);
    house.restart();
    finish_jobs(&house);
    assert_eq!(house.names(&Filter::default()), ["t11.example", "t10.example"]);
    assert_eq!(house.attempts(0, 20 * DAY), 10);
    assert_eq!(house.attempts(4 * DAY, 6 * DAY), 2);
    let names = "SELECT count(*) FROM name WHERE text LIKE 't%'";
    assert!(house.count(names) <= 3, "names of days past are gone");
    assert_eq!(house.log.figures().events, 2);
    house.write(&[tracked(DAY, TV, "late.example")]);
    assert_eq!(house.names(&Filter::default()).len(), 2, "too old for an event of its own");
}

#[test]
fn a_clock_that_is_far_ahead_at_the_start_costs_nothing_until_it_has_run_an_hour() {
    let mut house = House::new();
    house.write(&[tracked(0, TV, "a.example")]);
    house.clock.set_by(60 * DAY);
    house.restart();
    finish_jobs(&house);
    assert_eq!(house.names(&Filter::default()), ["a.example"], "it may be the clock that errs");
    house.clock.advance(HOUR.unsigned_abs());
    wait_until(|| house.names(&Filter::default()).is_empty());
    assert_eq!(house.attempts(0, 20 * DAY), 1, "daily totals stay");
    house.clock.set_by(-60 * DAY);
    house.write(&[ask(2 * HOUR, TV, "b.example")]);
    assert_eq!(house.names(&Filter::default()), ["b.example"], "and once it is right again");
}

/// Waits for what the log thread does by itself.
fn wait_until(done: impl Fn() -> bool) {
    let done = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(25));
        done()
    });
    assert!(done, "it does not come");
}

/// Waits for the log thread's jobs: they end in the order in which they were asked for.
fn finish_jobs(house: &House) {
    house.log.erase(DeviceId(u32::MAX)).expect("nothing to erase");
}

#[test]
fn a_file_that_grew_too_large_loses_its_oldest_hours() {
    let mut house = House::with(Settings { max_mib: 1, ..Settings::default() });
    for hour in 0..8 {
        for number in 0..4_000 {
            house.record(&[ask(hour * HOUR + number * 1_000, TV, "a.example")]);
        }
        house.log.flush();
    }
    house.clock.advance(7 * HOUR as u64 + HOUR as u64 / 2);
    house.restart();
    finish_jobs(&house);
    let figures = house.log.figures();
    assert!(figures.events < 32_000 && figures.events >= 4_000, "{figures:?}");
    let oldest = house.all(&Filter::default()).last().map(|entry| entry.cursor.at);
    let whole_hours = oldest.map(|at| at.rem_euclid(HOUR));
    assert_eq!(whole_hours, Some(0));
    let used = house
        .count("SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count");
    assert!(used * 4_096 <= 1 << 20);
    let daily = house.log.queries(START, START + DAY).expect("counts");
    assert_eq!(daily[0].1.queries, 32_000, "the day's totals stay");
}

#[test]
fn one_hour_alone_cannot_outgrow_the_bound() {
    let mut house = House::with(Settings { max_mib: 1, ..Settings::default() });
    for number in 0..40_000 {
        house.record(&[ask(number, TV, "a.example")]);
        if number % 4_000 == 0 {
            house.log.flush();
        }
    }
    house.clock.advance(SECOND as u64);
    house.restart();
    finish_jobs(&house);
    assert_eq!(house.log.figures().events, 0);
    house.write(&[ask(2 * SECOND, TV, "b.example")]);
    assert_eq!(house.names(&Filter::default()), ["b.example"]);
    let from_rollups = house.log.queries(START + HOUR, START + 2 * HOUR).expect("counts");
    assert!(from_rollups.is_empty());
    assert_eq!(house.count("SELECT sum(queries) FROM rollup"), 1);
}

#[test]
fn a_devices_past_is_erased_and_nobody_elses() {
    let mut house = House::new();
    for hour in 0..60 {
        house.record(&[
            tracked(hour * HOUR, TV, "both.example"),
            tracked(hour * HOUR, TV, &format!("only-tv{hour}.example")),
            tracked(hour * HOUR, PC, "both.example"),
            Ask { alias: Some("a.example".into()), ..tracked(hour * HOUR, TV, "c.example") },
        ]);
    }
    house.write(&[Ask { detail: LogDetail::Counts, ..tracked(0, TV, "x.example") }]);
    house.record(&[tracked(61 * HOUR, TV, "just-now.example")]);
    house.log.erase(TV).expect("erased");
    assert_eq!(house.names(&Filter::default()), vec!["both.example"; 60]);
    assert!(house.total(0, 9 * DAY).iter().all(|total| total.device == PC));
    assert_eq!(house.attempts(0, 9 * DAY), 60);
    assert_eq!(house.count("SELECT count(*) FROM name"), 2);
    assert_eq!(house.count("SELECT count(*) FROM alias"), 0);
    assert_eq!(house.log.figures().events, 60);
    for file in ["log.db", "log.db-wal"] {
        let octets = std::fs::read(house.folder.path().join(file)).unwrap_or_default();
        let found = octets.windows(7).any(|window| window == b"only-tv");
        assert!(!found, "{file} still holds a name");
    }
    house.write(&[tracked(62 * HOUR, TV, "only-tv1.example")]);
    assert_eq!(house.names(&Filter::default())[0], "only-tv1.example", "recorded anew");
}

#[test]
fn a_flood_of_random_names_keeps_their_domain() {
    let mut house = House::new();
    let asked: Vec<Ask> =
        (0..600).map(|n| ask(n, TV, &format!("r{n}.flood.example.com"))).collect();
    house.write(&asked);
    let found = house.all(&Filter::default());
    let random: Vec<&Entry> = found.iter().filter(|entry| entry.random).collect();
    assert_eq!((found.len(), random.len()), (600, 100));
    assert!(random.iter().all(|entry| entry.name == "example.com"));
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let at = prop_oneof![0..3 * DAY, 0..HOUR, Just(HOUR), Just(DAY), Just(0)];
    (at, 1..4_u32, 0..4_u8, any::<bool>(), proptest::option::of(0..2_u16), 0..3_u8).prop_map(
        |(at, device, name, tracking, company, outcome)| Ask {
            tracking,
            company,
            outcome: [Outcome::Blocked, Outcome::Allowed, Outcome::Failed][usize::from(outcome)],
            ..ask(at, DeviceId(device), &format!("n{name}.example"))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Totals, queries and filters equal what is counted from the events themselves.
    #[test]
    fn sums_equal_a_count_of_the_events(
        asked in proptest::collection::vec(any_ask(), 1..120),
        spans in proptest::collection::vec((0..3 * DAY, 0..3 * DAY), 8),
    ) {
        let mut house = House::new();
        house.write(&asked);
        let events = house.all(&Filter::default());
        prop_assert_eq!(events.len(), asked.len());
        for (a, b) in spans.into_iter().chain([(0, 3 * DAY), (0, HOUR), (HOUR, DAY)]) {
            let (from, until) = (START + a.min(b), START + a.max(b));
            let within = events.iter().filter(|e| (from..until).contains(&e.cursor.at));
            let mut expected: BTreeMap<(DeviceId, Option<String>), (u64, u64, i64)> = BTreeMap::new();
            let mut queries: BTreeMap<DeviceId, u64> = BTreeMap::new();
            for event in within {
                *queries.entry(event.cursor.device).or_default() += 1;
                if event.tracking {
                    let key = (event.cursor.device, event.company.clone());
                    let entry = expected.entry(key).or_insert((0, 0, 0));
                    entry.0 += 1;
                    entry.1 += u64::from(event.attempt);
                    entry.2 = entry.2.max(event.cursor.at);
                }
            }
            let totals: BTreeMap<_, _> = house.log.totals(from, until).expect("totals").into_iter()
                .inspect(|t| assert_eq!(t.attempts, t.blocked + t.allowed + t.failed))
                .map(|t| ((t.device, t.company), (t.queries, t.attempts, t.last)))
                .collect();
            prop_assert_eq!(totals, expected);
            let counted: BTreeMap<_, _> = house.log.queries(from, until).expect("counts").into_iter()
                .map(|(device, count)| (device, count.queries)).collect();
            prop_assert_eq!(counted, queries);
            let filter = Filter {
                from: Some(from), until: Some(until), tracking: true,
                outcome: Some(Outcome::Blocked), text: Some("n1".into()), ..Filter::default()
            };
            let naive: Vec<Entry> = events.iter().filter(|e| (from..until).contains(&e.cursor.at)
                && e.tracking && e.outcome == Outcome::Blocked && e.name == "n1.example").cloned().collect();
            prop_assert_eq!(house.all(&filter), naive);
        }
    }
}

#[test]
fn what_is_told_of_a_batch_respects_what_may_be_kept() {
    let ask = |name: &str, detail| Ask { detail, ..ask(0, TV, name) };
    let cases = [
        (LogDetail::Full, 1, Some(Some("dns.example".to_string()))),
        (LogDetail::Tracking, 1, Some(None)),
        (LogDetail::Counts, 0, None),
        (LogDetail::Nothing, 0, None),
    ];
    for (detail, contacts, detour) in cases {
        let kept = Arc::new(Mutex::new(Told::default()));
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(START);
        let told = Arc::clone(&kept);
        let take = Box::new(move |batch: &Told| {
            let mut told = lock(&told);
            told.seen.extend_from_slice(&batch.seen);
            told.contacts.extend_from_slice(&batch.contacts);
            told.detours.extend_from_slice(&batch.detours);
        });
        let log = QueryLog::open(folder.path(), &Settings::default(), clock, take).expect("a log");
        log.announce(legend());
        let mut recorder = log.recorder();
        let encrypted = Ask { lists: vec![5], ..ask("dns.example", detail) };
        let tracker = Ask { detail, ..tracked(1, TV, "t.tiktok.com") };
        for asked in [&encrypted, &encrypted, &tracker, &tracker] {
            record(&mut recorder, asked);
        }
        log.flush();
        let told = lock(&kept).clone();
        let queries = if detail == LogDetail::Nothing { 0 } else { 4 };
        assert_eq!(told.seen.iter().map(|s| s.queries).sum::<u32>(), queries, "{detail:?}");
        let company = CompanyLabel { slug: "tiktok".into(), name: "TIKTOK".into() };
        assert_eq!(told.contacts, vec![Contact { device: TV, company }; contacts], "{detail:?}");
        let names: Vec<_> = told.detours.iter().map(|detour| detour.name.clone()).collect();
        assert_eq!(names, Vec::from_iter(detour), "{detail:?}");
    }
}
