//! The policy's past with a real keeper: ways back, devices put together, previews.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::keeper_tests::{House, PIXEL, SECONDS, tv};
use super::tests::device;
use super::*;
use crate::model::{Level, Scope};

fn merge(into: DeviceId, from: DeviceId) -> Change {
    Change::MergeDevices { into, from, name: None }
}

#[test]
fn an_undo_puts_the_text_before_back_octet_by_octet_and_is_told_as_such() {
    let house =
        House::with("# mine\n[[device]]\nname = \"TV\"\naddresses = [\"10.0.0.4\"] # wall\n");
    let before = house.text();
    let running = house.start();
    running.must(Change::SetLevel(tv(), Some(Level::Off)));
    running.must(Change::SetLevel(Scope::Everyone, Some(Level::Strict)));
    assert!(!running.blocks("10.0.0.4", PIXEL));
    let strict = house.text();
    let undone = running.policy.undo(None, "cli uid 0").expect("undone");
    assert_eq!(undone.taken_back[0].reason, "level strict for everyone");
    assert!(house.text().contains("level = \"off\"") && house.text() != strict);
    running.policy.undo(None, "cli uid 0").expect("undone");
    assert_eq!(house.text(), strict, "an undo of the undo");
    let start = running.policy.revisions().expect("a list").pop().expect("the first").hash;
    let undone = running.policy.undo(Some(&start[..9]), "cli uid 0").expect("undone");
    assert_eq!((undone.taken_back.len(), house.text()), (4, before));
    assert!(running.blocks("10.0.0.4", PIXEL), "it is in force");
    let history = running.policy.history(9).expect("a list");
    assert!(history[0].what.starts_with("back to "), "{}", history[0].what);
    assert_eq!(history[1].what, "redo of level strict for everyone");
    assert_eq!(history[1].actor, "cli uid 0");
}

#[test]
fn an_undo_does_not_lose_what_an_editor_wrote_meanwhile() {
    let house = House::with("# mine\n");
    let running = house.start();
    running.must(Change::SetLevel(Scope::Everyone, Some(Level::Off)));
    house.write("[everyone]\nlevel = \"basic\" # by hand\n");
    let refused = running.policy.undo(None, "x");
    assert!(matches!(refused, Err(ChangeError::Changed)), "{refused:?}");
    assert!(house.text().contains("by hand"));
    running.policy.reload().expect("it checks");
    running.policy.undo(None, "x").expect("the edit is what is taken back");
    assert!(house.text().contains("level = \"off\""));
}

#[test]
fn a_read_only_file_refuses_an_undo_and_there_is_nothing_before_the_first() {
    let house = House::with("# mine\n");
    let running = house.start();
    let nothing = running.policy.undo(None, "x");
    assert!(matches!(nothing, Err(ChangeError::NotFound(_))), "{nothing:?}");
    running.must(Change::SetLevel(Scope::Everyone, Some(Level::Off)));
    fs::set_permissions(house.file(), Permissions::from_mode(0o444)).expect("read-only");
    let refused = running.policy.undo(None, "x");
    assert!(matches!(refused, Err(ChangeError::ReadOnly(_))), "{refused:?}");
}

#[test]
fn an_undo_of_a_name_gives_its_pause_back_too() {
    let house = House::with("[[device]]\nname = \"TV\"\naddresses = [\"10.0.0.4\"]\n");
    let running = house.start();
    house.clock.advance(1_000_000);
    running.must(Change::Pause(tv(), SECONDS + 600));
    house.clock.advance(1_000_000);
    let id = running.policy.device_id(&device("TV")).expect("named");
    running.must(Change::RenameDevice(id, device("Big TV")));
    running.policy.undo(None, "x").expect("undone");
    assert_eq!(running.policy.timed().pauses[0].scope, tv());
    let history = running.policy.history(9).expect("a list");
    let told: Vec<&str> = history.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(told, ["undo of TV named Big TV", "TV named Big TV", "pause for TV", "start"]);
    assert_eq!(history[2].until, Some(SECONDS + 600));
}

#[test]
fn a_pause_stays_with_a_device_whose_first_name_is_taken_back_and_given_again() {
    let house = House::with("# house\n");
    let running = house.start();
    assert!(running.blocks("10.0.0.7", PIXEL));
    let phone = Scope::Device(device("Phone"));
    let id = running.devices.list().first().expect("it asked").id;
    running.must(Change::RenameDevice(id, device("Phone")));
    running.must(Change::Pause(phone.clone(), SECONDS + 600));
    running.policy.undo(None, "x").expect("undone");
    assert!(!running.blocks("10.0.0.7", PIXEL), "still paused under its address");
    running.policy.undo(None, "x").expect("redone");
    assert!(!running.blocks("10.0.0.7", PIXEL));
    assert_eq!(running.policy.timed().pauses[0].scope, phone);
}

#[test]
fn a_merge_is_one_edit_in_which_comments_survive() {
    let text = "# house\n[[device]]\nname = \"TV\" # big\naddresses = [\n    \"10.0.0.4\", # wall\n]\n\n\
                # the other\n[[device]]\nname = \"Box\"\naddresses = [\"10.0.0.5\"]\nlevel = \"off\"\n\n\
                [[rule]]\naction = \"block\"\nname = \"x.com\"\ndevice = \"Box\"\n";
    let house = House::with(text);
    let running = house.start();
    let id = |name: &str| running.policy.device_id(&device(name)).expect("named");
    let (tv, box_) = (id("TV"), id("Box"));
    running.must(merge(tv, box_));
    let merged = house.text();
    for kept in ["# house", "# big", "\"10.0.0.4\", # wall", "    \"10.0.0.5\",\n]"] {
        assert!(merged.contains(kept), "{kept}\n{merged}");
    }
    assert!(!merged.contains("Box") && !merged.contains("x.com"), "{merged}");
    assert!(running.blocks("10.0.0.5", PIXEL), "it is the TV now");
    let place = "10.0.0.5".parse().expect("a place");
    running.must(Change::SplitDevice { device: tv, place, name: Some(device("Stick")) });
    let split = house.text();
    assert!(
        split.contains("\"10.0.0.4\", # wall") && split.contains("name = \"Stick\""),
        "{split}"
    );
    assert_eq!(split.matches("10.0.0.5").count(), 1, "{split}");
}

#[test]
fn a_preview_judges_by_the_file_and_leaves_the_policy_alone() {
    let house = House::with("[[device]]\nname = \"TV\"\naddresses = [\"10.0.0.4\"]\n");
    let running = house.start();
    let text = "[[device]]\nname = \"Box\"\naddresses = [\"10.0.0.4\"]\nlevel = \"off\"\n";
    let preview = running.policy.preview("new.toml", text).expect("it checks");
    let id = running.policy.device_id(&device("TV")).expect("named");
    let seen = running.devices.list();
    let tv = seen.iter().find(|seen| seen.id == id).expect("listed");
    assert_eq!(preview.then(tv, id, &[]), id, "the same under another name");
    let level = |force: &crate::policy::InForce| force.policies.bound(id).policy.level();
    assert_eq!((level(&preview.now), level(&preview.then)), (Level::Standard, Level::Off));
    assert!(running.blocks("10.0.0.4", PIXEL));
    assert!(running.policy.preview("new.toml", "[[device]]\nname = 1\n").is_err());
}
