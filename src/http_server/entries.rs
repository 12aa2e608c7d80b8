//! Events of the log as the API shows them, and places in it as opaque cursors.

use super::{App, Snapshot};
use crate::api::{Gap, LogEntry, ProblemDocument, ProblemKind, timestamp};
use crate::model::DeviceId;
use crate::query_log::{Cursor, Entry, Gap as LostSpan};

/// Turns events into what the API shows.
pub struct EntryViews {
    upstreams: Vec<String>,
}

impl EntryViews {
    /// Reads the names of the upstreams.
    pub fn of(app: &App) -> EntryViews {
        let names = app.parts.upstreams.status().into_iter().map(|upstream| upstream.name);
        EntryViews { upstreams: names.collect() }
    }

    /// Shows one event.
    pub fn show(&self, entry: Entry, snapshot: &Snapshot) -> LogEntry {
        let device = snapshot.device(entry.cursor.device);
        LogEntry {
            cursor: write_cursor(entry.cursor),
            time: timestamp(entry.cursor.at),
            device_id: device.map_or(entry.cursor.device, |device| device.id).0,
            device: device.map_or_else(|| entry.client.clone(), |device| device.name.clone()),
            client: entry.client,
            name: entry.name,
            query_type: entry.query_type,
            outcome: entry.outcome,
            would_block: entry.would_block,
            reason: entry.reason,
            lists: entry.lists,
            alias: entry.alias,
            company: entry.company.map(|slug| snapshot.company(&slug)),
            tracking: entry.tracking,
            attempt: entry.attempt,
            answered_by: self.answerer(&entry.answered_by),
            response_code: response_code(entry.response_code),
            duration_micros: entry.duration,
        }
    }

    fn answerer(&self, text: &str) -> String {
        let number = text.strip_prefix("upstream ").and_then(|number| number.parse().ok());
        let name = number.and_then(|number: usize| self.upstreams.get(number));
        name.map_or(text, String::as_str).into()
    }
}

/// Shows a time in which events were lost.
pub fn gap_view(gap: LostSpan) -> Gap {
    Gap { from: timestamp(gap.from), until: timestamp(gap.until), lost: gap.lost }
}

/// Writes a place in the log for whoever comes back with it.
pub fn write_cursor(cursor: Cursor) -> String {
    format!("{}-{}", cursor.at, cursor.device.0)
}

/// Reads what `write_cursor` wrote.
pub fn read_cursor(field: &str, text: &str) -> Result<Cursor, ProblemDocument> {
    let parts = text.split_once('-');
    let read = parts.and_then(|(at, device)| {
        Some(Cursor { at: at.parse().ok()?, device: DeviceId(device.parse().ok()?) })
    });
    read.ok_or_else(|| {
        let detail = format!("`{field}` is no place in the log; give one that a page named");
        ProblemDocument::new(ProblemKind::InvalidInput, detail).field(field)
    })
}

fn response_code(code: u16) -> String {
    let name = match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        other => return format!("RCODE{other}"),
    };
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_were_given() {
        let cursor = Cursor { at: 1_763_755_200_000_000, device: DeviceId(3) };
        assert_eq!(read_cursor("before", &write_cursor(cursor)), Ok(cursor));
        for bad in ["", "1", "-", "1-x", "1-2-3", "99999999999999999999-1"] {
            assert!(read_cursor("before", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_upstream_is_shown_by_its_name() {
        let views = EntryViews { upstreams: vec!["https://dns.example/dns-query".into()] };
        assert_eq!(views.answerer("upstream 0"), "https://dns.example/dns-query");
        assert_eq!(views.answerer("upstream 7"), "upstream 7");
        assert_eq!(views.answerer("cache"), "cache");
    }
}
