//! One device, whatever its addresses: rotating, handed on, changed, IPv6 alone.

use std::net::SocketAddr;

use crate::support::{Answer, Device, House, Net};

const TV: &str = "3c:5a:b4:00:00:10";
const LAPTOP: &str = "3c:5a:b4:00:00:11";

/// Only the television is bound by a level that blocks.
const NAMED_TV: &str = "[everyone]\nlevel = \"off\"\n\
                        [[device]]\nname = \"TV\"\nhardware = [\"3c:5a:b4:00:00:10\"]\nlevel = \"standard\"\n";

fn counts(devices: &[Device]) -> Vec<u64> {
    devices.iter().map(|device| device.queries).collect()
}

#[test]
fn four_hosts_with_addresses_that_rotate_are_four_devices() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, "");
    for number in 0..4 {
        let name = format!("host{number}");
        let host = net.host(&name, &format!("3c:5a:b4:00:01:0{number}"));
        let v4 = format!("192.168.7.{}", 20 + number);
        host.add(&format!("{v4}/24"));
        host.ask(&v4, house.v4());
        for day in 1..=4 {
            let privacy = format!("fd00:7::{number}:{day:x}00{number}");
            host.add(&format!("{privacy}/64"));
            assert_eq!(host.ask(&privacy, house.v6()), Answer::Blocked);
            if day > 2 {
                host.remove(&format!("fd00:7::{number}:{:x}00{number}/64", day - 2));
            }
        }
    }
    assert_eq!(counts(&house.devices()), [5, 5, 5, 5], "{:?}", house.devices());
}

#[test]
fn the_first_query_from_a_fresh_address_is_judged_by_the_devices_policy() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24", "fd00:7::10/64"]);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Blocked);
    assert_eq!(tv.ask("fd00:7::10", house.v6()), Answer::Blocked);
    // It knows where the house is: nothing goes ahead of these queries.
    for last in 1..=12 {
        let fresh = format!("fd00:7::aaaa:{last:x}");
        tv.add(&format!("{fresh}/64"));
        assert_eq!(tv.ask(&fresh, house.v6()), Answer::Blocked, "{fresh}");
    }
    tv.add("192.168.7.99/24");
    assert_eq!(tv.ask("192.168.7.99", house.v4()), Answer::Blocked);
    assert_eq!(house.devices(), [Device { name: "TV".into(), queries: 15 }]);
}

#[test]
fn the_policy_follows_an_address_that_is_handed_on() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    let laptop = net.host("laptop", LAPTOP).with(&["192.168.7.11/24"]);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Blocked);
    assert_eq!(laptop.ask("192.168.7.11", house.v4()), Answer::Allowed);
    tv.remove("192.168.7.10/24");
    laptop.add("192.168.7.10/24");
    laptop.greet("192.168.7.10", house.v4());
    house.until_it_sees("192.168.7.10", LAPTOP);
    assert_eq!(laptop.ask("192.168.7.10", house.v4()), Answer::Allowed, "it is no TV now");
    tv.add("192.168.7.12/24");
    assert_eq!(tv.ask("192.168.7.12", house.v4()), Answer::Blocked, "it still is one");
    let devices = house.devices();
    assert_eq!(counts(&devices), [2, 2], "{devices:?}");
}

#[test]
fn a_host_that_changes_its_hardware_address_is_another_device_until_somebody_says_so() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Blocked);
    let random = "da:5a:b4:00:00:77";
    tv.change_hardware(random);
    tv.greet("192.168.7.10", house.v4());
    house.until_it_sees("192.168.7.10", random);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Allowed, "nothing is merged unasked");
    assert_eq!(counts(&house.devices()), [1, 1], "{:?}", house.devices());
    house.rewrite_policy(&NAMED_TV.replace("\"]", &format!("\", \"{random}\"]")));
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Blocked, "somebody said so");
    let expected = [Device { name: "TV".into(), queries: 3 }];
    assert_eq!(house.devices(), expected, "history follows");
}

#[test]
fn a_host_with_ipv6_alone_is_one_device_at_all_its_addresses() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["fd00:7::10/64"]);
    let own = tv.link_local();
    assert_eq!(tv.ask(&own, house.v6()), Answer::Blocked);
    assert_eq!(tv.ask("fd00:7::10", house.v6()), Answer::Blocked);
    assert_eq!(house.devices(), [Device { name: "TV".into(), queries: 2 }]);
}

#[test]
fn two_hosts_behind_a_router_that_translates_addresses_are_one_device() {
    let (Some(net), Some(inner)) = (Net::new(), Net::new()) else { return };
    let house = House::start(&net, "");
    let router = net.host("router", "3c:5a:b4:00:02:01").with(&["192.168.7.50/24"]);
    inner.join(&router, "eth1", "3c:5a:b4:00:02:02");
    router.ip("address add 192.168.8.1/24 dev eth1");
    router.translate("192.168.8.1", "192.168.7.50", house.v4());
    let at_the_router = SocketAddr::new([192, 168, 8, 1].into(), house.v4().port());
    for number in [10, 11] {
        let hardware = format!("3c:5a:b4:00:03:{number}");
        let address = format!("192.168.8.{number}");
        let host = inner.host(&format!("host{number}"), &hardware);
        host.add(&format!("{address}/24"));
        assert_eq!(host.ask(&address, at_the_router), Answer::Blocked);
    }
    assert_eq!(counts(&house.devices()), [2]);
}
