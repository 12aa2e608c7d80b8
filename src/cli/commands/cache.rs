//! `cache`: how it fares, and answers removed.

use hyper::Method;

use super::{
    CacheCommand, Failure, Screen, Session, bytes, count, escape, fields, percent, plural,
};
use crate::api::{CacheFlush, CacheFlushed, CacheView, paths};

/// Does what the arguments say.
pub async fn run(session: &Session, command: &CacheCommand) -> Result<(), Failure> {
    match command {
        CacheCommand::Stats => {
            let view: CacheView = session.client.get(paths::CACHE, &()).await?;
            session.show(&view, render)
        }
        CacheCommand::Flush { name } => {
            let body = CacheFlush { name: name.clone() };
            let path = paths::CACHE_FLUSH;
            let flushed: CacheFlushed = session.client.send(Method::POST, path, &body).await?;
            session.show(&flushed, flushed_message)
        }
    }
}

/// Lays figures out.
pub fn render(view: &CacheView, screen: &Screen) -> String {
    let mut held = plural(view.entries, "answer");
    if view.expired > 0 {
        let expired = count(view.expired);
        held.push_str(&format!(", {expired} of them expired: given if no upstream answers"));
    }
    let lookups = view.hits + view.misses + view.stale;
    let found = format!(
        "{} of {} ({})",
        count(view.hits),
        plural(lookups, "lookup"),
        percent(view.hits, lookups)
    );
    let lines = [
        ("held", held),
        ("room", format!("{} of {}", bytes(view.bytes), bytes(view.bound))),
        ("found", found),
        ("stale", format!("{} given although expired", count(view.stale))),
        ("evicted", format!("{} for want of room", count(view.evictions))),
    ];
    fields(&lines, screen)
}

/// Says what was removed.
pub fn flushed_message(flushed: &CacheFlushed, _: &Screen) -> String {
    let removed = plural(flushed.removed, "answer");
    match &flushed.name {
        Some(name) => format!("{removed} removed: {} and all below it.\n", escape(name)),
        None => format!("{removed} removed: the cache is empty.\n"),
    }
}
