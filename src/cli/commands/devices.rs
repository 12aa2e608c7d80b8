//! `devices`: all devices, with what the last 24 hours brought.

use super::{
    Cell, Column, Failure, Row, Screen, Session, Style, Table, count, escape, level_title, percent,
    quote, wrap,
};
use crate::api::{DeviceView, LikenessView, paths};
use crate::model::{DeviceKind, Grade};

/// Calls the daemon and prints.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let devices: Vec<DeviceView> = session.client.get(paths::DEVICES, &()).await?;
    let path = paths::DEVICE_PROPOSALS;
    let alike: Vec<LikenessView> = match session.json {
        true => Vec::new(),
        false => session.client.get(path, &()).await?,
    };
    session.show(&devices, |devices, screen| {
        format!("{}{}", render(devices, screen), likeness_lines(&alike, screen))
    })
}

/// Lays them out.
pub fn render(devices: &[DeviceView], screen: &Screen) -> String {
    if devices.is_empty() {
        return "No device has asked yet. Set this machine as the DNS server on one of them.\n"
            .into();
    }
    let columns = &[
        Column::text("DEVICE").least(14),
        Column::whole("KIND"),
        Column::whole("LEVEL"),
        Column::number("ATTEMPTS"),
        Column::number("BLOCKED"),
        Column::whole("LAST SEEN"),
        Column::text("ADDRESS").least(13),
    ];
    let mut table = Table::new(columns);
    devices.iter().for_each(|device| table.push(row(device, screen)));
    let mut text = table.render(screen);
    if devices.iter().any(|device| mark(device) == "?") {
        text.push_str("? known by its address alone, which another device may have one day.\n");
    }
    if let Some(unnamed) = devices.iter().find(|device| !device.named) {
        let name = quote(&escape(&unnamed.brief.name));
        let proposed = unnamed.proposed_name.as_deref().map(|name| quote(&escape(name)));
        let proposed = proposed.unwrap_or_else(|| "NAME".into());
        text.push_str(&format!("Name a device: deadpixel device rename {name} {proposed}\n"));
    }
    text
}

/// Says which devices may be one, and how to put them together.
pub fn likeness_lines(alike: &[LikenessView], screen: &Screen) -> String {
    let mut text = String::new();
    for likeness in alike {
        let (first, second) = (escape(&likeness.first_name), escape(&likeness.second_name));
        let reasons: Vec<String> = likeness.reasons.iter().map(|why| escape(why)).collect();
        let line = format!(
            "{first} and {second} look like one device: {} ({first} was last seen {}, {second} \
             first {}).",
            reasons.join("; "),
            screen.clock(likeness.left),
            screen.clock(likeness.came)
        );
        let way = format!("deadpixel device merge {} {}", quote(&first), quote(&second));
        text.push_str(&format!("{}\n  If so: {way}\n", wrap(&line, 2, screen.width)));
    }
    text
}

fn row(device: &DeviceView, screen: &Screen) -> Row {
    let style = if device.attempts.allowed > 0 { Style::GotThrough } else { Style::Blocked };
    let blocked = match device.attempts.attempts {
        0 => String::new(),
        attempts => percent(device.attempts.blocked, attempts),
    };
    Row::of([
        escape(&device.brief.name).into(),
        device.kind.map_or("", DeviceKind::as_str).into(),
        level(device).into(),
        count(device.attempts.attempts).into(),
        Cell::styled(style, blocked),
        device.last_seen.map_or("never".into(), |time| screen.ago(time)).into(),
        addresses(device).into(),
    ])
}

fn level(device: &DeviceView) -> &'static str {
    match device.paused_until {
        Some(_) => "paused",
        None => level_title(device.brief.level, device.brief.custom),
    }
}

/// Returns the mark of a device of which the address alone is known.
fn mark(device: &DeviceView) -> &'static str {
    match device.grade {
        Some(Grade::Hardware | Grade::Lease | Grade::Forwarder) | None => "",
        Some(_) => "?",
    }
}

/// Returns the first address, unless it is the name, how many more there are, and the mark.
fn addresses(device: &DeviceView) -> String {
    let addresses = device.brief.addresses.iter().map(ToString::to_string);
    let mut addresses = addresses.filter(|address| *address != device.brief.name);
    let first = addresses.next().unwrap_or_default();
    let mark = mark(device);
    match (addresses.count(), first.is_empty() || mark.is_empty()) {
        (0, true) => format!("{first}{mark}"),
        (0, false) => format!("{first} {mark}"),
        (more, true) => format!("{first} +{more}"),
        (more, false) => format!("{first} +{more} {mark}"),
    }
}
