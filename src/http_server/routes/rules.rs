//! Own rules: shown, made, taken away.

use axum::extract::State;

use super::{
    Actor, Answer, App, Body, Shared, bounded, change_problem, find_scope, parse_name, pause_views,
    seconds, seconds_from_now,
};
use crate::api::{Changed, ProblemDocument, ProblemKind, RuleChange, RuleRemoval, RuleView, Rules};
use crate::model::Action;
use crate::policy::OwnRule;
use crate::policy_file::Change;

/// Answers `GET`.
pub async fn list(State(app): State<Shared>) -> Answer<Rules> {
    app.work(|app| {
        let timed = app.parts.policy.timed();
        let standing = app.parts.policy.standing();
        let rules = standing.rules.iter().chain(&timed.rules).map(rule_view).collect();
        Ok(Rules { rules, pauses: pause_views(timed.pauses) })
    })
    .await
}

/// Answers `POST`.
pub async fn add(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(change): Body<RuleChange>,
) -> Answer<Changed> {
    app.work(move |app| make(app, change, &actor)).await
}

/// Answers `POST` of a removal.
pub async fn remove(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(removal): Body<RuleRemoval>,
) -> Answer<Changed> {
    app.work(move |app| take_away(app, removal, &actor)).await
}

/// Shows an own rule.
pub fn rule_view(rule: &OwnRule) -> RuleView {
    RuleView {
        scope: rule.scope.clone(),
        action: rule.action,
        name: rule.name.to_string(),
        until: rule.until.map(seconds),
        note: rule.note.clone(),
    }
}

fn make(app: &App, change: RuleChange, actor: &str) -> Result<Changed, ProblemDocument> {
    let name = parse_name(&change.name)?;
    let note = change.note.map(|note| bounded("note", note)).transpose()?;
    let now = app.parts.clock.now();
    let until = change.seconds.map(|span| seconds_from_now(now, span)).transpose()?;
    let scope = find_scope(app, change.scope)?;
    let (action, subject) = (change.action, name.to_string());
    let rule = Change::AddRule { scope: scope.clone(), action, name, until, note };
    app.parts.policy.apply(&rule, actor).map_err(change_problem)?;
    Ok(app.changed(scope, subject, until.map(seconds)))
}

fn take_away(app: &App, wanted: RuleRemoval, actor: &str) -> Result<Changed, ProblemDocument> {
    let name = parse_name(&wanted.name)?;
    let scope = find_scope(app, wanted.scope)?;
    let standing = app.parts.policy.standing();
    let timed = app.parts.policy.timed();
    let rules = standing.rules.iter().chain(&timed.rules);
    let same = rules.filter(|rule| rule.scope == scope && rule.name == name);
    let mut actions: Vec<Action> = same.map(|rule| rule.action).collect();
    actions.dedup();
    if actions.is_empty() {
        let detail = format!("there is no rule for {name} that binds {scope}");
        return Err(ProblemDocument::new(ProblemKind::NotFound, detail).field("name"));
    }
    for action in actions {
        let change = Change::RemoveRule { scope: scope.clone(), action, name: name.clone() };
        app.parts.policy.apply(&change, actor).map_err(change_problem)?;
    }
    Ok(app.changed(scope, name.to_string(), None))
}
