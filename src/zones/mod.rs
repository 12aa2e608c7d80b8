//! Names that are ours, answered with authority by hickory-server's catalog; they never leave.

mod authority;
mod drafts;
mod ownership;
mod settings;
mod special;
mod zone_file;

use std::net::{IpAddr, SocketAddr};

use hickory_server::net::runtime::TokioTime;
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::Message;
use hickory_server::proto::rr::rdata::{A, AAAA, HINFO};
use hickory_server::proto::rr::{RData, Record, RecordType as Type};
use hickory_server::proto::serialize::binary::BinEncodable;
use hickory_server::server::{Request, RequestHandler};
use hickory_server::zone_handler::Catalog;

use crate::model::{DomainName, NameRef, RecordType};
use crate::wire::{CLASS_IN, Query, Question, Reply, ResponseCode, StoredAnswer, flags};

use authority::Emitted;
use drafts::{Drafts, to_name};
use ownership::{Claim, Ownership};

pub use settings::{LocalName, LocalNames};

/// Seconds that our own answers may be kept: policies change.
const TTL: u32 = 60;
/// The name under which clients find us.
const OUR_NAME_TEXT: &str = "deadpixel.internal";
const OUR_NAME: &[u8] = b"\x09deadpixel\x08internal\x00";
/// Most aliases that are followed (`reliability.md`, section 6).
const MAX_ALIASES: usize = 16;

/// The zones of one policy; immutable, rebuilt when the policy changes.
pub struct Zones {
    catalog: Catalog,
    ownership: Ownership,
}

impl Zones {
    /// Builds the zones: special-use names, private reverse zones, and names of the policy.
    ///
    /// Errors name the zone file, its line and what is wrong.
    pub fn build(local: &LocalNames) -> Result<Zones, Vec<String>> {
        let mut drafts = Drafts::default();
        drafts.special();
        let mut problems = Vec::new();
        for (apex, path) in &local.zone_files {
            problems.extend(drafts.zone_file(apex, path).err());
        }
        problems.extend(drafts.names(&local.names));
        if !problems.is_empty() {
            return Err(problems);
        }
        drafts.finish().map(|(catalog, ownership)| Zones { catalog, ownership })
    }

    /// Returns whether a name is ours whatever `[forward]` maps: localhost, invalid, onion,
    /// resolver.arpa, deadpixel.internal, and what the policy names.
    pub fn is_always_ours(&self, name: NameRef<'_>) -> bool {
        self.ownership.find(name) == Some(Claim::Always)
    }

    /// Returns whether a name is in any zone of ours. Allocates nothing.
    pub fn is_ours(&self, name: NameRef<'_>) -> bool {
        self.ownership.find(name).is_some() || is_proxy_discovery(name)
    }

    /// Returns whether a query asks for a machine by one label: nobody outside can know it.
    ///
    /// Top-level domains are left out, and so are the types by which they are validated.
    pub fn is_bare_host(name: NameRef<'_>, query_type: RecordType) -> bool {
        let hosts_type = matches!(query_type, RecordType::A | RecordType::AAAA | RecordType::HTTPS);
        let mut labels = name.labels();
        match (labels.next(), labels.next()) {
            (Some(label), None) => {
                hosts_type && !psl::suffix(label).is_some_and(|suffix| suffix.is_known())
            }
            _ => false,
        }
    }

    /// Answers a query packet for a name that is ours; `local` is the address it was asked at.
    ///
    /// Writes the whole reply into `out`, cut to `limit` with TC if it does not fit.
    pub async fn answer(&self, query: &Query<'_>, local: IpAddr, limit: usize, out: &mut Vec<u8>) {
        if self.deny(query, limit, out) {
            return;
        }
        match self.find(query.name(), query.query_type(), local).await {
            Some(answer) => Zones::write(&answer, query, limit, out),
            None => Reply::start(out, query, ResponseCode::SERVFAIL).finish(limit, None),
        }
    }

    /// Answers for a name that never leaves and is in no zone. Allocates nothing.
    ///
    /// Returns whether it is such a name.
    pub fn deny(&self, query: &Query<'_>, limit: usize, out: &mut Vec<u8>) -> bool {
        let unknown = self.ownership.find(query.name()).is_none();
        if unknown {
            no_such_name(query, limit, out);
        }
        unknown
    }

    /// Returns what the zones say of a name; `local` is the address that was asked. It holds for as
    /// long as these zones do.
    pub async fn find(
        &self,
        name: NameRef<'_>,
        query_type: RecordType,
        local: IpAddr,
    ) -> Option<StoredAnswer> {
        let question = Question {
            name: name.to_owned(),
            query_type,
            dnssec_ok: false,
            checking_disabled: false,
        };
        let octets = self.resolve(&question, local).await?;
        StoredAnswer::take(&octets, &question).ok()
    }

    /// Writes what the zones say as the reply to `query`.
    pub fn write(answer: &StoredAnswer, query: &Query<'_>, limit: usize, out: &mut Vec<u8>) {
        answer.write(query, 0, limit, out);
        mark_authoritative(out);
    }

    /// Follows aliases from zone to zone; the last answer says how it ends.
    async fn resolve(&self, question: &Question, local: IpAddr) -> Option<Vec<u8>> {
        let mut message = self.ask(&question.name, question.query_type, local).await?;
        for _ in 0..MAX_ALIASES {
            let Some(target) = alias_target(&message, question.query_type) else {
                break;
            };
            let seen = message.answers.iter().any(|record| record.name == to_name(target.as_ref()));
            if seen || self.ownership.find(target.as_ref()).is_none() {
                break;
            }
            let next = self.ask(&target, question.query_type, local).await?;
            message.metadata.response_code = next.metadata.response_code;
            message.answers.extend(next.answers);
            message.authorities = next.authorities;
            message.additionals = next.additionals;
        }
        if question.query_type == RecordType::ANY && !message.answers.is_empty() {
            message.answers = vec![least_of_all(question)];
            message.additionals.clear();
        }
        message.to_vec().ok()
    }

    async fn ask(
        &self,
        name: &DomainName,
        query_type: RecordType,
        local: IpAddr,
    ) -> Option<Message> {
        let packet = query_packet(name.as_ref(), query_type);
        let request = Request::from_bytes(packet, SocketAddr::new(local, 0), Protocol::Udp).ok()?;
        let emitted = Emitted::default();
        self.catalog.handle_request::<_, TokioTime>(&request, emitted.clone()).await;
        let mut message = Message::from_vec(&emitted.take()).ok()?;
        if name.as_ref().wire() == OUR_NAME {
            tell_our_address(&mut message, query_type, local);
        }
        Some(message)
    }
}

/// Clients take a proxy from whoever answers for `wpad` (VU#598349), so nobody outside may.
///
/// A name deeper than that belongs to an organisation that runs its own.
fn is_proxy_discovery(name: NameRef<'_>) -> bool {
    let mut labels = name.labels();
    labels.next() == Some(b"wpad") && labels.nth(1).is_none()
}

/// The answer to a query for everything (RFC 8482, section 4.2): a zone may hold very much.
fn least_of_all(question: &Question) -> Record {
    let data = RData::HINFO(HINFO::new("RFC8482".into(), String::new()));
    Record::from_rdata(to_name(question.name.as_ref()), TTL, data)
}

fn no_such_name(query: &Query<'_>, limit: usize, out: &mut Vec<u8>) {
    let mut reply = Reply::start(out, query, ResponseCode::NXDOMAIN);
    reply.flag(flags::AUTHORITATIVE);
    reply.negative_soa(TTL);
    reply.finish(limit, None);
}

/// Stored answers go out without the flag: those of upstreams are not authoritative here.
fn mark_authoritative(out: &mut [u8]) {
    if let Some(octet) = out.get_mut(2) {
        *octet |= (flags::AUTHORITATIVE >> 8) as u8;
    }
}

fn query_packet(name: NameRef<'_>, query_type: RecordType) -> Vec<u8> {
    let mut packet = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend(name.wire());
    packet.extend(query_type.0.to_be_bytes());
    packet.extend(CLASS_IN.to_be_bytes());
    packet
}

/// Returns the name to go on with, if the answer ends in an alias of it.
fn alias_target(message: &Message, query_type: RecordType) -> Option<DomainName> {
    let RData::CNAME(alias) = &message.answers.last()?.data else {
        return None;
    };
    let wanted = matches!(query_type, RecordType::CNAME | RecordType::ANY);
    let wire = (!wanted).then(|| alias.to_lowercase().to_bytes().ok())??;
    DomainName::from_wire(&wire)
}

/// Makes the answer for our own name: the address that the query came in on.
fn tell_our_address(message: &mut Message, query_type: RecordType, local: IpAddr) {
    let wanted = |own| matches!(query_type, RecordType::ANY) || query_type == own;
    let data = match local.to_canonical() {
        address if address.is_unspecified() => None,
        IpAddr::V4(v4) => wanted(RecordType::A).then_some(RData::A(A(v4))),
        IpAddr::V6(v6) => wanted(RecordType::AAAA).then_some(RData::AAAA(AAAA(v6))),
    };
    let Some(data) = data else {
        return;
    };
    let name = DomainName::from_wire(OUR_NAME).expect("our name is a name");
    message.answers = vec![Record::from_rdata(to_name(name.as_ref()), TTL, data)];
    message.authorities.retain(|record| record.record_type() != Type::SOA);
}

#[cfg(test)]
mod tests;
