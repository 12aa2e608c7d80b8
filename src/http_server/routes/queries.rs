//! The query log, in pages.

use axum::extract::State;

use super::{
    Answer, App, EntryViews, Params, Shared, Snapshot, bounded, find_company, gap_view,
    read_cursor, write_cursor,
};
use crate::api::{LogPage, LogParams, MAX_PAGE, MAX_SECONDS, ProblemDocument, ProblemKind};
use crate::model::DeviceId;
use crate::query_log::{Cursor, Entry, Filter};

/// Events on a page if nobody says how many.
const PAGE: usize = 50;

/// Answers `GET`.
pub async fn page(State(app): State<Shared>, Params(params): Params<LogParams>) -> Answer<LogPage> {
    app.work(move |app| read(app, &params)).await
}

fn read(app: &App, params: &LogParams) -> Result<LogPage, ProblemDocument> {
    let snapshot = Snapshot::of(app);
    let filter = filter(app, &snapshot, params)?;
    let limit = checked_limit(params.limit)?;
    let before = cursor("before", params.before.as_deref())?;
    let after = cursor("after", params.after.as_deref())?;
    let log = &app.parts.log;
    log.flush();
    let entries = match after {
        Some(after) => log.follow(&filter, after, limit)?,
        None => log.search(&filter, before, limit)?,
    };
    let now = Cursor { at: snapshot.now.wall, device: DeviceId(0) };
    let (from, until) = span(&entries, &filter, after, before.unwrap_or(now));
    let newer = newest(&entries).or(after).unwrap_or(now);
    let full = after.is_none() && entries.len() == limit;
    let views = EntryViews::of(app);
    Ok(LogPage {
        older: entries.last().filter(|_| full).map(|entry| write_cursor(entry.cursor)),
        newer: write_cursor(newer),
        gaps: log.gaps(from, until)?.into_iter().map(gap_view).collect(),
        entries: entries.into_iter().map(|entry| views.show(entry, &snapshot)).collect(),
    })
}

fn filter(app: &App, snapshot: &Snapshot, params: &LogParams) -> Result<Filter, ProblemDocument> {
    let parts = |text: &String| app.find_device(text, snapshot).map(|found| found.parts.clone());
    let companies = snapshot.in_force.catalogue.companies();
    let company = |text: &String| match text.as_str() {
        "unattributed" => Ok(text.clone()),
        text => find_company(text, companies).map(|company| company.slug.clone()),
    };
    Ok(Filter {
        devices: params.device.as_ref().map(parts).transpose()?.unwrap_or_default(),
        company: params.company.as_ref().map(company).transpose()?,
        outcome: params.outcome,
        text: params.text.clone().map(|text| bounded("text", text)).transpose()?,
        tracking: params.tracking.unwrap_or(false),
        from: params.seconds.map(|seconds| past(snapshot.now.wall, seconds)).transpose()?,
        until: None,
    })
}

fn past(now: i64, seconds: u64) -> Result<i64, ProblemDocument> {
    if seconds > MAX_SECONDS {
        let detail = "one can look back 366 days at most";
        return Err(ProblemDocument::new(ProblemKind::InvalidInput, detail).field("seconds"));
    }
    Ok(now.saturating_sub_unsigned(seconds * 1_000_000))
}

fn checked_limit(limit: Option<usize>) -> Result<usize, ProblemDocument> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=MAX_PAGE => Ok(limit),
        _ => {
            let detail = format!("`limit` is 1 to {MAX_PAGE}");
            Err(ProblemDocument::new(ProblemKind::InvalidInput, detail).field("limit"))
        }
    }
}

fn cursor(field: &str, text: Option<&str>) -> Result<Option<Cursor>, ProblemDocument> {
    text.map(|text| read_cursor(field, text)).transpose()
}

fn newest(entries: &[Entry]) -> Option<Cursor> {
    entries.iter().map(|entry| entry.cursor).max()
}

/// Returns the time that a page covers: what is not in it was not there, or is in a gap.
fn span(entries: &[Entry], filter: &Filter, after: Option<Cursor>, end: Cursor) -> (i64, i64) {
    let oldest = entries.iter().map(|entry| entry.cursor.at).min();
    let from = after.map(|after| after.at).or(oldest).or(filter.from).unwrap_or(end.at);
    (from, end.at.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_at_most_500_events() {
        assert_eq!(checked_limit(None), Ok(PAGE));
        assert_eq!(checked_limit(Some(500)), Ok(500));
        for bad in [0, 501, usize::MAX] {
            let field = checked_limit(Some(bad)).map_err(|problem| problem.field);
            assert_eq!(field, Err(Some("limit".into())));
        }
    }

    #[test]
    fn nobody_looks_back_further_than_any_log_goes() {
        assert_eq!(past(10_000_000, 4), Ok(6_000_000));
        assert!(past(0, u64::MAX).is_err());
    }
}
