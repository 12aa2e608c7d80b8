//! One announcement: a packet in, what its sender says of itself out.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{Name, RData, Record};

/// Most octets of a packet (RFC 6762, section 17).
pub(super) const MAX_PACKET: usize = 9_000;

/// Most records of a packet.
const MAX_RECORDS: usize = 100;

/// Most words that are taken from one packet, and most characters of each.
const MAX_WORDS: usize = 16;
const MAX_WORD: usize = 128;

/// The name that lists all services of a device (RFC 6763, section 9).
const SERVICES: &str = "_services._dns-sd._udp";

/// Keys of TXT records whose values are models.
const MODELS: [&str; 5] = ["model", "md", "am", "usb_mdl", "ty"];

/// Services whose instances bear names that people gave or know.
const TELLING: [&str; 9] = [
    "_airplay._tcp",
    "_companion-link._tcp",
    "_androidtvremote2._tcp",
    "_ipp._tcp",
    "_ipps._tcp",
    "_printer._tcp",
    "_pdl-datastream._tcp",
    "_hap._tcp",
    "_device-info._tcp",
];

/// Services whose instances are `0123456789AB@Living room`.
const NUMBERED: [&str; 2] = ["_raop._tcp", "_sonos._tcp"];

/// How well a name tells a device from others, better ones above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// What the machine calls itself.
    Host,
    /// Its model.
    Model,
    /// What a service of it is called.
    Instance,
    /// What is said to be meant for people.
    Friendly,
}

/// What a device says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The best name in it.
    pub name: Option<(Rank, String)>,
    /// Services and models.
    pub words: Vec<String>,
}

/// Reads a packet as its sender's word on itself; `None`: it says nothing, or speaks for others.
///
/// Addresses in it are never believed: they only show where a reflector or a sleep proxy speaks for
/// another device.
pub fn hear(packet: &[u8], sender: IpAddr) -> Option<Heard> {
    if packet.len() > MAX_PACKET || records(packet)? > MAX_RECORDS {
        return None;
    }
    let message = Message::from_vec(packet).ok()?;
    if message.metadata.message_type != MessageType::Response || speaks_for_others(&message, sender)
    {
        return None;
    }
    let mut heard = Heard::default();
    // A record with no time to live says goodbye.
    for record in message.answers.iter().chain(&message.additionals).filter(|r| r.ttl > 0) {
        heard.take(record);
    }
    (heard != Heard::default()).then_some(heard)
}

/// Returns how many questions and records the header promises.
fn records(packet: &[u8]) -> Option<usize> {
    let counts = packet.get(4..12)?;
    let pairs = counts.chunks_exact(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
    Some(pairs.map(|pair| usize::from(u16::from_be_bytes(pair))).sum())
}

fn speaks_for_others(message: &Message, sender: IpAddr) -> bool {
    let address = |record: &Record| match &record.data {
        RData::A(v4) => Some(IpAddr::V4(v4.0)),
        RData::AAAA(v6) => Some(IpAddr::V6(v6.0)),
        _ => None,
    };
    let all = message.answers.iter().chain(&message.additionals).filter_map(address);
    let mut alike = all.filter(|address| address.is_ipv4() == sender.is_ipv4()).peekable();
    alike.peek().is_some() && !alike.any(|address| address == sender)
}

impl Heard {
    fn take(&mut self, record: &Record) {
        let owner = labels(&record.name);
        match &record.data {
            RData::PTR(target) => self.service(&owner, &labels(&target.0)),
            RData::SRV(service) => {
                self.instance(&owner);
                self.host(&labels(&service.target));
            }
            RData::TXT(texts) => {
                self.instance(&owner);
                texts.txt_data.iter().take(MAX_RECORDS).for_each(|text| self.text(text));
            }
            RData::A(_) | RData::AAAA(_) => self.host(&owner),
            _ => {}
        }
    }

    fn service(&mut self, owner: &[String], target: &[String]) {
        match service_of(owner) {
            Some(all) if all == SERVICES => self.word(service_of(target)),
            Some(_) => self.instance(target),
            None => {}
        }
    }

    /// Takes `Living room._airplay._tcp.local`.
    fn instance(&mut self, labels: &[String]) {
        let Some((instance, rest)) = labels.split_first() else { return };
        let Some(service) = service_of(rest) else { return };
        if TELLING.contains(&service.as_str()) {
            self.name(Rank::Instance, instance);
        }
        if NUMBERED.contains(&service.as_str())
            && let Some((_, name)) = instance.split_once('@')
        {
            self.name(Rank::Instance, name);
        }
        self.word(Some(service));
    }

    fn host(&mut self, labels: &[String]) {
        if let [host, local] = labels
            && local.eq_ignore_ascii_case("local")
        {
            self.name(Rank::Host, host);
        }
    }

    fn text(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let Some((key, value)) = text.split_once('=') else { return };
        let key = key.to_ascii_lowercase();
        if key == "fn" {
            self.name(Rank::Friendly, value);
        }
        if key == "ty" {
            self.name(Rank::Model, value);
        }
        if MODELS.contains(&key.as_str()) {
            self.word(Some(value.to_owned()));
        }
    }

    fn name(&mut self, rank: Rank, name: &str) {
        let better = self.name.as_ref().is_none_or(|(best, _)| rank > *best);
        if better && !name.trim().is_empty() {
            self.name = Some((rank, name.chars().take(MAX_WORD).collect()));
        }
    }

    fn word(&mut self, word: Option<String>) {
        let word: String = word.unwrap_or_default().chars().take(MAX_WORD).collect();
        if !word.is_empty() && self.words.len() < MAX_WORDS && !self.words.contains(&word) {
            self.words.push(word);
        }
    }
}

/// Returns `_airplay._tcp` of `_airplay._tcp.local`.
fn service_of(labels: &[String]) -> Option<String> {
    let (local, service) = labels.split_last()?;
    let (transport, _) = service.split_last()?;
    let is_transport = ["_tcp", "_udp"].iter().any(|one| transport.eq_ignore_ascii_case(one));
    let all_marked = service.len() >= 2 && service.iter().all(|label| label.starts_with('_'));
    let whole = local.eq_ignore_ascii_case("local") && is_transport && all_marked;
    whole.then(|| service.join(".").to_ascii_lowercase())
}

fn labels(name: &Name) -> Vec<String> {
    name.iter().map(|label| String::from_utf8_lossy(label).into_owned()).collect()
}
