//! `policy plan`: what a file would change for what devices asked in the last 7 days.

use std::path::Path;

use hyper::Method;

use super::{
    Cell, Column, Failure, Row, Screen, Session, Style, Table, count, escape, plural, policy, wrap,
};
use crate::api::{Fate, PlannedChange, PolicyPlan, PolicyText, paths};

/// Rows that a terminal shows unless all are wanted.
const SCREENFUL: usize = 30;

/// Asks the daemon and prints.
pub async fn run(session: &Session, file: &Path, all: bool) -> Result<(), Failure> {
    let body = PolicyText { file: file.display().to_string(), text: policy::read(file)? };
    let plan: PolicyPlan = session.client.send(Method::POST, paths::POLICY_PLAN, &body).await?;
    session.show(&plan, |plan, screen| render(plan, all, screen))
}

/// Lays it out; on a terminal the first rows only, unless all are wanted.
pub fn render(plan: &PolicyPlan, all: bool, screen: &Screen) -> String {
    let most = if all || screen.width.is_none() { usize::MAX } else { SCREENFUL };
    let shown = plan.changes.get(..most).unwrap_or(&plan.changes);
    let left = plan.more + (plan.changes.len() - shown.len()) as u64;
    let mut text = match shown.is_empty() {
        true => String::new(),
        false => table(shown).render(screen),
    };
    if left > 0 {
        let how = if plan.more == 0 { ": --all shows them" } else { "" };
        let line = format!("{} more with fewer queries{how}", plural(left, "row"));
        text.push_str(&format!("{}\n", screen.paint(Style::Faint, &line)));
    }
    text.push_str(&format!("{}\n", wrap(&totals(plan), 2, screen.width)));
    for untold in &plan.untold {
        let line = format!("Not told: {}", escape(untold.trim_end()).replace("\\u{a}", "\n  "));
        text.push_str(&format!("{}\n", wrap(&line, 2, screen.width)));
    }
    text
}

fn table(changes: &[PlannedChange]) -> Table {
    let columns = &[
        Column::text("DEVICE").least(12),
        Column::text("NAME").least(18),
        Column::whole("NOW"),
        Column::whole("THEN"),
        Column::number("QUERIES"),
    ];
    let mut table = Table::new(columns);
    for change in changes {
        let forgotten = if change.known { "" } else { " (forgotten)" };
        let mut row = Row::of([
            format!("{}{forgotten}", escape(&change.device)).into(),
            escape(&change.name).into(),
            fate(change.now),
            fate(change.then),
            count(change.queries).into(),
        ]);
        if !change.why.is_empty() {
            row.remark(escape(&change.why));
        }
        table.push(row);
    }
    table
}

fn fate(fate: Fate) -> Cell {
    match fate {
        Fate::Allowed => Cell::styled(Style::GotThrough, "allowed"),
        Fate::Blocked => Cell::styled(Style::Blocked, "blocked"),
        Fate::Rewritten => "rewritten".into(),
        Fate::Truncated => "truncated".into(),
        Fate::Local => "local".into(),
    }
}

fn totals(plan: &PolicyPlan) -> String {
    let judged = format!("{} of device and name, last 7 days", plural(plan.pairs, "pair"));
    let kinds = [
        (plan.blocked, "blocked"),
        (plan.allowed, "let through"),
        (plan.other, "answered otherwise"),
    ];
    let told = kinds.iter().filter(|(number, _)| *number > 0);
    let told: Vec<String> =
        told.map(|(number, what)| format!("{} would be {what}", count(*number))).collect();
    match told.is_empty() {
        true => format!("{judged}: none would be judged otherwise. Nothing is put in force."),
        false => format!("{judged}: {}. Nothing is put in force.", told.join(", ")),
    }
}
