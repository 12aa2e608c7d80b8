//! Lists: what became of each, and whom they bind.

use axum::extract::State;

use super::{
    Actor, Answer, App, Body, Segment, Shared, Snapshot, change_problem, find_scope, list_name,
    worth,
};
use crate::api::{
    Changed, LineView, ListBrief, ListChange, ListState, ListView, ListWorth, SwitchView,
    VersionView, timestamp,
};
use crate::lists::{ListChange as NameChange, ListReport, Version, VersionState};
use crate::model::{ListKind, ListMask, ListName};
use crate::policy_file::Change;
use crate::rules::ListInfo;
use crate::rules::parse::RefusedLine;

/// Answers `GET`.
pub async fn list(State(app): State<Shared>) -> Answer<Vec<ListView>> {
    app.work(|app| {
        let snapshot = Snapshot::of(app);
        app.parts.log.flush();
        let sets = app.parts.log.list_sets(0, snapshot.now.wall)?;
        let mut worth = worth(&sets);
        let fetched = (app.parts.updates.views)();
        let reports = app.parts.policy.list_reports();
        let views = reports.into_iter().map(|report| {
            let worth = worth.remove(report.name.as_str()).unwrap_or_default();
            let fetching = fetched.iter().find(|view| view.list == report.name.as_str());
            let versions = versions(app, &report.name);
            ListView { worth, versions, fetching: fetching.cloned(), ..view(&snapshot, report) }
        });
        Ok(views.collect())
    })
    .await
}

/// Answers `PUT`.
pub async fn switch(
    State(app): State<Shared>,
    Segment(list): Segment,
    Actor(actor): Actor,
    Body(change): Body<ListChange>,
) -> Answer<Changed> {
    app.work(move |app| {
        let name = list_name(&list)?;
        let scope = find_scope(app, change.scope)?;
        let switch = Change::SwitchList(scope.clone(), name.clone(), Some(change.on));
        app.parts.policy.apply(&switch, &actor).map_err(change_problem)?;
        Ok(app.changed(scope, name.to_string(), None))
    })
    .await
}

/// Returns lists in few words, bans left out.
pub fn list_briefs(app: &App, snapshot: &Snapshot) -> Vec<ListBrief> {
    let reports = app.parts.policy.list_reports();
    let shown = reports.iter().filter(|report| report.kind != ListKind::Ban);
    shown.map(|report| brief(snapshot, report)).collect()
}

fn view(snapshot: &Snapshot, report: ListReport) -> ListView {
    let switches = snapshot.scopes().filter_map(|(scope, part)| {
        part.lists.get(&report.name).map(|&on| SwitchView { scope, on })
    });
    ListView {
        switches: switches.collect(),
        brief: brief(snapshot, &report),
        kind: report.kind,
        source: report.source,
        refused: report.refused,
        samples: report.samples.into_iter().map(line).collect(),
        skipped: report.skipped.into_iter().map(line).collect(),
        held: report.held,
        title: report.title,
        format: report.format.as_str().into(),
        version: report.version,
        unique: report.unique,
        ignored: report.ignored,
        boilerplate: report.boilerplate,
        fetching: None,
        versions: Vec::new(),
        worth: ListWorth::default(),
    }
}

fn versions(app: &App, list: &ListName) -> Vec<VersionView> {
    let history = app.parts.policy.list_history(list);
    history.versions.into_iter().map(version).collect()
}

fn version(version: Version) -> VersionView {
    let state = match version.state {
        VersionState::InForce => "in force",
        VersionState::Held => "held",
        VersionState::RolledBack => "rolled back",
        VersionState::Earlier => "earlier",
    };
    let NameChange { added, removed, came, went } = version.change;
    VersionView {
        version: version.number,
        state: state.into(),
        at: timestamp(version.at.saturating_mul(1_000_000)),
        names: version.names,
        added,
        removed,
        came,
        went,
        why: version.why,
    }
}

fn brief(snapshot: &Snapshot, report: &ListReport) -> ListBrief {
    let everyone = snapshot.policy(None);
    let binding = everyone.lists().union(everyone.bans());
    let state = state(&report.name, snapshot.in_force.ruleset.lists(), binding);
    ListBrief { name: report.name.to_string(), rules: report.rules, state }
}

/// Returns whether a list, a part of it or nothing of it is among those that bind.
fn state(name: &ListName, lists: &[ListInfo], binding: ListMask) -> ListState {
    let bound = binding.iter().filter_map(|list| lists.get(usize::from(list.0)));
    let mut parts = bound.filter(|info| info.name == *name).map(|info| info.part);
    match (parts.next(), parts.next()) {
        (None, _) => ListState::Off,
        (Some(true), None | Some(true)) => ListState::Part,
        _ => ListState::On,
    }
}

fn line(line: RefusedLine) -> LineView {
    LineView { line: line.line, text: line.text, why: line.why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ListId;
    use crate::rules::parse::Format;

    fn info(name: &str, part: bool) -> ListInfo {
        let name = ListName::parse(name).expect("a name");
        ListInfo { shipped: true, part, ..ListInfo::new(name, ListKind::Tracking, Format::Domains) }
    }

    #[test]
    fn a_list_is_on_in_part_or_off() {
        let lists = [info("trackers", false), info("trackers", true), info("other", false)];
        let name = ListName::parse("trackers").expect("a name");
        let state_of =
            |ids: &[u8]| state(&name, &lists, ids.iter().map(|&id| ListId(id)).collect());
        assert_eq!(state_of(&[0, 1, 2]), ListState::On);
        assert_eq!(state_of(&[0]), ListState::On);
        assert_eq!(state_of(&[1, 2]), ListState::Part);
        assert_eq!(state_of(&[2]), ListState::Off);
    }
}
