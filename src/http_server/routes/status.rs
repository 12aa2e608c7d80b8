//! One screen of how the daemon fares.

use axum::extract::State;

use super::{Answer, App, Shared, Snapshot, list_briefs, notice_views, pause_views, tally_of};
use crate::api::{
    Health, LogState, PauseView, ProblemDocument, QueryTally, Status, UpstreamView, timestamp,
};
use crate::discovery::Sense;
use crate::model::{Level, Scope};
use crate::upstream::UpstreamStatus;

/// Open notices that are shown beside everything else.
const LATEST_NOTICES: usize = 3;

/// Answers `GET`.
pub async fn show(State(app): State<Shared>) -> Answer<Status> {
    app.work(report).await
}

fn report(app: &App) -> Result<Status, ProblemDocument> {
    let parts = &app.parts;
    parts.log.flush();
    let snapshot = Snapshot::of(app);
    let (from, until) = snapshot.last_day();
    let (level, custom) = snapshot.everyone();
    let pauses = pause_views(parts.policy.timed().pauses);
    let upstreams: Vec<UpstreamView> = parts.upstreams.status().into_iter().map(upstream).collect();
    let figures = parts.log.figures();
    let mut notices = parts.policy.notices();
    notices.extend((parts.notices)());
    notices.extend(upstream_notice(&upstreams));
    notices.extend(figures.error.as_ref().map(|why| format!("queries are not recorded: {why}")));
    notices.extend(figures.set_aside.as_ref().map(|aside| {
        format!("log.db was damaged: it lies in {}, and a new one was begun", aside.display())
    }));
    let mut latest_notices = notice_views(app, false);
    let open_notices = latest_notices.len();
    latest_notices.truncate(LATEST_NOTICES);
    let (health, summary) = judge(&notices, &pauses, level);
    let cache = parts.resolver.cache_figures();
    Ok(Status {
        health,
        summary,
        version: env!("CARGO_PKG_VERSION").into(),
        started: timestamp(parts.started.wall),
        config: parts.config.clone(),
        listening: parts.listening.iter().map(ToString::to_string).collect(),
        queries: query_tally(app, &snapshot, from, until)?,
        attempts: tally_of(snapshot.totals(app, from, until)?.iter()),
        level,
        custom,
        pauses,
        lists: list_briefs(app, &snapshot),
        fetching: (parts.updates.views)(),
        catalogue: snapshot.in_force.catalogue.edition().into(),
        companies: snapshot.in_force.catalogue.companies().len(),
        time_zone: parts.policy.zone().name().into(),
        time_zone_from: parts.policy.zone().source.as_str().into(),
        revision: parts.policy.revision(),
        upstreams,
        cache_entries: cache.entries,
        cache_bytes: cache.bytes,
        cache_hits: cache.hits,
        cache_misses: cache.misses,
        log: LogState {
            events: figures.events,
            bytes: figures.bytes,
            lost: figures.lost,
            error: figures.error,
        },
        counts: (parts.counts)(),
        unseen: unseen(parts.discovery.senses()),
        notices,
        open_notices,
        latest_notices,
    })
}

fn query_tally(
    app: &App,
    snapshot: &Snapshot,
    from: i64,
    until: i64,
) -> Result<QueryTally, ProblemDocument> {
    let mut tally = QueryTally::default();
    for (_, count) in snapshot.queries(app, from, until)? {
        tally.queries += count.queries;
        tally.blocked += count.blocked;
        tally.failed += count.failed;
        tally.devices += u64::from(count.queries > 0);
    }
    Ok(tally)
}

fn upstream(status: UpstreamStatus) -> UpstreamView {
    UpstreamView {
        name: status.name,
        up: status.up,
        asked: status.asked,
        failed: status.failed,
        latency_micros: status.latency_micros,
        last_error: status.last_error,
        zone: status.zone,
        transport: status.transport.into(),
        answered: status.answered,
        timeouts: status.timeouts,
        moved_to_tcp: status.moved,
        p50_micros: status.percentiles_micros.map(|(half, _)| half),
        p95_micros: status.percentiles_micros.map(|(_, most)| most),
    }
}

/// Says which ways of seeing do not work here, and what is used instead.
fn unseen(senses: Vec<Sense>) -> Vec<String> {
    let told = senses.into_iter().filter_map(|sense| Some((sense.name, sense.blind?)));
    told.map(|(name, why)| format!("{name}: {why}")).collect()
}

/// Says what to try when none of the upstreams for all names answers.
fn upstream_notice(upstreams: &[UpstreamView]) -> Option<String> {
    let general = || upstreams.iter().filter(|upstream| upstream.zone.is_none());
    if general().count() == 0 || general().any(|upstream| upstream.up) {
        return None;
    }
    let mut errors = general().filter_map(|upstream| upstream.last_error.as_deref());
    let error = errors.next_back().unwrap_or("no answer");
    let (mut ports, mut clock) = (Vec::new(), "");
    for (scheme, port) in
        [("udp", "UDP 53"), ("tcp", "TCP 53"), ("tls", "TCP 853"), ("https", "TCP 443")]
    {
        if general().any(|upstream| upstream.name.split("://").next() == Some(scheme)) {
            ports.push(port);
            // Certificates have a time at which they begin.
            clock =
                if port == "UDP 53" || port == "TCP 53" { clock } else { " is its clock right," };
        }
    }
    Some(format!(
        "no upstream answers ({error}). Try: is this machine online,{clock} does a firewall let {} \
         out? Other servers go into [upstream] of config.toml",
        ports.join(" and ")
    ))
}

fn judge(notices: &[String], pauses: &[PauseView], level: Level) -> (Health, String) {
    let paused = pauses.iter().any(|pause| pause.scope == Scope::Everyone);
    match notices {
        [] if paused => (Health::Paused, "Answering; blocking is paused for everyone.".into()),
        [] if level == Level::Off => {
            (Health::Off, "Answering; everyone's level is off, so lists block nothing.".into())
        }
        [] => (Health::Healthy, "Answering normally.".into()),
        [_] => (Health::Degraded, "Answering; one thing needs you.".into()),
        several => (Health::Degraded, format!("Answering; {} things need you.", several.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(up: bool, zone: Option<&str>) -> UpstreamView {
        UpstreamView {
            name: "tls://dns.example".into(),
            up,
            asked: 4,
            failed: 4,
            latency_micros: None,
            last_error: Some("connection refused".into()),
            zone: zone.map(String::from),
            ..UpstreamView::default()
        }
    }

    #[test]
    fn dead_upstreams_are_told_with_what_to_try() {
        let dead = [upstream(false, None), upstream(true, Some("lan"))];
        let notice = upstream_notice(&dead).expect("none for all names is up");
        assert!(notice.contains("connection refused") && notice.contains("853"), "{notice}");
        let plain = UpstreamView { name: "udp://192.0.2.1:53".into(), ..upstream(false, None) };
        let notice = upstream_notice(&[plain]).expect("it is dead");
        assert!(notice.contains("UDP 53") && !notice.contains("clock"), "{notice}");
        assert_eq!(upstream_notice(&[upstream(false, None), upstream(true, None)]), None);
        assert_eq!(upstream_notice(&[upstream(false, Some("lan"))]), None);
    }

    #[test]
    fn the_state_is_one_word_and_what_needs_a_person_comes_first() {
        let pause = PauseView { scope: Scope::Everyone, until: timestamp(0) };
        let word =
            |notices: &[String], pauses: &[PauseView], level| judge(notices, pauses, level).0;
        assert_eq!(word(&[], &[], Level::Standard), Health::Healthy);
        assert_eq!(word(&[], std::slice::from_ref(&pause), Level::Off), Health::Paused);
        assert_eq!(word(&[], &[], Level::Off), Health::Off);
        assert_eq!(word(&["x".into()], &[pause], Level::Off), Health::Degraded);
    }
}
