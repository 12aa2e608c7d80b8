//! Pauses: blocking off for a while, and on again.

use axum::extract::State;

use super::{
    Actor, Answer, App, Body, Shared, change_problem, find_scope, seconds, seconds_from_now,
};
use crate::api::{Changed, PauseChange, ResumeChange};
use crate::policy_file::{Change, ChangeError};

/// Answers `POST` of a pause.
pub async fn pause(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(change): Body<PauseChange>,
) -> Answer<Changed> {
    app.work(move |app| {
        let until = seconds_from_now(app.parts.clock.now(), change.seconds)?;
        let scope = find_scope(app, change.scope)?;
        let pause = Change::Pause(scope.clone(), until);
        app.parts.policy.apply(&pause, &actor).map_err(change_problem)?;
        Ok(app.changed(scope, "pause".into(), Some(seconds(until))))
    })
    .await
}

/// Answers `POST` of its end.
pub async fn resume(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(change): Body<ResumeChange>,
) -> Answer<Changed> {
    app.work(move |app| {
        let scope = find_scope(app, change.scope)?;
        let resumed = app.parts.policy.apply(&Change::Resume(scope.clone()), &actor);
        resumed.map_err(|error| match (error, paused_scopes(app)) {
            (error @ ChangeError::NotFound(_), Some(paused)) => change_problem(error).hint(paused),
            (error, _) => change_problem(error),
        })?;
        Ok(app.changed(scope, "pause".into(), None))
    })
    .await
}

/// Says who is paused now, if anybody.
fn paused_scopes(app: &App) -> Option<String> {
    let now = app.parts.clock.now().unix_seconds();
    let pauses = app.parts.policy.timed().pauses;
    let scopes =
        pauses.iter().filter(|pause| pause.until > now).map(|pause| pause.scope.to_string());
    let scopes: Vec<String> = scopes.collect();
    (!scopes.is_empty()).then(|| format!("paused now: {}", scopes.join(", ")))
}
