//! Policy bound to hardware: pauses, names, merges and schedules go where the device goes.

use crate::support::{Answer, Device, House, Net};

const TV: &str = "3c:5a:b4:00:00:10";
const RANDOM: &str = "da:5a:b4:00:00:77";

const NAMED_TV: &str = "[[device]]\nname = \"TV\"\nhardware = [\"3c:5a:b4:00:00:10\"]\n";

#[test]
fn a_pause_survives_a_restart_and_goes_along_to_a_new_privacy_address() {
    let Some(net) = Net::new() else { return };
    let mut house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["fd00:7::10/64"]);
    let laptop = net.host("laptop", "3c:5a:b4:00:00:11").with(&["fd00:7::11/64"]);
    assert_eq!(tv.ask("fd00:7::10", house.v6()), Answer::Blocked);
    house.command(&["pause", "1h", "-d", "TV"]);
    assert_eq!(tv.ask("fd00:7::10", house.v6()), Answer::Allowed);
    house.restart();
    tv.add("fd00:7::aaaa:1/64");
    tv.remove("fd00:7::10/64");
    assert_eq!(tv.ask("fd00:7::aaaa:1", house.v6()), Answer::Allowed, "a new address");
    assert_eq!(laptop.ask("fd00:7::11", house.v6()), Answer::Blocked, "it has no pause");
    house.command(&["resume", "-d", "TV"]);
    assert_eq!(tv.ask("fd00:7::aaaa:1", house.v6()), Answer::Blocked);
    assert!(house.devices().contains(&Device { name: "TV".into(), queries: 4 }), "one device");
}

#[test]
fn a_name_given_to_a_device_binds_its_hardware() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, "");
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    tv.ask("192.168.7.10", house.v4());
    house.command(&["device", "rename", "192.168.7.10", "TV"]);
    assert!(house.policy().contains(&format!("hardware = [\"{TV}\"]")), "{}", house.policy());
    house.command(&["level", "TV", "off"]);
    tv.add("192.168.7.12/24");
    assert_eq!(tv.ask("192.168.7.12", house.v4()), Answer::Allowed);
    assert_eq!(house.devices(), [Device { name: "TV".into(), queries: 2 }], "with its past");
}

#[test]
fn two_hosts_put_together_have_one_past_until_that_is_taken_back() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    let other = net.host("other", RANDOM).with(&["192.168.7.20/24"]);
    tv.ask_for("192.168.7.10", house.v4(), "one.example");
    other.ask_for("192.168.7.20", house.v4(), "two.example");
    assert_eq!(house.asked_by("TV"), ["one.example"]);
    house.command(&["device", "merge", "TV", "192.168.7.20"]);
    let mut asked = house.asked_by("TV");
    asked.sort();
    assert_eq!(asked, ["one.example", "two.example"], "history follows");
    other.ask_for("192.168.7.20", house.v4(), "three.example");
    assert_eq!(house.devices(), [Device { name: "TV".into(), queries: 3 }]);
    house.command(&["policy", "undo"]);
    assert_eq!(house.policy(), NAMED_TV);
    assert_eq!(house.asked_by("TV"), ["one.example"]);
    let mut asked = house.asked_by("192.168.7.20");
    asked.sort();
    assert_eq!(asked, ["three.example", "two.example"]);
}

#[test]
fn a_schedule_binds_the_hardware_at_whatever_address() {
    let Some(net) = Net::new() else { return };
    let schedule = "[[schedule]]\nname = \"always\"\ndays = \"daily\"\ndevice = \"TV\"\n\
                    level = \"off\"\n";
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    let laptop = net.host("laptop", "3c:5a:b4:00:00:11").with(&["192.168.7.11/24"]);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Blocked);
    house.rewrite_policy(&format!("{NAMED_TV}{schedule}"));
    tv.add("192.168.7.12/24");
    assert_eq!(tv.ask("192.168.7.12", house.v4()), Answer::Allowed);
    assert_eq!(laptop.ask("192.168.7.11", house.v4()), Answer::Blocked);
    let shown = house.device_at("TV");
    assert_eq!(shown["schedules"][0]["on"], true, "{shown}");
}
