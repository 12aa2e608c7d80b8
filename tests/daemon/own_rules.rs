//! Own rules in AdGuard's and Pi-hole's syntax: rewrites, addresses, conditions, silence.

use std::net::TcpStream;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::support::{
    FakeUpstream, Mood, Reply, Setup, TestDaemon, Wanted, address, ask, read_framed, write_framed,
};

const ZONE: &str = "
www.example. 300 A 203.0.113.1
www.example. 300 AAAA 2001:db8::1
target.example. 300 A 203.0.113.2
alias.example. 300 CNAME edge.example.
edge.example. 300 A 203.0.113.3
edge.example. 300 AAAA ::ffff:203.0.113.4
hint.example. 300 HTTPS 1 . ipv4hint=203.0.113.3
mapped.example. 300 AAAA ::ffff:203.0.113.3
inside.example. 300 A 192.168.1.7
";

const DEVICES: &str = "
[[device]]
name = \"TV\"
addresses = [\"127.0.0.2\"]
[[device]]
name = \"Tablet\"
addresses = [\"127.0.0.3\"]
tags = [\"user_child\"]
";

fn house(rules: &[&str], more: &str) -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::with(ZONE);
    let rule = |text: &&str| format!("[[rule]]\nadguard = '{text}'\n");
    let rules: String = rules.iter().map(rule).collect();
    (Setup::forwarding_to(&upstream).policy(&format!("{more}\n{rules}")).start(), upstream)
}

fn with_edns(daemon: &TestDaemon, name: &str, query_type: &str) -> Reply {
    daemon.client(1).send(&Wanted::new(name, query_type).edns(1232))
}

/// Returns types and data of the answers.
fn answers(reply: &Reply) -> Vec<String> {
    let text = |record: &hickory_proto::rr::Record| {
        format!("{} {} {}", record.name, record.record_type(), record.data)
    };
    reply.message.answers.iter().map(text).collect()
}

#[test]
fn a_rewrite_gives_its_records_to_their_type_and_no_data_to_the_rest() {
    let (daemon, upstream) = house(
        &["||www.example^$dnsrewrite=192.0.2.7", "||text.example^$dnsrewrite=NOERROR;TXT;hi there"],
        "",
    );
    let reply = with_edns(&daemon, "wWw.example", "A");
    assert_eq!(reply.addresses(), [address("192.0.2.7")]);
    assert_eq!(reply.message.answers[0].ttl, 10);
    assert!(!reply.message.metadata.authentic_data);
    let (code, text) = reply.extended_error().expect("an extended error");
    assert_eq!((code, text.as_str()), (4, "Rewritten: own rule"));
    for query_type in ["AAAA", "HTTPS", "ANY", "CNAME"] {
        let other = ask(daemon.dns(), "www.example", query_type);
        assert_eq!((other.code(), other.message.answers.len()), (ResponseCode::NoError, 0));
        assert!(other.has_soa(), "{query_type}");
    }
    assert_eq!(
        answers(&ask(daemon.dns(), "a.text.example", "TXT")),
        ["a.text.example. TXT hi there"]
    );
    assert!(upstream.names_asked().is_empty());
}

#[test]
fn a_rewrite_to_a_code_is_that_code() {
    let (daemon, upstream) = house(
        &[
            "||gone.example^$dnsrewrite=NXDOMAIN;;",
            "||no.example^$dnsrewrite=REFUSED",
            "||fails.example^$dnsrewrite=SERVFAIL",
        ],
        "",
    );
    let codes = [
        ("gone.example", ResponseCode::NXDomain, true),
        ("no.example", ResponseCode::Refused, false),
        ("fails.example", ResponseCode::ServFail, false),
    ];
    for (name, code, soa) in codes {
        let reply = ask(daemon.dns(), name, "A");
        assert_eq!((reply.code(), reply.has_soa()), (code, soa), "{name}");
    }
    assert!(upstream.names_asked().is_empty());
}

#[test]
fn a_rewrite_to_a_name_is_followed_without_being_filtered() {
    let rules = [
        "||www.example^$dnsrewrite=target.example",
        "||chain.example^$dnsrewrite=alias.example",
        "||target.example^",
        "||edge.example^",
    ];
    let (daemon, upstream) = house(&rules, "");
    for _ in 0..2 {
        let reply = with_edns(&daemon, "www.example", "A");
        let expected = ["www.example. CNAME target.example.", "target.example. A 203.0.113.2"];
        assert_eq!(answers(&reply), expected);
        assert_eq!(reply.extended_error().map(|(code, _)| code), Some(4));
    }
    assert_eq!(upstream.times_asked("target.example", RecordType::A), 1, "then it is cached");
    let chain = answers(&ask(daemon.dns(), "chain.example", "A"));
    assert_eq!(
        chain,
        [
            "chain.example. CNAME alias.example.",
            "alias.example. CNAME edge.example.",
            "edge.example. A 203.0.113.3"
        ]
    );
    assert!(ask(daemon.dns(), "target.example", "A").is_null_address(), "asked for itself");
    let none = ask(daemon.dns(), "www.example", "AAAA");
    assert_eq!(answers(&none), ["www.example. CNAME target.example."]);
    assert!(none.has_soa(), "that of the target's negative answer");
    let alias = ask(daemon.dns(), "www.example", "CNAME");
    assert_eq!(answers(&alias), ["www.example. CNAME target.example."]);
}

#[test]
fn a_rewrite_leads_to_names_of_ours_and_fails_where_its_target_does() {
    let local = "[[local]]\nname = \"nas.lan\"\naddresses = [\"192.168.1.9\"]\n";
    let rules = [
        "||files.example^$dnsrewrite=nas.lan",
        "||inside.net^$dnsrewrite=inside.example",
        "||gone.net^$dnsrewrite=gone.example",
        "||www.example^$dnsrewrite=target.example",
    ];
    let (daemon, upstream) = house(&rules, local);
    let reply = ask(daemon.dns(), "files.example", "A");
    assert_eq!(reply.addresses(), [address("192.168.1.9")]);
    assert!(upstream.names_asked().is_empty(), "names of ours never leave");
    let inside = ask(daemon.dns(), "inside.net", "A");
    assert_eq!(inside.addresses(), [address("192.168.1.7")], "the owner may point inside");
    let gone = ask(daemon.dns(), "gone.net", "A");
    assert_eq!((gone.code(), gone.message.answers.len()), (ResponseCode::NXDomain, 1));
    upstream.set_mood(Mood::Failing);
    let failed = ask(daemon.dns(), "www.example", "A");
    assert_eq!((failed.code(), failed.message.answers.len()), (ResponseCode::ServFail, 0));
}

#[test]
fn an_own_rule_for_an_address_blocks_answers_and_hints_fresh_and_cached() {
    let (daemon, upstream) = house(&["203.0.113.3"], DEVICES);
    for _ in 0..2 {
        assert!(ask(daemon.dns(), "alias.example", "A").is_null_address());
        assert_eq!(ask(daemon.dns(), "mapped.example", "AAAA").addresses(), [address("::")]);
        let hinted = ask(daemon.dns(), "hint.example", "HTTPS");
        assert!(hinted.message.answers.is_empty() && hinted.has_soa());
    }
    assert_eq!(upstream.times_asked("alias.example", RecordType::A), 1);
    assert_eq!(ask(daemon.dns(), "www.example", "A").addresses(), [address("203.0.113.1")]);
    daemon.run(&["rules", "remove", "203.0.113.3", "--everyone"]);
    let freed = ask(daemon.dns(), "alias.example", "A");
    assert_eq!(freed.addresses(), [address("203.0.113.3")]);
    assert_eq!(upstream.times_asked("alias.example", RecordType::A), 1, "from the cache");
}

#[test]
fn an_own_allow_lets_the_chain_through_and_an_allowed_address_only_itself() {
    let (daemon, _upstream) = house(&["@@||edge.example^", "203.0.113.3"], "");
    let reply = ask(daemon.dns(), "alias.example", "A");
    assert_eq!(reply.addresses(), [address("203.0.113.3")], "the target is allowed");
    assert!(ask(daemon.dns(), "mapped.example", "AAAA").addresses() == [address("::")]);
    let (daemon, _upstream) = house(&["@@||alias.example^", "203.0.113.3"], "");
    let reply = ask(daemon.dns(), "alias.example", "A");
    assert_eq!(reply.addresses(), [address("203.0.113.3")], "the name is allowed");
}

#[test]
fn conditions_hold_for_the_device_the_type_and_its_tags() {
    let rules = [
        "||www.example^$client=tv",
        "||target.example^$ctag=user_child",
        "||alias.example^$dnstype=AAAA",
        "||inside.example^$client=127.0.0.3",
    ];
    let (daemon, _upstream) = house(&rules, DEVICES);
    let blocked = |last, name: &str| daemon.client(last).ask(name, "A").is_null_address();
    assert!(blocked(2, "www.example") && !blocked(3, "www.example") && !blocked(4, "www.example"));
    assert!(!blocked(2, "target.example") && blocked(3, "target.example"));
    assert!(blocked(3, "inside.example") && !blocked(2, "inside.example"));
    assert!(!blocked(2, "alias.example"));
    assert_eq!(ask(daemon.dns(), "alias.example", "AAAA").addresses(), [address("::")]);
}

#[test]
fn a_pause_lifts_a_rewrite_and_the_log_says_so() {
    let (daemon, _upstream) = house(&["||www.example^$dnsrewrite=192.0.2.7"], DEVICES);
    daemon.run(&["pause", "10m", "-d", "TV"]);
    let mut tv = daemon.client(2);
    assert_eq!(tv.ask("www.example", "A").addresses(), [address("203.0.113.1")]);
    assert_eq!(daemon.client(3).ask("www.example", "A").addresses(), [address("192.0.2.7")]);
    daemon.run(&["resume", "-d", "TV"]);
    assert_eq!(tv.ask("www.example", "A").addresses(), [address("192.0.2.7")]);
    let log = daemon.json(&["log", "-d", "TV"]);
    let entries = log["entries"].as_array().expect("entries");
    assert_eq!(
        (&entries[1]["outcome"], &entries[1]["would_block"]),
        (&"allowed".into(), &true.into())
    );
    assert_eq!(
        (&entries[0]["outcome"], &entries[0]["would_block"]),
        (&"allowed".into(), &false.into())
    );
    assert!(entries[0]["reason"].to_string().contains("www.example"), "{}", entries[0]);
}

#[test]
fn rules_by_name_come_first_then_written_ones_and_narrow_scopes_before_wide_ones() {
    let more = "
[[rule]]
action = \"allow\"
name = \"www.example\"
[[rule]]
adguard = \"||target.example^$important\"
[[rule]]
adguard = \"@@||target.example^\"
device = \"TV\"
";
    let (daemon, _upstream) = house(&["||www.example^$important"], &format!("{DEVICES}{more}"));
    assert!(!ask(daemon.dns(), "www.example", "A").is_null_address());
    assert!(!daemon.client(2).ask("target.example", "A").is_null_address());
    assert!(daemon.client(3).ask("target.example", "A").is_null_address());
}

#[test]
fn pihole_rules_go_exact_allow_regex_allow_exact_deny_regex_deny() {
    let rules = [
        ("block", "regex", "(^|[.])www[.]example$;reply=192.0.2.7"),
        ("allow", "regex", "^www[.]"),
        ("block", "exact", "target.example"),
        ("block", "regex", "^target;reply=nxdomain"),
        ("block", "regex", "^edge;querytype=AAAA"),
        ("block", "regex", "^alias;reply=refused"),
    ];
    let rule = |(action, key, text): (&str, &str, &str)| {
        format!("[[rule]]\naction = \"{action}\"\n{key} = '{text}'\n")
    };
    let (daemon, _upstream) = house(&[], &rules.map(rule).concat());
    assert_eq!(ask(daemon.dns(), "www.example", "A").addresses(), [address("203.0.113.1")]);
    assert!(ask(daemon.dns(), "target.example", "A").is_null_address(), "exact before regex");
    assert_eq!(ask(daemon.dns(), "target.example.org", "A").code(), ResponseCode::NXDomain);
    assert!(!ask(daemon.dns(), "edge.example", "A").is_null_address());
    assert_eq!(ask(daemon.dns(), "edge.example", "AAAA").addresses(), [address("::")]);
    assert_eq!(ask(daemon.dns(), "alias.example", "A").code(), ResponseCode::Refused);
}

#[test]
fn a_dropped_query_gets_no_reply_and_costs_its_connection_nothing() {
    let rule = "[[rule]]\naction = \"block\"\nregex = '^drop[.];reply=NONE'\n";
    let (daemon, _upstream) = house(&[], rule);
    silent_but_alive(&daemon, "drop.example");
}

#[test]
fn blocking_mode_drop_answers_nothing_that_is_blocked() {
    let more =
        "[blocking]\nmode = \"drop\"\n[[rule]]\naction = \"block\"\nname = \"bad.example\"\n";
    let (daemon, _upstream) = house(&[], more);
    silent_but_alive(&daemon, "bad.example");
}

fn silent_but_alive(daemon: &TestDaemon, name: &str) {
    let mut client = daemon.client(9).patience(Duration::from_millis(300));
    assert!(client.exchange(&Wanted::new(name, "A").packet()).is_none(), "silence");
    assert_eq!(client.ask("www.example", "A").addresses(), [address("203.0.113.1")]);
    let mut stream = TcpStream::connect(daemon.dns()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    let mut next = Wanted::new("www.example", "A");
    next.id = 77;
    write_framed(&mut stream, &Wanted::new(name, "A").packet());
    write_framed(&mut stream, &next.packet());
    let reply = Reply::read(&read_framed(&mut stream).expect("a reply"));
    assert_eq!((reply.message.metadata.id, reply.addresses().len()), (77, 1));
    let log = daemon.json(&["log"]);
    let mut entries = log["entries"].as_array().expect("entries").iter();
    let dropped = entries.find(|entry| entry["name"] == name).expect("an event");
    assert_eq!(dropped["outcome"], "blocked");
}

#[test]
fn a_rule_by_exact_name_is_for_that_name_only_and_the_command_line_shows_it() {
    let rule = "[[rule]]\naction = \"block\"\nexact = \"www.example\"\n";
    let (daemon, _upstream) = house(&[], rule);
    assert!(ask(daemon.dns(), "www.example", "A").is_null_address());
    assert!(!ask(daemon.dns(), "a.www.example", "A").is_null_address());
    let rules = daemon.run(&["rules"]);
    assert!(rules.contains("only www.example"), "{rules}");
    daemon.run(&["rules", "remove", "www.example", "--everyone"]);
    assert!(!ask(daemon.dns(), "www.example", "A").is_null_address());
}

#[test]
fn a_rule_in_adguards_syntax_comes_and_goes_by_command() {
    let (daemon, _upstream) = house(&[], DEVICES);
    daemon.run(&["rules", "add", "||www.example^$dnstype=A", "-d", "TV", "--note", "try it"]);
    assert!(daemon.client(2).ask("www.example", "A").is_null_address());
    assert!(!daemon.client(3).ask("www.example", "A").is_null_address());
    let text = std::fs::read_to_string(daemon.data().join("policy.toml")).expect("policy.toml");
    assert!(text.contains("adguard = \"||www.example^$dnstype=A\"\ndevice = \"TV\""), "{text}");
    daemon.run(&["rules", "remove", "||www.example^$dnstype=A", "-d", "TV"]);
    assert!(!daemon.client(2).ask("www.example", "A").is_null_address());
    let refused = daemon.command(&["rules", "add", "||x.example^$nonsense", "--everyone"]);
    assert_eq!(refused.status.code(), Some(6));
}

#[test]
fn the_key_of_an_encrypted_name_does_not_exist_where_the_name_is_blocked() {
    let more = "[[rule]]\naction = \"block\"\nexact = \"www.example\"\n";
    let (daemon, upstream) = house(&[], more);
    let reply = ask(daemon.dns(), "_esni.www.example", "TXT");
    assert_eq!((reply.code(), reply.has_soa()), (ResponseCode::NXDomain, true));
    assert!(upstream.names_asked().is_empty());
    let why = daemon.json(&["why", "_esni.www.example", "-t", "TXT"]);
    assert_eq!(why["outcome"], "blocked", "{why}");
    ask(daemon.dns(), "_esni.target.example", "TXT");
    assert_eq!(upstream.names_asked(), ["_esni.target.example"]);
}
