//! What commands print, held to example files: a command, a view, the exact text.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::commands::{
    cache, companies, device, device_changes, devices, levels, lists, log, notices, policy_past,
    policy_plan, rules, status, who, why,
};
use super::*;

/// Where the example files lie.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli");

/// The line between what the daemon answers and what is printed.
const RULER: &str = "\n----\n";

fn screen() -> Screen {
    Screen {
        width: Some(80),
        colour: false,
        now: "2026-11-21T14:22:00Z".parse().expect("a time"),
        zone: TimeZone::UTC,
    }
}

fn examples() -> Vec<PathBuf> {
    let files = fs::read_dir(EXAMPLES).expect("the folder of examples");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths
}

/// An example: the command, the view as the API gives it, the text.
fn read(path: &Path) -> (Command, String, String) {
    let text = fs::read_to_string(path).expect("an example");
    let (line, rest) = text.split_once('\n').expect("a command, then a view");
    let words = line.strip_prefix("$ ").expect("a prompt").split(' ');
    let args = Args::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
    let (view, expected) = rest.split_once(RULER).expect("a ruler");
    (args.wanted().clone(), view.into(), expected.into())
}

fn printed(command: &Command, json: &str) -> String {
    match command {
        Command::Status => show(json, status::render),
        Command::Who { all, .. } => show(json, |view: &_, screen| who::render(view, *all, screen)),
        Command::Log(_) => show(json, log::render),
        Command::Why(_) => show(json, why::render),
        Command::Devices => show(json, |view: &Vec<_>, screen| devices::render(view, screen)),
        Command::Device(DeviceCommand::Show { .. }) => show(json, device::render),
        Command::Device(DeviceCommand::Merge { .. }) => show(json, device_changes::merged_message),
        Command::Device(DeviceCommand::Split { .. }) => show(json, device_changes::split_message),
        Command::Policy(PolicyCommand::History { .. }) => {
            show(json, |view: &Vec<_>, screen| policy_past::render(view, screen))
        }
        Command::Policy(PolicyCommand::Diff { .. }) => show(json, policy_past::render_diff),
        Command::Policy(PolicyCommand::Undo { .. }) => show(json, policy_past::render_undone),
        Command::Policy(PolicyCommand::Plan { all, .. }) => {
            show(json, |view: &_, screen| policy_plan::render(view, *all, screen))
        }
        Command::Companies { all } => {
            show(json, |view: &Vec<_>, screen| companies::render(view, *all, screen))
        }
        Command::Lists { command: Some(_) } => show(json, lists::render_one),
        Command::Lists { command: None } => {
            show(json, |view: &Vec<_>, screen| lists::render(view, screen))
        }
        Command::Levels => show(json, |view: &Vec<_>, screen| levels::render(view, screen)),
        Command::Rules { .. } => show(json, rules::render),
        Command::Notices { .. } => {
            show(json, |view: &Vec<_>, screen| notices::render(view, screen))
        }
        Command::Cache(CacheCommand::Stats) => show(json, cache::render),
        Command::Cache(CacheCommand::Flush { .. }) => show(json, cache::flushed_message),
        other => panic!("no example is laid out for {other:?}"),
    }
}

fn show<T: DeserializeOwned + Serialize>(
    json: &str,
    render: impl Fn(&T, &Screen) -> String,
) -> String {
    let view: T = serde_json::from_str(json).unwrap_or_else(|why| panic!("{why}\n{json}"));
    let written = serde_json::to_value(&view).expect("views are JSON");
    let given: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(written, given, "an example shows every key of its view, and no other");
    render(&view, &screen())
}

#[test]
fn commands_print_what_their_examples_show() {
    let mut wrong = String::new();
    for path in examples() {
        let (command, view, expected) = read(&path);
        let printed = printed(&command, &view);
        if printed != expected {
            wrong.push_str(&format!("==== {}\n{printed}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "these print something else:\n{wrong}");
}

#[test]
fn no_example_is_wider_than_80_columns() {
    for path in examples() {
        let (_, _, expected) = read(&path);
        for line in expected.lines() {
            assert!(width(line) <= 80, "{}: {line}", path.display());
        }
    }
}

#[test]
fn every_read_has_an_example() {
    let commands: Vec<Command> = examples().iter().map(|path| read(path).0).collect();
    let has = |name: &str, is: fn(&Command) -> bool| {
        assert!(commands.iter().any(is), "no example of {name}");
    };
    has("status", |command| matches!(command, Command::Status));
    has("who", |command| matches!(command, Command::Who { device: None, .. }));
    has("who DEVICE", |command| matches!(command, Command::Who { device: Some(_), .. }));
    has("log", |command| matches!(command, Command::Log(_)));
    has("why", |command| matches!(command, Command::Why(_)));
    has("devices", |command| matches!(command, Command::Devices));
    has("device show", |command| matches!(command, Command::Device(_)));
    has("device merge", |it| matches!(it, Command::Device(DeviceCommand::Merge { .. })));
    has("device split", |it| matches!(it, Command::Device(DeviceCommand::Split { .. })));
    has("policy history", |it| matches!(it, Command::Policy(PolicyCommand::History { .. })));
    has("policy diff", |it| matches!(it, Command::Policy(PolicyCommand::Diff { .. })));
    has("policy undo", |it| matches!(it, Command::Policy(PolicyCommand::Undo { .. })));
    has("policy plan", |it| matches!(it, Command::Policy(PolicyCommand::Plan { .. })));
    has("companies", |command| matches!(command, Command::Companies { .. }));
    has("lists", |command| matches!(command, Command::Lists { command: None }));
    has("lists info", |command| matches!(command, Command::Lists { command: Some(_) }));
    has("levels", |command| matches!(command, Command::Levels));
    has("rules", |command| matches!(command, Command::Rules { .. }));
    has("cache stats", |it| matches!(it, Command::Cache(CacheCommand::Stats)));
    has("cache flush", |it| matches!(it, Command::Cache(CacheCommand::Flush { .. })));
    has("notices", |command| matches!(command, Command::Notices { .. }));
}
