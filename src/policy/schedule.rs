//! Schedules: when a part of the policy counts, by the clock on the wall; pure.

use std::collections::BTreeMap;

use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

use super::Part;
use crate::model::Scope;

/// Days looked ahead for the next change: two weeks, since a clock set forward may leave out a
/// range that comes once a week, and a day on each side.
const AHEAD: i32 = 16;

/// Part of a policy that counts at some hours of some days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: Box<str>,
    /// Whom it binds.
    pub scope: Scope,
    /// On which days its ranges begin.
    pub days: Days,
    /// Its ranges; none: the whole day.
    pub times: Vec<TimeRange>,
    /// What it sets.
    pub part: Part,
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(u8);

/// A range of wall-clock time, its end not included.
///
/// One that does not end after it begins goes over midnight and belongs to the day of its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// Minutes of the day at which it begins.
    pub from: u16,
    /// Minutes of the day at which it ends.
    pub until: u16,
}

/// How all schedules stand at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    /// When that was, seconds since 1970.
    at: i64,
    /// By name.
    states: BTreeMap<Box<str>, ScheduleState>,
}

/// How a schedule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleState {
    /// Whether it counts.
    pub on: bool,
    /// When that changes, seconds since 1970; `None`: not within two weeks.
    pub next_change: Option<i64>,
}

impl Days {
    /// Every day.
    pub const DAILY: Days = Days(0b111_1111);
    /// Monday to Friday.
    pub const WEEKDAYS: Days = Days(0b001_1111);
    /// Saturday and Sunday.
    pub const WEEKEND: Days = Days(0b110_0000);

    /// Returns a single day.
    pub const fn of(day: Weekday) -> Days {
        Days(1 << (day as i8 - Weekday::Monday as i8))
    }

    /// Returns the days of both.
    pub fn with(self, other: Days) -> Days {
        Days(self.0 | other.0)
    }

    /// Returns whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has(self, day: Weekday) -> bool {
        self.0 & Days::of(day).0 != 0
    }
}

impl TimeRange {
    const WHOLE_DAY: TimeRange = TimeRange { from: 0, until: 0 };

    fn is_over_midnight(self) -> bool {
        self.until <= self.from
    }
}

impl Schedule {
    /// Returns whether it counts when the clock on the wall shows `now`.
    ///
    /// The clock alone decides: an hour that comes twice counts twice, and a range that begins in
    /// an hour left out begins with the first minute after it.
    pub fn is_on(&self, now: DateTime) -> bool {
        let minute = minute_of(now.time());
        let today = self.days.has(now.date().weekday());
        let yesterday = self.days.has(now.date().weekday().previous());
        self.ranges().iter().any(|range| {
            if range.is_over_midnight() {
                today && minute >= range.from || yesterday && minute < range.until
            } else {
                today && (range.from..range.until).contains(&minute)
            }
        })
    }

    /// Returns when that it counts, or does not, changes after `now`.
    pub fn next_change(&self, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        let on = self.is_on(zone.to_datetime(now));
        let changes = |at: &Timestamp| self.is_on(zone.to_datetime(*at)) != on;
        let mut moments = self.moments(zone, now);
        moments.sort_unstable();
        moments.into_iter().filter(|at| *at > now).find(changes)
    }

    /// Returns all moments at which anything can change, within the days looked ahead.
    fn moments(&self, zone: &TimeZone, now: Timestamp) -> Vec<Timestamp> {
        let Ok(first) = zone.to_datetime(now).date().yesterday() else { return Vec::new() };
        let days = (0..=AHEAD + 2).map_while(|day| first.checked_add(Span::new().days(day)).ok());
        let ranges = self.ranges();
        let minutes = ranges.iter().flat_map(|range| [range.from, range.until]);
        let mut moments: Vec<Timestamp> = days
            .flat_map(|day| minutes.clone().map(move |minute| day.to_datetime(time_of(minute))))
            .flat_map(|at| instants(zone, at))
            .collect();
        let horizon = now.checked_add(Span::new().hours(24 * AHEAD)).unwrap_or(Timestamp::MAX);
        let shifts = zone.following(now).map(|shift| shift.timestamp());
        moments.extend(shifts.take_while(|at| *at <= horizon));
        moments
    }

    fn ranges(&self) -> &[TimeRange] {
        if self.times.is_empty() { &[TimeRange::WHOLE_DAY] } else { &self.times }
    }
}

impl Hours {
    /// Works out how schedules stand at `now`, seconds since 1970.
    pub fn at(schedules: &[Schedule], zone: &TimeZone, now: i64) -> Hours {
        let moment = Timestamp::from_second(now).unwrap_or(Timestamp::MAX);
        let state = |schedule: &Schedule| {
            let on = schedule.is_on(zone.to_datetime(moment));
            let next_change = schedule.next_change(zone, moment).map(Timestamp::as_second);
            (schedule.name.clone(), ScheduleState { on, next_change })
        };
        Hours { at: now, states: schedules.iter().map(state).collect() }
    }

    /// Returns whether they must be worked out anew at `now`: time went on far enough, or back.
    pub fn are_past(&self, now: i64) -> bool {
        now < self.at || self.next_change().is_some_and(|next| next <= now)
    }

    /// Returns when the first schedule changes, seconds since 1970.
    pub fn next_change(&self) -> Option<i64> {
        self.states.values().filter_map(|state| state.next_change).min()
    }

    /// Returns how the schedule of a name stands.
    pub fn state(&self, name: &str) -> Option<&ScheduleState> {
        self.states.get(name)
    }

    /// Returns the names of schedules that count.
    pub fn on(&self) -> impl Iterator<Item = &str> {
        self.states.iter().filter(|(_, state)| state.on).map(|(name, _)| &**name)
    }
}

fn minute_of(time: Time) -> u16 {
    // A time has no negative parts.
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

fn time_of(minute: u16) -> Time {
    let part = |number: u16| i8::try_from(number).unwrap_or(0);
    Time::new(part(minute / 60), part(minute % 60), 0, 0).unwrap_or(Time::MIN)
}

/// Returns the instants at which a wall clock shows a time: two where it was set back, and the end
/// of the gap where it was set forward over it.
fn instants(zone: &TimeZone, at: DateTime) -> Vec<Timestamp> {
    let offsets = match zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset } => vec![offset],
        // The clock never shows it; the shift itself is among the moments.
        AmbiguousOffset::Gap { .. } => Vec::new(),
        AmbiguousOffset::Fold { before, after } => vec![before, after],
    };
    offsets.into_iter().filter_map(|offset| offset.to_timestamp(at).ok()).collect()
}
