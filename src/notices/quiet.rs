//! Devices that were busy, ask no more, and are still there.

use std::collections::{HashMap, VecDeque};

use super::watch::handle;
use super::{Draft, HOUR, NoticeKind};
use crate::devices::Device;
use crate::model::DeviceId;

/// Active hours that are remembered of a device: those in which it asked at all.
const HOURS: usize = 24;

/// An hour is busy from so many queries on.
const BUSY_QUERIES: u32 = 20;

/// A device is busy if so many of its active hours were.
const BUSY_HOURS: usize = 6;

/// It must have been silent for so long.
const SILENCE: i64 = 2 * HOUR;

/// What a device was silent for and then asked again counts up to this.
const LONGEST: i64 = 12 * HOUR;

/// Fewest minutes that must have been looked at, and seen it, within a silence.
const MINUTES: u32 = 100;

/// Most devices that are watched.
const MAX_DEVICES: usize = 8_192;

/// The habits of all devices.
#[derive(Default)]
pub(super) struct Quiet {
    habits: HashMap<DeviceId, Habit>,
}

/// What a device usually does.
struct Habit {
    /// Queries in its latest active hours, the one that runs not among them.
    hours: VecDeque<u32>,
    hour: i64,
    queries: u32,
    /// When it asked last.
    last: i64,
    /// Minutes that were looked at since then.
    looked: u32,
    /// Of these, those in which the kernel heard of it.
    reachable: u32,
    /// The longest it was ever silent though reachable, and then asked again.
    longest: i64,
    told: bool,
}

impl Quiet {
    /// Takes in a minute of one device; returns for how long it was silent if that is to be told.
    pub(super) fn minute(
        &mut self,
        device: DeviceId,
        queries: u32,
        reachable: bool,
        passed: i64,
    ) -> Option<i64> {
        if queries == 0 {
            return self.habits.get_mut(&device)?.stay_silent(reachable, passed);
        }
        if self.habits.len() >= MAX_DEVICES && !self.habits.contains_key(&device) {
            return None;
        }
        self.habits.entry(device).or_insert_with(|| Habit::from(passed)).ask(queries, passed);
        None
    }

    /// Begins all silences anew, after queries were lost or not looked at.
    pub(super) fn begin_anew(&mut self, passed: i64) {
        self.habits.values_mut().for_each(|habit| habit.wake(passed));
    }

    /// Forgets devices that are gone.
    pub(super) fn sweep(&mut self, is_there: impl Fn(DeviceId) -> bool) {
        self.habits.retain(|&device, _| is_there(device));
    }
}

impl Habit {
    fn from(passed: i64) -> Habit {
        Habit {
            hours: VecDeque::new(),
            hour: passed.div_euclid(HOUR),
            queries: 0,
            last: passed,
            looked: 0,
            reachable: 0,
            longest: 0,
            told: false,
        }
    }

    fn ask(&mut self, queries: u32, passed: i64) {
        if self.is_there() {
            let silence = passed.saturating_sub(self.last).min(LONGEST);
            self.longest = self.longest.max(silence);
        }
        let hour = passed.div_euclid(HOUR);
        if hour != self.hour {
            self.close_hour();
            self.hour = hour;
        }
        self.queries = self.queries.saturating_add(queries);
        self.wake(passed);
    }

    fn wake(&mut self, passed: i64) {
        (self.last, self.looked, self.reachable, self.told) = (passed, 0, 0, false);
    }

    fn stay_silent(&mut self, reachable: bool, passed: i64) -> Option<i64> {
        self.looked = self.looked.saturating_add(1);
        self.reachable = self.reachable.saturating_add(u32::from(reachable));
        let silence = passed.saturating_sub(self.last);
        // Whoever was silent before and came back is asleep, not away.
        let long = silence >= SILENCE.max(self.longest.saturating_mul(2));
        if self.told || !long || self.looked < MINUTES || !reachable || !self.is_there() {
            return None;
        }
        self.close_hour();
        self.told = self.is_busy();
        self.told.then_some(silence)
    }

    /// Returns whether the kernel heard of it in nearly every minute of its silence: what sleeps
    /// shows itself now and then only.
    fn is_there(&self) -> bool {
        self.looked >= MINUTES / 2 && self.reachable * 10 >= self.looked * 9
    }

    fn is_busy(&self) -> bool {
        self.hours.iter().filter(|&&queries| queries >= BUSY_QUERIES).count() >= BUSY_HOURS
    }

    fn close_hour(&mut self) {
        if self.queries > 0 {
            self.hours.push_back(std::mem::take(&mut self.queries));
        }
        while self.hours.len() > HOURS {
            self.hours.pop_front();
        }
    }
}

/// Returns what to tell of a device that was silent for so long.
pub(super) fn draft(device: &Device, silence: i64) -> Draft {
    let (name, hours) = (&device.name, silence / HOUR);
    Draft {
        kind: NoticeKind::FellSilent,
        subject: format!("device {}", device.id.0),
        device: Some(device.id),
        title: format!("{name} may be bypassing: silent, yet on the network"),
        words: format!(
            "{name} used to ask busily and has asked nothing for {hours} hours, while the network \
             still sees it. It may be bypassing this resolver."
        ),
        items: Vec::new(),
        remedy: format!(
            "Look for Private DNS, a VPN or a DNS server set by hand on it. What it asked last: \
             deadpixel log -d {}",
            handle(device)
        ),
    }
}
