//! Feeds what is learned of devices and the network to those who watch for notices.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::clock::Clock;
use crate::devices::Devices;
use crate::discovery::Discovery;
use crate::model::Moment;
use crate::notices::{News, Notices, Surroundings, Watch, container_hints, routes};
use crate::policy_file::{PolicyFile, ZoneSource};
use crate::query_log::{QueryLog, Told};
use crate::storage::StorageError;

/// Most batches of the log that wait to be looked at.
const MAX_WAITING: usize = 2_048;

/// Microseconds for which what is around this machine is not looked at again.
const AROUND_FOR: u64 = 60_000_000;

/// A device counts as reachable for so many microseconds after the kernel held it for that.
const REACHABLE_FOR: u64 = 120_000_000;

/// What the log tells, until it is looked at.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    told: Vec<Told>,
    dropped: u64,
}

/// The handles that watchers work with.
pub struct WatchedParts {
    /// What the log tells.
    pub inbox: Inbox,
    /// The notices.
    pub notices: Notices,
    /// Who is who.
    pub devices: Devices,
    /// What is seen on the network.
    pub discovery: Discovery,
    /// The query log.
    pub log: QueryLog,
    /// The keeper of policy.toml.
    pub policy: PolicyFile,
    /// Where DNS is answered.
    pub listening: Vec<SocketAddr>,
    /// The clocks.
    pub clock: Clock,
}

/// Those who watch; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Watchers(Arc<Inner>);

struct Inner {
    parts: WatchedParts,
    watch: Mutex<Watch>,
    around: Mutex<Option<(u64, Surroundings)>>,
    contained: bool,
}

impl Inbox {
    /// Takes in a batch; never waits for more than another batch.
    pub fn take(&self, told: &Told) {
        let mut waiting = lock(&self.0);
        if waiting.told.len() < MAX_WAITING {
            waiting.told.push(told.clone());
        } else {
            waiting.dropped += 1;
        }
    }

    /// Returns what waited, and how many batches were dropped since the start.
    fn empty(&self) -> (Vec<Told>, u64) {
        let mut waiting = lock(&self.0);
        (std::mem::take(&mut waiting.told), waiting.dropped)
    }
}

impl Watchers {
    /// Makes them ready.
    pub fn new(parts: WatchedParts) -> Result<Watchers, StorageError> {
        let watch = Watch::open(parts.notices.clone(), parts.devices.clone())?;
        let (watch, around) = (Mutex::new(watch), Mutex::new(None));
        Ok(Watchers(Arc::new(Inner { parts, watch, around, contained: container_hints() })))
    }

    /// Looks once a second, and writes what came of it.
    pub fn keep_looking(&self, runtime: &Runtime) {
        let watchers = self.clone();
        runtime.spawn(async move {
            let mut second = tokio::time::interval(Duration::from_secs(1));
            second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut failing = false;
            loop {
                second.tick().await;
                let watchers = watchers.clone();
                let written = tokio::task::spawn_blocking(move || watchers.look_and_write()).await;
                if let Ok(Err(error)) = &written
                    && !failing
                {
                    tracing::warn!("notices cannot be written, will keep trying: {error}");
                }
                failing = matches!(written, Ok(Err(_)));
            }
        });
    }

    /// Looks at everything recorded until now.
    pub fn look_now(&self) {
        self.0.parts.log.flush();
        self.look();
    }

    /// Looks and writes.
    pub fn look_and_write(&self) -> Result<(), StorageError> {
        self.look();
        lock(&self.0.watch).flush()
    }

    /// Returns the notices.
    pub fn notices(&self) -> Notices {
        self.0.parts.notices.clone()
    }

    fn look(&self) {
        let parts = &self.0.parts;
        let now = parts.clock.now();
        // Held from before the facts are taken, so that they come in order.
        let mut watch = lock(&self.0.watch);
        let (told, dropped) = parts.inbox.empty();
        let news = News {
            told,
            happenings: parts.devices.happenings(),
            sights: parts.discovery.sights(),
            lost: parts.log.figures().lost.saturating_add(dropped),
        };
        watch.look(&news, &self.around(now), |device| {
            parts.devices.is_reachable(device, REACHABLE_FOR, now)
        });
    }

    fn around(&self, now: Moment) -> Surroundings {
        let mut around = lock(&self.0.around);
        match &*around {
            Some((at, known)) if now.monotonic.saturating_sub(*at) < AROUND_FOR => known.clone(),
            _ => {
                let seen = self.look_around();
                *around = Some((now.monotonic, seen.clone()));
                seen
            }
        }
    }

    fn look_around(&self) -> Surroundings {
        let parts = &self.0.parts;
        let table = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        let bridge = |name: &str| {
            !name.contains('/')
                && std::path::Path::new("/sys/class/net").join(name).join("bridge").exists()
        };
        let zone = parts.policy.zone();
        let (gateways, bridges) = routes(&table, bridge);
        let mut routers = parts.devices.routers();
        routers.extend(gateways);
        Surroundings {
            routers,
            bridges,
            own: self.own_addresses(),
            contained: self.0.contained,
            scheduled: !parts.policy.standing().schedules.is_empty(),
            utc: zone.source != ZoneSource::Config && zone.is_utc(),
        }
    }

    fn own_addresses(&self) -> Vec<IpAddr> {
        let parts = &self.0.parts;
        let bound = parts.listening.iter().map(SocketAddr::ip);
        let bound = bound.filter(|address| !address.is_unspecified());
        let of_interfaces = parts.discovery.own_addresses();
        let of_interfaces = of_interfaces.borrow();
        bound.chain(of_interfaces.iter().map(|own| own.address)).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inbox_is_bounded_and_counts_what_it_drops() {
        let inbox = Inbox::default();
        for _ in 0..MAX_WAITING + 3 {
            inbox.take(&Told::default());
        }
        let (told, dropped) = inbox.empty();
        assert_eq!((told.len(), dropped), (MAX_WAITING, 3));
        assert_eq!(inbox.empty().0.len(), 0);
    }
}
