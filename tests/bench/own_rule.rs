//! From one changed own rule to its being in force: `cargo bench --bench own_rule`.
//!
//! A policy of 100 devices and 1,000 own rules, a tenth of them by exact name, over the
//! shipped lists. Once in memory (the new table worked out and put in force), once through the file
//! (edited, checked, written, put in force). Prints medians; asserts nothing about time.

mod ground;

use ground::Ground;

const DEVICES: usize = 100;
const RULES: usize = 1_000;
const ROUNDS: usize = 101;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let ground = Ground::of(folder.path(), &policy());
    let standing = ground.file.standing();
    let (plain, written) = (standing.rules.len(), standing.written.len());
    println!("{} devices, {plain} own rules by name, {written} written", ground.ids.len());
    println!("in memory, median of {ROUNDS}: {:?}", ground.change_in_memory(ROUNDS));
    println!("through the file, median of {ROUNDS}: {:?}", ground.change_by_file(ROUNDS));
}

/// Rules for devices in turn, nine of ten by name.
fn policy() -> String {
    let device = |n: usize| {
        let (a, b) = (n / 250, n % 250 + 1);
        format!("[[device]]\nname = \"Device {n}\"\naddresses = [\"10.1.{a}.{b}\"]\n\n")
    };
    let rule = |n: usize| {
        let what = match n % 10 {
            9 => format!("exact = \"only.site{n}.example\""),
            _ => format!("name = \"site{n}.example\""),
        };
        format!("[[rule]]\naction = \"block\"\n{what}\ndevice = \"Device {}\"\n\n", n % DEVICES)
    };
    (0..DEVICES).map(device).chain((0..RULES).map(rule)).collect()
}
