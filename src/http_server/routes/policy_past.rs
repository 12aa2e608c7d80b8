//! The policy's past: who changed what, what differs, and the way back.

use axum::extract::State;

use super::{Actor, Answer, Body, Params, Shared, bounded, change_problem, seconds};
use crate::api::{
    ChangeView, DiffParams, HistoryParams, PolicyDiff, PolicyText, PolicyUndone, RevisionView,
    UndoRequest, timestamp,
};
use crate::policy_file::{Comparison, PastChange, Revision};

/// Changes shown unless more are wanted.
const USUAL: usize = 100;

/// The most changes shown.
const MOST: usize = 10_000;

/// Answers `GET` of the history.
pub async fn history(
    State(app): State<Shared>,
    Params(params): Params<HistoryParams>,
) -> Answer<Vec<ChangeView>> {
    app.work(move |app| {
        let most = params.limit.unwrap_or(USUAL).min(MOST);
        let changes = app.parts.policy.history(most)?;
        let in_force = app.parts.policy.revision();
        let latest =
            changes.iter().position(|it| it.revision.as_deref() == Some(in_force.as_str()));
        let changes = changes.into_iter().enumerate();
        Ok(changes.map(|(place, change)| change_view(change, latest == Some(place))).collect())
    })
    .await
}

/// Answers `GET` of a difference.
pub async fn diff(
    State(app): State<Shared>,
    Params(params): Params<DiffParams>,
) -> Answer<PolicyDiff> {
    app.work(move |app| {
        let compared = app.parts.policy.compare(params.from.as_deref(), params.to.as_deref());
        Ok(diff_view(compared.map_err(change_problem)?, None))
    })
    .await
}

/// Answers `POST` of a text that the policy in force is compared with.
pub async fn diff_text(
    State(app): State<Shared>,
    Body(policy): Body<PolicyText>,
) -> Answer<PolicyDiff> {
    app.work(move |app| {
        let file = bounded("file", policy.file)?;
        let compared = app.parts.policy.compare_text(&policy.text).map_err(change_problem)?;
        Ok(diff_view(compared, Some(file)))
    })
    .await
}

/// Answers `POST` of a way back.
pub async fn undo(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(request): Body<UndoRequest>,
) -> Answer<PolicyUndone> {
    app.work(move |app| {
        let undone = app.parts.policy.undo(request.revision.as_deref(), &actor);
        let undone = undone.map_err(change_problem)?;
        Ok(PolicyUndone {
            back_to: revision_view(undone.back_to),
            taken_back: undone.taken_back.into_iter().map(revision_view).collect(),
        })
    })
    .await
}

fn change_view(change: PastChange, in_force: bool) -> ChangeView {
    ChangeView {
        time: timestamp(change.at),
        actor: change.actor,
        what: change.what,
        revision: change.revision,
        until: change.until.map(seconds),
        in_force,
    }
}

fn revision_view(revision: Revision) -> RevisionView {
    RevisionView {
        revision: revision.hash,
        time: timestamp(revision.at),
        actor: revision.actor,
        what: revision.reason,
    }
}

fn diff_view(compared: Comparison, file: Option<String>) -> PolicyDiff {
    PolicyDiff {
        from: revision_view(compared.from),
        to: compared.to.map(revision_view),
        file,
        added: compared.diff.added as u64,
        removed: compared.diff.removed as u64,
        text: compared.diff.text,
    }
}
