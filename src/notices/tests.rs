//! Notices as a whole: raised once, kept, dismissed, written; what is watched, over days.

use std::net::IpAddr;

use super::board::MAX_NOTICES;
use super::*;
use crate::devices::{Device, Devices, Happening};
use crate::discovery::Sight;
use crate::model::{BindingId, CompanyLabel, DeviceName, HardwareAddress, Moment};
use crate::query_log::{Contact, Detour, Seen, Told};
use crate::storage::STATE_MIGRATIONS;

const START: i64 = 20_000 * DAY;
const YEAR: i64 = 365 * DAY;

struct House {
    state: Arc<Database>,
    clock: Clock,
    devices: Devices,
    notices: Notices,
    watch: Watch,
    around: Surroundings,
}

impl House {
    fn new() -> House {
        let state = Arc::new(Database::memory(STATE_MIGRATIONS).expect("a database"));
        let clock = Clock::manual(START);
        let devices = Devices::open(&Default::default(), state.clone(), clock.clone());
        let devices = devices.expect("devices");
        let notices = Notices::open(state.clone(), clock.clone()).expect("notices");
        let watch = Watch::open(notices.clone(), devices.clone()).expect("a watch");
        House { state, clock, devices, notices, watch, around: Surroundings::default() }
    }

    fn restart(&mut self) {
        self.watch.flush().expect("written");
        self.notices = Notices::open(self.state.clone(), self.clock.clone()).expect("notices");
        self.watch = Watch::open(self.notices.clone(), self.devices.clone()).expect("a watch");
    }

    fn pass(&self, micros: i64) {
        self.clock.advance(micros.unsigned_abs());
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn device(&self, address: &str) -> DeviceId {
        self.devices.admit(ip(address), self.now()).device
    }

    fn look(&mut self, news: &News) {
        self.watch.look(news, &self.around, |_| false);
    }

    /// A device asks, for this company.
    fn asks(&mut self, address: &str, company: &str) {
        let device = self.device(address);
        let contact = Contact {
            device,
            company: CompanyLabel { slug: company.to_lowercase(), name: company.into() },
        };
        let told = Told {
            seen: vec![seen(device, address, 1)],
            contacts: vec![contact],
            ..Told::default()
        };
        self.look(&News { told: vec![told], ..News::default() });
    }

    fn detour(&mut self, address: &str, name: &str, canary: bool) {
        let device = self.device(address);
        let detour = Detour { device, name: Some(name.into()), canary };
        let told =
            Told { seen: vec![seen(device, address, 1)], detours: vec![detour], ..Told::default() };
        self.look(&News { told: vec![told], ..News::default() });
    }

    fn happens(&mut self, happening: Happening) {
        self.look(&News { happenings: vec![happening], ..News::default() });
    }

    fn headlines(&self) -> Vec<String> {
        self.notices.list(false).iter().map(|notice| notice.draft.headline()).collect()
    }

    fn kinds(&self) -> Vec<NoticeKind> {
        self.notices.list(true).iter().map(|notice| notice.draft.kind).collect()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn seen(device: DeviceId, address: &str, queries: u32) -> Seen {
    Seen { binding: BindingId(device.0), device, client: ip(address), latest: START, queries }
}

fn draft(subject: &str, items: &[&str]) -> Draft {
    Draft {
        kind: NoticeKind::FirstContact,
        subject: subject.into(),
        device: Some(DeviceId(3)),
        title: "TV asked".into(),
        words: "It asked.".into(),
        items: items.iter().map(ToString::to_string).collect(),
        remedy: "Look.".into(),
    }
}

#[test]
fn a_subject_is_told_once_a_day_and_counted() {
    let house = House::new();
    assert_eq!(house.notices.raise(draft("tv", &["A"])), Raised::New);
    house.pass(DAY / 2);
    assert_eq!(house.notices.raise(draft("tv", &["B"])), Raised::Again);
    assert_eq!(house.notices.raise(draft("phone", &["A"])), Raised::New);
    let notices = house.notices.list(false);
    let tv = notices.iter().find(|notice| notice.draft.subject == "tv").expect("it is there");
    assert_eq!((tv.count, tv.raised, tv.latest), (2, START, START + DAY / 2));
    assert_eq!(tv.draft.headline(), "TV asked: A, B");
    house.pass(DAY);
    assert_eq!(house.notices.raise(draft("tv", &["B"])), Raised::Again, "an open one says so");
    assert_eq!(house.notices.raise(draft("tv", &["C"])), Raised::New, "another day, another thing");
    assert_eq!(house.notices.list(false).len(), 3);
}

#[test]
fn what_was_dismissed_comes_back_another_day_unless_for_good() {
    let house = House::new();
    house.notices.raise(draft("tv", &[]));
    house.notices.raise(draft("pc", &[]));
    let id = |subject: &str| {
        let notices = house.notices.list(false);
        notices.iter().find(|notice| notice.draft.subject == subject).expect("it is there").id
    };
    assert!(house.notices.dismiss(id("tv"), false) && house.notices.dismiss(id("pc"), true));
    assert!(!house.notices.dismiss(77, false), "there is none");
    assert_eq!((house.notices.list(false).len(), house.notices.list(true).len()), (0, 2));
    house.pass(DAY - 1);
    assert_eq!(house.notices.raise(draft("tv", &["new"])), Raised::Muted);
    house.pass(1);
    assert_eq!(house.notices.raise(draft("tv", &[])), Raised::New);
    house.pass(80 * DAY);
    assert_eq!(house.notices.raise(draft("pc", &[])), Raised::Muted);
    house.pass(80 * DAY);
    house.notices.flush().expect("written");
    assert_eq!(house.notices.raise(draft("pc", &[])), Raised::Muted, "for good");
    assert_eq!(house.notices.dismiss_all(false), 0, "the other one is older than 90 days");
}

#[test]
fn a_clock_that_jumps_by_a_year_raises_nothing_again_and_wipes_nothing() {
    let mut house = House::new();
    house.around = Surroundings {
        contained: true,
        scheduled: true,
        utc: true,
        routers: vec![ip("192.168.1.1")],
        ..Surroundings::default()
    };
    let router = Sight::NameServers { router: ip("fe80::1"), servers: vec![ip("fd00::1")] };
    for hour in 0..30 {
        house.asks("192.168.1.2", if hour < 26 { "TikTok" } else { "Meta" });
        house.detour("192.168.1.2", "dns.example", false);
        let device = house.device("192.168.1.1");
        let told = Told { seen: vec![seen(device, "192.168.1.1", 2_000)], ..Told::default() };
        let sights = vec![router.clone()];
        house.look(&News { told: vec![told], sights, ..News::default() });
        house.pass(HOUR);
    }
    let device = house.device("192.168.1.2");
    house.happens(Happening::New(device));
    let before = house.kinds();
    assert_eq!(before.len(), 6, "{before:?}");
    let dismissed = house.notices.list(false).first().expect("one").id;
    house.notices.dismiss(dismissed, false);
    for jump in [YEAR, -YEAR, -YEAR, YEAR] {
        house.clock.set_by(jump);
        house.asks("192.168.1.2", "Meta");
        house.asks("192.168.1.3", "Meta");
        house.detour("192.168.1.2", "dns.example", false);
        house.look(&News { sights: vec![router.clone()], ..News::default() });
        house.watch.flush().expect("written");
        assert_eq!(house.kinds().len(), before.len(), "after {jump}");
        house.restart();
        assert_eq!(house.kinds().len(), before.len(), "after {jump} and a restart");
    }
    // The jump while nobody ran counts for a day at most, so nothing is wiped by it either.
    house.watch.flush().expect("written");
    house.clock.set_by(YEAR);
    house.restart();
    assert_eq!(house.kinds().len(), before.len());
    assert_eq!(house.notices.list(false).len(), before.len() - 1);
}

#[test]
fn notices_are_kept_for_90_days_and_over_restarts() {
    let mut house = House::new();
    house.notices.raise(draft("tv", &["A", "B"]));
    house.pass(50 * DAY);
    house.notices.raise(draft("pc", &[]));
    let before = house.notices.list(true);
    house.restart();
    assert_eq!(house.notices.list(true), before);
    house.pass(40 * DAY);
    house.restart();
    let subjects: Vec<String> =
        house.notices.list(true).into_iter().map(|notice| notice.draft.subject).collect();
    assert_eq!(subjects, ["pc"]);
    house.notices.raise(draft("phone", &[]));
    let ids: Vec<u64> = house.notices.list(true).iter().map(|notice| notice.id).collect();
    assert_eq!(ids, [3, 2], "no number is used twice");
}

#[test]
fn past_10_000_what_was_dismissed_longest_ago_goes_first() {
    let house = House::new();
    for number in 0..MAX_NOTICES {
        house.notices.raise(draft(&number.to_string(), &[]));
    }
    house.notices.dismiss(1, true);
    house.notices.dismiss(50, false);
    house.pass(1);
    for number in 0..2 {
        house.notices.raise(draft(&format!("late {number}"), &[]));
    }
    house.notices.flush().expect("written");
    let kept = house.notices.list(true);
    assert_eq!(kept.len(), MAX_NOTICES);
    let has = |id: u64| kept.iter().any(|notice| notice.id == id);
    assert!(has(1) && !has(50) && !has(2) && has(3));
    let stored =
        house.state.with(|c| c.query_row("SELECT count(*) FROM notice", [], |row| row.get(0)));
    assert_eq!(stored.ok(), Some(MAX_NOTICES as i64));
}

#[test]
fn what_cannot_be_written_is_counted_and_written_later() {
    let mut house = House::new();
    let sql =
        |house: &House, text: &str| house.state.with(|c| c.execute_batch(text)).expect("done");
    house.notices.raise(draft("tv", &["A"]));
    house.watch.flush().expect("written");
    sql(&house, "ALTER TABLE notice RENAME TO away; ALTER TABLE contact RENAME TO gone");
    house.notices.raise(draft("pc", &[]));
    house.asks("192.168.1.2", "TikTok");
    house.notices.dismiss(1, false);
    assert!(house.watch.flush().is_err() && house.watch.flush().is_err());
    assert_eq!(house.notices.failures(), 2);
    assert_eq!(house.notices.list(true).len(), 2, "people see them all the same");
    sql(&house, "ALTER TABLE away RENAME TO notice");
    assert!(house.watch.flush().is_err(), "the contacts are still away");
    sql(&house, "ALTER TABLE gone RENAME TO contact");
    house.restart();
    assert_eq!((house.notices.list(true).len(), house.notices.list(false).len()), (2, 1));
    let contacts =
        house.state.with(|c| c.query_row("SELECT count(*) FROM contact", [], |row| row.get(0)));
    assert_eq!(contacts.ok(), Some(2), "the part, and its company");
}

#[test]
fn a_company_is_news_after_a_first_day_of_learning_and_once() {
    let mut house = House::new();
    house.asks("192.168.1.2", "TikTok");
    house.pass(DAY - 1);
    house.asks("192.168.1.2", "Criteo");
    assert_eq!(house.headlines(), [""; 0], "the first day");
    house.pass(1);
    for company in ["TikTok", "Criteo", "Meta", "Adobe", "Meta"] {
        house.asks("192.168.1.2", company);
    }
    assert_eq!(house.headlines(), ["192.168.1.2 asked for a new company: Meta, Adobe"]);
    house.asks("192.168.1.3", "Meta");
    house.restart();
    house.pass(2 * DAY);
    for company in ["TikTok", "Criteo", "Meta", "Adobe"] {
        house.asks("192.168.1.2", company);
    }
    assert_eq!(house.headlines().len(), 1, "all known");
    house.asks("192.168.1.3", "Meta");
    house.asks("192.168.1.3", "Snap");
    assert_eq!(
        house.headlines().first().expect("one"),
        "192.168.1.3 asked for a new company: Snap"
    );
}

#[test]
fn a_company_that_may_not_be_told_today_is_told_tomorrow() {
    let mut house = House::new();
    house.asks("192.168.1.2", "TikTok");
    house.pass(DAY);
    house.asks("192.168.1.2", "Meta");
    house.notices.dismiss_all(false);
    house.asks("192.168.1.2", "Adobe");
    assert_eq!(house.headlines(), [""; 0]);
    house.pass(DAY);
    house.look(&News::default());
    assert_eq!(house.headlines(), ["192.168.1.2 asked for a new company: Adobe"]);
}

#[test]
fn what_a_forgotten_device_asked_is_forgotten() {
    let mut house = House::new();
    house.asks("192.168.1.2", "TikTok");
    house.pass(DAY);
    house.asks("192.168.1.2", "Meta");
    let device = house.device("192.168.1.2");
    house.devices.forget(device).expect("forgotten");
    house.notices.forget(device);
    house.pass(HOUR);
    house.look(&News::default());
    house.restart();
    assert_eq!(house.notices.list(true), []);
    let contacts =
        house.state.with(|c| c.query_row("SELECT count(*) FROM contact", [], |row| row.get(0)));
    assert_eq!(contacts.ok(), Some(0));
}

#[test]
fn devices_of_before_are_not_new_and_a_flood_of_new_ones_is_one_notice() {
    let mut house = House::new();
    house.asks("192.168.1.2", "TikTok");
    house.restart();
    house.asks("192.168.1.2", "TikTok");
    assert_eq!(house.kinds(), [], "only what the register tells is new");
    for number in 0..2_000 {
        let device = house.device(&format!("10.0.{}.{}", number / 250, number % 250));
        house.happens(Happening::New(device));
    }
    let headlines = house.headlines();
    assert_eq!(headlines.len(), 21);
    assert!(headlines.contains(&"more than 20 new devices in a day".to_string()));
    house.pass(DAY);
    let device = house.device("10.0.9.1");
    house.happens(Happening::New(device));
    assert_eq!(house.headlines().first().expect("one"), "new device 10.0.9.1");
}

#[test]
fn what_fell_to_the_default_is_told_with_the_command_that_mends_it() {
    let mut house = House::new();
    let device = house.device("192.168.1.9");
    let was = DeviceName::parse("Kid's phone").expect("a name");
    house.happens(Happening::FellToDefault { device, was, address: ip("192.168.1.9") });
    let notice = house.notices.list(false).swap_remove(0);
    assert!(notice.draft.words.contains("192.168.1.9 was Kid's phone"), "{}", notice.draft.words);
    let command = "deadpixel device merge 'Kid'\\''s phone' 192.168.1.9";
    assert!(notice.draft.remedy.contains(command), "{}", notice.draft.remedy);
    let hardware = ["3c:5a:b4:01:02:03", "3c:5a:b4:01:02:04"];
    let hardware = hardware.map(|text| text.parse::<HardwareAddress>().expect("it is right"));
    house.happens(Happening::SharedHardware { hardware: hardware[0], addresses: 5 });
    house.happens(Happening::Contested { address: ip("192.168.1.9"), hardware });
    let kinds = house.kinds();
    assert!(kinds.contains(&NoticeKind::SharedHardware) && kinds.contains(&NoticeKind::Contested));
}

#[test]
fn encrypted_dns_and_canaries_are_told_once_a_day_and_by_what_name() {
    let mut house = House::new();
    for _ in 0..100 {
        house.detour("192.168.1.2", "dns.example", false);
        house.detour("192.168.1.2", "doh.example", false);
        house.detour("192.168.1.2", "use-application-dns.net", true);
    }
    let notices = house.notices.list(false);
    assert_eq!(notices.len(), 2);
    let of = |kind| notices.iter().find(|notice| notice.draft.kind == kind).expect("it is told");
    let encrypted = of(NoticeKind::EncryptedDns);
    assert_eq!((encrypted.count, encrypted.draft.items.len()), (2, 2));
    assert!(encrypted.draft.words.contains("may be bypassing"));
    assert_eq!(of(NoticeKind::Canary).count, 1);
    house.notices.dismiss_all(false);
    house.pass(DAY);
    house.detour("192.168.1.2", "dns.example", false);
    assert_eq!(house.headlines(), ["192.168.1.2 may be bypassing: dns.example"]);
}

/// Counts queries over an hour and a half, and returns what is told.
fn one_address(house: &mut House, queries: &[(&str, u32)]) -> Vec<String> {
    for _ in 0..3 {
        let asked = queries.iter().map(|(address, queries)| {
            let device = house.device(address);
            seen(device, address, *queries)
        });
        let told = Told { seen: asked.collect(), ..Told::default() };
        house.look(&News { told: vec![told], ..News::default() });
        house.pass(HOUR / 2);
    }
    house.look(&News::default());
    house.notices.list(false).into_iter().map(|notice| notice.draft.text()).collect()
}

#[test]
fn one_address_is_told_if_it_is_a_router_or_a_container_gateway() {
    let around = Surroundings {
        routers: vec![ip("192.168.1.1")],
        bridges: vec!["172.20.0.0/16".parse().expect("a prefix")],
        ..Surroundings::default()
    };
    let told = |queries: &[(&str, u32)]| {
        let mut house = House::new();
        house.around = around.clone();
        one_address(&mut house, queries)
    };
    let router = told(&[("192.168.1.1", 470), ("192.168.1.7", 30)]);
    assert!(router[0].contains("94% of all queries") && router[0].contains("your router"));
    for gateway in ["172.17.0.1", "10.88.0.1", "172.20.0.1"] {
        let container = told(&[(gateway, 500)]);
        assert!(container[0].contains("container network"), "{container:?}");
    }
    let none = [""; 0];
    assert_eq!(told(&[("192.168.1.7", 5_000)]), none, "a busy device, not the router");
    assert_eq!(told(&[("192.168.1.1", 300), ("192.168.1.7", 3)]), none, "too few to tell");
    assert_eq!(told(&[("192.168.1.1", 450), ("192.168.1.7", 50)]), none, "not more than 90%");
}

#[test]
fn a_name_that_cannot_be_typed_is_never_part_of_a_command() {
    let device = |name: &str| Device {
        id: DeviceId(7),
        key: name.into(),
        addresses: vec![ip("192.168.1.9")],
        ..Device::default()
    };
    assert_eq!(watch::handle(&device("tv")), "tv");
    assert_eq!(watch::handle(&device("Living-room TV")), "'Living-room TV'");
    for odd in ["$(reboot)", "-x", "a\u{202e}b", "a`b", ""] {
        assert_eq!(watch::handle(&device(odd)), "192.168.1.9", "{odd:?}");
    }
}

#[test]
fn texts_from_outside_are_bounded() {
    let house = House::new();
    let long = "x".repeat(100_000);
    let mut hostile = draft(&long, &[]);
    hostile.items = vec![format!("{long}\n{long}"); 500];
    (hostile.title, hostile.words) = (long.clone(), long);
    house.notices.raise(hostile);
    let notice = house.notices.list(false).swap_remove(0);
    assert!(notice.draft.text().len() < 50_000);
    house.notices.flush().expect("written");
    let again = Notices::open(house.state.clone(), house.clock.clone()).expect("notices");
    assert_eq!(again.list(false), [notice]);
}
