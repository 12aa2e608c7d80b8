//! The answer an allowed query gets: upstreams, their health, and the cache of what they said.

mod cache;
mod connection;
mod datagram;
mod effort;
mod endpoint;
mod flights;
mod health;
mod latencies;
mod outgoing;
mod pool;
mod server;
mod settings;
mod sockets;
#[cfg(test)]
mod tests;
mod tls;

pub use cache::{Cache, CacheFigures, CacheKey, Cached, Entry};
pub use settings::{ForwardSettings, Order, Settings, UpstreamSettings};

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::model::{DomainName, NameRef, UpstreamId};
use crate::wire::{Question, StoredAnswer};

use connection::Connection;
use endpoint::Endpoint;
use flights::{Boarding, Flights, Outcome, Pilot, Unstopped};
use latencies::Latencies;
use outgoing::{Heard, Manner, Outgoing};
use pool::{Group, Pool};
use server::{Allowance, Fault, Reply, Told, Upstream};

/// An upstream's answer and who gave it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The answer, checked and cleaned.
    pub stored: Arc<StoredAnswer>,
    /// Who gave it.
    pub upstream: UpstreamId,
    /// How long that took.
    pub took: Duration,
    /// Whether it came from a server of `[forward]`, so that private addresses are right.
    pub forwarded_zone: bool,
}

/// Why no upstream answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// All were asked; none answered in time (EDE 22).
    #[error("no upstream answered in time")]
    NoReachableAuthority,
    /// No connection could be made (EDE 23).
    #[error("no upstream could be reached")]
    NetworkError,
    /// Too many questions are in flight.
    #[error("too many questions are in flight")]
    Overloaded,
}

/// Figures of one upstream, for `status`.
#[derive(Clone, Debug)]
pub struct UpstreamStatus {
    /// Its address as configured.
    pub name: String,
    /// Whether it is used now; `false` while it rests after failures.
    pub up: bool,
    /// Questions sent.
    pub asked: u64,
    /// Questions without a usable answer.
    pub failed: u64,
    /// Smoothed time of an answer in microseconds.
    pub latency_micros: Option<u64>,
    /// The last error, if it fails now.
    pub last_error: Option<String>,
    /// The zone it serves; `None` for those that are asked for everything.
    pub zone: Option<String>,
    /// How it is spoken to: `udp`, `tcp`, `tls`, `https`.
    pub transport: &'static str,
    /// Questions with a usable answer.
    pub answered: u64,
    /// Of those that failed, the ones that got no reply in time.
    pub timeouts: u64,
    /// Questions asked again over TCP, because the reply over UDP was cut or cannot be believed.
    pub moved: u64,
    /// Microseconds within which half of the recent answers came, and 95 of 100.
    pub percentiles_micros: Option<(u64, u64)>,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// One question, whatever happens.
    question: Duration,
    /// Making a connection.
    connect: Duration,
    /// How long an upstream is waited for before the next is asked too, at least and at most.
    least_patience: Duration,
    most_patience: Duration,
}

const LIMITS: Limits = Limits {
    question: Duration::from_millis(4_900),
    connect: Duration::from_secs(2),
    least_patience: Duration::from_millis(250),
    most_patience: Duration::from_secs(1),
};

/// All upstreams; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Upstreams {
    pool: Arc<Pool>,
    flights: Arc<Flights>,
    /// The bounds of TTLs.
    ttls: (u32, u32),
    clock: Clock,
}

impl Upstreams {
    /// Makes the pool; connects to nobody yet. Call it inside the main runtime: connections live
    /// there.
    ///
    /// The error names every upstream and zone that cannot be used, one a line, with the mend.
    pub fn new(settings: &Settings, clock: Clock) -> Result<Upstreams, String> {
        Upstreams::within(LIMITS, settings, clock)
    }

    fn within(limits: Limits, settings: &Settings, clock: Clock) -> Result<Upstreams, String> {
        let home = Handle::try_current().map_err(|error| error.to_string())?;
        let ground = Ground { limits: &limits, clock: &clock, home: Some(&home) };
        let groups = groups(settings, &ground).map_err(|problems| problems.join("\n"))?;
        let pool = Arc::new(Pool::new(groups, limits, clock.clone()));
        let ttls = (settings.min_ttl, settings.max_ttl);
        Ok(Upstreams { pool, flights: Flights::new(), ttls, clock })
    }

    /// Asks; identical questions in flight are asked once. Answers or fails within 5 s.
    ///
    /// It is asked on the runtime of whoever asks first, which must have timers and I/O, and to the
    /// end even if that one goes away. The last SERVFAIL or REFUSED is an answer too, if no
    /// upstream gave a better one.
    pub async fn ask(&self, question: Question) -> Outcome {
        self.ask_and_keep(question, |_| ()).await
    }

    /// Asks as `ask` does, and has the outcome kept once for all who wait, before they get it and
    /// also when nobody waits any more.
    pub async fn ask_and_keep(
        &self,
        question: Question,
        keep: impl FnOnce(&Outcome) + Send + 'static,
    ) -> Outcome {
        let now = self.clock.now().monotonic;
        let mut outcome = match self.flights.board(&Arc::new(question), now) {
            Boarding::Fail(failure) => return Err(failure),
            Boarding::Wait(outcome) => outcome,
            Boarding::Ask(pilot) => {
                return Unstopped::new(self.clone().fly(pilot, now, keep)).await;
            }
        };
        match outcome.wait_for(Option::is_some).await {
            Ok(told) => told.clone().unwrap_or(Err(Failure::NetworkError)),
            // The runtime of who asked is going down.
            Err(_) => Err(Failure::NetworkError),
        }
    }

    /// Forgets that questions about a name and all below it, or about any, failed a moment ago.
    pub fn forget_failures(&self, name: Option<NameRef<'_>>) {
        self.flights.forget_failures(name);
    }

    async fn fly(self, pilot: Pilot, now: u64, keep: impl FnOnce(&Outcome)) -> Outcome {
        let mut outcome = self.pool.ask(pilot.question(), now).await;
        if let Ok(answer) = &mut outcome {
            let (least, most) = self.ttls;
            Arc::make_mut(&mut answer.stored).bound_ttls(least, most);
        }
        keep(&outcome);
        pilot.land(&outcome, self.clock.now().monotonic);
        outcome
    }

    /// Returns whether `[forward]` maps a zone that holds this name. Allocates nothing.
    pub fn is_forwarded(&self, name: NameRef<'_>) -> bool {
        self.pool.is_forwarded(name)
    }

    /// Returns figures of every upstream; an `UpstreamId` is a place in here.
    pub fn status(&self) -> Vec<UpstreamStatus> {
        self.pool.status()
    }
}

/// What upstreams stand on.
struct Ground<'g> {
    limits: &'g Limits,
    clock: &'g Clock,
    /// Where connections live; `None` where none is made.
    home: Option<&'g Handle>,
}

/// Checks the settings without connecting to anybody; errors say the mend.
pub fn check(settings: &Settings) -> Result<(), Vec<String>> {
    let ground = Ground { limits: &LIMITS, clock: &Clock::system(), home: None };
    let mut problems = groups(settings, &ground).err().unwrap_or_default();
    problems.extend(settings.check_ttls());
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Makes the upstreams: first those for everything, then a group for each zone.
fn groups(settings: &Settings, ground: &Ground<'_>) -> Result<Vec<Group>, Vec<String>> {
    let mut maker = Maker { ground, order: settings.order, made: 0, problems: Vec::new() };
    let mut groups = vec![maker.group(None, &settings.servers)];
    let mut zones = HashSet::new();
    for forward in &settings.forward {
        match forward.zone_name() {
            Err(why) => maker.problems.push(why),
            Ok(zone) if !zones.insert(zone.clone()) => {
                maker
                    .problems
                    .push(format!("zone `{zone}` is mapped twice: make it one [[forward]]"));
            }
            Ok(zone) if forward.servers.is_empty() => {
                maker.problems.push(format!("zone `{zone}` has no server: add one"));
            }
            Ok(zone) => groups.push(maker.group(Some(zone), &forward.servers)),
        }
    }
    if maker.problems.is_empty() { Ok(groups) } else { Err(maker.problems) }
}

struct Maker<'g> {
    ground: &'g Ground<'g>,
    order: Order,
    made: usize,
    problems: Vec<String>,
}

impl Maker<'_> {
    fn group(&mut self, zone: Option<DomainName>, servers: &[UpstreamSettings]) -> Group {
        let mut members = Vec::new();
        for settings in servers {
            match self.upstream(zone.clone(), settings) {
                Ok(upstream) => members.push(Arc::new(upstream)),
                Err(why) => self.problems.push(why),
            }
        }
        Group::new(zone, members, self.order)
    }

    fn upstream(
        &mut self,
        zone: Option<DomainName>,
        settings: &UpstreamSettings,
    ) -> Result<Upstream, String> {
        let id = u8::try_from(self.made)
            .map_err(|_| format!("`{}`: more than 256 upstreams; remove some", settings.url))?;
        self.made += 1;
        let endpoint = Endpoint::read(settings)?;
        Upstream::new(UpstreamId(id), endpoint, zone, self.ground)
    }
}
