//! Schedules against an oracle that looks at every minute by itself.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{Days, Hours, Part, Schedule, TimeRange};
use crate::model::Scope;

/// Zones of all sorts: by an hour, by half an hour, over midnight, over a whole day, and none.
const ZONES: [&str; 10] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Atlantic/Azores",
    "UTC",
];

/// Days beside which clocks are set, or the year has a day more.
const DAYS: [&str; 14] = [
    "2026-03-29",
    "2026-10-25",
    "2026-03-08",
    "2026-11-01",
    "2026-04-05",
    "2026-10-04",
    "2018-11-04",
    "2018-02-18",
    "2011-12-30",
    "2024-02-29",
    "2028-02-29",
    "2026-02-15",
    "2026-03-22",
    "2025-12-31",
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn schedule(days: Days, times: &[(u16, u16)]) -> Schedule {
    let times = times.iter().map(|&(from, until)| TimeRange { from, until }).collect();
    let (name, scope, part) = ("s".into(), Scope::Everyone, Part::default());
    Schedule { name, scope, days, times, part }
}

const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// A schedule, and its days as bits, Monday first.
type WithDays = (Schedule, u8);

/// What a person with a calendar would say: the offset is the zone's, the rest is counted here.
fn oracle((schedule, days): &WithDays, zone: &TimeZone, unix: i64) -> bool {
    let instant = Timestamp::from_second(unix).expect("a time");
    let wall = unix + i64::from(zone.to_offset(instant).seconds());
    let (day, minute) = (wall.div_euclid(86_400), wall.rem_euclid(86_400) / 60);
    // The first of January 1970 was a Thursday.
    let is_day = |day: i64| days & (1 << (day + 3).rem_euclid(7)) != 0;
    let whole = [TimeRange { from: 0, until: 0 }];
    let ranges = if schedule.times.is_empty() { &whole[..] } else { &schedule.times };
    ranges.iter().any(|range| {
        let begin = i64::from(range.from);
        let end = i64::from(range.until) + if range.until <= range.from { 1_440 } else { 0 };
        let covers = |first: i64| {
            let minute = minute + (day - first) * 1_440;
            is_day(first) && minute >= begin && minute < end
        };
        covers(day) || covers(day - 1)
    })
}

fn any_schedule() -> impl Strategy<Value = WithDays> {
    let minute =
        || prop_oneof![0u16..1_440, 0u16..240, Just(0u16), (0u16..48).prop_map(|n| n * 30)];
    let times = prop::collection::vec((minute(), minute()), 0..4);
    (1u8..128, times).prop_map(|(days, times)| {
        let times: Vec<_> = times.into_iter().filter(|(from, until)| from != until).collect();
        let wanted = WEEK.iter().enumerate().filter(|(place, _)| days & (1 << place) != 0);
        let all = wanted.map(|(_, &day)| Days::of(day)).reduce(Days::with);
        (schedule(all.expect("a day at least"), &times), days)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_minute_around_a_shift_is_as_a_calendar_has_it(
        wanted in any_schedule(), zone_name in 0..ZONES.len(), day in 0..DAYS.len(),
    ) {
        let (schedule, zone) = (&wanted.0, zone(ZONES[zone_name]));
        let middle = at(&format!("{}T12:00:00Z", DAYS[day])).as_second();
        let first = middle - 2 * 86_400;
        let mut promised = first;
        let mut last = oracle(&wanted, &zone, first);
        for unix in (first..middle + 2 * 86_400).step_by(60) {
            let moment = Timestamp::from_second(unix).expect("a time");
            let expected = oracle(&wanted, &zone, unix);
            prop_assert_eq!(schedule.is_on(zone.to_datetime(moment)), expected, "{}", moment);
            prop_assert!(expected == last || unix == promised, "{} was not foretold", moment);
            if unix == promised {
                prop_assert!(unix == first || expected != last, "nothing changed at {}", moment);
                let next = schedule.next_change(&zone, moment).map(Timestamp::as_second);
                promised = next.unwrap_or(i64::MAX);
            }
            last = expected;
        }
    }

    #[test]
    fn the_next_change_is_the_same_from_any_moment_before_it(
        wanted in any_schedule(), zone_name in 0..ZONES.len(), day in 0..DAYS.len(),
        early in 0i64..86_400, late in 0i64..86_400,
    ) {
        let (schedule, zone) = (&wanted.0, zone(ZONES[zone_name]));
        let base = at(&format!("{}T00:00:00Z", DAYS[day])).as_second();
        let next = |unix| schedule.next_change(&zone, Timestamp::from_second(unix).expect("a time"));
        let (early, late) = (base + early.min(late), base + early.max(late));
        if let Some(change) = next(early).filter(|change| change.as_second() > late) {
            prop_assert_eq!(next(late), Some(change));
        }
    }
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    let night = schedule(Days::of(Weekday::Friday), &[(21 * 60, 7 * 60)]);
    let on = |text: &str| night.is_on(text.parse().expect("a date and time"));
    assert!(!on("2026-11-20T20:59:59") && on("2026-11-20T21:00"), "Friday evening");
    assert!(on("2026-11-21T06:59:59") && !on("2026-11-21T07:00"), "Saturday morning");
    assert!(!on("2026-11-20T06:00") && !on("2026-11-21T22:00"), "the nights beside it");
}

#[test]
fn a_range_from_within_the_gap_begins_at_its_end_and_an_hour_twice_counts_twice() {
    let berlin = zone("Europe/Berlin");
    let early = schedule(Days::DAILY, &[(2 * 60 + 30, 4 * 60)]);
    let next = |text| early.next_change(&berlin, at(text)).map(|at| at.to_string());
    assert_eq!(next("2026-03-29T00:00:00Z").as_deref(), Some("2026-03-29T01:00:00Z"));
    assert_eq!(next("2026-03-29T01:00:00Z").as_deref(), Some("2026-03-29T02:00:00Z"));
    let twice = schedule(Days::DAILY, &[(2 * 60 + 15, 2 * 60 + 45)]);
    let mut moment = at("2026-10-24T22:00:00Z");
    let mut seen = Vec::new();
    for _ in 0..4 {
        moment = twice.next_change(&berlin, moment).expect("it changes");
        seen.push(moment.to_string());
    }
    assert_eq!(
        seen,
        ["00:15", "00:45", "01:15", "01:45"].map(|time| format!("2026-10-25T{time}:00Z"))
    );
    let missed = schedule(Days::of(Weekday::Sunday), &[(2 * 60 + 15, 2 * 60 + 45)]);
    let next = missed.next_change(&berlin, at("2026-03-25T00:00:00Z")).map(|at| at.to_string());
    assert_eq!(next.as_deref(), Some("2026-04-05T00:15:00Z"), "left out once, so a week later");
}

#[test]
fn hours_are_past_at_the_next_change_and_when_the_clock_went_back() {
    let night = schedule(Days::DAILY, &[(21 * 60, 7 * 60)]);
    let noon = at("2026-11-22T12:00:00Z").as_second();
    let hours = Hours::at(&[night], &TimeZone::UTC, noon);
    let evening = noon + 9 * 3_600;
    assert_eq!((hours.next_change(), hours.on().count()), (Some(evening), 0));
    assert!(!hours.are_past(noon) && !hours.are_past(evening - 1));
    assert!(hours.are_past(evening) && hours.are_past(noon - 1));
    assert!(hours.are_past(noon + 365 * 86_400), "a clock that jumps by a year");
}

#[test]
fn what_always_counts_never_changes_and_no_clock_is_too_odd() {
    let always = schedule(Days::DAILY, &[]);
    for moment in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
        assert_eq!(always.next_change(&zone("Europe/Berlin"), moment), None, "{moment}");
        assert!(always.is_on(zone("Europe/Berlin").to_datetime(moment)));
    }
    for now in [i64::MIN, 0, i64::MAX] {
        assert_eq!(Hours::at(std::slice::from_ref(&always), &TimeZone::UTC, now).on().count(), 1);
    }
}
