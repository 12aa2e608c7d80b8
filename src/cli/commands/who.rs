//! `who`: who tried to track whom in the last 24 hours.

use super::{
    Cell, Column, Failure, Row, Screen, Session, Style, Table, company_title, count, escape,
    level_title, percent, plural, quote, wrap,
};
use crate::api::{DeviceBrief, Gap, Tally, Who, WhoParams, WhoRow, paths};
use crate::model::Level;

/// Rows that a terminal shows unless all are wanted.
const SCREENFUL: usize = 30;

/// Calls the daemon and prints.
pub async fn run(session: &Session, device: Option<String>, all: bool) -> Result<(), Failure> {
    let who: Who = session.client.get(paths::WHO, &WhoParams { device }).await?;
    session.show(&who, |who, screen| render(who, all, screen))
}

/// Lays it out; on a terminal the first rows only, unless all are wanted.
pub fn render(who: &Who, all: bool, screen: &Screen) -> String {
    let most = if all || screen.width.is_none() { usize::MAX } else { SCREENFUL };
    let rows = who.rows.get(..most).unwrap_or(&who.rows);
    let left = who.more + who.rows.len() - rows.len();
    let more = if left > 0 { more_line(who, left, screen) } else { String::new() };
    let text = match &who.device {
        Some(device) => one(who, device, (rows, &more), screen),
        None => everyone(who, (rows, &more), screen),
    };
    format!("{text}{}", gap_lines(&who.gaps, screen))
}

/// Says how many rows there are more, and how to see them.
fn more_line(who: &Who, left: usize, screen: &Screen) -> String {
    let rest = plural(left as u64, "row");
    let how = match (&who.device, who.more) {
        (Some(device), 0) => format!("deadpixel who {} --all", quote(&device.name)),
        (None, 0) => "deadpixel who --all, or who DEVICE".into(),
        _ => "deadpixel who DEVICE".into(),
    };
    let line = format!("{rest} more with fewer attempts: {how}");
    format!("{}\n", screen.paint(Style::Faint, &line))
}

fn one(
    who: &Who,
    device: &DeviceBrief,
    (rows, more): (&[WhoRow], &str),
    screen: &Screen,
) -> String {
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
    let table = company_table(rows, screen);
    let total = tally_line(&who.total);
    let stricter = match (device.level, device.custom) {
        (Level::Strict, _) | (_, true) => String::new(),
        _ => format!("Stricter: deadpixel level {} strict\n", quote(&device.name)),
    };
    let total = wrap(&total, 0, screen.width);
    format!("{head}{}{more}{total}\n{stricter}", table.render(screen))
}

fn everyone(who: &Who, (rows, more): (&[WhoRow], &str), screen: &Screen) -> String {
    let sentence = screen.paint(Style::Strong, &wrap(&sentence(&who.total), 0, screen.width));
    if who.rows.is_empty() {
        return format!("{sentence}\n");
    }
    let outcome = wrap(&outcome_line(&who.total), 0, screen.width);
    let columns = &[
        Column::text("DEVICE").least(14),
        Column::text("COMPANY").least(14),
        Column::text("PURPOSE").least(9),
        Column::number("ATTEMPTS"),
        Column::number("BLOCKED"),
        Column::whole("LAST"),
    ];
    let mut table = Table::new(columns);
    for who in rows {
        let mut row = vec![Cell::from(escape(&who.device))];
        row.extend(company_cells(who, screen));
        table.push(with_remark(Row::of(row), who));
    }
    format!("{sentence}\n{outcome}\n{}{more}", table.render(screen))
}

/// Lays out who tracks one device: a row a company, with a remark where something got through.
pub fn company_table(rows: &[WhoRow], screen: &Screen) -> Table {
    let mut table = Table::new(&[
        Column::text("COMPANY").least(14),
        Column::text("PURPOSE").least(9),
        Column::number("ATTEMPTS"),
        Column::number("BLOCKED"),
        Column::whole("LAST"),
    ]);
    for row in rows {
        table.push(with_remark(Row::of(company_cells(row, screen)), row));
    }
    table
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
        "In the last 24 hours {companies} tried to track {} of your devices.",
        count(total.devices)
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
