//! What a person is told of, with what to do.

use crate::support::{Answer, House, Net, until};

const TV: &str = "3c:5a:b4:00:00:10";
const ROGUE: &str = "02:00:00:00:06:66";

/// Named by its address, which it will not keep.
const NAMED_TV: &str =
    "[[device]]\nname = \"TV\"\naddresses = [\"192.168.7.10\"]\nlevel = \"off\"\n";

#[test]
fn a_device_that_falls_to_the_default_policy_is_told_with_the_remedy() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Allowed);
    tv.remove("192.168.7.10/24");
    tv.add("192.168.7.12/24");
    assert_eq!(tv.ask("192.168.7.12", house.v4()), Answer::Blocked, "it fell");
    let told = house.notice("fell-to-default");
    let text = |key: &str| told[key].as_str().expect("text").to_owned();
    assert!(text("headline").contains("TV"), "{told}");
    assert!(text("words").contains("192.168.7.12"), "{told}");
    assert!(text("remedy").contains("deadpixel device merge TV") && text("remedy").contains(TV));
    house.command(&["device", "merge", "TV", "192.168.7.12"]);
    assert_eq!(tv.ask("192.168.7.12", house.v4()), Answer::Allowed, "the remedy helps");
}

#[test]
fn a_new_device_is_told_once_and_not_again_at_another_address() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, "");
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    tv.ask("192.168.7.10", house.v4());
    let told = house.notice("new-device");
    assert!(told["words"].as_str().expect("text").contains(TV), "{told}");
    assert!(told["remedy"].as_str().expect("text").contains("deadpixel device rename"), "{told}");
    tv.add("192.168.7.12/24");
    tv.ask("192.168.7.12", house.v4());
    // It is told after what came before.
    let laptop = net.host("laptop", "02:00:00:00:00:11").with(&["192.168.7.11/24"]);
    laptop.ask("192.168.7.11", house.v4());
    let all = until("the laptop", || {
        let all = house.json(&["notices"]).as_array().expect("a list").clone();
        all.iter().any(|told| told.to_string().contains("192.168.7.11")).then_some(all)
    });
    let new = all.iter().filter(|told| told["kind"] == "new-device").count();
    assert_eq!(new, 2, "{all:?}");
}

#[test]
fn an_address_that_two_hosts_claim_is_told() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, "");
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    tv.ask("192.168.7.10", house.v4());
    let rogue = net.host("rogue", ROGUE).with(&["192.168.7.10/24"]);
    rogue.greet("192.168.7.10", house.v4());
    house.until_it_sees("192.168.7.10", ROGUE);
    rogue.ip("link set eth0 down");
    tv.greet("192.168.7.10", house.v4());
    house.until_it_sees("192.168.7.10", TV);
    let told = house.notice("contested");
    let words = told["words"].as_str().expect("text");
    assert_eq!(told["subject"], "address 192.168.7.10");
    assert!(words.contains(TV) && words.contains(ROGUE), "{told}");
}

#[test]
fn a_router_that_advertises_another_name_server_is_told() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, "");
    house.host.link_local();
    let router = net.host("router", "3c:5a:b4:00:02:01");
    for server in ["fd00:7::2", "fd00:7::53"] {
        if let Err(error) = router.advertise(server) {
            return println!("skipped: no raw socket for router advertisements ({error})");
        }
    }
    let told = house.notice("other-name-server");
    let words = told["words"].as_str().expect("text");
    assert!(words.contains("fd00:7::53") && words.contains(&router.link_local()), "{told}");
    assert!(!words.contains("fd00:7::2 "), "that is this machine: {told}");
}
