//! `pause` and `resume`: blocking off for a while, and on again.

use hyper::Method;

use super::{Failure, ScopeArgs, Screen, Session, Span, escape, scope_flag};
use crate::api::{Changed, PauseChange, ResumeChange, paths};
use crate::model::Scope;

/// Lifts blocking.
pub async fn pause(session: &Session, span: Span, scope: &ScopeArgs) -> Result<(), Failure> {
    let seconds = span.seconds(&session.screen.local_now());
    let body = PauseChange { scope: scope.or_everyone(), seconds };
    let changed: Changed = session.client.send(Method::POST, paths::PAUSE, &body).await?;
    session.show(&changed, |changed, screen| paused(changed, seconds, screen))
}

/// Ends a pause.
pub async fn resume(session: &Session, scope: &ScopeArgs) -> Result<(), Failure> {
    let body = ResumeChange { scope: scope.or_everyone() };
    let changed: Changed = session.client.send(Method::POST, paths::RESUME, &body).await?;
    session.show(&changed, |changed, _| {
        format!("Blocking is on again for {}.\n", escape(&changed.scope.to_string()))
    })
}

/// Says until when, and how to change it back.
pub fn paused(changed: &Changed, seconds: u64, screen: &Screen) -> String {
    let scope = escape(&changed.scope.to_string());
    let until = changed.until.map(|until| screen.clock(until)).unwrap_or_default();
    let undo = match &changed.scope {
        Scope::Everyone => "deadpixel resume".into(),
        scope => format!("deadpixel resume {}", scope_flag(scope)),
    };
    let length = super::length(seconds);
    format!("Paused for {scope} until {until} ({length}). Undo: {undo}\n")
}
