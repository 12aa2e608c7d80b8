//! What would change if a text were policy.toml, told by what devices asked for.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::State;

use super::{Answer, App, Body, Shared, Snapshot, bounded};
use crate::api::{
    Fate, PlannedChange, PolicyPlan, PolicyText, ProblemDocument, ProblemKind, timestamp,
};
use crate::devices::Device;
use crate::model::{DeviceId, DomainName, ListId, Moment, Reason, RecordType, Verdict};
use crate::policy::{Decision, InForce};
use crate::policy_file::Preview;
use crate::query_log::AskedName;
use crate::resolver::{is_canary, is_ours, judge_asked};
use crate::rules::Asking;
use crate::upstream::Upstreams;

/// How far back: 7 days, in microseconds.
const SPAN: i64 = 7 * 86_400_000_000;

/// Pairs of device and name that are judged.
const MOST_PAIRS: usize = 2_000_000;

/// Names that are judged of one part of a device, so that no list of them fills the memory.
const MOST_NAMES: usize = 100_000;

/// Changes that are told.
const MOST_CHANGES: usize = 10_000;

/// Types that a name is judged by.
const TYPES: [RecordType; 2] = [RecordType::A, RecordType::AAAA];

/// Answers `POST`.
pub async fn plan(State(app): State<Shared>, Body(policy): Body<PolicyText>) -> Answer<PolicyPlan> {
    // It reads much: one at a time, and not beside those that read all lists.
    let turn = Arc::clone(&app.explaining).acquire_owned().await;
    let answer = Arc::clone(&app).work(move |app| read(app, policy)).await;
    drop(turn);
    answer
}

fn read(app: &App, policy: PolicyText) -> Result<PolicyPlan, ProblemDocument> {
    let file = bounded("file", policy.file)?;
    let preview = app.parts.policy.preview(&file, &policy.text).map_err(|problems| {
        ProblemDocument::new(ProblemKind::BrokenFile, problems.to_string()).field("text")
    })?;
    app.parts.log.flush();
    let snapshot = Snapshot::of(app);
    let span = (snapshot.now.wall - SPAN, snapshot.now.wall + 1_000_000);
    let mut plan = Planned::new(app, &preview, snapshot.now);
    let parts: HashMap<DeviceId, &Device> = snapshot
        .devices
        .iter()
        .flat_map(|device| device.parts.iter().map(move |part| (*part, device)))
        .collect();
    let mut unnamed = 0;
    for (part, count) in app.parts.log.queries(span.0, span.1)? {
        let asker = plan.asker(part, parts.get(&part).copied())?;
        let room = MOST_PAIRS.saturating_sub(plan.pairs as usize).min(MOST_NAMES);
        let names = app.parts.log.asked_names(part, span, room)?;
        match names.len() == room {
            true => plan.cut = true,
            false => {
                let named = names.iter().map(|name| name.queries).sum();
                unnamed += count.queries.saturating_sub(named);
            }
        }
        names.iter().for_each(|name| plan.hold(&asker, name));
    }
    plan.finish(file, span, unnamed)
}

/// Whose queries of the log are judged, and as whom.
struct Asker {
    part: DeviceId,
    name: String,
    known: bool,
    client: IpAddr,
    now: DeviceId,
    then: DeviceId,
}

/// A plan being made.
struct Planned<'p> {
    app: &'p App,
    preview: &'p Preview,
    now: Moment,
    pairs: u64,
    /// Whether there are more names than are judged.
    cut: bool,
    tally: [u64; 3],
    changes: Vec<PlannedChange>,
}

impl<'p> Planned<'p> {
    fn new(app: &'p App, preview: &'p Preview, now: Moment) -> Planned<'p> {
        Planned { app, preview, now, pairs: 0, cut: false, tally: [0; 3], changes: Vec::new() }
    }

    fn asker(&self, part: DeviceId, device: Option<&Device>) -> Result<Asker, ProblemDocument> {
        let client = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let Some(device) = device else {
            let name = format!("number {}", part.0);
            return Ok(Asker { part, name, known: false, client, now: part, then: part });
        };
        let bindings = match self.preview.has_same_devices() {
            true => Vec::new(),
            false => self.app.parts.devices.bindings(device.id)?,
        };
        Ok(Asker {
            part,
            name: device.name.clone(),
            known: true,
            client: device.addresses.first().copied().unwrap_or(client),
            now: device.id,
            then: self.preview.then(device, part, &bindings),
        })
    }

    /// Holds a name against both policies, and notes it if they judge it otherwise.
    fn hold(&mut self, asker: &Asker, asked: &AskedName) {
        self.pairs += 1;
        let Ok(name) = DomainName::from_presentation(&asked.name) else { return };
        let aliases = asked.aliases.iter();
        let aliases: Vec<DomainName> =
            aliases.filter_map(|alias| DomainName::from_presentation(alias).ok()).collect();
        let judge = |in_force, device| Judge {
            in_force,
            upstreams: &self.app.parts.upstreams,
            device,
            client: asker.client,
            now: self.now,
        };
        let now = judge(&self.preview.now, asker.now);
        let then = judge(&self.preview.then, asker.then);
        let differing = TYPES.into_iter().find_map(|query_type| {
            let (before, old) = now.fate(&name, &aliases, query_type);
            let (after, new) = then.fate(&name, &aliases, query_type);
            if before == after {
                return None;
            }
            let why = match (new, old) {
                (Some(reason), _) => words(&self.preview.then, reason),
                (None, Some(reason)) => format!("no longer {}", words(&self.preview.now, reason)),
                (None, None) => String::new(),
            };
            Some((before, after, why))
        });
        let Some((now, then, why)) = differing else { return };
        let (part, queries) = (asker.part.0, asked.queries);
        let (device, known, name) = (asker.name.clone(), asker.known, asked.name.clone());
        self.note(PlannedChange { device_id: part, device, known, name, now, then, why, queries });
    }

    fn note(&mut self, change: PlannedChange) {
        let kind = match change.then {
            Fate::Blocked => 0,
            Fate::Allowed | Fate::Local => 1,
            Fate::Rewritten | Fate::Truncated => 2,
        };
        if let Some(count) = self.tally.get_mut(kind) {
            *count += 1;
        }
        self.changes.push(change);
        if self.changes.len() >= 2 * MOST_CHANGES {
            self.keep_most();
        }
    }

    fn keep_most(&mut self) {
        self.changes.sort_by(|a, b| {
            b.queries.cmp(&a.queries).then_with(|| (&a.device, &a.name).cmp(&(&b.device, &b.name)))
        });
        self.changes.truncate(MOST_CHANGES);
    }

    fn finish(
        mut self,
        file: String,
        (from, until): (i64, i64),
        unnamed: u64,
    ) -> Result<PolicyPlan, ProblemDocument> {
        self.keep_most();
        let [blocked, allowed, other] = self.tally;
        let mut untold = self.preview.untold.clone();
        if self.cut {
            untold.push(format!(
                "so many names were asked for that not all are judged: {MOST_NAMES} of one device \
                 and {MOST_PAIRS} of all at most"
            ));
        }
        if unnamed > 0 {
            untold.push(format!("{unnamed} queries of which only counts are kept, no names"));
        }
        let more = (blocked + allowed + other).saturating_sub(self.changes.len() as u64);
        Ok(PolicyPlan {
            file,
            from: timestamp(from),
            until: timestamp(until),
            pairs: self.pairs,
            blocked,
            allowed,
            other,
            changes: self.changes,
            more,
            untold,
        })
    }
}

/// One policy, and whom it judges.
struct Judge<'j> {
    in_force: &'j InForce,
    upstreams: &'j Upstreams,
    device: DeviceId,
    client: IpAddr,
    now: Moment,
}

impl Judge<'_> {
    /// Returns what becomes of a query, and by what.
    fn fate(
        &self,
        name: &DomainName,
        aliases: &[DomainName],
        query_type: RecordType,
    ) -> (Fate, Option<Reason>) {
        if is_ours(&self.in_force.zones, self.upstreams, name.as_ref(), query_type) {
            return (Fate::Local, None);
        }
        let decision = self.decide(name, query_type);
        let open = decision.verdict == Verdict::None || decision.lifted;
        if open && is_canary(name.as_ref()) {
            return (Fate::Blocked, Some(Reason::Canary));
        }
        match decision.verdict {
            Verdict::None => self.behind(aliases),
            _ if decision.lifted => self.behind(aliases),
            Verdict::Allow(reason) => (Fate::Allowed, Some(reason)),
            Verdict::Block(reason) => (Fate::Blocked, Some(reason)),
            Verdict::Rewrite(reason) => (Fate::Rewritten, Some(reason)),
            Verdict::Truncate(reason) => (Fate::Truncated, Some(reason)),
        }
    }

    /// Returns what becomes of an answer that leads there; an own allow ends the search.
    fn behind(&self, aliases: &[DomainName]) -> (Fate, Option<Reason>) {
        for alias in aliases {
            let decision = self.decide_target(alias);
            match decision.verdict {
                Verdict::Block(reason) if !decision.lifted => return (Fate::Blocked, Some(reason)),
                Verdict::Allow(_) if decision.own => break,
                _ => {}
            }
        }
        (Fate::Allowed, None)
    }

    fn decide(&self, name: &DomainName, query_type: RecordType) -> Decision {
        let bound = self.in_force.policies.bound(self.device);
        let asking = Asking { name: name.as_ref(), query_type, asker: bound.asker(self.client) };
        let hashes = self.in_force.hashes(name.as_ref());
        judge_asked(self.in_force, bound.policy, asking, &hashes, self.now).0
    }

    fn decide_target(&self, name: &DomainName) -> Decision {
        let bound = self.in_force.policies.bound(self.device);
        let (query_type, asker) = (RecordType::CNAME, bound.asker(self.client));
        let asking = Asking { name: name.as_ref(), query_type, asker };
        let hashes = self.in_force.hashes(name.as_ref());
        self.in_force.judge_target(bound.policy, asking, &hashes, self.now).0
    }
}

/// Returns a reason as people read it.
fn words(in_force: &InForce, reason: Reason) -> String {
    let list = |list: ListId| {
        let info = in_force.ruleset.lists().get(usize::from(list.0));
        info.map(|info| info.name.to_string()).unwrap_or_default()
    };
    match reason {
        Reason::Rule(rule) => {
            let text = in_force.policies.rule_texts().get(&rule);
            format!("rule {}", text.map_or("", String::as_str))
        }
        Reason::Ban(found) => list(found).replacen("ban-", "ban of ", 1),
        Reason::List(found) => format!("list {}", list(found)),
        Reason::NotListed => "only what is listed".into(),
        Reason::Canary => "the network resolves by itself".into(),
    }
}
