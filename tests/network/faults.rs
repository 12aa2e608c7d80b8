//! Networks that fail under the daemon: what it cannot send is counted, and others are answered.

use std::time::Duration;

use crate::support::{Answer, House, Net};

const PHONE: &str = "3c:5a:b4:00:00:11";
const TABLET: &str = "3c:5a:b4:00:00:12";

#[test]
fn replies_that_the_kernel_does_not_send_are_counted_and_others_get_theirs() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, "");
    let phone = net.host("phone", PHONE).with(&["192.168.7.11/24"]);
    let tablet = net.host("tablet", TABLET).with(&["192.168.7.12/24"]);
    assert_eq!(phone.ask("192.168.7.11", house.v4()), Answer::Blocked);
    house.host.ip("route add prohibit 192.168.7.11/32");
    for _ in 0..5 {
        let heard = phone.try_ask("192.168.7.11", house.v4(), Duration::from_millis(200));
        assert_eq!(heard, Answer::Nothing);
        assert_eq!(tablet.ask("192.168.7.12", house.v4()), Answer::Blocked);
    }
    let unsent = house.json(&["status"])["counts"]["unsent"].as_u64().expect("a count");
    assert_eq!(unsent, 5);
    let told = String::from_utf8(house.command(&["status"])).expect("text");
    assert!(told.contains("5 replies not sent"), "{told}");
    house.host.ip("route delete prohibit 192.168.7.11/32");
    assert_eq!(phone.ask("192.168.7.11", house.v4()), Answer::Blocked, "and again");
}

#[test]
fn while_a_card_is_gone_those_on_the_other_are_answered() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, "");
    let phone = net.host("phone", PHONE).with(&["192.168.7.11/24"]);
    assert_eq!(phone.ask("192.168.7.11", house.v4()), Answer::Blocked);
    let here = "127.0.0.1:53".parse().expect("an address");
    house.host.ip("link delete eth0");
    for _ in 0..3 {
        assert_eq!(house.host.ask("127.0.0.1", here), Answer::Blocked);
        assert_eq!(house.host.ask_for("127.0.0.1", here, "www.example.org"), Answer::Allowed);
    }
    net.join(&house.host, "eth0", "52:54:00:00:00:02");
    house.host.ip("address add 192.168.7.2/24 dev eth0");
    let mut tries = 0..50;
    let heard = tries.find(|_| {
        let heard = phone.try_ask("192.168.7.11", house.v4(), Duration::from_millis(200));
        heard == Answer::Blocked
    });
    assert!(heard.is_some(), "and on this one too when it is back");
}
