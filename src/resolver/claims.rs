//! Who a query is asked for, where a forwarder stands between.

use std::net::IpAddr;

use crate::devices::{Binding, Claim};
use crate::wire::{Claims, Query};

use super::{Arrival, Parts, Resolver};

/// Who says for whom a query is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behalf {
    /// Nobody but the query itself.
    Unsaid,
    /// A PROXY header, in the name of the forwarder alone.
    Forwarder,
    /// A forwarder, of somebody else.
    Claimed {
        /// The forwarder.
        forwarder: IpAddr,
        /// Its word.
        claim: Claim,
    },
}

impl Resolver {
    /// Returns whether the word of this address on others counts.
    pub fn is_forwarder(&self, client: IpAddr) -> bool {
        self.0.devices.is_forwarder(client)
    }

    /// Puts a query under whom a forwarder asks for; returns whether it claims what nobody heeds.
    ///
    /// Options beside a PROXY header are not heeded: forwarders that send it pass on what their own
    /// clients wrote.
    pub fn attribute(&self, query: &Query<'_>, arrival: &mut Arrival) -> bool {
        let Some(claims) = query.claims() else { return false };
        if arrival.behalf != Behalf::Unsaid || !self.is_forwarder(arrival.client) {
            return true;
        }
        arrival.ask_for(&claims);
        false
    }
}

impl Arrival {
    /// Returns the forwarder on whose word the client is somebody.
    pub fn forwarder(&self) -> Option<IpAddr> {
        match self.behalf {
            Behalf::Claimed { forwarder, .. } => Some(forwarder),
            Behalf::Unsaid | Behalf::Forwarder => None,
        }
    }

    /// Returns the address whose hardware would tell who asks; none where a forwarder told it.
    pub(super) fn sought(&self) -> Option<IpAddr> {
        match self.behalf {
            Behalf::Claimed { claim: Claim::Hardware(_) | Claim::Both(..), .. } => None,
            _ => Some(self.client),
        }
    }

    /// Takes a forwarder's word; one that can be nobody's leaves the query with the forwarder.
    pub fn ask_for(&mut self, claims: &Claims) {
        let forwarder = self.client;
        let address = claims.address.filter(|address| is_somebody(*address, forwarder));
        let claim = match (claims.hardware, address) {
            (Some(hardware), Some(address)) => Claim::Both(hardware, address),
            (Some(hardware), None) => Claim::Hardware(hardware),
            (None, Some(address)) => Claim::Address(address),
            (None, None) => return,
        };
        self.client = address.unwrap_or(forwarder);
        self.behalf = Behalf::Claimed { forwarder, claim };
    }
}

impl Parts {
    /// Returns who asks, if that is known already; takes no lock.
    pub(super) fn identify(&self, arrival: &Arrival) -> Option<Binding> {
        match arrival.behalf {
            Behalf::Claimed { forwarder, claim } => self.devices.identify_claim(forwarder, claim),
            Behalf::Unsaid | Behalf::Forwarder => self.devices.identify(arrival.client),
        }
    }

    /// Binds who asks.
    pub(super) fn admit(&self, arrival: &Arrival) -> Binding {
        match arrival.behalf {
            Behalf::Claimed { forwarder, claim } => {
                self.devices.admit_claim(forwarder, claim, arrival.now)
            }
            Behalf::Unsaid | Behalf::Forwarder => self.devices.admit(arrival.client, arrival.now),
        }
    }
}

/// Returns whether an address can be that of a device behind a forwarder.
fn is_somebody(address: IpAddr, forwarder: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    // A router that asks for itself claims loopback, which here would be this machine.
    let elsewhere = address.is_loopback() && !forwarder.is_loopback();
    let nobody = address.is_unspecified() || address.is_multicast() || broadcast || elsewhere;
    !nobody && address != forwarder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HardwareAddress, Moment};
    use crate::resolver::Transport;

    const FORWARDER: &str = "192.168.1.1";
    const HARDWARE: HardwareAddress = HardwareAddress([0x3c, 0x5a, 0xb4, 1, 2, 3]);

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn arrival(
        forwarder: &str,
        hardware: Option<HardwareAddress>,
        claimed: Option<&str>,
    ) -> Arrival {
        let (client, now) = (address(forwarder), Moment { wall: 0, monotonic: 0 });
        let (local, transport, behalf) = (client, Transport::Udp, Behalf::Unsaid);
        let mut arrival = Arrival { client, local, transport, now, behalf };
        arrival.ask_for(&Claims { hardware, address: claimed.map(address) });
        arrival
    }

    /// Returns whom a forwarder's word makes the client, and what stands for it.
    fn heard(
        forwarder: &str,
        hardware: Option<HardwareAddress>,
        claimed: Option<&str>,
    ) -> (IpAddr, Option<Claim>) {
        let arrival = arrival(forwarder, hardware, claimed);
        match arrival.behalf {
            Behalf::Claimed { forwarder: by, claim } => {
                assert_eq!(by, address(forwarder));
                (arrival.client, Some(claim))
            }
            _ => (arrival.client, None),
        }
    }

    #[test]
    fn a_claimed_address_is_the_client_and_hardware_is_beside_it() {
        let (there, claim) = (address("192.168.1.40"), Claim::Address(address("192.168.1.40")));
        assert_eq!(heard(FORWARDER, None, Some("192.168.1.40")), (there, Some(claim)));
        let both = Some(Claim::Both(HARDWARE, address("192.168.1.40")));
        assert_eq!(heard(FORWARDER, Some(HARDWARE), Some("192.168.1.40")), (there, both));
        let hardware = Some(Claim::Hardware(HARDWARE));
        assert_eq!(heard(FORWARDER, Some(HARDWARE), None), (address(FORWARDER), hardware));
    }

    #[test]
    fn the_link_is_asked_only_where_hardware_was_not_told() {
        let sought = |hardware, claimed| arrival(FORWARDER, hardware, claimed).sought();
        assert_eq!(sought(None, None), Some(address(FORWARDER)));
        assert_eq!(sought(None, Some("192.168.1.40")), Some(address("192.168.1.40")));
        assert_eq!(sought(Some(HARDWARE), Some("192.168.1.40")), None);
        assert_eq!(sought(Some(HARDWARE), None), None);
    }

    #[test]
    fn a_word_that_can_be_nobodys_leaves_the_forwarder() {
        for nobody in ["0.0.0.0", "::", "224.0.0.251", "ff02::fb", "255.255.255.255", FORWARDER] {
            assert_eq!(
                heard(FORWARDER, None, Some(nobody)),
                (address(FORWARDER), None),
                "{nobody}"
            );
        }
        for own in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(heard(FORWARDER, None, Some(own)), (address(FORWARDER), None), "{own}");
        }
        let here = Some(Claim::Address(address("127.0.0.9")));
        assert_eq!(heard("127.0.0.2", None, Some("127.0.0.9")), (address("127.0.0.9"), here));
        let hardware = Some(Claim::Hardware(HARDWARE));
        assert_eq!(heard(FORWARDER, Some(HARDWARE), Some("::")), (address(FORWARDER), hardware));
    }
}
