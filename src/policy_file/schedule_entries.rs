//! The check of schedules: their days, their hours, and what they set.

use jiff::civil::Weekday;
use toml::de::DeTable;

use super::{Any, Checker, PartForm, ScheduleForm, Text, has_key, names_of};
use crate::model::GroupName;
use crate::policy::{Days, Schedule, TimeRange};

const DAYS: [(&str, Days); 10] = [
    ("mon", Days::of(Weekday::Monday)),
    ("tue", Days::of(Weekday::Tuesday)),
    ("wed", Days::of(Weekday::Wednesday)),
    ("thu", Days::of(Weekday::Thursday)),
    ("fri", Days::of(Weekday::Friday)),
    ("sat", Days::of(Weekday::Saturday)),
    ("sun", Days::of(Weekday::Sunday)),
    ("weekdays", Days::WEEKDAYS),
    ("weekend", Days::WEEKEND),
    ("daily", Days::DAILY),
];

/// What a schedule may set.
const KEYS: [&str; 5] = ["level", "lists", "companies", "only_listed", "log"];

/// Most schedules of a policy.
const MOST: usize = 1_000;

/// Most ranges of a schedule.
const MOST_RANGES: usize = 48;

const DAYS_HELP: &str = "write days = [\"mon\", \"wed\"], \"weekdays\", \"weekend\" or \"daily\"";
const TIMES_HELP: &str = "write times = [\"21:00-07:00\"]";

impl<'t> Checker<'t, '_> {
    pub(super) fn schedules(&mut self, root: &DeTable<'t>) -> Vec<Schedule> {
        let forms: Vec<(_, ScheduleForm)> = self.reader.array(root, "schedule");
        let (devices, groups) = (names_of(root, "device"), names_of(root, "group"));
        let mut schedules = Vec::new();
        for (place, form) in forms {
            let days = self.days(form.days.as_ref());
            let times = self.times(&form);
            let whom = (form.device.as_ref(), form.group.as_ref());
            let scope = self.scope_of("schedule", whom, &devices, &groups);
            let ScheduleForm { name, level, lists, companies, log, only_listed, .. } = form;
            let part = self.part(&PartForm { level, lists, companies, log, only_listed });
            if !has_key(root, "schedule", &place, &KEYS) {
                self.sets_nothing(&name);
            }
            if schedules.len() == MOST {
                let message = format!("there are more than {MOST} schedules");
                let help = "put devices that keep the same hours into a group";
                self.problem(name.span(), &message, Some(help));
                break;
            }
            let Some(name) = self.schedule_name(&name) else { continue };
            let (Some(days), Some(times), Some(scope)) = (days, times, scope) else { continue };
            schedules.push(Schedule { name, scope, days, times, part });
        }
        schedules
    }

    /// A schedule's name is as a group's, and stands once.
    fn schedule_name(&mut self, text: &Text) -> Option<Box<str>> {
        let read = |text: &str| {
            GroupName::parse(text).map_err(|why| why.replace("no group name", "no schedule name"))
        };
        let name = self.parsed(text, read)?;
        let once = self.once(&format!("schedule {name}"), text.span());
        once.then(|| name.as_str().into())
    }

    fn sets_nothing(&mut self, name: &Text) {
        let message = format!("schedule `{}` sets nothing", name.get_ref());
        let help = "write level, lists, companies, only_listed or log";
        self.problem(name.span(), &message, Some(help));
    }

    fn days(&mut self, value: Option<&Any>) -> Option<Days> {
        let Some(value) = value else { return Some(Days::DAILY) };
        let words: Vec<&toml::Value> = match value.get_ref() {
            toml::Value::Array(words) => words.iter().collect(),
            word => vec![word],
        };
        let mut days: Option<Days> = None;
        for word in &words {
            let Some(text) = word.as_str() else {
                self.problem(value.span(), &format!("`{word}` is no day"), Some(DAYS_HELP));
                return None;
            };
            let read = self.word(text.trim(), value.span(), "day", &DAYS)?;
            days = Some(days.map_or(read, |days| days.with(read)));
        }
        if days.is_none() {
            let message = "a schedule without a day never counts";
            self.problem(value.span(), message, Some(DAYS_HELP));
        }
        days
    }

    fn times(&mut self, form: &ScheduleForm) -> Option<Vec<TimeRange>> {
        let Some(texts) = &form.times else { return Some(Vec::new()) };
        if texts.get_ref().is_empty() {
            let help = "leave `times` out for the whole day";
            self.problem(texts.span(), "a schedule without a time never counts", Some(help));
            return None;
        }
        if texts.get_ref().len() > MOST_RANGES {
            let message = format!("a schedule has more than {MOST_RANGES} ranges");
            self.problem(texts.span(), &message, None);
            return None;
        }
        let ranges = texts.get_ref().iter().map(|text| match parse_range(text.get_ref()) {
            Ok(range) => Some(range),
            Err((message, help)) => {
                self.problem(text.span(), &message, Some(help));
                None
            }
        });
        // All of them first, so that every problem is told.
        let ranges: Vec<Option<TimeRange>> = ranges.collect();
        ranges.into_iter().collect()
    }
}

/// Reads `21:00-07:00`; the error has its mend.
fn parse_range(text: &str) -> Result<TimeRange, (String, &'static str)> {
    let wrong = || (format!("`{text}` is no range of time"), TIMES_HELP);
    let (from, until) = text.split_once('-').ok_or_else(wrong)?;
    let (from, until) = (from.trim(), until.trim());
    if [from, until].contains(&"24:00") {
        let help = "write 00:00, or leave `times` out for the whole day";
        return Err((format!("`{text}`: a day has no 24:00"), help));
    }
    let range = TimeRange {
        from: minutes(from).ok_or_else(wrong)?,
        until: minutes(until).ok_or_else(wrong)?,
    };
    if range.from == range.until {
        let help = "leave `times` out for the whole day";
        return Err((format!("`{text}` is an empty range"), help));
    }
    Ok(range)
}

/// Reads `7:30` or `07:30`: minutes of the day.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.bytes().all(|octet| octet.is_ascii_digit());
    let plain = matches!(hour.len(), 1 | 2) && minute.len() == 2 && digits(hour) && digits(minute);
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (plain && hour < 24 && minute < 60).then_some(hour * 60 + minute)
}
