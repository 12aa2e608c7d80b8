//! The HTTP API: what the daemon knows and lets one change, served on a local socket.

mod entries;
mod error;
mod extract;
mod routes;
mod selection;
mod snapshot;
mod tallies;
mod unix_socket;
mod worth;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Json, Router};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;

use crate::api::{
    Changed, Counts, ListUpdateView, MAX_SECONDS, ProblemDocument, ProblemKind, UpdateEvent,
};
use crate::clock::Clock;
use crate::devices::{Device, Devices};
use crate::discovery::Discovery;
use crate::model::{Moment, Scope};
use crate::notices::Notices;
use crate::policy::LivePolicy;
use crate::policy_file::PolicyFile;
use crate::query_log::QueryLog;
use crate::resolver::Resolver;
use crate::upstream::Upstreams;

pub use unix_socket::{UnixDoor, bind_unix};

use entries::{EntryViews, gap_view, read_cursor, write_cursor};
use error::change_problem;
use extract::{Actor, Body, Params, Peer, Segment, bounded, parse_name};
use selection::{find_company, find_device, find_group, find_scope};
use snapshot::{Snapshot, pause_views, seconds};
use tallies::{Purposes, catalogue_purposes, rows_of, tally_of};
use worth::worth;

/// Octets that the body of a request may have.
const BODY_LIMIT: usize = 64 << 10;

/// Requests that may read or write databases at the same time.
const WORKING_AT_ONCE: usize = 8;

/// The handles the API works with.
pub struct Parts {
    /// The query log.
    pub log: QueryLog,
    /// Who is who.
    pub devices: Devices,
    /// What is seen of devices, and what is not.
    pub discovery: Discovery,
    /// The keeper of policy.toml.
    pub policy: PolicyFile,
    /// What is in force.
    pub live: LivePolicy,
    /// Where queries are forwarded.
    pub upstreams: Upstreams,
    /// The resolver, for figures of its cache.
    pub resolver: Resolver,
    /// Tells what came in at the doors since the start.
    pub counts: Arc<dyn Fn() -> Counts + Send + Sync>,
    /// The clocks.
    pub clock: Clock,
    /// Where DNS is answered.
    pub listening: Vec<SocketAddr>,
    /// When the daemon started.
    pub started: Moment,
    /// The configuration it runs with, as people know it.
    pub config: String,
    /// Fetches lists.
    pub updates: ListUpdates,
    /// Reads the files again; returns what a person should know, or why nothing was changed.
    pub reload: Arc<dyn Fn() -> Result<Vec<String>, String> + Send + Sync>,
    /// Tells what a person should know now, beside what the policy's keeper says.
    pub notices: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// What a person should know, once.
    pub news: News,
}

/// Notices, and how they are brought up to date.
pub struct News {
    /// The notices.
    pub notices: Notices,
    /// Looks at everything recorded until now.
    pub look: Arc<dyn Fn() + Send + Sync>,
}

/// Begins to fetch lists, and returns where it is told what becomes of them.
pub type BeginUpdate =
    dyn Fn(&[String]) -> Result<Receiver<UpdateEvent>, ProblemDocument> + Send + Sync;

/// How the fetching of lists is seen and asked for.
pub struct ListUpdates {
    /// Tells how it goes, of each list that has an address.
    pub views: Arc<dyn Fn() -> Vec<ListUpdateView> + Send + Sync>,
    /// Fetches these lists now, or all if none is named; tells what becomes of them.
    pub update: Arc<BeginUpdate>,
}

/// What each handler gets: the handles, and how many may work at once.
struct App {
    parts: Parts,
    working: Arc<Semaphore>,
    /// Held while lists are read for `why`.
    explaining: Arc<Semaphore>,
}

/// The application as handlers share it.
type Shared = Arc<App>;

/// What a handler answers.
type Answer<T> = Result<Json<T>, ProblemDocument>;

/// Returns the API over `parts`.
pub fn router(parts: Parts) -> Router {
    let working = Arc::new(Semaphore::new(WORKING_AT_ONCE));
    let app = App { parts, working, explaining: Arc::new(Semaphore::new(1)) };
    shell(routes::routes()).with_state(Arc::new(app))
}

/// Puts around the routes what holds for all of them: bounded bodies, and problems as documents.
fn shell<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .fallback(async || ProblemDocument::new(ProblemKind::NotFound, "no such path"))
        .method_not_allowed_fallback(async || {
            ProblemDocument::new(ProblemKind::MethodNotAllowed, "this path has no such method")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

impl App {
    /// Runs `work` on a thread that may wait for databases; a few at a time.
    async fn work<T: Send + 'static>(
        self: Shared,
        work: impl FnOnce(&App) -> Result<T, ProblemDocument> + Send + 'static,
    ) -> Answer<T> {
        let failed = |what: &str| ProblemDocument::new(ProblemKind::Internal, what);
        let working = Arc::clone(&self.working);
        let permit = working.acquire_owned().await.map_err(|_| failed("the daemon is stopping"))?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&self)
        });
        done.await.map_err(|_| failed("the request ended in an error of the program"))?.map(Json)
    }

    /// Finds a device by what people call it.
    fn find_device<'s>(
        &self,
        text: &str,
        snapshot: &'s Snapshot,
    ) -> Result<&'s Device, ProblemDocument> {
        let by_address = |address| self.parts.devices.find_by_address(address);
        find_device(text, &snapshot.devices, by_address)
    }

    /// Tells of a change that is in force.
    fn changed(&self, scope: Scope, subject: String, until: Option<jiff::Timestamp>) -> Changed {
        Changed { scope, subject, until, revision: self.parts.policy.revision() }
    }
}

/// Returns the second that is so many from now; refuses spans that cannot be meant.
fn seconds_from_now(now: Moment, span: u64) -> Result<i64, ProblemDocument> {
    if (1..=MAX_SECONDS).contains(&span) {
        return Ok(now.unix_seconds().saturating_add_unsigned(span));
    }
    let detail = format!("a time of {span} seconds cannot be meant; give 1 second to 366 days");
    Err(ProblemDocument::new(ProblemKind::InvalidInput, detail).field("seconds"))
}

#[cfg(test)]
mod tests;
