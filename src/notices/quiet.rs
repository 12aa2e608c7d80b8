//! Devices that were busy, ask no more, and are still there.

use std::collections::{HashMap, VecDeque};

use super::watch::handle;
use super::{DAY, Draft, HOUR, NoticeKind};
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

/// For so long the habits of a device are learned first.
const LEARNING: i64 = 2 * DAY;

/// What a device was silent for and then asked again counts up to this.
const LONGEST: i64 = 3 * DAY;

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
    /// When it asked first.
    since: i64,
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
            since: passed,
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
        let learning = passed.saturating_sub(self.since) < LEARNING;
        if self.told || learning || !long || self.looked < MINUTES || !reachable || !self.is_there()
        {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notices::MINUTE;

    /// Numbers without a pattern that a watcher could lean on; the same in every run.
    struct Dice(u64);

    impl Dice {
        fn percent(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % 100
        }
    }

    /// What a device does in one minute: queries, and whether the kernel hears of it.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Nature {
        /// Awake by day with pauses, seen now and then at night.
        Phone,
        /// On in the evening; in standby it shows itself every few minutes.
        Tv,
        /// In standby it keeps the network up and asks nothing.
        WakefulTv,
        /// Closed half of the day: gone.
        Laptop,
        /// Streams for up to an hour and a half without asking.
        Streamer,
        /// Asks a little all day.
        Sensor,
    }

    const DAYS: i64 = 28;
    const BYPASS_DAY: i64 = 14;
    const BYPASS_HOUR: i64 = 10;

    fn live(nature: Nature, minute: i64, dice: &mut Dice) -> (u32, bool) {
        let (hour, of_hour) = (minute / 60 % 24, minute % 60);
        let (one, two) = (dice.percent(), dice.percent());
        let asks = |chance: u64, queries: u32| if one < chance { queries } else { 0 };
        match nature {
            Nature::Phone if (7..23).contains(&hour) && hour != 13 => (asks(40, 5), two < 97),
            Nature::Phone => (asks(0, 0), two < 10),
            Nature::Tv if (18..23).contains(&hour) => (asks(50, 4), true),
            Nature::Tv => (0, of_hour % 7 < 2),
            Nature::WakefulTv if (18..23).contains(&hour) => (asks(50, 4), true),
            Nature::WakefulTv => (0, two < 99),
            Nature::Laptop if (9..17).contains(&hour) => (asks(60, 8), two < 98),
            Nature::Laptop => (0, false),
            Nature::Streamer if (17..23).contains(&hour) && (minute / 90) % 2 == 0 => (0, true),
            Nature::Streamer if (8..23).contains(&hour) => (asks(50, 5), true),
            Nature::Streamer => (0, two < 20),
            Nature::Sensor => (asks(8, 1), two < 95),
        }
    }

    /// Returns the minutes at which each device was told of; `bypassing` ones ask nothing any more
    /// from the 15th day on, and stay on the network as before.
    fn simulate(devices: &[(Nature, bool)]) -> Vec<Vec<i64>> {
        let mut quiet = Quiet::default();
        let mut dice = Dice(7);
        let mut told = vec![Vec::new(); devices.len()];
        for minute in 0..DAYS * 24 * 60 {
            for (number, &(nature, bypassing)) in devices.iter().enumerate() {
                let (queries, reachable) = live(nature, minute, &mut dice);
                let gone = bypassing && minute >= (BYPASS_DAY * 24 + BYPASS_HOUR) * 60;
                let queries = if gone { 0 } else { queries };
                let id = DeviceId(number as u32);
                if quiet.minute(id, queries, reachable, minute * MINUTE).is_some() {
                    told[number].push(minute);
                }
            }
        }
        told
    }

    #[test]
    fn whoever_sleeps_is_never_told_of_and_whoever_leaves_is() {
        use Nature::{Laptop, Phone, Sensor, Streamer, Tv, WakefulTv};
        let natures = [Phone, Phone, Phone, Tv, Tv, WakefulTv, Laptop, Laptop, Streamer, Sensor];
        let home: Vec<(Nature, bool)> = natures
            .into_iter()
            .map(|nature| (nature, false))
            .chain([Phone, Laptop, Streamer].map(|nature| (nature, true)))
            .collect();
        let told = simulate(&home);
        let begin = (BYPASS_DAY * 24 + BYPASS_HOUR) * 60;
        let (mut wrong, mut found) = (0, 0);
        for ((nature, bypassing), minutes) in home.iter().zip(&told) {
            if *bypassing {
                let after = minutes.first().map(|minute| minute - begin);
                println!("{nature:?} that left: told after {after:?} minutes");
                wrong += minutes.iter().filter(|&&minute| minute < begin).count();
                found += usize::from(after.is_some_and(|after| (100..=24 * 60).contains(&after)));
            } else {
                println!("{nature:?}: {} wrong notices", minutes.len());
                wrong += minutes.len();
            }
        }
        println!("{} device-days: {wrong} wrong, {found} of 3 found", home.len() as i64 * DAYS);
        assert_eq!((wrong, found), (0, 3));
    }

    /// Lets a device ask for three days, eight hours each, then fall silent but for what is seen.
    fn silent_after_work(per_minute: u32, reachable: impl Fn(i64) -> bool) -> Vec<i64> {
        let mut quiet = Quiet::default();
        let mut told = Vec::new();
        for minute in 0..5 * 24 * 60 {
            let works = minute / 60 % 24 < 8 && minute < 3 * 24 * 60 - 16 * 60;
            let (queries, seen) = if works { (per_minute, true) } else { (0, reachable(minute)) };
            let silence = quiet.minute(DeviceId(1), queries, seen, minute * MINUTE);
            told.extend(silence.map(|_| minute));
        }
        told
    }

    #[test]
    fn only_what_was_busy_and_is_seen_all_the_time_is_told_of() {
        let stays = |minute: i64| minute >= 2 * 24 * 60;
        assert_eq!(silent_after_work(2, stays).len(), 1, "once");
        assert_eq!(silent_after_work(0, stays), [0_i64; 0], "it never asked");
        assert_eq!(silent_after_work(2, |_| false), [0_i64; 0], "it is gone");
        assert_eq!(silent_after_work(2, |minute| minute % 5 < 2), [0_i64; 0], "it sleeps");
        let always = silent_after_work(2, |_| true);
        let after = always.first().map(|told| told - (2 * 24 + 8) * 60);
        assert!(after > Some(30 * 60), "twice as long as its nights, in which it was seen too");
    }

    #[test]
    fn lost_queries_begin_every_silence_anew() {
        let mut quiet = Quiet::default();
        for minute in 0..3 * 24 * 60 {
            let works = minute / 60 % 24 < 20;
            quiet.minute(DeviceId(1), u32::from(works), works, minute * MINUTE);
        }
        let from = 3 * 24 * 60;
        for minute in from..from + 60 {
            quiet.minute(DeviceId(1), 1, true, minute * MINUTE);
        }
        for minute in from + 60..from + 60 + 24 * 60 {
            if minute % 60 == 0 {
                quiet.begin_anew(minute * MINUTE);
            }
            assert_eq!(quiet.minute(DeviceId(1), 0, true, minute * MINUTE), None);
        }
    }
}
