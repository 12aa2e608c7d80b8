//! The line every query walks: identify, bind policy, decide, answer, inspect.
//!
//! [`Resolver::begin`] and [`Resolver::finish`] have the order of the steps, each in one function.
//! Of the steps themselves: `asked` is a query bound to a policy and decided on by its name,
//! `inspect` what an answer leads to, `kept` and `locals` what is known already, `replies` what goes
//! out, `rewrite` what goes out where a rule has the answer, `judged` what goes to the log. Doors call `claims` in front of them: who a
//! forwarder asks for.

mod asked;
mod begin;
mod claims;
mod finish;
mod inspect;
mod judged;
mod kept;
mod locals;
mod replies;
mod rewrite;
mod settings;

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Clock;
use crate::devices::Devices;
use crate::discovery::Discovery;
use crate::model::{Moment, NameRef};
use crate::policy::{LivePolicy, NameFacts};
use crate::upstream::{self, CacheFigures, Upstreams};
use crate::wire::{OUR_PAYLOAD, Query};

use asked::{Asked, Looked, Step, classify};
use inspect::{Element, Inspection, Known, Lead, Ruling};
use judged::{Alias, Ending};
use kept::{Fetched, Kept, KeptAnswer, is_definite, source};
use locals::Locals;

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
    /// What `begin` knew of the name, unless it did not know who asks; then it did not look into
    /// the cache either.
    facts: Option<NameFacts>,
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
    kept: Arc<Kept>,
    locals: Locals,
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
    /// Puts the line together, with a cache as the settings of upstreams say.
    pub fn new(settings: &Settings, caching: &upstream::Settings, handles: Handles) -> Resolver {
        let Handles { devices, discovery, live, upstreams, clock } = handles;
        let kept = Arc::new(Kept::new(caching, live.clone(), clock.clone()));
        let (settings, locals) = (settings.clone(), Locals::new());
        let parts = Parts { settings, devices, discovery, live, upstreams, kept, locals, clock };
        Resolver(Arc::new(parts))
    }

    /// Returns figures of the cache.
    pub fn cache_figures(&self) -> CacheFigures {
        self.0.kept.cache.figures()
    }

    /// Returns how many answers of the cache have expired. Looks at each of them.
    pub fn expired_answers(&self) -> u64 {
        self.0.kept.cache.count_expired(self.0.clock.now())
    }

    /// Forgets what upstreams said of a name and all below it, or of any; returns how many answers
    /// that were.
    pub fn flush_cache(&self, name: Option<NameRef<'_>>) -> u64 {
        self.0.upstreams.forget_failures(name);
        self.0.kept.cache.flush(name)
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
