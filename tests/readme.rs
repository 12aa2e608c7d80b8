//! The README claims only what the build has.

use deadpixel::catalogue::{Catalogue, Proposal, RowName};
use deadpixel::model::HashSeed;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md")
}

/// Writes a count as people read it: `3,397`.
fn written(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn its_counts_are_those_of_the_shipped_lists() {
    let table = |file: &str| {
        let path = format!("{}/blocklists/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("a table");
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count() - 1
    };
    let catalogue = Catalogue::shipped(HashSeed([1, 2]));
    let mut companies: Vec<_> = catalogue.rows().map(|(_, row)| row.company).collect();
    companies.sort();
    companies.dedup();
    let of = |proposal: Proposal| {
        written(catalogue.rows().filter(|(_, row)| row.proposal == proposal).count())
    };
    let readme = readme().split_whitespace().collect::<Vec<_>>().join(" ");
    let know = format!(
        "know {} names, {} families of names and {} alias targets of {} companies",
        written(table("names.tsv")),
        table("patterns.tsv"),
        table("cname-cloaking.tsv"),
        companies.len()
    );
    let block = format!(
        "Of these, {} are blocked out of the box (level *standard*); *strict* adds {} more and {} servers",
        of(Proposal::Default),
        of(Proposal::Strict),
        catalogue.encrypted_dns().len()
    );
    for sentence in [know, block] {
        assert!(readme.contains(&sentence), "the README should say: {sentence}");
    }
    let patterns = catalogue.rows().filter(|(name, _)| matches!(name, RowName::Pattern(_))).count();
    assert_eq!(patterns, table("patterns.tsv"));
}

#[test]
fn its_two_commands_come_first_and_its_links_lead_somewhere() {
    let readme = readme();
    let first_screen: String = readme.lines().take(14).collect::<Vec<_>>().join("\n");
    assert!(first_screen.contains("cargo run --release") && first_screen.contains("cargo test"));
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let path = format!("{}/{link}", env!("CARGO_MANIFEST_DIR"));
        assert!(std::path::Path::new(&path).exists(), "{link}");
    }
}

#[test]
fn the_tests_that_docs_name_are_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_to_string(root.join("docs/devices.md")).expect("devices.md");
    let mut code = String::new();
    read_all(&root.join("src"), &mut code);
    read_all(&root.join("tests"), &mut code);
    let rows = docs.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    let named: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let tests: Vec<&&str> = named.iter().filter(|name| name.matches('_').count() > 3).collect();
    assert!(tests.len() > 30, "the situations name their tests");
    for test in tests {
        assert!(code.contains(&format!("fn {test}(")), "docs/devices.md names no test: {test}");
    }
}

fn read_all(folder: &std::path::Path, code: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_all(&path, code);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            code.push_str(&std::fs::read_to_string(&path).expect("a file"));
        }
    }
}
