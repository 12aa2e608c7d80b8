//! The zone by which schedules are read.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::Settings;
use crate::diagnostic::nearest;

/// The zone of schedules; nothing else uses one.
#[derive(Clone, Debug)]
pub struct Zone {
    /// The zone.
    pub zone: TimeZone,
    /// Where it comes from.
    pub source: ZoneSource,
}

/// Where the zone of schedules comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneSource {
    /// `time_zone` in config.toml.
    Config,
    /// The system's clock.
    System,
    /// Nowhere: the system has none, so it is UTC.
    Missing,
}

impl Zone {
    /// Returns the zone that config.toml names, else the system's.
    ///
    /// The error is what is wrong, and the mend if there is one.
    pub fn of(settings: &Settings) -> Result<Zone, (String, Option<String>)> {
        let name = settings.time_zone.trim();
        if name.is_empty() {
            return Ok(Zone::of_system());
        }
        // A system may have fewer zones than the table in the program, or none.
        let found = TimeZone::get(name).or_else(|_| TimeZoneDatabase::bundled().get(name));
        let zone = found.ok().filter(|zone| !zone.is_unknown());
        let source = ZoneSource::Config;
        let zone = zone.ok_or_else(|| (format!("there is no time zone `{name}`"), like(name)))?;
        Ok(Zone { zone, source })
    }

    fn of_system() -> Zone {
        match TimeZone::try_system().ok().filter(|zone| !zone.is_unknown()) {
            Some(zone) => Zone { zone, source: ZoneSource::System },
            None => Zone { zone: TimeZone::UTC, source: ZoneSource::Missing },
        }
    }

    /// Returns its name; a system may give its zone without one.
    pub fn name(&self) -> &str {
        self.zone.iana_name().unwrap_or("unnamed")
    }

    /// Returns whether it never differs from UTC by name.
    pub fn is_utc(&self) -> bool {
        self.zone == TimeZone::UTC || matches!(self.name(), "UTC" | "Etc/UTC" | "Etc/UCT")
    }
}

impl ZoneSource {
    /// Returns where it comes from, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            ZoneSource::Config => "config.toml",
            ZoneSource::System => "the system",
            ZoneSource::Missing => "the system has none",
        }
    }
}

/// Returns what may be meant: the zone of that city, or one that is written alike.
fn like(name: &str) -> Option<String> {
    let zones: Vec<String> =
        TimeZoneDatabase::bundled().available().map(|zone| zone.to_string()).collect();
    let city = |zone: &&String| {
        zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name))
    };
    let same_city = zones.iter().find(city).map(|zone| format!("did you mean `{zone}`?"));
    same_city.or_else(|| nearest(name, zones.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Result<Zone, (String, Option<String>)> {
        Zone::of(&Settings { time_zone: name.into() })
    }

    #[test]
    fn a_zone_is_found_by_its_name_and_told_with_its_source() {
        let berlin = of(" Europe/Berlin ").expect("a zone");
        assert_eq!((berlin.name(), berlin.source), ("Europe/Berlin", ZoneSource::Config));
        assert!(!berlin.is_utc() && of("UTC").expect("a zone").is_utc());
        assert_ne!(of("").expect("there is always one").source, ZoneSource::Config);
    }

    #[test]
    fn a_zone_that_does_not_exist_is_told_with_the_one_that_is_meant() {
        let help = |name| of(name).expect_err("no zone").1;
        assert_eq!(help("Europe/Berlni").as_deref(), Some("did you mean `Europe/Berlin`?"));
        assert_eq!(help("berlin").as_deref(), Some("did you mean `Europe/Berlin`?"));
        assert_eq!(help("Etc/Unknown"), help("Etc/Unknown"));
        assert_eq!(of("x").expect_err("no zone").0, "there is no time zone `x`");
    }

    #[test]
    fn the_table_in_the_program_knows_the_rules_of_zones() {
        let berlin = TimeZoneDatabase::bundled().get("Europe/Berlin").expect("a zone");
        let summer = "2026-07-01T12:00:00Z".parse().expect("a time");
        assert_eq!(berlin.to_offset(summer).seconds(), 7_200);
    }
}
