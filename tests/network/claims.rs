//! Who says that it asks for another: heeded of forwarders that config.toml names, of nobody else.

use std::net::Ipv4Addr;

use crate::support::{Answer, Device, House, Net, hardware_option, subnet_option};

const TV: &str = "3c:5a:b4:00:00:10";
const TV_OCTETS: [u8; 6] = [0x3c, 0x5a, 0xb4, 0, 0, 0x10];
const TV_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 10);

/// The television may do what nobody else may.
const NAMED_TV: &str = "[[device]]\nname = \"TV\"\nhardware = [\"3c:5a:b4:00:00:10\"]\n\
                        level = \"off\"\n";

#[test]
fn who_claims_anothers_hardware_or_address_gets_its_own_policy_and_is_counted() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Allowed);
    let rogue = net.host("rogue", "02:00:00:00:06:66").with(&["192.168.7.66/24"]);
    for option in [hardware_option(TV_OCTETS), subnet_option(TV_ADDRESS)] {
        assert_eq!(rogue.ask_with("192.168.7.66", house.v4(), &option), Answer::Blocked);
    }
    let counts = house.json(&["status"])["counts"].clone();
    let claims = (&counts["claims_ignored"], &counts["claims_taken"]);
    assert_eq!(claims, (&2.into(), &0.into()), "{counts}");
    assert_eq!(counts["last_ignored_claim"]["client"], "192.168.7.66", "{counts}");
    assert!(house.devices().contains(&Device { name: "TV".into(), queries: 1 }));
}

#[test]
fn a_proxy_header_of_a_host_that_nobody_named_ends_its_connection() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let rogue = net.host("rogue", "02:00:00:00:06:66").with(&["192.168.7.66/24"]);
    assert!(rogue.is_served_behind("192.168.7.66", house.v4(), ""));
    let header = "PROXY TCP4 192.168.7.10 192.168.7.2 40000 53\r\n";
    assert!(!rogue.is_served_behind("192.168.7.66", house.v4(), header));
    assert_eq!(house.json(&["status"])["counts"]["claims_ignored"], 1);
}

#[test]
fn a_forwarder_that_is_named_puts_queries_under_the_hardware_that_it_tells() {
    let Some(net) = Net::new() else { return };
    let forwarders = "[devices]\nforwarders = [\"192.168.7.53\"]\n";
    let house = House::with(&net, forwarders, NAMED_TV);
    let forwarder = net.host("forwarder", "3c:5a:b4:00:02:01").with(&["192.168.7.53/24"]);
    let for_the_tv = hardware_option(TV_OCTETS);
    let for_another = hardware_option([0x3c, 0x5a, 0xb4, 0, 0, 0x11]);
    assert_eq!(forwarder.ask_with("192.168.7.53", house.v4(), &for_the_tv), Answer::Allowed);
    assert_eq!(forwarder.ask_with("192.168.7.53", house.v4(), &for_another), Answer::Blocked);
    assert_eq!(forwarder.ask("192.168.7.53", house.v4()), Answer::Blocked, "for itself");
    assert_eq!(house.json(&["status"])["counts"]["claims_taken"], 2);
    let shown = house.device_at("TV");
    assert_eq!(shown["device"]["grade"], "forwarder", "{shown}");
    assert_eq!(house.devices().iter().map(|device| device.queries).collect::<Vec<_>>(), [1; 3]);
    // At the link itself it is the same device.
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Allowed);
    assert!(house.devices().contains(&Device { name: "TV".into(), queries: 2 }));
}
