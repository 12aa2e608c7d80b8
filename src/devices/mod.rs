//! Who asks: addresses to devices, with bindings over time and their grades; no network.
//!
//! - `register`: all devices and bindings, in memory
//! - `configure`: what a new policy changes in the register
//! - `store`: their rows in `state.db`

mod configure;
mod register;
mod store;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::model::{BindingId, DeviceId, DeviceName, Grade, Moment, Prefix};
use crate::storage::{Database, StorageError};
use register::Register;

/// Most addresses bound at once by having asked.
pub const MAX_ADMITTED: usize = 65_536;

/// The name of the device that all further addresses share.
pub const OTHERS: &str = "others";

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
    /// First query, microseconds since 1970; 0 before any.
    pub first_seen: i64,
    /// Latest query, microseconds since 1970; 0 before any.
    pub last_seen: i64,
}

/// All devices; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Devices(Arc<Inner>);

struct Inner {
    /// What queries read: a copy of the register's addresses, replaced whole.
    table: ArcSwap<HashMap<IpAddr, Binding>>,
    /// Held for work in memory only, never while the database is waited for.
    register: Mutex<Register>,
    /// Held by whoever writes, so that writes reach the database in the order they were made.
    state: Mutex<Arc<Database>>,
    clock: Clock,
}

impl Devices {
    /// Reads devices and bindings from `state.db`.
    pub fn open(state: Arc<Database>, clock: Clock) -> Result<Devices, StorageError> {
        let anew = state.damaged().is_some();
        let stored = state.with(|connection| store::load(connection, anew))?;
        let register = Register::of(stored, clock.now());
        let devices = Devices(Arc::new(Inner {
            table: ArcSwap::from_pointee(HashMap::new()),
            register: Mutex::new(register),
            state: Mutex::new(state),
            clock,
        }));
        devices.publish(&mut devices.register());
        devices.flush_or_warn();
        Ok(devices)
    }

    /// Returns the binding of an address: one lookup in an immutable table, no lock, no allocation.
    pub fn identify(&self, client: IpAddr) -> Option<Binding> {
        self.0.table.load().get(&client.to_canonical()).copied()
    }

    /// Binds an address that was not seen before; never waits for the database.
    ///
    /// Past 65,536 admitted addresses all further ones share one device, `others`.
    pub fn admit(&self, client: IpAddr, now: Moment) -> Binding {
        let mut register = self.register();
        let binding = register.admit(client.to_canonical(), now.wall);
        if register.is_publication_due(now.monotonic) {
            self.publish(&mut register);
        }
        binding
    }

    /// Takes the devices of a new policy: ends bindings that moved, begins new ones.
    ///
    /// Returns the number of each named device, in order. A name that takes over exactly the
    /// addresses of one that vanished is the same device under a new name; so is one that takes
    /// over the only address of a device nobody had named. All of it is in force even if the
    /// database cannot be written; [`Devices::flush`] tries again.
    pub fn configure(&self, named: &[NamedDevice], now: Moment) -> Vec<DeviceId> {
        let mut register = self.register();
        let numbers = register.configure(named, now.wall);
        self.publish(&mut register);
        drop(register);
        self.flush_or_warn();
        numbers
    }

    /// Notes that bindings were used; the recorder calls it with each batch of (binding, latest
    /// time, queries).
    ///
    /// A binding is written to `state.db` only from its second query on.
    pub fn seen(&self, batch: &[(BindingId, i64, u32)]) {
        let mut register = self.register();
        for &(binding, at, queries) in batch {
            register.seen(binding, at, queries);
        }
    }

    /// Returns all devices, those of the past too.
    pub fn list(&self) -> Vec<Device> {
        self.register().list()
    }

    /// Returns a device's name.
    pub fn name(&self, device: DeviceId) -> Option<String> {
        self.register().name(device)
    }

    /// Returns the device that an address is held to be now.
    pub fn find_by_address(&self, address: IpAddr) -> Option<DeviceId> {
        self.register().find_by_address(address.to_canonical())
    }

    /// Removes a device with its bindings; its next query makes a new one.
    ///
    /// A device that the policy names keeps its name and number, and loses its past.
    pub fn forget(&self, device: DeviceId) -> Result<(), StorageError> {
        let state = self.state();
        let named = self.register().is_named(device);
        state.with(|connection| store::forget(connection, device, named))?;
        let mut register = self.register();
        register.forget(device);
        self.publish(&mut register);
        Ok(())
    }

    /// Writes what is not yet written; called once a second and on stop.
    ///
    /// The latest query of a device is written once a minute only, to spare memory cards.
    pub fn flush(&self) -> Result<(), StorageError> {
        let state = self.state();
        let mut register = self.register();
        register.retire(self.0.clock.now());
        let changes = register.take_changes();
        if register.has_unpublished() {
            self.publish(&mut register);
        }
        drop(register);
        if changes.is_empty() {
            return Ok(());
        }
        let written = state.with(|connection| store::write(connection, &changes));
        self.register().settle(changes, written.is_ok());
        written
    }

    fn flush_or_warn(&self) {
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "devices are in force but not yet written; will try again");
        }
    }

    fn publish(&self, register: &mut Register) {
        self.0.table.store(Arc::new(register.publish()));
    }

    fn register(&self) -> MutexGuard<'_, Register> {
        self.0.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, Arc<Database>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
