//! `devices`: all devices, with what the last 24 hours brought.

use super::{
    Cell, Column, Failure, Row, Screen, Session, Style, Table, count, escape, level_title, percent,
};
use crate::api::{DeviceView, paths};

/// Calls the daemon and prints.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let devices: Vec<DeviceView> = session.client.get(paths::DEVICES, &()).await?;
    session.show(&devices, |devices, screen| render(devices, screen))
}

/// Lays them out.
pub fn render(devices: &[DeviceView], screen: &Screen) -> String {
    if devices.is_empty() {
        return "No device has asked yet. Set this machine as the DNS server on one of them.\n"
            .into();
    }
    let columns = &[
        Column::text("DEVICE").least(14),
        Column::whole("LEVEL"),
        Column::number("ATTEMPTS"),
        Column::number("BLOCKED"),
        Column::text("MOST BY").least(8),
        Column::whole("LAST SEEN"),
        Column::text("ADDRESS").least(12),
    ];
    let mut table = Table::new(columns);
    devices.iter().for_each(|device| table.push(row(device, screen)));
    let mut text = table.render(screen);
    if let Some(unnamed) = devices.iter().find(|device| !device.named) {
        let name = escape(&unnamed.brief.name);
        text.push_str(&format!("Name a device: deadpixel device rename {name} NAME\n"));
    }
    text
}

fn row(device: &DeviceView, screen: &Screen) -> Row {
    let style = if device.attempts.allowed > 0 { Style::GotThrough } else { Style::Blocked };
    let blocked = match device.attempts.attempts {
        0 => String::new(),
        attempts => percent(device.attempts.blocked, attempts),
    };
    let most = device.top_companies.first().map(|company| escape(&company.name));
    Row::of([
        escape(&device.brief.name).into(),
        level(device).into(),
        count(device.attempts.attempts).into(),
        Cell::styled(style, blocked),
        most.unwrap_or_default().into(),
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

/// Returns the first address, unless it is the name, and how many more there are.
fn addresses(device: &DeviceView) -> String {
    let addresses = device.brief.addresses.iter().map(ToString::to_string);
    let mut addresses = addresses.filter(|address| *address != device.brief.name);
    let first = addresses.next().unwrap_or_default();
    match addresses.count() {
        0 => first,
        more => format!("{first} +{more}"),
    }
}
