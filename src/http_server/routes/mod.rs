//! Which path is answered by what: one file a resource.

mod cache;
mod companies;
mod device_changes;
mod device_facts;
mod devices;
mod levels;
mod list_changes;
mod list_updates;
mod lists;
mod notices;
mod pause;
mod policy;
mod policy_past;
mod policy_plan;
mod queries;
mod rules;
mod status;
mod who;
mod why;
mod why_rules;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};

use super::{
    Actor, Answer, App, Body, EntryViews, Params, Purposes, Segment, Shared, Snapshot, bounded,
    catalogue_purposes, change_problem, find_company, find_device, find_group, find_scope,
    gap_view, parse_name, pause_views, read_cursor, rows_of, seconds, seconds_from_now, tally_of,
    worth, write_cursor,
};
use crate::api::paths;
use list_changes::list_name;
use lists::list_briefs;
use notices::notice_views;
use rules::{rule_view, written_view};
use who::company_rows;

/// Octets that a policy to be checked may have.
const POLICY_LIMIT: usize = 8 << 20;

/// Returns every path with what answers it.
pub fn routes() -> Router<Shared> {
    let check = post(policy::check).layer(DefaultBodyLimit::max(POLICY_LIMIT));
    let test = post(policy::test).layer(DefaultBodyLimit::max(POLICY_LIMIT));
    let plan = post(policy_plan::plan).layer(DefaultBodyLimit::max(POLICY_LIMIT));
    let compare = get(policy_past::diff).post(policy_past::diff_text);
    let compare = compare.layer(DefaultBodyLimit::max(POLICY_LIMIT));
    let device = get(devices::show).patch(device_changes::change).delete(device_changes::forget);
    Router::new()
        .route(paths::STATUS, get(status::show))
        .route(paths::WHO, get(who::show))
        .route(paths::QUERIES, get(queries::page))
        .route(paths::WHY, get(why::explain))
        .route(paths::DEVICES, get(devices::list))
        .route(paths::DEVICE_PROPOSALS, get(device_facts::proposals))
        .route(paths::DEVICE_MERGES, post(device_changes::merge))
        .route(paths::DEVICE_SPLIT, post(device_changes::split))
        .route(paths::DEVICE, device)
        .route(paths::COMPANIES, get(companies::list))
        .route(paths::COMPANY_POLICY, put(companies::switch))
        .route(paths::LISTS, get(lists::list).post(list_changes::add))
        .route(paths::LIST, delete(list_changes::remove))
        .route(paths::LIST_ACCEPT, post(list_changes::accept))
        .route(paths::LIST_ROLLBACK, post(list_changes::rollback))
        .route(paths::LIST_UPDATES, get(list_updates::list).post(list_updates::update))
        .route(paths::LIST_POLICY, put(lists::switch))
        .route(paths::LEVELS, get(levels::list).put(levels::set))
        .route(paths::RULES, get(rules::list).post(rules::add))
        .route(paths::RULES_TEXT, post(rules::write))
        .route(paths::RULES_REMOVE, post(rules::remove))
        .route(paths::PAUSE, post(pause::pause))
        .route(paths::RESUME, post(pause::resume))
        .route(paths::NOTICES, get(notices::list))
        .route(paths::NOTICE_DISMISS, post(notices::dismiss))
        .route(paths::CACHE, get(cache::show))
        .route(paths::CACHE_FLUSH, post(cache::flush))
        .route(paths::RELOAD, post(policy::reload))
        .route(paths::POLICY_HISTORY, get(policy_past::history))
        .route(paths::POLICY_DIFF, compare)
        .route(paths::POLICY_UNDO, post(policy_past::undo))
        .route(paths::POLICY_PLAN, plan)
        .route(paths::POLICY_CHECK, check)
        .route(paths::POLICY_TEST, test)
}
