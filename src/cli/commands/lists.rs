//! `lists`: what became of each, and on or off.

use hyper::Method;

use super::{
    Cell, Column, Failure, ListsCommand, Row, Screen, Session, Style, Table, count, escape, plural,
    scope_flag,
};
use crate::api::{Changed, LineView, ListChange, ListState, ListView, paths};
use crate::model::ListKind;

/// Lines of a list that are shown with what is wrong.
const SAMPLES: usize = 3;

/// Calls the daemon and prints.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let lists: Vec<ListView> = session.client.get(paths::LISTS, &()).await?;
    session.show(&lists, |lists, screen| render(lists, screen))
}

/// Switches a list.
pub async fn switch(session: &Session, command: &ListsCommand) -> Result<(), Failure> {
    let (list, scope, on) = match command {
        ListsCommand::Enable { list, scope } => (list, scope, true),
        ListsCommand::Disable { list, scope } => (list, scope, false),
    };
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

fn row(list: &ListView) -> Row {
    let state = match list.brief.state {
        ListState::On => Cell::styled(Style::Blocked, "on"),
        ListState::Part => Cell::styled(Style::Blocked, "in part"),
        ListState::Off => Cell::styled(Style::Faint, "off"),
    };
    let mut row = Row::of([
        escape(&list.brief.name).into(),
        state,
        count(u64::from(list.brief.rules)).into(),
        about(list.kind).into(),
        escape(&list.source).into(),
    ]);
    if let Some(why) = &list.held {
        row.remark(format!("held back: {}", escape(why)));
    }
    for switch in &list.switches {
        let state = if switch.on { "on" } else { "off" };
        row.remark(format!("{state} for {} by hand", escape(&switch.scope.to_string())));
    }
    if list.refused > 0 {
        row.remark(format!("{} could not be read", plural(u64::from(list.refused), "line")));
        remark_lines(&mut row, &list.samples);
    }
    if !list.skipped.is_empty() {
        let skipped = plural(list.skipped.len() as u64, "rule");
        row.remark(format!("{skipped} would block what no list may"));
        remark_lines(&mut row, &list.skipped);
    }
    row
}

fn remark_lines(row: &mut Row, lines: &[LineView]) {
    for line in lines.iter().take(SAMPLES) {
        row.remark(format!("line {}: {} ({})", line.line, escape(&line.text), escape(&line.why)));
    }
}

fn about(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Tracking => "tracking",
        ListKind::EncryptedDns => "encrypted DNS",
        ListKind::Ban => "a company",
        ListKind::Other => "other",
    }
}
