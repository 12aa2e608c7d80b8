//! What is written on: how wide it is, whether it has colour, what time it is there.

use std::io::IsTerminal;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{width, wrap};

/// The columns of a terminal that does not say, or has too few for a table.
const USUAL_WIDTH: usize = 80;

/// A terminal, or a pipe.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Columns; none: lines may be as long as they are.
    pub width: Option<usize>,
    /// Whether colours may be used.
    pub colour: bool,
    /// The time.
    pub now: Timestamp,
    /// The zone in which times are shown.
    pub zone: TimeZone,
}

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// It does not.
    #[default]
    Plain,
    /// The heading of a table, a side remark.
    Faint,
    /// The one thing to look at.
    Strong,
    /// Blocked: good news.
    Blocked,
    /// A tracking attempt that got through.
    GotThrough,
    /// It failed.
    Failed,
}

impl Screen {
    /// Looks at standard output. Where it is no terminal, nothing is cut unless `COLUMNS` is set.
    pub fn of_process() -> Screen {
        let terminal = std::io::stdout().is_terminal();
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let size = || rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let measured =
            || size().map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0);
        let columns = columns.or_else(|| measured().filter(|_| terminal));
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Screen {
            width: columns.filter(|&columns| columns >= 40).or(terminal.then_some(USUAL_WIDTH)),
            colour: terminal && !no_colour && !dumb,
            now: Timestamp::now(),
            zone: TimeZone::system(),
        }
    }

    /// Returns the time where the screen stands.
    pub fn local_now(&self) -> Zoned {
        self.now.to_zoned(self.zone.clone())
    }

    /// Returns text in a style.
    pub fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            _ if !self.colour || text.is_empty() => return text.into(),
            Style::Plain => return text.into(),
            Style::Faint => "2",
            Style::Strong => "1",
            Style::Blocked => "36",
            Style::GotThrough => "33",
            Style::Failed => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Returns how long ago a time was, in its largest unit: `2 min ago`.
    pub fn ago(&self, time: Timestamp) -> String {
        let seconds = self.now.as_second() - time.as_second();
        match seconds {
            ..2 => "now".into(),
            2..60 => format!("{seconds} s ago"),
            60..3_600 => format!("{} min ago", seconds / 60),
            3_600..172_800 => format!("{} h ago", seconds / 3_600),
            _ => format!("{} days ago", seconds / 86_400),
        }
    }

    /// Returns a time of day to the minute, with the day where it is another.
    pub fn clock(&self, time: Timestamp) -> String {
        self.stamp(time, "%H:%M")
    }

    /// Returns a time of day to the second, with the day where it is another.
    pub fn clock_seconds(&self, time: Timestamp) -> String {
        self.stamp(time, "%H:%M:%S")
    }

    fn stamp(&self, time: Timestamp, format: &str) -> String {
        let local = time.to_zoned(self.zone.clone());
        let clock = local.strftime(format);
        let today = self.local_now().date();
        if local.date() == today {
            clock.to_string()
        } else if local.year() == today.year() {
            format!("{} {clock}", local.strftime("%b %-d"))
        } else {
            format!("{} {clock}", local.strftime("%Y-%m-%d"))
        }
    }
}

/// Returns a length of time in the two units that matter: `1 h 30 min`.
pub fn length(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds % 86_400 / 3_600);
    let (minutes, rest) = (seconds % 3_600 / 60, seconds % 60);
    let units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")];
    let told = units.iter().skip_while(|(number, _)| *number == 0).take(2);
    let told = told.filter(|(number, _)| *number > 0);
    told.map(|(number, unit)| format!("{number} {unit}")).collect::<Vec<String>>().join(" ")
}

/// Returns lines of a label and what it says, wrapped to the screen.
pub fn fields(fields: &[(&str, String)], screen: &Screen) -> String {
    let widest = fields.iter().map(|(label, _)| width(label)).max().unwrap_or(0);
    let line = |(label, text): &(&str, String)| {
        let label = screen.paint(Style::Faint, &format!("{label:<widest$}"));
        format!("  {label}  {}\n", wrap(text, widest + 4, screen.width))
    };
    fields.iter().filter(|(_, text)| !text.is_empty()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen() -> Screen {
        Screen {
            width: Some(80),
            colour: true,
            now: "2026-11-21T14:22:00Z".parse().expect("a time"),
            zone: TimeZone::UTC,
        }
    }

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn times_are_told_relative_to_now() {
        let ago = |text| screen().ago(time(text));
        assert_eq!(ago("2026-11-21T14:21:59Z"), "now");
        assert_eq!(ago("2026-11-21T14:30:00Z"), "now", "a clock that was set back");
        assert_eq!(ago("2026-11-21T14:21:12Z"), "48 s ago");
        assert_eq!(ago("2026-11-21T14:19:00Z"), "3 min ago");
        assert_eq!(ago("2026-11-21T13:02:00Z"), "1 h ago");
        assert_eq!(ago("2026-11-21T11:22:00Z"), "3 h ago");
        assert_eq!(ago("2026-11-18T11:22:00Z"), "3 days ago");
    }

    #[test]
    fn lengths_are_told_in_two_units() {
        let lengths = [1, 60, 119, 600, 3_600, 5_430, 86_400, 180_000].map(length);
        let expected =
            ["1 s", "1 min", "1 min 59 s", "10 min", "1 h", "1 h 30 min", "1 d", "2 d 2 h"];
        assert_eq!(lengths, expected);
    }

    #[test]
    fn another_day_is_named() {
        assert_eq!(screen().clock(time("2026-11-21T08:05:00Z")), "08:05");
        assert_eq!(screen().clock_seconds(time("2026-11-20T08:05:09Z")), "Nov 20 08:05:09");
        assert_eq!(screen().clock(time("2025-01-02T08:05:00Z")), "2025-01-02 08:05");
    }

    #[test]
    fn without_colour_text_is_only_text() {
        assert_eq!(screen().paint(Style::Blocked, "blocked"), "\u{1b}[36mblocked\u{1b}[0m");
        let plain = Screen { colour: false, ..screen() };
        assert_eq!(plain.paint(Style::Blocked, "blocked"), "blocked");
    }
}
