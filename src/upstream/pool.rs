//! Who is asked for a question, in which order, and who is looked at beside that.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use crate::clock::Clock;
use crate::model::{DomainName, NameRef};
use crate::wire::Question;

use super::effort::{self, Task, is_refusal};
use super::health::Standing;
use super::{Allowance, Answer, Failure, Fault, Limits, Order, Reply, Upstream, UpstreamStatus};

/// One question in so many also goes to an upstream that is not the best, to see how it does.
const EXPLORE_EVERY: u64 = 64;
/// Queries that a look at another upstream may cause.
const QUERIES_OF_PROBE: u8 = 4;
/// Microseconds by which an upstream may be slower than the best and still keep its place.
const NEARLY_AS_FAST: u64 = 5_000;

/// All upstreams, by the zone they are asked for.
pub(super) struct Pool {
    groups: Vec<Group>,
    /// Places in `groups` by the zone's octets; the first group is asked for everything else.
    zones: HashMap<Box<[u8]>, usize>,
    limits: Limits,
    clock: Clock,
}

/// Upstreams that stand in for each other.
pub(super) struct Group {
    /// In the order of config.toml.
    members: Vec<Arc<Upstream>>,
    /// The zone of `[[forward]]`, if they are of one.
    zone: Option<DomainName>,
    order: Order,
    turn: AtomicU64,
}

impl Group {
    /// Makes a group of upstreams in the order of config.toml.
    pub(super) fn new(
        zone: Option<DomainName>,
        members: Vec<Arc<Upstream>>,
        order: Order,
    ) -> Group {
        Group { members, zone, order, turn: AtomicU64::new(0) }
    }

    /// Returns the members, best first.
    pub(super) fn order(&self) -> Vec<&Arc<Upstream>> {
        let standings = self.standings();
        rank(&standings, self.order).into_iter().map(|place| &self.members[place]).collect()
    }

    /// Returns the member to ask first, and one to look at beside it if that is due.
    fn choose(&self, now: u64) -> Option<(&Arc<Upstream>, Option<&Arc<Upstream>>)> {
        // The usual case takes no look around.
        if let [only] = self.members.as_slice() {
            return Some((only, None));
        }
        let standings = self.standings();
        let best = *rank(&standings, self.order).first()?;
        Some((&self.members[best], self.due_for_probe(&standings, best, now)))
    }

    fn standings(&self) -> Vec<Standing> {
        self.members.iter().map(|member| member.health.standing()).collect()
    }

    /// Returns a member to look at beside the one at `best`: who has rested; and where the fastest
    /// is wanted, who was never heard of, or whose turn it is.
    fn due_for_probe(
        &self,
        standings: &[Standing],
        best: usize,
        now: u64,
    ) -> Option<&Arc<Upstream>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) + 1;
        let explored = (turn / EXPLORE_EVERY) as usize % (standings.len() - 1).max(1);
        let others = standings.iter().zip(&self.members).enumerate();
        let others = others.filter(|(place, _)| *place != best).enumerate();
        for (number, (_, (standing, member))) in others {
            let its_turn = turn.is_multiple_of(EXPLORE_EVERY) && number == explored;
            let curious = self.order == Order::Fastest && (its_turn || standing.latency.is_none());
            if member.health.begin_probe(now, curious) {
                return Some(member);
            }
        }
        None
    }
}

impl Pool {
    /// Puts the pool together; the first group must be the one for everything.
    pub(super) fn new(groups: Vec<Group>, limits: Limits, clock: Clock) -> Pool {
        let named = groups.iter().enumerate().filter_map(|(place, group)| {
            let zone = group.zone.as_ref()?;
            Some((zone.as_ref().wire().into(), place))
        });
        Pool { zones: named.collect(), groups, limits, clock }
    }

    /// Returns whether a zone of `[[forward]]` holds `name`. Allocates nothing.
    pub(super) fn is_forwarded(&self, name: NameRef<'_>) -> bool {
        self.place_of(name) > 0
    }

    /// Returns figures of every upstream in the order of their ids.
    pub(super) fn status(&self) -> Vec<UpstreamStatus> {
        self.groups.iter().flat_map(|group| &group.members).map(|member| member.status()).collect()
    }

    /// Asks the upstreams of the longest zone that holds the name, and nobody else.
    pub(super) async fn ask(&self, question: &Question, started: u64) -> Result<Answer, Failure> {
        let group = &self.groups[self.place_of(question.name.as_ref())];
        let (first, looked_at) = group.choose(started).ok_or(Failure::NetworkError)?;
        if let Some(member) = looked_at {
            // No client waits for this; by it whoever was away comes back.
            let probe = Probe { member: member.clone(), since: started };
            tokio::spawn(probe.run(question.clone(), self.limits.connect));
        }
        let (limits, clock) = (&self.limits, &self.clock);
        let task = Task { question, group, started, limits, clock };
        let found = effort::ask(task, first).await?;
        Ok(Answer {
            stored: found.stored,
            upstream: found.upstream,
            took: Duration::from_micros(found.at.saturating_sub(started)),
            forwarded_zone: group.zone.is_some(),
        })
    }

    fn place_of(&self, name: NameRef<'_>) -> usize {
        name.walk().find_map(|zone| self.zones.get(zone.wire())).copied().unwrap_or(0)
    }
}

/// A look at an upstream by a question that somebody else answers.
struct Probe {
    member: Arc<Upstream>,
    since: u64,
}

impl Probe {
    async fn run(self, question: Question, limit: Duration) {
        let allowance = Allowance::new(QUERIES_OF_PROBE);
        let asked = timeout(limit, self.member.ask(&question, &allowance, self.since)).await;
        match asked.unwrap_or(Err(Fault::Silent)) {
            Ok(Reply { stored, took, at }) if !is_refusal(&stored) => {
                self.member.answered(took, at);
            }
            Ok(Reply { stored, .. }) => {
                let fault = Fault::Unusable(format!("it answers {}", stored.response_code()));
                self.member.failed(self.since, &fault);
            }
            Err(fault) => {
                self.member.failed(self.since, &fault);
                if fault == Fault::Silent {
                    self.member.doubt(self.since);
                }
            }
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.member.health.end_probe();
    }
}

/// Returns places, best first, those that rest last.
///
/// As listed, or by latency: the listed order among those about as fast as the fastest, then the
/// slower ones, then who was never heard of.
fn rank(standings: &[Standing], order: Order) -> Vec<usize> {
    let up = standings.iter().filter(|standing| standing.rests_until.is_none());
    let best = up.filter_map(|standing| standing.latency).min();
    let near = best.map_or(0, |best| best + best / 4 + NEARLY_AS_FAST);
    let class = |standing: &Standing| match (standing.rests_until, standing.latency) {
        (Some(until), _) => (3, until),
        (None, _) if order == Order::AsListed => (0, 0),
        (None, None) => (2, 0),
        (None, Some(latency)) if latency > near => (1, latency),
        (None, Some(_)) => (0, 0),
    };
    let mut places: Vec<usize> = (0..standings.len()).collect();
    places.sort_by_key(|&place| class(&standings[place]));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(millis: u64) -> Standing {
        Standing { latency: Some(millis * 1_000), rests_until: None }
    }

    fn resting(until: u64) -> Standing {
        Standing { latency: Some(1), rests_until: Some(until) }
    }

    #[test]
    fn the_configured_order_holds_until_one_is_clearly_faster() {
        let unknown = Standing::default();
        assert_eq!(rank(&[unknown, unknown], Order::Fastest), [0, 1]);
        assert_eq!(rank(&[up(24), up(16), up(60), up(40)], Order::Fastest), [0, 1, 3, 2]);
        assert_eq!(rank(&[up(80), up(16)], Order::Fastest), [1, 0]);
        assert_eq!(rank(&[unknown, up(900)], Order::Fastest), [1, 0], "known to work");
    }

    #[test]
    fn who_rests_comes_last_and_first_who_wakes_first() {
        assert_eq!(
            rank(&[resting(9), up(500), resting(5), Standing::default()], Order::Fastest),
            [1, 3, 2, 0]
        );
    }

    #[test]
    fn as_listed_neither_latency_nor_ignorance_matters_but_who_rests_comes_last() {
        let unknown = Standing::default();
        let listed = |standings: &[Standing]| rank(standings, Order::AsListed);
        assert_eq!(listed(&[unknown, up(900), up(1)]), [0, 1, 2]);
        assert_eq!(listed(&[resting(9), up(900), unknown, resting(5)]), [1, 2, 3, 0]);
    }
}
