//! Tests of announcements.

use hickory_proto::rr::rdata::{A, AAAA, PTR, SRV, TXT};
use hickory_proto::rr::{DNSClass, RData, Record};

use super::*;

const SENDER: &str = "192.168.1.20";

fn name(labels: &[&str]) -> Name {
    Name::from_labels(labels.iter().map(|label| label.as_bytes())).expect("a name")
}

fn packet(records: Vec<Record>) -> Vec<u8> {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.add_answers(records);
    message.to_vec().expect("written")
}

fn record(labels: &[&str], data: RData) -> Record {
    let mut record = Record::from_rdata(name(labels), 120, data);
    // The bit that asks to flush caches (RFC 6762, section 10.2).
    record.dns_class = DNSClass::Unknown(0x8001);
    record
}

fn text(labels: &[&str], texts: &[&str]) -> Record {
    record(labels, RData::TXT(TXT::new(texts.iter().map(|text| (*text).to_owned()).collect())))
}

fn heard(records: Vec<Record>, sender: &str) -> Option<Heard> {
    hear(&packet(records), sender.parse().expect("an address"))
}

fn television() -> Vec<Record> {
    let service = ["_googlecast", "_tcp", "local"];
    let instance = ["Chromecast-8d7f2c", "_googlecast", "_tcp", "local"];
    let host = ["8d7f2c-0123", "local"];
    vec![
        record(&service, RData::PTR(PTR(name(&instance)))),
        text(&instance, &["id=8d7f2c", "fn=Wohnzimmer 📺", "md=Chromecast Ultra", "noise"]),
        record(&instance, RData::SRV(SRV::new(0, 0, 8009, name(&host)))),
        record(&host, RData::A(A(SENDER.parse().expect("an address")))),
    ]
}

#[test]
fn a_television_tells_its_name_model_and_service() {
    let heard = heard(television(), SENDER).expect("it says something");
    assert_eq!(heard.name, Some((Rank::Friendly, "Wohnzimmer 📺".into())));
    assert_eq!(heard.words, ["_googlecast._tcp", "Chromecast Ultra"]);
}

#[test]
fn who_speaks_for_other_addresses_is_not_heard() {
    assert_eq!(heard(television(), "192.168.1.66"), None, "a sleep proxy or a reflector");
    let mut both = television();
    both.push(record(&["x", "local"], RData::AAAA(AAAA("fe80::1".parse().expect("one")))));
    assert!(heard(both.clone(), SENDER).is_some(), "other families' addresses say nothing");
    assert_eq!(heard(both, "fe80::2"), None);
    assert!(heard(television(), "fe80::2").is_some());
}

#[test]
fn the_name_is_what_people_gave_and_not_a_number() {
    let raop = ["0123456789AB@Küche", "_raop", "_tcp", "local"];
    let spotify = ["a1b2c3", "_spotify-connect", "_tcp", "local"];
    let host = ["kuche-2", "local"];
    let records = vec![
        record(&host, RData::A(A(SENDER.parse().expect("an address")))),
        text(&spotify, &[""]),
        text(&raop, &["am=AudioAccessory5,1"]),
    ];
    let heard = heard(records, SENDER).expect("it says something");
    assert_eq!(heard.name, Some((Rank::Instance, "Küche".into())));
    assert_eq!(heard.words, ["_spotify-connect._tcp", "_raop._tcp", "AudioAccessory5,1"]);
}

#[test]
fn the_list_of_services_gives_words() {
    let all = ["_services", "_dns-sd", "_udp", "local"];
    let printer = RData::PTR(PTR(name(&["_ipp", "_tcp", "local"])));
    let heard = heard(vec![record(&all, printer)], SENDER).expect("it says something");
    assert_eq!((heard.name, heard.words), (None, vec!["_ipp._tcp".to_owned()]));
}

#[test]
fn queries_goodbyes_reverse_names_and_other_domains_say_nothing() {
    let mut query = packet(television());
    query[2] &= 0x7f;
    assert_eq!(hear(&query, SENDER.parse().expect("an address")), None);
    let mut goodbye = television();
    goodbye.iter_mut().for_each(|record| record.ttl = 0);
    assert_eq!(heard(goodbye, SENDER), None);
    let reverse = ["20", "1", "168", "192", "in-addr", "arpa"];
    let target = RData::PTR(PTR(name(&["anna", "local"])));
    assert_eq!(heard(vec![record(&reverse, target)], SENDER), None);
    let elsewhere = ["x", "_ipp", "_tcp", "example", "org"];
    assert_eq!(heard(vec![text(&elsewhere, &["no=thing"])], SENDER), None);
}

#[test]
fn packets_that_promise_too_much_are_not_read() {
    let mut many = packet(television());
    many[6..8].copy_from_slice(&101_u16.to_be_bytes());
    assert_eq!(hear(&many, SENDER.parse().expect("an address")), None);
    let mut long = packet(television());
    long.resize(9_001, 0);
    assert_eq!(hear(&long, SENDER.parse().expect("an address")), None);
}

#[test]
fn words_and_names_without_end_are_cut() {
    let instance = ["x", "_ipp", "_tcp", "local"];
    let long = "y".repeat(240);
    let texts: Vec<String> = (0..30).map(|number| format!("model={number}{long}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let heard = heard(vec![text(&instance, &texts)], SENDER).expect("it says something");
    assert_eq!(heard.words.len(), 16);
    assert!(heard.words.iter().all(|word| word.len() <= 128));
}

#[test]
fn each_question_can_be_written() {
    for name in ASKED {
        let query = query(name).expect("a query");
        let message = Message::from_vec(&query).expect("it is one");
        assert_eq!(message.queries[0].name().to_ascii(), format!("{name}.local."));
    }
}

proptest::proptest! {
    #[test]
    fn no_packet_brings_it_down(octets: Vec<u8>, at: usize) {
        let sender = SENDER.parse().expect("an address");
        hear(&octets, sender);
        let mut mixed = packet(television());
        let at = at % mixed.len();
        mixed.truncate(at);
        mixed.extend(octets);
        hear(&mixed, sender);
    }
}
