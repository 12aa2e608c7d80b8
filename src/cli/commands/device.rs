//! `device show`: everything about one device, and how that is known.

use super::{
    Column, Failure, Row, Screen, Session, Style, Table, company_table, count, escape, fields,
    level_title, likeness_lines, outcome_line, plural, quote, rules_table,
};
use crate::api::{
    BindingView, Bound, DeviceDetails, DeviceView, HardwareView, ScheduleView, paths,
};
use crate::model::{Grade, LogDetail};

/// Shows it.
pub async fn show(session: &Session, device: &str) -> Result<(), Failure> {
    let details: DeviceDetails = session.client.get(&paths::device(device), &()).await?;
    session.show(&details, render)
}

/// Lays one device out.
pub fn render(details: &DeviceDetails, screen: &Screen) -> String {
    let device = &details.device;
    let groups: Vec<String> = device.groups.iter().map(|group| escape(group.as_str())).collect();
    let name = &device.brief.name;
    let on = bound(&details.lists, true, name);
    let lines = [
        ("number", device.brief.id.to_string()),
        ("kind", kind(device)),
        ("groups", groups.join(", ")),
        ("level", level(details, screen)),
        ("lists", if on.is_empty() { "none".into() } else { on }),
        ("taken out", bound(&details.lists, false, name)),
        ("banned", bound(&details.bans, true, name)),
        ("not banned", bound(&details.bans, false, name)),
        ("answered", answered(details)),
        ("schedules", schedules(&details.schedules, name, screen)),
        ("recorded", format!("{}{}", recorded(device.log), source(&details.log_from, name))),
        ("last 24 h", day(device)),
    ];
    let mut text = format!("{}\n", screen.paint(Style::Strong, &escape(&device.brief.name)));
    text.push_str(&fields(&lines, screen));
    if !details.companies.is_empty() {
        let table = company_table(&details.companies, screen);
        text.push_str(&format!("\n{}", table.render(screen)));
    }
    if !details.rules.is_empty() {
        text.push_str(&format!("\n{}", rules_table(&details.rules, screen)));
    }
    text.push_str(&format!("\n{}", how_known(details, screen)));
    text.push_str(&likeness_lines(&details.may_be, screen));
    text
}

/// Lays out how it is known: what was seen, heard and written, and when.
fn how_known(details: &DeviceDetails, screen: &Screen) -> String {
    let device = &details.device;
    let seen = |time: Option<_>| time.map_or("never".into(), |time| screen.ago(time));
    let names = details.names.iter();
    let names: Vec<String> =
        names.map(|it| format!("{} ({})", escape(&it.name), heard(&it.from))).collect();
    let hardware: Vec<String> = details.hardware.iter().map(hardware).collect();
    let lines = [
        ("grade", grade(device)),
        ("named by", named_by(details)),
        ("hardware", hardware.join(", ")),
        ("maker", details.maker.as_deref().map(escape).unwrap_or_default()),
        ("names", names.join(", ")),
        ("seen", format!("first {}, last {}", seen(device.first_seen), seen(device.last_seen))),
        ("addresses", if details.bindings.is_empty() { addresses(details) } else { String::new() }),
    ];
    let mut text = format!("{}\n", screen.paint(Style::Strong, "How we know it"));
    text.push_str(&fields(&lines, screen));
    if !details.bindings.is_empty() {
        text.push_str(&format!("\n{}", bindings(&details.bindings, screen)));
        text.push_str(&match details.more_bindings {
            0 => String::new(),
            more => format!("{} earlier\n", plural(more, "binding")),
        });
    }
    text
}

fn addresses(details: &DeviceDetails) -> String {
    let now = details.device.brief.addresses.iter().map(ToString::to_string);
    let configured = details.configured.iter().map(|prefix| escape(prefix));
    let mut all: Vec<String> = now.collect();
    for prefix in configured {
        if !all.contains(&prefix) {
            all.push(prefix);
        }
    }
    all.join(", ")
}

/// Says what the grade means.
fn grade(device: &DeviceView) -> String {
    match device.grade {
        Some(Grade::Hardware) => "hardware: its hardware address was seen on our own link".into(),
        Some(Grade::Lease) => "lease: a DHCP server gave its address to its hardware".into(),
        Some(Grade::Forwarder) => "forwarder: a forwarder that config.toml trusts says so".into(),
        Some(_) => "address: by its address alone, which another device may have one day".into(),
        None => "none until it asks again".into(),
    }
}

fn named_by(details: &DeviceDetails) -> String {
    let device = &details.device;
    if !device.named {
        let name = quote(&escape(&device.brief.name));
        let proposed = device.proposed_name.as_deref().map(|name| quote(&escape(name)));
        let proposed = proposed.unwrap_or_else(|| "NAME".into());
        return format!("nobody; name it: deadpixel device rename {name} {proposed}");
    }
    let hardware = details.hardware.iter().filter(|it| it.configured);
    let hardware = hardware.map(|it| it.address.to_string());
    let addresses = details.configured.iter().map(|prefix| escape(prefix));
    let all: Vec<String> = hardware.chain(addresses).collect();
    format!("{} in policy.toml", all.join(", "))
}

fn hardware(hardware: &HardwareView) -> String {
    match hardware.random {
        true => format!("{} (random: made up by the device)", hardware.address),
        false => hardware.address.to_string(),
    }
}

fn kind(device: &DeviceView) -> String {
    let Some(kind) = device.kind else { return String::new() };
    match device.kind_from.as_deref() {
        None | Some("person") => kind.to_string(),
        Some(from) => format!("{kind}, to judge by {}", heard(from)),
    }
}

/// Returns where something was heard, in words.
fn heard(from: &str) -> &str {
    match from {
        "person" => "policy.toml",
        "lease" => "its DHCP lease",
        "mdns" => "what it announces",
        "reverse-name" => "the router's name for it",
        "maker" => "its maker",
        other => other,
    }
}

/// Lays out its addresses, in force and past.
fn bindings(bindings: &[BindingView], screen: &Screen) -> String {
    let columns = &[
        Column::text("ADDRESS").least(15),
        Column::whole("GRADE"),
        Column::whole("FROM"),
        Column::whole("UNTIL"),
        Column::words("EVIDENCE").least(20),
    ];
    let mut table = Table::new(columns);
    for binding in bindings {
        table.push(Row::of([
            escape(&binding.address).into(),
            binding.grade.as_str().into(),
            screen.clock(binding.from).into(),
            binding.until.map_or("now".into(), |until| screen.clock(until)).into(),
            escape(&binding.evidence).into(),
        ]));
    }
    table.render(screen)
}

fn answered(details: &DeviceDetails) -> String {
    let from = source(&details.only_listed_from, &details.device.brief.name);
    match details.only_listed {
        true => format!("only what something allows{from}"),
        false => String::new(),
    }
}

fn schedules(schedules: &[ScheduleView], device: &str, screen: &Screen) -> String {
    let texts = schedules.iter().map(|schedule| {
        let now = if schedule.on { "on" } else { "off" };
        let until = schedule.next_change.map(|at| format!(" until {}", screen.clock(at)));
        let from = source(&schedule.scope.to_string(), device);
        format!("{} {now}{}{from}", escape(&schedule.name), until.unwrap_or_default())
    });
    texts.collect::<Vec<String>>().join(", ")
}

fn level(details: &DeviceDetails, screen: &Screen) -> String {
    let device = &details.device;
    let level = level_title(device.brief.level, false);
    let custom = if device.brief.custom { ", lists switched by hand" } else { "" };
    let paused = device.paused_until.map(|until| format!(", paused until {}", screen.clock(until)));
    let from = source(&details.level_from, &device.brief.name);
    format!("{level}{from}{custom}{}", paused.unwrap_or_default())
}

/// Returns lists or bans that are on, or off, each with what says so where that is not the level.
fn bound(all: &[Bound], on: bool, device: &str) -> String {
    let texts = all.iter().filter(|bound| bound.on == on).map(|bound| {
        let part = if bound.part { " in part" } else { "" };
        let from = match bound.from.starts_with("level ") {
            true => String::new(),
            false => source(&bound.from, device),
        };
        format!("{}{part}{from}", escape(&bound.name))
    });
    texts.collect::<Vec<String>>().join(", ")
}

/// Returns what says so, as people read it; nothing where the program does.
fn source(from: &str, device: &str) -> String {
    match from {
        "default" => String::new(),
        own if own == device => " (its own)".into(),
        other => format!(" (from {})", escape(other)),
    }
}

/// Returns what is recorded, in words.
pub fn recorded(log: LogDetail) -> &'static str {
    match log {
        LogDetail::Full => "every query",
        LogDetail::Tracking => "tracking names in full, all else as counts",
        LogDetail::Counts => "counts only, no names",
        LogDetail::Nothing => "nothing",
    }
}

fn day(device: &DeviceView) -> String {
    let queries = plural(device.queries.queries, "query");
    match device.attempts.attempts {
        0 => format!("{queries}, {} blocked; no tracking seen", count(device.queries.blocked)),
        _ => format!("{queries}; {}", outcome_line(&device.attempts)),
    }
}
