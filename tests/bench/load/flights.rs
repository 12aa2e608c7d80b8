//! Queries of one socket that have no answer yet.

use std::collections::VecDeque;
use std::time::Instant;

use super::PATIENCE;

/// Places; an id's low bits are its place.
const PLACES: usize = 1 << 14;

/// A query under way.
#[derive(Clone, Copy)]
pub(super) struct Flight {
    id: u16,
    /// The number of its question.
    pub(super) question: usize,
    /// When it went out.
    pub(super) sent: Instant,
}

/// All of one socket.
pub(super) struct Flights {
    places: Vec<Option<Flight>>,
    order: VecDeque<(u16, Instant)>,
    under_way: usize,
    next: u16,
}

impl Default for Flights {
    fn default() -> Flights {
        Flights { places: vec![None; PLACES], order: VecDeque::new(), under_way: 0, next: 0 }
    }
}

impl Flights {
    /// Returns how many are under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Returns the id that the next query gets.
    pub(super) fn next_id(&self, ahead: usize) -> u16 {
        self.next.wrapping_add(ahead as u16)
    }

    /// Notes a query that went out, under the next id; false where its place was still taken.
    pub(super) fn begin(&mut self, question: usize, sent: Instant) -> bool {
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.order.push_back((id, sent));
        let before = self.places[usize::from(id) % PLACES].replace(Flight { id, question, sent });
        self.under_way += usize::from(before.is_none());
        before.is_none()
    }

    /// Takes the query that a reply with this id answers.
    pub(super) fn end(&mut self, id: u16) -> Option<Flight> {
        let place = &mut self.places[usize::from(id) % PLACES];
        let flight = place.take_if(|flight| flight.id == id)?;
        self.under_way -= 1;
        Some(flight)
    }

    /// Gives up those that were waited for long enough; returns how many.
    pub(super) fn expire(&mut self, now: Instant) -> u64 {
        let mut lost = 0;
        while let Some((id, sent)) = self.order.front().copied() {
            let place = &self.places[usize::from(id) % PLACES];
            let waits = place.is_some_and(|flight| flight.id == id && flight.sent == sent);
            if waits && now - sent < PATIENCE {
                break;
            }
            self.order.pop_front();
            if waits {
                lost += u64::from(self.end(id).is_some());
            }
        }
        lost
    }

    /// Takes all that are under way, for another try.
    pub(super) fn drain(&mut self) -> Vec<Flight> {
        self.order.clear();
        self.under_way = 0;
        self.places.iter_mut().filter_map(Option::take).collect()
    }
}
