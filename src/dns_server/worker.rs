//! One worker: a thread with its own runtime and its own sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet, spawn_blocking, spawn_local};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::query_log::QueryLog;
use crate::resolver::{Arrival, Behalf, Resolver, Transport};
use crate::wire::Claims;

use super::admission::{Admission, Bounds};
use super::counters::Counters;
use super::handler::{Handler, Way};
use super::sockets::Door;
use super::stream::{Ended, Gate, Stop};
#[cfg(target_os = "linux")]
use super::udp;
use super::{ProxyHeader, interfaces, stream, udp_portable};

/// How often the prefixes of our links are read again.
const REFRESH: Duration = Duration::from_secs(30);

/// What a worker needs, handed to its thread.
pub(super) struct Worker {
    /// Its number; the first one also looks after the prefixes of our links.
    pub(super) number: usize,
    /// The resolver.
    pub(super) resolver: Resolver,
    /// The query log.
    pub(super) log: QueryLog,
    /// The clock.
    pub(super) clock: Clock,
    /// Bounds that all workers share.
    pub(super) bounds: Arc<Bounds>,
    /// This worker's counts.
    pub(super) counters: Arc<Counters>,
    /// For how long a connection may be idle.
    pub(super) idle: Duration,
    /// Whether datagrams are taken in batches.
    pub(super) batched: bool,
    /// Tells when to end.
    pub(super) stop: Stop,
}

/// The sockets of one local address, registered with the worker's runtime.
struct OpenDoor {
    local: IpAddr,
    udp: Arc<UdpSocket>,
    tcp: TcpListener,
}

/// What the loops and connections of one worker share.
struct Desk {
    handler: Rc<Handler>,
    gate: Gate,
    clock: Clock,
    counters: Arc<Counters>,
    batched: bool,
    stop: Stop,
}

/// Starts a worker's thread; what can fail fails here.
pub(super) fn start(worker: Worker, doors: Vec<Door>) -> io::Result<JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let doors = open(&runtime, doors)?;
    Builder::new().name(format!("dns-{}", worker.number)).spawn(move || {
        LocalSet::new().block_on(&runtime, worker.serve(doors));
    })
}

fn open(runtime: &Runtime, doors: Vec<Door>) -> io::Result<Vec<OpenDoor>> {
    let _entered = runtime.enter();
    let open = |door: Door| {
        Ok(OpenDoor {
            local: door.address.ip(),
            udp: Arc::new(UdpSocket::from_std(door.udp)?),
            tcp: TcpListener::from_std(door.tcp)?,
        })
    };
    doors.into_iter().map(open).collect()
}

impl Worker {
    async fn serve(mut self, doors: Vec<OpenDoor>) {
        let (alive, mut ended) = mpsc::channel::<()>(1);
        let mut loops = self.spawn_loops(doors, alive);
        let told = self.stop.wait_for(Option::is_some).await;
        let grace = told.map_or(Duration::ZERO, |grace| grace.unwrap_or_default());
        loops.shutdown().await;
        // Whoever is in flight holds `alive`; all are gone when the channel closes.
        let _ = timeout(grace, ended.recv()).await;
    }

    fn spawn_loops(&self, doors: Vec<OpenDoor>, alive: mpsc::Sender<()>) -> JoinSet<()> {
        let resolver = self.resolver.clone();
        let handler = Handler::new(resolver, &self.log, &self.bounds, &self.counters, alive);
        let desk = Rc::new(Desk {
            handler: Rc::new(handler),
            gate: Gate::new(&self.bounds, self.idle),
            clock: self.clock.clone(),
            counters: Arc::clone(&self.counters),
            batched: self.batched,
            stop: self.stop.clone(),
        });
        let mut loops = JoinSet::new();
        for door in doors.into_iter().map(Rc::new) {
            let (for_udp, for_tcp) = (Rc::clone(&desk), Rc::clone(&desk));
            let (udp_door, tcp_door) = (Rc::clone(&door), door);
            let udp = move || serve_udp(Rc::clone(&for_udp), Rc::clone(&udp_door));
            let tcp = move || serve_tcp(Rc::clone(&for_tcp), Rc::clone(&tcp_door));
            loops.spawn_local(keep_going("UDP", udp));
            loops.spawn_local(keep_going("TCP", tcp));
        }
        if self.number == 0 {
            loops.spawn_local(refresh(Arc::clone(&self.bounds.admission)));
        }
        loops
    }
}

/// Runs a loop again if it panics: one packet must not close a door.
async fn keep_going<F>(what: &str, run: impl Fn() -> F)
where
    F: Future<Output = ()> + 'static,
{
    let mut running = JoinSet::new();
    loop {
        running.spawn_local(run());
        match running.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!("a defect ended the {what} loop of a worker; it goes on");
            }
            _ => return,
        }
    }
}

async fn serve_udp(desk: Rc<Desk>, door: Rc<OpenDoor>) {
    let mut answer = |packet: &[u8], way, now, out: &mut Vec<u8>| {
        let Way { client, local } = way;
        let (transport, behalf) = (Transport::Udp, Behalf::Unsaid);
        let arrival = Arrival { client, local, transport, now, behalf };
        desk.handler.answer(packet, arrival, out)
    };
    #[cfg(target_os = "linux")]
    if desk.batched {
        udp::serve(&door.udp, door.local, &desk.clock, &desk.counters, &mut answer).await;
    }
    #[cfg(target_os = "linux")]
    if door.local.is_unspecified() {
        udp::serve_singly(&door.udp, door.local, &desk.clock, &desk.counters, &mut answer).await;
    }
    udp_portable::serve(&door.udp, door.local, &desk.clock, &desk.counters, &mut answer).await;
}

async fn serve_tcp(desk: Rc<Desk>, door: Rc<OpenDoor>) {
    stream::accept(&door.tcp, |stream, peer| serve_connection(&desk, door.local, stream, peer))
        .await;
}

fn serve_connection(desk: &Rc<Desk>, local: IpAddr, stream: TcpStream, peer: SocketAddr) {
    let client = peer.ip().to_canonical();
    let Some(pass) = desk.gate.admit(client) else {
        desk.counters.connections_refused.add();
        return;
    };
    let pass = pass.may_speak_for_others(desk.handler.is_forwarder(client));
    // Without it a second reply would wait for the client to acknowledge the first.
    let _ = stream.set_nodelay(true);
    let desk = Rc::clone(desk);
    spawn_local(async move {
        let answer = |message: &[u8], header, out: &mut Vec<u8>| {
            let (transport, now) = (Transport::Tcp, desk.clock.now());
            let mut arrival = Arrival { client, local, transport, now, behalf: Behalf::Unsaid };
            take_header(header, &mut arrival);
            desk.handler.answer(message, arrival, out)
        };
        let stop = desk.stop.clone();
        let ended = stream::serve(stream, pass, stop, &desk.counters, answer).await;
        if ended == Ended::ByClaim {
            desk.counters.ignore_claim(client, desk.clock.now());
        }
    });
}

/// Puts a query under whom the header of its connection names.
fn take_header(header: Option<ProxyHeader>, arrival: &mut Arrival) {
    let Some(header) = header else { return };
    arrival.behalf = Behalf::Forwarder;
    arrival.ask_for(&Claims { hardware: None, address: header.client });
}

/// Keeps the prefixes of our links as they are.
async fn refresh(admission: Arc<Admission>) {
    loop {
        sleep(REFRESH).await;
        if let Ok(Ok(interfaces)) = spawn_blocking(interfaces::read).await {
            admission.refresh(&interfaces);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_loop_that_panics_goes_on() {
        let runs = Rc::new(Cell::new(0));
        let counted = Rc::clone(&runs);
        let run = move || {
            counted.set(counted.get() + 1);
            let last = counted.get() == 3;
            async move { assert!(last, "this panic is wanted") }
        };
        LocalSet::new().run_until(keep_going("test", run)).await;
        assert_eq!(runs.get(), 3);
    }
}
