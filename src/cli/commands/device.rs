//! `device`: one device shown, named or forgotten.

use std::io::{BufRead, IsTerminal, Write};

use hyper::Method;

use super::{
    DeviceCommand, Failure, Screen, Session, Style, company_table, count, escape, fields,
    level_title, outcome_line, plural, quote, rules_table,
};
use crate::api::{Bound, Changed, DeviceChange, DeviceDetails, DeviceView, paths};
use crate::model::LogDetail;

/// Does what the arguments say.
pub async fn run(session: &Session, command: &DeviceCommand) -> Result<(), Failure> {
    match command {
        DeviceCommand::Show { device } => {
            let details: DeviceDetails = session.client.get(&paths::device(device), &()).await?;
            session.show(&details, render)
        }
        DeviceCommand::Rename { device, name } => {
            let body = DeviceChange { name: name.clone() };
            let path = paths::device(device);
            let changed: Changed = session.client.send(Method::PATCH, &path, &body).await?;
            session.show(&changed, |changed, _| {
                let (old, new) = (escape(&changed.subject), escape(&changed.scope.to_string()));
                let undo = format!("deadpixel device rename {} {}", quote(&new), quote(&old));
                format!("{old} is now called {new}. Undo: {undo}\n")
            })
        }
        DeviceCommand::Forget { device, history, yes } => {
            forget(session, device, *history, *yes).await
        }
    }
}

async fn forget(session: &Session, device: &str, history: bool, yes: bool) -> Result<(), Failure> {
    let found: DeviceDetails = session.client.get(&paths::device(device), &()).await?;
    let name = escape(&found.device.brief.name);
    let past = if history { " and its past in the log" } else { "" };
    if !yes && !confirmed(&format!("Forget {name} with its rules{past}?"))? {
        return Err(Failure::Failed("nothing was changed".into()));
    }
    let path = paths::device(&found.device.brief.id.to_string());
    let path = format!("{path}?history={history}");
    let changed: Changed = session.client.send(Method::DELETE, &path, &()).await?;
    session.show(&changed, |_, _| {
        let past = if history { ", its past is erased" } else { "" };
        format!("{name} is forgotten{past}. Its next query makes it a new device.\n")
    })
}

/// Asks on a terminal; without one the answer must have been given.
fn confirmed(question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::Usage("this cannot be undone: add --yes".into()));
    }
    eprint!("{question} It cannot be undone. [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Lays one device out.
pub fn render(details: &DeviceDetails, screen: &Screen) -> String {
    let device = &details.device;
    let groups: Vec<String> = device.groups.iter().map(|group| escape(group.as_str())).collect();
    let name = &device.brief.name;
    let on = bound(&details.lists, true, name);
    let seen = |time: Option<_>| time.map_or("never".into(), |time| screen.ago(time));
    let lines = [
        ("number", device.brief.id.to_string()),
        ("addresses", addresses(details)),
        ("known by", known_by(device)),
        ("seen", format!("first {}, last {}", seen(device.first_seen), seen(device.last_seen))),
        ("groups", groups.join(", ")),
        ("level", level(details, screen)),
        ("lists", if on.is_empty() { "none".into() } else { on }),
        ("taken out", bound(&details.lists, false, name)),
        ("banned", bound(&details.bans, true, name)),
        ("not banned", bound(&details.bans, false, name)),
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

fn known_by(device: &DeviceView) -> String {
    match device.named {
        true => "its addresses in policy.toml".into(),
        false => {
            let name = quote(&device.brief.name);
            format!("its address alone; name it: deadpixel device rename {name} NAME")
        }
    }
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

fn recorded(log: LogDetail) -> &'static str {
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
