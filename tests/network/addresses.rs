//! Doors follow the addresses of the machine: they come, they go, others hold them.

use std::net::{TcpListener, UdpSocket};

use crate::support::{Host, House, Net, until};

const TV: &str = "3c:5a:b4:00:00:10";
const PHONE: &str = "3c:5a:b4:00:00:12";

const EACH: &str = "listen = [\"0.0.0.0:53\", \"[::]:53\"]\nworkers = 2\n";

fn house(net: &Net) -> House {
    House::on(House::host(net), EACH, "", "")
}

/// Waits until an address is answered over both transports, each time by itself.
fn until_served(client: &Host, from: &str, server: &str) {
    until(&format!("{server} answered"), || {
        let source = client.answered_by(from, server)?;
        assert_eq!(source.to_string(), server, "a reply leaves from the address that was asked");
        client.is_served_over_tcp(server).then_some(())
    });
}

fn until_gone(house: &House, address: &str) {
    until(&format!("{address} closed"), || (!house.host.has_door_at(address)).then_some(()));
}

#[test]
fn a_new_address_is_served_and_one_that_is_gone_ends_and_comes_back() {
    let Some(net) = Net::new() else { return };
    let house = house(&net);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24", "fd00:7::10/64"]);
    until_served(&tv, "192.168.7.10", "192.168.7.2");
    for (client, address, bits) in
        [("192.168.7.10", "192.168.7.3", 24), ("fd00:7::10", "fd00:7::3", 64)]
    {
        house.host.add(&format!("{address}/{bits}"));
        until_served(&tv, client, address);
        // Gone for a moment, and gone for long.
        house.host.remove(&format!("{address}/{bits}"));
        assert_eq!(tv.answered_by(client, address), None);
        house.host.add(&format!("{address}/{bits}"));
        until_served(&tv, client, address);
        house.host.remove(&format!("{address}/{bits}"));
    }
    for (client, address, bits) in
        [("192.168.7.10", "192.168.7.3", 24), ("fd00:7::10", "fd00:7::3", 64)]
    {
        until_gone(&house, address);
        house.host.add(&format!("{address}/{bits}"));
        until_served(&tv, client, address);
    }
    until_served(&tv, "192.168.7.10", "192.168.7.2");
}

#[test]
fn a_tentative_address_is_served_once_nobody_else_has_it() {
    let Some(net) = Net::new() else { return };
    let house = house(&net);
    let tv = net.host("tv", TV).with(&["fd00:7::10/64"]);
    house.host.ip("address add fd00:7::9/64 dev eth0");
    let is_tentative = || house.host.told("-6 address show tentative").contains("fd00:7::9");
    loop {
        let has_door = house.host.has_door_at("fd00:7::9");
        if !is_tentative() {
            break;
        }
        assert!(!has_door, "another host may have it");
    }
    until_served(&tv, "fd00:7::10", "fd00:7::9");
}

#[test]
fn an_interface_that_comes_is_served_and_one_that_vanishes_takes_down_no_other() {
    let (Some(net), Some(other)) = (Net::new(), Net::new()) else { return };
    let house = house(&net);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    let phone = other.host("phone", PHONE).with(&["192.168.8.12/24"]);
    other.join(&house.host, "eth1", "52:54:00:00:00:03");
    house.host.ip("address add 192.168.8.2/24 dev eth1");
    until_served(&phone, "192.168.8.12", "192.168.8.2");
    tv.ip("route add 192.168.8.0/24 via 192.168.7.2");
    until_served(&tv, "192.168.7.10", "192.168.8.2");
    for server in ["192.168.7.2", "192.168.8.2"] {
        let asking = tv.clone();
        let asked = std::thread::spawn(move || {
            (0..20).filter(|_| asking.answered_by("192.168.7.10", "192.168.7.2").is_some()).count()
        });
        if server == "192.168.8.2" {
            house.host.ip("link delete eth1");
        }
        assert_eq!(asked.join().expect("it asked"), 20, "nobody else notices");
    }
    until_gone(&house, "192.168.8.2");
    until_served(&tv, "192.168.7.10", "192.168.7.2");
}

#[test]
fn link_local_addresses_are_answered_on_their_own_interface() {
    let (Some(net), Some(other)) = (Net::new(), Net::new()) else { return };
    let host = House::host(&net);
    other.join(&host, "eth1", "52:54:00:00:00:03");
    // The same address on two links: only the scope tells them apart.
    host.ip("address add fe80::53/64 dev eth0 nodad");
    host.ip("address add fe80::53/64 dev eth1 nodad");
    let _house = House::on(host, EACH, "", "");
    for client in [net.host("tv", TV), other.host("phone", PHONE)] {
        let from = client.link_local();
        until("an answer of fe80::53", || {
            let source = client.answered_by(&from, "fe80::53")?;
            (source.to_string() == "fe80::53").then_some(())
        });
    }
}

#[test]
fn what_others_hold_is_left_to_them_and_served_once_they_are_gone() {
    let Some(net) = Net::new() else { return };
    let host = House::host(&net).with(&["192.168.7.4/24"]);
    let hold = |address: &'static str| {
        host.inside(|| {
            let udp = UdpSocket::bind((address, 53)).expect("a free port");
            (udp, TcpListener::bind((address, 53)).expect("a free port"))
        })
    };
    // A stub of the system, beside the wildcard.
    let stub = hold("127.0.0.53");
    let holder = hold("192.168.7.4");
    let house = House::on(host.clone(), EACH, "", "");
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    until_served(&tv, "192.168.7.10", "192.168.7.2");
    assert_eq!(tv.answered_by("192.168.7.10", "192.168.7.4"), None, "the other program has it");
    let told = house.told().join("\n");
    assert!(told.contains("192.168.7.4:53 (udp)") && told.contains("holds the port"), "{told}");
    assert!(!told.contains("127.0.0.53"), "{told}");
    drop(holder);
    until_served(&tv, "192.168.7.10", "192.168.7.4");
    until("no notice", || (!house.told().join("\n").contains("192.168.7.4")).then_some(()));
    drop(stub);
}

#[test]
fn an_address_that_is_named_is_served_as_soon_as_an_interface_has_it() {
    let Some(net) = Net::new() else { return };
    let named = "listen = [\"192.168.7.2:53\", \"192.168.7.5:53\", \"[fe80::53%eth1]:53\"]\n";
    let house = House::on(House::host(&net), named, "", "");
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    until_served(&tv, "192.168.7.10", "192.168.7.2");
    let told = house.told().join("\n");
    assert!(told.contains("192.168.7.5") && told.contains("fe80::53%eth1"), "{told}");
    house.host.add("192.168.7.5/24");
    until_served(&tv, "192.168.7.10", "192.168.7.5");
    net.join(&house.host, "eth1", "52:54:00:00:00:03");
    house.host.ip("address add fe80::53/64 dev eth1 nodad");
    let from = tv.link_local();
    until("an answer of fe80::53", || tv.answered_by(&from, "fe80::53"));
    until("no notice", || (!house.told().join("\n").contains("no interface has")).then_some(()));
}

#[test]
fn one_socket_for_all_addresses_serves_those_that_come_later() {
    let Some(net) = Net::new() else { return };
    let house = House::on(House::host(&net), "listen = [\"any:53\"]\n", "", "");
    let tv = net.host("tv", TV).with(&["192.168.7.10/24", "fd00:7::10/64"]);
    until_served(&tv, "192.168.7.10", "192.168.7.2");
    until_served(&tv, "fd00:7::10", "fd00:7::2");
    house.host.add("192.168.7.6/24");
    house.host.add("fd00:7::6/64");
    until_served(&tv, "192.168.7.10", "192.168.7.6");
    until_served(&tv, "fd00:7::10", "fd00:7::6");
    assert!(!house.host.has_door_at("192.168.7.6") && house.host.has_door_at("0.0.0.0"));
}

#[test]
fn addresses_that_come_and_go_lose_no_answer_of_others() {
    let Some(net) = Net::new() else { return };
    let house = house(&net);
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    until_served(&tv, "192.168.7.10", "192.168.7.2");
    let asking = tv.clone();
    let asked = std::thread::spawn(move || {
        (0..60).filter(|_| asking.answered_by("192.168.7.10", "192.168.7.2").is_some()).count()
    });
    for last in 100..130 {
        house.host.add(&format!("192.168.7.{last}/24"));
        house.host.remove(&format!("192.168.7.{last}/24"));
        house.host.add("192.168.7.99/24");
        house.host.remove("192.168.7.99/24");
    }
    assert_eq!(asked.join().expect("it asked"), 60);
    house.host.add("192.168.7.99/24");
    until_served(&tv, "192.168.7.10", "192.168.7.99");
}
