//! What is looked up of a query: its name, then what the records of the answer lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::parse_name;
use crate::model::{DomainName, RecordType};
use crate::rules::LookedUp;

/// Aliases that are followed (`filter-rules.md`, section 2.2).
const MOST_ALIASES: usize = 16;

/// One thing that is looked up.
#[derive(Clone, Debug)]
pub struct Element {
    /// The name or address.
    pub subject: LookedUp,
    /// The type of the query, or of the record that leads here.
    pub record_type: RecordType,
    /// The name under which data for it would stand.
    pub owner: DomainName,
    /// The aliases on the way to it: names and the names they lead to.
    pub aliases: Vec<(DomainName, DomainName)>,
}

/// The way through an answer so far.
struct Way {
    owner: DomainName,
    aliases: Vec<(DomainName, DomainName)>,
    elements: Vec<Element>,
}

/// Returns what is looked up, the name asked for first.
pub fn elements(
    asked: DomainName,
    query_type: RecordType,
    answers: &[String],
) -> Result<Vec<Element>, String> {
    let mut way = Way { owner: asked.clone(), aliases: Vec::new(), elements: Vec::new() };
    way.look_up(LookedUp::Name(asked), query_type);
    for answer in answers {
        let (record_type, data) = split(answer)?;
        match record_type {
            RecordType::CNAME | RecordType::DNAME => way.alias(parse_name(data)?),
            RecordType::A => way.look_up(LookedUp::Address(v4(data)?), record_type),
            RecordType::AAAA => way.look_up(LookedUp::Address(v6(data)?), record_type),
            RecordType::HTTPS | RecordType::SVCB => way.service(record_type, data)?,
            _ => {}
        }
    }
    Ok(way.elements)
}

impl Way {
    fn look_up(&mut self, subject: LookedUp, record_type: RecordType) {
        let (owner, aliases) = (self.owner.clone(), self.aliases.clone());
        self.elements.push(Element { subject, record_type, owner, aliases });
    }

    /// Goes on to what a name is an alias of, unless the aliases run in a circle or on and on.
    fn alias(&mut self, target: DomainName) {
        let is_known = self.aliases.iter().any(|(from, _)| *from == target) || self.owner == target;
        if is_known || self.aliases.len() >= MOST_ALIASES {
            return;
        }
        let from = std::mem::replace(&mut self.owner, target.clone());
        self.aliases.push((from, target.clone()));
        self.look_up(LookedUp::Name(target), RecordType::CNAME);
    }

    /// Looks up a service's target and the hints about its addresses.
    fn service(&mut self, record_type: RecordType, data: &str) -> Result<(), String> {
        let mut words = data.split_whitespace().peekable();
        words.next_if(|word| word.bytes().all(|octet| octet.is_ascii_digit()));
        let target = words.next().ok_or_else(|| format!("`{data}` has no target"))?;
        if target != "." {
            self.look_up(LookedUp::Name(parse_name(target)?), record_type);
        }
        for word in words {
            let (key, values) = word.split_once('=').unwrap_or((word, ""));
            let read: fn(&str) -> Result<IpAddr, String> = match key {
                "ipv4hint" => v4,
                "ipv6hint" => v6,
                _ => continue,
            };
            for value in values.trim_matches('"').split(',') {
                self.look_up(LookedUp::Address(read(value)?), record_type);
            }
        }
        Ok(())
    }
}

fn split(answer: &str) -> Result<(RecordType, &str), String> {
    let answer = answer.trim();
    let (record_type, data) = answer.split_once(char::is_whitespace).ok_or_else(|| {
        format!("`{answer}` is no record; write 'CNAME x.example' or 'A 192.0.2.1'")
    })?;
    Ok((record_type.parse()?, data.trim()))
}

fn v4(text: &str) -> Result<IpAddr, String> {
    let read: Result<Ipv4Addr, _> = text.parse();
    read.map(IpAddr::V4).map_err(|_| format!("`{text}` is no IPv4 address"))
}

/// IPv4-mapped addresses count as IPv4.
fn v6(text: &str) -> Result<IpAddr, String> {
    let read: Result<Ipv6Addr, _> = text.parse();
    read.map(|v6| v6.to_canonical()).map_err(|_| format!("`{text}` is no IPv6 address"))
}
