//! The line every query walks: identify, bind policy, decide, answer, inspect.
//!
//! [`Resolver::begin`] and [`Resolver::finish`] have the order of the steps, each in one function.
//! Of the steps themselves: `asked` is a query bound to a policy and decided on by its name,
//! `inspect` what an answer leads to, `replies` what goes out, `rewrite` what goes out where a rule
//! has the answer, `judged` what goes to the log. Doors call `claims` in front of them: who a
//! forwarder asks for.

mod asked;
mod begin;
mod claims;
mod finish;
mod inspect;
mod judged;
mod replies;
mod rewrite;
mod settings;

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Clock;
use crate::devices::Devices;
use crate::discovery::Discovery;
use crate::model::Moment;
use crate::policy::LivePolicy;
use crate::upstream::{Cache, CacheFigures, Upstreams};
use crate::wire::{OUR_PAYLOAD, Query};

use asked::{Asked, Step};
use finish::Fetched;
use inspect::{Element, Inspection, Lead, Ruling};
use judged::{Alias, Ending};

pub use asked::{is_canary, is_ours, judge_asked};
pub use claims::Behalf;
pub use judged::Judged;
pub use settings::Settings;

/// How a query came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A TCP connection.
    Tcp,
}

/// Where and when a query came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The address that asked, or for which a forwarder did.
    pub client: IpAddr,
    /// The address it asked.
    pub local: IpAddr,
    /// How.
    pub transport: Transport,
    /// When.
    pub now: Moment,
    /// Who says for whom.
    pub behalf: Behalf,
}

/// What `begin` made of a query.
pub enum Begun<'q> {
    /// The reply is in the buffer, which is empty where there is to be none; an event goes with it
    /// unless the query was refused as such.
    Replied(Option<Judged<'q>>),
    /// It needs `finish`.
    Unfinished(Unfinished),
}

/// A query that needs time: owned, so that it can wait.
pub struct Unfinished {
    packet: Box<[u8]>,
    arrival: Arrival,
}

/// The resolver; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Resolver(Arc<Parts>);

/// What the line reads; all of it handles and immutable wholes.
struct Parts {
    settings: Settings,
    devices: Devices,
    discovery: Discovery,
    live: LivePolicy,
    upstreams: Upstreams,
    cache: Cache<Arc<Inspection>>,
    clock: Clock,
}

/// What the line works with.
pub struct Handles {
    /// Who is who.
    pub devices: Devices,
    /// Looks for those who are not known.
    pub discovery: Discovery,
    /// What is in force.
    pub live: LivePolicy,
    /// Where queries are forwarded.
    pub upstreams: Upstreams,
    /// The clocks.
    pub clock: Clock,
}

impl Resolver {
    /// Puts the line together, with a cache of at most `cache_bytes` octets.
    pub fn new(settings: &Settings, cache_bytes: usize, handles: Handles) -> Resolver {
        let Handles { devices, discovery, live, upstreams, clock } = handles;
        let cache = Cache::new(cache_bytes);
        let settings = settings.clone();
        Resolver(Arc::new(Parts { settings, devices, discovery, live, upstreams, cache, clock }))
    }

    /// Returns figures of the cache.
    pub fn cache_figures(&self) -> CacheFigures {
        self.0.cache.figures()
    }
}

impl Arrival {
    /// Returns the octets that a reply may have.
    fn limit(&self, query: &Query<'_>) -> usize {
        match self.transport {
            Transport::Udp => query.udp_limit(OUR_PAYLOAD),
            Transport::Tcp => usize::from(u16::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_move_between_threads<T: Send>(_: T) {}

    #[test]
    fn the_second_half_may_move_between_threads() {
        // Only the types matter: doors may spawn it on any runtime.
        let _ = |resolver: Resolver, unfinished: Unfinished, out: &mut Vec<u8>| {
            may_move_between_threads(resolver.finish(&unfinished, out));
        };
    }
}
