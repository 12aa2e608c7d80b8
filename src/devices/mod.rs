//! Who asks: addresses to devices, with bindings over time and their grades; no network.
//!
//! - `register`: all devices and bindings, in memory
//! - `makers`: who made a network card
//! - `configure`: what a new policy changes in the register
//! - `seen`: what others tell of devices
//! - `proposal`: what hints suggest as name and kind
//! - `store`: their rows in `state.db`

mod configure;
mod makers;
mod proposal;
mod register;
mod seen;
mod settings;
mod store;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::model::{BindingId, DeviceId, DeviceName, Grade, HardwareAddress, Moment, Prefix};
use crate::storage::{Database, StorageError};

pub use makers::maker;
pub use proposal::{Proposal, propose};
pub use seen::{Claim, Happening, Hint, HintSource, HintText, Lease, Neighbour};
pub use settings::Settings;

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
    /// The device whose policy binds.
    pub device: DeviceId,
    /// The part of it that events are recorded under: one hardware address, or one address alone.
    ///
    /// Parts are never renumbered: a merge or a split moves parts between devices, and history with
    /// them.
    pub part: DeviceId,
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
    /// Its hardware addresses; they stand above addresses.
    pub hardware: Vec<HardwareAddress>,
}

/// A device as people see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its stable number.
    pub id: DeviceId,
    /// Its name; the address itself while nobody named it.
    pub name: String,
    /// Whether the policy names it.
    pub named: bool,
    /// The numbers that events of it carry, its own among them.
    pub parts: Vec<DeviceId>,
    /// The addresses bound to it now.
    pub addresses: Vec<IpAddr>,
    /// Its hardware addresses, seen or named by the policy.
    pub hardware: Vec<HardwareAddress>,
    /// What hints suggest; the person's word is in the policy.
    pub proposal: Proposal,
    /// The best grade among its bindings in force.
    pub grade: Option<Grade>,
    /// First query, microseconds since 1970; 0 before any.
    pub first_seen: i64,
    /// Latest query, microseconds since 1970; 0 before any.
    pub last_seen: i64,
}

/// One stretch of time in which an address was a device's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingRecord {
    /// Its number.
    pub id: BindingId,
    /// The part it is bound to.
    pub part: DeviceId,
    /// The address or prefix.
    pub address: String,
    /// How well it is known.
    pub grade: Grade,
    /// By what, in words: `3c:5a:b4:01:02:03 on interface 2`, `forwarder 192.168.1.1`.
    pub evidence: String,
    /// From when, microseconds since 1970.
    pub began: i64,
    /// Until when; `None`: it is in force.
    pub ended: Option<i64>,
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
    pub fn open(
        settings: &Settings,
        state: Arc<Database>,
        clock: Clock,
    ) -> Result<Devices, StorageError> {
        let _ = settings;
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

    /// Returns whether the word of this address on others counts.
    pub fn is_forwarder(&self, client: IpAddr) -> bool {
        let _ = client;
        false
    }

    /// Returns the binding of whom a forwarder names; like [`Devices::identify`] in cost.
    pub fn identify_claim(&self, forwarder: IpAddr, claim: Claim) -> Option<Binding> {
        let _ = (forwarder, claim);
        None
    }

    /// Binds whom a forwarder names and who was not seen before; never waits for the database.
    pub fn admit_claim(&self, forwarder: IpAddr, claim: Claim, now: Moment) -> Binding {
        let _ = claim;
        self.admit(forwarder, now)
    }

    /// Returns the device that asks from an address, for requests that must not be another's.
    ///
    /// `None` unless the kernel sees its hardware address on our own link, and it is neither a
    /// router, a forwarder, nor one that several hosts hide behind.
    pub fn vouch(&self, address: IpAddr) -> Option<DeviceId> {
        let _ = address;
        None
    }

    /// Takes news of the kernel's neighbour tables.
    pub fn take_neighbours(&self, news: &[Neighbour], now: Moment) {
        let _ = (news, now);
    }

    /// Takes the neighbour tables whole, after a start or where news were lost.
    pub fn replace_neighbours(&self, all: &[Neighbour], now: Moment) {
        let _ = (all, now);
    }

    /// Takes all leases of one source, in place of those it had before.
    pub fn take_leases(&self, source: &str, leases: &[Lease], now: Moment) {
        let _ = (source, leases, now);
    }

    /// Takes hints on names and kinds.
    pub fn take_hints(&self, hints: &[Hint], now: Moment) {
        let _ = (hints, now);
    }

    /// Takes the addresses of our routers.
    pub fn take_routers(&self, routers: &[IpAddr]) {
        let _ = routers;
    }

    /// Returns the routers of our links, as last told.
    pub fn routers(&self) -> Vec<IpAddr> {
        Vec::new()
    }

    /// Returns what happened since the last call; the oldest is dropped past a bound.
    pub fn happenings(&self) -> Vec<Happening> {
        Vec::new()
    }

    /// Returns the bindings of a device, the latest first, those of the past too.
    pub fn bindings(&self, device: DeviceId) -> Result<Vec<BindingRecord>, StorageError> {
        let _ = device;
        Ok(Vec::new())
    }

    /// Returns what hints told of a device, part by part.
    pub fn hints(&self, device: DeviceId) -> Vec<(HintSource, HintText)> {
        let _ = device;
        Vec::new()
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
