//! `lists add`, `remove`, `accept`, `rollback`: which lists there are, and which version of each.

use hyper::Method;

use super::{Failure, ListArgs, Session, escape, quote};
use crate::api::{Changed, ListAddition, ListRollback, paths};

/// Subscribes a list.
pub async fn add(session: &Session, list: &ListArgs) -> Result<(), Failure> {
    let body = ListAddition {
        scope: list.scope.or_everyone(),
        list: list.list.clone(),
        name: list.name.clone(),
        kind: list.kind,
        allowlist: list.allowlist,
        cover_subdomains: list.cover_subdomains,
    };
    let changed: Changed = session.client.send(Method::POST, paths::LISTS, &body).await?;
    session.show(&changed, |changed, _| {
        let (name, scope) = (quote(&changed.subject), escape(&changed.scope.to_string()));
        format!(
            "List {name} is subscribed and on for {scope}. It is fetched now; `deadpixel lists` \
             shows it.\nUndo: deadpixel lists remove {name}\n"
        )
    })
}

/// Takes a list of the owner's away.
pub async fn remove(session: &Session, list: &str) -> Result<(), Failure> {
    let changed: Changed = session.client.send(Method::DELETE, &paths::list(list), &()).await?;
    session.show(&changed, |changed, _| {
        format!("List {} is gone, with all its switches.\n", escape(&changed.subject))
    })
}

/// Puts the version that is held back in force.
pub async fn accept(session: &Session, list: &str) -> Result<(), Failure> {
    let path = paths::list_accept(list);
    let changed: Changed = session.client.send(Method::POST, &path, &()).await?;
    session.show(&changed, |changed, _| {
        let name = quote(&changed.subject);
        format!(
            "The version of {name} that was held back is in force.\n\
             Undo: deadpixel lists rollback {name}\n"
        )
    })
}

/// Puts an earlier version back.
pub async fn rollback(session: &Session, list: &str, version: Option<u32>) -> Result<(), Failure> {
    let path = paths::list_rollback(list);
    let body = ListRollback { version };
    let changed: Changed = session.client.send(Method::POST, &path, &body).await?;
    session.show(&changed, |changed, _| {
        format!(
            "An earlier version of {} is in force, until its publisher has another than the one \
             rolled back.\n",
            quote(&changed.subject)
        )
    })
}
