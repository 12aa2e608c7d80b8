//! The architecture itself: imports point up the list of `src/lib.rs`, outside crates stay home.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Crates that only these modules may use.
const HOMES: [(&str, &[&str]); 11] = [
    ("hickory_resolver", &["upstream"]),
    ("hickory_server", &["zones"]),
    ("axum", &["http_server"]),
    ("toml", &["diagnostic", "config", "policy_file"]),
    ("toml_edit", &["policy_file"]),
    ("clap", &["cli"]),
    ("rusqlite", &["storage", "query_log", "devices", "lists", "policy_file", "notices"]),
    ("regex", &["rules", "catalogue", "lists"]),
    ("notify", &["discovery", "policy_file"]),
    ("memmap2", &["storage"]),
    ("rtnetlink", &["discovery"]),
];
/// Modules that decide: they can be tested and timed without a runtime.
const WITHOUT_TOKIO: [&str; 5] = ["model", "wire", "api", "rules", "policy"];

/// Returns each top module with the number of its layer, as `lib.rs` declares them.
fn layers() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(source().join("lib.rs")).expect("lib.rs");
    let mut layer = 0;
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if line.is_empty() {
            layer += 1;
        }
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            found.insert(name.to_string(), layer);
        }
    }
    assert!(found.len() > 10, "lib.rs declares its modules as `pub mod name;`");
    found
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Returns (file, its top module, its code without comments and unit tests).
fn sources() -> Vec<(PathBuf, String, String)> {
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    let read = |path: PathBuf| {
        let inner = path.strip_prefix(source()).expect("below src").to_path_buf();
        let top = inner.iter().next().expect("a part").to_string_lossy().replace(".rs", "");
        let text = std::fs::read_to_string(&path).expect("a file");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        (inner, top, lines.collect::<Vec<_>>().join("\n"))
    };
    let is_test = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == "tests");
    files.into_iter().filter(|path| !is_test(path)).map(read).collect()
}

/// Returns the names behind each `crate::`, groups in braces taken apart.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let word = |text: &str| -> String {
            text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (at, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            found.insert(word(&group[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => {
                found.insert(word(rest));
            }
        }
    }
    found
}

#[test]
fn imports_point_up_the_list_of_lib_rs() {
    let layers = layers();
    let mut wrong = Vec::new();
    let mut map: BTreeMap<(usize, String), BTreeSet<String>> = BTreeMap::new();
    for (file, top, code) in sources() {
        let Some(layer) = layers.get(&top) else { continue };
        let others = imports(&code).into_iter().filter(|import| *import != top);
        for import in others.filter(|import| layers.contains_key(import)) {
            if layers[&import] >= *layer {
                wrong.push(format!("{}: {top} may not import {import}", file.display()));
            }
            map.entry((*layer, top.clone())).or_default().insert(import);
        }
    }
    for ((_, module), imports) in &map {
        println!("{module:<12} <- {}", imports.iter().cloned().collect::<Vec<_>>().join(", "));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn outside_crates_stay_where_they_are_at_home() {
    let mut wrong = Vec::new();
    for (file, top, code) in sources() {
        for (name, homes) in HOMES {
            let used = code.contains(&format!("use {name}::"))
                || code.contains(&format!(" {name}::"))
                || code.contains(&format!("({name}::"));
            if used && !homes.contains(&top.as_str()) {
                wrong.push(format!("{}: {name} is not at home in {top}", file.display()));
            }
        }
        if code.contains("tokio::") && WITHOUT_TOKIO.contains(&top.as_str()) {
            wrong.push(format!("{}: no tokio in {top}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_file_outgrows_its_bound() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(_, _, code)| code.lines().count() > 500)
        .map(|(file, _, code)| format!("{}: {} lines", file.display(), code.lines().count()))
        .collect();
    assert!(long.is_empty(), "over 500 lines without tests:\n{}", long.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file");
        assert!(text.starts_with("//! "), "{} has no headline", file.display());
    }
}
