//! `policy history`, `policy diff` and `policy undo`: who changed what, and the way back.

use std::path::Path;

use hyper::Method;

use super::{
    Cell, Column, Failure, Row, Screen, Session, Style, Table, escape, plural, policy, short, wrap,
};
use crate::api::{
    ChangeView, DiffParams, HistoryParams, PolicyDiff, PolicyText, PolicyUndone, RevisionView,
    UndoRequest, paths,
};

/// Shows who changed what.
pub async fn history(session: &Session, number: u32) -> Result<(), Failure> {
    let params = HistoryParams { limit: Some(number as usize) };
    let changes: Vec<ChangeView> = session.client.get(paths::POLICY_HISTORY, &params).await?;
    session.show(&changes, |changes, screen| render(changes, screen))
}

/// Shows what differs.
pub async fn diff(
    session: &Session,
    from: Option<&str>,
    to: Option<String>,
) -> Result<(), Failure> {
    let diff: PolicyDiff = match from.filter(|text| !is_revision(text)) {
        Some(_) if to.is_some() => {
            let text = "a file is compared with the policy in force: name the file alone";
            return Err(Failure::Usage(text.into()));
        }
        Some(file) => {
            let body = PolicyText { file: file.into(), text: policy::read(Path::new(file))? };
            session.client.send(Method::POST, paths::POLICY_DIFF, &body).await?
        }
        None => {
            let params = DiffParams { from: from.map(String::from), to };
            session.client.get(paths::POLICY_DIFF, &params).await?
        }
    };
    session.show(&diff, render_diff)
}

/// Puts an earlier revision back in force.
pub async fn undo(session: &Session, revision: Option<String>) -> Result<(), Failure> {
    let body = UndoRequest { revision };
    let undone: PolicyUndone = session.client.send(Method::POST, paths::POLICY_UNDO, &body).await?;
    session.show(&undone, render_undone)
}

/// Returns whether a word is a revision; all else is a file.
fn is_revision(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_hexdigit()) && !Path::new(text).exists()
}

/// Lays the history out.
pub fn render(changes: &[ChangeView], screen: &Screen) -> String {
    if changes.is_empty() {
        return "The policy has not been changed yet.\n".into();
    }
    let columns = &[
        Column::whole("TIME"),
        Column::words("WHO").least(11),
        Column::whole("REVISION"),
        Column::words("WHAT").least(30),
    ];
    let mut table = Table::new(columns);
    changes.iter().for_each(|change| table.push(row(change, screen)));
    format!(
        "{}* in force. What changed since: deadpixel policy diff REVISION\n\
         Back: deadpixel policy undo [REVISION]\n",
        table.render(screen)
    )
}

fn row(change: &ChangeView, screen: &Screen) -> Row {
    let mark = if change.in_force { " *" } else { "" };
    let revision = change.revision.as_deref().map(short).unwrap_or_default();
    let until = change.until.map(|until| format!(" until {}", screen.clock(until)));
    let what = format!("{}{}", escape(&change.what), until.unwrap_or_default());
    let style = if change.in_force { Style::Strong } else { Style::Plain };
    Row::of([
        screen.clock(change.time).into(),
        escape(&change.actor).into(),
        Cell::styled(style, format!("{revision}{mark}")),
        what.into(),
    ])
}

/// Lays a difference out as a unified diff.
pub fn render_diff(diff: &PolicyDiff, screen: &Screen) -> String {
    let file = || escape(diff.file.as_deref().unwrap_or("the file"));
    let to = diff.to.as_ref().map_or_else(file, |to| title(to, screen));
    let mut text = format!("--- {}\n+++ {to}\n", title(&diff.from, screen));
    if diff.text.is_empty() {
        return "Nothing differs.\n".into();
    }
    for line in diff.text.lines() {
        let style = match line.as_bytes().first() {
            Some(b'+') => Style::Blocked,
            Some(b'-') => Style::GotThrough,
            Some(b'@') => Style::Faint,
            _ => Style::Plain,
        };
        text.push_str(&format!("{}\n", screen.paint(style, &escape(line))));
    }
    text
}

fn title(revision: &RevisionView, screen: &Screen) -> String {
    let RevisionView { revision, time, actor, what } = revision;
    let (time, actor) = (screen.clock_seconds(*time), escape(actor));
    format!("{} {time} {actor}: {}", short(revision), escape(what))
}

/// Says what was taken back.
pub fn render_undone(undone: &PolicyUndone, screen: &Screen) -> String {
    let back = &undone.back_to;
    let mut text = match undone.taken_back.as_slice() {
        [] => String::new(),
        [one] => {
            let line = format!("Taken back: {}", title(one, screen));
            format!("{}\n", wrap(&line, 2, screen.width))
        }
        several => {
            let mut text = format!("Taken back: {}\n", plural(several.len() as u64, "change"));
            for change in several {
                let line = wrap(&title(change, screen), 4, screen.width);
                text.push_str(&format!("  {line}\n"));
            }
            text
        }
    };
    let line = format!("The policy is again as it was with {}", title(back, screen));
    text.push_str(&format!("{}\n", wrap(&line, 2, screen.width)));
    let way = match undone.taken_back.first() {
        Some(change) => format!(" {}", short(&change.revision)),
        None => String::new(),
    };
    text.push_str(&format!("Undo: deadpixel policy undo{way}\n"));
    text
}
