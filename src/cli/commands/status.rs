//! `status`: one screen of how the daemon fares.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Failure, Screen, Session, Style, bytes, count, escape, fields, level_title, outcome_line,
    percent, plural, sentence, short, wrap,
};
use crate::api::{
    Counts, Health, ListBrief, ListState, ListUpdateView, PauseView, Status, UpstreamView, paths,
};

/// Calls the daemon and prints.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let status: Status = session.client.get(paths::STATUS, &()).await?;
    session.show(&status, render)
}

/// Lays it out.
pub fn render(status: &Status, screen: &Screen) -> String {
    let (style, word) = match status.health {
        Health::Healthy => (Style::Blocked, "Healthy"),
        Health::Degraded => (Style::Failed, "Degraded"),
        Health::Paused => (Style::GotThrough, "Paused"),
        Health::Off => (Style::GotThrough, "Off"),
    };
    let mut lines = vec![
        ("running", running(status, screen)),
        ("answering", format!("{} (UDP and TCP)", status.listening.join(", "))),
        ("last 24 h", queries(status)),
        ("tracking", tracking(status)),
        ("level", format!("{} for everyone", level_title(status.level, status.custom))),
        ("notices", notices(status, screen)),
        ("paused", pauses(&status.pauses, screen)),
        ("lists", lists(&status.lists)),
        ("fetched", fetched(&status.fetching, screen)),
        ("catalogue", catalogue(status)),
        ("policy", format!("revision {}", short(&status.revision))),
        ("time zone", time_zone(status)),
        ("cache", cache(status)),
        ("log", log(status)),
        ("since start", doors(status)),
        ("forwarders", claims(&status.counts, screen)),
        ("limited", limited(&status.counts, screen)),
    ];
    let mut text = format!("{}: {}\n", screen.paint(style, word), escape(&status.summary));
    for notice in &status.notices {
        let notice = format!("! {}", escape(notice));
        text.push_str(&format!("  {}\n", wrap(&notice, 4, screen.width)));
    }
    lines.extend(status.unseen.iter().map(|why| ("unseen", escape(why))));
    lines.extend(status.upstreams.iter().map(|view| ("upstream", upstream(view))));
    text.push_str(&fields(&lines, screen));
    text
}

fn running(status: &Status, screen: &Screen) -> String {
    let since = screen.clock(status.started);
    format!("deadpixel {} since {since}, {}", status.version, escape(&status.config))
}

fn queries(status: &Status) -> String {
    let queries = &status.queries;
    let mut text = format!(
        "{} from {}: {} blocked ({})",
        plural(queries.queries, "query"),
        plural(queries.devices, "device"),
        count(queries.blocked),
        percent(queries.blocked, queries.queries)
    );
    if queries.failed > 0 {
        text.push_str(&format!(", {} failed", count(queries.failed)));
    }
    text
}

fn tracking(status: &Status) -> String {
    match status.attempts.attempts {
        0 => sentence(&status.attempts),
        _ => {
            let companies = plural(status.attempts.companies, "company");
            format!("{companies}, {}", outcome_line(&status.attempts))
        }
    }
}

fn pauses(pauses: &[PauseView], screen: &Screen) -> String {
    let text = |pause: &PauseView| {
        format!("{} until {}", escape(&pause.scope.to_string()), screen.clock(pause.until))
    };
    pauses.iter().map(text).collect::<Vec<String>>().join(", ")
}

fn notices(status: &Status, screen: &Screen) -> String {
    if status.open_notices == 0 {
        return String::new();
    }
    let told = status
        .latest_notices
        .iter()
        .map(|notice| format!("{} ({})", escape(&notice.headline), screen.ago(notice.latest)));
    let told = told.collect::<Vec<String>>().join("; ");
    format!("{} open: {told}. All: deadpixel notices", count(status.open_notices as u64))
}

fn lists(lists: &[ListBrief]) -> String {
    let on = |list: &&ListBrief| list.state != ListState::Off;
    let name = |list: &ListBrief| {
        let part = if list.state == ListState::Part { ", in part" } else { "" };
        format!("{} ({}{part})", escape(&list.name), plural(u64::from(list.rules), "rule"))
    };
    let names: Vec<String> = lists.iter().filter(on).map(name).collect();
    let off = lists.len() - names.len();
    match (names.is_empty(), off) {
        (true, _) => "none is on for everyone".into(),
        (false, 0) => names.join(", "),
        (false, off) => format!("{}; {off} more are off", names.join(", ")),
    }
}

/// Names the hosts that are contacted for lists, and when the last one answered.
fn fetched(lists: &[ListUpdateView], screen: &Screen) -> String {
    let mut hosts: BTreeMap<&str, (Vec<&str>, Option<Timestamp>)> = BTreeMap::new();
    for list in lists {
        let (names, last) = hosts.entry(&list.host).or_default();
        names.push(&list.list);
        *last = (*last).max(list.last_success);
    }
    let told = hosts.iter().map(|(host, (names, last))| {
        let last = last.map_or("not yet".into(), |last| format!("last {}", screen.clock(last)));
        format!("{} from {}, {last}", escape(&names.join(", ")), escape(host))
    });
    told.collect::<Vec<_>>().join("; ")
}

fn catalogue(status: &Status) -> String {
    let companies = plural(status.companies as u64, "company");
    format!("{companies}, edition {}", escape(&status.catalogue))
}

fn time_zone(status: &Status) -> String {
    format!("{} ({})", escape(&status.time_zone), escape(&status.time_zone_from))
}

fn cache(status: &Status) -> String {
    let lookups = status.cache_hits + status.cache_misses;
    format!(
        "{}, {}; it had {} of what was asked for",
        plural(status.cache_entries, "answer"),
        bytes(status.cache_bytes),
        percent(status.cache_hits, lookups)
    )
}

fn log(status: &Status) -> String {
    let log = &status.log;
    let mut text = format!("{}, {}", plural(log.events, "event"), bytes(log.bytes));
    if log.lost > 0 {
        text.push_str(&format!(", {} could not be recorded", count(log.lost)));
    }
    text
}

fn doors(status: &Status) -> String {
    let counts = &status.counts;
    let mut parts =
        vec![format!("{} over UDP", count(counts.udp)), format!("{} over TCP", count(counts.tcp))];
    let rare = [
        (counts.refused_clients, "from addresses not served"),
        (counts.malformed, "unreadable"),
        (counts.shed, "shed"),
        (counts.connections_refused, "connections refused"),
        (counts.connections, "connections open"),
        (counts.unsent, "replies not sent"),
        (counts.socket_errors, "errors of sockets"),
        (counts.kernel_drops, "dropped by the kernel before they were read"),
    ];
    let rare = rare.iter().filter(|(number, _)| *number > 0);
    parts.extend(rare.map(|(number, what)| format!("{} {what}", count(*number))));
    parts.join(", ")
}

/// Tells of claims by others about who asks, those that nobody heeds too.
fn claims(counts: &Counts, screen: &Screen) -> String {
    let mut parts = Vec::new();
    if counts.claims_taken > 0 {
        let queries = plural(counts.claims_taken, "query");
        parts.push(format!("{queries} of devices that they named"));
    }
    if counts.claims_ignored > 0 {
        let last = counts.last_ignored_claim.map_or(String::new(), |last| {
            format!(", the last from {} at {}", last.client, screen.clock(last.at))
        });
        parts.push(format!("{} of others ignored{last}", plural(counts.claims_ignored, "claim")));
    }
    parts.join("; ")
}

/// Tells of clients that asked more than they may.
fn limited(counts: &Counts, screen: &Screen) -> String {
    let (truncated, refused) = (counts.rate_truncated, counts.rate_refused);
    if truncated + refused == 0 {
        return String::new();
    }
    let last = counts.last_limited.map_or(String::new(), |last| {
        format!(", the last from {} at {}", last.client, screen.clock(last.at))
    });
    let queries = plural(truncated + refused, "query");
    format!("{queries} over the rate limit ({} refused){last}", count(refused))
}

fn upstream(view: &UpstreamView) -> String {
    let zone = view.zone.as_deref().map(|zone| format!(" for {}", escape(zone)));
    let mut parts = vec![match (view.up, view.latency_micros, view.last_error.as_deref()) {
        (false, _, Some(error)) => format!("rests after: {}", escape(error)),
        (false, _, None) => "rests after failures".into(),
        (true, Some(micros), _) => millis(micros),
        (true, None, _) => "not asked yet".into(),
    }];
    if let (true, Some(half), Some(most)) = (view.up, view.p50_micros, view.p95_micros) {
        parts.push(format!("half within {}", millis(half)));
        parts.push(format!("95% within {}", millis(most)));
    }
    if view.failed > 0 {
        parts.push(format!("{} of {} failed", count(view.failed), count(view.asked)));
    }
    if view.timeouts > 0 {
        parts.push(format!("{} for want of a reply", count(view.timeouts)));
    }
    if view.moved_to_tcp > 0 {
        parts.push(format!("{} asked again over TCP", count(view.moved_to_tcp)));
    }
    format!("{}{} · {}", escape(&view.name), zone.unwrap_or_default(), parts.join(", "))
}

fn millis(micros: u64) -> String {
    format!("{} ms", micros.div_ceil(1_000))
}
