//! `lists update`: fetches lists now, and shows how far that is.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use super::{Failure, Screen, Session, Style, bytes, count, escape, plural, print};
use crate::api::{ReceivedView, UpdateEvent, UpdateOutcome, UpdateRequest, paths};

/// Columns of a bar.
const BAR: u64 = 20;
/// Names that are shown of those that came, and of those that went.
const SHOWN: usize = 5;

/// Asks the daemon and prints what it tells.
pub async fn run(session: &Session, lists: &[String]) -> Result<(), Failure> {
    let request = UpdateRequest { lists: lists.to_vec() };
    let mut told = Told::new(session);
    let following = session.client.follow(paths::LIST_UPDATES, &request, |event| told.take(event));
    following.await?;
    told.end()
}

/// What was told so far, and how it is shown.
struct Told<'s> {
    session: &'s Session,
    /// Whether there is a line at the bottom that is drawn again and again.
    bar: bool,
    running: BTreeMap<String, ReceivedView>,
    ended: u64,
    missed: u64,
    failure: Option<String>,
}

impl Told<'_> {
    fn new(session: &Session) -> Told<'_> {
        let bar = !session.json && std::io::stdout().is_terminal();
        let (running, failure) = Default::default();
        Told { session, bar, running, ended: 0, missed: 0, failure }
    }

    fn take(&mut self, event: UpdateEvent) -> Result<(), Failure> {
        let shown = match self.session.json {
            true => json_line(&event)?,
            false => line(&event, &self.session.screen),
        };
        self.note(event);
        if !self.bar {
            return if shown.is_empty() { Ok(()) } else { print(&shown) };
        }
        let bars = bars(&self.running, self.session.screen.width.unwrap_or(80));
        print(&format!("\r\u{1b}[K{shown}{bars}"))
    }

    fn note(&mut self, event: UpdateEvent) {
        match event {
            UpdateEvent::Started { list, .. } => {
                self.running.insert(list, ReceivedView::default());
            }
            UpdateEvent::Received { list, progress } => {
                self.running.insert(list, progress);
            }
            UpdateEvent::Ended { list, outcome } => {
                self.running.remove(&list);
                self.ended += 1;
                let missed =
                    matches!(outcome, UpdateOutcome::Held { .. } | UpdateOutcome::Failed { .. });
                self.missed += u64::from(missed);
            }
            UpdateEvent::InForce => {}
            UpdateEvent::NotInForce { why } => self.failure = Some(why),
        }
    }

    fn end(self) -> Result<(), Failure> {
        if self.bar {
            // The last bar is gone already: what it told of has ended.
            std::io::stdout().flush()?;
        }
        if let Some(why) = self.failure {
            return Err(Failure::Failed(format!("the lists are not in force: {why}")));
        }
        if self.missed > 0 {
            let of = plural(self.ended, "list");
            return Err(Failure::Failed(format!("{} of {of} did not come in", self.missed)));
        }
        if self.ended == 0 && !self.session.json {
            return print("No list is fetched: the policy names none with an address.\n");
        }
        Ok(())
    }
}

/// Returns an event for programs; how far a download is, they need not know.
fn json_line(event: &UpdateEvent) -> Result<String, Failure> {
    if matches!(event, UpdateEvent::Received { .. }) {
        return Ok(String::new());
    }
    let json = serde_json::to_string(event).map_err(|why| Failure::Failed(why.to_string()))?;
    Ok(format!("{json}\n"))
}

/// Returns what a person is told of an event.
pub fn line(event: &UpdateEvent, screen: &Screen) -> String {
    let UpdateEvent::Ended { list, outcome } = event else {
        return match event {
            UpdateEvent::Started { list, host } => {
                let text = format!("{}: asking {}", escape(list), escape(host));
                format!("{}\n", screen.paint(Style::Faint, &text))
            }
            UpdateEvent::InForce => "The lists are in force.\n".into(),
            _ => String::new(),
        };
    };
    let list = escape(list);
    match outcome {
        UpdateOutcome::Unchanged => format!("{list}: nothing new\n"),
        UpdateOutcome::Changed { version, added, removed, came, went } => {
            let counts = match (added, removed) {
                (0, 0) => "no other names".into(),
                (added, removed) => {
                    format!("{} came, {} went", count((*added).into()), count((*removed).into()))
                }
            };
            let came = names("+", came, *added);
            let went = names("-", went, *removed);
            format!("{list}: version {version}, {counts}\n{came}{went}")
        }
        UpdateOutcome::Held { why } => {
            let why = format!("held back: {}", escape(why));
            format!("{list}: {}\n", screen.paint(Style::Failed, &why))
        }
        UpdateOutcome::Failed { why } => {
            let why = format!("not fetched: {}", escape(why));
            format!("{list}: {}\n", screen.paint(Style::Failed, &why))
        }
    }
}

fn names(sign: &str, names: &[String], all: u32) -> String {
    let shown = names.iter().take(SHOWN).map(|name| format!("  {sign} {}\n", escape(name)));
    let mut text: String = shown.collect();
    let more = u64::from(all).saturating_sub(names.len().min(SHOWN) as u64);
    if more > 0 && !text.is_empty() {
        text.push_str(&format!("  {sign} and {} more\n", count(more)));
    }
    text
}

/// Returns one line of all downloads, in at most `width` columns.
fn bars(running: &BTreeMap<String, ReceivedView>, width: usize) -> String {
    let bars: Vec<String> = running.iter().map(|(list, far)| bar(list, *far)).collect();
    // A line that wraps could not be drawn over.
    bars.join("  ").chars().take(width.saturating_sub(1)).collect()
}

fn bar(list: &str, far: ReceivedView) -> String {
    let list = escape(list);
    let received = bytes(far.received);
    match far.expected.filter(|expected| *expected > 0) {
        None => format!("{list} {received}"),
        Some(expected) => {
            let done = far.received.min(expected).saturating_mul(BAR) / expected;
            let (done, left) = (done as usize, (BAR - done) as usize);
            let expected = bytes(expected);
            format!("{list} [{}{}] {received} of {expected}", "=".repeat(done), " ".repeat(left))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen() -> Screen {
        Screen {
            width: None,
            colour: false,
            now: jiff::Timestamp::UNIX_EPOCH,
            zone: jiff::tz::TimeZone::UTC,
        }
    }

    fn ended(outcome: UpdateOutcome) -> UpdateEvent {
        UpdateEvent::Ended { list: "oisd".into(), outcome }
    }

    #[test]
    fn what_came_and_went_is_told_with_its_first_names() {
        let names = |range: std::ops::Range<u32>| range.map(|n| format!("n{n}.example")).collect();
        let outcome = UpdateOutcome::Changed {
            version: 7,
            added: 1_200,
            removed: 1,
            came: names(0..100),
            went: names(9..10),
        };
        let text = line(&ended(outcome), &screen());
        let expected = "oisd: version 7, 1,200 came, 1 went\n  + n0.example\n  + n1.example\n  \
                        + n2.example\n  + n3.example\n  + n4.example\n  + and 1,195 more\n  \
                        - n9.example\n";
        assert_eq!(text, expected);
        assert_eq!(line(&ended(UpdateOutcome::Unchanged), &screen()), "oisd: nothing new\n");
    }

    #[test]
    fn what_did_not_come_in_is_told_with_the_reason_made_harmless() {
        let held = UpdateOutcome::Held { why: "it is a web page\u{1b}[2J".into() };
        let text = line(&ended(held), &screen());
        assert!(text.starts_with("oisd: held back: it is a web page"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let failed = UpdateOutcome::Failed { why: "the server answers 404 (Not Found)".into() };
        assert!(line(&ended(failed), &screen()).contains("not fetched: the server answers 404"));
    }

    #[test]
    fn downloads_share_one_line_that_does_not_wrap() {
        let far = |received, expected| ReceivedView { received, expected };
        let mut running = BTreeMap::from([("a".to_string(), far(1 << 20, Some(4 << 20)))]);
        assert_eq!(
            bars(&running, 80),
            format!("a [=====               ] {} of {}", bytes(1 << 20), bytes(4 << 20))
        );
        running.insert("b".into(), far(2_000, None));
        assert!(bars(&running, 200).ends_with(&format!("b {}", bytes(2_000))));
        assert_eq!(bars(&running, 40).chars().count(), 39);
        running.insert("c".into(), far(9, Some(3)));
        assert!(
            bars(&running, 200).contains(&format!("[{}]", "=".repeat(20))),
            "more than promised"
        );
    }
}
