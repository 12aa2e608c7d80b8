//! What hosts and a real DHCP server say of them: names, kinds, leases; and what a rogue says.

use std::net::Ipv4Addr;

use crate::support::{Announcement, Answer, Client, DhcpServer, House, Net, until};

const TV: &str = "3c:5a:b4:00:00:10";
const ROGUE: &str = "02:00:00:00:06:66";
const HOUSE: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 2);
const PHONE: [u8; 6] = [0x3c, 0x5a, 0xb4, 0, 0, 0x20];

const NAMED_PHONE: &str = "[[device]]\nname = \"Phone\"\nhardware = [\"3c:5a:b4:00:00:20\"]\n\
                           level = \"off\"\n";

const CAST: Announcement<'_> = Announcement {
    instance: b"Chromecast-11aa",
    texts: &[b"id=11aa", b"md=Chromecast Ultra", b"fn=Living room"],
    address: "192.168.7.10",
};

/// Of 255 octets, with mark-up, a colour, a line of its own, and marks that turn it around.
fn hostile_text() -> Vec<u8> {
    let mut text = b"fn=<b onclick=x>\x1b[31m\nTV \xe2\x80\xae\xe2\x80\x8b\x07\xff".to_vec();
    text.resize(255, b'x');
    text
}

#[test]
fn a_host_is_shown_by_what_it_announces_and_no_other_host_is() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, "");
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    let laptop = net.host("laptop", "02:00:00:00:00:11").with(&["192.168.7.11/24"]);
    tv.ask("192.168.7.10", house.v4());
    laptop.ask("192.168.7.11", house.v4());
    let before = house.device_at("192.168.7.11")["device"]["name"].clone();
    let shown = until("the name that is announced", || {
        tv.announce("192.168.7.10", &CAST);
        let shown = house.device_at("192.168.7.10");
        (shown["device"]["name"] == "Living room").then_some(shown)
    });
    let device = &shown["device"];
    assert_eq!((&device["kind"], &device["kind_from"]), (&"tv".into(), &"mdns".into()), "{shown}");
    assert_eq!(shown["names"][0]["from"], "mdns", "{shown}");
    assert_eq!(device["named"], false, "it is a proposal");
    assert_eq!(shown["hardware"][0]["address"], TV, "{shown}");
    assert_eq!(house.device_at("192.168.7.11")["device"]["name"], before, "it said nothing");
}

#[test]
fn who_announces_anothers_name_or_address_names_only_itself() {
    let Some(net) = Net::new() else { return };
    let house = House::start(&net, "");
    let tv = net.host("tv", TV).with(&["192.168.7.10/24"]);
    let rogue = net.host("rogue", ROGUE).with(&["192.168.7.66/24"]);
    tv.ask("192.168.7.10", house.v4());
    rogue.ask("192.168.7.66", house.v4());
    let hostile = hostile_text();
    let anothers = Announcement { texts: &[b"fn=Router"], ..CAST };
    let same_name = Announcement { address: "192.168.7.66", ..CAST };
    let own = Announcement { texts: &[&hostile], address: "192.168.7.66", ..CAST };
    let name = |at: &str| house.device_at(at)["device"]["name"].as_str().map(str::to_owned);
    until("both names", || {
        tv.announce("192.168.7.10", &CAST);
        rogue.announce("192.168.7.66", &anothers);
        rogue.announce("192.168.7.66", &same_name);
        let apart = name("192.168.7.66")?.starts_with("Living room (");
        (apart && name("192.168.7.10")? == "Living room").then_some(())
    });
    let told = until("its own name", || {
        rogue.announce("192.168.7.66", &own);
        name("192.168.7.66").filter(|name| name.contains("onclick"))
    });
    assert!(told.chars().count() <= 64 && !told.chars().any(char::is_control), "{told:?}");
    assert!(!told.contains(['\u{202e}', '\u{200b}']), "{told:?}");
    assert_eq!(name("192.168.7.10").as_deref(), Some("Living room"));
    let list = String::from_utf8(house.command(&["devices"])).expect("text");
    assert!(list.contains("Living room") && !list.contains("Router"), "{list}");
    assert!(!list.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{list:?}");
}

#[test]
fn a_host_is_shown_by_the_name_in_its_lease_of_a_real_dhcp_server() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let leases = folder.path().join("dnsmasq.leases");
    let house = House::with(&net, &format!("[discovery]\nleases = [{leases:?}]\n"), "");
    let ranges = ["192.168.7.50,192.168.7.99"];
    let Some(_server) = DhcpServer::start(&house.host, &leases, &ranges) else { return };
    let phone = net.host("phone", "3c:5a:b4:00:00:20");
    let address = phone.inside(|| Client::new("eth0", HOUSE, PHONE, b"annas-phone").lease());
    let address = address.to_string();
    phone.add(&format!("{address}/24"));
    phone.ask(&address, house.v4());
    let shown = house.until_called(&address, "annas-phone");
    assert_eq!(shown["names"][0]["from"], "lease", "{shown}");
    assert_eq!(shown["device"]["kind"], "phone", "{shown}");
    assert_eq!(shown["device"]["grade"], "hardware", "the kernel sees it: {shown}");
    assert_eq!(shown["maker"], "Google", "{shown}");
}

#[test]
fn who_leases_an_address_with_anothers_hardware_address_gets_its_own_policy() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let leases = folder.path().join("dnsmasq.leases");
    let house = House::with(&net, &format!("[discovery]\nleases = [{leases:?}]\n"), NAMED_PHONE);
    let ranges = ["192.168.7.50,192.168.7.99"];
    let Some(_server) = DhcpServer::start(&house.host, &leases, &ranges) else { return };
    let rogue = net.host("rogue", ROGUE);
    let address = rogue.inside(|| Client::new("eth0", HOUSE, PHONE, b"annas-phone").lease());
    let address = address.to_string();
    until("the lease", || {
        let known = house.find_device_at(&address)?;
        (known["device"]["name"] == "Phone").then_some(())
    });
    rogue.add(&format!("{address}/24"));
    assert_eq!(rogue.ask(&address, house.v4()), Answer::Blocked, "the kernel knows better");
    let shown = house.device_at(&address);
    assert_eq!(shown["hardware"][0]["address"], ROGUE, "{shown}");
    assert_eq!(shown["device"]["named"], false, "{shown}");
}

#[test]
fn behind_a_router_a_lease_tells_whose_an_address_is() {
    let (Some(net), Some(inner)) = (Net::new(), Net::new()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let leases = folder.path().join("dnsmasq.leases");
    let house = House::with(&net, &format!("[discovery]\nleases = [{leases:?}]\n"), NAMED_PHONE);
    let router = net.host("router", "3c:5a:b4:00:02:01").with(&["192.168.7.50/24"]);
    inner.join(&router, "eth1", "3c:5a:b4:00:02:02");
    router.ip("address add 192.168.8.1/24 dev eth1");
    router.route();
    house.host.ip("route add 192.168.8.0/24 via 192.168.7.50");
    let ranges = ["192.168.8.60,192.168.8.99"];
    let Some(_server) = DhcpServer::start(&house.host, &leases, &ranges) else { return };
    let relay = Ipv4Addr::new(192, 168, 8, 1);
    let ask = |hardware| Client::behind(relay, HOUSE, hardware, b"annas-phone").lease();
    let address = router.inside(|| ask(PHONE)).to_string();
    let phone = inner.host("phone", "3c:5a:b4:00:00:20").with(&[&format!("{address}/24")]);
    let tablet = inner.host("tablet", "3c:5a:b4:00:00:21").with(&["192.168.8.30/24"]);
    for host in [&phone, &tablet] {
        host.ip("route add 192.168.7.0/24 via 192.168.8.1");
    }
    until("the lease", || (phone.ask(&address, house.v4()) == Answer::Allowed).then_some(()));
    assert_eq!(tablet.ask("192.168.8.30", house.v4()), Answer::Blocked, "it has no lease");
    assert_eq!(house.device_at(&address)["device"]["grade"], "lease");
    assert_eq!(house.device_at("192.168.8.30")["device"]["grade"], "address");
    assert!(!house.host.told("neighbour show").contains(&address), "the kernel does not see it");
}

#[test]
fn a_host_is_shown_by_the_name_that_the_router_has_for_it() {
    let Some(net) = Net::new() else { return };
    let router = net.host("router", "3c:5a:b4:00:02:01").with(&["192.168.7.1/24"]);
    router.knows_all_as("192.168.7.1", "brother-hl.lan");
    let house = House::start(&net, "");
    house.host.ip("route add default via 192.168.7.1");
    let printer = net.host("printer", "02:00:00:00:00:10").with(&["192.168.7.10/24"]);
    printer.ask("192.168.7.10", house.v4());
    let shown = house.until_called("192.168.7.10", "brother-hl");
    assert_eq!(shown["names"][0]["from"], "reverse-name", "{shown}");
    assert_eq!(shown["device"]["kind"], "printer", "{shown}");
}
