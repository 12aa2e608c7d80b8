//! What every door does with a message: read, admit, begin or finish, record.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc;

use crate::query_log::{QueryLog, Recorder};
use crate::resolver::{Arrival, Begun, Judged, Resolver};
use crate::wire::{Query, Reply, ResponseCode, Unreadable, bare_error};

use super::admission::{Admission, Allotment, Bounds};
use super::counters::Counters;
use super::rate::Rates;

/// Room for the reply to a stranger: its question and an OPT.
const STRANGERS_REPLY: usize = 512;
/// Room for most replies of an upstream, in one allocation.
const USUAL_REPLY: usize = 512;

/// What becomes of a message.
pub(super) enum Answer<F> {
    /// The reply is in the buffer; an empty one is none.
    Now,
    /// The reply comes out of this future; an empty one is none.
    Later(F),
    /// Silence.
    Nothing,
}

/// Whence a datagram came, and to which of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Who sent it.
    pub(super) client: IpAddr,
    /// Where it was sent to.
    pub(super) local: IpAddr,
}

/// Why a message does not go to the resolver.
enum Dismissed {
    /// An error for it is in the buffer.
    WithError,
    /// It gets no reply.
    Silently,
}

/// A panic, which was told on stderr.
#[derive(Debug, PartialEq, Eq)]
struct Defect;

/// What the doors of one worker share.
pub(super) struct Handler {
    resolver: Resolver,
    recorder: RefCell<Recorder>,
    admission: Arc<Admission>,
    rates: Arc<Rates>,
    in_flight: Arc<Allotment>,
    counters: Arc<Counters>,
    _alive: mpsc::Sender<()>,
}

impl Handler {
    /// Puts a worker's handler together; `alive` is held for as long as anybody uses it.
    pub(super) fn new(
        resolver: Resolver,
        log: &QueryLog,
        bounds: &Bounds,
        counters: &Arc<Counters>,
        alive: mpsc::Sender<()>,
    ) -> Handler {
        Handler {
            resolver,
            recorder: RefCell::new(log.recorder()),
            admission: Arc::clone(&bounds.admission),
            rates: Arc::clone(&bounds.rates),
            in_flight: Arc::clone(&bounds.in_flight),
            counters: Arc::clone(counters),
            _alive: alive,
        }
    }

    /// Answers a message: at once into `out`, or later by the future returned.
    pub(super) fn answer(
        self: &Rc<Self>,
        packet: &[u8],
        mut arrival: Arrival,
        out: &mut Vec<u8>,
    ) -> Answer<impl Future<Output = Vec<u8>> + use<>> {
        let query = match look(packet, self.serves(&arrival), &self.counters, out) {
            Ok(query) => query,
            Err(Dismissed::WithError) => return Answer::Now,
            Err(Dismissed::Silently) => return Answer::Nothing,
        };
        let asking = arrival.client;
        self.attribute(&query, &mut arrival);
        if arrival.client != asking && !self.serves(&arrival) {
            refuse(&query, &self.counters, out);
            return Answer::Now;
        }
        if self.limits(&query, &arrival, out) {
            return Answer::Now;
        }
        let unfinished = match self.resolver.begin(&query, &arrival, out) {
            Begun::Replied(judged) => {
                self.record(judged.as_ref());
                return Answer::Now;
            }
            Begun::Unfinished(unfinished) => unfinished,
        };
        let Some(share) = self.in_flight.try_take(arrival.client) else {
            self.counters.shed.add();
            self.record(self.resolver.shed(unfinished, out).as_ref());
            return Answer::Now;
        };
        let handler = Rc::clone(self);
        // Boxed here, since it is large and is moved several times on its way to a task.
        Answer::Later(Box::pin(async move {
            let mut out = Vec::with_capacity(USUAL_REPLY);
            match contained(handler.resolver.finish(&unfinished, &mut out)).await {
                Ok(judged) => handler.record(judged.as_ref()),
                Err(Defect) => handler.resolver.give_up(&unfinished, &mut out),
            }
            drop(share);
            out
        }))
    }

    /// Returns whether a connection of this address may begin with a PROXY header.
    pub(super) fn is_forwarder(&self, client: IpAddr) -> bool {
        self.resolver.is_forwarder(client)
    }

    /// Returns whether a client is served; where a forwarder asks for it, both must be.
    fn serves(&self, arrival: &Arrival) -> bool {
        let serves = |client| self.admission.serves(client);
        arrival.forwarder().is_none_or(serves) && serves(arrival.client)
    }

    /// Returns whether a query is one too many of its client's, and writes the reply to that.
    fn limits(&self, query: &Query<'_>, arrival: &Arrival, out: &mut Vec<u8>) -> bool {
        if arrival.forwarder().is_none() && self.is_forwarder(arrival.client) {
            return false;
        }
        let Some(excess) = self.rates.excess(arrival, |client| self.admission.is_local(client))
        else {
            return false;
        };
        self.counters.limit(excess, arrival.client, arrival.now);
        excess.write(query, out);
        true
    }

    fn attribute(&self, query: &Query<'_>, arrival: &mut Arrival) {
        if self.resolver.attribute(query, arrival) {
            self.counters.ignore_claim(arrival.client, arrival.now);
        }
        if arrival.forwarder().is_some() {
            self.counters.claims_taken.add();
        }
    }

    fn record(&self, judged: Option<&Judged<'_>>) {
        if let Some(judged) = judged {
            self.recorder.borrow_mut().record(&judged.event());
        }
    }
}

/// Ends a future at its first panic: whoever waits for its reply still gets one.
async fn contained<F: Future>(future: F) -> Result<F::Output, Defect> {
    let mut future = pin!(future);
    poll_fn(|context| {
        // What it may leave half done is its own reply, and that is written anew.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Defect)),
        }
    })
    .await
}

/// Reads a message; writes the error it gets if it cannot be read or its sender is not served.
#[inline]
fn look<'p>(
    packet: &'p [u8],
    served: bool,
    counters: &Counters,
    out: &mut Vec<u8>,
) -> Result<Query<'p>, Dismissed> {
    match Query::parse(packet) {
        Ok(query) if served => return Ok(query),
        Ok(query) => refuse(&query, counters, out),
        Err(Unreadable::Error(code)) => {
            counters.malformed.add();
            bare_error(packet, if served { code } else { ResponseCode::REFUSED }, out);
        }
        Err(Unreadable::Silence) => {
            counters.malformed.add();
            return Err(Dismissed::Silently);
        }
    }
    Err(Dismissed::WithError)
}

fn refuse(query: &Query<'_>, counters: &Counters, out: &mut Vec<u8>) {
    counters.refused_clients.add();
    Reply::start(out, query, ResponseCode::REFUSED).finish(STRANGERS_REPLY, None);
}

#[cfg(test)]
mod tests {
    use crate::wire::{HEADER_OCTETS, Header};

    use super::super::Counts;
    use super::*;

    const QUERY: &[u8] = b"\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x02eX\x00\x00\x01\x00\
        \x01\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00";

    fn counted(packet: &[u8], served: bool) -> (Vec<u8>, bool, Counts) {
        let (counters, mut out) = (Counters::default(), Vec::new());
        let query = look(packet, served, &counters, &mut out).is_ok();
        let mut counts = Counts::default();
        counters.add_to(&mut counts);
        (out, query, counts)
    }

    fn code(reply: &[u8]) -> ResponseCode {
        Header::read(reply).expect("a reply").response_code()
    }

    #[test]
    fn a_query_of_a_client_goes_on() {
        assert_eq!(counted(QUERY, true), (Vec::new(), true, Counts::default()));
    }

    #[test]
    fn a_stranger_is_refused_with_question_and_opt() {
        let (reply, query, counts) = counted(QUERY, false);
        assert!(!query);
        assert_eq!((code(&reply), reply.len()), (ResponseCode::REFUSED, QUERY.len()));
        assert_eq!(counts, Counts { refused_clients: 1, ..Counts::default() });
    }

    #[test]
    fn what_cannot_be_read_gets_a_bare_error_or_silence() {
        let cut = &QUERY[..QUERY.len() - 1];
        let malformed = Counts { malformed: 1, ..Counts::default() };
        let (reply, _, counts) = counted(cut, true);
        assert_eq!((code(&reply), reply.len()), (ResponseCode::FORMERR, HEADER_OCTETS));
        assert_eq!(counts, malformed);
        assert_eq!(code(&counted(cut, false).0), ResponseCode::REFUSED);
        assert_eq!(counted(&QUERY[..11], true), (Vec::new(), false, malformed));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_panic_ends_one_future_and_nothing_else() {
        let late = async {
            tokio::task::yield_now().await;
            panic!("this panic is wanted")
        };
        assert_eq!(contained::<_>(late).await, Err::<(), _>(Defect));
        let well = async {
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(contained(well).await, Ok(7));
    }
}
