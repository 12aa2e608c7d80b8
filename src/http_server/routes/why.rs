//! Why a name is blocked or not, for a device, now; nothing of it is logged.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::State;

use super::{
    Answer, App, EntryViews, Params, Shared, Snapshot, find_device, parse_name, seconds,
    why_rules::{self, Asked, Explanation},
};
use crate::api::{
    CompanyRow, DecidedBy, Expected, ProblemDocument, ProblemKind, Why, WhyAlias, WhyParams,
    timestamp,
};
use crate::devices::Device;
use crate::model::{
    DomainName, ListId, ListMask, NameHashes, Outcome, Reason, RecordType, Verdict,
};
use crate::policy::{Decision, DevicePolicy};
use crate::query_log::{Entry, Filter};
use crate::resolver::{is_canary, is_ours, judge_asked};
use crate::rules::{Asker, Asking};
use crate::sinkhole::BlockingMode;
use crate::wire::{ResponseCode, data_text};

/// Events looked through for the last time a name was asked for.
const LOOK_BACK: usize = 200;

/// Answers `GET`.
pub async fn explain(State(app): State<Shared>, Params(params): Params<WhyParams>) -> Answer<Why> {
    // Each reads all lists: one at a time.
    let turn = Arc::clone(&app.explaining).acquire_owned().await;
    let answer = Arc::clone(&app).work(move |app| read(app, &params)).await;
    drop(turn);
    answer
}

/// A name held against a device's policy.
struct Judgement {
    name: DomainName,
    query_type: RecordType,
    hashes: NameHashes,
    found: ListMask,
    decision: Decision,
}

impl Judgement {
    fn blocks(&self) -> bool {
        matches!(self.decision.verdict, Verdict::Block(_))
    }

    fn reason(&self) -> Option<Reason> {
        self.decision.verdict.reason()
    }
}

fn read(app: &App, params: &WhyParams) -> Result<Why, ProblemDocument> {
    let (name, query_type) = asked(params)?;
    app.parts.log.flush();
    let snapshot = Snapshot::of(app);
    let identify = |address| app.parts.devices.identify(address).map(|binding| binding.device);
    let device = match &params.device {
        Some(text) => Some(find_device(text, &snapshot.devices, identify)?),
        None => None,
    };
    let policy = snapshot.policy(device.map(|device| device.id));
    let past = past_events(app, &name, device)?;
    let local = is_ours(&snapshot.in_force.zones, &app.parts.upstreams, name.as_ref(), query_type);
    let asker = asker(&snapshot, device);
    let view = View { snapshot: &snapshot, policy, asker };
    let own = judge_name(&view, query_type, name.clone());
    let alias = past.iter().find_map(|entry| alias_of(entry, &view));
    let aliased = alias.filter(|(_, behind)| !local && decides(&own, behind));
    let deciding = aliased.as_ref().map_or(&own, |(_, judgement)| judgement);
    let blocked = deciding.blocks() && !deciding.decision.lifted && !local;
    let company = company_row(&snapshot, deciding).or_else(|| company_row(&snapshot, &own));
    let listed = own.found.union(deciding.found);
    let tracking = !listed.intersection(snapshot.in_force.ruleset.tracking()).is_empty()
        || company.as_ref().is_some_and(|row| row.tier.is_tracking());
    let last = past.into_iter().next().map(|entry| EntryViews::of(app).show(entry, &snapshot));
    let asked = Asked {
        snapshot: &snapshot,
        policy,
        asking: Asking { name: deciding.name.as_ref(), query_type: deciding.query_type, asker },
        decision: &deciding.decision,
    };
    let explanation = why_rules::explain(app, &asked);
    Ok(Why {
        name: name.to_string(),
        query_type,
        device: device.map(|device| snapshot.brief(device)),
        outcome: if blocked { Outcome::Blocked } else { Outcome::Allowed },
        would_block: deciding.blocks() && deciding.decision.lifted && !local,
        paused_until: policy.paused_until(snapshot.now).map(seconds),
        level: policy.level(),
        alias: aliased.as_ref().map(|(alias, _)| alias.clone()),
        decided_by: decided_by(&snapshot, deciding, &explanation).filter(|_| !local),
        own: why_rules::own_rules(app, &asked, &snapshot.scopes_of(device)),
        lists: explanation.matches,
        company,
        tracking,
        answer: expected(&snapshot, policy, deciding, (query_type, blocked, local)),
        last,
        revision: app.parts.policy.revision(),
    })
}

fn asked(params: &WhyParams) -> Result<(DomainName, RecordType), ProblemDocument> {
    let query_type = params.query_type.as_deref().unwrap_or("A").parse();
    let invalid = |why: String| ProblemDocument::new(ProblemKind::InvalidInput, why).field("type");
    Ok((parse_name(&params.name)?, query_type.map_err(invalid)?))
}

/// What a name is held against.
#[derive(Clone, Copy)]
struct View<'s> {
    snapshot: &'s Snapshot,
    policy: &'s DevicePolicy,
    asker: Asker<'s>,
}

/// Returns who asks: the device from one of its addresses.
fn asker<'s>(snapshot: &'s Snapshot, device: Option<&Device>) -> Asker<'s> {
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    match device {
        Some(device) => {
            let address = device.addresses.first().copied().unwrap_or(nowhere);
            snapshot.in_force.policies.bound(device.id).asker(address)
        }
        None => Asker { address: nowhere, names: &[], tags: &[] },
    }
}

/// Judges a name that an answer leads to.
fn judge_target(view: &View<'_>, name: DomainName) -> Judgement {
    let View { snapshot, policy, asker } = *view;
    let (in_force, query_type) = (&snapshot.in_force, RecordType::CNAME);
    let hashes = in_force.hashes(name.as_ref());
    let asking = Asking { name: name.as_ref(), query_type, asker };
    let (decision, found) = in_force.judge_target(policy, asking, &hashes, snapshot.now);
    Judgement { name, query_type, hashes, found, decision }
}

/// Judges a name as the resolver does: of the canaries' only an allow is the last word.
fn judge_name(view: &View<'_>, query_type: RecordType, name: DomainName) -> Judgement {
    let View { snapshot, policy, asker } = *view;
    let in_force = &snapshot.in_force;
    let hashes = in_force.hashes(name.as_ref());
    let asking = Asking { name: name.as_ref(), query_type, asker };
    let (decision, found) = judge_asked(in_force, policy, asking, &hashes, snapshot.now);
    let mut judgement = Judgement { name, query_type, hashes, found, decision };
    let decision = &mut judgement.decision;
    let unspoken = matches!(decision.verdict, Verdict::None | Verdict::Block(Reason::NotListed));
    let open = unspoken || decision.lifted;
    if open && is_canary(judgement.name.as_ref()) {
        decision.verdict = Verdict::Block(Reason::Canary);
        decision.lifted = false;
    }
    judgement
}

/// Returns events for this very name, newest first.
fn past_events(
    app: &App,
    name: &DomainName,
    device: Option<&Device>,
) -> Result<Vec<Entry>, ProblemDocument> {
    let text = name.to_string();
    let devices = device.map(|device| device.parts.clone()).unwrap_or_default();
    let filter = Filter { devices, text: Some(text.clone()), ..Filter::default() };
    let mut found = app.parts.log.search(&filter, None, LOOK_BACK)?;
    found.retain(|entry| entry.name == text);
    Ok(found)
}

/// Returns whether what an answer leads to decides: where no rule speaks of the name itself, and
/// where level off lifts a rule that does, but not the one behind it.
fn decides(own: &Judgement, behind: &Judgement) -> bool {
    let blocks = behind.blocks() && !behind.decision.lifted;
    own.decision.verdict == Verdict::None || own.decision.lifted && blocks
}

/// Returns the alias an event names, if a rule that is in force now matches it.
fn alias_of(entry: &Entry, view: &View<'_>) -> Option<(WhyAlias, Judgement)> {
    let target = entry.alias.as_ref()?;
    let name = DomainName::from_presentation(target).ok()?;
    let judgement = judge_target(view, name);
    let alias = WhyAlias { target: target.clone(), seen: timestamp(entry.cursor.at) };
    judgement.reason().map(|_| (alias, judgement))
}

fn decided_by(
    snapshot: &Snapshot,
    judgement: &Judgement,
    explanation: &Explanation,
) -> Option<DecidedBy> {
    let name = |list: ListId| {
        let info = snapshot.in_force.ruleset.lists().get(usize::from(list.0));
        info.map(|info| info.name.to_string()).unwrap_or_default()
    };
    let deciding = |list: &str| {
        let found = explanation.deciding.and_then(|place| explanation.matches.get(place));
        found.filter(|found| found.list == list)
    };
    match judgement.reason()? {
        Reason::Rule(rule) => {
            let text = snapshot.in_force.policies.rule_texts().get(&rule).cloned();
            Some(DecidedBy::Rule { text: text.unwrap_or_default() })
        }
        Reason::Ban(list) => {
            let list = name(list);
            let found = deciding(&list);
            let (rule, line) = (found.map(|it| it.rule.clone()), found.and_then(|it| it.line));
            Some(DecidedBy::Ban { list, rule, line })
        }
        Reason::List(list) => {
            let list = name(list);
            let found = deciding(&list);
            let (rule, line) = (found.map(|it| it.rule.clone()), found.and_then(|it| it.line));
            let version = found.and_then(|it| it.version);
            Some(DecidedBy::List { list, version, rule, line })
        }
        Reason::Canary => Some(DecidedBy::Canary),
        Reason::NotListed => Some(DecidedBy::NotListed),
    }
}

fn company_row(snapshot: &Snapshot, judgement: &Judgement) -> Option<CompanyRow> {
    let catalogue = &snapshot.in_force.catalogue;
    let row = catalogue.find(judgement.name.as_ref(), &judgement.hashes)?;
    let company = catalogue.companies().get(usize::from(row.company.0))?;
    Some(CompanyRow {
        company: snapshot.company(&company.slug),
        purpose: row.purpose.to_string(),
        tier: row.tier,
        breakage: row.breakage.to_string(),
        evidence: row.evidence.to_string(),
    })
}

fn expected(
    snapshot: &Snapshot,
    policy: &DevicePolicy,
    judgement: &Judgement,
    (query_type, blocked, local): (RecordType, bool, bool),
) -> Expected {
    match judgement.reason() {
        _ if local => Expected::Local,
        _ if !blocked => passed(judgement),
        reason => {
            let mode = match reason {
                Some(Reason::Canary) => &BlockingMode::NxDomain,
                _ => policy.blocking(judgement.decision.answer),
            };
            let ttl = snapshot.in_force.policies.blocked_ttl();
            Expected::Sinkhole { data: sinkhole_data(mode, query_type), ttl }
        }
    }
}

/// Returns the answer to a query that is not blocked.
fn passed(judgement: &Judgement) -> Expected {
    let decision = &judgement.decision;
    match (decision.verdict, &decision.rewritten) {
        _ if decision.lifted => Expected::Upstream,
        (Verdict::Truncate(_), _) => Expected::Truncated,
        (Verdict::Rewrite(_), Some(rewritten)) => {
            let alias = rewritten.alias.iter().map(|target| format!("CNAME {target}"));
            let records = rewritten.records.iter().map(|record| {
                format!("{} {}", record.record_type, data_text(record.record_type, &record.data))
            });
            let records = alias.chain(records).collect();
            Expected::Rewrite { rcode: ResponseCode(rewritten.code).to_string(), records }
        }
        _ => Expected::Upstream,
    }
}

/// Returns what the sinkhole says, in words.
fn sinkhole_data(mode: &BlockingMode, query_type: RecordType) -> String {
    let texts = |addresses: Vec<String>, null: &str| match addresses.is_empty() {
        true => null.into(),
        false => addresses.join(", "),
    };
    let (v4, v6): (Vec<String>, Vec<String>) = match mode {
        BlockingMode::NxDomain => return "NXDOMAIN".into(),
        BlockingMode::Refused => return "REFUSED".into(),
        BlockingMode::NoData => return "no data".into(),
        BlockingMode::Drop => return "no reply".into(),
        BlockingMode::NullAddress => (Vec::new(), Vec::new()),
        BlockingMode::Addresses { v4, v6 } => (
            v4.iter().map(ToString::to_string).collect(),
            v6.iter().map(ToString::to_string).collect(),
        ),
    };
    match query_type {
        RecordType::A => texts(v4, "0.0.0.0"),
        RecordType::AAAA => texts(v6, "::"),
        _ => "no data".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sinkholes_answer_fits_mode_and_type() {
        let own = BlockingMode::Addresses { v4: vec![[192, 0, 2, 1].into()], v6: Vec::new() };
        let cases = [
            (&BlockingMode::NullAddress, RecordType::A, "0.0.0.0"),
            (&BlockingMode::NullAddress, RecordType::AAAA, "::"),
            (&BlockingMode::NullAddress, RecordType::HTTPS, "no data"),
            (&BlockingMode::NxDomain, RecordType::A, "NXDOMAIN"),
            (&own, RecordType::A, "192.0.2.1"),
            (&own, RecordType::AAAA, "::"),
        ];
        for (mode, query_type, expected) in cases {
            assert_eq!(sinkhole_data(mode, query_type), expected);
        }
    }

    #[test]
    fn bad_names_and_types_are_refused_with_their_field() {
        let params = |name: &str, query_type: Option<&str>| WhyParams {
            name: name.into(),
            query_type: query_type.map(String::from),
            ..WhyParams::default()
        };
        let field = |params| asked(&params).map_err(|problem| problem.field).err().flatten();
        assert_eq!(field(params("", None)).as_deref(), Some("name"));
        assert_eq!(field(params("a.example", Some("FOO"))).as_deref(), Some("type"));
        let good = asked(&params("a.example", None)).map(|(_, query_type)| query_type);
        assert_eq!(good, Ok(RecordType::A));
    }
}
