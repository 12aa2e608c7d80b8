//! How much one client may ask: a bucket each, in a table that never grows.
//!
//! **A bucket** is one word: a tag of whose it is, and the microsecond at which it will be empty (the
//! generic cell rate algorithm). A query fills it by one interval, time empties it, and a query for
//! which it has no room is over the limit and fills nothing. So a client gets its rate for as long
//! as it asks too much, and all of it again a moment after it stops.
//!
//! **Beyond the limit** a datagram gets a truncated reply: a real client asks again over TCP, where it
//! has a second bucket of the same size, which nobody can fill by forging its address. Truncated
//! replies have a bucket too; beyond that, and over TCP, the query is refused. Every one is counted.
//! None is written to the query log, which a flood would fill; `status` tells how many there were and
//! whose was the last.
//!
//! **Whose bucket**: that of the address, which on a link is all that tells devices apart, since all
//! share one prefix. Beyond our links an IPv6 client owns its /64 and could ask from any of it, so all of
//! it has one. Where a forwarder says for whom it asks, that client counts; what a forwarder asks
//! without a word goes uncounted, since it is the sum of a network that the owner vouched for in
//! config.toml. So does what this machine asks of itself: no flood comes from there that could not
//! stop the daemon by other means, and a resolver in front of it asks for everybody.
//!
//! **The table** has sets of eight buckets, one line of memory each. A hash keyed at the start picks
//! the set, so nobody can aim at another's. A newcomer takes the emptiest bucket of its set. An
//! empty one is as good as none; where all eight hold something, the client with least in it is
//! forgotten, and starts afresh. So a flood from a million addresses takes no memory and makes nobody
//! limited: it can only make the limit more generous, and last of all for those who are over it,
//! whose buckets are the fullest. A client shares a bucket with another by a chance of one in
//! 65,536 for each of the seven others in its set.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::devices::Claim;
use crate::resolver::{Arrival, Behalf, Transport};
use crate::wire::{ExtendedError, OUR_PAYLOAD, Query, Reply, ResponseCode};

use super::Settings;

/// Sets of the table, a power of two: with eight buckets each it takes 256 KiB.
const SETS: usize = 4_096;
const BUCKETS: usize = 8;
/// The part of a word that is a time, enough for nine years; the rest is the tag.
const TIME: u64 = (1 << 48) - 1;
/// The extended error `Rate Limited`. Its text would make the reply far longer than the query.
const RATE_LIMITED: u16 = 31;

/// How much each client has asked of late; all workers share it.
pub(super) struct Rates {
    sets: Box<[Set]>,
    secrets: [u64; 4],
    pace: Option<Pace>,
    local: bool,
}

/// What a query gets beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// A truncated reply: it is to be asked over TCP.
    Truncated,
    /// A refusal.
    Refused,
}

/// Buckets of one line of memory.
#[derive(Default)]
#[repr(align(64))]
struct Set([AtomicU64; BUCKETS]);

/// How fast a bucket empties and how much it holds, in microseconds.
#[derive(Clone, Copy)]
struct Pace {
    interval: u64,
    room: u64,
}

/// What a bucket is for.
#[derive(Clone, Copy)]
enum Purpose {
    Datagrams = 1,
    Truncations = 2,
    Streams = 3,
}

impl Rates {
    /// Makes a table in which nobody has asked anything.
    pub(super) fn new(settings: &Settings) -> Rates {
        let random = RandomState::new();
        let pace = (settings.rate_limit > 0).then(|| {
            let interval = 1_000_000 / u64::from(settings.rate_limit);
            Pace { interval, room: interval * u64::from(settings.rate_burst) }
        });
        let sets = if pace.is_some() { SETS } else { 0 };
        Rates {
            sets: (0..sets).map(|_| Set::default()).collect(),
            secrets: [0, 1, 2, 3].map(|place: u64| random.hash_one(place)),
            pace,
            local: settings.rate_limit_local,
        }
    }

    /// Counts a query; returns what it gets if it is one too many.
    ///
    /// `is_local` tells whether an address is in a network of ours.
    pub(super) fn excess(
        &self,
        arrival: &Arrival,
        is_local: impl Fn(IpAddr) -> bool,
    ) -> Option<Excess> {
        let pace = self.pace?;
        if is_this_machine(arrival.client) {
            return None;
        }
        let local = is_local(arrival.client);
        if local && !self.local {
            return None;
        }
        let who = identity(arrival, local);
        let fits = |purpose| self.fill(who, purpose, arrival.now.monotonic, pace);
        match arrival.transport {
            Transport::Udp if fits(Purpose::Datagrams) => None,
            Transport::Udp if fits(Purpose::Truncations) => Some(Excess::Truncated),
            Transport::Tcp if fits(Purpose::Streams) => None,
            Transport::Udp | Transport::Tcp => Some(Excess::Refused),
        }
    }

    /// Puts one query into a bucket; returns whether it had room.
    fn fill(&self, who: u128, purpose: Purpose, now: u64, pace: Pace) -> bool {
        let hash = self.hash(who, purpose);
        let Some(set) = self.sets.get(hash as usize % SETS) else { return true };
        let (tag, now) = (hash & !TIME, now & TIME);
        loop {
            let (bucket, word) = set.find(tag);
            // Who takes another's bucket starts with an empty one.
            let empty_at = if word & !TIME == tag { word & TIME } else { 0 };
            let filled = empty_at.max(now) + pace.interval;
            if filled - now > pace.room {
                return false;
            }
            let (seen, new) = (word, tag | filled & TIME);
            // If it fails, another worker's query has just been counted: look again.
            if bucket.compare_exchange(seen, new, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
    }

    fn hash(&self, who: u128, purpose: Purpose) -> u64 {
        let [first, second, third, fourth] = self.secrets;
        let mixed = fold(who as u64 ^ first, (who >> 64) as u64 ^ second);
        fold(mixed ^ third, fourth ^ purpose as u64)
    }
}

impl Set {
    /// Returns the bucket with this tag, else the emptiest one, and what was in it.
    fn find(&self, tag: u64) -> (&AtomicU64, u64) {
        let [first, others @ ..] = &self.0;
        let mut emptiest = (first, first.load(Ordering::Relaxed));
        if emptiest.1 & !TIME == tag {
            return emptiest;
        }
        for bucket in others {
            let word = bucket.load(Ordering::Relaxed);
            if word & !TIME == tag {
                return (bucket, word);
            }
            if word & TIME < emptiest.1 & TIME {
                emptiest = (bucket, word);
            }
        }
        emptiest
    }
}

impl Excess {
    /// Writes the reply, which has no record and is hardly longer than the query.
    pub(super) fn write(self, query: &Query<'_>, out: &mut Vec<u8>) {
        match self {
            Excess::Truncated => {
                Reply::start(out, query, ResponseCode::NOERROR).finish_truncated();
            }
            Excess::Refused => {
                let error = ExtendedError { code: RATE_LIMITED, text: &[] };
                let reply = Reply::start(out, query, ResponseCode::REFUSED);
                reply.finish(usize::from(OUR_PAYLOAD), Some(error));
            }
        }
    }
}

/// Returns whether an address is the one by which programs of this machine ask it.
///
/// The rest of 127.0.0.0/8 is taken only by who means to, and treated like any local network.
fn is_this_machine(client: IpAddr) -> bool {
    client == Ipv4Addr::LOCALHOST || client == Ipv6Addr::LOCALHOST
}

/// Returns the number by which a client's bucket is found.
fn identity(arrival: &Arrival, local: bool) -> u128 {
    if let Behalf::Claimed { claim: Claim::Hardware(hardware), .. } = arrival.behalf {
        // No client has a multicast address.
        let octets = hardware.0.iter().fold(0, |number, &octet| number << 8 | u128::from(octet));
        return 0xff << 120 | octets;
    }
    match arrival.client {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) if local => v6.to_bits(),
        IpAddr::V6(v6) => v6.to_bits() >> 64 << 64,
    }
}

/// Mixes two numbers so that each bit of one depends on all of the other.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests;
