//! Pauses: blocking off for a while, and on again.

use axum::extract::State;

use super::{
    Actor, Answer, Body, Making, Shared, change_problem, find_scope, seconds, seconds_from_now,
};
use crate::api::{Changed, PauseChange, ProblemDocument, ProblemKind, ResumeChange};
use crate::policy_file::Change;

/// Answers `POST` of a pause.
pub async fn pause(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(change): Body<PauseChange>,
) -> Answer<Changed> {
    app.work(move |app| {
        let until = seconds_from_now(app.parts.clock.now(), change.seconds)?;
        let scope = find_scope(app, change.scope, Making::Entry, &actor)?;
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
        let scope = find_scope(app, change.scope, Making::Nothing, &actor)?;
        let pauses = app.parts.policy.timed().pauses;
        if !pauses.iter().any(|pause| pause.scope == scope) {
            let others: Vec<String> = pauses.iter().map(|pause| pause.scope.to_string()).collect();
            let detail = format!("{scope} is not paused");
            return Err(ProblemDocument::new(ProblemKind::NotFound, detail).candidates(others));
        }
        app.parts.policy.apply(&Change::Resume(scope.clone()), &actor).map_err(change_problem)?;
        Ok(app.changed(scope, "pause".into(), None))
    })
    .await
}
