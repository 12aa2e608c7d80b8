//! Who asks: addresses to devices, with bindings over time and their grades; no network.

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Clock;
use crate::model::{BindingId, DeviceId, DeviceName, Grade, Moment};
use crate::storage::{Database, StorageError};

mod prefix;

pub use prefix::Prefix;

/// This address is this device's, by evidence of this grade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The binding's number; events refer to it.
    pub id: BindingId,
    /// The device.
    pub device: DeviceId,
    /// How well it is known.
    pub grade: Grade,
}

/// A device that the policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedDevice {
    /// Its name.
    pub name: DeviceName,
    /// Its addresses and prefixes; the longest prefix of all devices wins.
    pub addresses: Vec<Prefix>,
}

/// A device as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its stable number.
    pub id: DeviceId,
    /// Its name; the address itself while nobody named it.
    pub name: String,
    /// Whether the policy names it.
    pub named: bool,
    /// The addresses bound to it now.
    pub addresses: Vec<IpAddr>,
    /// First query, microseconds since 1970.
    pub first_seen: i64,
    /// Latest query, microseconds since 1970.
    pub last_seen: i64,
}

/// All devices; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Devices {}

impl Devices {
    /// Reads devices and bindings from `state.db`.
    pub fn open(state: Arc<Database>, clock: Clock) -> Result<Devices, StorageError> {
        let _ = (state, clock);
        todo!()
    }

    /// Returns the binding of an address: one lookup in an immutable table, no lock, no allocation.
    pub fn identify(&self, client: IpAddr) -> Option<Binding> {
        let _ = client;
        todo!()
    }

    /// Binds an address that was not seen before; never waits for the database.
    ///
    /// Past 65,536 address bindings all further addresses share one device, `others`.
    pub fn admit(&self, client: IpAddr, now: Moment) -> Binding {
        let _ = (client, now);
        todo!()
    }

    /// Takes the devices of a new policy: ends bindings that moved, begins new ones.
    ///
    /// Returns the number of each named device, in order. A name that takes over exactly the
    /// addresses of one that vanished is the same device under a new name.
    pub fn configure(
        &self,
        named: &[NamedDevice],
        now: Moment,
    ) -> Result<Vec<DeviceId>, StorageError> {
        let _ = (named, now);
        todo!()
    }

    /// Notes that bindings were used; the recorder calls it with each batch of (binding, latest time).
    ///
    /// A binding is written to `state.db` only from its second query on.
    pub fn seen(&self, batch: &[(BindingId, i64, u32)]) {
        let _ = batch;
    }

    /// Returns all devices.
    pub fn list(&self) -> Vec<Device> {
        todo!()
    }

    /// Removes a device with its bindings; its next query makes a new one.
    pub fn forget(&self, device: DeviceId) -> Result<(), StorageError> {
        let _ = device;
        todo!()
    }

    /// Writes what is not yet written; called once a second and on stop.
    pub fn flush(&self) -> Result<(), StorageError> {
        todo!()
    }
}
