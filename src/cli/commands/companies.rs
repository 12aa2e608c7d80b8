//! `companies`: who was seen in the last 24 hours, and who is switched.

use super::{
    Cell, Column, Failure, Row, Screen, Session, Style, Table, company_title, count, escape,
};
use crate::api::{CompanyView, SwitchView, paths};

/// Calls the daemon and prints.
pub async fn run(session: &Session, all: bool) -> Result<(), Failure> {
    let companies: Vec<CompanyView> = session.client.get(paths::COMPANIES, &()).await?;
    session.show(&companies, |companies, screen| render(companies, all, screen))
}

/// Lays them out; without `all` only those that were seen or are switched.
pub fn render(companies: &[CompanyView], all: bool, screen: &Screen) -> String {
    let known = companies.iter().filter(|view| view.company.is_some()).count();
    let shown = |view: &&CompanyView| {
        view.attempts.attempts > 0 || !view.switches.is_empty() || (all && view.company.is_some())
    };
    let shown: Vec<&CompanyView> = companies.iter().filter(shown).collect();
    let columns = &[
        Column::text("COMPANY").least(14),
        Column::text("IN COMMANDS").least(11),
        Column::text("PURPOSE"),
        Column::number("DEVICES"),
        Column::number("ATTEMPTS"),
        Column::number("GOT THROUGH"),
    ];
    let mut table = Table::new(columns);
    shown.iter().for_each(|view| table.push(row(view)));
    let footer = match all {
        true => String::new(),
        false => {
            format!("{} companies are known: deadpixel companies --all\n", count(known as u64))
        }
    };
    match shown.is_empty() {
        true => format!("No company was seen in the last 24 hours.\n{footer}"),
        false => format!("{}{footer}", table.render(screen)),
    }
}

fn row(view: &CompanyView) -> Row {
    let slug = view.company.as_ref().map(|company| escape(&company.slug));
    let through = match view.attempts.allowed {
        0 => Cell::from("0"),
        allowed => Cell::styled(Style::GotThrough, count(allowed)),
    };
    let mut row = Row::of([
        company_title(view.company.as_ref()).into(),
        slug.unwrap_or_default().into(),
        view.purpose.as_deref().map(escape).unwrap_or_default().into(),
        count(view.attempts.devices).into(),
        count(view.attempts.attempts).into(),
        through,
    ]);
    if !view.switches.is_empty() {
        row.remark(switches(&view.switches));
    }
    row
}

fn switches(switches: &[SwitchView]) -> String {
    let of = |on: bool| {
        let scopes = switches.iter().filter(|switch| switch.on == on);
        scopes.map(|switch| escape(&switch.scope.to_string())).collect::<Vec<String>>().join(", ")
    };
    let parts = [("all of it blocked for ", of(true)), ("not for ", of(false))];
    let told = parts.into_iter().filter(|(_, scopes)| !scopes.is_empty());
    told.map(|(label, scopes)| format!("{label}{scopes}")).collect::<Vec<String>>().join("; ")
}
