//! Names and services that devices announce on the network (RFC 6762, RFC 6763).
//!
//! - `message`: one packet in, what its sender says of itself out
//! - `memory`: what was heard of each sender so far
//! - `sockets`: hearing and asking
//!
//! A hint is about the address that a packet came from, never about an address in it.

mod memory;
mod message;
mod sockets;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};

pub use message::{Heard, Rank, hear};

use super::Sense;
use super::links::{Link, Links};
use crate::clock::Clock;
use crate::devices::Devices;
use memory::Memory;
use sockets::{Family, PORT};

/// How often interfaces are looked at.
const RESCAN: Duration = Duration::from_secs(30);

/// How often devices are asked.
const ASK_EVERY: Duration = Duration::from_secs(600);

/// How long answers are waited for.
const WAIT: Duration = Duration::from_secs(3);

/// Between two queries of one round.
const PAUSE: Duration = Duration::from_millis(50);

/// Most links that are listened on.
const MAX_LINKS: usize = 64;

/// What is asked for; the first lists whatever else there is.
const ASKED: [&str; 17] = [
    "_services._dns-sd._udp",
    "_googlecast._tcp",
    "_airplay._tcp",
    "_raop._tcp",
    "_companion-link._tcp",
    "_androidtvremote2._tcp",
    "_amzn-wplay._tcp",
    "_sonos._tcp",
    "_spotify-connect._tcp",
    "_ipp._tcp",
    "_printer._tcp",
    "_pdl-datastream._tcp",
    "_hap._tcp",
    "_hue._tcp",
    "_axis-video._tcp",
    "_smb._tcp",
    "_device-info._tcp",
];

/// Hearing at work; it ends when dropped.
pub(super) struct Mdns {
    senses: Arc<Mutex<Vec<Sense>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Mdns {
    /// Begins to listen and to ask; call it inside a runtime.
    pub(super) fn start(devices: Devices, clock: Clock) -> Mdns {
        let senses = Arc::new(Mutex::new(Vec::new()));
        let ear = Ear { devices, clock, memory: Arc::default(), links: Arc::default() };
        let start = |(family, name): (Family, &str)| {
            let sense = Sense { name: name.to_owned(), blind: None };
            lock(&senses).push(sense);
            let note = note(&senses, name);
            tokio::spawn(ear.clone().listen(family, note))
        };
        let mut tasks: Vec<_> =
            [(Family::V4, "mDNS"), (Family::V6, "mDNS over IPv6")].map(start).into();
        tasks.push(tokio::spawn(ear.ask()));
        Mdns { senses, tasks }
    }

    /// Returns how hearing fares.
    pub(super) fn senses(&self) -> Vec<Sense> {
        lock(&self.senses).clone()
    }
}

impl Drop for Mdns {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a function that notes why a sense does not work, if so.
fn note(senses: &Arc<Mutex<Vec<Sense>>>, name: &str) -> impl Fn(Option<String>) + Send + 'static {
    let (senses, name) = (Arc::clone(senses), name.to_owned());
    move |why| {
        if let Some(sense) = lock(&senses).iter_mut().find(|sense| sense.name == name) {
            sense.blind = why;
        }
    }
}

/// What all sockets share.
#[derive(Clone)]
struct Ear {
    devices: Devices,
    clock: Clock,
    memory: Arc<Mutex<Memory>>,
    links: Arc<Mutex<Links>>,
}

impl Ear {
    async fn listen(self, family: Family, note: impl Fn(Option<String>)) {
        let mut rescan = interval(RESCAN);
        rescan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open: Option<UdpSocket> = None;
        let mut joined = HashSet::new();
        let mut packet = vec![0; message::MAX_PACKET + 1];
        loop {
            rescan.tick().await;
            let links = self.rescan();
            if open.is_none() {
                joined.clear();
                match sockets::listening(family) {
                    Ok(socket) => open = Some(socket),
                    Err(error) => note(Some(format!("no socket on port {PORT}: {error}"))),
                }
            }
            let Some(socket) = &open else { continue };
            join_all(socket, family, &links, &mut joined);
            note(joined.is_empty().then(|| "no interface here carries it".to_owned()));
            let until = Instant::now() + RESCAN;
            while let Ok(received) = timeout_at(until, socket.recv_from(&mut packet)).await {
                match received {
                    Ok((length, from)) => {
                        self.take(packet.get(..length).unwrap_or_default(), from);
                    }
                    // Of a packet of ours that could not be delivered; none of its own.
                    Err(_) => sleep(PAUSE).await,
                }
            }
        }
    }

    async fn ask(self) {
        let mut due = interval(ASK_EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let links = self.rescan();
            for family in [Family::V4, Family::V6] {
                self.ask_round(family, &links).await;
            }
        }
    }

    /// Asks each question once on each link, and hears what comes back for a while.
    async fn ask_round(&self, family: Family, links: &Links) {
        let Ok(socket) = sockets::asking(family) else { return };
        let mut packet = vec![0; message::MAX_PACKET + 1];
        for name in ASKED {
            let Some(query) = query(name) else { continue };
            for link in links.0.iter().filter(|link| link.multicast).take(MAX_LINKS) {
                // A link that has just gone is no loss.
                let _ = sockets::ask(&socket, family, link, &query).await;
            }
            self.hear_until(&socket, &mut packet, Instant::now() + PAUSE).await;
        }
        self.hear_until(&socket, &mut packet, Instant::now() + WAIT).await;
    }

    async fn hear_until(&self, socket: &UdpSocket, packet: &mut [u8], until: Instant) {
        while let Ok(received) = timeout_at(until, socket.recv_from(packet)).await {
            match received {
                Ok((length, from)) => self.take(packet.get(..length).unwrap_or_default(), from),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    fn rescan(&self) -> Links {
        let links = Links::read();
        *lock(&self.links) = links.clone();
        links
    }

    fn take(&self, packet: &[u8], from: SocketAddr) {
        let now = self.clock.now();
        let sender: IpAddr = from.ip().to_canonical();
        // RFC 6762, section 11: from whoever is not on the link, nothing is taken.
        let is_neighbour = {
            let links = lock(&self.links);
            links.has_on_link(sender) && !links.is_ours(sender)
        };
        let mut memory = lock(&self.memory);
        if from.port() != PORT || !is_neighbour || !memory.admits(sender, now.monotonic) {
            return;
        }
        let hint = hear(packet, sender).and_then(|heard| memory.add(sender, heard, now.monotonic));
        drop(memory);
        if let Some(hint) = hint {
            self.devices.take_hints(&[hint], now);
        }
    }
}

/// Joins the group on links that are new, and forgets those that have gone.
fn join_all(
    socket: &UdpSocket,
    family: Family,
    links: &Links,
    joined: &mut HashSet<(u32, Option<std::net::Ipv4Addr>)>,
) {
    let key = |link: &Link| (link.index, link.ipv4().filter(|_| family == Family::V4));
    joined.retain(|known| links.0.iter().any(|link| key(link) == *known));
    for link in links.0.iter().filter(|link| link.multicast).take(MAX_LINKS) {
        if joined.contains(&key(link)) {
            continue;
        }
        match sockets::join(socket, family, link) {
            Ok(()) => {
                joined.insert(key(link));
            }
            // It was joined before under another address of ours.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                joined.insert(key(link));
            }
            Err(_) => {}
        }
    }
}

/// Writes a query; its number is nothing, as the answers' source is what counts.
fn query(service: &str) -> Option<Vec<u8>> {
    let name = Name::from_ascii(format!("{service}.local.")).ok()?;
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name, RecordType::PTR));
    message.to_vec().ok()
}

#[cfg(test)]
mod tests;
