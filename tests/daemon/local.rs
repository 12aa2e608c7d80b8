//! Names that are ours never leave.

use hickory_proto::op::ResponseCode;

use crate::support::{FakeUpstream, Setup, Wanted, address, ask, ask_from_anywhere, ask_tcp};

/// Names of the policy: a printer, its alias, and all names below another.
const LOCAL_NAMES: &str = "
[[local]]
name = \"printer.lan\"
addresses = [\"192.168.1.9\", \"fd00::9\"]
[[local]]
name = \"*.dev.example.com\"
addresses = [\"192.168.1.10\"]
[[local]]
name = \"drucker.lan\"
alias = \"printer.lan\"
";

#[test]
fn special_names_are_answered_here() {
    let upstream = FakeUpstream::for_any_name();
    let daemon = Setup::forwarding_to(&upstream).start();
    let loopback = address("127.0.0.1");
    assert_eq!(ask(daemon.dns(), "localhost", "A").addresses(), [loopback]);
    assert_eq!(ask(daemon.dns(), "x.localhost", "A").addresses(), [loopback]);
    assert_eq!(ask(daemon.dns(), "deadpixel.internal", "A").addresses(), [loopback]);
    for (name, query_type) in [
        ("foo.invalid", "A"),
        ("foo.onion", "A"),
        ("nas.local", "A"),
        ("x.home.arpa", "A"),
        ("1.1.168.192.in-addr.arpa", "PTR"),
        ("1.0.0.10.in-addr.arpa", "PTR"),
    ] {
        let reply = ask(daemon.dns(), name, query_type);
        assert_eq!(reply.code(), ResponseCode::NXDomain, "{name}");
        assert!(reply.has_soa(), "{name}");
    }
    let discovery = ask(daemon.dns(), "_dns.resolver.arpa", "SVCB");
    assert_eq!((discovery.code(), discovery.message.answers.len()), (ResponseCode::NoError, 0));
    assert!(upstream.names_asked().is_empty(), "{:?}", upstream.names_asked());
}

#[test]
fn names_of_the_policy_are_answered_with_authority() {
    let upstream = FakeUpstream::for_any_name();
    let daemon = Setup::forwarding_to(&upstream).policy(LOCAL_NAMES).start();
    let printer = ask(daemon.dns(), "printer.lan", "A");
    assert_eq!(printer.addresses(), [address("192.168.1.9")]);
    assert!(printer.message.metadata.authoritative);
    assert_eq!(ask(daemon.dns(), "printer.lan", "AAAA").addresses().len(), 1);
    let no_data = ask(daemon.dns(), "printer.lan", "TXT");
    assert_eq!((no_data.code(), no_data.has_soa()), (ResponseCode::NoError, true));
    assert_eq!(ask(daemon.dns(), "a.dev.example.com", "A").addresses().len(), 1);
    assert_eq!(ask(daemon.dns(), "drucker.lan", "A").addresses().len(), 1);
    assert!(upstream.names_asked().is_empty(), "{:?}", upstream.names_asked());
    ask(daemon.dns(), "www.example.com", "A");
    assert_eq!(upstream.names_asked(), ["www.example.com"]);
}

#[test]
fn a_zone_file_is_served() {
    let upstream = FakeUpstream::for_any_name();
    let zone = b"$ORIGIN corp.example.\n$TTL 600\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.168.1.2\nwww A 192.168.1.3\n_ldap._tcp SRV 0 0 389 ns\n";
    let policy = "[[zone]]\nname = \"corp.example\"\nfile = \"zones/corp.zone\"\n";
    let daemon =
        Setup::forwarding_to(&upstream).policy(policy).file("zones/corp.zone", zone).start();
    assert_eq!(ask(daemon.dns(), "www.corp.example", "A").addresses().len(), 1);
    assert_eq!(ask(daemon.dns(), "_ldap._tcp.corp.example", "SRV").message.answers.len(), 1);
    assert_eq!(ask(daemon.dns(), "nope.corp.example", "A").code(), ResponseCode::NXDomain);
    assert!(upstream.names_asked().is_empty());
}

#[test]
fn a_forwarded_zone_beats_the_special_use_default_and_stays_inside() {
    let public = FakeUpstream::for_any_name();
    let lan = FakeUpstream::with(
        "nas.local. 300 A 192.168.1.4\n4.1.168.192.in-addr.arpa. 300 PTR nas.local.\n\
         _ldap._tcp.dc._msdcs.corp.local. 300 SRV 0 100 389 dc1.corp.local.",
    );
    let mut setup = Setup::forwarding_to(&public);
    for zone in ["local", "192.168.1.0/24", "fritz.box"] {
        let forward =
            format!("[[forward]]\nzone = \"{zone}\"\nservers = [{{ url = \"{}\" }}]\n", lan.url());
        setup.config.push_str(&forward);
    }
    let daemon = setup.start();
    let nas = ask(daemon.dns(), "nas.local", "A");
    assert_eq!(nas.addresses(), [address("192.168.1.4")], "private is right here");
    assert_eq!(ask(daemon.dns(), "4.1.168.192.in-addr.arpa", "PTR").message.answers.len(), 1);
    let controller = ask(daemon.dns(), "_ldap._tcp.dc._msdcs.corp.local", "SRV");
    assert_eq!(controller.message.answers.len(), 1, "Active Directory");
    drop(lan);
    assert_eq!(ask(daemon.dns(), "box.fritz.box", "A").code(), ResponseCode::ServFail);
    assert!(public.names_asked().is_empty(), "never tried elsewhere");
}

#[test]
fn our_name_is_the_address_that_was_asked_in_both_families() {
    let upstream = FakeUpstream::for_any_name();
    let mut setup = Setup::forwarding_to(&upstream);
    setup.config = setup.config.replace("\"127.0.0.1:0\"", "\"127.0.0.1:0\", \"[::1]:0\"");
    let daemon = setup.start();
    let [v4, v6] = daemon.dns_addresses()[..] else { panic!("two listeners") };
    for (server, has, has_not) in [(v4, "A", "AAAA"), (v6, "AAAA", "A")] {
        let wanted = |query_type| Wanted::new("deadpixel.internal", query_type);
        let over_udp = ask_from_anywhere(server, &wanted(has));
        assert_eq!(over_udp.addresses(), [server.ip()]);
        assert_eq!(ask_tcp(server, &wanted(has)).addresses(), [server.ip()]);
        let other = ask_from_anywhere(server, &wanted(has_not));
        assert!(other.code() == ResponseCode::NoError && other.has_soa(), "{server}");
        let pixel = ask_from_anywhere(server, &Wanted::new("analytics.tiktok.com", "A"));
        assert!(pixel.is_null_address(), "{server}");
    }
}

#[test]
fn what_zones_said_is_repeated_octet_for_octet_until_they_change() {
    let upstream = FakeUpstream::for_any_name();
    let clock = deadpixel::clock::Clock::manual(1_700_000_000_000_000);
    let zone = b"$ORIGIN corp.example.\n$TTL 0\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.168.1.2\n*.any A 192.168.1.3\n";
    let zones = "[[zone]]\nname = \"corp.example\"\nfile = \"zones/corp.zone\"\n";
    let policy = [zones, LOCAL_NAMES].concat();
    let setup = Setup::forwarding_to(&upstream).clock(&clock).policy(&policy);
    let daemon = setup.file("zones/corp.zone", zone).start();
    let names = [
        "printer.lan",
        "PRINTER.lan",
        "drucker.lan",
        "a.dev.example.com",
        "dev.example.com",
        "localhost",
        "x.localhost",
        "deadpixel.internal",
        "foo.invalid",
        "nas.local",
        "router",
        "9.1.168.192.in-addr.arpa",
        "1.0.0.10.in-addr.arpa",
        "ns.corp.example",
        "x.any.corp.example",
        "gone.corp.example",
        "_dns.resolver.arpa",
        "wpad.lan",
    ];
    let types = ["A", "AAAA", "CNAME", "PTR", "SOA", "HTTPS", "ANY"];
    let mut client = daemon.client(1);
    for name in names {
        for query_type in types {
            for edns in [None, Some((1232, 0, false)), Some((1232, 0, true))] {
                let wanted = Wanted { edns, ..Wanted::new(name, query_type) };
                let [first, second, third] = [(); 3].map(|()| client.send(&wanted).octets);
                assert!(first == second && second == third, "{name} {query_type} {edns:?}");
                clock.advance(61_000_000);
                assert_eq!(
                    client.send(&wanted).octets,
                    first,
                    "{name} {query_type}: it does not age"
                );
            }
        }
    }
    let new = policy.replace("192.168.1.9", "192.168.1.8");
    std::fs::write(daemon.data().join("policy.toml"), new).expect("written");
    daemon.run(&["reload"]);
    for name in ["printer.lan", "drucker.lan"] {
        assert_eq!(ask(daemon.dns(), name, "A").addresses(), [address("192.168.1.8")]);
    }
}

#[test]
fn what_we_say_of_ourselves_depends_on_where_we_are_asked() {
    let upstream = FakeUpstream::for_any_name();
    let mut setup = Setup::forwarding_to(&upstream);
    setup.config = setup.config.replace("[\"127.0.0.1:0\"]", "[\"127.0.0.1:0\", \"127.0.0.2:0\"]");
    let daemon =
        setup.policy("[[local]]\nname = \"dns.lan\"\nalias = \"deadpixel.internal\"\n").start();
    for _ in 0..3 {
        for server in daemon.dns_addresses() {
            for name in ["deadpixel.internal", "dns.lan"] {
                assert_eq!(ask(server, name, "A").addresses(), [server.ip()], "{name}");
            }
        }
    }
}
