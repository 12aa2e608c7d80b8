//! The rules judged one by one, slowly: the twin of the engine, and what `why` tells.
//!
//! Written from `filter-rules.md`, sections 2.1, 9.6 to 9.8 and 11, in the order in which they stand.

mod covers;
mod fate;
mod finding;
mod rewriting;
mod speaking;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use super::parse::Format;
use super::{
    Answer, Asking, ClientMatch, Condition, Effect, Judgement, ListInfo, Pattern, Record, Rewrite,
    Rewritten, Rule, TextPattern, TextSyntax,
};
use crate::model::{DomainName, ListId, ListMask, NameRef, Prefix};

use rewriting::{points_nowhere, put_together, takes_back};
use speaking::{Step, longest_decides, step};

pub use covers::{covers_address, covers_name};
pub use fate::{Because, Fate, Part};
pub use finding::{FoundRule, LookedUp, find_rules};

/// A rule that covers what is asked, and the list it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'r> {
    /// The list.
    pub list: ListId,
    /// The rule.
    pub rule: &'r Rule,
}

/// What the rules say together, and what became of each.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Evaluation {
    /// What they say.
    pub judgement: Judgement,
    /// For each candidate, in its place, why it decides or does not.
    pub fates: Vec<Fate>,
}

/// What a rule's effect ranks as; the first of these that any rule has is what is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    ImportantAllow,
    ImportantBlock,
    Allow,
    Block,
    Truncate,
}

/// By what rules rank: class, points, syntax, list, how they answer, line, place.
///
/// Of one list's blocks one that says how to answer counts more, whatever the order of lines.
type Rank = (Class, Reverse<u8>, bool, ListId, Reverse<Answer>, u32, usize);

/// Rules under judgement; those without a fate are still in the running.
struct Trial<'t> {
    candidates: &'t [Candidate<'t>],
    lists: &'t [ListInfo],
    asking: &'t Asking<'t>,
    fates: Vec<Option<Fate>>,
}

/// Judges the rules that cover what is asked by the rules of one tier.
///
/// `candidates` are of all lists, those of one list in their order; `mask` has the lists of the tier.
/// A candidate of a list that `lists` does not have is one of no policy.
pub fn evaluate(
    candidates: &[Candidate<'_>],
    lists: &[ListInfo],
    mask: ListMask,
    asking: &Asking<'_>,
) -> Evaluation {
    let mut trial = Trial { candidates, lists, asking, fates: vec![None; candidates.len()] };
    trial.leave_out_other_policies(mask);
    trial.leave_out_unmet_conditions();
    trial.cancel_by_badfilter();
    trial.let_longest_speak();
    let judgement = trial.judge();
    let fates = trial.fates.into_iter().map(|fate| fate.unwrap_or(Fate::Idle)).collect();
    Evaluation { judgement, fates }
}

impl<'t> Trial<'t> {
    fn judge(&mut self) -> Judgement {
        if let Some(allowed) = self.ask_allowlists() {
            return Judgement::Allow(allowed);
        }
        self.ask_zones_in_order();
        self.take_back_rewrites();
        if let Some(judgement) = self.rewrite() {
            return judgement;
        }
        self.best_class()
    }

    /// Returns the places of candidates still in the running.
    fn open(&self) -> Vec<usize> {
        (0..self.fates.len()).filter(|&at| self.fates.get(at) == Some(&None)).collect()
    }

    fn open_that(&self, takes: impl Fn(Candidate<'t>) -> bool) -> Vec<usize> {
        self.open().into_iter().filter(|&at| takes(self.candidate(at))).collect()
    }

    fn candidate(&self, at: usize) -> Candidate<'t> {
        *self.candidates.get(at).expect("places of candidates come from their number")
    }

    fn rule(&self, at: usize) -> &'t Rule {
        self.candidate(at).rule
    }

    fn info(&self, list: ListId) -> &'t ListInfo {
        let info = self.lists.get(usize::from(list.0));
        info.expect("lists that are not known have been left out")
    }

    fn settle(&mut self, at: usize, fate: Fate) {
        let place = self.fates.get_mut(at);
        *place.expect("places of candidates come from their number") = Some(fate);
    }

    /// Gives all that are left a fate.
    fn settle_rest(&mut self, fate: impl Fn(&Trial<'t>, usize) -> Fate) {
        for at in self.open() {
            let fate = fate(self, at);
            self.settle(at, fate);
        }
    }

    fn leave_out_other_policies(&mut self, mask: ListMask) {
        let is_known = |list: ListId| usize::from(list.0) < self.lists.len();
        for at in self.open_that(|it| !mask.contains(it.list) || !is_known(it.list)) {
            self.settle(at, Fate::NotInPolicy);
        }
    }

    fn leave_out_unmet_conditions(&mut self) {
        for at in self.open() {
            let condition = self.rule(at).condition.as_deref();
            if let Some(part) = condition.and_then(|it| unmet(it, self.asking)) {
                self.settle(at, Fate::Unmet(part));
            }
        }
    }

    /// Section 9.6. What strangers cancel stands in the shipped lists, and in allowlists, which
    /// are asked before it.
    fn cancel_by_badfilter(&mut self) {
        for canceller in self.open_that(|it| it.rule.badfilter) {
            let by = self.candidate(canceller);
            let cancelled = self.open_that(|it| {
                let info = self.info(it.list);
                let reaches = !info.allowlist && (!info.shipped || self.info(by.list).shipped);
                reaches && !it.rule.badfilter && it.rule.is_like(by.rule)
            });
            cancelled.into_iter().for_each(|at| self.settle(at, Fate::CancelledBy(canceller)));
            self.settle(canceller, Fate::Cancels);
        }
    }

    /// In lists where the longest rule decides, takes out all that it does not leave to others.
    fn let_longest_speak(&mut self) {
        let mut lists: Vec<ListId> =
            self.open().iter().map(|&at| self.candidate(at).list).collect();
        lists.sort_unstable();
        lists.dedup();
        lists.retain(|&list| longest_decides(self.info(list)));
        lists.into_iter().for_each(|list| self.let_longest_speak_for(list));
        for hole in self.open_that(|it| it.rule.effect == Effect::Hole) {
            self.settle(hole, Fate::EndsList);
        }
    }

    fn let_longest_speak_for(&mut self, list: ListId) {
        let of_list = self.open_that(|it| it.list == list);
        let Some(first) = of_list.iter().map(|&at| self.step(at)).min() else { return };
        let (speaking, mut silent): (Vec<usize>, Vec<usize>) =
            of_list.into_iter().partition(|&at| self.step(at) == first);
        let is_hole = |&at: &usize| self.rule(at).effect == Effect::Hole;
        let speaker = speaking.iter().copied().find(is_hole);
        if speaker.is_some() {
            silent.extend(speaking.iter().filter(|at| !is_hole(at)));
        }
        let Some(speaker) = speaker.or(speaking.first().copied()) else { return };
        silent.into_iter().for_each(|at| self.settle(at, Fate::OutspokenBy(speaker)));
    }

    /// Returns when a rule speaks in its list.
    fn step(&self, at: usize) -> Step<'t> {
        let Candidate { list, rule } = self.candidate(at);
        let same = self.candidates.iter().filter(|it| it.list == list);
        let same = same.filter(|it| it.rule.pattern == rule.pattern);
        let first_line = same.map(|it| it.rule.line).min().unwrap_or(rule.line);
        step(self.info(list), rule, first_line, self.asking.name)
    }

    /// Section 2.1, step 4: whatever an allowlist says is an allow, before all else of the tier.
    fn ask_allowlists(&mut self) -> Option<ListId> {
        let allowing = self.open_that(|it| self.info(it.list).allowlist);
        let best = allowing.into_iter().min_by_key(|&at| self.rank_in(Class::Allow, at))?;
        self.settle(best, Fate::Decided);
        self.settle_rest(|_, _| Fate::AllowlistedBy(best));
        Some(self.candidate(best).list)
    }

    /// Section 2.1, step 5: of response policy zones only the first in which a trigger fires.
    fn ask_zones_in_order(&mut self) {
        let fired = self.open_that(|it| self.is_zone(it.list));
        let first = fired.iter().copied().min_by_key(|&at| (self.candidate(at).list, at));
        let Some(first) = first else { return };
        let zone = self.candidate(first).list;
        for at in fired {
            if self.candidate(at).list != zone {
                self.settle(at, Fate::AfterZone(first));
            }
        }
        // What a zone lets through it neither blocks nor answers.
        let of_zone = self.open_that(|it| it.list == zone);
        let Some(&passing) = of_zone.iter().find(|&&at| self.allows(at)) else { return };
        for at in of_zone {
            if !self.allows(at) {
                self.settle(at, Fate::LostTo(passing, Because::Exception));
            }
        }
    }

    /// Section 9.8. Rewrites are taken back as they are written, whether their list is trusted.
    fn take_back_rewrites(&mut self) {
        let exceptions = self.open_that(|it| {
            matches!(it.rule.effect, Effect::CancelRewrites(_)) && !self.is_zone(it.list)
        });
        for exception in exceptions {
            let by = self.info(self.candidate(exception).list);
            let reaches = |it: Candidate<'_>| by.shipped || !self.info(it.list).shipped;
            let taken = self.open_that(|it| {
                let important = it.rule.important && !self.is_zone(it.list);
                reaches(it) && takes_back(self.rule(exception), it.rule, important)
            });
            for at in taken {
                self.settle(at, Fate::TakenBackBy(exception));
            }
            self.settle(exception, Fate::TakesBack);
        }
        // That of a list that is not trusted blocks like any rewrite.
        let nowhere = self.open_that(|it| {
            self.info(it.list).trusted && points_nowhere(it.rule, self.asking.name)
        });
        for at in nowhere {
            self.settle(at, Fate::PointsNowhere);
        }
    }

    fn rewrite(&mut self) -> Option<Judgement> {
        let mut standing = self.open_that(|it| {
            matches!(it.rule.effect, Effect::Rewrite(_)) && self.info(it.list).trusted
        });
        // In each list closer rules come first.
        standing.sort_by_key(|&at| (self.candidate(at).list, self.step(at), at));
        let rules: Vec<&Rule> = standing.iter().map(|&at| self.rule(at)).collect();
        let (rewritten, parts) = put_together(&rules, self.asking)?;
        let parts: Vec<usize> = parts.iter().filter_map(|&at| standing.get(at).copied()).collect();
        parts.iter().for_each(|&at| self.settle(at, Fate::Decided));
        let first = *parts.first()?;
        self.settle_rest(|_, at| {
            let is_rewrite = standing.contains(&at);
            let because = if is_rewrite { Because::OtherRewrite } else { Because::Rewrite };
            Fate::LostTo(first, because)
        });
        Some(Judgement::Rewrite(self.candidate(first).list, rewritten))
    }

    /// Section 2.1, step 3, with the guard of step 4: strangers' exceptions stop strangers' blocks.
    fn best_class(&mut self) -> Judgement {
        let says = |at: &usize| !matches!(self.rule(*at).effect, Effect::CancelRewrites(_));
        let best =
            |places: Vec<usize>| places.into_iter().filter(says).min_by_key(|&at| self.rank(at));
        let shipped = best(self.open_that(|it| self.info(it.list).shipped));
        let strange = best(self.open_that(|it| !self.info(it.list).shipped));
        let winner = match (shipped, strange) {
            (Some(shipped), Some(strange)) if self.allows(strange) && !self.allows(shipped) => {
                Some(shipped)
            }
            (shipped, strange) => best(shipped.into_iter().chain(strange).collect()),
        };
        let Some(winner) = winner else { return Judgement::None };
        self.settle(winner, Fate::Decided);
        self.settle_rest(|trial, at| Fate::LostTo(winner, trial.because(at, winner)));
        let Candidate { list, rule } = self.candidate(winner);
        match &rule.effect {
            Effect::Allow => Judgement::Allow(list),
            Effect::Truncate => Judgement::Truncate(list),
            effect => Judgement::Block(list, answer(effect)),
        }
    }

    fn is_zone(&self, list: ListId) -> bool {
        self.info(list).format == Format::Rpz
    }

    fn allows(&self, at: usize) -> bool {
        self.rule(at).effect == Effect::Allow
    }

    fn rank(&self, at: usize) -> Rank {
        let rule = self.rule(at);
        // What a zone says is never important.
        let important = rule.important && !self.is_zone(self.candidate(at).list);
        let class = match (&rule.effect, important) {
            (Effect::Allow, true) => Class::ImportantAllow,
            (Effect::Allow, false) => Class::Allow,
            (Effect::Truncate, _) => Class::Truncate,
            (_, true) => Class::ImportantBlock,
            (_, false) => Class::Block,
        };
        self.rank_in(class, at)
    }

    fn rank_in(&self, class: Class, at: usize) -> Rank {
        let Candidate { list, rule } = self.candidate(at);
        let answer = Reverse(answer(&rule.effect));
        (class, Reverse(rule.points()), !rule.adguard, list, answer, rule.line, at)
    }

    fn because(&self, loser: usize, winner: usize) -> Because {
        let (lost, won) = (self.rank(loser), self.rank(winner));
        match (lost.0.cmp(&won.0), lost.1 == won.1, lost.2 == won.2) {
            (std::cmp::Ordering::Less, ..) => Because::Shipped,
            (std::cmp::Ordering::Greater, ..) => self.because_of_class(winner),
            (_, false, _) => Because::Points,
            (_, _, false) => Because::Syntax,
            _ if self.candidate(loser).list == self.candidate(winner).list => Because::Line,
            _ => Because::ListOrder,
        }
    }

    fn because_of_class(&self, winner: usize) -> Because {
        match (self.allows(winner), self.rule(winner).important) {
            (true, true) => Because::ImportantException,
            (true, false) => Because::Exception,
            (false, true) => Because::Important,
            (false, false) => Because::Block,
        }
    }
}

/// Returns how a block is answered; a rewrite of a list that is not trusted is one.
fn answer(effect: &Effect) -> Answer {
    match effect {
        Effect::Block(answer) => *answer,
        Effect::Rewrite(Rewrite::Code(0)) => Answer::NoData,
        Effect::Rewrite(Rewrite::Code(3)) => Answer::NxDomain,
        Effect::Rewrite(Rewrite::Code(5)) => Answer::Refused,
        _ => Answer::Policy,
    }
}

/// Returns the part of a condition that does not hold.
fn unmet(condition: &Condition, asking: &Asking<'_>) -> Option<Part> {
    let Condition { types, clients, tags, except } = condition.clone();
    let none = Condition::default;
    let parts = [
        (Part::Type, Condition { types, ..none() }),
        (Part::Client, Condition { clients, ..none() }),
        (Part::Tag, Condition { tags, ..none() }),
        (Part::Except, Condition { except, ..none() }),
    ];
    parts.into_iter().find(|(_, alone)| !alone.holds(asking)).map(|(part, _)| part)
}
