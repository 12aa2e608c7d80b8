//! Parts of discovery at work, what they say of themselves, and what they saw.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

use super::{Sense, Sight};

/// Most sights that wait to be taken.
const MAX_SIGHTS: usize = 64;

/// A part at work; it ends when this is dropped.
pub(super) struct Running {
    senses: Senses,
    task: JoinHandle<()>,
}

impl Running {
    pub(super) fn new(senses: Senses, task: JoinHandle<()>) -> Running {
        Running { senses, task }
    }

    /// Returns how its ways of seeing fare.
    pub(super) fn senses(&self) -> Vec<Sense> {
        self.senses.lock().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a part's ways of seeing fare; its task and whoever asks share it.
#[derive(Clone)]
pub(super) struct Senses(Arc<Mutex<Vec<Sense>>>);

impl Senses {
    /// Begins with senses that work.
    pub(super) fn of<const N: usize>(names: [&str; N]) -> Senses {
        let sense = |name: &str| Sense { name: name.into(), blind: None };
        Senses(Arc::new(Mutex::new(names.into_iter().map(sense).collect())))
    }

    /// Notes why a sense does not work; returns whether it did until now.
    pub(super) fn lose(&self, name: &str, why: &str) -> bool {
        self.set(name, Some(why.into()))
    }

    /// Notes that a sense works.
    pub(super) fn regain(&self, name: &str) {
        self.set(name, None);
    }

    fn set(&self, name: &str, blind: Option<String>) -> bool {
        let mut senses = self.lock();
        let Some(sense) = senses.iter_mut().find(|sense| sense.name == name) else { return false };
        std::mem::replace(&mut sense.blind, blind).is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sense>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was seen and not yet taken; bounded, the oldest goes first.
#[derive(Clone, Default)]
pub(super) struct Sights(Arc<Mutex<VecDeque<Sight>>>);

impl Sights {
    /// Keeps a sight, unless the same waits already.
    pub(super) fn push(&self, sight: Sight) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.contains(&sight) {
            return;
        }
        if waiting.len() >= MAX_SIGHTS {
            waiting.pop_front();
        }
        waiting.push_back(sight);
    }

    /// Returns what waits.
    pub(super) fn take(&self) -> Vec<Sight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use super::*;

    fn sight(number: u16) -> Sight {
        let router = IpAddr::from(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number));
        Sight::NameServers { router, servers: vec![router] }
    }

    #[test]
    fn a_flood_of_sights_is_bounded_and_the_same_one_waits_once() {
        let sights = Sights::default();
        (0..100).for_each(|number| sights.push(sight(number)));
        (90..100).for_each(|number| sights.push(sight(number)));
        let taken = sights.take();
        assert_eq!(taken.len(), MAX_SIGHTS);
        assert_eq!((taken.first(), taken.last()), (Some(&sight(36)), Some(&sight(99))));
        assert_eq!(sights.take(), []);
    }

    #[test]
    fn a_sense_is_lost_once_and_regained() {
        let senses = Senses::of(["neighbour tables"]);
        assert!(senses.lose("neighbour tables", "no"));
        assert!(!senses.lose("neighbour tables", "still not"));
        assert_eq!(senses.lock()[0].blind.as_deref(), Some("still not"));
        senses.regain("neighbour tables");
        assert_eq!(senses.lock()[0].blind, None);
    }
}
