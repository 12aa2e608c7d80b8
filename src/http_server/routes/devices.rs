//! Devices: all of them, and one of them.

use std::collections::HashMap;

use axum::extract::State;

use super::{
    Answer, App, Purposes, Segment, Shared, Snapshot, company_rows, device_facts, rows_of,
    rule_view, seconds, tally_of, written_view,
};
use crate::api::{
    Bound, DeviceDetails, DeviceView, ProblemDocument, ProblemKind, QueryTally, RuleView,
    ScheduleView, timestamp,
};
use crate::devices::Device;
use crate::model::{DeviceId, DeviceName, Scope};
use crate::policy::{BoundSchedule, CompanySwitch, ListSwitch, Sourced};
use crate::query_log::{QueryCount, Total};

/// Companies that a list of devices names for each.
const TOP_COMPANIES: usize = 3;

/// Answers `GET` of all.
pub async fn list(State(app): State<Shared>) -> Answer<Vec<DeviceView>> {
    app.work(read_all).await
}

/// Answers `GET` of one.
pub async fn show(State(app): State<Shared>, Segment(text): Segment) -> Answer<DeviceDetails> {
    app.work(move |app| read_one(app, &text)).await
}

fn read_all(app: &App) -> Result<Vec<DeviceView>, ProblemDocument> {
    app.parts.log.flush();
    let snapshot = Snapshot::of(app);
    let (from, until) = snapshot.last_day();
    let mut totals: HashMap<DeviceId, Vec<Total>> = HashMap::new();
    for total in snapshot.totals(app, from, until)? {
        totals.entry(total.device).or_default().push(total);
    }
    let queries = snapshot.queries(app, from, until)?;
    let day_of = |device: &Device| Day {
        totals: totals.get(&device.id).cloned().unwrap_or_default(),
        queries: queries.get(&device.id).cloned().unwrap_or_default(),
    };
    let devices = snapshot.devices.iter();
    let mut views: Vec<DeviceView> =
        devices.map(|device| view(&snapshot, device, &day_of(device))).collect();
    views.sort_by(|a, b| {
        b.attempts.attempts.cmp(&a.attempts.attempts).then(b.last_seen.cmp(&a.last_seen))
    });
    Ok(views)
}

fn read_one(app: &App, text: &str) -> Result<DeviceDetails, ProblemDocument> {
    app.parts.log.flush();
    let snapshot = Snapshot::of(app);
    let device = app.find_device(text, &snapshot)?.clone();
    let (from, until) = snapshot.last_day();
    let mut totals = snapshot.totals(app, from, until)?;
    totals.retain(|total| total.device == device.id);
    let queries = snapshot.queries(app, from, until)?.remove(&device.id).unwrap_or_default();
    let day = Day { totals, queries };
    let part = snapshot.part(&device);
    let name = DeviceName::parse(&device.key)
        .map_err(|why| ProblemDocument::new(ProblemKind::Internal, why))?;
    let effective = app.parts.policy.effective(Some(&name));
    let (bindings, more_bindings) = device_facts::bindings(app, device.id)?;
    Ok(DeviceDetails {
        device: view(&snapshot, &device, &day),
        configured: part
            .map(|part| part.addresses.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        maker: device_facts::maker(&device),
        hardware: device_facts::hardware(&device, part),
        names: device_facts::names(app, device.id),
        bindings,
        more_bindings,
        may_be: device_facts::may_be(app, device.id, &snapshot)?,
        only_listed: effective.only_listed.value,
        only_listed_from: effective.only_listed.source.to_string(),
        schedules: effective.schedules.iter().map(schedule_view).collect(),
        level_from: effective.level.source.to_string(),
        log_from: effective.log.source.to_string(),
        lists: effective.lists.iter().map(bound_list).collect(),
        bans: effective.companies.iter().map(|(slug, switch)| bound_ban(slug, switch)).collect(),
        rules: binding_rules(app, &snapshot, &device),
        companies: company_rows(app, &snapshot, &day.totals)?,
    })
}

/// What the log counted of one device in the last 24 hours.
struct Day {
    totals: Vec<Total>,
    queries: QueryCount,
}

fn view(snapshot: &Snapshot, device: &Device, day: &Day) -> DeviceView {
    let policy = snapshot.policy(Some(device.id));
    let part = snapshot.part(device);
    let rows = rows_of(&day.totals, TOP_COMPANIES, snapshot, &Purposes::default());
    let seen = |at: i64| (at > 0).then(|| timestamp(at));
    let (kind, kind_from) = device_facts::kind(device, part);
    let proposed = device.proposal.name.as_ref().filter(|(name, _)| *name != device.name);
    DeviceView {
        brief: snapshot.brief(device),
        named: device.named,
        proposed_name: proposed.map(|(name, _)| name.clone()),
        kind,
        kind_from,
        grade: device.grade,
        groups: snapshot.groups_of(Some(device)).to_vec(),
        log: policy.log_detail(),
        paused_until: policy.paused_until(snapshot.now).map(seconds),
        first_seen: seen(device.first_seen),
        last_seen: seen(device.last_seen),
        queries: QueryTally {
            queries: day.queries.queries,
            blocked: day.queries.blocked,
            failed: day.queries.failed,
            devices: u64::from(day.queries.queries > 0),
        },
        attempts: tally_of(day.totals.iter()),
        top_companies: rows.into_iter().filter_map(|row| row.company).collect(),
    }
}

fn schedule_view(schedule: &BoundSchedule) -> ScheduleView {
    ScheduleView {
        name: schedule.name.to_string(),
        scope: schedule.scope.clone(),
        on: schedule.on,
        next_change: schedule.next_change.map(seconds),
    }
}

fn bound_list(list: &ListSwitch) -> Bound {
    let from = list.source.to_string();
    Bound { name: list.name.to_string(), on: list.on, part: list.part, from }
}

fn bound_ban(slug: &str, switch: &Sourced<CompanySwitch>) -> Bound {
    let on = switch.value == CompanySwitch::Ban;
    Bound { name: slug.into(), on, part: false, from: switch.source.to_string() }
}

/// Returns the own rules of the device, of its groups in their order, and of everyone.
fn binding_rules(app: &App, snapshot: &Snapshot, device: &Device) -> Vec<RuleView> {
    let timed = app.parts.policy.timed();
    let standing = &snapshot.standing;
    let plain = standing.rules.iter().chain(&timed.rules).map(rule_view);
    let rules: Vec<RuleView> = plain.chain(standing.written.iter().map(written_view)).collect();
    let scopes = snapshot.scopes_of(Some(device));
    let of_scope = |scope: Scope| rules.iter().filter(move |rule| rule.scope == scope);
    scopes.into_iter().flat_map(of_scope).cloned().collect()
}
