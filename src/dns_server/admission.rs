//! Who may ask, and how much at once; what is too much is shed, never queued.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::discovery::OwnAddress;
use crate::model::Prefix;

use super::rate::Rates;

/// What all workers share: who is served, and how much at once.
pub(super) struct Bounds {
    /// Who is served.
    pub(super) admission: Arc<Admission>,
    /// How much each client has asked of late.
    pub(super) rates: Arc<Rates>,
    /// Queries that wait for `finish`.
    pub(super) in_flight: Arc<Allotment>,
    /// Connections.
    pub(super) connections: Arc<Allotment>,
}

/// Who is served; everybody else is refused, on every transport.
pub(super) struct Admission {
    also: Vec<Prefix>,
    on_link: ArcSwap<Vec<Prefix>>,
}

/// A bound on something held, in all and per client.
pub(super) struct Allotment {
    in_all: usize,
    per_client: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    in_all: usize,
    clients: HashMap<IpAddr, usize>,
}

/// One share of an allotment; given back when dropped.
pub(super) struct Share {
    allotment: Arc<Allotment>,
    client: IpAddr,
}

impl Admission {
    /// Serves what is private, what is on our links, and `also`.
    pub(super) fn new(also: Vec<Prefix>, own: &[OwnAddress]) -> Admission {
        Admission { also, on_link: ArcSwap::from_pointee(on_link(own)) }
    }

    /// Takes our addresses as they are now.
    pub(super) fn refresh(&self, own: &[OwnAddress]) {
        let fresh = on_link(own);
        if **self.on_link.load() != fresh {
            self.on_link.store(Arc::new(fresh));
        }
    }

    /// Returns whether `client` is served.
    pub(super) fn serves(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.is_local(client) || self.also.iter().any(|prefix| prefix.contains(client))
    }

    /// Returns whether `client` is in a network of ours: private, or on one of our links.
    pub(super) fn is_local(&self, client: IpAddr) -> bool {
        is_private(client) || self.on_link.load().iter().any(|prefix| prefix.contains(client))
    }
}

/// Returns the prefixes whose addresses are reached without a router.
fn on_link(own: &[OwnAddress]) -> Vec<Prefix> {
    let mut prefixes: Vec<Prefix> = own.iter().filter_map(OwnAddress::link).collect();
    prefixes.sort();
    prefixes.dedup();
    prefixes
}

/// Returns whether an address cannot come from the internet: loopback, link-local, RFC 1918,
/// RFC 6598 (100.64.0.0/10), RFC 4193.
fn is_private(client: IpAddr) -> bool {
    match client {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

impl Allotment {
    /// Allots `in_all` shares, of which one client gets at most `per_client`.
    pub(super) fn new(in_all: usize, per_client: usize) -> Arc<Allotment> {
        Arc::new(Allotment { in_all, per_client, held: Mutex::default() })
    }

    /// Takes a share, or returns `None` at once if there is none left.
    pub(super) fn try_take(self: &Arc<Self>, client: IpAddr) -> Option<Share> {
        let mut held = self.lock();
        if held.in_all >= self.in_all {
            return None;
        }
        let count = held.clients.entry(client).or_insert(0);
        if *count >= self.per_client {
            return None;
        }
        *count += 1;
        held.in_all += 1;
        Some(Share { allotment: Arc::clone(self), client })
    }

    /// Returns how many shares are held.
    pub(super) fn held(&self) -> usize {
        self.lock().in_all
    }

    /// Returns whether over three quarters are held.
    pub(super) fn is_pressed(&self) -> bool {
        self.held() > self.in_all / 4 * 3
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.allotment.lock();
        held.in_all -= 1;
        if let Entry::Occupied(mut count) = held.clients.entry(self.client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn private_and_shared_addresses_are_served() {
        let admission = Admission::new(Vec::new(), &[]);
        for served in [
            "127.0.0.9",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.2",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fe80::1",
            "fd12::1",
            "::ffff:192.168.1.2",
        ] {
            assert!(admission.serves(address(served)), "{served}");
        }
        for stranger in
            ["8.8.8.8", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"]
        {
            assert!(!admission.serves(address(stranger)), "{stranger}");
        }
    }

    #[test]
    fn links_and_given_prefixes_are_served_too() {
        let link = |address, bits| {
            let prefix = Prefix::of(address, bits).expect("a prefix");
            OwnAddress { address, prefix, interface: 2, tentative: false }
        };
        let also = vec!["203.0.113.0/24".parse().expect("a prefix")];
        let admission = Admission::new(also, &[link(address("2001:db8:1::1"), 64)]);
        assert!(admission.serves(address("203.0.113.77")));
        assert!(admission.serves(address("2001:db8:1::abcd")));
        assert!(!admission.serves(address("2001:db8:2::1")));
        admission.refresh(&[link(address("2001:db8:2::9"), 64)]);
        assert!(admission.serves(address("2001:db8:2::1")));
        assert!(!admission.serves(address("2001:db8:1::abcd")));
    }

    #[test]
    fn shares_end_in_all_and_per_client_and_come_back() {
        let allotment = Allotment::new(4, 2);
        let [a, b, c] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(address);
        let first = allotment.try_take(a).expect("a share");
        let _second = allotment.try_take(a).expect("a share");
        assert!(allotment.try_take(a).is_none(), "two are this client's bound");
        let _third = allotment.try_take(b).expect("a share");
        assert!(!allotment.is_pressed());
        let _fourth = allotment.try_take(b).expect("a share");
        assert!(allotment.is_pressed() && allotment.try_take(c).is_none(), "four in all");
        drop(first);
        assert_eq!(allotment.held(), 3);
        assert!(allotment.try_take(a).is_some());
    }

    #[test]
    fn a_client_without_shares_takes_no_memory() {
        let allotment = Allotment::new(100, 1);
        for last in 0..=255 {
            drop(allotment.try_take(IpAddr::from([10, 0, 0, last])));
        }
        assert!(allotment.lock().clients.is_empty());
    }
}
