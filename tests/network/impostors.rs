//! Those who take or use another's address.

use std::time::Duration;

use crate::support::{Answer, House, Net};

const TV: &str = "3c:5a:b4:00:00:10";
const ROGUE: &str = "02:00:00:00:06:66";

/// The television may do what nobody else may.
const NAMED_TV: &str = "[[device]]\nname = \"TV\"\nhardware = [\"3c:5a:b4:00:00:10\"]\n\
                        level = \"off\"\n";

#[test]
fn who_takes_anothers_address_by_arp_gets_its_own_policy() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Allowed);
    let rogue = net.host("rogue", ROGUE).with(&["192.168.7.10/24"]);
    rogue.greet("192.168.7.10", house.v4());
    house.until_it_sees("192.168.7.10", ROGUE);
    assert_eq!(rogue.ask("192.168.7.10", house.v4()), Answer::Blocked);
    rogue.ip("link set eth0 down");
    tv.greet("192.168.7.10", house.v4());
    house.until_it_sees("192.168.7.10", TV);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Allowed, "it has its own again");
    let devices = house.devices();
    let tv: u64 = devices.iter().filter(|device| device.name == "TV").map(|d| d.queries).sum();
    assert_eq!((tv, devices.len()), (2, 2), "{devices:?}");
}

#[test]
fn who_takes_anothers_address_by_neighbour_discovery_gets_its_own_policy() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["fd00:7::10/64"]);
    assert_eq!(tv.ask("fd00:7::10", house.v6()), Answer::Allowed);
    let rogue = net.host("rogue", ROGUE).with(&["fd00:7::10/64"]);
    rogue.greet("fd00:7::10", house.v6());
    house.until_it_sees("fd00:7::10", ROGUE);
    assert_eq!(rogue.ask("fd00:7::10", house.v6()), Answer::Blocked);
}

#[test]
fn who_only_writes_anothers_address_on_a_query_hears_nothing() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, NAMED_TV);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    assert_eq!(tv.ask("192.168.7.10", house.v4()), Answer::Allowed);
    let rogue = net.host("rogue", ROGUE).with(&["192.168.7.66/24"]);
    assert_eq!(rogue.ask("192.168.7.66", house.v4()), Answer::Blocked);
    // It knows where the house is, and keeps quiet about whose address it writes.
    rogue.ip("link set eth0 arp off");
    rogue.ip("neighbour replace 192.168.7.2 lladdr 52:54:00:00:00:02 dev eth0 nud permanent");
    rogue.add("192.168.7.10/24");
    let heard = rogue.try_ask("192.168.7.10", house.v4(), Duration::from_secs(1));
    assert_eq!(heard, Answer::Nothing, "the reply goes to whose address it is");
}
