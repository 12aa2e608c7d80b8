//! `lists`: what became of each, and on or off.

use hyper::Method;

use super::{
    Cell, Column, Failure, ListsCommand, Row, ScopeArgs, Screen, Session, Style, Table, count,
    escape, fields, fit, lists_browse, lists_change, lists_update, plural, quote, scope_flag, wrap,
};
use crate::api::{
    Changed, LineView, ListChange, ListState, ListView, ListWorth, ProblemDocument, ProblemKind,
    SwitchView, VersionView, paths,
};
use crate::diagnostic::nearest;
use crate::model::ListKind;

/// Names that are shown of those that came or went with a version.
const NAMES: usize = 5;

/// Lists with which the overlap is told.
const OVERLAPS: usize = 8;

/// Calls the daemon and prints.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let lists: Vec<ListView> = session.client.get(paths::LISTS, &()).await?;
    session.show(&lists, |lists, screen| render(lists, screen))
}

/// Does what is wanted with one list, or shows what lists there are elsewhere.
pub async fn command(session: &Session, command: &ListsCommand) -> Result<(), Failure> {
    match command {
        ListsCommand::Browse { words } => lists_browse::run(session, words),
        ListsCommand::Add(list) => lists_change::add(session, list).await,
        ListsCommand::Remove { list } => lists_change::remove(session, list).await,
        ListsCommand::Accept { list } => lists_change::accept(session, list).await,
        ListsCommand::Rollback { list, version } => {
            lists_change::rollback(session, list, *version).await
        }
        ListsCommand::Update { lists } => lists_update::run(session, lists).await,
        ListsCommand::Info { list } => info(session, list).await,
        ListsCommand::Enable { list, scope } => switch(session, list, scope, true).await,
        ListsCommand::Disable { list, scope } => switch(session, list, scope, false).await,
    }
}

/// Shows one list.
async fn info(session: &Session, name: &str) -> Result<(), Failure> {
    let lists: Vec<ListView> = session.client.get(paths::LISTS, &()).await?;
    let Some(list) = lists.iter().find(|list| list.brief.name == name) else {
        let detail = format!("there is no list `{name}`");
        let problem = ProblemDocument::new(ProblemKind::NotFound, detail);
        let like = nearest(name, lists.iter().map(|list| list.brief.name.as_str()));
        let hint = like.unwrap_or_else(|| "`deadpixel lists` shows all of them".into());
        return Err(problem.hint(hint).into());
    };
    session.show(list, render_one)
}

/// Switches a list.
async fn switch(session: &Session, list: &str, scope: &ScopeArgs, on: bool) -> Result<(), Failure> {
    let body = ListChange { scope: scope.or_everyone(), on };
    let path = paths::list_policy(list);
    let changed: Changed = session.client.send(Method::PUT, &path, &body).await?;
    session.show(&changed, |changed, _| message(changed, on))
}

/// Says what was changed, and how to change it back.
pub fn message(changed: &Changed, on: bool) -> String {
    let (list, scope) = (escape(&changed.subject), escape(&changed.scope.to_string()));
    let (state, undo) = if on { ("on", "disable") } else { ("off", "enable") };
    let flag = scope_flag(&changed.scope);
    format!("List {list} is {state} for {scope}. Undo: deadpixel lists {undo} {list} {flag}\n")
}

/// Lays them out; bans are counted only.
pub fn render(lists: &[ListView], screen: &Screen) -> String {
    let columns = &[
        Column::text("LIST"),
        Column::whole("EVERYONE"),
        Column::number("RULES"),
        Column::number("HITS"),
        Column::number("SOLE"),
        Column::whole("ABOUT"),
        Column::text("FROM"),
    ];
    let mut table = Table::new(columns);
    let shown = lists.iter().filter(|list| list.kind != ListKind::Ban);
    shown.for_each(|list| table.push(row(list)));
    let bans = lists.iter().filter(|list| list.kind == ListKind::Ban).count();
    let mut text = table.render(screen);
    if bans > 0 {
        let bans = plural(bans as u64, "company");
        text.push_str(&format!("{bans} can be banned whole: see deadpixel companies --all\n"));
    }
    text
}

/// Lays one list out, with the lines that could not be read.
pub fn render_one(list: &ListView, screen: &Screen) -> String {
    let switches: Vec<String> = list.switches.iter().map(switched).collect();
    let lines = [
        ("about", about(list.kind).to_string()),
        ("title", list.title.as_deref().map(escape).unwrap_or_default()),
        ("from", escape(&list.source)),
        ("fetched", fetching(list, screen)),
        ("format", escape(&list.format)),
        ("rules", rules(list)),
        ("everyone", state(list.brief.state).into()),
        ("by hand", switches.join(", ")),
        ("caught", caught(list)),
        ("overlap", overlap(list)),
        ("held back", list.held.as_deref().map(escape).unwrap_or_default()),
    ];
    let mut text = format!("{}\n", screen.paint(Style::Strong, &escape(&list.brief.name)));
    text.push_str(&fields(&lines, screen));
    text.push_str(&versions(&list.versions, screen));
    if list.refused > 0 {
        let refused = plural(u64::from(list.refused), "line");
        let shown = match list.samples.len() {
            all if all == list.refused as usize => String::new(),
            some => format!("; the first {some}"),
        };
        text.push_str(&format!("\n{refused} could not be read{shown}:\n"));
        text.push_str(&bad_lines(&list.samples, screen));
    }
    if !list.skipped.is_empty() {
        let skipped = plural(list.skipped.len() as u64, "rule");
        text.push_str(&format!("\n{skipped} would block what no list may:\n"));
        text.push_str(&bad_lines(&list.skipped, screen));
    }
    text
}

fn rules(list: &ListView) -> String {
    let mut text = count(u64::from(list.brief.rules));
    let left_out = list.ignored.saturating_add(list.boilerplate);
    if left_out > 0 {
        let lines = plural(u64::from(left_out), "line");
        text.push_str(&format!("; {lines} not for DNS ignored"));
    }
    text
}

fn fetching(list: &ListView, screen: &Screen) -> String {
    let Some(fetching) = &list.fetching else { return String::new() };
    let success = fetching.last_success.map(|time| screen.ago(time));
    let mut text = success.map_or("never".into(), |ago| format!("last {ago}"));
    if let Some(error) = &fetching.last_error {
        let tried = fetching.last_attempt.map(|time| screen.ago(time)).unwrap_or_default();
        text.push_str(&format!("; tried {tried}: {}", escape(error)));
    }
    if let Some(due) = fetching.next_due {
        text.push_str(&format!("; due {}", screen.clock(due)));
    }
    text
}

/// Lays the versions out that can be put back, with what each changed.
fn versions(versions: &[VersionView], screen: &Screen) -> String {
    if versions.is_empty() {
        return String::new();
    }
    let columns = &[
        Column::number("VERSION"),
        Column::whole("CAME"),
        Column::whole("STATE"),
        Column::number("NAMES"),
        Column::number("ADDED"),
        Column::number("GONE"),
    ];
    let mut table = Table::new(columns);
    for version in versions.iter().rev() {
        let mut row = Row::of([
            version.version.to_string().into(),
            screen.ago(version.at).into(),
            escape(&version.state).into(),
            count(u64::from(version.names)).into(),
            count(u64::from(version.added)).into(),
            count(u64::from(version.removed)).into(),
        ]);
        version.why.iter().for_each(|why| row.remark(escape(why)));
        for (word, names) in [("came", &version.came), ("went", &version.went)] {
            if !names.is_empty() {
                let some: Vec<String> = names.iter().take(NAMES).map(|n| escape(n)).collect();
                row.remark(format!("{word}: {}", some.join(", ")));
            }
        }
        table.push(row);
    }
    format!("\n{}", table.render(screen))
}

/// Tells what the list matched in the days that the log holds, and what no other list did.
fn caught(list: &ListView) -> String {
    let ListWorth { hits, sole, blocked, .. } = &list.worth;
    match hits {
        0 => "nothing so far".into(),
        _ => format!(
            "{}: {} blocked, {} by no other list",
            plural(*hits, "query"),
            count(*blocked),
            count(*sole)
        ),
    }
}

fn overlap(list: &ListView) -> String {
    let told = list.worth.overlaps.iter().take(OVERLAPS);
    let told = told.map(|other| format!("{} with {}", count(other.queries), escape(&other.list)));
    told.collect::<Vec<_>>().join(", ")
}

fn bad_lines(lines: &[LineView], screen: &Screen) -> String {
    let told = lines.iter().map(|line| {
        let why = format!("line {}: {}", line.line, escape(&line.why));
        let text = escape(&line.text);
        let text = screen.width.map_or(text.clone(), |most| fit(&text, most.saturating_sub(4)));
        format!("  {}\n    {text}\n", wrap(&why, 4, screen.width))
    });
    told.collect()
}

fn row(list: &ListView) -> Row {
    let style = match list.brief.state {
        ListState::On | ListState::Part => Style::Blocked,
        ListState::Off => Style::Faint,
    };
    let mut row = Row::of([
        escape(&list.brief.name).into(),
        Cell::styled(style, state(list.brief.state)),
        count(u64::from(list.brief.rules)).into(),
        count(list.worth.hits).into(),
        count(list.worth.sole).into(),
        about(list.kind).into(),
        escape(&list.source).into(),
    ]);
    if let Some(fetching) = list.fetching.as_ref().filter(|it| it.last_success.is_none()) {
        let why = fetching.last_error.as_deref().map(|why| format!(": {}", escape(why)));
        row.remark(format!("not fetched yet{}", why.unwrap_or_default()));
    }
    if let Some(why) = &list.held {
        row.remark(format!("held back: {}", escape(why)));
    }
    for switch in &list.switches {
        row.remark(format!("{} by hand", switched(switch)));
    }
    let counts = [
        (u64::from(list.refused), "line", "could not be read"),
        (list.skipped.len() as u64, "rule", "would block what no list may"),
    ];
    let counts = counts.iter().filter(|(number, _, _)| *number > 0);
    let told: Vec<String> =
        counts.map(|(number, noun, what)| format!("{} {what}", plural(*number, noun))).collect();
    if !told.is_empty() {
        row.remark(told.join(", "));
        row.remark(format!("see deadpixel lists info {}", quote(&list.brief.name)));
    }
    row
}

fn switched(switch: &SwitchView) -> String {
    let state = if switch.on { "on" } else { "off" };
    format!("{state} for {}", escape(&switch.scope.to_string()))
}

fn state(state: ListState) -> &'static str {
    match state {
        ListState::On => "on",
        ListState::Part => "in part",
        ListState::Off => "off",
    }
}

/// Returns what a list is about, in words.
pub fn about(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Tracking => "tracking",
        ListKind::EncryptedDns => "encrypted DNS",
        ListKind::Ban => "a company",
        ListKind::Other => "other",
    }
}
