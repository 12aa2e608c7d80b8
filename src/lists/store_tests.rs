//! The store with real files and a real database: versions, guard, roll-back, faults of the disk.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use super::*;
use crate::model::{HashSeed, ListName};
use crate::rules::parse::Format;
use crate::storage::{Database, STATE_MIGRATIONS};

const SEED: HashSeed = HashSeed([3, 4]);
/// A moment, seconds since 1970.
const NOW: i64 = 1_700_000_000;
const DAY: i64 = 86_400;

struct House(tempfile::TempDir);

impl House {
    fn new() -> House {
        House(tempfile::tempdir().expect("a folder"))
    }

    fn open(&self) -> Store {
        let state = Database::open(&self.0.path().join("state.db"), STATE_MIGRATIONS);
        let state = Arc::new(state.expect("a database"));
        Store::open(self.kept(), state, SEED).expect("a store")
    }

    fn kept(&self) -> PathBuf {
        self.0.path().join("lists-kept")
    }

    fn copies(&self) -> usize {
        fs::read_dir(self.kept()).map_or(0, Iterator::count)
    }

    fn copy_of(&self, content: &[u8]) -> PathBuf {
        self.kept().join(format!("{}.gz", ContentHash::of(content)))
    }
}

fn name() -> ListName {
    ListName::parse("fetched").expect("a name")
}

fn fetched() -> OwnList {
    let url = Url::parse("https://example.org/list.txt").expect("an address");
    OwnList::new(name(), Source::Address { url, local: false })
}

fn names(range: std::ops::Range<u32>) -> Vec<u8> {
    range.flat_map(|n| format!("n{n}.example\n").into_bytes()).collect()
}

fn meta(etag: &str) -> Meta {
    Meta { etag: Some(etag.into()), ..Meta::default() }
}

fn offer(store: &Store, octets: &[u8]) -> Offered {
    store.offer(&fetched(), octets, Meta::default(), NOW).expect("it can be read")
}

fn in_force(store: &Store) -> Option<(Vec<u8>, u32)> {
    store.octets(&name()).ok()
}

fn held(store: &Store, octets: &[u8]) -> String {
    match offer(store, octets) {
        Offered::Held { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn content_comes_into_force_and_says_what_it_changed() {
    let house = House::new();
    let store = house.open();
    let first = offer(&store, &names(0..10));
    assert_eq!(first, Offered::InForce { version: 1, change: ListChange::default() });
    let Offered::InForce { version, change } = offer(&store, &names(1..12)) else {
        panic!("it is not held");
    };
    assert_eq!((version, change.added, change.removed), (2, 2, 1));
    assert_eq!(change.came, ["n10.example", "n11.example"]);
    assert_eq!(change.went, ["n0.example"]);
    assert_eq!(offer(&store, &names(1..12)), Offered::Unchanged);
    assert_eq!(in_force(&store), Some((names(1..12), 2)));
    assert_eq!(store.octets_of(&name(), 1), Ok(names(0..10)));
    assert!(store.octets_of(&name(), 9).is_err());
    drop(store);
    let again = house.open();
    assert_eq!(in_force(&again), Some((names(1..12), 2)));
    assert_eq!(again.in_force(&name()).map(|version| version.change), Some(change));
}

#[test]
fn packed_content_is_the_same_content() {
    let store = House::new().open();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&names(0..9)).expect("memory");
    let packed = encoder.finish().expect("memory");
    offer(&store, &names(0..9));
    assert_eq!(offer(&store, &packed), Offered::Unchanged);
}

#[test]
fn what_is_no_good_list_is_held_and_the_good_one_stays() {
    let house = House::new();
    let store = house.open();
    offer(&store, &names(0..8));
    let bad: [(&[u8], &str); 5] = [
        (b"", "it has no rule"),
        (b"<!doctype html><html>404</html>", "it is a web page"),
        (b"a.example\n\0", "it is binary"),
        (b"bad!\nworse!\nworst!\n", "over 90 %"),
        (b"a.example\n", "it has 1 names, and had 8"),
    ];
    for (octets, why) in bad {
        let told = held(&store, octets);
        assert!(told.starts_with(why), "{told}");
        assert_eq!(in_force(&store), Some((names(0..8), 1)), "{why}");
        let history = store.history(&name());
        assert_eq!(history.held().and_then(|held| held.why.clone()), Some(told.clone()));
        assert_eq!(history.attempts.last_error, Some(told));
    }
    assert_eq!(house.copies(), 2, "one version is held at a time");
    let cut = [0x1f, 0x8b, 8];
    let why = store.offer(&fetched(), &cut, Meta::default(), NOW).expect_err("it is cut");
    assert!(why.starts_with("it cannot be unpacked"), "{why}");
    assert_eq!(offer(&store, &names(0..8)), Offered::Unchanged, "a good one ends it");
    assert_eq!(store.history(&name()).held(), None);
    assert_eq!(house.copies(), 1);
}

#[test]
fn a_list_that_grows_past_the_limit_is_held() {
    let store = House::new().open();
    offer(&store, &names(0..100));
    assert!(held(&store, &names(0..100_101)).contains("it has grown to 100101 names"));
    assert!(matches!(offer(&store, &names(0..100_100)), Offered::InForce { version: 3, .. }));
}

#[test]
fn another_source_is_another_list_and_is_not_measured_by_the_old_one() {
    let store = House::new().open();
    store.offer(&fetched(), &names(0..100), meta("a"), NOW).expect("it can be read");
    let url = Url::parse("https://example.net/other.txt").expect("an address");
    let moved = OwnList { source: Source::Address { url, local: false }, ..fetched() };
    let [due] = &store.due(std::slice::from_ref(&moved), NOW)[..] else { panic!("it is due") };
    assert_eq!(due.etag, None, "what the other source said of its content says nothing of this");
    let offered = store.offer(&moved, &names(0..2), Meta::default(), NOW);
    assert!(matches!(offered, Ok(Offered::InForce { version: 2, .. })), "{offered:?}");
}

#[test]
fn a_held_version_can_be_accepted() {
    let house = House::new();
    let store = house.open();
    offer(&store, &names(0..100));
    assert!(store.accept(&name(), NOW).is_err_and(|why| why == "no version of it is held"));
    held(&store, &names(0..3));
    held(&store, &names(0..3));
    drop(store);
    let store = house.open();
    assert_eq!(store.accept(&name(), NOW), Ok(2));
    assert_eq!(in_force(&store), Some((names(0..3), 2)));
    assert_eq!(store.history(&name()).attempts.last_error, None);
    assert_eq!(offer(&store, &names(0..3)), Offered::Unchanged);
    held(&store, b"# nothing but this\n");
    assert_eq!(store.accept(&name(), NOW), Ok(3), "somebody means it to be empty");
    held(&store, b"<html>");
    let refused = store.accept(&name(), NOW).expect_err("no rules can be made of it");
    assert!(refused.contains("it is a web page"), "{refused}");
}

#[test]
fn a_held_list_comes_in_when_its_format_is_put_right() {
    let store = House::new().open();
    let hosts = b"0.0.0.0 a.example\n0.0.0.0 b.example\n";
    let wrong = OwnList { format: Format::Domains, ..fetched() };
    let offered = store.offer(&wrong, hosts, meta("a"), NOW);
    assert!(matches!(offered, Ok(Offered::Held { .. })), "{offered:?}");
    assert_eq!(store.due(&[wrong], NOW), []);
    let [due] = &store.due(&[fetched()], NOW)[..] else { panic!("it is read anew") };
    assert_eq!(due.etag, None);
    let offered = offer(&store, hosts);
    assert!(matches!(offered, Offered::InForce { version: 1, .. }), "{offered:?}");
}

#[test]
fn a_rolled_back_version_does_not_come_in_again_but_newer_content_does() {
    let house = House::new();
    let store = house.open();
    (0..3).for_each(|n| drop(offer(&store, &names(n..n + 10))));
    assert_eq!(store.rollback(&name(), Some(1), NOW), Ok(1));
    assert_eq!(in_force(&store), Some((names(0..10), 1)));
    drop(store);
    let store = house.open();
    assert_eq!(held(&store, &names(2..12)), "version 3 was rolled back to version 1");
    assert_eq!(in_force(&store), Some((names(0..10), 1)));
    assert!(matches!(offer(&store, &names(3..13)), Offered::InForce { version: 4, .. }));
    assert!(matches!(offer(&store, &names(2..12)), Offered::InForce { version: 5, .. }));
    assert!(store.rollback(&ListName::parse("other").expect("a name"), None, NOW).is_err());
}

#[test]
fn five_versions_back_are_kept_and_older_copies_deleted_unless_another_list_has_them() {
    let house = House::new();
    let store = house.open();
    let other = OwnList { name: ListName::parse("other").expect("a name"), ..fetched() };
    store.offer(&other, &names(0..10), Meta::default(), NOW).expect("it can be read");
    (0..8).for_each(|n| drop(offer(&store, &names(n..n + 10))));
    let kept = store.history(&name()).versions.iter().map(|v| v.number).collect::<Vec<_>>();
    assert_eq!(kept, [3, 4, 5, 6, 7, 8]);
    assert!(!house.copy_of(&names(1..11)).exists());
    assert!(house.copy_of(&names(0..10)).exists(), "the other list has it in force");
    assert_eq!(house.copies(), 7);
}

#[test]
fn lists_are_due_at_their_time_with_what_the_last_answer_said() {
    let store = House::new().open();
    let every = OwnList { every: Some(7_200), ..fetched() };
    let file = OwnList::new(name(), Source::File("a.txt".into()));
    assert_eq!(store.due(&[file], NOW), []);
    let due = |now| store.due(std::slice::from_ref(&every), now).pop();
    assert_eq!(
        due(NOW).map(|due| (due.address.to_string(), due.etag, due.local)),
        Some(("https://example.org/list.txt".into(), None, false))
    );
    store.offer(&every, &names(0..9), meta("\"x\""), NOW).expect("it can be read");
    assert_eq!(due(NOW + 60), None);
    assert_eq!(due(NOW + 9_000).and_then(|due| due.etag).as_deref(), Some("\"x\""));
    store.unchanged(&every, NOW + 9_000);
    assert_eq!(due(NOW + 9_060), None);
    assert!(due(NOW - 400 * DAY).is_some(), "the wall clock was wrong then, or is now");
}

#[test]
fn last_attempt_and_last_success_are_two_times() {
    let store = House::new().open();
    let times = || {
        let attempts = store.history(&name()).attempts;
        (attempts.last_attempt, attempts.last_success, attempts.failures)
    };
    offer(&store, &names(0..9));
    store.failed(&fetched(), "no route", NOW + 100);
    store.failed(&fetched(), "no route", NOW + 200);
    assert_eq!(times(), (Some(NOW + 200), Some(NOW), 2));
    let history = store.history(&name());
    assert_eq!(history.attempts.last_error.as_deref(), Some("no route"));
    assert!(history.attempts.next_due.is_some_and(|due| due < NOW + 200 + DAY));
    store.unchanged(&fetched(), NOW + 300);
    assert_eq!(times(), (Some(NOW + 300), Some(NOW + 300), 0));
    held(&store, b"<html>");
    store.unchanged(&fetched(), NOW + 400);
    let attempts = store.history(&name()).attempts;
    assert_eq!(attempts.last_success, Some(NOW + 300), "what came last is held");
    assert_eq!(attempts.last_error.as_deref(), Some("it is a web page, not a list"));
}

#[test]
fn a_lost_copy_gives_way_to_the_version_before_and_is_fetched_whole() {
    let house = House::new();
    let store = house.open();
    for n in 0..2 {
        store.offer(&fetched(), &names(n..n + 10), meta("x"), NOW).expect("it can be read");
    }
    drop(store);
    fs::remove_file(house.copy_of(&names(1..11))).expect("removed");
    let store = house.open();
    assert_eq!(in_force(&store), Some((names(0..10), 1)));
    let [due] = &store.due(&[fetched()], NOW)[..] else { panic!("it is due") };
    assert_eq!(due.etag, None);
}

#[test]
fn a_damaged_copy_is_not_put_in_force_by_a_roll_back() {
    let house = House::new();
    let store = house.open();
    (0..2).for_each(|n| drop(offer(&store, &names(n..n + 10))));
    fs::write(house.copy_of(&names(0..10)), b"rubbish").expect("written");
    let refused = store.rollback(&name(), None, NOW).expect_err("it is damaged");
    assert!(refused.starts_with("version 1 cannot be put in force: its copy"), "{refused}");
    assert_eq!(in_force(&store), Some((names(1..11), 2)));
}

#[test]
fn copies_of_a_step_that_was_cut_off_are_swept() {
    let house = House::new();
    offer(&house.open(), &names(0..9));
    // What a kill leaves: a copy whose version was not written down, one half written.
    let orphan = house.copy_of(b"orphan");
    fs::write(&orphan, b"half").expect("written");
    fs::write(orphan.with_extension("unfinished"), b"half").expect("written");
    let store = house.open();
    assert_eq!(house.copies(), 1);
    assert_eq!(in_force(&store), Some((names(0..9), 1)));
}

#[test]
fn where_nothing_can_be_written_lists_live_in_memory_and_a_notice_tells() {
    let house = House::new();
    let store = house.open();
    fs::write(house.kept(), b"a file where the folder should be").expect("written");
    assert!(matches!(offer(&store, &names(0..9)), Offered::InForce { .. }));
    assert_eq!(in_force(&store), Some((names(0..9), 1)));
    let notices = store.notices();
    assert!(notices[0].starts_with("copies of lists are kept in memory only"), "{notices:?}");
    fs::remove_file(house.kept()).expect("removed");
    offer(&store, &names(1..10));
    assert_eq!(store.notices(), [""; 0], "it ends with the fault");
    assert_eq!(house.copies(), 2);
}

#[test]
fn a_database_that_cannot_be_written_costs_no_list() {
    let house = House::new();
    offer(&house.open(), &names(0..9));
    let file = house.0.path().join("state.db");
    let state = Arc::new(Database::open_reader(&file).expect("a reader"));
    let store = Store::open(house.kept(), state, SEED).expect("a store");
    assert!(matches!(offer(&store, &names(1..12)), Offered::InForce { version: 2, .. }));
    assert_eq!(in_force(&store), Some((names(1..12), 2)));
    let notices = store.notices();
    assert!(notices[0].starts_with("versions of lists are kept in memory only"), "{notices:?}");
    drop(store);
    assert_eq!(in_force(&house.open()), Some((names(0..9), 1)), "its copy was not deleted");
    assert_eq!(
        fs::metadata(file).expect("a file").permissions(),
        Permissions::from_mode(0o100_600)
    );
}

#[test]
fn lists_that_no_policy_names_are_forgotten_after_a_while() {
    let house = House::new();
    let store = house.open();
    offer(&store, &names(0..9));
    store.tidy(&[], NOW + 29 * DAY);
    store.tidy(&[fetched()], NOW + 400 * DAY);
    assert!(in_force(&store).is_some());
    store.tidy(&[], NOW + 31 * DAY);
    assert!(in_force(&store).is_none() && store.states().is_empty());
    assert_eq!(house.copies(), 0);
    assert!(house.open().states().is_empty());
}
