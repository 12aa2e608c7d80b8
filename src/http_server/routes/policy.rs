//! The files people write: read again, or checked without being put in force.

use axum::extract::State;

use super::{Answer, Body, Shared, bounded};
use crate::api::{
    Checked, FailedAssert, PolicyText, ProblemDocument, ProblemKind, Reloaded, Tested,
};

/// Answers `POST` of a reload.
pub async fn reload(State(app): State<Shared>) -> Answer<Reloaded> {
    app.work(|app| {
        let notices = (app.parts.reload)()
            .map_err(|why| ProblemDocument::new(ProblemKind::BrokenFile, why))?;
        Ok(Reloaded { revision: app.parts.policy.revision(), notices })
    })
    .await
}

/// Answers `POST` of a text.
pub async fn check(State(app): State<Shared>, Body(policy): Body<PolicyText>) -> Answer<Checked> {
    app.work(move |app| {
        let file = bounded("file", policy.file)?;
        let standing = app.parts.policy.check(&file, &policy.text).map_err(|problems| {
            ProblemDocument::new(ProblemKind::BrokenFile, problems.to_string()).field("text")
        })?;
        Ok(Checked {
            devices: standing.devices.len(),
            groups: standing.groups.len(),
            rules: standing.rules.len(),
            lists: standing.lists.len(),
        })
    })
    .await
}

/// Answers `POST` of asserts.
pub async fn test(State(app): State<Shared>, Body(asserts): Body<PolicyText>) -> Answer<Tested> {
    app.work(move |app| {
        let file = bounded("file", asserts.file)?;
        let tested = app.parts.policy.test(&file, &asserts.text).map_err(|problems| {
            ProblemDocument::new(ProblemKind::BrokenFile, problems.to_string()).field("text")
        });
        let (asserts, failed) = tested?;
        let failed = failed.0.into_iter();
        let failed = failed.map(|it| FailedAssert { line: it.line, why: it.message }).collect();
        Ok(Tested { asserts, failed })
    })
    .await
}
