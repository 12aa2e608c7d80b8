//! One list: fetched, and offered to the store.

use std::sync::Arc;

use super::{Slot, UpdateParts};
use crate::api::UpdateOutcome;
use crate::lists::fetch::{FetchError, Fetched, Wanted};
use crate::lists::{Due, Meta, Offered, OwnList, Store};

/// Fetches a list and takes in what came; returns what became of it with its place on the board.
pub(super) async fn download(
    parts: Arc<UpdateParts>,
    due: Due,
    slot: Slot,
) -> (Slot, UpdateOutcome) {
    let wanted = Wanted {
        address: &due.address,
        local: due.local,
        etag: due.etag.as_deref(),
        last_modified: due.last_modified.as_deref(),
    };
    let fetched = parts.fetcher.fetch(&wanted, &|progress| slot.received(progress)).await;
    let now = parts.clock.now().unix_seconds();
    let (store, list) = (parts.store.clone(), due.list.clone());
    let taken = tokio::task::spawn_blocking(move || take(&store, &list, fetched, now)).await;
    let broken = |_| UpdateOutcome::Failed { why: FetchError::Broken.to_string() };
    let outcome = taken.unwrap_or_else(broken);
    tell(&due.list, &outcome);
    (slot, outcome)
}

/// Takes in what came, or notes why nothing did.
fn take(
    store: &Store,
    list: &OwnList,
    fetched: Result<Fetched, FetchError>,
    now: i64,
) -> UpdateOutcome {
    let download = match fetched {
        Ok(Fetched::New(download)) => download,
        Ok(Fetched::Unchanged) => {
            store.unchanged(list, now);
            return UpdateOutcome::Unchanged;
        }
        Err(error) => {
            let why = error.to_string();
            store.failed(list, &why, now);
            return UpdateOutcome::Failed { why };
        }
    };
    let meta = Meta {
        etag: download.etag,
        last_modified: download.last_modified,
        fetched_from: Some(download.address.into()),
    };
    match store.offer(list, &download.octets, meta, now) {
        Ok(Offered::Unchanged) => UpdateOutcome::Unchanged,
        Ok(Offered::InForce { version, change }) => UpdateOutcome::Changed {
            version,
            added: change.added,
            removed: change.removed,
            came: change.came,
            went: change.went,
        },
        Ok(Offered::Held { why }) => UpdateOutcome::Held { why },
        Err(why) => UpdateOutcome::Failed { why },
    }
}

fn tell(list: &OwnList, outcome: &UpdateOutcome) {
    let name = &list.name;
    match outcome {
        UpdateOutcome::Unchanged => tracing::debug!("list {name}: nothing new"),
        UpdateOutcome::Changed { version, added, removed, .. } => {
            tracing::info!("list {name}: version {version}, {added} names came, {removed} went");
        }
        UpdateOutcome::Held { why } => tracing::warn!("list {name}: held back: {why}"),
        UpdateOutcome::Failed { why } => tracing::warn!("list {name}: not fetched: {why}"),
    }
}
