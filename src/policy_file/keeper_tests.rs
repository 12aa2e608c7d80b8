//! The keeper with real lists, devices, zones and databases.

use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::tests::{device, list, name};
use super::*;
use crate::lists;
use crate::model::{Action, HashSeed, Level, Reason, RecordType, Scope, Verdict};
use crate::policy::{CompanySwitch, Decision};
use crate::rules::Asking;
use crate::storage::STATE_MIGRATIONS;

const SEED: HashSeed = HashSeed([1, 2]);
/// A moment, microseconds since 1970.
pub(super) const START: i64 = 1_700_000_000_000_000;
pub(super) const SECONDS: i64 = START / 1_000_000;
pub(super) const PIXEL: &str = "analytics.tiktok.com";

/// A data folder and a clock; the daemon may be started over it again and again.
pub(super) struct House {
    folder: tempfile::TempDir,
    pub(super) clock: Clock,
}

/// A started keeper.
pub(super) struct Running {
    pub(super) policy: PolicyFile,
    pub(super) live: LivePolicy,
    pub(super) devices: Devices,
    clock: Clock,
    legends: Receiver<Arc<Legend>>,
}

impl House {
    pub(super) fn with(text: &str) -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let house = House { folder, clock: Clock::manual(START) };
        house.write(text);
        house
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("policy.toml")
    }

    pub(super) fn write(&self, text: &str) {
        fs::write(self.file(), text).expect("written");
    }

    pub(super) fn text(&self) -> String {
        fs::read_to_string(self.file()).expect("read")
    }

    fn try_start(&self) -> Result<Running, StartError> {
        let state = Database::open(&self.folder.path().join("state.db"), STATE_MIGRATIONS)?;
        let state = Arc::new(state);
        let clock = self.clock.clone();
        let devices = Devices::open(&Default::default(), Arc::clone(&state), clock.clone())?;
        let folder: PathBuf = self.folder.path().into();
        let lists = Lists::open(&lists::Settings::default(), &folder, Arc::clone(&state), SEED)?;
        let (told, legends) = mpsc::channel();
        let announce = Box::new(move |legend| {
            let _ = told.send(legend);
        });
        let parts = Parts {
            folder,
            state,
            devices: devices.clone(),
            lists,
            clock: clock.clone(),
            zone: Zone { zone: TimeZone::UTC, source: ZoneSource::Missing },
            announce,
        };
        let (policy, live) = PolicyFile::start(parts)?;
        Ok(Running { policy, live, devices, clock, legends })
    }

    pub(super) fn start(&self) -> Running {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Running {
    fn apply(&self, change: Change) -> Result<(), ChangeError> {
        self.policy.apply(&change, "cli root")
    }

    pub(super) fn must(&self, change: Change) {
        self.apply(change).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Decides a name for whoever asks from an address.
    pub(super) fn decide(&self, client: &str, text: &str) -> Decision {
        let now = self.clock.now();
        let client: IpAddr = client.parse().expect("an address");
        let binding = self.devices.identify(client);
        let binding = binding.unwrap_or_else(|| self.devices.admit(client, now));
        let force = self.live.load();
        let name = name(text);
        let bound = force.policies.bound(binding.device);
        let asker = bound.asker(client);
        let asking = Asking { name: name.as_ref(), query_type: RecordType::A, asker };
        force.judge(bound.policy, asking, &force.hashes(name.as_ref()), now).0
    }

    pub(super) fn blocks(&self, client: &str, text: &str) -> bool {
        let decision = self.decide(client, text);
        matches!(decision.verdict, Verdict::Block(_)) && !decision.lifted
    }

    pub(super) fn numbers(&self) -> (u32, u32) {
        let force = self.live.load();
        (force.edition, force.generation)
    }
}

pub(super) fn tv() -> Scope {
    Scope::Device(device("TV"))
}

pub(super) const TV: &str = "[[device]]\nname = \"TV\"\naddresses = [\"10.0.0.4\"]\n";

#[test]
fn the_first_start_writes_a_commented_file_and_blocks_trackers() {
    let house = House::with("");
    fs::remove_file(house.file()).expect("removed");
    let running = house.start();
    assert!(house.text().contains("# What binds everyone."));
    assert_eq!(running.policy.notices(), Vec::<String>::new());
    assert!(running.blocks("10.0.0.9", PIXEL));
    assert!(!running.blocks("10.0.0.9", "www.tiktok.com"));
    let legend = running.legends.recv().expect("announced");
    assert_eq!(legend.edition, 1);
    let tracked = Verdict::Block(Reason::List(
        running
            .live
            .load()
            .ruleset
            .lists()
            .iter()
            .position(|l| l.name == list("trackers"))
            .map(|place| crate::model::ListId(u8::try_from(place).expect("few lists")))
            .expect("there"),
    ));
    assert_eq!(running.decide("10.0.0.9", PIXEL).verdict, tracked);
}

#[test]
fn at_basic_the_reason_is_a_list_with_a_name() {
    let house = House::with("[everyone]\nlevel = \"basic\"\n");
    let running = house.start();
    let legend = running.legends.recv().expect("announced");
    let force = running.live.load();
    let policy = force.policies.for_device(crate::model::DeviceId(0));
    let place = policy.lists().first().expect("the part of trackers");
    assert_eq!(legend.list(place), None);
    let hit = force.catalogue.rows().find_map(|(row, _)| match row {
        crate::catalogue::RowName::Domain(name) => {
            let asker = force.policies.bound(crate::model::DeviceId(0)).asker([0; 4].into());
            let asking = Asking { name: name.as_ref(), query_type: RecordType::A, asker };
            let hashes = force.hashes(name.as_ref());
            let (decision, found) = force.judge(policy, asking, &hashes, running.clock.now());
            found.contains(place).then_some(decision)
        }
        crate::catalogue::RowName::Pattern(_) => None,
    });
    match hit.expect("a harmless tracker").verdict {
        Verdict::Block(Reason::List(told)) => {
            assert_eq!(legend.list(told), Some(&list("trackers")));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_is_in_force_and_on_disk_before_it_returns() {
    let house = House::with(&format!("# mine\n{TV}"));
    let running = house.start();
    running.must(Change::SetLevel(tv(), Some(Level::Off)));
    assert!(!running.blocks("10.0.0.4", PIXEL) && running.blocks("10.0.0.5", PIXEL));
    let noted = running.decide("10.0.0.4", PIXEL);
    assert!(noted.lifted && matches!(noted.verdict, Verdict::Block(Reason::List(_))));
    assert_eq!(house.text(), format!("# mine\n{TV}level = \"off\"\n"));
    assert_eq!(running.numbers(), (2, 1), "lists were not loaded anew");
    let revisions = running.policy.revisions().expect("read");
    assert_eq!(
        (revisions[0].actor.as_str(), revisions[0].reason.as_str()),
        ("cli root", "level off for TV")
    );
    assert_eq!(revisions[0].hash, running.policy.revision());
    let text = running.policy.revision_text(&revisions[1].hash).expect("read");
    assert_eq!(text, Some(format!("# mine\n{TV}")));
}

#[test]
fn another_level_compiles_no_list_anew() {
    let house = House::with("[everyone]\nlevel = \"standard\"\n");
    let running = house.start();
    let ruleset = || Arc::clone(&running.live.load().ruleset);
    let before = ruleset();
    for level in [Level::Strict, Level::Off, Level::Basic] {
        running.must(Change::SetLevel(Scope::Everyone, Some(level)));
        assert!(Arc::ptr_eq(&before, &ruleset()), "{level}");
    }
    assert_eq!(running.numbers(), (4, 1));
}

#[test]
fn a_ban_blocks_the_service_and_an_own_allow_beats_it() {
    let house = House::with(TV);
    let running = house.start();
    let ban = |switch| Change::SwitchCompany(Scope::Everyone, "tiktok".into(), switch);
    running.must(ban(Some(CompanySwitch::Ban)));
    assert!(running.blocks("10.0.0.4", "www.tiktok.com"));
    running.must(Change::AddRule {
        scope: tv(),
        action: Action::Allow,
        name: name("tiktok.com"),
        until: None,
        note: None,
    });
    assert!(!running.blocks("10.0.0.4", "www.tiktok.com"));
    assert!(running.blocks("10.0.0.5", "www.tiktok.com"));
    running.must(ban(None));
    assert!(!running.blocks("10.0.0.5", "www.tiktok.com"));
}

#[test]
fn pauses_and_timed_rules_survive_a_restart_and_end() {
    let house = House::with(TV);
    let running = house.start();
    running.must(Change::Pause(tv(), SECONDS + 600));
    running.must(Change::AddRule {
        scope: Scope::Everyone,
        action: Action::Block,
        name: name("example.com"),
        until: Some(SECONDS + 60),
        note: None,
    });
    assert!(!running.blocks("10.0.0.4", PIXEL) && running.decide("10.0.0.4", PIXEL).lifted);
    assert!(running.blocks("10.0.0.5", PIXEL));
    drop(running);
    let running = house.start();
    assert!(!running.blocks("10.0.0.4", PIXEL));
    assert!(running.blocks("10.0.0.5", "www.example.com"));
    assert_eq!((running.policy.timed().pauses.len(), running.policy.timed().rules.len()), (1, 1));
    house.clock.advance(60_000_000);
    assert!(!running.blocks("10.0.0.5", "www.example.com"));
    assert_eq!((running.policy.timed().pauses.len(), running.policy.timed().rules.len()), (1, 0));
    running.must(Change::Resume(tv()));
    assert!(running.blocks("10.0.0.4", PIXEL));
    assert_eq!(house.text(), TV);
}

#[test]
fn a_read_only_file_refuses_standing_edits_alone() {
    let house = House::with(TV);
    fs::set_permissions(house.file(), Permissions::from_mode(0o444)).expect("set");
    let running = house.start();
    let refused = running.apply(Change::SetLevel(tv(), Some(Level::Off)));
    assert!(matches!(refused, Err(ChangeError::ReadOnly(_))), "{refused:?}");
    assert!(running.blocks("10.0.0.4", PIXEL), "nothing of it is in force");
    running.must(Change::Pause(Scope::Everyone, SECONDS + 60));
    assert!(!running.blocks("10.0.0.4", PIXEL));
}

#[test]
fn a_device_that_nobody_named_is_paused_without_an_entry_and_named_by_an_edit() {
    let house = House::with("");
    let running = house.start();
    assert!(running.blocks("10.0.0.9", PIXEL));
    let phone = Scope::Device(device("10.0.0.9"));
    running.must(Change::Pause(phone.clone(), SECONDS + 60));
    assert!(!running.blocks("10.0.0.9", PIXEL) && running.blocks("10.0.0.8", PIXEL));
    assert_eq!(house.text(), "");
    let before = running.devices.identify("10.0.0.9".parse().expect("an address"));
    running.must(Change::SetLevel(phone, Some(Level::Strict)));
    let named = running.policy.device_id(&device("10.0.0.9"));
    let all = running.devices.list();
    let entry = all.iter().find(|device| Some(device.id) == named).expect("a device");
    assert!(before.is_some_and(|before| entry.parts.contains(&before.part)), "its past is with it");
    assert!(!running.blocks("10.0.0.9", PIXEL), "the pause goes on");
    let id = running.policy.device_id(&device("10.0.0.9")).expect("named");
    running.must(Change::RenameDevice(id, device("Phone")));
    assert_eq!(running.policy.device_id(&device("Phone")), Some(id));
    assert!(!running.blocks("10.0.0.9", PIXEL), "the pause has moved along");
    running.must(Change::ForgetDevice(id));
    assert!(running.blocks("10.0.0.9", PIXEL));
    assert_eq!(running.policy.standing().devices, []);
}

#[test]
fn a_change_by_hand_is_taken_over_before_a_change_by_command() {
    let house = House::with(TV);
    let running = house.start();
    house.write(&format!("# by hand\n{TV}level = \"off\"\n"));
    running.must(Change::SetLog(tv(), Some(crate::model::LogDetail::Counts)));
    assert_eq!(house.text(), format!("# by hand\n{TV}level = \"off\"\nlog = \"counts\"\n"));
    let reasons: Vec<String> =
        running.policy.revisions().expect("read").into_iter().map(|r| r.reason).collect();
    assert_eq!(reasons, ["log counts for TV", "file edited", "start"]);
}

#[test]
fn a_broken_file_keeps_the_policy_and_is_told_until_it_is_mended() {
    let house = House::with(TV);
    let running = house.start();
    house.write("[everyone]\nlevl = \"off\"\n");
    let problems = running.policy.reload().expect_err("a problem");
    assert_eq!((problems.0[0].line, problems.0[0].column), (2, 1));
    assert!(running.blocks("10.0.0.4", PIXEL));
    assert!(running.policy.notices()[0].contains("policy.toml:2:1: unknown key `levl`"));
    let refused = running.apply(Change::SetLevel(tv(), Some(Level::Off)));
    assert!(matches!(refused, Err(ChangeError::Broken(_))), "{refused:?}");
    running.must(Change::Pause(tv(), SECONDS + 60));
    assert!(!running.policy.notices().is_empty(), "a pause does not hide the notice");
    house.write("[everyone]\nlevel = \"off\"\n");
    assert!(running.policy.reload().expect("it checks").changed);
    assert!(!running.blocks("10.0.0.5", PIXEL));
    assert_eq!(running.policy.notices(), Vec::<String>::new());
}

#[test]
fn a_file_that_is_gone_keeps_the_policy_and_comes_back_with_the_next_change() {
    let house = House::with(&format!("{TV}level = \"off\"\n"));
    let running = house.start();
    fs::remove_file(house.file()).expect("removed");
    running.policy.reload().expect("nothing to check");
    assert!(!running.blocks("10.0.0.4", PIXEL));
    assert!(running.policy.notices()[0].contains("is gone"));
    running.must(Change::SetLevel(tv(), Some(Level::Strict)));
    assert_eq!(house.text(), format!("{TV}level = \"strict\"\n"));
    assert_eq!(running.policy.notices(), Vec::<String>::new());
}

#[test]
fn lists_are_loaded_for_entries_and_on_reload_alone() {
    let house = House::with(TV);
    fs::create_dir(house.folder.path().join("lists")).expect("made");
    let own = house.folder.path().join("lists/mine");
    fs::write(&own, "0.0.0.0 one.example\n").expect("written");
    let running = house.start();
    let entry =
        "[[list]]\nname = \"mine\"\nfile = \"mine\"\nkind = \"other\"\nformat = \"hosts\"\n";
    house.write(&format!("{TV}lists = {{ mine = true }}\n{entry}"));
    running.must(Change::Pause(Scope::Everyone, SECONDS + 1));
    assert_eq!(running.numbers(), (3, 2), "the file by hand with a list, then the pause");
    house.clock.advance(1_000_000);
    assert!(
        running.blocks("10.0.0.4", "one.example") && !running.blocks("10.0.0.5", "one.example")
    );
    fs::write(&own, "0.0.0.0 two.example\n").expect("written");
    running.must(Change::SwitchList(Scope::Everyone, list("mine"), Some(true)));
    assert!(running.blocks("10.0.0.5", "one.example"), "a switch reads no list");
    running.policy.reload().expect("it checks");
    assert!(
        running.blocks("10.0.0.5", "two.example") && !running.blocks("10.0.0.5", "one.example")
    );
    assert!(running.policy.list_reports().iter().any(|report| report.name == list("mine")));
}

#[test]
fn a_zone_file_outside_the_folder_or_absent_is_a_problem_at_its_place() {
    let house = House::with("# zones\n[[zone]]\nname = \"home.example\"\nfile = \"gone.zone\"\n");
    let told = |house: &House| match house.try_start() {
        Err(StartError::Problems(problems)) => problems,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    };
    let problems = told(&house);
    assert_eq!(problems.0[0].line, 2);
    assert!(problems.to_string().contains("zone home.example: gone.zone"), "{problems}");
    std::os::unix::fs::symlink("/etc/hostname", house.folder.path().join("gone.zone"))
        .expect("made");
    assert!(told(&house).to_string().contains("leads out of the data folder"));
}

#[test]
fn a_bad_file_at_start_tells_all_problems() {
    let house = House::with("[everyone]\nlevel = \"of\"\nlists = { tracker = true }\n[dns]\n");
    match house.try_start() {
        Err(StartError::Problems(problems)) => assert_eq!(problems.0.len(), 3, "{problems}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
}

#[test]
fn an_editors_rename_is_noticed_until_the_watch_is_dropped() {
    let house = House::with(TV);
    let running = house.start();
    running.legends.recv().expect("the first");
    let watching = running.policy.watch().expect("watched");
    fs::write(house.folder.path().join("draft"), "[everyone]\nlevel = \"off\"\n").expect("written");
    fs::rename(house.folder.path().join("draft"), house.file()).expect("renamed");
    let legend = running.legends.recv_timeout(Duration::from_secs(30)).expect("taken over");
    assert_eq!(legend.edition, 2);
    drop(watching);
    assert!(!running.blocks("10.0.0.4", PIXEL));
}

#[test]
fn what_binds_a_device_is_told_with_its_source() {
    let house = House::with(&format!("{TV}level = \"off\"\n"));
    let running = house.start();
    running.must(Change::Pause(Scope::Everyone, SECONDS + 60));
    let effective = running.policy.effective(Some(&device("TV")));
    assert_eq!(
        (effective.level.value, effective.level.source.to_string()),
        (Level::Off, "TV".into())
    );
    assert_eq!(effective.pauses.len(), 1);
    assert_eq!(running.policy.effective(None).level.source.to_string(), "default");
}

/// A pixel that must be blocked, for the TV above all.
const ASSERTS: &str = "[[assert]]\nname = \"analytics.tiktok.com\"\nexpect = \"block\"\n\n\
    [[assert]]\ndevice = \"tv\"\nname = \"analytics.tiktok.com\"\ntype = \"AAAA\"\n\
    expect = \"block\"\n";

#[test]
fn a_failing_assert_holds_edits_and_changes_back_and_says_which() {
    let house = House::with(&format!("asserts = \"asserts.toml\"\n{TV}"));
    fs::write(house.folder.path().join("asserts.toml"), ASSERTS).expect("written");
    let running = house.start();
    assert_eq!(running.policy.notices(), Vec::<String>::new());
    let refused = running.apply(Change::SetLevel(tv(), Some(Level::Off))).expect_err("refused");
    let told = refused.to_string();
    assert!(told.contains("asserts.toml:5"), "{told}");
    assert!(told.contains("analytics.tiktok.com AAAA for tv: the verdict is none, not block"));
    assert!(running.blocks("10.0.0.4", PIXEL));
    assert!(!house.text().contains("level"), "nothing is written");
    house.write(&format!("{}[everyone]\nlevel = \"off\"\n", house.text()));
    let problems = running.policy.reload().expect_err("held back");
    assert_eq!(problems.0.iter().map(|problem| problem.line).collect::<Vec<_>>(), [1, 5]);
    assert!(running.blocks("10.0.0.9", PIXEL), "what was in force stays");
    assert!(running.policy.notices().iter().any(|told| told.contains("asserts.toml:1")));
    house.write(&format!("asserts = \"asserts.toml\"\n{TV}"));
    running.must(Change::Pause(tv(), SECONDS + 60));
    running.must(Change::SetLevel(tv(), Some(Level::Strict)));
    assert!(running.policy.reload().is_ok(), "a pause fails no assert");
}

#[test]
fn asserts_that_cannot_be_read_hold_the_policy_back_and_a_start_goes_on_without() {
    let house = House::with("");
    let running = house.start();
    let named = "asserts = \"asserts.toml\"\n";
    house.write(named);
    let missing = running.policy.reload().expect_err("there is no file");
    assert_eq!((missing.0[0].file.ends_with("policy.toml"), missing.0[0].line), (true, 1));
    let file = house.folder.path().join("asserts.toml");
    let bad = "[[assert]]\nname = \"a..b\"\nexpect = \"blocked\"\ntype = \"FOO\"\nwho = 1\n";
    fs::write(&file, bad).expect("written");
    let problems = running.policy.reload().expect_err("it does not check");
    assert_eq!(problems.0.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
    drop(running);
    fs::write(&file, "[[assert]]\nname = \"good.example\"\nexpect = \"block\"\n").expect("written");
    let running = house.start();
    assert!(running.blocks("10.0.0.9", PIXEL));
    let notices = running.policy.notices();
    assert!(notices.iter().any(|told| told.contains("asserts.toml:1: good.example A")));
}
