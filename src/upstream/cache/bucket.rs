//! Eight slots that are looked through together.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use arc_swap::ArcSwapOption;

use crate::model::Moment;

use super::{CacheKey, Cached};

/// Slots of a bucket.
pub(super) const WAYS: usize = 8;
/// The warmth of what was asked for once, and of what was asked for again lately or often.
const NEW: u8 = 0;
const PROVEN: u8 = 1;
const HOT: u8 = 4;

/// Eight slots; the first line of memory is all that a miss reads.
#[repr(align(64))]
pub(super) struct Bucket<T> {
    /// A piece of each slot's hash; 0 where the slot is empty.
    pub(super) tags: [AtomicU32; WAYS],
    warmth: [AtomicU8; WAYS],
    pub(super) slots: [ArcSwapOption<Cached<T>>; WAYS],
}

/// How little a slot would be missed: what is least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Empty, or of no more use.
    None,
    /// By its warmth, and whether it is fresh.
    Some(u8, bool),
}

impl Worth {
    /// Returns whether it may go before anything that was asked for twice is cooled.
    pub(super) fn is_little(self) -> bool {
        matches!(self, Worth::None | Worth::Some(NEW, _))
    }
}

impl<T> Bucket<T> {
    pub(super) fn empty() -> Bucket<T> {
        Bucket {
            tags: Default::default(),
            warmth: Default::default(),
            slots: std::array::from_fn(|_| ArcSwapOption::empty()),
        }
    }

    pub(super) fn places_of(&self, tag: u32) -> impl Iterator<Item = usize> + '_ {
        (0..WAYS).filter(move |&place| self.tags[place].load(Ordering::Relaxed) == tag)
    }

    pub(super) fn place_of(&self, tag: u32, key: CacheKey<'_>) -> Option<usize> {
        self.places_of(tag).find(|&place| {
            self.slots[place].load().as_ref().is_some_and(|cached| cached.is_for(key))
        })
    }

    /// Returns a slot to put something new into: the one of least worth, from `start` on.
    ///
    /// Where all were asked for twice, the others cool by it: what is no more asked for goes next.
    pub(super) fn place_for_new(&self, start: usize, now: Moment) -> usize {
        let turned = || (0..WAYS).map(|step| (start + step) % WAYS);
        let worth = |&place: &usize| self.worth(place, now);
        let empty = turned().find(|&place| self.tags[place].load(Ordering::Relaxed) == 0);
        let place = empty.or_else(|| turned().min_by_key(worth)).unwrap_or(0);
        if !self.worth(place, now).is_little() {
            let least = self.warmth[place].load(Ordering::Relaxed);
            (0..WAYS).for_each(|place| self.cool(place, least));
        }
        self.warmth[place].store(NEW, Ordering::Relaxed);
        place
    }

    /// Returns the slot of least worth among those in use, save `but`.
    ///
    /// Where something was asked for once, the rest is not looked at: each look is at other memory.
    pub(super) fn least(&self, but: Option<usize>, now: Moment) -> Option<(Worth, usize)> {
        let used = (0..WAYS)
            .filter(|&place| self.tags[place].load(Ordering::Relaxed) != 0 && but != Some(place));
        let new = |&place: &usize| self.warmth[place].load(Ordering::Relaxed) == NEW;
        let worth = |place| (self.worth(place, now), place);
        used.clone().filter(new).map(worth).min().or_else(|| used.map(worth).min())
    }

    /// Returns how many slots are in use.
    pub(super) fn used(&self) -> usize {
        self.tags.iter().filter(|tag| tag.load(Ordering::Relaxed) != 0).count()
    }

    fn worth(&self, place: usize, now: Moment) -> Worth {
        match self.slots[place].load().as_ref() {
            Some(cached) if !cached.is_dead(now) => {
                Worth::Some(self.warmth[place].load(Ordering::Relaxed), cached.is_fresh(now))
            }
            _ => Worth::None,
        }
    }

    /// Written only when it changes, so that popular slots stay in every core's cache.
    pub(super) fn warm(&self, place: usize) {
        let warmth = self.warmth[place].load(Ordering::Relaxed);
        if warmth < HOT {
            self.warmth[place].store(warmth + 1, Ordering::Relaxed);
        }
    }

    /// Cools what was asked for twice, never so far that it counts as asked for once.
    pub(super) fn cool(&self, place: usize, by: u8) {
        let warmth = self.warmth[place].load(Ordering::Relaxed);
        if warmth > PROVEN {
            self.warmth[place].store(warmth.saturating_sub(by).max(PROVEN), Ordering::Relaxed);
        }
    }
}
