//! One upstream: the ways to it, how it does, and a question put to it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::model::{DomainName, UpstreamId};
use crate::wire::{Question, StoredAnswer};

use super::endpoint::{Endpoint, Speech};
use super::health::{Health, Weight};
use super::{Connection, Ground, Heard, Manner, Outgoing, UpstreamStatus, datagram};

/// Most questions in flight over UDP; each takes a socket of its own. Several clients may have as
/// many as they may before there is none left for others.
const MAX_DATAGRAMS: usize = 2_000;
/// Questions in flight with which nothing is asked a second time: as many as one client may have.
const PRESSED: usize = 500;

/// Why an upstream gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// No connection; the text says what to try.
    #[error("no connection: {0}")]
    Connect(String),
    /// Nothing came back.
    #[error("no answer in time")]
    Silent,
    /// Something came back that is of no use.
    #[error("{0}")]
    Unusable(String),
    /// Too much is in flight to it already.
    #[error("too many questions are in flight to it")]
    Busy,
    /// The question has been sent out as often as it may be.
    #[error("the question has been asked often enough")]
    Spent,
}

/// An upstream's answer.
pub(super) struct Reply {
    pub(super) stored: Arc<StoredAnswer>,
    /// The microseconds it took.
    pub(super) took: u64,
    /// When it came, on the monotonic clock.
    pub(super) at: u64,
}

/// An upstream's answer, or why there is none.
pub(super) type Told = Result<Reply, Fault>;

/// How many queries one question may still cause, over all upstreams.
pub(super) struct Allowance(AtomicU8);

impl Allowance {
    /// Allows `queries`.
    pub(super) fn new(queries: u8) -> Allowance {
        Allowance(AtomicU8::new(queries))
    }

    /// Takes one of them.
    pub(super) fn take(&self) -> Result<(), Fault> {
        let less = |left: u8| left.checked_sub(1);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.map(|_| ()).map_err(|_| Fault::Spent)
    }
}

/// One upstream.
pub(super) struct Upstream {
    pub(super) id: UpstreamId,
    pub(super) health: Health,
    endpoint: Endpoint,
    zone: Option<DomainName>,
    datagrams: Semaphore,
    connection: Arc<Connection>,
    asked: AtomicU64,
    /// Questions asked again over a stream because of their reply.
    moved: AtomicU64,
    waiting: AtomicUsize,
    clock: Clock,
}

/// One question in flight.
struct Wait<'u>(&'u AtomicUsize);

impl Upstream {
    /// Prepares an upstream; connects to nobody yet.
    pub(super) fn new(
        id: UpstreamId,
        endpoint: Endpoint,
        zone: Option<DomainName>,
        ground: &Ground<'_>,
    ) -> Result<Upstream, String> {
        let clock = ground.clock.clone();
        let connection = Connection::new(&endpoint, ground)
            .map_err(|why| format!("`{}`: {why}", endpoint.name))?;
        Ok(Upstream {
            id,
            health: Health::default(),
            endpoint,
            zone,
            datagrams: Semaphore::new(MAX_DATAGRAMS),
            connection,
            asked: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            clock,
        })
    }

    /// Asks, changing the manner as the replies demand.
    ///
    /// Each change happens once at most: to a stream, to plain letters, to no EDNS.
    pub(super) async fn ask(&self, question: &Question, allowance: &Allowance, now: u64) -> Told {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let _waiting = Wait::of(&self.waiting);
        let mut manner = Manner {
            random_letters: self.endpoint.speech.is_plain(),
            edns: true,
            stream: self.endpoint.speech != Speech::Udp,
        };
        let mut now = now;
        loop {
            let query = Outgoing::write(question, manner)?;
            let (heard, took) = match (self.endpoint.addresses.first(), manner.stream) {
                (Some(&address), false) => {
                    allowance.take()?;
                    let heard = self.send(address, &query, question, now).await?;
                    let sent = std::mem::replace(&mut now, self.clock.now().monotonic);
                    (heard, now.saturating_sub(sent))
                }
                // Kept apart, so that the usual future stays small.
                _ => {
                    let told =
                        Box::pin(self.connection.exchange(&query, question, allowance)).await?;
                    now = self.clock.now().monotonic;
                    told
                }
            };
            let next = match heard {
                Heard::Answer(stored) => return Ok(Reply { stored, took, at: now }),
                Heard::OtherLetters => Manner { random_letters: false, stream: true, ..manner },
                Heard::Unusable => Manner { stream: true, ..manner },
                Heard::NoEdns => Manner { edns: false, ..manner },
                Heard::Stranger => manner,
            };
            if next == manner {
                return Err(Fault::Unusable("its reply does not fit the question".into()));
            }
            if next.stream && !manner.stream {
                self.moved.fetch_add(1, Ordering::Relaxed);
            }
            manner = next;
        }
    }

    async fn send(
        &self,
        address: IpAddr,
        query: &Outgoing,
        question: &Question,
        now: u64,
    ) -> Result<Heard, Fault> {
        let Ok(_place) = self.datagrams.try_acquire() else {
            return Err(Fault::Busy);
        };
        let server = SocketAddr::new(address, self.endpoint.port);
        datagram::exchange(server, query, question, now).await
    }

    /// Returns whether so much is in flight to it that what it was asked already must wait.
    pub(super) fn is_pressed(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= PRESSED
    }

    /// Notes that it answered, and when.
    pub(super) fn answered(&self, took: u64, at: u64) {
        self.health.answered(at, took);
    }

    /// Notes why it did not answer a question that it was asked at `since`.
    pub(super) fn failed(&self, since: u64, fault: &Fault) {
        let weight = match fault {
            Fault::Connect(_) => Weight::Certain,
            Fault::Silent => Weight::Silence,
            Fault::Unusable(_) => Weight::Doubtful,
            // Our own bounds say nothing about it.
            Fault::Busy | Fault::Spent => return,
        };
        self.health.failed(since, self.clock.now().monotonic, weight, fault.to_string());
    }

    /// Lets go of a connection over which nothing came in since it was asked.
    pub(super) fn doubt(&self, since: u64) {
        self.connection.close_if_silent(since);
    }

    /// Returns figures.
    pub(super) fn status(&self) -> UpstreamStatus {
        let standing = self.health.standing();
        let figures = self.health.figures();
        UpstreamStatus {
            name: self.endpoint.name.clone(),
            up: standing.rests_until.is_none(),
            asked: self.asked.load(Ordering::Relaxed),
            failed: figures.counts.failed,
            latency_micros: standing.latency,
            last_error: figures.last_error.map(|error| self.trouble().unwrap_or(error)),
            zone: self.zone.as_ref().map(DomainName::to_string),
            transport: self.endpoint.speech.word(),
            answered: figures.counts.answered,
            timeouts: figures.counts.timeouts,
            moved: self.moved.load(Ordering::Relaxed),
            percentiles_micros: figures.percentiles,
        }
    }

    /// Returns why there is no connection; that explains a silence too.
    fn trouble(&self) -> Option<String> {
        self.connection.trouble().filter(|_| self.endpoint.speech != Speech::Udp)
    }
}

impl Wait<'_> {
    fn of(waiting: &AtomicUsize) -> Wait<'_> {
        waiting.fetch_add(1, Ordering::Relaxed);
        Wait(waiting)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
