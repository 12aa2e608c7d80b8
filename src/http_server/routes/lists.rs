//! Lists: what became of each, and whom they bind.

use axum::extract::State;

use super::{
    Actor, Answer, App, Body, Making, Segment, Shared, Snapshot, change_problem, find_scope,
};
use crate::api::{
    Changed, LineView, ListBrief, ListChange, ListState, ListView, ProblemDocument, ProblemKind,
    SwitchView,
};
use crate::diagnostic::nearest;
use crate::lists::ListReport;
use crate::model::{ListKind, ListMask, ListName};
use crate::policy_file::Change;
use crate::rules::ListInfo;
use crate::rules::parse::RefusedLine;

/// Answers `GET`.
pub async fn list(State(app): State<Shared>) -> Answer<Vec<ListView>> {
    app.work(|app| {
        let snapshot = Snapshot::of(app);
        let reports = app.parts.policy.list_reports();
        Ok(reports.into_iter().map(|report| view(&snapshot, report)).collect())
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
        let name = find(&list, &app.parts.policy.list_reports())?;
        let scope = find_scope(app, change.scope, Making::Entry, &actor)?;
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

fn find(text: &str, reports: &[ListReport]) -> Result<ListName, ProblemDocument> {
    let wanted = text.to_lowercase();
    let found = reports.iter().find(|report| report.name.as_str() == wanted);
    let problem = |kind, detail| Err(ProblemDocument::new(kind, detail).field("list"));
    match found {
        Some(report) if report.kind != ListKind::Ban => Ok(report.name.clone()),
        Some(report) => {
            let slug = report.name.as_str().trim_start_matches("ban-");
            let detail = format!("`{text}` is a company ban: use `deadpixel company block {slug}`");
            problem(ProblemKind::InvalidInput, detail)
        }
        None => {
            let shown = reports.iter().filter(|report| report.kind != ListKind::Ban);
            let names: Vec<String> = shown.map(|report| report.name.to_string()).collect();
            let hint = nearest(&wanted, names.iter().map(String::as_str)).map(Into::into);
            let detail = format!("no list is called `{text}`");
            let document = ProblemDocument::new(ProblemKind::NotFound, detail).field("list");
            Err(ProblemDocument { hint, ..document }.candidates(names))
        }
    }
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

    fn info(name: &str, part: bool) -> ListInfo {
        let name = ListName::parse(name).expect("a name");
        ListInfo { name, kind: ListKind::Tracking, shipped: true, part }
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

    #[test]
    fn bans_are_switched_by_their_company() {
        let report = |name: &str, kind| ListReport {
            name: ListName::parse(name).expect("a name"),
            kind,
            source: "shipped".into(),
            rules: 1,
            refused: 0,
            samples: Vec::new(),
            skipped: Vec::new(),
            held: None,
        };
        let reports = [report("trackers", ListKind::Tracking), report("ban-tiktok", ListKind::Ban)];
        assert!(find("Trackers", &reports).is_ok());
        let ban = find("ban-tiktok", &reports).expect_err("a ban");
        assert!(ban.detail.contains("deadpixel company block tiktok"), "{}", ban.detail);
        let unknown = find("tracker", &reports).expect_err("no list");
        assert_eq!(unknown.candidates, ["trackers"]);
        assert_eq!(unknown.hint.as_deref(), Some("did you mean `trackers`?"));
    }
}
