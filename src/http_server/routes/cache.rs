//! The cache: how it fares, and its answers removed.

use axum::extract::State;

use super::{Actor, Answer, Body, Shared, parse_name};
use crate::api::{CacheFlush, CacheFlushed, CacheView};

/// Answers `GET`.
pub async fn show(State(app): State<Shared>) -> Answer<CacheView> {
    app.work(|app| {
        let figures = app.parts.resolver.cache_figures();
        Ok(CacheView {
            entries: figures.entries,
            expired: app.parts.resolver.expired_answers(),
            bytes: figures.bytes,
            bound: figures.bound,
            hits: figures.hits,
            misses: figures.misses,
            stale: figures.stale,
            evictions: figures.evictions,
        })
    })
    .await
}

/// Answers `POST`.
pub async fn flush(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(flush): Body<CacheFlush>,
) -> Answer<CacheFlushed> {
    app.work(move |app| {
        let name = flush.name.as_deref().map(parse_name).transpose()?;
        let removed = app.parts.resolver.flush_cache(name.as_ref().map(|name| name.as_ref()));
        let name = name.map(|name| name.to_string());
        let of = name.as_deref().unwrap_or("all names");
        tracing::info!("{actor} removed {removed} answers of {of} from the cache");
        Ok(CacheFlushed { name, removed })
    })
    .await
}
