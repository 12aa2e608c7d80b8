//! TCP: connections accepted, messages framed, many in flight, everything bounded.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::admission::{Admission, Allotment, Bounds, Share};
use super::counters::Counters;
use super::handler::Answer;
use super::proxy_header::is_signed;
use super::{Opening, ProxyHeader, read_opening};

/// Time for a message to come in whole, the first one included.
const WHOLE_MESSAGE: Duration = Duration::from_secs(5);
/// Time for a client to take a reply.
const WRITE: Duration = Duration::from_secs(5);
/// Idle time when connections are scarce, and that of strangers.
const SHORT_IDLE: Duration = Duration::from_secs(2);
/// How often a connection looks whether connections became scarce.
const LOOK: Duration = Duration::from_secs(1);
/// Queries of one connection that may wait; more are read when these are answered.
const IN_FLIGHT: usize = 100;
/// Octets of replies that may wait for one connection; one that lets them pile up is closed.
const QUEUED: usize = 256 << 10;
/// Octets read at once.
const CHUNK: usize = 2_048;
/// Octets that a buffer keeps between messages.
const KEPT: usize = 4_096;
/// Pause when the process has no file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells connections to end: the grace that they have for what is in flight.
pub(super) type Stop = watch::Receiver<Option<Duration>>;

/// Who gets a connection, and for how long it may be idle.
pub(super) struct Gate {
    admission: Arc<Admission>,
    connections: Arc<Allotment>,
    idle: Duration,
}

/// The right to a connection.
pub(super) struct Pass {
    share: Share,
    connections: Arc<Allotment>,
    idle: Duration,
    /// Whether a PROXY header in front of the first message counts.
    speaks_for_others: bool,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// In its own time.
    Well,
    /// By a PROXY header of somebody who is no forwarder.
    ByClaim,
}

impl Gate {
    /// Lets clients in within `bounds`, each idle for at most `idle`.
    pub(super) fn new(bounds: &Bounds, idle: Duration) -> Gate {
        Gate {
            admission: Arc::clone(&bounds.admission),
            connections: Arc::clone(&bounds.connections),
            idle,
        }
    }

    /// Returns a pass if there is room; strangers, who are only refused, get the room nobody needs.
    pub(super) fn admit(&self, client: IpAddr) -> Option<Pass> {
        let served = self.admission.serves(client);
        if !served && self.connections.is_pressed() {
            return None;
        }
        let idle = if served { self.idle } else { self.idle.min(SHORT_IDLE) };
        let share = self.connections.try_take(client)?;
        let connections = Arc::clone(&self.connections);
        Some(Pass { share, connections, idle, speaks_for_others: false })
    }
}

impl Pass {
    /// Lets the connection of a forwarder begin with a PROXY header.
    pub(super) fn may_speak_for_others(self, forwarder: bool) -> Pass {
        Pass { speaks_for_others: forwarder, ..self }
    }

    fn idle(&self) -> Duration {
        if self.connections.is_pressed() { self.idle.min(SHORT_IDLE) } else { self.idle }
    }
}

/// Accepts connections for ever and hands them to `open`.
pub(super) async fn accept(listener: &TcpListener, open: impl Fn(TcpStream, SocketAddr)) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => open(stream, peer),
            Err(error) if is_of_one_connection(&error) => {}
            // Out of descriptors or memory: the connection stays ready, so trying on would spin.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

/// Serves one connection until its end, then lets queries in flight end without it.
pub(super) async fn serve<S, A, F>(
    stream: S,
    pass: Pass,
    stop: Stop,
    counters: &Counters,
    answer: A,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: FnMut(&[u8], Option<ProxyHeader>, &mut Vec<u8>) -> Answer<F>,
    F: Future<Output = Vec<u8>> + 'static,
{
    let mut connection = Connection {
        stream,
        answer,
        counters,
        opening: true,
        header: None,
        ended: Ended::Well,
        received: Vec::new(),
        reply: Vec::new(),
        frame: Vec::new(),
        pending: JoinSet::new(),
        queued: Rc::default(),
        began: Some(Instant::now()),
        quiet: Instant::now(),
    };
    // What ends a connection early is its client's doing, and nobody else needs to know.
    let _ = connection.run(&pass, stop).await;
    connection.pending.detach_all();
    drop(pass.share);
    connection.ended
}

struct Connection<'c, S, A> {
    stream: S,
    answer: A,
    counters: &'c Counters,
    /// Whether a PROXY header may still come.
    opening: bool,
    header: Option<ProxyHeader>,
    ended: Ended,
    /// Octets read and not yet taken.
    received: Vec<u8>,
    reply: Vec<u8>,
    frame: Vec<u8>,
    pending: JoinSet<Option<Vec<u8>>>,
    queued: Rc<Cell<usize>>,
    /// When the message began that is not whole yet; at first, when the connection did.
    began: Option<Instant>,
    /// When the client last asked, or was last answered.
    quiet: Instant,
}

impl<S, A, F> Connection<'_, S, A>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: FnMut(&[u8], Option<ProxyHeader>, &mut Vec<u8>) -> Answer<F>,
    F: Future<Output = Vec<u8>> + 'static,
{
    async fn run(&mut self, pass: &Pass, mut stop: Stop) -> io::Result<()> {
        while self.take_opening(pass).is_continue() && self.take_messages().await?.is_continue() {
            let deadline = self.deadline(pass.idle());
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                break;
            }
            let look = deadline.map_or(now + LOOK, |deadline| deadline.min(now + LOOK));
            self.received.reserve(CHUNK);
            tokio::select! {
                biased;
                _ = stop.changed() => break,
                Some(finished) = self.pending.join_next() => self.send_finished(finished).await?,
                read = self.stream.read_buf(&mut self.received), if self.has_room() => {
                    if read? == 0 {
                        break;
                    }
                }
                () = sleep_until(look) => {}
            }
        }
        while let Some(finished) = self.pending.join_next().await {
            self.send_finished(finished).await?;
        }
        self.stream.shutdown().await
    }

    /// Takes a PROXY header in front of the first message; breaks at one that does not count.
    ///
    /// No message can begin as a header does and be whole before that is told from a header.
    fn take_opening(&mut self, pass: &Pass) -> ControlFlow<()> {
        if !self.opening {
            return ControlFlow::Continue(());
        }
        match read_opening(&self.received) {
            Opening::None => self.opening = false,
            Opening::Unfinished if pass.speaks_for_others || !is_signed(&self.received) => {}
            _ if !pass.speaks_for_others => {
                self.ended = Ended::ByClaim;
                return ControlFlow::Break(());
            }
            Opening::Header(header, length) => {
                // The first message has what is left of the time, not a time of its own.
                self.received.drain(..length);
                (self.opening, self.header) = (false, Some(header));
            }
            Opening::Unfinished | Opening::Malformed => {
                self.counters.malformed.add();
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes every whole message there is room for; breaks at one that gets silence.
    async fn take_messages(&mut self) -> io::Result<ControlFlow<()>> {
        let mut taken = 0;
        while let Some(length) = message_length(&self.received, taken).filter(|_| self.has_room()) {
            let message = self.received.get(taken + 2..taken + 2 + length).unwrap_or_default();
            match (self.answer)(message, self.header, &mut self.reply) {
                Answer::Now => {
                    let reply = std::mem::take(&mut self.reply);
                    self.send(&reply).await?;
                    self.reply = reply;
                    shrink(&mut self.reply);
                }
                Answer::Later(reply) => self.wait_for(reply),
                Answer::Nothing => return Ok(ControlFlow::Break(())),
            }
            taken += 2 + length;
        }
        self.forget(taken);
        Ok(ControlFlow::Continue(()))
    }

    /// Removes what was taken, and starts the clock of a message that has begun.
    fn forget(&mut self, taken: usize) {
        if taken > 0 {
            self.received.drain(..taken);
            self.began = None;
            self.quiet = Instant::now();
        }
        if self.received.is_empty() {
            shrink(&mut self.received);
        } else if message_length(&self.received, 0).is_none() {
            self.began.get_or_insert_with(Instant::now);
        }
    }

    fn wait_for(&mut self, reply: F) {
        let queued = Rc::clone(&self.queued);
        self.pending.spawn_local(async move {
            let reply = reply.await;
            let total = queued.get() + reply.len();
            if total > QUEUED {
                return None;
            }
            queued.set(total);
            Some(reply)
        });
    }

    async fn send_finished(
        &mut self,
        finished: Result<Option<Vec<u8>>, JoinError>,
    ) -> io::Result<()> {
        let reply = finished.map_err(io::Error::other)?.ok_or(ErrorKind::QuotaExceeded)?;
        self.queued.set(self.queued.get().saturating_sub(reply.len()));
        self.send(&reply).await
    }

    /// Sends a reply whole, within time; an empty one is none.
    async fn send(&mut self, reply: &[u8]) -> io::Result<()> {
        if reply.is_empty() {
            return Ok(());
        }
        let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
        self.counters.tcp.add();
        self.frame.clear();
        self.frame.extend(length.to_be_bytes());
        self.frame.extend(reply);
        let write = async {
            self.stream.write_all(&self.frame).await?;
            self.stream.flush().await
        };
        let written = timeout(WRITE, write).await.unwrap_or(Err(ErrorKind::TimedOut.into()));
        if written.is_err() {
            self.counters.unsent.add();
        }
        shrink(&mut self.frame);
        self.quiet = Instant::now();
        written
    }

    fn has_room(&self) -> bool {
        self.pending.len() < IN_FLIGHT
    }

    /// Returns when the connection ends if nothing happens; never while it waits for us.
    fn deadline(&self, idle: Duration) -> Option<Instant> {
        let whole = self.began.map(|began| began + WHOLE_MESSAGE);
        let idle = self.pending.is_empty().then(|| self.quiet + idle);
        whole.into_iter().chain(idle).min()
    }
}

/// Returns the length of the message whose frame begins at `at`, once it is whole.
fn message_length(received: &[u8], at: usize) -> Option<usize> {
    let (prefix, rest) = received.get(at..)?.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*prefix));
    (rest.len() >= length).then_some(length)
}

/// Empties a buffer and gives back what an exceptional message made it take.
fn shrink(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT);
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::oneshot;
    use tokio::task::{JoinHandle, LocalSet, spawn_local};

    use super::super::Counts;
    use super::*;

    type Held = Rc<RefCell<Vec<oneshot::Sender<Vec<u8>>>>>;
    type Reply = std::pin::Pin<Box<dyn Future<Output = Vec<u8>>>>;

    /// A connection being served; `held` are the replies that the test gives out when it likes.
    struct Served {
        client: DuplexStream,
        held: Held,
        stop: watch::Sender<Option<Duration>>,
        counters: Arc<Counters>,
        connections: Arc<Allotment>,
        task: JoinHandle<Ended>,
    }

    impl Served {
        fn new() -> Served {
            Served::with(Allotment::new(8, 8), 1 << 20)
        }

        /// Serves one end of a pipe: `later…` waits for the test, `bye` and `dropped` get silence, the
        /// rest an echo.
        fn with(connections: Arc<Allotment>, pipe: usize) -> Served {
            Served::of(connections, pipe, false)
        }

        fn of_forwarder() -> Served {
            Served::of(Allotment::new(8, 8), 1 << 20, true)
        }

        fn of(connections: Arc<Allotment>, pipe: usize, forwarder: bool) -> Served {
            let (client, stream) = duplex(pipe);
            let (stop, stopped) = watch::channel(None);
            let (held, counters) = (Held::default(), Arc::new(Counters::default()));
            let waiting = Rc::clone(&held);
            let answer = move |message: &[u8], header, out: &mut Vec<u8>| -> Answer<Reply> {
                out.clear();
                out.extend(message);
                if let Some(ProxyHeader { client }) = header {
                    out.extend(format!(" for {client:?}").as_bytes());
                }
                if message.starts_with(b"later") {
                    let (give, take) = oneshot::channel();
                    waiting.borrow_mut().push(give);
                    return Answer::Later(Box::pin(async { take.await.expect("given") }));
                }
                if message == b"dropped" {
                    out.clear();
                }
                if message == b"bye" { Answer::Nothing } else { Answer::Now }
            };
            let (pass, counted) = (pass(&connections), Arc::clone(&counters));
            let pass = pass.may_speak_for_others(forwarder);
            let task =
                spawn_local(async move { serve(stream, pass, stopped, &counted, answer).await });
            Served { client, held, stop, counters, connections, task }
        }

        async fn send(&mut self, messages: &[&[u8]]) {
            let octets: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
            self.client.write_all(&octets).await.expect("the pipe is open");
        }

        async fn receive(&mut self) -> io::Result<Vec<u8>> {
            let length = self.client.read_u16().await?;
            let mut message = vec![0; usize::from(length)];
            self.client.read_exact(&mut message).await?;
            Ok(message)
        }

        /// Waits until so many replies are held back.
        async fn until_held(&self, count: usize) {
            while self.held.borrow().len() < count {
                tokio::task::yield_now().await;
            }
        }

        fn give(&self, index: usize, reply: &[u8]) {
            let give = self.held.borrow_mut().remove(index);
            give.send(reply.to_vec()).expect("the connection waits");
        }

        /// Waits for the end and returns the seconds that went by on the paused clock.
        async fn ended(mut self) -> u64 {
            let start = Instant::now();
            (&mut self.task).await.expect("no panic");
            assert_eq!(self.connections.held(), 0, "the share is given back");
            start.elapsed().as_secs()
        }
    }

    fn pass(connections: &Arc<Allotment>) -> Pass {
        let admission = Arc::new(Admission::new(Vec::new(), &[]));
        let idle = Duration::from_secs(10);
        let gate = Gate { admission, connections: Arc::clone(connections), idle };
        gate.admit(IpAddr::from([127, 0, 0, 1])).expect("room")
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        let length = u16::try_from(message.len()).expect("short");
        [&length.to_be_bytes()[..], message].concat()
    }

    fn on_paused_clock<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        LocalSet::new().block_on(&runtime, test)
    }

    #[test]
    fn messages_are_framed_wherever_they_are_cut() {
        on_paused_clock(async {
            let mut served = Served::new();
            for octet in [framed(b"one"), framed(b"two")].concat() {
                served.client.write_all(&[octet]).await.expect("open");
                tokio::task::yield_now().await;
            }
            assert_eq!(served.receive().await.expect("a reply"), b"one");
            assert_eq!(served.receive().await.expect("a reply"), b"two");
        });
    }

    #[test]
    fn pipelined_queries_are_answered_as_they_complete() {
        on_paused_clock(async {
            let mut served = Served::new();
            served.send(&[b"later 1", b"later 2", b"now"]).await;
            assert_eq!(served.receive().await.expect("a reply"), b"now");
            served.until_held(2).await;
            served.give(1, b"second");
            assert_eq!(served.receive().await.expect("a reply"), b"second");
            served.give(0, b"first");
            assert_eq!(served.receive().await.expect("a reply"), b"first");
            let mut counts = Counts::default();
            served.counters.add_to(&mut counts);
            assert_eq!(counts.tcp, 3);
        });
    }

    #[test]
    fn a_query_that_is_dropped_costs_those_behind_it_nothing() {
        on_paused_clock(async {
            let mut served = Served::new();
            served.send(&[b"dropped", b"later", b"now"]).await;
            assert_eq!(served.receive().await.expect("a reply"), b"now");
            served.until_held(1).await;
            served.give(0, b"");
            served.send(&[b"now"]).await;
            assert_eq!(served.receive().await.expect("a reply"), b"now");
        });
    }

    #[test]
    fn silent_connections_are_closed_in_time() {
        on_paused_clock(async {
            assert_eq!(Served::new().ended().await, 5, "no message at all");
            let mut idle = Served::new();
            idle.send(&[b"now"]).await;
            idle.receive().await.expect("a reply");
            assert_eq!(idle.ended().await, 10, "idle after a message");
            let scarce = Served::with(Allotment::new(1, 1), 1_000);
            assert_eq!(scarce.ended().await, 2, "connections are scarce");
        });
    }

    #[test]
    fn a_half_sent_message_is_not_waited_for_while_octets_drip() {
        on_paused_clock(async {
            let mut served = Served::new();
            served.send(&[b"now"]).await;
            served.receive().await.expect("a reply");
            let start = Instant::now();
            served.client.write_all(&[0, 100]).await.expect("open");
            while served.client.write_all(&[1]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
            assert_eq!(start.elapsed().as_secs(), 5);
        });
    }

    #[test]
    fn a_connection_that_waits_for_us_is_not_idle() {
        on_paused_clock(async {
            let mut served = Served::new();
            served.send(&[b"later"]).await;
            served.until_held(1).await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            served.give(0, b"at last");
            assert_eq!(served.receive().await.expect("a reply"), b"at last");
        });
    }

    #[test]
    fn a_client_that_stopped_sending_still_gets_its_replies() {
        on_paused_clock(async {
            let mut served = Served::new();
            served.send(&[b"later"]).await;
            served.until_held(1).await;
            served.client.shutdown().await.expect("open");
            tokio::task::yield_now().await;
            served.give(0, b"reply");
            assert_eq!(served.receive().await.expect("a reply"), b"reply");
            assert_eq!(served.ended().await, 0);
        });
    }

    #[test]
    fn stopping_ends_reading_and_lets_replies_go() {
        on_paused_clock(async {
            let mut served = Served::new();
            served.send(&[b"later"]).await;
            served.until_held(1).await;
            served.stop.send_replace(Some(Duration::ZERO));
            tokio::task::yield_now().await;
            served.send(&[b"now"]).await;
            served.give(0, b"reply");
            assert_eq!(served.receive().await.expect("a reply"), b"reply");
            assert!(served.receive().await.is_err(), "nothing more is read");
        });
    }

    #[test]
    fn silence_closes_the_connection() {
        on_paused_clock(async {
            let mut served = Served::new();
            served.send(&[b"bye", b"now"]).await;
            assert!(served.receive().await.is_err());
            assert_eq!(served.ended().await, 0);
        });
    }

    #[test]
    fn too_many_queries_in_flight_are_not_read() {
        on_paused_clock(async {
            let mut served = Served::new();
            served.send(&[&b"later"[..]; IN_FLIGHT + 20]).await;
            served.until_held(IN_FLIGHT).await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(served.held.borrow().len(), IN_FLIGHT);
            served.give(0, b"one");
            assert_eq!(served.receive().await.expect("a reply"), b"one");
            served.until_held(IN_FLIGHT).await;
        });
    }

    #[test]
    fn a_client_that_takes_no_replies_is_closed() {
        on_paused_clock(async {
            let mut served = Served::with(Allotment::new(8, 8), 64);
            served.send(&[&[b'x'; 60][..]; 2]).await;
            assert_eq!(served.ended().await, 5);
        });
    }

    #[test]
    fn replies_that_pile_up_end_the_connection() {
        on_paused_clock(async {
            let mut served = Served::new();
            served.send(&[&b"later"[..]; 10]).await;
            served.until_held(10).await;
            let large = vec![0; QUEUED / 8];
            (0..10).for_each(|_| served.give(0, &large));
            let mut whole = 0;
            while served.receive().await.is_ok() {
                whole += 1;
            }
            assert!(whole < 10, "{whole}");
            assert_eq!(served.ended().await, 0);
        });
    }

    #[tokio::test(flavor = "current_thread")]
    async fn connections_are_accepted_one_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = watch::channel(None);
        let connections = Allotment::new(2, 2);
        let open = |stream: TcpStream, _| {
            let (pass, stopped) = (pass(&connections), stopped.clone());
            spawn_local(async move {
                let echo = |message: &[u8], _, out: &mut Vec<u8>| -> Answer<Reply> {
                    *out = message.to_vec();
                    Answer::Now
                };
                serve(stream, pass, stopped, &Counters::default(), echo).await;
            });
        };
        let clients = async {
            for message in [b"one", b"two"] {
                let mut client = TcpStream::connect(address).await.expect("loopback");
                client.write_all(&framed(message)).await.expect("open");
                let mut reply = [0; 5];
                client.read_exact(&mut reply).await.expect("a reply");
                assert_eq!(reply[2..], *message);
            }
        };
        let test = async {
            tokio::select! {
                () = accept(&listener, open) => {}
                () = clients => {}
            }
        };
        LocalSet::new().run_until(test).await;
        drop(stop);
    }

    const LINE: &[u8] = b"PROXY TCP4 10.0.0.7 10.0.0.1 9 53\r\n";

    #[test]
    fn a_forwarder_says_for_whom_it_asks_once_in_front_of_all_messages() {
        on_paused_clock(async {
            let mut served = Served::of_forwarder();
            for octet in [LINE, &framed(b"one"), &framed(b"two")].concat() {
                served.client.write_all(&[octet]).await.expect("open");
                tokio::task::yield_now().await;
            }
            assert_eq!(served.receive().await.expect("a reply"), b"one for Some(10.0.0.7)");
            assert_eq!(served.receive().await.expect("a reply"), b"two for Some(10.0.0.7)");
            let mut itself = Served::of_forwarder();
            itself.client.write_all(b"PROXY UNKNOWN\r\n\0\x03one").await.expect("open");
            assert_eq!(itself.receive().await.expect("a reply"), b"one for None");
            let mut without = Served::of_forwarder();
            without.send(&[b"one"]).await;
            assert_eq!(without.receive().await.expect("a reply"), b"one");
            without.client.write_all(LINE).await.expect("open");
            assert_eq!(without.ended().await, 5, "a header may only come first");
        });
    }

    #[test]
    fn a_header_that_is_none_ends_the_connection_of_a_forwarder() {
        on_paused_clock(async {
            let mut served = Served::of_forwarder();
            served.client.write_all(b"PROXY TCP4 ten\r\n\0\x03one").await.expect("open");
            assert!(served.receive().await.is_err());
            let mut counts = Counts::default();
            served.counters.add_to(&mut counts);
            assert_eq!(counts, Counts { malformed: 1, ..Counts::default() });
            assert_eq!((&mut served.task).await.expect("no panic"), Ended::Well);
        });
    }

    #[test]
    fn a_header_and_the_first_message_share_one_time() {
        on_paused_clock(async {
            let half = Served::of_forwarder();
            let mut late = Served::of_forwarder();
            tokio::time::sleep(Duration::from_secs(4)).await;
            late.client.write_all(LINE).await.expect("open");
            assert_eq!(late.ended().await, 1, "4 s went to the header");
            assert_eq!(half.ended().await, 0);
            let mut part = Served::of_forwarder();
            part.client.write_all(&LINE[..9]).await.expect("open");
            assert_eq!(part.ended().await, 5);
        });
    }

    #[test]
    fn nobody_else_may_speak_for_others() {
        on_paused_clock(async {
            for header in [LINE, b"\r\n\r\n\0\r\nQUIT\n", b"PROXY "] {
                let mut served = Served::new();
                served.client.write_all(header).await.expect("open");
                assert!(served.receive().await.is_err(), "closed, not answered");
                assert_eq!((&mut served.task).await.expect("no panic"), Ended::ByClaim);
            }
            let mut behind = Served::new();
            behind.client.write_all(&[LINE, &framed(b"one")].concat()).await.expect("open");
            assert!(behind.receive().await.is_err(), "what stands behind it is not answered");
        });
    }

    #[test]
    fn strangers_get_only_room_that_is_left() {
        let admission = Arc::new(Admission::new(Vec::new(), &[]));
        let connections = Allotment::new(2, 2);
        let gate = Gate { admission, connections, idle: Duration::from_secs(10) };
        let [client, stranger] = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([192, 0, 2, 1])];
        let first = gate.admit(stranger).expect("room");
        assert_eq!(first.idle(), SHORT_IDLE);
        let second = gate.admit(client).expect("room");
        assert!(gate.admit(client).is_none(), "two in all");
        drop(first);
        assert!(gate.admit(stranger).is_none(), "half of the room is in use");
        drop(second);
    }
}
