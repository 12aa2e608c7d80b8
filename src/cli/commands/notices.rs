//! `notices`: what a person should know, and that they know it.

use hyper::Method;

use super::{
    Cell, Column, Failure, NoticesCommand, Row, Screen, Session, Style, Table, count, escape,
    plural,
};
use crate::api::{Dismissal, Dismissed, NoticeParams, NoticeView, paths};

/// Calls the daemon and prints.
pub async fn run(session: &Session, all: bool) -> Result<(), Failure> {
    let params = NoticeParams { all: all.then_some(true) };
    let notices: Vec<NoticeView> = session.client.get(paths::NOTICES, &params).await?;
    session.show(&notices, |notices, screen| render(notices, screen))
}

/// Does what the arguments say.
pub async fn change(session: &Session, command: &NoticesCommand) -> Result<(), Failure> {
    let NoticesCommand::Dismiss { which, always } = command;
    let path = paths::notice_dismiss(which);
    let body = Dismissal { always: *always };
    let dismissed: Dismissed = session.client.send(Method::POST, &path, &body).await?;
    session.show(&dismissed, |dismissed, _| {
        let until = if *always { "for good" } else { "until it is seen again another day" };
        format!("{} dismissed, {until}.\n", plural(dismissed.dismissed, "notice"))
    })
}

/// Lays them out: one line each, and what was seen below it.
pub fn render(notices: &[NoticeView], screen: &Screen) -> String {
    if notices.is_empty() {
        return "Nothing to tell.\n".into();
    }
    let columns = &[
        Column::number("ID"),
        Column::words("NOTICE"),
        Column::number("TIMES"),
        Column::whole("LAST SEEN"),
    ];
    let mut table = Table::new(columns);
    notices.iter().for_each(|notice| table.push(row(notice, screen)));
    let text = table.render(screen);
    format!("{text}Dismiss: deadpixel notices dismiss ID|all [--always]\n")
}

fn row(notice: &NoticeView, screen: &Screen) -> Row {
    let style = if notice.dismissed.is_some() { Style::Faint } else { Style::Strong };
    let mut row = Row::of([
        notice.id.to_string().into(),
        Cell::styled(style, escape(&notice.headline)),
        count(notice.count).into(),
        screen.ago(notice.latest).into(),
    ]);
    row.remark(escape(&notice.words));
    row.remark(escape(&notice.remedy));
    if let Some(dismissed) = notice.dismissed {
        let good = if notice.always { " for good" } else { "" };
        row.remark(format!("dismissed{good}: {}", screen.clock(dismissed)));
    }
    row
}
