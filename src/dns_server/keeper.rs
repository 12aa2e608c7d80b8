//! Follows our addresses: opens doors at new ones, closes those of addresses that are gone.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::admission::Admission;
use super::doors::Plan;
use super::sockets::{self, Refusal, Spot};
use super::{Change, Drops, Stop};
use crate::discovery::OwnAddress;

/// An address that is gone keeps its doors that long: it often comes back, and then nothing was
/// lost. It is longer than any query takes, so that none is in flight when they close.
const LINGER: Duration = Duration::from_secs(10);
/// Before an address that could not be bound is tried again: one that somebody holds, and one that
/// the kernel does not use yet.
const BEFORE_RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(500));
/// Most addresses that are served; each takes two files for each worker.
const MOST: usize = 256;

/// What a person should know now; the keeper writes it.
pub(super) type Told = Arc<Mutex<Vec<String>>>;

/// What following takes.
pub(super) struct Keeper {
    /// What is to be served.
    pub(super) plan: Plan,
    /// Our addresses.
    pub(super) own: watch::Receiver<Arc<[OwnAddress]>>,
    /// Who is served: those on our links are.
    pub(super) admission: Arc<Admission>,
    /// The workers.
    pub(super) workers: Vec<mpsc::Sender<Change>>,
    /// What is open, and what could not be opened.
    pub(super) held: Held,
    /// What the kernel drops.
    pub(super) drops: Arc<Drops>,
    /// Where notices go.
    pub(super) told: Told,
    /// Tells when to end.
    pub(super) stop: Stop,
}

/// Addresses that are open, and those that could not be opened.
#[derive(Default)]
pub(super) struct Held {
    open: BTreeMap<SocketAddr, Open>,
    refused: BTreeMap<SocketAddr, Refused>,
    /// How many are wanted beyond the most there may be.
    beyond: usize,
}

struct Open {
    /// The numbers of its sockets.
    sockets: Vec<u64>,
    /// When it closes, if its address is gone.
    until: Option<Instant>,
}

struct Refused {
    /// What to tell; none where the address only needs a moment.
    why: Option<String>,
    again: Instant,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Steps {
    close: Vec<SocketAddr>,
    open: Vec<Spot>,
}

impl Keeper {
    /// Starts its thread: binding may look through all of /proc for who holds a port, and no query
    /// waits for that.
    pub(super) fn start(self) -> io::Result<JoinHandle<()>> {
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        let follow = move || runtime.block_on(self.run());
        Builder::new().name("dns-doors".into()).spawn(follow)
    }

    /// Follows until it is stopped.
    async fn run(mut self) {
        loop {
            let own = Arc::clone(&self.own.borrow_and_update());
            self.admission.refresh(&own);
            self.settle(&own).await;
            let next = self.held.next();
            tokio::select! {
                _ = self.stop.wait_for(Option::is_some) => return,
                () = change(&mut self.own) => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }

    async fn settle(&mut self, own: &[OwnAddress]) {
        let steps = self.held.settle(&self.plan.wanted(own), Instant::now());
        for address in steps.close {
            self.close(address).await;
        }
        for spot in steps.open {
            self.open(spot).await;
        }
        let mut notices = self.plan.notices(own);
        notices.extend(self.held.notices());
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = notices;
    }

    async fn open(&mut self, spot: Spot) {
        match sockets::open(spot, self.workers.len()) {
            Ok(doors) => {
                self.held.opened(spot.address, self.drops.watch(&doors));
                for (worker, door) in self.workers.iter().zip(doors) {
                    // A worker that has ended serves nothing any more.
                    let _ = worker.send(Change::Open(door)).await;
                }
                tracing::info!("answering DNS on {} too", spot.address);
            }
            Err(refusal) => {
                if let Some(fresh) = self.held.refuse(spot.address, &refusal, Instant::now()) {
                    tracing::warn!("{fresh}");
                }
            }
        }
    }

    async fn close(&mut self, address: SocketAddr) {
        let Some(open) = self.held.open.remove(&address) else { return };
        self.drops.forget(&open.sockets);
        for worker in &self.workers {
            let _ = worker.send(Change::Close(address)).await;
        }
        tracing::info!("{address} is gone: DNS is not answered there any more");
    }
}

/// Waits for a change; for ever where nobody can tell of one.
async fn change(own: &mut watch::Receiver<Arc<[OwnAddress]>>) {
    if own.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Held {
    /// Begins with what was opened at the start.
    pub(super) fn new(
        open: BTreeMap<SocketAddr, Vec<u64>>,
        refused: &BTreeMap<SocketAddr, Refusal>,
    ) -> Held {
        let mut held = Held::default();
        open.into_iter().for_each(|(address, sockets)| held.opened(address, sockets));
        let now = Instant::now();
        for (address, refusal) in refused {
            held.refuse(*address, refusal, now);
        }
        held
    }

    /// Returns what could not be opened, for people.
    pub(super) fn notices(&self) -> Vec<String> {
        let refused = self.refused.values().filter_map(|refused| refused.why.clone());
        let beyond = (self.beyond > 0).then(|| {
            format!(
                "{} addresses of this machine are not served, since {MOST} are the most: name those \
                 that matter in `listen` in [dns] of config.toml, or `any` and the port",
                self.beyond
            )
        });
        refused.chain(beyond).collect()
    }

    /// Finds what has to be done so that the wanted addresses are open.
    fn settle(&mut self, wanted: &BTreeMap<SocketAddr, Spot>, now: Instant) -> Steps {
        for (address, open) in &mut self.open {
            open.until = match wanted.contains_key(address) {
                true => None,
                false => open.until.or(Some(now + LINGER)),
            };
        }
        self.refused.retain(|address, _| wanted.contains_key(address));
        let over = |open: &&Open| open.until.is_some_and(|until| until <= now);
        let close = self.open.iter().filter(|(_, open)| over(open)).map(|(address, _)| *address);
        let close: Vec<SocketAddr> = close.collect();
        let missing = wanted.values().filter(|spot| !self.open.contains_key(&spot.address));
        let mut open: Vec<Spot> = missing.copied().collect();
        let room = MOST.saturating_sub(self.open.len() - close.len());
        self.beyond = open.len().saturating_sub(room);
        open.truncate(room);
        open.retain(|spot| {
            self.refused.get(&spot.address).is_none_or(|refused| refused.again <= now)
        });
        // Those that are tried now get their next time by what comes of it.
        let due = self.refused.values_mut().filter(|refused| refused.again <= now);
        due.for_each(|refused| refused.again = now + BEFORE_RETRY.0);
        Steps { close, open }
    }

    /// Returns when something is to be done although nothing changes.
    fn next(&self) -> Option<Instant> {
        let gone = self.open.values().filter_map(|open| open.until);
        gone.chain(self.refused.values().map(|refused| refused.again)).min()
    }

    fn opened(&mut self, address: SocketAddr, sockets: Vec<u64>) {
        self.refused.remove(&address);
        self.open.insert(address, Open { sockets, until: None });
    }

    /// Returns what to tell if it was not told before.
    fn refuse(&mut self, address: SocketAddr, refusal: &Refusal, now: Instant) -> Option<String> {
        let (held, unused) = BEFORE_RETRY;
        let seconds = held.as_secs();
        let told: Vec<String> = refusal.errors.iter().map(ToString::to_string).collect();
        let told = format!("{}; it is tried again every {seconds} seconds", told.join("; "));
        let why = (!refusal.unavailable).then_some(told);
        let again = now + if refusal.unavailable { unused } else { held };
        let before = self.refused.insert(address, Refused { why: why.clone(), again });
        why.filter(|_| before.is_none_or(|before| before.why.is_none()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::BindError;
    use super::*;

    fn spot(last: u8) -> Spot {
        Spot { address: SocketAddr::from(([10, 0, 0, last], 53)), ahead: true }
    }

    fn wanted(last: &[u8]) -> BTreeMap<SocketAddr, Spot> {
        last.iter().map(|last| (spot(*last).address, spot(*last))).collect()
    }

    fn refusal(unavailable: bool) -> Refusal {
        let door = "10.0.0.1:53 (udp)".into();
        Refusal { errors: vec![BindError { door, why: "dnsmasq holds it".into() }], unavailable }
    }

    fn nothing() -> Steps {
        Steps::default()
    }

    #[test]
    fn a_new_address_is_opened_at_once_and_one_that_is_gone_closes_later() {
        let (mut held, now) = (Held::default(), Instant::now());
        let open = held.settle(&wanted(&[1, 2]), now).open;
        assert_eq!(open, [spot(1), spot(2)]);
        open.iter().for_each(|spot| held.opened(spot.address, Vec::new()));
        assert_eq!(held.settle(&wanted(&[1]), now), nothing());
        assert_eq!(held.next(), Some(now + LINGER));
        assert_eq!(held.settle(&wanted(&[1]), now + LINGER).close, [spot(2).address]);
    }

    #[test]
    fn an_address_that_comes_and_goes_keeps_its_doors() {
        let (mut held, start) = (Held::default(), Instant::now());
        held.opened(spot(1).address, Vec::new());
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            let there = if second % 2 == 0 { wanted(&[]) } else { wanted(&[1]) };
            assert_eq!(held.settle(&there, now), nothing(), "second {second}");
        }
    }

    #[test]
    fn what_is_refused_is_told_once_and_tried_again_until_it_is_gone() {
        let (mut held, now) = (Held::default(), Instant::now());
        let address = spot(1).address;
        let told = held.refuse(address, &refusal(false), now).expect("it is news");
        assert!(told.contains("10.0.0.1:53 (udp): dnsmasq holds it; it is tried again"), "{told}");
        assert_eq!(held.notices(), [told]);
        assert_eq!(held.settle(&wanted(&[1, 2]), now).open, [spot(2)], "others are not held up");
        let later = held.next().expect("another attempt");
        assert_eq!(held.settle(&wanted(&[1]), later).open, [spot(1)]);
        assert_eq!(held.refuse(address, &refusal(false), later), None);
        held.settle(&wanted(&[]), later);
        assert_eq!(held.notices(), Vec::<String>::new());
    }

    #[test]
    fn an_address_that_the_kernel_does_not_use_yet_is_no_notice() {
        let (mut held, now) = (Held::default(), Instant::now());
        assert_eq!(held.refuse(spot(1).address, &refusal(true), now), None);
        assert_eq!(held.notices(), Vec::<String>::new());
        let soon = held.next().expect("another attempt");
        assert_eq!(held.settle(&wanted(&[1]), soon).open, [spot(1)]);
    }

    #[test]
    fn there_are_never_more_doors_than_the_most() {
        let (mut held, now) = (Held::default(), Instant::now());
        let spots = (0..300u16).map(|number| {
            let [high, low] = number.to_be_bytes();
            Spot { address: SocketAddr::from(([10, 0, high, low], 53)), ahead: true }
        });
        let many: BTreeMap<SocketAddr, Spot> = spots.map(|spot| (spot.address, spot)).collect();
        let open = held.settle(&many, now).open;
        assert_eq!(open.len(), MOST);
        assert!(held.notices()[0].starts_with("44 addresses"), "{:?}", held.notices());
        open.iter().for_each(|spot| held.opened(spot.address, Vec::new()));
        assert_eq!(held.settle(&many, now), nothing());
    }
}
