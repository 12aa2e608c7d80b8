//! Lists loaded together: order, reports, what is in force.

use super::*;
use crate::catalogue::Essential;
use crate::model::{DomainName, NameHashes};
use crate::rules::Answer;

const SEED: HashSeed = HashSeed([5, 6]);

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file is written");
        }
        Folder(folder)
    }

    fn load(&self, shipped: Vec<ShippedList>, files: &[FileList]) -> Loading {
        let root = self.0.path();
        let folders = Files::new(root.into(), root.join("lists-good"));
        let essential = Essential {
            name: name("captive.apple.com"),
            subtree: true,
            purpose: "captive-portal".into(),
            line: 1,
        };
        let guard = Guard::new(&[essential]);
        let mut loading = Loading::new(shipped.len() + files.len(), SEED).expect("few lists");
        shipped.into_iter().for_each(|list| loading.add_shipped(list).expect("few lists"));
        files.iter().for_each(|list| loading.add_file(list, &folders, &guard).expect("few lists"));
        loading
    }
}

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn list_name(text: &str) -> ListName {
    ListName::parse(text).expect("a list name")
}

fn file(name: &str, file: &str) -> FileList {
    FileList {
        name: list_name(name),
        file: file.into(),
        kind: ListKind::Other,
        format: Format::Auto,
        cover_subdomains: false,
    }
}

fn shipped(name: &str, part: bool, patterns: &[Pattern]) -> ShippedList {
    let rule = |(line, pattern): (u32, &Pattern)| {
        Rule::plain(pattern.clone(), Effect::Block(Answer::Policy), line)
    };
    let rules = (1..).zip(patterns).map(rule).collect();
    ShippedList { name: list_name(name), kind: ListKind::Tracking, part, rules }
}

fn found(ruleset: &Ruleset, text: &str) -> Vec<u8> {
    let name = name(text);
    let hashes = NameHashes::of(name.as_ref(), SEED);
    ruleset.find(name.as_ref(), &hashes).lists().iter().map(|list| list.0).collect()
}

#[test]
fn shipped_lists_come_first_and_parts_are_not_shown() {
    let tracker = Pattern::Subtree(name("tracker.example"));
    let shipped = vec![
        shipped("trackers", true, std::slice::from_ref(&tracker)),
        shipped("trackers", false, &[tracker, Pattern::Exact(name("x.example"))]),
    ];
    let folder = Folder::with(&[("a.txt", "x.example\n")]);
    let loading = folder.load(shipped, &[file("mine", "a.txt")]);
    let told: Vec<_> =
        loading.reports.iter().map(|r| (r.name.as_str(), r.source.as_str(), r.rules)).collect();
    assert_eq!(told, [("trackers", "shipped", 2), ("mine", "a.txt", 1)]);
    let ruleset = loading.compiler.finish();
    assert_eq!(found(&ruleset, "a.tracker.example"), [0, 1]);
    assert_eq!(found(&ruleset, "x.example"), [1, 2]);
    let shown: Vec<_> = ruleset.lists().iter().map(|info| (info.shipped, info.part)).collect();
    assert_eq!(shown, [(true, true), (true, false), (false, false)]);
}

#[test]
fn plain_names_cover_what_is_below_only_where_the_list_says_so() {
    let folder = Folder::with(&[("a.txt", "x.example\n")]);
    let wide = FileList { cover_subdomains: true, ..file("wide", "a.txt") };
    let ruleset = folder.load(Vec::new(), &[file("narrow", "a.txt"), wide]).compiler.finish();
    assert_eq!(found(&ruleset, "x.example"), [0, 1]);
    assert_eq!(found(&ruleset, "a.x.example"), [1]);
}

#[test]
fn rules_that_no_list_may_have_are_skipped_and_the_list_is_taken_in() {
    let text = "x.example\nco.uk\ncaptive.apple.com\napple.com\nbad!name\ndeadpixel.internal\n";
    let folder = Folder::with(&[("a.txt", text)]);
    let wide = FileList { cover_subdomains: true, ..file("wide", "a.txt") };
    let loading = folder.load(Vec::new(), &[file("narrow", "a.txt"), wide]);
    let skipped = |report: &ListReport| report.skipped.iter().map(|s| s.line).collect::<Vec<_>>();
    let [narrow, wide] = &loading.reports[..] else { panic!("two reports") };
    assert_eq!((narrow.rules, skipped(narrow)), (2, vec![2, 3, 6]));
    assert_eq!((wide.rules, skipped(wide)), (1, vec![2, 3, 4, 6]));
    assert_eq!((narrow.refused, narrow.samples[0].line, &narrow.held), (1, 5, &None));
    let ruleset = loading.compiler.finish();
    assert!(found(&ruleset, "captive.apple.com").is_empty());
    assert!(found(&ruleset, "deadpixel.internal").is_empty());
    assert_eq!(found(&ruleset, "apple.com"), [0]);
}

#[test]
fn one_bad_list_spoils_no_other() {
    let folder = Folder::with(&[("a.txt", "<html>"), ("b.txt", "x.example\n")]);
    let loading = folder.load(Vec::new(), &[file("bad", "a.txt"), file("good", "b.txt")]);
    assert!(loading.reports[0].held.as_ref().is_some_and(|held| held.contains("web page")));
    assert_eq!(loading.reports[1].held, None);
    assert_eq!(found(&loading.compiler.finish(), "x.example"), [1]);
}

#[test]
fn an_expression_that_does_not_compile_is_reported() {
    let patterns = [Pattern::regex("("), Pattern::regex("^log")];
    let loading = Folder::with(&[]).load(vec![shipped("trackers", false, &patterns)], &[]);
    let report = &loading.reports[0];
    assert_eq!((report.rules, report.refused, report.samples[0].text.as_str()), (1, 1, "("));
    assert_eq!(found(&loading.compiler.finish(), "log.example"), [0]);
}

#[test]
fn more_lists_than_fit_are_refused_with_their_number() {
    let refused = Loading::new(MAX_LISTS + 44, SEED).err().unwrap_or_default();
    assert!(refused.starts_with("300 lists are in force; at most 256 can be"), "{refused}");
}
