//! `why`: what would become of a query for a name, and through what.

use super::{
    Failure, Screen, Session, Style, WhyArgs, company_title, escape, fields, offline, plural,
    print, print_json, quote, verdict, width,
};
use crate::api::{DecidedBy, Expected, LogEntry, Why, WhyParams, paths};
use crate::model::{Level, ListKind, Outcome};

/// Where the verdict ends in the first line.
const VERDICT_END: usize = 64;

/// What is said of the rule that decides.
const DECIDES: &str = "decides";

/// Rules beside it that are shown.
const MOST_OTHERS: usize = 8;

/// Calls the daemon and prints.
pub async fn run(session: &Session, args: &WhyArgs) -> Result<(), Failure> {
    args.offline.check_unwanted()?;
    let params = WhyParams {
        name: args.name.clone(),
        device: args.device.clone(),
        query_type: Some(args.query_type.clone()),
    };
    let why: Why = session.client.get(paths::WHY, &params).await?;
    session.show(&why, render)?;
    match why.outcome {
        Outcome::Blocked if args.exit_code => Err(Failure::Blocked),
        _ => Ok(()),
    }
}

/// Judges by list files and prints; no daemon is called.
pub fn run_offline(args: &WhyArgs, json: bool) -> Result<(), Failure> {
    let report = offline::explain(&args.name, &args.query_type, &args.offline)?;
    if json {
        print_json(&report)?;
    } else {
        print(&offline::render(&args.name, &report, &Screen::of_process()))?;
    }
    match report.verdict {
        "block" if args.exit_code => Err(Failure::Blocked),
        _ => Ok(()),
    }
}

/// Lays it out: the verdict, the chain, what would change it.
pub fn render(why: &Why, screen: &Screen) -> String {
    let (label, own) = own_step(why);
    let mut steps =
        vec![("alias", alias_step(why, screen)), (label, own), ("list", list_step(why))];
    steps.extend(other_steps(why));
    steps.extend([
        ("company", company_step(why)),
        ("answer", answer_step(why)),
        ("last", why.last.as_ref().map(|entry| last_step(entry, screen)).unwrap_or_default()),
    ]);
    let steps = steps.into_iter().filter(|(_, text)| !text.is_empty()).enumerate();
    let numbered: Vec<(String, String)> =
        steps.map(|(place, (label, text))| (format!("{} {label}", place + 1), text)).collect();
    let lines: Vec<(&str, String)> =
        numbered.iter().map(|(label, text)| (label.as_str(), text.clone())).collect();
    format!("{}{}{}", heading(why, screen), fields(&lines, screen), hint(why, screen))
}

fn heading(why: &Why, screen: &Screen) -> String {
    let whom = match &why.device {
        Some(device) => format!("asked by {}", escape(&device.name)),
        None => "asked by a device without a policy of its own".into(),
    };
    let name = escape(&why.name);
    let (style, verdict) = match why.outcome {
        Outcome::Blocked => (Style::Blocked, "BLOCKED"),
        Outcome::Failed => (Style::Failed, "FAILED"),
        Outcome::Allowed if why.tracking => (Style::GotThrough, "GETS THROUGH"),
        Outcome::Allowed => (Style::Plain, "ALLOWED"),
    };
    let used = width(&name) + 2 + width(&whom) + verdict.len();
    let blank = " ".repeat(VERDICT_END.saturating_sub(used).max(2));
    let (name, verdict) = (screen.paint(Style::Strong, &name), screen.paint(style, verdict));
    format!("{name}  {whom}{blank}{verdict}\n{}", lifted(why, screen))
}

/// Says what lifts the block, if something does.
fn lifted(why: &Why, screen: &Screen) -> String {
    match why.paused_until {
        _ if !why.would_block => String::new(),
        Some(until) => {
            let until = screen.clock(until);
            format!("It would be blocked, but blocking is paused until {until}.\n")
        }
        None if why.level == Level::Off => "It would be blocked, but the level is off.\n".into(),
        None => "It would be blocked, but blocking is lifted.\n".into(),
    }
}

fn alias_step(why: &Why, screen: &Screen) -> String {
    let Some(alias) = &why.alias else { return String::new() };
    format!("-> {}  (seen {})", escape(&alias.target), screen.ago(alias.seen))
}

fn own_step(why: &Why) -> (&'static str, String) {
    match &why.decided_by {
        Some(DecidedBy::Rule { text }) => ("rule", escape(text)),
        Some(DecidedBy::Ban { list, rule, line }) => {
            ("ban", located(list, None, rule.as_deref(), *line))
        }
        Some(DecidedBy::Canary) => {
            ("canary", "it would tell the device to pass this resolver by".into())
        }
        Some(DecidedBy::NotListed) => {
            ("not listed", "only listed names are answered, and nothing allows this one".into())
        }
        Some(DecidedBy::List { .. }) | None => ("", String::new()),
    }
}

fn list_step(why: &Why) -> String {
    let deciding = match &why.decided_by {
        Some(DecidedBy::List { list, version, rule, line }) => {
            located(list, *version, rule.as_deref(), *line)
        }
        _ => String::new(),
    };
    let decided = match &why.decided_by {
        Some(DecidedBy::List { list, .. } | DecidedBy::Ban { list, .. }) => Some(list),
        _ => None,
    };
    // A ban that is off is no news: nobody asked for it.
    let off = why.lists.iter().filter(|found| !found.binds && found.kind != ListKind::Ban);
    let off = off.filter(|found| Some(&found.list) != decided);
    let mut off: Vec<String> = off.map(|found| escape(&found.list)).collect();
    off.dedup();
    let told = [("", deciding), ("not in force here: ", off.join(", "))];
    let told = told.into_iter().filter(|(_, lists)| !lists.is_empty());
    let told: Vec<String> = told.map(|(label, lists)| format!("{label}{lists}")).collect();
    match (&why.decided_by, &why.answer) {
        (None, Expected::Upstream) if why.lists.is_empty() => "on none".into(),
        _ => told.join("; "),
    }
}

/// Returns the rules that match and do not decide, with why.
fn other_steps(why: &Why) -> Vec<(&'static str, String)> {
    let own = why.own.iter().filter(|found| found.why != DECIDES);
    let own = own.map(|found| escape(&format!("{} ({})", found.rule, found.why)));
    let lists = why.lists.iter().filter(|found| found.binds && found.why != DECIDES);
    let lists = lists.map(|found| {
        let place = located(&found.list, found.version, Some(&found.rule), found.line);
        format!("{place} ({})", escape(&found.why))
    });
    let mut others: Vec<String> = own.chain(lists).collect();
    if others.len() > MOST_OTHERS {
        let more = others.split_off(MOST_OTHERS).len();
        others.push(format!("and {}; --json has all", plural(more as u64, "other rule")));
    }
    others.into_iter().map(|other| ("also", other)).collect()
}

fn located(list: &str, version: Option<u32>, rule: Option<&str>, line: Option<u32>) -> String {
    let version = version.map(|version| format!(" v{version}")).unwrap_or_default();
    let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
    let rule = rule.map(|rule| format!(": {}", escape(rule))).unwrap_or_default();
    format!("{}{version}{line}{rule}", escape(list))
}

fn company_step(why: &Why) -> String {
    match &why.company {
        Some(row) => {
            let company = company_title(Some(&row.company));
            let breakage = breakage(&escape(&row.breakage));
            format!("{company} ({}){breakage}", escape(&row.purpose))
        }
        None if why.tracking => "Unattributed".into(),
        None => String::new(),
    }
}

/// Says what stops working where the name is blocked; the catalogue writes `no: note`,
/// `partly: what` or `yes: what`.
fn breakage(told: &str) -> String {
    let (word, what) = told.split_once(": ").unwrap_or((told, ""));
    match (word, what) {
        ("no", "") => "; blocking it breaks nothing".into(),
        ("no", note) => format!(": {note}; blocking it breaks nothing"),
        ("partly", "") => "; blocking it may break something".into(),
        ("partly", what) => format!("; blocking it may break: {what}"),
        ("yes", "") => "; blocking it breaks what uses it".into(),
        ("yes", what) => format!("; blocking it breaks: {what}"),
        ("", _) => String::new(),
        _ => format!("; {told}"),
    }
}

fn answer_step(why: &Why) -> String {
    let took = why
        .last
        .as_ref()
        .filter(|last| last.outcome == why.outcome)
        .map(|last| format!(" in {}", milliseconds(last.duration_micros)));
    let took = took.unwrap_or_default();
    match &why.answer {
        Expected::Sinkhole { data, ttl } => format!("{data}, {ttl} s, from us{took}"),
        Expected::Rewrite { rcode, records } if records.is_empty() => {
            format!("{}, no records, as the rule says", escape(rcode))
        }
        Expected::Rewrite { records, .. } => {
            format!("{}, as the rule says", escape(&records.join("; ")))
        }
        Expected::Truncated => "the real one, over TCP only".into(),
        Expected::Local => format!("one of ours: the name is local{took}"),
        Expected::Upstream => "the real one, from upstream or the cache".into(),
    }
}

fn last_step(entry: &LogEntry, screen: &Screen) -> String {
    let (_, word) = verdict(entry);
    format!("asked {} by {}: {word}", screen.ago(entry.time), escape(&entry.device))
}

/// Returns what would change the verdict.
fn hint(why: &Why, screen: &Screen) -> String {
    let (here, flag) = match &why.device {
        Some(device) => ("here", format!("-d {}", quote(&device.name))),
        None => ("for everyone", "--everyone".into()),
    };
    let name = quote(&why.name);
    let (label, command) = match (&why.outcome, &why.decided_by, &why.answer) {
        (_, _, Expected::Local) => return String::new(),
        (Outcome::Blocked, Some(DecidedBy::Ban { list, .. }), _) => {
            let slug = quote(list.strip_prefix("ban-").unwrap_or(list));
            (format!("Lift the ban {here}"), format!("company allow {slug} {flag}"))
        }
        (Outcome::Blocked, _, _) => {
            (format!("Allow {here} for an hour"), format!("allow {name} {flag} --for 1h"))
        }
        _ if why.would_block => return String::new(),
        _ => (format!("Block {here}"), format!("block {name} {flag}")),
    };
    let line = format!("{label}:  deadpixel {command}");
    match screen.width {
        Some(most) if width(&line) > most => format!("{label}:\n  deadpixel {command}\n"),
        _ => format!("{line}\n"),
    }
}

fn milliseconds(micros: u32) -> String {
    match micros {
        0..100 => "under 0.1 ms".into(),
        100..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{} ms", micros / 1_000),
    }
}
