//! Lists loaded together: order, reports, what is in force, compiled lists of the last time.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::catalogue::Essential;
use crate::model::{DomainName, HashSeed, ListKind, ListName, MAX_LISTS, NameHashes};
use crate::rules::parse::Format;
use crate::rules::{Answer, Effect, Pattern, Rule, Ruleset, test_data};
use crate::storage::{Database, STATE_MIGRATIONS};

const SEED: HashSeed = HashSeed([5, 6]);
/// A moment, seconds since 1970.
const NOW: i64 = 1_700_000_000;

/// A data folder over which the loader can be opened again and again.
struct House(tempfile::TempDir);

impl House {
    fn with(files: &[(&str, &str)]) -> House {
        let house = House(tempfile::tempdir().expect("a folder"));
        fs::create_dir(house.path("lists")).expect("a folder");
        files.iter().for_each(|(name, text)| house.write(name, text.as_bytes()));
        house
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside)
    }

    fn write(&self, file: &str, octets: &[u8]) {
        fs::write(self.path("lists").join(file), octets).expect("a file is written");
    }

    fn open(&self) -> Lists {
        let state = Database::open(&self.path("state.db"), STATE_MIGRATIONS);
        let state = Arc::new(state.expect("a database"));
        Lists::open(&Settings::default(), self.0.path(), state, SEED).expect("a loader")
    }

    fn load(&self, own: &[OwnList]) -> Loaded {
        load(&self.open(), own)
    }

    fn compiled(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("compiled"));
        entries.map(|all| all.flatten().map(|e| e.path()).collect()).unwrap_or_default()
    }
}

fn load(lists: &Lists, own: &[OwnList]) -> Loaded {
    lists.load(&lists.catalogue(), own, NOW).unwrap_or_else(|error| panic!("{error}"))
}

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn file(name: &str, file: &str) -> OwnList {
    let name = ListName::parse(name).expect("a list name");
    OwnList { kind: ListKind::Other, ..OwnList::new(name, Source::File(file.into())) }
}

fn shipped(name: &str, part: bool, patterns: &[Pattern]) -> ShippedList {
    let rule = |(line, pattern): (u32, &Pattern)| {
        Rule::plain(pattern.clone(), Effect::Block(Answer::Policy), line)
    };
    let rules = (1..).zip(patterns).map(rule).collect();
    let name = ListName::parse(name).expect("a list name");
    ShippedList { name, kind: ListKind::Tracking, part, rules }
}

fn guard() -> Guard {
    let essential = Essential {
        name: name("captive.apple.com"),
        subtree: true,
        purpose: "captive-portal".into(),
        line: 1,
    };
    Guard::new(&[essential], &[name("our-machine")])
}

/// Loads lists without the shipped ones, from texts.
fn loaded(own: &[(OwnList, &str)]) -> (Ruleset, Vec<ListReport>) {
    let guard = guard();
    let mut loading = Loading::new(&guard, SEED);
    for (list, text) in own {
        loading.add_own(list, Some(text.as_bytes())).expect("few lists");
    }
    loading.finish()
}

fn found(ruleset: &Ruleset, text: &str) -> Vec<u8> {
    let name = name(text);
    let hashes = NameHashes::of(name.as_ref(), SEED);
    ruleset.find(name.as_ref(), &hashes).lists().iter().map(|list| list.0).collect()
}

/// Returns the owner's lists that name a name.
fn own_found(loaded: &Loaded, text: &str) -> Vec<String> {
    let lists = found(&loaded.ruleset, text);
    let infos = lists.iter().filter_map(|&list| loaded.ruleset.lists().get(usize::from(list)));
    infos.filter(|info| !info.shipped).map(|info| info.name.to_string()).collect()
}

fn report<'l>(loaded: &'l Loaded, list: &str) -> &'l ListReport {
    loaded.reports.iter().find(|report| report.name.as_str() == list).expect("a report")
}

#[test]
fn shipped_lists_come_first_and_parts_are_not_shown() {
    let tracker = Pattern::Subtree(name("tracker.example"));
    let guard = guard();
    let mut loading = Loading::new(&guard, SEED);
    for list in [
        shipped("trackers", true, std::slice::from_ref(&tracker)),
        shipped("trackers", false, &[tracker, Pattern::Exact(name("x.example"))]),
    ] {
        loading.add_shipped(list).expect("few lists");
    }
    loading.add_own(&file("mine", "a.txt"), Some(b"x.example\n")).expect("few lists");
    let (ruleset, reports) = loading.finish();
    let told: Vec<_> =
        reports.iter().map(|r| (r.name.as_str(), r.source.as_str(), r.rules)).collect();
    assert_eq!(told, [("trackers", "shipped", 2), ("mine", "a.txt", 1)]);
    assert_eq!(found(&ruleset, "a.tracker.example"), [0, 1]);
    assert_eq!(found(&ruleset, "x.example"), [1, 2]);
    let shown: Vec<_> = ruleset.lists().iter().map(|info| (info.shipped, info.part)).collect();
    assert_eq!(shown, [(true, true), (true, false), (false, false)]);
}

#[test]
fn plain_names_cover_what_is_below_only_where_the_list_says_so() {
    let wide = OwnList { cover_subdomains: true, ..file("wide", "a.txt") };
    let text = "x.example\n";
    let (ruleset, _) = loaded(&[(file("narrow", "a.txt"), text), (wide, text)]);
    assert_eq!(found(&ruleset, "x.example"), [0, 1]);
    assert_eq!(found(&ruleset, "a.x.example"), [1]);
}

#[test]
fn rules_that_no_list_may_have_are_skipped_and_the_list_is_taken_in() {
    let text = "x.example\nco.uk\ncaptive.apple.com\napple.com\nbad!name\ndeadpixel.internal\nour-machine\n";
    let covering = OwnList { cover_subdomains: true, ..file("covering", "a.txt") };
    let (ruleset, reports) = loaded(&[(file("narrow", "a.txt"), text), (covering, text)]);
    let skipped = |report: &ListReport| report.skipped.iter().map(|s| s.line).collect::<Vec<_>>();
    let [narrow, covering] = &reports[..] else { panic!("two reports") };
    assert_eq!((narrow.rules, skipped(narrow)), (2, vec![2, 3, 6, 7]));
    assert_eq!((covering.rules, skipped(covering)), (1, vec![2, 3, 4, 6, 7]));
    assert_eq!((narrow.refused, narrow.samples[0].line, &narrow.held), (1, 5, &None));
    assert!(found(&ruleset, "captive.apple.com").is_empty());
    assert!(found(&ruleset, "deadpixel.internal").is_empty());
    assert_eq!(found(&ruleset, "apple.com"), [0]);
}

#[test]
fn switches_of_a_list_reach_the_ruleset() {
    let list = OwnList { trusted: true, allowlist: true, ..file("mine", "a.txt") };
    let (ruleset, _) = loaded(&[(list, "0.0.0.0 x.example\n")]);
    let info = &ruleset.lists()[0];
    assert!(info.trusted && info.allowlist && !info.shipped);
    assert_eq!(info.format, Format::Hosts);
}

#[test]
fn a_report_tells_rules_duplicates_format_and_title() {
    let text = "# Title: My list\n0.0.0.0 a.example\n0.0.0.0 a.example b.example\n\
                127.0.0.1 localhost\nbad!\n";
    let (_, reports) = loaded(&[(file("mine", "a.txt"), text)]);
    let told = &reports[0];
    assert_eq!((told.unique, told.refused, told.boilerplate), (2, 1, 1));
    assert_eq!(told.format, Format::Hosts);
}

#[test]
fn one_bad_list_spoils_no_other() {
    let house = House::with(&[("a.txt", "<html>"), ("b.txt", "x.example\n")]);
    let loaded = house.load(&[file("bad", "a.txt"), file("good", "b.txt"), file("gone", "c.txt")]);
    let held = |list: &str| report(&loaded, list).held.clone().unwrap_or_default();
    assert_eq!(held("bad"), "it is a web page, not a list; nothing of it is in force");
    assert!(held("gone").starts_with("there is no file c.txt"), "{}", held("gone"));
    assert_eq!((held("good"), report(&loaded, "good").version), (String::new(), Some(1)));
    assert_eq!(own_found(&loaded, "x.example"), ["good"]);
}

#[test]
fn a_file_that_is_not_good_leaves_its_last_good_version_in_force() {
    let house =
        House::with(&[("a.txt", "a.example\nb.example\nc.example\nd.example\ne.example\n")]);
    let own = [file("mine", "a.txt")];
    house.load(&own);
    house.write("a.txt", b"a.example\n");
    let loaded = house.load(&own);
    assert_eq!(
        report(&loaded, "mine").held.as_deref(),
        Some(
            "it has 1 names, and had 5; version 1 is in force; \
             `deadpixel lists accept mine` lets it in"
        )
    );
    assert_eq!(own_found(&loaded, "e.example"), ["mine"]);
    let lists = house.open();
    lists.store().accept(&own[0].name, NOW).expect("it is held");
    let loaded = load(&lists, &own);
    assert_eq!(
        (own_found(&loaded, "e.example").len(), report(&loaded, "mine").version),
        (0, Some(2))
    );
    lists.store().rollback(&own[0].name, None, NOW).expect("one before");
    let loaded = load(&lists, &own);
    let held = report(&loaded, "mine").held.clone().unwrap_or_default();
    assert!(
        held.starts_with("version 2 was rolled back to version 1; version 1 is in force"),
        "{held}"
    );
    assert_eq!(own_found(&loaded, "e.example"), ["mine"]);
}

#[test]
fn a_format_set_wrong_leaves_the_list_in_force() {
    let house = House::with(&[("a.txt", "0.0.0.0 a.example\n0.0.0.0 b.example\n")]);
    house.load(&[file("mine", "a.txt")]);
    let wrong = OwnList { format: Format::Domains, ..file("mine", "a.txt") };
    let loaded = house.load(&[wrong]);
    assert_eq!(own_found(&loaded, "b.example"), ["mine"]);
    let held = report(&loaded, "mine").held.as_deref().unwrap_or_default();
    assert!(held.starts_with("over 90 %"), "{held}");
}

#[test]
fn a_list_with_an_address_starts_from_its_copy() {
    let house = House::with(&[]);
    let url = url::Url::parse("https://example.org/l.txt").expect("an address");
    let list = OwnList { source: Source::Address { url, local: false }, ..file("net", "") };
    let lists = house.open();
    let loaded = load(&lists, std::slice::from_ref(&list));
    let told = report(&loaded, "net");
    assert_eq!((told.rules, told.version, &told.held), (0, None, &None));
    lists.store().offer(&list, b"x.example\n", Meta::default(), NOW).expect("it can be read");
    assert_eq!(own_found(&load(&lists, std::slice::from_ref(&list)), "x.example"), ["net"]);
    drop(lists);
    let loaded = house.load(&[list]);
    assert_eq!(own_found(&loaded, "x.example"), ["net"]);
    assert_eq!(report(&loaded, "net").source, "https://example.org/l.txt");
}

#[test]
fn a_damaged_copy_gives_way_to_the_file_or_to_the_version_before() {
    let house = House::with(&[("a.txt", "a.example\n")]);
    let url = url::Url::parse("https://example.org/l.txt").expect("an address");
    let net = OwnList { source: Source::Address { url, local: false }, ..file("net", "") };
    let own = [file("mine", "a.txt"), net.clone()];
    let lists = house.open();
    for text in ["old.example\n", "new.example\n"] {
        lists.store().offer(&net, text.as_bytes(), Meta::default(), NOW).expect("it can be read");
    }
    load(&lists, &own);
    fs::remove_dir_all(house.path("compiled")).expect("removed");
    for content in ["a.example\n", "new.example\n"] {
        let copy = format!("lists-kept/{}.gz", ContentHash::of(content.as_bytes()));
        fs::write(house.path(&copy), b"rubbish").expect("written");
    }
    let loaded = load(&lists, &own);
    assert_eq!(own_found(&loaded, "a.example"), ["mine"], "the file is there");
    assert_eq!(own_found(&loaded, "old.example"), ["net"]);
    let told: Vec<_> = loaded.notices.iter().filter(|n| n.contains("copy")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(own_found(&house.load(&own), "old.example"), ["net"]);
}

#[test]
fn an_expression_that_does_not_compile_is_reported() {
    let patterns = [Pattern::regex("("), Pattern::regex("^log")];
    let guard = guard();
    let mut loading = Loading::new(&guard, SEED);
    loading.add_shipped(shipped("trackers", false, &patterns)).expect("few lists");
    let (ruleset, reports) = loading.finish();
    let report = &reports[0];
    assert_eq!((report.rules, report.refused, report.samples[0].text.as_str()), (1, 1, "("));
    assert_eq!(found(&ruleset, "log.example"), [0]);
}

#[test]
fn more_lists_than_fit_are_refused_with_their_number() {
    let house = House::with(&[]);
    let lists = house.open();
    let own: Vec<OwnList> = (0..MAX_LISTS).map(|n| file(&format!("l{n}"), "a.txt")).collect();
    let refused = lists.load(&lists.catalogue(), &own, NOW).err().unwrap_or_default();
    assert!(refused.ends_with("lists are in force; at most 256 can be: disable some"), "{refused}");
}

#[test]
fn a_restart_takes_the_compiled_lists_of_before_with_equal_reports() {
    let text = "x.example\nco.uk\nbad!\nx.example\n";
    let house = House::with(&[("a.txt", text)]);
    let own = [file("mine", "a.txt")];
    let first = house.load(&own);
    let [artefact] = &house.compiled()[..] else { panic!("one file: {:?}", house.compiled()) };
    let written = fs::read(artefact).expect("read");
    // No copy can be read, so nothing can be parsed.
    let copy = format!("lists-kept/{}.gz", ContentHash::of(text.as_bytes()));
    fs::write(house.path(&copy), b"rubbish").expect("written");
    let lists = house.open();
    let again = load(&lists, &own);
    assert!(again.reports == first.reports, "{:?}", again.reports.last());
    assert_eq!(again.notices, [""; 0]);
    assert_eq!(own_found(&again, "x.example"), ["mine"]);
    assert_eq!(fs::read(artefact).expect("read"), written);
}

#[test]
fn a_damaged_older_or_foreign_artefact_is_made_anew() {
    let house = House::with(&[("a.txt", "x.example\n")]);
    let own = [file("mine", "a.txt")];
    let first = house.load(&own);
    let path = house.compiled().pop().expect("a file");
    let whole = fs::read(&path).expect("read");
    let foreign = {
        let other = House::with(&[("a.txt", "y.example\n")]);
        other.load(&own);
        fs::read(other.compiled().pop().expect("a file")).expect("read")
    };
    let mut bodies = vec![Vec::new(), whole[..whole.len() / 2].to_vec(), foreign];
    for place in (0..whole.len()).step_by(whole.len() / 7 + 1) {
        let mut changed = whole.clone();
        changed[place] ^= 0x04;
        bodies.push(changed);
    }
    for body in bodies {
        fs::write(&path, &body).expect("written");
        let again = house.load(&own);
        assert!(again.reports == first.reports, "{:?}", again.reports.last());
        assert_eq!(own_found(&again, "x.example"), ["mine"]);
        assert!(fs::read(&path).expect("read") == whole, "it is written anew, octet for octet");
    }
}

#[test]
fn another_file_or_switch_makes_another_artefact_and_the_old_one_goes() {
    let house = House::with(&[("a.txt", "x.example\n")]);
    let mut seen = Vec::new();
    let mut made_anew = |own: &[OwnList]| {
        let loaded = house.load(own);
        let files = house.compiled();
        assert_eq!(files.len(), 1);
        let fresh = !seen.contains(&files[0]);
        seen.extend(files);
        (fresh, loaded)
    };
    let plain = file("mine", "a.txt");
    assert!(made_anew(&[]).0 && made_anew(std::slice::from_ref(&plain)).0);
    assert!(!made_anew(std::slice::from_ref(&plain)).0);
    for changed in [
        OwnList { allowlist: true, ..plain.clone() },
        OwnList { trusted: true, ..plain.clone() },
        OwnList { wide: true, ..plain.clone() },
        OwnList { cover_subdomains: true, ..plain.clone() },
        OwnList { kind: ListKind::Tracking, ..plain.clone() },
    ] {
        assert!(made_anew(&[changed]).0);
    }
    house.write("a.txt", b"y.example\n");
    let (fresh, loaded) = made_anew(&[plain]);
    assert!(fresh);
    assert_eq!(own_found(&loaded, "y.example"), ["mine"]);
    assert!(own_found(&loaded, "x.example").is_empty());
}

#[test]
fn where_compiled_lists_cannot_be_written_they_live_in_memory_and_a_notice_tells() {
    let house = House::with(&[("a.txt", "x.example\n")]);
    fs::write(house.path("compiled"), b"a file where the folder should be").expect("written");
    let loaded = house.load(&[file("mine", "a.txt")]);
    assert_eq!(own_found(&loaded, "x.example"), ["mine"]);
    let told = &loaded.notices;
    assert!(told.iter().any(|n| n.starts_with("compiled lists are in memory only")), "{told:?}");
}

#[test]
fn real_lists_are_taken_in_with_few_rules_skipped() {
    /// Larger ones take long without optimisation; the readers' own tests have them.
    const LARGE: usize = 1 << 20;
    let Some(readme) = test_data::readme() else { return println!("skipped: no lists at hand") };
    let (_, table) = readme.split_once("## lists/").expect("the table of lists");
    let table = table.split("## ").next().unwrap_or(table);
    let files = table.lines().filter_map(|line| Some(line.strip_prefix("| ")?.split_once(' ')?.0));
    // What is no list, and what only its size is for.
    let others = ["file", "disconnect-entities-2026.json.gz", "made-dirty.expect.json.gz"];
    let files = files.filter(|file| !others.contains(file));
    let guard = guard();
    let mut loading = Loading::new(&guard, SEED);
    for real in files {
        let octets = test_data::list(real).filter(|octets| octets.len() < LARGE);
        let Some(octets) = octets else { continue };
        let name = real.split(".txt").next().unwrap_or(real).replace(['.', '_'], "-");
        loading.add_own(&file(&name, real), Some(&octets)).expect("fewer than 256 lists");
        let told = loading.last_report();
        assert_eq!(told.held, None, "{real}");
        let skipped: Vec<_> = told.skipped.iter().map(|skipped| &*skipped.text).collect();
        let few = 10 + told.rules as usize / 100;
        assert!(told.rules > 0 && skipped.len() < few, "{real}: {skipped:?}");
    }
}
