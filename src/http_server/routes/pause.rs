//! Pauses: blocking off for a while, and on again.

use axum::extract::State;

use super::{Actor, Answer, Body, Shared, change_problem, find_scope, seconds, seconds_from_now};
use crate::api::{Changed, PauseChange, ResumeChange};
use crate::policy_file::Change;

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
        app.parts.policy.apply(&Change::Resume(scope.clone()), &actor).map_err(change_problem)?;
        Ok(app.changed(scope, "pause".into(), None))
    })
    .await
}
