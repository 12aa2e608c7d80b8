//! `who`: who tried to track whom in the last 24 hours.

use super::{
    Cell, Column, Failure, Row, Screen, Session, Style, Table, company_title, count, escape,
    level_title, percent, plural, quote, wrap,
};
use crate::api::{DeviceBrief, Gap, Tally, Who, WhoParams, WhoRow, paths};
use crate::model::Level;

/// Calls the daemon and prints.
pub async fn run(session: &Session, device: Option<String>) -> Result<(), Failure> {
    let who: Who = session.client.get(paths::WHO, &WhoParams { device }).await?;
    session.show(&who, render)
}

/// Lays it out.
pub fn render(who: &Who, screen: &Screen) -> String {
    let mut text = match &who.device {
        Some(device) => one(who, device, screen),
        None => all(who, screen),
    };
    if who.more > 0 {
        let rest = plural(who.more as u64, "row");
        text.push_str(&format!("And {rest} with fewer attempts: deadpixel who DEVICE\n"));
    }
    text.push_str(&gap_lines(&who.gaps, screen));
    text
}

fn one(who: &Who, device: &DeviceBrief, screen: &Screen) -> String {
    let name = escape(&device.name);
    let mut head = screen.paint(Style::Strong, &name);
    let addresses = device.addresses.iter().map(ToString::to_string);
    if let Some(address) = addresses.into_iter().find(|address| *address != device.name) {
        head.push_str(&format!(" ({address})"));
    }
    let level = level_title(device.level, device.custom);
    head.push_str(&format!(" · last 24 h · level {level}\n"));
    if who.rows.is_empty() {
        let last = who.last_query.map_or("It has not asked for anything yet.".into(), |time| {
            format!("Its last query was {}.", screen.ago(time))
        });
        return format!("{head}No tracking seen from {name} in 24 h. {last}\n");
    }
    let columns = &[
        Column::text("COMPANY").least(14),
        Column::text("PURPOSE").least(9),
        Column::number("ATTEMPTS"),
        Column::number("BLOCKED"),
        Column::whole("LAST"),
    ];
    let mut table = Table::new(columns);
    who.rows.iter().for_each(|row| table.push(company_row(row, screen)));
    let total = tally_line(&who.total);
    let stricter = match (device.level, device.custom) {
        (Level::Strict, _) | (_, true) => String::new(),
        _ => format!("Stricter: deadpixel level {} strict\n", quote(&device.name)),
    };
    format!("{head}{}{}\n{stricter}", table.render(screen), wrap(&total, 0, screen.width))
}

fn all(who: &Who, screen: &Screen) -> String {
    let sentence = screen.paint(Style::Strong, &wrap(&sentence(&who.total), 0, screen.width));
    if who.rows.is_empty() {
        return format!("{sentence}\n");
    }
    let columns = &[
        Column::text("DEVICE").least(14),
        Column::text("COMPANY").least(14),
        Column::text("PURPOSE").least(9),
        Column::number("ATTEMPTS"),
        Column::number("BLOCKED"),
        Column::whole("LAST"),
    ];
    let mut table = Table::new(columns);
    for who in &who.rows {
        let mut row = vec![Cell::from(escape(&who.device))];
        row.extend(company_cells(who, screen));
        table.push(with_remark(Row::of(row), who));
    }
    format!("{sentence}\n{}", table.render(screen))
}

/// Returns a row about a company, with a remark where something got through.
pub fn company_row(who: &WhoRow, screen: &Screen) -> Row {
    with_remark(Row::of(company_cells(who, screen)), who)
}

fn company_cells(who: &WhoRow, screen: &Screen) -> [Cell; 5] {
    let style = if who.allowed > 0 { Style::GotThrough } else { Style::Blocked };
    [
        company_title(who.company.as_ref()).into(),
        who.purpose.as_deref().map(escape).unwrap_or_default().into(),
        count(who.attempts).into(),
        Cell::styled(style, percent(who.blocked, who.attempts)),
        screen.ago(who.last).into(),
    ]
}

fn with_remark(mut row: Row, who: &WhoRow) -> Row {
    if who.allowed > 0 {
        let why = who.got_through.as_deref().map(escape).unwrap_or_default();
        let why = if why.is_empty() { why } else { format!(": {why}") };
        row.remark(format!("{} got through{why}", count(who.allowed)));
    }
    row
}

/// Returns the sentence that answers what people came to ask.
pub fn sentence(total: &Tally) -> String {
    if total.attempts == 0 {
        return "No tracking attempt in the last 24 hours.".into();
    }
    let companies = match (total.companies, total.unattributed) {
        (0, _) => "companies not yet known by name".into(),
        (known, 0) => plural(known, "company"),
        (known, _) => format!("{} and some not known by name", plural(known, "company")),
    };
    format!(
        "In the last 24 hours {companies} tried to track {} of your devices. {}",
        count(total.devices),
        outcome_line(total)
    )
}

fn tally_line(total: &Tally) -> String {
    let companies = match (total.companies, total.unattributed) {
        (0, _) => "Companies not known by name".into(),
        (known, 0) => plural(known, "company"),
        (known, _) => format!("{} and Unattributed", plural(known, "company")),
    };
    format!("{companies}, {}", outcome_line(total))
}

/// Returns attempts by what became of them.
pub fn outcome_line(total: &Tally) -> String {
    let mut line =
        format!("{}: {} blocked", plural(total.attempts, "attempt"), count(total.blocked));
    if total.allowed > 0 {
        line.push_str(&format!(", {} got through", count(total.allowed)));
    }
    if total.failed > 0 {
        line.push_str(&format!(", {} failed", count(total.failed)));
    }
    line.push('.');
    line
}

/// Returns a line for each time in which queries could not be recorded.
pub fn gap_lines(gaps: &[Gap], screen: &Screen) -> String {
    let line = |gap: &Gap| {
        let lost = plural(gap.lost, "query");
        let (from, until) = (screen.clock_seconds(gap.from), screen.clock_seconds(gap.until));
        let text = format!("Not recorded: {lost} between {from} and {until}.");
        format!("{}\n", screen.paint(Style::Failed, &text))
    };
    gaps.iter().map(line).collect()
}
