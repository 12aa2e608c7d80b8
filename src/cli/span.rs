//! Spans of time as people write them: `10m`, `2h`, `1d`, `tomorrow`.

use std::str::FromStr;

use jiff::{ToSpan, Zoned};

/// The hour of tomorrow at which `tomorrow` ends.
const MORNING: i8 = 8;

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// So many seconds.
    Seconds(u64),
    /// Until tomorrow at eight.
    Tomorrow,
}

impl Span {
    /// Returns its length from `now` on, in seconds.
    pub fn seconds(self, now: &Zoned) -> u64 {
        match self {
            Span::Seconds(seconds) => seconds,
            Span::Tomorrow => until_morning(now).unwrap_or(86_400),
        }
    }

    /// Reads a span that has a length of its own, so that one can look back by it.
    pub fn parse_length(text: &str) -> Result<u64, String> {
        match text.parse()? {
            Span::Seconds(seconds) => Ok(seconds),
            Span::Tomorrow => Err("write a time as 10m, 2h or 1d".into()),
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        if text == "tomorrow" {
            return Ok(Span::Tomorrow);
        }
        let wrong = || format!("`{text}` is no time; write 10m, 2h, 1d or tomorrow");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
        let factor = match unit {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(wrong()),
        };
        let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        seconds.filter(|&seconds| seconds > 0).map(Span::Seconds).ok_or_else(wrong)
    }
}

fn until_morning(now: &Zoned) -> Option<u64> {
    let day = now.date().checked_add(1.day()).ok()?;
    let morning = day.at(MORNING, 0, 0, 0).to_zoned(now.time_zone().clone()).ok()?;
    // Whole seconds on both sides, as the daemon counts them.
    u64::try_from(morning.timestamp().as_second() - now.timestamp().as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Span>().ok();
        assert_eq!(read("90s"), Some(Span::Seconds(90)));
        assert_eq!(read("10m"), Some(Span::Seconds(600)));
        assert_eq!(read("2h"), Some(Span::Seconds(7_200)));
        assert_eq!(read("1d"), Some(Span::Seconds(86_400)));
        for bad in
            ["", "m", "10", "0m", "-1h", "1w", "99999999999999999999s", "9999999999999999d", "1ü"]
        {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn tomorrow_is_eight_in_the_morning_wherever_one_is() {
        let evening: Zoned = "2026-03-28T20:00[Europe/Berlin]".parse().expect("a time");
        // That night the clocks go forward.
        assert_eq!(Span::Tomorrow.seconds(&evening), 11 * 3_600);
        let late: Zoned = "2026-11-21T20:00:00.9[UTC]".parse().expect("a time");
        assert_eq!(Span::Tomorrow.seconds(&late), 12 * 3_600);
        let night: Zoned = "2026-11-21T00:30[UTC]".parse().expect("a time");
        assert_eq!(Span::Tomorrow.seconds(&night), (31 * 60 + 30) * 60);
    }

    #[test]
    fn nobody_looks_back_to_tomorrow() {
        assert_eq!(Span::parse_length("2h"), Ok(7_200));
        assert!(Span::parse_length("tomorrow").is_err());
    }
}
