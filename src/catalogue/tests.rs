//! What the shipped tables must hold, and what `find` answers from them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;

use regex::Regex;

use super::*;
use crate::model::NameHashes;

const SEED: HashSeed = HashSeed([7, 11]);
const README: &str = include_str!("../../blocklists/README.md");
const NOTICE: &str = include_str!("../../blocklists/NOTICE");

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn find<'c>(catalogue: &'c Catalogue, text: &str) -> Option<(&'c str, &'c Row)> {
    let name = name(text);
    let row = catalogue.find(name.as_ref(), &NameHashes::of(name.as_ref(), SEED))?;
    Some((&catalogue.companies()[usize::from(row.company.0)].slug, row))
}

fn said(catalogue: &Catalogue, text: &str) -> Option<(String, Tier, Proposal)> {
    find(catalogue, text).map(|(company, row)| (company.to_string(), row.tier, row.proposal))
}

/// Lines of a shipped table as maps from column to value.
fn table(text: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let header: Vec<&str> = lines.next().expect("a header").split('\t').collect();
    lines.map(|line| header.iter().copied().zip(line.split('\t')).collect()).collect()
}

#[test]
fn shipped_tables_are_read_without_a_problem() {
    let catalogue = Catalogue::shipped(SEED);
    let compiled_in = Texts::shipped();
    for text in compiled_in.all() {
        let edition = format!("# edition: {}", catalogue.edition());
        assert_eq!(text.text.lines().next(), Some(&*edition), "{}", text.file);
    }
    assert_eq!(catalogue.rows().filter(|(n, _)| matches!(n, RowName::Pattern(_))).count(), 25);
}

#[test]
fn shipped_names_are_written_as_they_are_compared_and_sorted() {
    let texts = Texts::shipped();
    let keyed = [
        (&texts.companies, ["slug", "slug"]),
        (&texts.names, ["company", "name"]),
        (&texts.patterns, ["company", "regex"]),
        (&texts.aliases, ["company", "suffix"]),
        (&texts.encrypted_dns, ["operator", "host"]),
        (&texts.essential, ["purpose", "name"]),
    ];
    for (text, [group, key]) in keyed {
        let rows = table(&text.text);
        let keys: Vec<_> = rows.iter().map(|row| (row[group], row[key])).collect();
        assert!(keys.is_sorted(), "{} is not sorted", text.file);
        let unique: HashSet<_> = rows.iter().map(|row| row[key]).collect();
        assert_eq!(unique.len(), rows.len(), "{} has a name twice", text.file);
        for row in rows.iter().filter(|_| ["name", "suffix", "host"].contains(&key)) {
            assert_eq!(name(row[key]).to_string(), row[key], "{}", text.file);
        }
    }
}

#[test]
fn every_company_is_there_for_a_row() {
    let catalogue = Catalogue::shipped(SEED);
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    for (_, row) in catalogue.rows() {
        let mut company = catalogue.companies().get(usize::from(row.company.0));
        while let Some(known) = company.filter(|known| needed.insert(&known.slug)) {
            let above = known.parent.as_deref().and_then(|slug| catalogue.company(slug));
            company = above.map(|id| &catalogue.companies()[usize::from(id.0)]);
        }
    }
    let listed: BTreeSet<&str> = catalogue.companies().iter().map(|c| c.slug.as_str()).collect();
    assert_eq!(needed, listed);
}

#[test]
fn default_and_strict_rows_spare_what_is_essential() {
    let catalogue = Catalogue::shipped(SEED);
    for essential in catalogue.essential() {
        let found = find(&catalogue, &essential.name.to_string()).map(|(_, row)| row.proposal);
        assert!(
            !matches!(found, Some(Proposal::Default | Proposal::Strict)),
            "{} {found:?}",
            essential.name
        );
    }
    for (host, _) in catalogue.encrypted_dns() {
        let never = find(&catalogue, &host.to_string())
            .is_some_and(|(_, row)| row.proposal == Proposal::Never);
        let own = catalogue.rows().any(|(n, _)| *n == RowName::Domain(host.clone()));
        assert!(!(never && own), "{host} is a resolver and never to be blocked");
    }
}

#[test]
fn an_equal_row_beats_a_pattern_and_a_pattern_beats_a_parent() {
    let catalogue = Catalogue::shipped(SEED);
    let row = |company: &str, tier, proposal| Some((company.to_string(), tier, proposal));
    let pixel = row("tiktok", Tier::Pixel, Proposal::Default);
    assert_eq!(said(&catalogue, "analytics.tiktok.com"), pixel);
    assert_eq!(said(&catalogue, "ANALYTICS99.tiktok.com"), pixel, "by pattern");
    assert_eq!(said(&catalogue, "a.b.analytics.tiktok.com"), pixel, "by its parent");
    let app = row("tiktok", Tier::App, Proposal::App);
    assert_eq!(said(&catalogue, "tiktok.com"), app);
    assert_eq!(said(&catalogue, "www.tiktok.com"), app);
    let logs = find(&catalogue, "log99-normal-xyz.tiktokv.com").expect("by pattern");
    assert_eq!((logs.0, logs.1.tier), ("bytedance", Tier::Telemetry));
    // `gecko-pangle-hl` matches a strict pattern and has a default row of its own.
    assert_eq!(
        said(&catalogue, "gecko-pangle-hl.snssdk.com"),
        row("bytedance", Tier::Ads, Proposal::Default)
    );
    assert_eq!(said(&catalogue, "xtiktok.com"), None);
    assert_eq!(said(&catalogue, "com"), None);
    assert!(
        catalogue
            .find(DomainName::root().as_ref(), &NameHashes::of(DomainName::root().as_ref(), SEED))
            .is_none()
    );
}

/// What `find` promises, said without an index: the key of the row that speaks.
fn naive<'c>(
    rows: &'c HashMap<String, &Row>,
    patterns: &'c [(Regex, &Row)],
    text: &str,
) -> Option<&'c Row> {
    if let Some(own) = rows.get(text) {
        return Some(own);
    }
    if let Some((_, row)) = patterns.iter().find(|(regex, _)| regex.is_match(text)) {
        return Some(row);
    }
    let parents = text.match_indices('.').filter_map(|(dot, _)| text.get(dot + 1..));
    let nearest = parents.filter_map(|parent| rows.get(parent)).next().copied();
    nearest.filter(|row| &*row.purpose != "hosting")
}

#[test]
fn find_agrees_with_its_naive_twin() {
    let catalogue = Catalogue::shipped(SEED);
    let mut domains = HashMap::new();
    let mut patterns = Vec::new();
    for (name, row) in catalogue.rows() {
        match name {
            RowName::Domain(name) => drop(domains.insert(name.to_string(), row)),
            RowName::Pattern(text) => patterns.push((Regex::new(text).expect("checked"), row)),
        }
    }
    let starts = ["", "www.", "log16-x.", "mcs-sg.", "a.b.", "mon.", "analytics", "log-mcs."];
    let below = domains.keys().flat_map(|name| starts.map(|start| format!("{start}{name}")));
    let parents =
        domains.keys().filter_map(|name| name.split_once('.')).map(|(_, n)| n.to_string());
    let mut found = 0;
    for text in below.chain(parents) {
        let spoke = find(&catalogue, &text).map(|(_, row)| row);
        found += usize::from(spoke.is_some());
        let (spoke, should) = (spoke.map(std::ptr::from_ref), naive(&domains, &patterns, &text));
        assert_eq!(spoke, should.map(std::ptr::from_ref), "{text}");
    }
    assert!(found > 20_000, "{found} names with a row");
}

#[test]
fn names_of_customers_are_not_charged_to_the_host() {
    let catalogue = Catalogue::shipped(SEED);
    assert_eq!(find(&catalogue, "github.io").map(|(company, _)| company), Some("github"));
    assert!(find(&catalogue, "someone.github.io").is_none());
    let tracker = find(&catalogue, "x.d1z2jf7jlzjs58.cloudfront.net");
    assert_eq!(tracker.map(|(company, _)| company), Some("automattic"));
}

#[test]
fn alias_targets_are_rows_and_give_way_to_names() {
    let catalogue = Catalogue::shipped(SEED);
    assert_eq!(find(&catalogue, "x.dnsdelegation.io").map(|(c, _)| c), Some("criteo"));
    assert_eq!(find(&catalogue, "t.edgetag.io").map(|(_, r)| r.proposal), Some(Proposal::Off));
    let (_, omtrdc) = find(&catalogue, "omtrdc.net").expect("a row of names.tsv");
    assert!(omtrdc.evidence.starts_with("company: "), "{}", omtrdc.evidence);
    let names: Vec<_> = catalogue.rows().map(|(name, _)| name).collect();
    let unique: HashSet<String> = names.iter().map(|name| format!("{name:?}")).collect();
    assert_eq!(unique.len(), names.len());
}

#[test]
fn rows_that_a_service_itself_needs_went_to_strict() {
    let catalogue = Catalogue::shipped(SEED);
    let moved = README.split("<!-- built: moved -->").nth(1).expect("the mark");
    let moved = moved.split("<!-- /built -->").next().expect("the mark");
    let names: Vec<&str> = moved.lines().filter_map(|line| line.split('`').nth(1)).collect();
    assert!(names.contains(&"sc-static.net"), "{names:?}");
    for name in names {
        let (_, row) = find(&catalogue, name).expect("a row");
        assert_eq!(row.proposal, Proposal::Strict, "{name}");
    }
}

#[test]
fn tiktok_is_banned_with_bytedance_and_linkedin_without_microsoft() {
    let catalogue = Catalogue::shipped(SEED);
    let banned = |slug| {
        let company = catalogue.company(slug).expect("a company");
        let all = catalogue.banned_with(company).into_iter();
        all.map(|id| catalogue.companies()[usize::from(id.0)].slug.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(banned("tiktok"), ["tiktok", "bytedance"]);
    assert_eq!(banned("bytedance"), ["bytedance", "tiktok"]);
    assert_eq!(banned("linkedin"), ["linkedin"]);
    assert!(banned("microsoft").contains(&"linkedin"));
}

#[test]
fn numbers_in_the_readme_are_those_of_the_tables() {
    let texts = Texts::shipped();
    let catalogue = Catalogue::shipped(SEED);
    let count = |text: &Text| table(&text.text).len();
    let level = |proposal| catalogue.rows().filter(|(_, row)| row.proposal == proposal).count();
    let owners: HashSet<CompanyId> = catalogue.rows().map(|(_, row)| row.company).collect();
    let known = count(&texts.names) + count(&texts.patterns);
    let right = [
        ("companies", count(&texts.companies)),
        ("companies with a name, pattern or alias target", owners.len()),
        ("names", count(&texts.names)),
        ("patterns", count(&texts.patterns)),
        ("alias targets", count(&texts.aliases)),
        ("alias targets that are not among the names", catalogue.rows().count() - known),
        ("rows of level default", level(Proposal::Default)),
        ("rows of level strict", level(Proposal::Strict)),
        ("rows of level off", level(Proposal::Off)),
        ("rows of level app", level(Proposal::App)),
        ("rows of level never", level(Proposal::Never)),
        ("resolvers of encrypted DNS", catalogue.encrypted_dns().len()),
        (
            "other names of encrypted DNS",
            count(&texts.encrypted_dns) - catalogue.encrypted_dns().len(),
        ),
        ("essential names", catalogue.essential().len()),
    ];
    let told = README.split("<!-- built: counts -->").nth(1).expect("the mark");
    let told = told.split("<!-- /built -->").next().expect("the mark");
    let told: Vec<(&str, usize)> = told
        .lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            Some((cells.next()?, cells.next()?.parse().ok()?))
        })
        .collect();
    assert_eq!(told, right);
}

#[test]
fn every_source_of_a_row_is_credited() {
    let credited: HashSet<&str> =
        NOTICE.lines().filter_map(|line| line.split("  ").next()).collect();
    let texts = Texts::shipped();
    for text in texts.all() {
        for row in table(&text.text) {
            let sources = row.iter().filter(|(column, _)| column.ends_with("sources"));
            let words = sources.flat_map(|(_, value)| value.split(','));
            for word in words.filter(|word| !word.is_empty() && *word != "unverified") {
                let word = word.split(':').next().unwrap_or(word);
                assert!(credited.contains(word), "{}: {word} is not in NOTICE", text.file);
            }
        }
    }
}

fn folder_with(change: impl Fn(&str, String) -> Option<String>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for text in Texts::shipped().all() {
        let file = text.file.trim_start_matches("blocklists/");
        if let Some(text) = change(file, text.text.to_string()) {
            fs::write(folder.path().join(file), text).expect("a file");
        }
    }
    folder
}

#[test]
fn a_folder_takes_the_place_of_the_shipped_tables() {
    let folder = folder_with(|file, text| match file {
        "names.tsv" => Some(
            text.replace("# edition: 2026-11-21", "# edition: 2025-01-02")
                + "zz.example\ttiktok\tpixel\tpixel\tstrict\tno\n",
        ),
        _ => Some(text),
    });
    let catalogue = Catalogue::from_folder(folder.path(), SEED).expect("right tables");
    assert_eq!(catalogue.edition(), "2025-01-02");
    assert_eq!(
        said(&catalogue, "a.zz.example"),
        Some(("tiktok".into(), Tier::Pixel, Proposal::Strict))
    );
}

#[test]
fn all_problems_of_all_files_of_a_folder_are_told() {
    let folder = folder_with(|file, text| match file {
        "names.tsv" => Some(text + "zz.example\ttiktock\tpixel\tpixel\tdefault\tno\n"),
        "essential.tsv" => Some(text.replacen("\texact\t", "\tequal\t", 1)),
        _ => Some(text),
    });
    let problems = Catalogue::from_folder(folder.path(), SEED).err().expect("two problems");
    let told = problems.to_string();
    assert_eq!(problems.0.len(), 2, "{told}");
    assert!(told.contains("names.tsv:") && told.contains("did you mean `tiktok`?"), "{told}");
    assert!(told.contains("essential.tsv:6:18: `equal` is no match"), "{told}");
}

#[test]
fn a_folder_without_a_table_or_with_binary_ones_is_refused() {
    let folder = folder_with(|file, text| (file != "patterns.tsv").then_some(text));
    fs::write(folder.path().join("names.tsv"), [0xff, 0xfe, 0, 1]).expect("a file");
    let problems = Catalogue::from_folder(folder.path(), SEED).err().expect("two problems");
    let files: Vec<_> =
        problems.0.iter().map(|p| p.file.rsplit('/').next().unwrap_or("")).collect();
    assert_eq!(files, ["names.tsv", "patterns.tsv"]);
}

#[test]
fn a_table_that_is_too_large_is_refused() {
    let folder = folder_with(|_, text| Some(text));
    let names = fs::File::options().write(true).open(folder.path().join("names.tsv"));
    names.expect("a file").set_len(17 << 20).expect("a hole in a file");
    let problems = Catalogue::from_folder(folder.path(), SEED).err().expect("a problem");
    assert!(problems.to_string().contains("larger than 16 MiB"), "{problems}");
}
