//! Hardware, kinds, default-deny, unknown devices and schedules, as they are read and refused.

use super::tests::{known, list};
use super::*;
use crate::model::{DeviceKind, GroupName, Level, LogDetail, Scope};
use crate::policy::{CompanySwitch, Days, TimeRange};

const HOUSE: &str = r#"[everyone]
only_listed = false

[[group]]
name = "Guests"
only_listed = true
[[group]]
name = "Kids"

[[device]]
name = "TV"
hardware = ["3C-5A-B4-01-02-03", "3c:5a:b4:01:02:04"]
kind = "tv"
groups = ["Kids"]
[[device]]
name = "Radio"
hardware = ["3c:5a:b4:01:02:05"]
addresses = ["10.0.0.5"]
only_listed = true

[unknown]
groups = ["Guests", "Kids"]

[[schedule]]
name = "bedtime"
days = ["sun", "weekdays"]
times = ["21:00-7:00", "12:00-13:30"]
group = "Kids"
level = "strict"
lists = { trackers = true }
companies = { tiktok = "ban" }
only_listed = true
log = "counts"
[[schedule]]
name = "weekend off"
days = "weekend"
level = "off"
"#;

fn checked(text: &str) -> Standing {
    read("policy.toml", text, &known()).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// The problems of a text as `line: message / help`.
fn problems(text: &str) -> Vec<String> {
    let problems = read("policy.toml", text, &known()).expect_err("problems").0;
    let help = |help: Option<String>| help.map(|help| format!(" / {help}")).unwrap_or_default();
    problems.into_iter().map(|p| format!("{}: {}{}", p.line, p.message, help(p.help))).collect()
}

fn group(name: &str) -> GroupName {
    GroupName::parse(name).expect("a name")
}

#[test]
fn hardware_kinds_default_deny_and_unknown_devices_are_read() {
    let house = checked(HOUSE);
    let hardware = |place: usize| -> Vec<String> {
        house.devices[place].hardware.iter().map(ToString::to_string).collect()
    };
    assert_eq!(hardware(0), ["3c:5a:b4:01:02:03", "3c:5a:b4:01:02:04"]);
    assert_eq!((house.devices[0].kind, house.devices[1].kind), (Some(DeviceKind::Tv), None));
    assert_eq!((house.devices[0].addresses.len(), house.devices[1].addresses.len()), (0, 1));
    let only = [&house.everyone, &house.groups[0].part, &house.devices[0].part];
    assert_eq!(only.map(|part| part.only_listed), [Some(false), Some(true), None]);
    assert_eq!(house.unknown, [group("Guests"), group("Kids")]);
}

#[test]
fn a_schedule_sets_every_key_that_a_scope_has() {
    let house = checked(HOUSE);
    let bedtime = &house.schedules[0];
    assert_eq!((&*bedtime.name, &bedtime.scope), ("bedtime", &Scope::Group(group("Kids"))));
    assert_eq!(bedtime.days, Days::WEEKDAYS.with(Days::of(jiff::civil::Weekday::Sunday)));
    let ranges = [(21 * 60, 7 * 60), (12 * 60, 13 * 60 + 30)];
    assert_eq!(bedtime.times, ranges.map(|(from, until)| TimeRange { from, until }));
    let part = &bedtime.part;
    assert_eq!((part.level, part.log), (Some(Level::Strict), Some(LogDetail::Counts)));
    assert_eq!((part.only_listed, part.lists[&list("trackers")]), (Some(true), true));
    assert_eq!(part.companies["tiktok"], CompanySwitch::Ban);
    let weekend = &house.schedules[1];
    assert_eq!((weekend.days, &weekend.scope), (Days::WEEKEND, &Scope::Everyone));
    assert_eq!(weekend.times, [], "the whole day");
}

#[test]
fn a_list_that_only_a_schedule_needs_is_fetched() {
    let url = "https://lists.example/pro".parse().expect("an address");
    let pro = OwnList::new(list("hagezi-pro"), crate::lists::Source::Address { url, local: false });
    let known = Known { defaults: vec![pro], ..known() };
    let night = "[[schedule]]\nname = \"night\"\nlevel = \"strict\"\n";
    let fetched = |text| read("policy.toml", text, &known).expect("it checks").fetched().count();
    assert_eq!((fetched(""), fetched(night)), (0, 1));
}

#[test]
fn what_a_device_is_known_by_is_its_own_and_something() {
    let text = r#"[[device]]
name = "TV"
hardware = ["3c:5a:b4:01:02:03"]
addresses = ["10.0.0.4"]
[[device]]
name = "Radio"
hardware = ["3C:5A:B4:01:02:03", "01:00:5e:00:00:01", "3c:5a"]
addresses = ["10.0.0.4"]
kind = "telly"
[[device]]
name = "Nothing"
[[device]]
name = "Empty"
hardware = []
"#;
    let known_by = "a device needs an address or a hardware address / write hardware = \
                    [\"3c:5a:b4:01:02:03\"] or addresses = [\"192.168.1.40\"]";
    let told = problems(text);
    let expected = [
        "7: 3c:5a:b4:01:02:03 is a hardware address of `TV` already, in line 3 / leave it at one of the two",
        "7: `01:00:5e:00:00:01` is no hardware address; write 3c:5a:b4:01:02:03",
        "7: `3c:5a` is no hardware address; write 3c:5a:b4:01:02:03",
        "8: 10.0.0.4 is an address of `TV` already, in line 4 / leave it at one of the two",
    ];
    assert_eq!(told[..4], expected, "{told:#?}");
    assert!(told[4].starts_with("9: `telly` is no kind of device; write phone"), "{told:#?}");
    assert_eq!(told[5..], [format!("11: {known_by}"), format!("14: {known_by}")], "{told:#?}");
}

#[test]
fn unknown_and_odd_references_are_told_all_at_once() {
    let text = r#"[unknown]
groups = ["Gusts", "Guests", "Guests"]
group = "Guests"
[[group]]
name = "Guests"
only_listed = "yes"
[[schedule]]
name = "night"
group = "Guest"
level = "strickt"
lists = { trackrs = true }
companies = { tiktak = "ban" }
[[schedule]]
name = "night"
device = "TV"
log = "full"
[[schedule]]
name = "both"
device = "TV"
group = "Guests"
log = "full"
[[schedule]]
name = "empty"
[[schedule]]
level = "off"
[[schedule]]
name = "wrong"
level = 5
"#;
    let expected = [
        "2: there is no group `Gusts` / did you mean `Guests`?",
        "2: group `Guests` stands here twice",
        "3: unknown key `group` / did you mean `groups`?",
        "6: invalid type: string \"yes\", expected a boolean",
        "9: there is no group `Guest` / did you mean `Guests`?",
        "10: `strickt` is no level",
        "11: there is no list `trackrs` / did you mean `trackers`?",
        "12: there is no company `tiktak` / did you mean `tiktok`?",
        "14: schedule night stands in line 8 already",
        "15: there is no device `TV`",
        "20: a schedule binds a device, a group or (with neither) everyone / take `device` or `group` away",
        "23: schedule `empty` sets nothing / write level, lists, companies, only_listed or log",
        "24: missing key `name`",
        "28: invalid type: integer `5`, expected a string",
    ];
    let told = problems(text);
    for words in expected {
        assert!(told.iter().any(|it| it.starts_with(words)), "{words}: {told:#?}");
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
}

#[test]
fn days_and_times_that_are_none_are_told_with_their_mend() {
    let schedule = |days: &str, times: &str| {
        format!("[[schedule]]\nname = \"n\"\nlevel = \"off\"\ndays = {days}\ntimes = {times}\n")
    };
    let good = "[\"21:00-07:00\"]";
    let days = "write days = [\"mon\", \"wed\"], \"weekdays\", \"weekend\" or \"daily\"";
    let times = "write times = [\"21:00-07:00\"]";
    let whole = "leave `times` out for the whole day";
    let cases = [
        ("\"daily\"", "[]", format!("5: a schedule without a time never counts / {whole}")),
        ("\"daily\"", "[\"9:00-9:00\"]", format!("5: `9:00-9:00` is an empty range / {whole}")),
        (
            "\"daily\"",
            "[\"21:00-24:00\"]",
            "5: `21:00-24:00`: a day has no 24:00 / write 00:00, or leave `times` out for the whole day"
                .into(),
        ),
        ("\"daily\"", "[\"25:00-7:00\"]", format!("5: `25:00-7:00` is no range of time / {times}")),
        ("\"daily\"", "[\"21:0-07:00\"]", format!("5: `21:0-07:00` is no range of time / {times}")),
        ("\"daily\"", "[\"+1:00-07:00\"]", format!("5: `+1:00-07:00` is no range of time / {times}")),
        ("\"daily\"", "[\"21:00\"]", format!("5: `21:00` is no range of time / {times}")),
        ("[]", good, format!("4: a schedule without a day never counts / {days}")),
        ("[7]", good, format!("4: `7` is no day / {days}")),
    ];
    for (days, times, expected) in cases {
        assert_eq!(problems(&schedule(days, times)), [expected], "{days} {times}");
    }
    let many = format!("[{}]", ["\"9:00-9:01\""; 49].join(", "));
    let told = problems(&schedule("\"daily\"", &many));
    assert_eq!(told, ["5: a schedule has more than 48 ranges"]);
    let told = problems(&schedule("[\"mon\", \"tues\"]", good));
    assert!(
        told.len() == 1 && told[0].starts_with("4: `tues` is no day; write mon, tue"),
        "{told:?}"
    );
    assert_eq!(checked(&schedule("\"daily\"", "[\"21:00-00:00\"]")).schedules.len(), 1);
}

#[test]
fn schedules_are_bounded_and_the_mend_is_told() {
    let schedules = |count: usize| -> String {
        (0..count).map(|n| format!("[[schedule]]\nname = \"s{n}\"\nlevel = \"off\"\n")).collect()
    };
    assert_eq!(checked(&schedules(1_000)).schedules.len(), 1_000);
    let told = problems(&schedules(1_002));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("3002: there are more than 1000 schedules / "), "{told:?}");
}

#[test]
fn a_device_takes_its_schedules_along_and_a_list_of_a_schedule_stays() {
    let mut text = PolicyText::new(
        "[[device]]\nname = \"TV\"\naddresses = [\"10.0.0.4\"]\n\n[[schedule]]\nname = \"n\"\n\
         device = \"TV\"\nlevel = \"off\"\n",
    );
    let (tv, other) = (tests::device("TV"), tests::device("Big TV"));
    text.rename_device(&tv, &other).expect("edited");
    let renamed = text.finish();
    assert_eq!(checked(&renamed).schedules[0].scope, Scope::Device(other.clone()));
    let mut text = PolicyText::new(&renamed);
    text.remove_device(&other).expect("edited");
    assert_eq!(checked(&text.finish()), Standing::default());
}
