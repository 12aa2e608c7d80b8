//! `log`: the query log, and what comes in.

use std::time::Duration;

use super::{
    Cell, Column, Failure, Follower, Layout, LogArgs, Row, Screen, Session, Style, Table,
    company_title, escape, gap_lines, print,
};
use crate::api::{LogEntry, LogPage, LogParams, MAX_PAGE, paths};
use crate::model::Outcome;

/// How often it is asked what came in.
const POLL: Duration = Duration::from_millis(250);

/// Repeats within so many seconds are one row.
const FOLD_SECONDS: i64 = 60;

/// Columns that rows to come may need, in the order of the table.
const USUAL: &[usize] = &[8, 12, 28, 8, 11, 8];

/// Calls the daemon and prints.
pub async fn run(session: &Session, args: &LogArgs) -> Result<(), Failure> {
    let page = latest(session, args).await?;
    if args.follow {
        return follow(session, args, page).await;
    }
    session.show(&page, render)
}

/// Lays a page out, oldest first.
pub fn render(page: &LogPage, screen: &Screen) -> String {
    if page.entries.is_empty() {
        let text = "Nothing in the log fits. Has a device asked? See `deadpixel status`.\n";
        return format!("{text}{}", gap_lines(&page.gaps, screen));
    }
    let table = table(page.entries.iter().rev(), screen);
    format!("{}{}", table.render(screen), gap_lines(&page.gaps, screen))
}

async fn latest(session: &Session, args: &LogArgs) -> Result<LogPage, Failure> {
    let wanted = if args.all { usize::MAX } else { args.number as usize };
    let mut params = LogParams { limit: Some(wanted.min(MAX_PAGE)), ..params(args) };
    let mut all: LogPage = session.client.get(paths::QUERIES, &params).await?;
    while let Some(older) = all.older.take().filter(|_| all.entries.len() < wanted) {
        params.limit = Some((wanted - all.entries.len()).min(MAX_PAGE));
        params.before = Some(older);
        let page: LogPage = session.client.get(paths::QUERIES, &params).await?;
        all.entries.extend(page.entries);
        all.gaps.extend(page.gaps);
        all.older = page.older;
    }
    all.gaps.sort_by_key(|gap| gap.from);
    all.gaps.dedup();
    Ok(all)
}

async fn follow(session: &Session, args: &LogArgs, page: LogPage) -> Result<(), Failure> {
    let screen = &session.screen;
    let first = table(page.entries.iter().rev(), screen);
    let layout = first.layout_for_more(USUAL, screen);
    if session.json {
        print(&json_lines(page.entries.iter().rev())?)?;
    } else {
        print(&first.heading(&layout, screen))?;
        print(&first.body(&layout, screen))?;
        print(&gap_lines(&page.gaps, screen))?;
    }
    let mut follower = Follower::new(&page);
    loop {
        tokio::time::sleep(POLL).await;
        let later = read_later(session, args, &mut follower).await?;
        let screen = Screen { now: jiff::Timestamp::now(), ..screen.clone() };
        print(&later_text(session.json, &later, &layout, &screen)?)?;
    }
}

/// Returns what came in since the last time.
async fn read_later(
    session: &Session,
    args: &LogArgs,
    follower: &mut Follower,
) -> Result<LogPage, Failure> {
    let mut all =
        LogPage { entries: Vec::new(), older: None, newer: String::new(), gaps: Vec::new() };
    while let Some(after) = follower.next_page() {
        let params =
            LogParams { limit: Some(MAX_PAGE), after: Some(after), seconds: None, ..params(args) };
        let page: LogPage = session.client.get(paths::QUERIES, &params).await?;
        let (entries, gaps) = follower.take(page);
        all.entries.extend(entries);
        all.gaps.extend(gaps);
    }
    if follower.has_skipped() {
        eprintln!("skipping: more comes in than can be read; narrow the search");
    }
    all.entries.sort_by_key(|entry| entry.time);
    Ok(all)
}

fn later_text(
    json: bool,
    later: &LogPage,
    layout: &Layout,
    screen: &Screen,
) -> Result<String, Failure> {
    if json {
        return json_lines(later.entries.iter());
    }
    let rows = table(later.entries.iter(), screen).body(layout, screen);
    Ok(format!("{rows}{}", gap_lines(&later.gaps, screen)))
}

fn json_lines<'e>(entries: impl Iterator<Item = &'e LogEntry>) -> Result<String, Failure> {
    let mut lines = String::new();
    for entry in entries {
        let json = serde_json::to_string(entry).map_err(|why| Failure::Failed(why.to_string()))?;
        lines.push_str(&json);
        lines.push('\n');
    }
    Ok(lines)
}

fn params(args: &LogArgs) -> LogParams {
    let outcomes = [
        (args.blocked, Outcome::Blocked),
        (args.allowed, Outcome::Allowed),
        (args.failed, Outcome::Failed),
    ];
    LogParams {
        device: args.device.clone(),
        company: args.company.clone(),
        outcome: outcomes.iter().find(|(wanted, _)| *wanted).map(|(_, outcome)| *outcome),
        tracking: args.tracking.then_some(true),
        text: args.text.clone(),
        seconds: args.since,
        ..LogParams::default()
    }
}

/// Makes a table of events that come oldest first; repeats within a minute are one row.
fn table<'e>(entries: impl Iterator<Item = &'e LogEntry>, screen: &Screen) -> Table {
    let columns = &[
        Column::whole("TIME"),
        Column::text("DEVICE").least(10),
        Column::text("NAME").least(21),
        Column::words("COMPANY").least(12),
        Column::whole("VERDICT"),
        Column::words("WHY").least(8),
    ];
    let mut table = Table::new(columns);
    for (entry, times) in folded(entries) {
        table.push(row(entry, times, screen));
    }
    table
}

fn folded<'e>(entries: impl Iterator<Item = &'e LogEntry>) -> Vec<(&'e LogEntry, usize)> {
    let mut folded: Vec<(&LogEntry, usize)> = Vec::new();
    for entry in entries {
        match folded.last_mut() {
            Some((first, times)) if repeats(first, entry) => *times += 1,
            _ => folded.push((entry, 1)),
        }
    }
    folded
}

fn repeats(first: &LogEntry, entry: &LogEntry) -> bool {
    let key = |entry: &LogEntry| {
        (
            entry.device_id,
            entry.name.clone(),
            entry.outcome,
            entry.reason.clone(),
            entry.would_block,
        )
    };
    entry.time.as_second() - first.time.as_second() < FOLD_SECONDS && key(first) == key(entry)
}

fn row(entry: &LogEntry, times: usize, screen: &Screen) -> Row {
    let repeated = if times > 1 { format!(" ×{times}") } else { String::new() };
    let company = match &entry.company {
        Some(company) => escape(&company.name),
        None if entry.tracking => company_title(None),
        None => String::new(),
    };
    let (style, verdict) = verdict(entry);
    Row::of([
        screen.clock_seconds(entry.time).into(),
        escape(&entry.device).into(),
        format!("{}{repeated}", name(entry)).into(),
        company.into(),
        Cell::styled(style, verdict),
        why(entry).into(),
    ])
}

fn name(entry: &LogEntry) -> String {
    match entry.name.is_empty() {
        true => "(name not kept)".into(),
        false => escape(&entry.name),
    }
}

/// Returns the word for what became of an event.
pub fn verdict(entry: &LogEntry) -> (Style, &'static str) {
    match entry.outcome {
        Outcome::Blocked => (Style::Blocked, "blocked"),
        Outcome::Failed => (Style::Failed, "failed"),
        Outcome::Allowed if entry.tracking => (Style::GotThrough, "got through"),
        Outcome::Allowed => (Style::Plain, "allowed"),
    }
}

fn why(entry: &LogEntry) -> String {
    let reason = entry.reason.as_deref().map(escape).unwrap_or_default();
    match entry.outcome {
        Outcome::Failed => entry.response_code.clone(),
        _ if entry.would_block => "lifted".into(),
        _ => reason.strip_prefix("list ").unwrap_or(&reason).into(),
    }
}
