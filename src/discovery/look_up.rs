//! Whose an address is, asked of the kernel at the moment it is needed.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::{Inquiry, OnLink, Row, Tell, Told};
use crate::clock::Clock;
use crate::devices::Neighbour;

/// A look-up ends with the first question to the kernel after that time, or after the last one.
const LONGEST: Duration = Duration::from_millis(45);

/// After a probe, when the kernel is asked again: milliseconds after the time before.
const ASK_AGAIN: [u64; 6] = [1, 2, 4, 8, 14, 16];

/// Nobody waits longer, even if this machine is too busy to end a look-up in time.
const GUARD: Duration = Duration::from_millis(250);

/// Most look-ups at the same time.
const MAX_FLYING: usize = 256;

/// Most look-ups, and most probes among them, that begin within one second: addresses that somebody
/// makes up must not cost us more, nor make us spray the link.
const MAX_LOOK_UPS: u32 = 2_000;
const MAX_PROBES: u32 = 200;

/// Look-ups of single addresses.
pub(super) struct LookUps(Arc<Inner>);

struct Inner {
    tell: Tell,
    on_link: Arc<ArcSwap<OnLink>>,
    clock: Clock,
    runtime: Handle,
    flying: Mutex<Flying>,
}

/// The look-ups under way, and those of this second.
#[derive(Default)]
struct Flying {
    /// Closed when the look-up has landed.
    landings: HashMap<IpAddr, watch::Receiver<()>>,
    look_ups: Allowance,
    probes: Allowance,
}

/// How many of something began within the second.
#[derive(Debug, Default)]
struct Allowance {
    second: u64,
    used: u32,
}

impl Allowance {
    /// Takes one out of `most` a second, if there is one left; `now` in microseconds.
    fn take(&mut self, most: u32, now: u64) -> bool {
        let second = now / 1_000_000;
        if second != self.second {
            *self = Allowance { second, used: 0 };
        }
        let left = self.used < most;
        self.used += u32::from(left);
        left
    }
}

impl LookUps {
    /// Prepares look-ups that run on the current runtime.
    pub(super) fn new(tell: Tell, on_link: Arc<ArcSwap<OnLink>>, clock: Clock) -> LookUps {
        let (runtime, flying) = (Handle::current(), Mutex::default());
        LookUps(Arc::new(Inner { tell, on_link, clock, runtime, flying }))
    }

    /// Looks for whose an address is; what is found was told when this returns.
    pub(super) async fn look_up(&self, client: IpAddr, local: IpAddr) {
        let (client, local) = (client.to_canonical(), local.to_canonical());
        let Some(interface) = self.0.on_link.load().interface_of(client, local) else { return };
        let Some(mut landing) = self.take_off(client, interface) else { return };
        // It is an error that the sender is gone: that is what was waited for.
        let _ = timeout(GUARD, landing.changed()).await;
    }

    /// Begins a look-up or joins the one under way; `None` where there are too many.
    fn take_off(&self, client: IpAddr, interface: u32) -> Option<watch::Receiver<()>> {
        let inner = &self.0;
        let mut flying = inner.flying();
        if let Some(landing) = flying.landings.get(&client) {
            return Some(landing.clone());
        }
        let now = inner.clock.now().monotonic;
        if flying.landings.len() >= MAX_FLYING || !flying.look_ups.take(MAX_LOOK_UPS, now) {
            return None;
        }
        let (sender, landing) = watch::channel(());
        flying.landings.insert(client, landing.clone());
        let flight = Flight { inner: Arc::clone(inner), client, _sender: sender };
        inner.runtime.spawn(async move { flight.fly(interface).await });
        Some(landing)
    }
}

impl Inner {
    fn flying(&self) -> MutexGuard<'_, Flying> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One look-up; those who wait for it go on when it is dropped.
struct Flight {
    inner: Arc<Inner>,
    client: IpAddr,
    _sender: watch::Sender<()>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.inner.flying().landings.remove(&self.client);
    }
}

impl Flight {
    async fn fly(self, interface: u32) {
        // Where the kernel does not answer, the address alone has to do.
        if let Ok(Some(row)) = self.find(interface).await {
            let Row { hardware, reachable, .. } = row;
            let found = Neighbour { address: self.client, hardware, interface, reachable };
            (self.inner.tell)(Told::News(vec![found]));
        }
    }

    /// Asks the kernel, which has to ask the link if it does not know.
    async fn find(&self, interface: u32) -> io::Result<Option<Row>> {
        let kernel = Inquiry::open()?;
        if let Some(row) = kernel.row(self.client, interface)? {
            return Ok(Some(row));
        }
        let now = self.inner.clock.now().monotonic;
        if !self.inner.flying().probes.take(MAX_PROBES, now) {
            return Ok(None);
        }
        probe(self.client, interface)?;
        let since = Instant::now();
        for pause in ASK_AGAIN {
            sleep(Duration::from_millis(pause)).await;
            if let Some(row) = kernel.row(self.client, interface)? {
                return Ok(Some(row));
            }
            if since.elapsed() > LONGEST {
                break;
            }
        }
        Ok(None)
    }
}

/// Sends an empty datagram to the discard port (RFC 863), so that the kernel has to resolve.
fn probe(client: IpAddr, interface: u32) -> io::Result<()> {
    const DISCARD: u16 = 9;
    let (own, to): (SocketAddr, SocketAddr) = match client {
        IpAddr::V4(v4) => (([0; 4], 0).into(), (v4, DISCARD).into()),
        IpAddr::V6(v6) => {
            let scope = if v6.is_unicast_link_local() { interface } else { 0 };
            (([0; 16], 0).into(), SocketAddrV6::new(v6, DISCARD, 0, scope).into())
        }
    };
    let socket = UdpSocket::bind(own)?;
    socket.set_nonblocking(true)?;
    socket.send_to(&[], to).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_within_a_second_is_bounded() {
        let mut allowance = Allowance::default();
        let taken = (0..1_000).filter(|at| allowance.take(200, 5_000_000 + at)).count();
        assert_eq!(taken, 200);
        assert!(!allowance.take(200, 5_999_999));
        assert!(allowance.take(200, 6_000_000), "another second");
    }
}
