//! Own rules: shown, made, taken away.

use axum::extract::State;

use super::{
    Actor, Answer, App, Body, Shared, bounded, change_problem, find_scope, parse_name, pause_views,
    seconds, seconds_from_now,
};
use crate::api::{
    Changed, ProblemDocument, ProblemKind, RuleChange, RuleRemoval, RuleSyntax, RuleText, RuleView,
    Rules,
};
use crate::model::Action;
use crate::policy::{OwnRule, Syntax, WrittenRule};
use crate::policy_file::{Change, OwnText};

/// Answers `GET`.
pub async fn list(State(app): State<Shared>) -> Answer<Rules> {
    app.work(|app| {
        let timed = app.parts.policy.timed();
        let standing = app.parts.policy.standing();
        let plain = standing.rules.iter().chain(&timed.rules).map(rule_view);
        let rules = plain.chain(standing.written.iter().map(written_view)).collect();
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

/// Answers `POST` of a rule in AdGuard's syntax.
pub async fn write(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(rule): Body<RuleText>,
) -> Answer<Changed> {
    app.work(move |app| put_down(app, rule, &actor)).await
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
        syntax: RuleSyntax::Name,
        action: Some(rule.action),
        name: rule.name.to_string(),
        until: rule.until.map(seconds),
        note: rule.note.clone(),
    }
}

/// Shows an own rule in AdGuard or Pi-hole syntax.
pub fn written_view(rule: &WrittenRule) -> RuleView {
    let (syntax, action) = match rule.syntax {
        Syntax::Adguard => (RuleSyntax::Adguard, None),
        Syntax::Regex(action) => (RuleSyntax::Regex, Some(action)),
        Syntax::Exact(action) => (RuleSyntax::Exact, Some(action)),
    };
    RuleView {
        scope: rule.scope.clone(),
        syntax,
        action,
        name: rule.text.to_string(),
        until: rule.until.map(seconds),
        note: rule.note.clone(),
    }
}

fn put_down(app: &App, rule: RuleText, actor: &str) -> Result<Changed, ProblemDocument> {
    let invalid = |why| ProblemDocument::new(ProblemKind::InvalidInput, why).field("text");
    let text = OwnText::adguard(&rule.text).map_err(invalid)?;
    let note = rule.note.map(|note| bounded("note", note)).transpose()?;
    let scope = find_scope(app, rule.scope)?;
    let subject = text.text.to_string();
    let change = Change::WriteRule { scope: scope.clone(), text, note };
    app.parts.policy.apply(&change, actor).map_err(change_problem)?;
    Ok(app.changed(scope, subject, None))
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
    let scope = find_scope(app, wanted.scope)?;
    let standing = app.parts.policy.standing();
    let text = wanted.name.trim();
    let mut written = standing.written.iter().filter(|rule| rule.scope == scope);
    if let Some(rule) = written.find(|rule| *rule.text == *text) {
        let (syntax, text) = (rule.syntax, rule.text.clone());
        let change = Change::UnwriteRule { scope: scope.clone(), syntax, text };
        app.parts.policy.apply(&change, actor).map_err(change_problem)?;
        return Ok(app.changed(scope, rule.text.to_string(), None));
    }
    let name = parse_name(text)?;
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
