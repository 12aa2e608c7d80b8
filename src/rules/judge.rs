//! What the rules that speak come to, taken together: the precedence of one tier.

use crate::model::{ListId, ListMask};

use super::rewriting::{blocking, is_taken_back, joined, leads_nowhere};
use super::{Answer, Asking, Effect, Heard, Judgement, Kind, Rewrite, Special, Standing};

/// Classes of rules, highest first (`filter-rules.md`, section 2.1, step 3).
///
/// A truncated answer still leads to the name, so that any block beats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Lets through, important.
    ImportantAllow,
    /// Blocks, important.
    ImportantBlock,
    /// Lets through.
    Allow,
    /// Blocks.
    Block,
    /// Truncates.
    Truncate,
}

/// What counts among rules of one class; the greatest is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight {
    /// How many modifiers restrict or weigh it.
    pub points: u8,
    /// Whether it is written as AdGuard writes patterns.
    pub adguard: bool,
    /// Its list; those in front weigh more.
    pub list: std::cmp::Reverse<ListId>,
    /// Of one list's rules one that says how to answer counts more, wherever it stands.
    pub answer: Answer,
}

/// A rewrite of ours that speaks.
#[derive(Clone, Copy)]
pub struct Rewriting<'r> {
    /// What counts.
    pub weight: Weight,
    /// Whether only an important exception takes it back.
    pub important: bool,
    /// What it gives.
    pub rewrite: &'r Rewrite,
}

/// The best rule of each class.
#[derive(Clone, Copy, Default)]
struct Pool([Option<Weight>; 5]);

/// What the first zone says of which a trigger fires.
struct Zone<'r> {
    list: ListId,
    pool: Pool,
    rewrites: Vec<Rewriting<'r>>,
}

/// The rules that speak, sorted as they come.
pub struct Tally<'r> {
    standing: &'r Standing,
    allowlisted: Option<Weight>,
    shipped: Pool,
    others: Pool,
    zone: Option<Zone<'r>>,
    rewrites: Vec<Rewriting<'r>>,
    taken_back: Vec<&'r Special>,
}

impl Weight {
    fn of(kind: Kind, list: ListId) -> Weight {
        let answer = match kind.effect() {
            Effect::Block(answer) => answer,
            _ => Answer::Policy,
        };
        let points = u8::from(kind.is_important());
        Weight { points, adguard: kind.is_adguard(), list: std::cmp::Reverse(list), answer }
    }

    fn of_special(special: &Special, answer: Answer) -> Weight {
        let list = std::cmp::Reverse(special.list);
        Weight { points: special.points(), adguard: special.adguard, list, answer }
    }
}

impl Class {
    fn of(effect: &Effect, important: bool) -> Option<Class> {
        match effect {
            Effect::Allow if important => Some(Class::ImportantAllow),
            Effect::Allow => Some(Class::Allow),
            Effect::Block(_) if important => Some(Class::ImportantBlock),
            Effect::Block(_) => Some(Class::Block),
            Effect::Truncate => Some(Class::Truncate),
            Effect::Hole | Effect::Rewrite(_) | Effect::CancelRewrites(_) => None,
        }
    }

    fn lets_through(self) -> bool {
        matches!(self, Class::ImportantAllow | Class::Allow)
    }
}

impl Pool {
    fn offer(&mut self, class: Class, weight: Weight) {
        if let Some(best) = self.0.get_mut(class as usize) {
            *best = (*best).max(Some(weight));
        }
    }

    /// Returns the best rule of the highest class.
    fn best(&self) -> Option<(Class, Weight)> {
        const CLASSES: [Class; 5] = [
            Class::ImportantAllow,
            Class::ImportantBlock,
            Class::Allow,
            Class::Block,
            Class::Truncate,
        ];
        CLASSES.into_iter().zip(self.0).find_map(|(class, weight)| Some((class, weight?)))
    }
}

impl<'r> Tally<'r> {
    /// Starts without any rule; allocates nothing.
    pub fn new(standing: &'r Standing) -> Tally<'r> {
        let (allowlisted, shipped, others, zone) = Default::default();
        let (rewrites, taken_back) = (Vec::new(), Vec::new());
        Tally { standing, allowlisted, shipped, others, zone, rewrites, taken_back }
    }

    /// Takes a rule in.
    pub fn hear(&mut self, heard: Heard<'r>) {
        match heard {
            Heard::Plain(kind, lists) => self.hear_plain(kind, lists),
            Heard::Special(special) => self.hear_special(special),
        }
    }

    fn hear_plain(&mut self, kind: Kind, lists: ListMask) {
        let Standing { allowlists, zones, shipped, .. } = *self.standing;
        let Some(class) = Class::of(&kind.effect(), kind.is_important()) else { return };
        if let Some(list) = lists.intersection(allowlists).first() {
            self.allowlisted = self.allowlisted.max(Some(Weight::of(kind, list)));
        }
        let lists = lists.difference(allowlists);
        if let Some(list) = lists.intersection(zones).first() {
            let class = if class.lets_through() { Class::Allow } else { Class::Block };
            if let Some(zone) = self.zone_of(list) {
                zone.pool.offer(class, Weight::of(kind, list));
            }
        }
        let lists = lists.difference(zones);
        if let Some(list) = lists.intersection(shipped).first() {
            self.shipped.offer(class, Weight::of(kind, list));
        }
        if let Some(list) = lists.difference(shipped).first() {
            self.others.offer(class, Weight::of(kind, list));
        }
    }

    fn hear_special(&mut self, special: &'r Special) {
        let answer = match special.effect {
            Effect::Block(answer) => answer,
            _ => Answer::Policy,
        };
        let weight = Weight::of_special(special, answer);
        if self.standing.allowlists.contains(special.list) {
            self.allowlisted = self.allowlisted.max(Some(weight));
        } else if self.standing.zones.contains(special.list) {
            self.hear_trigger(special, weight);
        } else if let Effect::Rewrite(rewrite) = &special.effect {
            self.rewrites.push(Rewriting { weight, important: special.important, rewrite });
        } else if let Effect::CancelRewrites(_) = special.effect {
            self.taken_back.push(special);
        } else if let Some(class) = Class::of(&special.effect, special.important) {
            let shipped = self.standing.shipped.contains(special.list);
            let pool = if shipped { &mut self.shipped } else { &mut self.others };
            pool.offer(class, weight);
        }
    }

    fn hear_trigger(&mut self, special: &'r Special, weight: Weight) {
        let Some(zone) = self.zone_of(special.list) else { return };
        if let Effect::Rewrite(rewrite) = &special.effect {
            zone.rewrites.push(Rewriting { weight, important: false, rewrite });
        } else if let Some(class) = Class::of(&special.effect, false) {
            zone.pool.offer(class, weight);
        }
    }

    /// Zones are asked in their order: returns this one, unless a trigger of an earlier fires.
    fn zone_of(&mut self, list: ListId) -> Option<&mut Zone<'r>> {
        let later = self.zone.as_ref().is_none_or(|zone| zone.list > list);
        if later {
            self.zone = Some(Zone { list, pool: Pool::default(), rewrites: Vec::new() });
        }
        self.zone.as_mut().filter(|zone| zone.list == list)
    }

    /// Returns what the rules come to.
    pub fn judgement(mut self, asking: &Asking<'_>) -> Judgement {
        if let Some(weight) = self.allowlisted {
            return Judgement::Allow(weight.list.0);
        }
        self.take_zone();
        self.rewrites.retain(|rewriting| {
            let shipped = self.standing.shipped;
            !self.taken_back.iter().any(|by| is_taken_back(rewriting, by, shipped))
        });
        self.block_by_untrusted();
        self.rewrites.retain(|rewriting| !leads_nowhere(rewriting.rewrite, asking.name));
        if !self.rewrites.is_empty() {
            return joined(&mut self.rewrites, asking);
        }
        match self.best() {
            None => Judgement::None,
            Some((Class::ImportantAllow | Class::Allow, weight)) => Judgement::Allow(weight.list.0),
            Some((Class::Truncate, weight)) => Judgement::Truncate(weight.list.0),
            Some((_, weight)) => Judgement::Block(weight.list.0, weight.answer),
        }
    }

    /// Lets the zones' result in as one rule: passthru, else its answer.
    fn take_zone(&mut self) {
        let Some(zone) = self.zone.take() else { return };
        let best = zone.pool.best();
        if let Some((class, weight)) = best {
            self.others.offer(class, weight);
        }
        if best.is_none_or(|(class, _)| !class.lets_through()) {
            self.rewrites.extend(zone.rewrites);
        }
    }

    /// Nobody may redirect who is not trusted: such a rewrite blocks.
    fn block_by_untrusted(&mut self) {
        let Standing { trusted, shipped, .. } = *self.standing;
        for rewriting in &self.rewrites {
            let list = rewriting.weight.list.0;
            if !trusted.contains(list) {
                let class = if rewriting.important { Class::ImportantBlock } else { Class::Block };
                let weight = Weight { answer: blocking(rewriting.rewrite), ..rewriting.weight };
                let pool =
                    if shipped.contains(list) { &mut self.shipped } else { &mut self.others };
                pool.offer(class, weight);
            }
        }
        self.rewrites.retain(|rewriting| trusted.contains(rewriting.weight.list.0));
    }

    /// Returns the rule that is told: subscribed exceptions do not lift what shipped lists block.
    fn best(&self) -> Option<(Class, Weight)> {
        match (self.shipped.best(), self.others.best()) {
            (Some(shipped), Some(other)) => {
                let lifted = other.0.lets_through() && !shipped.0.lets_through();
                let higher = other.0 < shipped.0 || other.0 == shipped.0 && other.1 > shipped.1;
                Some(if higher && !lifted { other } else { shipped })
            }
            (shipped, other) => shipped.or(other),
        }
    }
}
