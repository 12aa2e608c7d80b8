//! Who tried to track whom in the last 24 hours.

use axum::extract::State;

use super::{
    Answer, App, Params, Purposes, Shared, Snapshot, find_device, gap_view, rows_of, tally_of,
};
use crate::api::{ProblemDocument, Who, WhoParams, WhoRow, timestamp};
use crate::model::{DeviceId, Outcome};
use crate::query_log::{Filter, Total};

/// Rows for which it is looked up why something got through.
const EXPLAINED_ROWS: usize = 16;

/// Rows that are shown at most; the rest is counted.
const MOST_ROWS: usize = 5_000;

/// Answers `GET`.
pub async fn show(State(app): State<Shared>, Params(params): Params<WhoParams>) -> Answer<Who> {
    app.work(move |app| report(app, &params)).await
}

fn report(app: &App, params: &WhoParams) -> Result<Who, ProblemDocument> {
    app.parts.log.flush();
    let snapshot = Snapshot::of(app);
    let identify = |address| app.parts.devices.identify(address).map(|binding| binding.device);
    let device = match &params.device {
        Some(text) => Some(find_device(text, &snapshot.devices, identify)?),
        None => None,
    };
    let (from, until) = snapshot.last_day();
    let mut totals = snapshot.totals(app, from, until)?;
    totals.retain(|total| device.is_none_or(|device| device.id == total.device));
    let seen = device.map(|device| device.last_seen).filter(|&seen| seen > 0);
    let rows = company_rows(app, &snapshot, &totals)?;
    let all = totals.iter().filter(|total| total.attempts > 0).count();
    Ok(Who {
        from: timestamp(from),
        until: timestamp(snapshot.now.wall),
        device: device.map(|device| snapshot.brief(device)),
        last_query: seen.map(timestamp),
        total: tally_of(totals.iter()),
        more: all - rows.len(),
        rows,
        gaps: app.parts.log.gaps(from, until)?.into_iter().map(gap_view).collect(),
    })
}

/// Returns rows with the reason why the latest attempt that got through did.
pub fn company_rows(
    app: &App,
    snapshot: &Snapshot,
    totals: &[Total],
) -> Result<Vec<WhoRow>, ProblemDocument> {
    let (from, until) = snapshot.last_day();
    let purposes = Purposes::of(app.parts.log.top_names(from, until)?, snapshot);
    let mut rows = rows_of(totals, MOST_ROWS, snapshot, &purposes);
    for row in rows.iter_mut().filter(|row| row.allowed > 0).take(EXPLAINED_ROWS) {
        let slug = row.company.as_ref().map_or("unattributed", |company| &company.slug);
        let filter = Filter {
            devices: snapshot.parts_of(DeviceId(row.device_id)),
            company: Some(slug.into()),
            outcome: Some(Outcome::Allowed),
            tracking: true,
            from: Some(from),
            ..Filter::default()
        };
        let latest = app.parts.log.search(&filter, None, 1)?;
        row.got_through = latest
            .first()
            .map(|entry| cause(entry.would_block, entry.reason.as_deref(), &entry.lists));
    }
    Ok(rows)
}

/// Returns why an event was let through, as people read it.
fn cause(would_block: bool, reason: Option<&str>, lists: &[String]) -> String {
    match reason {
        _ if would_block => "blocking was paused or off".into(),
        Some(rule) if rule.starts_with("rule ") => rule.into(),
        _ if lists.is_empty() => "it is on no list".into(),
        _ => format!("its level leaves out {}", lists.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_got_through_says_why() {
        let on = |list: &str| vec![list.to_string()];
        let told = cause(true, Some("list trackers"), &on("trackers"));
        assert_eq!(told, "blocking was paused or off");
        let told = cause(false, Some("rule allow x for TV"), &on("trackers"));
        assert_eq!(told, "rule allow x for TV");
        let told = cause(false, None, &on("trackers-strict"));
        assert_eq!(told, "its level leaves out trackers-strict");
        assert_eq!(cause(false, None, &[]), "it is on no list");
    }
}
