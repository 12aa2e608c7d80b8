//! The walk over what was found for a name: which rules speak, list by list.

use crate::model::{ListId, ListKind, ListMask};

use super::parse::Format;
use super::{Asking, Effect, Kind, ListInfo, Place, SetRef, Sets, Special};

/// What lists are, as masks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// All lists in force.
    pub all: ListMask,
    /// Those in which the rule with the longest name speaks.
    pub longest: ListMask,
    /// Response policy zones.
    pub zones: ListMask,
    /// Those that ship with the program.
    pub shipped: ListMask,
    /// Those whose rewrites are obeyed.
    pub trusted: ListMask,
    /// Those that allow whatever they name.
    pub allowlists: ListMask,
    /// Those whose names are tracking names.
    pub tracking: ListMask,
}

/// A step of the walk: a set, and where it stands; fits into a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// The number of the set.
    pub set: u32,
}

/// A rule that speaks.
#[derive(Clone, Copy)]
pub enum Heard<'r> {
    /// A rule without condition, of each of these lists.
    Plain(Kind, ListMask),
    /// A special rule.
    Special(&'r Special),
}

/// A walk for one who asks, or for nobody.
pub struct Walk<'r, 'a> {
    /// The sets that steps name.
    pub sets: &'r Sets,
    /// What the lists are.
    pub standing: &'r Standing,
    /// Lists that are heard, and whose rules cancel others.
    pub lists: ListMask,
    /// Whether rules that others cancel are silent.
    pub cancels: bool,
    /// What is asked; without it rules with conditions are silent.
    pub asking: Option<&'a Asking<'a>>,
    /// Whether it is about an address in an answer.
    pub address: bool,
}

/// Bits of a set's number within a step's.
const SET_BITS: u32 = 30;

impl Standing {
    /// Returns what lists are.
    pub fn of(lists: &[ListInfo]) -> Standing {
        let those = |is: &dyn Fn(&ListInfo) -> bool| {
            let places = (0..=u8::MAX).zip(lists);
            places.filter(|(_, info)| is(info)).map(|(place, _)| ListId(place)).collect()
        };
        let by_length = [Format::Dnsmasq, Format::Unbound, Format::Rpz];
        Standing {
            all: those(&|_| true),
            longest: those(&|info| info.shipped || by_length.contains(&info.format)),
            zones: those(&|info| info.format == Format::Rpz),
            shipped: those(&|info| info.shipped),
            trusted: those(&|info| info.trusted),
            allowlists: those(&|info| info.allowlist),
            tracking: those(&|info| info.kind == ListKind::Tracking),
        }
    }
}

impl Step {
    /// Returns the number that stores the step.
    pub fn number(self) -> u32 {
        (self.place as u32) << SET_BITS | self.set
    }

    /// Reads the step from its number.
    pub fn from_number(number: u32) -> Step {
        let place = match number >> SET_BITS {
            0 => Place::Here,
            1 => Place::Above,
            _ => Place::Client,
        };
        Step { place, set: number & ((1 << SET_BITS) - 1) }
    }
}

impl<'r> Walk<'r, '_> {
    /// Walks the steps in their order and tells each rule that speaks.
    pub fn run(&self, steps: &[u32], mut hear: impl FnMut(Heard<'r>)) {
        let mut decided = ListMask::EMPTY;
        for step in steps.iter().copied().map(Step::from_number) {
            let Some(set) = self.sets.get(step.set) else { continue };
            let open = self.lists.difference(decided);
            let spoken = match step.place {
                Place::Client => self.triggers(set, open, &mut hear),
                place => self.step(set, place, open, &mut hear),
            };
            decided = decided.union(spoken.intersection(self.standing.longest));
        }
    }

    /// Tells the rules of a set that reach the name; returns the lists that have spoken.
    fn step(
        &self,
        set: SetRef<'r>,
        place: Place,
        open: ListMask,
        hear: &mut impl FnMut(Heard<'r>),
    ) -> ListMask {
        let holes = self.holes(set, place).intersection(open);
        let open = open.difference(holes);
        let mut spoken = holes;
        for part in set.parts {
            let lists = part.lists.intersection(open);
            if !part.kind.is_hole() && part.kind.reach().covers(place) && !lists.is_empty() {
                spoken = spoken.union(lists);
                hear(Heard::Plain(part.kind, lists));
            }
        }
        for special in set.specials() {
            let is_hole = special.effect == Effect::Hole;
            if !is_hole && open.contains(special.list) && self.speaks(special, place) {
                spoken.insert(special.list);
                hear(Heard::Special(special));
            }
        }
        spoken
    }

    /// Returns the lists that end at a set; only those in which the longest rule speaks can.
    fn holes(&self, set: SetRef<'r>, place: Place) -> ListMask {
        let mut holes = ListMask::EMPTY;
        if !set.may_have_holes() {
            return holes;
        }
        for part in set.parts {
            if part.kind.is_hole() && part.kind.reach().covers(place) {
                holes = holes.union(part.lists);
            }
        }
        for special in set.specials() {
            if special.effect == Effect::Hole && self.speaks(special, place) {
                holes.insert(special.list);
            }
        }
        holes.intersection(self.standing.longest)
    }

    /// Tells the triggers of zones by the client's address: of each zone those of one prefix.
    fn triggers(
        &self,
        set: SetRef<'r>,
        open: ListMask,
        hear: &mut impl FnMut(Heard<'r>),
    ) -> ListMask {
        let open = open.intersection(self.standing.zones);
        let mut spoken = ListMask::EMPTY;
        let mut speaking = None;
        for special in set.specials().filter(|special| special.by_client) {
            if !open.contains(special.list) || !self.applies(special) {
                continue;
            }
            let prefix = special.client();
            if !spoken.contains(special.list) || speaking == prefix {
                speaking = prefix;
                spoken.insert(special.list);
                hear(Heard::Special(special));
            }
        }
        spoken
    }

    /// Returns whether a special rule speaks at a step for a name or address.
    fn speaks(&self, special: &Special, place: Place) -> bool {
        let elsewhere = special.by_client && self.standing.zones.contains(special.list);
        !elsewhere && special.reach.covers(place) && self.applies(special)
    }

    fn applies(&self, special: &Special) -> bool {
        let holds = match self.asking {
            Some(asking) => special.holds(asking),
            None => special.condition.is_none(),
        };
        let cancelled = self.cancels && special.is_cancelled(self.lists);
        holds && !cancelled && !(self.address && special.excepts_names())
    }
}
