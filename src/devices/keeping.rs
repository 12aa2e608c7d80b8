//! What is yet to be written, and what is let go.

use std::collections::{BTreeSet, HashMap};

use super::{
    Asker, BindingRow, DeviceRow, HintSource, HintText, MAX_ADMITTED, Part, Register, State,
    Subject,
};
use crate::model::{BindingId, DeviceId, Moment};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Ended bindings and unnamed devices without one are kept this long, as the totals are.
const PAST_KEPT: i64 = 400 * DAY;

/// Most unnamed devices without a binding that are remembered.
const MAX_UNBOUND: usize = 2 * MAX_ADMITTED;

/// Most bindings that wait while `state.db` cannot be written.
pub(super) const MAX_UNWRITTEN: usize = 2 * MAX_ADMITTED;

/// Numbers that are set apart in `state.db` before they are used, so that none is used twice.
const RESERVED: u32 = 65_536;

/// Microseconds between two rounds of letting go what is old, and where room is short.
const RETIRE_EVERY: u64 = 3_600_000_000;
const RETIRE_CROWDED: u64 = 60_000_000;

/// More askers than this are a crowd.
const CROWD: usize = MAX_ADMITTED / 8 * 7;

/// With more devices than this, some are let go before the hour is over.
const MANY_DEVICES: usize = MAX_UNBOUND + MAX_ADMITTED;

/// In a crowd one that asked once is let go after this long.
const ONCE_KEPT: i64 = 600 * SECOND;

/// How far the stored time of a device's latest query may lag behind.
const SEEN_LAG: u64 = 60 * SECOND.unsigned_abs();

/// A time this far ahead of the clock was told by a clock that was wrong.
const AHEAD: i64 = DAY;

/// What `state.db` holds.
pub(super) struct Stored {
    pub(super) devices: HashMap<DeviceId, DeviceRow>,
    pub(super) bindings: HashMap<BindingId, BindingRow>,
    pub(super) hints: Vec<(Part, HintSource, HintText)>,
    /// No number from this one on was ever used.
    pub(super) next_number: u32,
}

/// What changed since it was last written.
#[derive(Default)]
pub(super) struct Unwritten {
    pub(super) devices: BTreeSet<DeviceId>,
    pub(super) bindings: BTreeSet<BindingId>,
    gone: Vec<DeviceId>,
    ended_before: Option<i64>,
    reserved: u32,
}

/// What `state.db` does not hold yet.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) reserve: Option<u32>,
    pub(super) devices: Vec<(DeviceId, DeviceRow)>,
    pub(super) bindings: Vec<(BindingId, BindingRow)>,
    pub(super) hints: Vec<(Part, Vec<(HintSource, HintText)>)>,
    pub(super) gone: Vec<DeviceId>,
    /// Bindings that ended before this time are no longer wanted.
    pub(super) ended_before: Option<i64>,
}

impl Unwritten {
    pub(super) fn from(next_number: u32) -> Unwritten {
        Unwritten { reserved: next_number, ..Unwritten::default() }
    }
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.reserve.is_none()
            && self.devices.is_empty()
            && self.bindings.is_empty()
            && self.hints.is_empty()
            && self.gone.is_empty()
            && self.ended_before.is_none()
    }
}

impl Register {
    /// Notes that a binding was used; what that makes worth writing is written.
    pub(super) fn seen(&mut self, id: BindingId, at: i64, queries: u32) {
        let Some(binding) = self.bindings.get_mut(&id) else { return };
        binding.queries = binding.queries.saturating_add(queries);
        binding.last = later(binding.last, at);
        if !binding.stored && binding.is_worth_writing() {
            self.unwritten.bindings.insert(id);
        }
        let part = binding.part;
        let Some(device) = self.devices.get_mut(&part) else { return };
        if device.first_seen == 0 || is_ahead(device.first_seen, at) {
            device.first_seen = at;
        }
        // A part that asks from ever new addresses is written, though none of them is worth a row.
        let again = device.stored.is_none() && at > device.first_seen;
        device.last_seen = later(device.last_seen, at);
        let lags = |stored: i64| device.last_seen.abs_diff(stored) >= SEEN_LAG;
        if again || device.stored.is_some_and(lags) {
            self.unwritten.devices.insert(part);
        }
    }

    /// Removes the past of a device's parts, and the parts themselves; a named device stays.
    pub(super) fn forget(&mut self, parts: &[DeviceId]) {
        self.bindings.retain(|_, row| !parts.contains(&row.part));
        self.shared.retain(|part, _| !parts.contains(part));
        let gone = self.seats.iter().filter(|(_, seat)| parts.contains(&seat.part));
        let gone: Vec<Asker> = gone.map(|(&asker, _)| asker).collect();
        for asker in gone {
            self.vacate(asker, 0);
        }
        for id in parts {
            match self.devices.get_mut(id) {
                Some(row) if matches!(row.subject, Subject::Named(_)) => {
                    (row.first_seen, row.last_seen) = (0, 0);
                }
                _ => self.drop_device(*id),
            }
        }
    }

    fn drop_device(&mut self, id: DeviceId) {
        if let Some(DeviceRow { subject: Subject::Part(part), .. }) = self.devices.remove(&id) {
            self.parts.remove(&part);
            self.hints.forget(part);
        }
    }

    /// Lets go of askers that no longer ask when room is short, of bindings that sleep for days,
    /// and of devices long gone.
    ///
    /// Not on the word of a clock that was set ahead less than a round ago.
    pub(super) fn retire(&mut self, now: Moment) {
        if self.leaps.noticed(now) {
            self.retired = now.monotonic;
        }
        let crowded = self.seats.len() > CROWD;
        let soon = crowded || self.devices.len() > MANY_DEVICES;
        let every = if soon { RETIRE_CROWDED } else { RETIRE_EVERY };
        if now.monotonic.saturating_sub(self.retired) < every {
            return;
        }
        self.retired = now.monotonic;
        self.forget_lost(now);
        self.let_go(crowded, now.wall);
        self.forget_long_gone(now.wall);
        self.unwritten.ended_before = Some(now.wall - PAST_KEPT);
    }

    fn let_go(&mut self, crowded: bool, now: i64) {
        let idle = |asker: &Asker| {
            let Some(seat) = self.seats.get(asker) else { return false };
            let Some(row) = self.bindings.get(&seat.id) else { return true };
            let quiet = now.saturating_sub(row.last);
            seat.state == State::Ended
                || (quiet > DAY && (crowded || seat.state == State::Asleep))
                || (crowded && quiet > ONCE_KEPT && !row.is_worth_writing())
        };
        let idle: Vec<Asker> = self.seats.keys().copied().filter(idle).collect();
        for asker in idle {
            self.vacate(asker, now);
        }
    }

    fn forget_long_gone(&mut self, now: i64) {
        let bound: BTreeSet<DeviceId> = self.bindings.values().map(|row| row.part).collect();
        let named = |row: &DeviceRow| matches!(row.subject, Subject::Named(_));
        let mut unbound: Vec<(i64, DeviceId)> = self
            .devices
            .iter()
            .filter(|(id, row)| !named(row) && !bound.contains(id))
            .map(|(&id, row)| (row.last_seen, id))
            .collect();
        unbound.sort_unstable();
        let surplus = unbound.len().saturating_sub(MAX_UNBOUND);
        for (position, &(last, id)) in unbound.iter().enumerate() {
            if position < surplus || last < now - PAST_KEPT {
                self.unwritten.gone.push(id);
                self.drop_device(id);
            }
        }
    }

    /// Takes what is worth writing; what is not comes again when it is used once more.
    pub(super) fn take_changes(&mut self) -> Changes {
        let gone = std::mem::take(&mut self.unwritten.gone);
        let mut changes = Changes {
            gone,
            ended_before: self.unwritten.ended_before.take(),
            hints: self.hints.take_changed(|part| self.parts.contains_key(&part)),
            ..Changes::default()
        };
        if self.unwritten.reserved.saturating_sub(self.next_number) < RESERVED / 2 {
            self.unwritten.reserved = self.next_number.saturating_add(RESERVED);
            changes.reserve = Some(self.unwritten.reserved);
        }
        for id in std::mem::take(&mut self.unwritten.bindings) {
            let Some(row) = self.bindings.get(&id) else { continue };
            if row.is_worth_writing() {
                if self.devices.get(&row.part).is_some_and(|device| device.stored.is_none()) {
                    self.unwritten.devices.insert(row.part);
                }
                changes.bindings.push((id, row.clone()));
            } else if row.ended.is_some() {
                self.bindings.remove(&id);
            }
        }
        let devices = std::mem::take(&mut self.unwritten.devices);
        let rows = devices.into_iter().filter_map(|id| Some((id, self.devices.get(&id)?.clone())));
        changes.devices = rows.collect();
        changes
    }

    /// Notes that changes were written, or takes them back.
    pub(super) fn settle(&mut self, changes: Changes, written: bool) {
        if !written {
            self.unwritten.devices.extend(changes.devices.iter().map(|(id, _)| *id));
            self.unwritten.bindings.extend(changes.bindings.iter().map(|(id, _)| *id));
            self.unwritten.gone.extend(changes.gone);
            self.hints.mark_changed(changes.hints.iter().map(|(part, _)| *part));
            if changes.reserve.is_some() {
                self.unwritten.reserved = self.next_number;
            }
            self.drop_unwritten();
            return;
        }
        for (id, row) in changes.devices {
            if let Some(device) = self.devices.get_mut(&id) {
                device.stored = Some(row.last_seen);
            }
        }
        for (id, row) in changes.bindings {
            if row.ended.is_some() {
                self.bindings.remove(&id);
            } else if let Some(binding) = self.bindings.get_mut(&id) {
                binding.stored = true;
            }
        }
    }

    /// Lets go of the oldest bindings of the past that there is no room to keep until they can be
    /// written.
    fn drop_unwritten(&mut self) {
        let surplus = self.unwritten.bindings.len().saturating_sub(MAX_UNWRITTEN);
        let ended = |id: &&BindingId| self.bindings.get(id).is_none_or(|row| row.ended.is_some());
        let oldest = self.unwritten.bindings.iter().filter(ended).take(surplus);
        let oldest: Vec<BindingId> = oldest.copied().collect();
        for id in oldest {
            self.unwritten.bindings.remove(&id);
            self.bindings.remove(&id);
        }
    }
}

/// Returns the later of two times, but what a clock says that was set back.
fn later(known: i64, at: i64) -> i64 {
    if is_ahead(known, at) { at } else { known.max(at) }
}

fn is_ahead(known: i64, at: i64) -> bool {
    known.saturating_sub(at) > AHEAD
}
