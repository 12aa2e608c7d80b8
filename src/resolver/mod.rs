//! The line every query walks: identify, bind policy, decide, answer, inspect.

mod settings;

use std::net::IpAddr;

use crate::devices::Devices;
use crate::model::{Moment, QueryEvent};
use crate::policy::LivePolicy;
use crate::upstream::{CacheFigures, Upstreams};
use crate::wire::Query;

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
    /// The address that asked.
    pub client: IpAddr,
    /// The address it asked.
    pub local: IpAddr,
    /// How.
    pub transport: Transport,
    /// When.
    pub now: Moment,
}

/// What `begin` made of a query.
pub enum Begun<'q> {
    /// The reply is in the buffer; an event goes with it unless the query was refused as such.
    Replied(Option<Judged<'q>>),
    /// It needs `finish`.
    Unfinished(Unfinished),
}

/// A query judged, with what its event borrows.
pub struct Judged<'q> {
    event: QueryEvent<'q>,
}

impl Judged<'_> {
    /// Returns the event to record.
    pub fn event(&self) -> QueryEvent<'_> {
        self.event.clone()
    }
}

/// A query that needs time: owned, so that it can wait.
pub struct Unfinished {}

/// The resolver; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Resolver {}

impl Resolver {
    /// Puts the line together.
    pub fn new(
        settings: &Settings,
        devices: Devices,
        live: LivePolicy,
        upstreams: Upstreams,
        cache_bytes: usize,
        clock: crate::clock::Clock,
    ) -> Resolver {
        let _ = (settings, devices, live, upstreams, cache_bytes, clock);
        todo!()
    }

    /// Answers what can be answered at once. Takes no lock that a writer can hold, allocates nothing.
    pub fn begin<'q>(
        &self,
        query: &'q Query<'_>,
        arrival: &Arrival,
        out: &mut Vec<u8>,
    ) -> Begun<'q> {
        let _ = (query, arrival, out);
        todo!()
    }

    /// Answers the rest, within 5 s.
    pub async fn finish(
        &self,
        unfinished: Unfinished,
        out: &mut Vec<u8>,
    ) -> Option<Judged<'static>> {
        let _ = (unfinished, out);
        todo!()
    }

    /// Writes SERVFAIL for a query that was shed, and returns its event.
    pub fn shed(&self, unfinished: Unfinished, out: &mut Vec<u8>) -> Option<Judged<'static>> {
        let _ = (unfinished, out);
        todo!()
    }

    /// Returns figures of the cache.
    pub fn cache_figures(&self) -> CacheFigures {
        todo!()
    }
}
