//! Own rules: shown, made, taken away.

use axum::extract::State;

use super::{
    Actor, Answer, App, Body, Making, Shared, Snapshot, bounded, change_problem, find_scope,
    pause_views, seconds, seconds_from_now,
};
use crate::api::{Changed, ProblemDocument, ProblemKind, RuleChange, RuleRemoval, RuleView, Rules};
use crate::model::{Action, DomainName, Scope};
use crate::policy::{OwnRule, Timed};
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
    let now = Snapshot::of(app).now;
    let until = change.seconds.map(|span| seconds_from_now(now, span)).transpose()?;
    let scope = find_scope(app, change.scope, Making::Entry, actor)?;
    let rule = OwnRule { scope, action: change.action, name, until, note };
    let standing = app.parts.policy.standing();
    let replaces = replaces_opposite(&rule, &standing.rules, &app.parts.policy.timed())?;
    // The new one first: should the second step fail, an allow still wins over a block.
    app.parts.policy.apply(&addition(&rule), actor).map_err(change_problem)?;
    if replaces {
        let opposite = removal(&rule.scope, opposite(rule.action), &rule.name);
        app.parts.policy.apply(&opposite, actor).map_err(change_problem)?;
    }
    Ok(app.changed(rule.scope, rule.name.to_string(), until.map(seconds)))
}

fn take_away(app: &App, wanted: RuleRemoval, actor: &str) -> Result<Changed, ProblemDocument> {
    let name = parse_name(&wanted.name)?;
    let scope = find_scope(app, wanted.scope, Making::Nothing, actor)?;
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
        let change = removal(&scope, action, &name);
        app.parts.policy.apply(&change, actor).map_err(change_problem)?;
    }
    Ok(app.changed(scope, name.to_string(), None))
}

/// Returns whether the opposite rule goes; refuses a rule that would have no effect beside it.
///
/// A rule with an end never takes a standing one away, since it is to be back afterwards.
fn replaces_opposite(
    rule: &OwnRule,
    standing: &[OwnRule],
    timed: &Timed,
) -> Result<bool, ProblemDocument> {
    let opposes = |other: &&OwnRule| {
        other.scope == rule.scope && other.name == rule.name && other.action != rule.action
    };
    let stands = standing.iter().find(opposes).is_some();
    let ends = timed.rules.iter().find(opposes).is_some();
    if rule.until.is_some() && stands {
        return match rule.action {
            Action::Allow => Ok(false),
            Action::Block => Err(no_effect(rule)),
        };
    }
    Ok(stands || ends)
}

fn no_effect(rule: &OwnRule) -> ProblemDocument {
    let OwnRule { name, scope, .. } = rule;
    let detail = format!("a standing rule allows {name} for {scope}, and an allow wins");
    ProblemDocument::new(ProblemKind::InvalidInput, detail)
        .field("name")
        .hint("block it without an end, which replaces that rule")
}

fn addition(rule: &OwnRule) -> Change {
    let OwnRule { scope, action, name, until, note } = rule.clone();
    Change::AddRule { scope, action, name, until, note }
}

fn removal(scope: &Scope, action: Action, name: &DomainName) -> Change {
    Change::RemoveRule { scope: scope.clone(), action, name: name.clone() }
}

fn opposite(action: Action) -> Action {
    match action {
        Action::Allow => Action::Block,
        Action::Block => Action::Allow,
    }
}

fn parse_name(text: &str) -> Result<DomainName, ProblemDocument> {
    DomainName::parse(text).map_err(|why| {
        let detail = format!("{text:?} is no domain name: {why}");
        ProblemDocument::new(ProblemKind::InvalidInput, detail).field("name")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(action: Action, until: Option<i64>) -> OwnRule {
        let name = DomainName::parse("pixel.example").expect("a name");
        OwnRule { scope: Scope::Everyone, action, name, until, note: None }
    }

    fn replaced(
        new: OwnRule,
        standing: &[OwnRule],
        timed: &[OwnRule],
    ) -> Result<bool, ProblemKind> {
        let timed = Timed { rules: timed.to_vec(), ..Timed::default() };
        replaces_opposite(&new, standing, &timed).map_err(|problem| problem.kind)
    }

    #[test]
    fn a_rule_replaces_its_opposite_of_the_same_scope_and_name() {
        let (allow, block) = (rule(Action::Allow, None), rule(Action::Block, None));
        assert_eq!(replaced(allow.clone(), std::slice::from_ref(&block), &[]), Ok(true));
        assert_eq!(replaced(allow.clone(), &[], &[rule(Action::Block, Some(9))]), Ok(true));
        let other = OwnRule { name: DomainName::parse("example").expect("a name"), ..block };
        assert_eq!(replaced(allow, &[other], &[]), Ok(false));
    }

    #[test]
    fn a_rule_with_an_end_leaves_standing_ones_alone() {
        let (allow, block) = (rule(Action::Allow, None), rule(Action::Block, None));
        assert_eq!(replaced(rule(Action::Allow, Some(9)), &[block], &[]), Ok(false));
        let refused = replaced(rule(Action::Block, Some(9)), &[allow], &[]);
        assert_eq!(refused, Err(ProblemKind::InvalidInput));
    }

    #[test]
    fn a_name_that_is_none_is_refused_with_its_field() {
        let problem = parse_name("a..b").expect_err("two dots in a row");
        assert_eq!(
            (problem.kind, problem.field.as_deref()),
            (ProblemKind::InvalidInput, Some("name"))
        );
    }
}
