//! Replays the kept corpora of the fuzz targets as ordinary tests.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use std::fs;
use std::path::Path;

/// Gives every kept file to `body`; a panic names the file.
fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus-kept").join(target);
    let mut replayed = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is in the repository") {
        let path = entry.expect("the folder can be read").path();
        let input = fs::read(&path).expect("the file can be read");
        let outcome = std::panic::catch_unwind(|| body(&input));
        assert!(outcome.is_ok(), "{} fails {target}", path.display());
        replayed += 1;
    }
    assert!(replayed >= 10, "{target}: {replayed} files are too few");
}

#[test]
fn packets_of_clients() {
    replay("query", bodies::query);
}

#[test]
fn openings_of_connections() {
    replay("proxy_header", bodies::proxy_header);
}

#[test]
fn replies_of_upstreams() {
    replay("upstream_reply", bodies::upstream_reply);
}

#[test]
fn lists_of_rules() {
    replay("list", bodies::list);
}

#[test]
fn configuration_files() {
    replay("config_text", bodies::config_text);
}

#[test]
fn lease_files() {
    replay("leases", bodies::leases);
}

#[test]
fn announcements() {
    replay("announcement", bodies::announcement);
}
