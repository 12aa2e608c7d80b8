//! Addresses of a host, by our own upstreams: the system's resolver may well be this program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use super::FetchError;
use crate::model::{DomainName, RecordType};
use crate::upstream::{Failure, Upstreams};
use crate::wire::{Message, Question, ResponseCode, Section};

/// Addresses of one host that are tried.
const MOST_ADDRESSES: usize = 6;

/// Returns the addresses of a host in the order in which they are tried.
pub(super) async fn addresses(
    upstreams: &Upstreams,
    host: Host<&str>,
) -> Result<Vec<IpAddr>, FetchError> {
    let name = match host {
        Host::Ipv4(v4) => return Ok(vec![v4.into()]),
        Host::Ipv6(v6) => return Ok(vec![v6.into()]),
        Host::Domain(name) => name,
    };
    let name = DomainName::parse(name).map_err(|_| FetchError::Address("its host is no name"))?;
    if is_this_machine(&name) {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let (v6, v4) =
        tokio::join!(ask(upstreams, &name, RecordType::AAAA), ask(upstreams, &name, RecordType::A));
    match (v6, v4) {
        (Ok(v6), Ok(v4)) if v6.is_empty() && v4.is_empty() => {
            Err(FetchError::Unresolved("it has no address"))
        }
        (Err(why), Err(_)) => Err(why),
        (v6, v4) => Ok(in_turn(v6.unwrap_or_default(), v4.unwrap_or_default())),
    }
}

/// These names never leave the machine (RFC 6761, section 6.3).
fn is_this_machine(name: &DomainName) -> bool {
    DomainName::parse("localhost")
        .is_ok_and(|localhost| name.as_ref().is_subdomain_of(localhost.as_ref()))
}

async fn ask(
    upstreams: &Upstreams,
    name: &DomainName,
    query_type: RecordType,
) -> Result<Vec<IpAddr>, FetchError> {
    let question =
        Question { name: name.clone(), query_type, dnssec_ok: false, checking_disabled: false };
    let answer = upstreams.ask(question).await.map_err(|failure| {
        FetchError::Unresolved(match failure {
            Failure::NoReachableAuthority => "no upstream answered in time",
            Failure::NetworkError => "no upstream could be reached",
            Failure::Overloaded => "too many questions are in flight",
        })
    })?;
    match answer.stored.response_code() {
        ResponseCode::NOERROR => Ok(read(answer.stored.octets(), query_type)),
        ResponseCode::NXDOMAIN => Err(FetchError::Unresolved("there is no such name")),
        _ => Err(FetchError::Unresolved("the upstream fails or refuses")),
    }
}

/// Returns the addresses in an answer, of which only the chain from the question is left.
fn read(octets: &[u8], query_type: RecordType) -> Vec<IpAddr> {
    let Ok(message) = Message::parse(octets) else { return Vec::new() };
    let wanted = message
        .records()
        .filter(|record| record.section == Section::Answer && record.record_type == query_type);
    wanted.flat_map(|record| record.addresses()).collect()
}

/// Returns addresses of both families in turn, so that one that is broken costs little.
fn in_turn(v6: Vec<IpAddr>, v4: Vec<IpAddr>) -> Vec<IpAddr> {
    let longest = v6.len().max(v4.len());
    let both = (0..longest).flat_map(|place| [v6.get(place), v4.get(place)]);
    both.flatten().copied().take(MOST_ADDRESSES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_tried_in_turn_and_not_for_ever() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let v4: Vec<IpAddr> = (1..9).map(|n| address(&format!("192.0.2.{n}"))).collect();
        let v6 = vec![address("2001:db8::1"), address("2001:db8::2")];
        let told: Vec<String> = in_turn(v6, v4).iter().map(ToString::to_string).collect();
        let expected =
            ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
        assert_eq!(told, expected);
    }

    #[test]
    fn localhost_is_this_machine_and_asked_of_nobody() {
        let name = |text| DomainName::parse(text).expect("a name");
        assert!(is_this_machine(&name("localhost")) && is_this_machine(&name("a.localhost")));
        assert!(!is_this_machine(&name("localhost.example")));
    }
}
