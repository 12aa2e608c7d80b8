//! What the fuzz targets do with their input; shared with `tests/fuzz_corpora.rs`.
#![allow(dead_code, reason = "each target uses one function, the tests use all")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

use deadpixel::devices::{HintSource, HintText, propose};
use deadpixel::diagnostic::Reader;
use deadpixel::dns_server::{Opening, read_opening};
use deadpixel::model::DeviceName;
use deadpixel::rules::parse::{Format, Summary, parse};
use deadpixel::wire::{
    ExtendedError, HEADER_OCTETS, Header, Message, OUR_PAYLOAD, Query, Question, Reply,
    ResponseCode, STALE_TTL, Section, StoredAnswer, Unreadable, bare_error, flags,
};

/// Octets by which an error may be longer than its query (`reliability.md`, section 5).
const ERROR_GROWTH: usize = 11;

/// A packet from a client: read, then refused or answered.
pub fn query(packet: &[u8]) {
    let mut out = Vec::new();
    let response = Header::read(packet).map(|header| header.has(flags::RESPONSE));
    match Query::parse(packet) {
        Err(Unreadable::Silence) => assert_ne!(response, Some(false), "a query is not ignored"),
        Err(Unreadable::Error(code)) => {
            assert_eq!(response, Some(false), "a response is never answered");
            bare_error(packet, code, &mut out);
            assert_eq!(out.len(), HEADER_OCTETS);
            check_error(packet, &out, code);
        }
        Ok(query) => {
            assert_eq!(response, Some(false), "a response is never answered");
            check_claims(&query);
            let code = query.refusal().unwrap_or(ResponseCode::REFUSED);
            let limit = query.udp_limit(OUR_PAYLOAD);
            Reply::start(&mut out, &query, code).finish(limit, None);
            check_error(packet, &out, code);
            answer(&query, limit, &mut out);
        }
    }
}

/// What is claimed is of one device, and only where there are options.
fn check_claims(query: &Query<'_>) {
    let Some(claims) = query.claims() else { return };
    assert!(query.edns().is_some() && (claims.hardware.is_some() || claims.address.is_some()));
    assert!(claims.hardware.is_none_or(|hardware| hardware.is_one_device()));
    assert!(claims.address.is_none_or(|address| address.to_canonical() == address));
}

/// The first octets of a connection: a header tells its length, and nothing behind it matters.
pub fn proxy_header(octets: &[u8]) {
    let opening = read_opening(octets);
    let Opening::Header(header, length) = opening else {
        // What is no header with these octets is none with more.
        if matches!(opening, Opening::None | Opening::Malformed) {
            assert_eq!(read_opening(&[octets, b"\r\n"].concat()), opening);
        }
        return;
    };
    assert!(length <= 16 + 2_048 && length <= octets.len());
    assert!(header.client.is_none_or(|address| address.to_canonical() == address));
    let (whole, part) = (&octets[..length], &octets[..length - 1]);
    assert_eq!(read_opening(whole), opening);
    assert_eq!(read_opening(part), Opening::Unfinished);
}

fn check_error(packet: &[u8], reply: &[u8], code: ResponseCode) {
    assert!(reply.len() <= packet.len() + ERROR_GROWTH, "an error is no amplifier");
    assert_eq!(reply[..2], packet[..2], "the id is echoed");
    let header = Header::read(reply).expect("a reply has a header");
    assert_eq!(header.response_code().0, code.0 & 0x000f);
    assert_eq!(Query::parse(reply).err(), Some(Unreadable::Silence), "no loops");
}

/// Writes more than fits, and checks that it was cut.
fn answer(query: &Query<'_>, limit: usize, out: &mut Vec<u8>) {
    for records in [1, 100] {
        let mut reply = Reply::start(out, query, ResponseCode::NOERROR);
        for _ in 0..records {
            reply.address(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 10);
            reply.address(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 10);
            reply.negative_soa(10);
        }
        reply.finish(limit, Some(ExtendedError { code: 15, text: &["TikTok", ", ", "trackers"] }));
        assert!(out.len() <= limit);
        let message = Message::parse(out).expect("our replies parse");
        assert_eq!(message.name.as_ref(), query.name());
        assert_eq!(message.header.has(flags::TRUNCATED), records > 1);
        let opts = message.records().filter(|r| r.section == Section::Additional).count();
        assert_eq!(opts, usize::from(query.edns().is_some()));
    }
}

/// An upstream's reply: taken, cleaned, written to clients that differ in what they take.
pub fn upstream_reply(octets: &[u8]) {
    let Ok(message) = Message::parse(octets) else {
        return;
    };
    let question = Question {
        name: message.name.clone(),
        query_type: message.query_type,
        dnssec_ok: false,
        checking_disabled: false,
    };
    let Ok(stored) = StoredAnswer::take(octets, &question) else {
        return;
    };
    assert!(stored.octets().len() <= octets.len());
    let kept = Message::parse(stored.octets()).expect("what is kept parses");
    for edns in [false, true] {
        let packet = ask(&question, edns);
        let query = Query::parse(&packet).expect("our question is right");
        for limit in [512, usize::from(OUR_PAYLOAD), usize::from(u16::MAX)] {
            check_written(&stored, &kept, &query, limit);
            let mut bounded = stored.clone();
            bounded.bound_ttls(60, 3_600);
            let bounds = Message::parse(bounded.octets()).expect("other TTLs change no name");
            check_written(&bounded, &bounds, &query, limit);
        }
    }
}

fn ask(question: &Question, edns: bool) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    packet.extend(question.name.as_ref().wire());
    packet.extend(question.query_type.0.to_be_bytes());
    packet.extend([0, 1]);
    if edns {
        packet.extend(b"\x00\x00\x29\x10\x00\x00\x00\x80\x00\x00\x00");
    }
    packet
}

fn check_written(stored: &StoredAnswer, kept: &Message<'_>, query: &Query<'_>, limit: usize) {
    let mut out = Vec::new();
    stored.write(query, 7, limit, &mut out);
    check_reply(&out, kept, query, limit, |ttl| age(ttl, 7));
    stored.write_stale(query, limit, &mut out);
    check_reply(&out, kept, query, limit, |_| STALE_TTL);
}

fn check_reply(
    out: &[u8],
    kept: &Message<'_>,
    query: &Query<'_>,
    limit: usize,
    left: impl Fn(u32) -> u32,
) {
    assert!(out.len() <= limit, "{} of {limit}", out.len());
    let reply = Message::parse(out).expect("what is written parses");
    assert_eq!(reply.name.as_ref(), query.name());
    assert_eq!(Query::parse(out).err(), Some(Unreadable::Silence), "no loops");
    if reply.header.has(flags::TRUNCATED) {
        return;
    }
    let mut written = reply.records();
    for record in kept.records() {
        let sent = written.next().expect("every record kept is sent");
        assert_eq!(sent.section, record.section);
        assert_eq!(sent.owner(), record.owner(), "names mean the same where they are sent");
        assert_eq!(sent.target(), record.target());
        assert_eq!(sent.addresses(), record.addresses());
        assert_eq!(sent.negative_ttl().is_some(), record.negative_ttl().is_some());
        assert_eq!(sent.ttl, left(record.ttl));
    }
    assert_eq!(written.count(), usize::from(query.edns().is_some()), "our OPT and nothing else");
}

/// A TTL with its highest bit set counts as zero (RFC 2181, section 8).
fn age(ttl: u32, by: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl.saturating_sub(by) }
}

/// A list of rules: in the format that its first octet asks for, else in those that need no mark.
pub fn list(octets: &[u8]) {
    if let Some((&mark, text)) = octets.split_first()
        && let Some(&(_, format)) = Format::WORDS.get(usize::from(mark))
    {
        return list_in(text, format);
    }
    for format in [Format::Auto, Format::Hosts, Format::Domains, Format::Disconnect] {
        list_in(octets, format);
    }
}

fn list_in(octets: &[u8], format: Format) {
    let Ok(read) = parse(octets, format) else {
        return;
    };
    let Summary { lines, refused, boilerplate, ignored, ref samples, .. } = read.summary;
    assert!(!read.rules.is_empty(), "a list without a rule is refused");
    assert!(read.rules.iter().all(|rule| (1..=lines).contains(&rule.line)));
    if read.summary.format != Format::Disconnect {
        assert!(refused <= lines && boilerplate + ignored <= lines);
    }
    assert!(samples.len() <= usize::try_from(refused).expect("64 bits"));
    for sample in samples {
        assert!((1..=lines).contains(&sample.line));
        assert!(sample.text.chars().count() <= 200, "{}", sample.text);
        assert!(!sample.text.contains(char::is_control), "{:?}", sample.text);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(rename = "name")]
    _name: String,
}

/// A configuration file: read, and the problems found in it shown.
pub fn config_text(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let mut reader = Reader::new("config.toml", &text);
    if let Some(root) = reader.root() {
        let dns: deadpixel::dns_server::Settings = reader.section(&root, "dns");
        let _: deadpixel::upstream::Settings = reader.section(&root, "upstream");
        let _: Vec<(_, Named)> = reader.array(&root, "device");
        reader.refuse_unknown(&root, &["dns", "upstream", "devices", "device"]);
        let _ = dns.check();
        let devices: deadpixel::devices::Settings = reader.section(&root, "devices");
        let _ = devices.check();
    }
    let Err(problems) = reader.finish() else {
        return;
    };
    assert!(problems.0.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
    assert!(!problems.to_string().is_empty());
}

/// A lease file: whatever is in it, each address has one lease, and names are bounded.
pub fn leases(octets: &[u8]) {
    let Some(reading) = deadpixel::discovery::leases::parse(octets) else {
        return;
    };
    assert!(reading.format.is_some() || reading.leases.is_empty());
    assert!(reading.leases.is_sorted_by(|a, b| a.address < b.address));
    for lease in reading.leases {
        assert!(lease.hardware.is_none_or(|hardware| hardware.is_one_device()));
        assert!(lease.host_name.is_none_or(|name| !name.is_empty() && name.len() <= 255));
    }
}

/// An announcement heard on the network, and what it would propose.
pub fn announcement(packet: &[u8]) {
    let sender = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 20));
    let Some(heard) = deadpixel::discovery::mdns::hear(packet, sender) else {
        return;
    };
    assert!(heard.words.len() <= 16);
    assert!(heard.words.iter().all(|word| word.chars().count() <= 128));
    let name = heard.name.map(|(_, name)| name);
    let text = HintText { name, words: heard.words, kind: None };
    let proposal = propose(&[(HintSource::Mdns, text)], None);
    if let Some((name, _)) = proposal.name {
        assert!(DeviceName::parse(&name).is_ok(), "{name:?}");
    }
}
