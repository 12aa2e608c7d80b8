//! Who asks: addresses to devices, with bindings over time and their grades; no network.
//!
//! - `owners`: who is held to ask from an address: one pure function of what follows
//! - `facts`, `leases`: what is known of addresses now
//! - `named`: what the policy names
//! - `register`: all devices and bindings, in memory
//! - `news`, `configure`: what news of addresses and a new policy change in it
//! - `table`: what queries read of it
//! - `listing`: devices as people see them
//! - `hints`, `proposal`: what others tell of them, and what that suggests
//! - `makers`: who made a network card
//! - `likeness`: devices that may be one
//! - `watch`: what a person may want to know
//! - `keeping`, `store`: what is written to `state.db`, and let go
//! - `seen`: what others tell, as they tell it

mod configure;
mod facts;
mod hints;
mod keeping;
mod leases;
mod likeness;
mod listing;
mod makers;
mod named;
mod news;
mod owners;
mod proposal;
mod register;
mod seen;
mod settings;
mod store;
mod table;
mod watch;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::model::{BindingId, DeviceId, DeviceName, Grade, HardwareAddress, Moment, Prefix};
use crate::storage::{Database, StorageError};

pub use likeness::Likeness;
pub use makers::maker;
pub use proposal::{Proposal, propose};
pub use seen::{Claim, Happening, Hint, HintSource, HintText, Lease, Neighbour};
pub use settings::Settings;

use facts::{Facts, Known, Touched};
use hints::Hints;
use keeping::{Changes, Stored, Unwritten};
use leases::Leases;
use listing::part_text;
use named::{Entry, Named};
use owners::{Asker, By, Evidence, Owner, Part, Under, owner_of};
use register::{BindingRow, DeviceRow, Register, Seat, State, Subject};
use table::Table;
use watch::Watch;

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
    /// Its name: the policy's, else what hints suggest, else its hardware address or address.
    pub name: String,
    /// What pauses and rules call it: the policy's name, else its hardware address or address,
    /// which stay what they are when hints change.
    pub key: String,
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
    /// What queries read: the register's bindings in force.
    table: Table,
    /// Held for work in memory only, never while the database is waited for.
    register: Mutex<Register>,
    /// Held by whoever writes, so that writes reach the database in the order they were made.
    state: Mutex<Arc<Database>>,
    clock: Clock,
    forwarders: Vec<Prefix>,
}

impl Devices {
    /// Reads devices and bindings from `state.db`.
    pub fn open(
        settings: &Settings,
        state: Arc<Database>,
        clock: Clock,
    ) -> Result<Devices, StorageError> {
        let anew = state.damaged().is_some();
        let stored = state.with(|connection| store::load(connection, anew))?;
        let register = Register::of(stored, clock.now());
        let devices = Devices(Arc::new(Inner {
            table: Table::new(),
            register: Mutex::new(register),
            state: Mutex::new(state),
            clock,
            forwarders: settings.forwarders.clone(),
        }));
        devices.publish(&mut devices.register());
        devices.flush_or_warn();
        Ok(devices)
    }

    /// Returns the binding of an address: one lookup in an immutable table, no lock, no allocation.
    pub fn identify(&self, client: IpAddr) -> Option<Binding> {
        self.0.table.find(Asker::Address(client.to_canonical()))
    }

    /// Binds an address that is not bound, by what is known of it now; never waits for the
    /// database.
    ///
    /// Past 65,536 askers all further ones that never asked before share one device, `others`.
    pub fn admit(&self, client: IpAddr, now: Moment) -> Binding {
        self.bind(Asker::Address(client.to_canonical()), now)
    }

    fn bind(&self, asker: Asker, now: Moment) -> Binding {
        let mut register = self.register();
        let binding = register.admit(asker, now);
        if register.is_publication_due(now.monotonic) {
            self.publish(&mut register);
        }
        binding
    }

    /// Returns whether the word of this address on others counts.
    pub fn is_forwarder(&self, client: IpAddr) -> bool {
        self.0.forwarders.iter().any(|prefix| prefix.contains(client))
    }

    /// Returns the binding of whom a forwarder names; like [`Devices::identify`] in cost.
    pub fn identify_claim(&self, forwarder: IpAddr, claim: Claim) -> Option<Binding> {
        self.0.table.find(asker_of(forwarder, claim))
    }

    /// Binds whom a forwarder names and who is not bound; never waits for the database.
    pub fn admit_claim(&self, forwarder: IpAddr, claim: Claim, now: Moment) -> Binding {
        self.bind(asker_of(forwarder, claim), now)
    }

    /// Returns the device that asks from an address, for requests that must not be another's.
    ///
    /// `None` unless the kernel sees its hardware address on our own link, and it is neither a
    /// router, a forwarder, nor one that several hosts hide behind, nor contested lately.
    pub fn vouch(&self, address: IpAddr) -> Option<DeviceId> {
        let address = address.to_canonical();
        let binding = self.identify(address).filter(|binding| binding.grade == Grade::Hardware)?;
        let register = self.register();
        let hardware = register.facts.hardware_of(address)?.hardware;
        let sure = !self.is_forwarder(address)
            && !register.facts.routers().contains(&address)
            && !register.facts.is_router(hardware)
            && !register.facts.is_shared(hardware)
            && !register.watch.is_contested(address, self.0.clock.now().monotonic);
        sure.then_some(binding.device)
    }

    /// Takes news of the kernel's neighbour tables.
    ///
    /// What no longer holds is published at once: no query is held to be another's meanwhile.
    pub fn take_neighbours(&self, news: &[Neighbour], now: Moment) {
        self.change(|register| register.take_neighbours(news, false, now));
    }

    /// Takes the neighbour tables whole, after a start or where news were lost.
    pub fn replace_neighbours(&self, all: &[Neighbour], now: Moment) {
        self.change(|register| register.take_neighbours(all, true, now));
    }

    /// Returns whether the kernel held one of a device's addresses for reachable within the last
    /// `micros`.
    pub fn is_reachable(&self, device: &Device, micros: u64, now: Moment) -> bool {
        let since = now.monotonic.saturating_sub(micros);
        let register = self.register();
        device.addresses.iter().any(|address| register.facts.was_reachable(*address, since))
    }

    /// Takes all leases of one source, in place of those it had before.
    pub fn take_leases(&self, source: &str, leases: &[Lease], now: Moment) {
        self.change(|register| register.take_leases(source, leases, now));
    }

    /// Takes hints on names and kinds.
    pub fn take_hints(&self, hints: &[Hint], now: Moment) {
        let _ = now;
        self.register().take_hints(hints);
    }

    /// Takes the addresses of our routers.
    pub fn take_routers(&self, routers: &[IpAddr]) {
        self.register().facts.take_routers(routers);
    }

    /// Returns the routers of our links, as last told.
    pub fn routers(&self) -> Vec<IpAddr> {
        self.register().facts.routers().to_vec()
    }

    /// Returns what happened since the last call; the oldest is dropped past a bound.
    pub fn happenings(&self) -> Vec<Happening> {
        self.register().watch.take()
    }

    /// Returns the bindings of a device, the latest first, those of the past too.
    pub fn bindings(&self, device: DeviceId) -> Result<Vec<BindingRecord>, StorageError> {
        let parts = self.register().parts_of(device);
        let stored = self.state().with(|connection| store::bindings(connection, &parts))?;
        let mut found: BTreeMap<BindingId, BindingRecord> =
            stored.into_iter().map(|record| (record.id, record)).collect();
        let register = self.register();
        let own = register.bindings.iter().filter(|(_, row)| parts.contains(&row.part));
        found.extend(own.map(|(&id, row)| (id, store::record(id, row))));
        drop(register);
        let mut found: Vec<BindingRecord> = found.into_values().collect();
        found.sort_by_key(|record| std::cmp::Reverse((record.began, record.id)));
        Ok(found)
    }

    /// Returns what hints told of a device, part by part.
    pub fn hints(&self, device: DeviceId) -> Vec<(HintSource, HintText)> {
        self.register().hints_of(device)
    }

    /// Takes the devices of a new policy: ends bindings that moved.
    ///
    /// Returns the number of each named device, in order. A name that takes over exactly what one
    /// that vanished was named by is the same device under a new name. A name never takes the
    /// number of a part: it has the parts of its hardware addresses and addresses for as long as
    /// the policy says so. All of it is in force even if the database cannot be written;
    /// [`Devices::flush`] tries again.
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

    /// Returns the name of a device, found by its number or that of one of its parts.
    pub fn name(&self, device: DeviceId) -> Option<String> {
        self.register().name(device)
    }

    /// Returns the device that an address is held to be now.
    pub fn find_by_address(&self, address: IpAddr) -> Option<DeviceId> {
        self.register().find_by_address(address.to_canonical())
    }

    /// Removes a device with its parts and bindings; its next query makes new ones.
    ///
    /// A device that the policy names keeps its name and number, and loses its past.
    pub fn forget(&self, device: DeviceId) -> Result<(), StorageError> {
        let state = self.state();
        let parts = self.register().parts_with_names(device);
        state.with(|connection| store::forget(connection, &parts))?;
        let mut register = self.register();
        let parts: Vec<DeviceId> = parts.into_iter().map(|(part, _)| part).collect();
        register.forget(&parts);
        self.publish(&mut register);
        Ok(())
    }

    /// Writes what is not yet written; called once a second and on stop.
    ///
    /// The latest query of a device is written once a minute only, to spare memory cards.
    pub fn flush(&self) -> Result<(), StorageError> {
        let state = self.state();
        let mut register = self.register();
        register.pass_time(self.0.clock.now());
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

    /// Takes news that may end bindings, and publishes what no longer holds.
    fn change(&self, news: impl FnOnce(&mut Register)) {
        let mut register = self.register();
        news(&mut register);
        if register.has_unpublished() {
            self.publish(&mut register);
        }
    }

    fn publish(&self, register: &mut Register) {
        self.0.table.replace(register.take_unpublished().into_iter());
    }

    fn register(&self) -> MutexGuard<'_, Register> {
        self.0.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, Arc<Database>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn asker_of(forwarder: IpAddr, claim: Claim) -> Asker {
    let claim = match claim {
        Claim::Address(address) => Claim::Address(address.to_canonical()),
        Claim::Both(hardware, address) => Claim::Both(hardware, address.to_canonical()),
        Claim::Hardware(hardware) => Claim::Hardware(hardware),
    };
    Asker::Claimed(forwarder.to_canonical(), claim)
}

#[cfg(test)]
mod tests;
