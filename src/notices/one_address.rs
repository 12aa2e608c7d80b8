//! Whether one address asks for nearly everything: a router or container gateway in front.

use std::collections::HashMap;
use std::net::IpAddr;

use super::surroundings::Surroundings;
use super::{DAY, Draft, HOUR, NoticeKind};

/// Fewest queries that are judged.
const ENOUGH: u64 = 1_000;

/// Most addresses that are counted apart.
const MAX_ADDRESSES: usize = 65_536;

/// Queries by address since a moment.
#[derive(Default)]
pub(super) struct OneAddress {
    began: Option<i64>,
    total: u64,
    addresses: HashMap<IpAddr, u64>,
}

impl OneAddress {
    pub(super) fn take(&mut self, client: IpAddr, queries: u32, passed: i64) {
        self.began.get_or_insert(passed);
        self.total += u64::from(queries);
        let client = client.to_canonical();
        if self.addresses.len() < MAX_ADDRESSES || self.addresses.contains_key(&client) {
            *self.addresses.entry(client).or_default() += u64::from(queries);
        }
    }

    /// Judges what was counted once it is enough, and begins anew.
    pub(super) fn judge(&mut self, around: &Surroundings, passed: i64) -> Option<Draft> {
        let span = passed.saturating_sub(self.began?);
        if span < HOUR || (self.total < ENOUGH && span < DAY) {
            return None;
        }
        let counted = std::mem::take(self);
        let (address, most) = counted.addresses.into_iter().max_by_key(|(_, queries)| *queries)?;
        let nearly_all = most * 10 > counted.total * 9;
        (counted.total >= ENOUGH && nearly_all).then(|| {
            let percent = most * 100 / counted.total;
            draft(address, percent, around)
        })?
    }
}

fn draft(address: IpAddr, percent: u64, around: &Surroundings) -> Option<Draft> {
    let (what, words, remedy) = if around.is_container_gateway(address) {
        let words = "It is the gateway of a container network: the devices behind it cannot be \
                     told apart here.";
        let remedy = "Give the container the host's network (--network host), or an address of \
                      its own on your network (macvlan).";
        ("a container gateway", words, remedy)
    } else if around.routers.contains(&address) {
        let words = "It is your router, which asks for everyone: the devices behind it cannot be \
                     told apart here.";
        let remedy = "Let the router hand out this machine's address as DNS server (on its DHCP \
                      page, not its WAN page). If it can tell who asks, name it in [devices] \
                      forwarders of config.toml.";
        ("your router", words, remedy)
    } else {
        return None;
    };
    Some(Draft {
        kind: NoticeKind::OneAddress,
        subject: format!("address {address}"),
        device: None,
        title: format!("{percent}% of queries come from {address}, {what}"),
        words: format!("{percent}% of all queries come from {address}. {words}"),
        items: Vec::new(),
        remedy: remedy.into(),
    })
}
