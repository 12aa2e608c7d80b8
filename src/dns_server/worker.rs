//! One worker: a thread with its own runtime and its own sockets.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::query_log::QueryLog;
use crate::resolver::{Arrival, Behalf, Resolver, Transport};
use crate::wire::Claims;

use super::admission::Bounds;
use super::counters::Counters;
use super::handler::{Handler, Way};
use super::sockets::Door;
use super::stream::{Ended, Gate, Stop};
#[cfg(target_os = "linux")]
use super::udp;
use super::{ProxyHeader, stream, udp_portable};

/// What a worker needs, handed to its thread.
pub(super) struct Worker {
    /// Its number.
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
    address: SocketAddr,
    udp: Option<Arc<UdpSocket>>,
    tcp: Option<TcpListener>,
}

/// What becomes of a worker's doors while it serves.
pub(super) enum Change {
    /// One more.
    Open(Door),
    /// Those of an address are closed.
    Close(SocketAddr),
}

/// The loops that run, by the address that they serve.
struct Loops {
    desk: Rc<Desk>,
    running: HashMap<SocketAddr, JoinSet<()>>,
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
pub(super) fn start(
    worker: Worker,
    doors: Vec<Door>,
    changes: mpsc::Receiver<Change>,
) -> io::Result<JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let doors = register(&runtime, doors)?;
    Builder::new().name(format!("dns-{}", worker.number)).spawn(move || {
        LocalSet::new().block_on(&runtime, worker.serve(doors, changes));
    })
}

fn register(runtime: &Runtime, doors: Vec<Door>) -> io::Result<Vec<OpenDoor>> {
    let _entered = runtime.enter();
    doors.into_iter().map(OpenDoor::of).collect()
}

impl OpenDoor {
    /// Registers the sockets of a door with the runtime that it is called in.
    fn of(door: Door) -> io::Result<OpenDoor> {
        Ok(OpenDoor {
            address: door.address,
            udp: door.udp.map(UdpSocket::from_std).transpose()?.map(Arc::new),
            tcp: door.tcp.map(TcpListener::from_std).transpose()?,
        })
    }
}

impl Worker {
    async fn serve(mut self, doors: Vec<OpenDoor>, mut changes: mpsc::Receiver<Change>) {
        let (alive, mut ended) = mpsc::channel::<()>(1);
        let mut loops = Loops { desk: self.desk(alive), running: HashMap::new() };
        doors.into_iter().for_each(|door| loops.begin(door));
        let grace = loop {
            tokio::select! {
                biased;
                told = self.stop.wait_for(Option::is_some) => {
                    break told.map_or(Duration::ZERO, |grace| grace.unwrap_or_default());
                }
                Some(change) = changes.recv() => loops.heed(change).await,
            }
        };
        loops.end().await;
        // Whoever is in flight holds `alive`; all are gone when the channel closes.
        let _ = timeout(grace, ended.recv()).await;
    }

    fn desk(&self, alive: mpsc::Sender<()>) -> Rc<Desk> {
        let resolver = self.resolver.clone();
        let handler = Handler::new(resolver, &self.log, &self.bounds, &self.counters, alive);
        Rc::new(Desk {
            handler: Rc::new(handler),
            gate: Gate::new(&self.bounds, self.idle),
            clock: self.clock.clone(),
            counters: Arc::clone(&self.counters),
            batched: self.batched,
            stop: self.stop.clone(),
        })
    }
}

impl Loops {
    fn begin(&mut self, door: OpenDoor) {
        let (address, local) = (door.address, door.address.ip());
        let running = self.running.entry(address).or_default();
        if let Some(udp) = door.udp {
            let desk = Rc::clone(&self.desk);
            let run = move || serve_udp(Rc::clone(&desk), local, Arc::clone(&udp));
            running.spawn_local(keep_going("UDP", run));
        }
        if let Some(tcp) = door.tcp.map(Rc::new) {
            let desk = Rc::clone(&self.desk);
            let run = move || serve_tcp(Rc::clone(&desk), local, Rc::clone(&tcp));
            running.spawn_local(keep_going("TCP", run));
        }
    }

    async fn heed(&mut self, change: Change) {
        match change {
            Change::Open(door) => {
                let address = door.address;
                match OpenDoor::of(door) {
                    Ok(door) => self.begin(door),
                    Err(error) => tracing::error!("{address} is not served by a worker: {error}"),
                }
            }
            Change::Close(address) => {
                if let Some(mut loops) = self.running.remove(&address) {
                    loops.shutdown().await;
                }
            }
        }
    }

    async fn end(self) {
        for mut loops in self.running.into_values() {
            loops.shutdown().await;
        }
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

async fn serve_udp(desk: Rc<Desk>, local: IpAddr, socket: Arc<UdpSocket>) {
    let mut answer = |packet: &[u8], way, now, out: &mut Vec<u8>| {
        let Way { client, local } = way;
        let (transport, behalf) = (Transport::Udp, Behalf::Unsaid);
        let arrival = Arrival { client, local, transport, now, behalf };
        desk.handler.answer(packet, arrival, out)
    };
    #[cfg(target_os = "linux")]
    {
        let (socket, clock, counters) = (&socket, &desk.clock, &desk.counters);
        let door = |calls| udp::Door { socket, local, clock, counters, calls };
        if desk.batched {
            udp::serve(door(udp::Calls::Batched), &mut answer).await;
        }
        if local.is_unspecified() {
            udp::serve(door(udp::Calls::Single), &mut answer).await;
        }
    }
    udp_portable::serve(&socket, local, &desk.clock, &desk.counters, &mut answer).await;
}

async fn serve_tcp(desk: Rc<Desk>, local: IpAddr, listener: Rc<TcpListener>) {
    let serve = |stream: TcpStream, peer| {
        let asked = stream.local_addr().ok().filter(|_| local.is_unspecified());
        let local = asked.map_or(local, |asked| asked.ip().to_canonical());
        serve_connection(&desk, local, stream, peer);
    };
    stream::accept(&listener, serve).await;
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
