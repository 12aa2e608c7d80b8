//! What was heard of each sender so far, bounded, so that a hint holds all of it.

use std::collections::HashMap;
use std::net::IpAddr;

use super::message::{Heard, Rank};
use crate::devices::{Hint, HintSource, HintText};

/// Most senders that are remembered; the one heard of longest ago goes first.
const MAX_SENDERS: usize = 1_024;

/// Most words of a sender.
const MAX_WORDS: usize = 32;

/// Most packets that are read in a second, and of one sender in ten seconds.
const MOST_A_SECOND: u32 = 300;
const MOST_OF_ONE: u32 = 60;

const SECOND: u64 = 1_000_000;

/// What is known is told again after that long: the sender's hardware may be known by then.
const TELL_AGAIN: u64 = 300 * SECOND;

/// All senders.
#[derive(Default)]
pub(super) struct Memory {
    senders: HashMap<IpAddr, Sender>,
    all: Count,
}

#[derive(Default)]
struct Sender {
    name: Option<(Rank, String)>,
    words: Vec<String>,
    packets: Count,
    latest: u64,
    told: u64,
}

/// Packets within a stretch of time.
#[derive(Default)]
struct Count {
    began: u64,
    packets: u32,
}

impl Count {
    fn admits(&mut self, now: u64, (most, span): (u32, u64)) -> bool {
        if now.saturating_sub(self.began) >= span {
            *self = Count { began: now, packets: 0 };
        }
        self.packets = self.packets.saturating_add(1);
        self.packets <= most
    }
}

impl Memory {
    /// Returns whether a packet may be read now, `now` in microseconds of steady time.
    pub(super) fn admits(&mut self, sender: IpAddr, now: u64) -> bool {
        let of_one = (MOST_OF_ONE, 10 * SECOND);
        let known = self.senders.get_mut(&sender);
        known.is_none_or(|known| known.packets.admits(now, of_one))
            && self.all.admits(now, (MOST_A_SECOND, SECOND))
    }

    /// Adds what was heard; returns a hint if it is new, or was told long ago.
    pub(super) fn add(&mut self, sender: IpAddr, heard: Heard, now: u64) -> Option<Hint> {
        if self.senders.len() >= MAX_SENDERS && !self.senders.contains_key(&sender) {
            let oldest = self.senders.iter().min_by_key(|(_, known)| known.latest);
            let oldest = oldest.map(|(address, _)| *address);
            oldest.and_then(|address| self.senders.remove(&address));
        }
        let known = self.senders.entry(sender).or_default();
        known.latest = now;
        let due = known.add(heard) || now.saturating_sub(known.told) >= TELL_AGAIN;
        due.then(|| {
            known.told = now;
            let name = known.name.as_ref().map(|(_, name)| name.clone());
            let text = HintText { name, words: known.words.clone(), kind: None };
            Hint { address: sender, source: HintSource::Mdns, text }
        })
    }
}

impl Sender {
    fn add(&mut self, heard: Heard) -> bool {
        let mut new = false;
        let is_better =
            |(rank, _): &(Rank, String)| self.name.as_ref().is_none_or(|(best, _)| rank >= best);
        if let Some(name) = heard.name.filter(is_better)
            && self.name.as_ref() != Some(&name)
        {
            self.name = Some(name);
            new = true;
        }
        for word in heard.words {
            if self.words.len() < MAX_WORDS && !self.words.contains(&word) {
                self.words.push(word);
                new = true;
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(rank: Rank, name: &str, word: &str) -> Heard {
        Heard { name: Some((rank, name.into())), words: vec![word.into()] }
    }

    fn at(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn a_hint_holds_all_that_was_heard_and_comes_only_when_there_is_news() {
        let mut memory = Memory::default();
        let first = memory.add(at(1), heard(Rank::Instance, "Kitchen", "_hap._tcp"), 1);
        assert_eq!(first.and_then(|hint| hint.text.name).as_deref(), Some("Kitchen"));
        assert_eq!(memory.add(at(1), heard(Rank::Host, "esp", "_hap._tcp"), 2), None);
        let again = memory.add(at(1), heard(Rank::Host, "esp", "_hap._tcp"), TELL_AGAIN + 1);
        assert!(again.is_some_and(|hint| hint.text.words == ["_hap._tcp"]));
        let news = memory.add(at(1), heard(Rank::Host, "esp", "_raop._tcp"), TELL_AGAIN + 2);
        let news = news.expect("it is new");
        assert_eq!(news.text.name.as_deref(), Some("Kitchen"));
        assert_eq!(news.text.words, ["_hap._tcp", "_raop._tcp"]);
        assert_eq!((news.address, news.source), (at(1), HintSource::Mdns));
    }

    #[test]
    fn a_flood_of_senders_and_words_is_bounded() {
        let mut memory = Memory::default();
        for number in 0..5_000 {
            memory.add(at(number), heard(Rank::Host, "x", "y"), u64::from(number));
            memory.add(at(4_999), heard(Rank::Host, "x", &number.to_string()), u64::from(number));
        }
        assert_eq!(memory.senders.len(), MAX_SENDERS);
        assert!(memory.senders[&at(4_999)].words.len() <= MAX_WORDS);
    }

    #[test]
    fn one_loud_sender_does_not_drown_the_others() {
        let mut memory = Memory::default();
        memory.add(at(1), heard(Rank::Host, "loud", "x"), 0);
        let read = (0..10_000).filter(|_| memory.admits(at(1), 5)).count();
        assert_eq!(read, 60);
        assert!(memory.admits(at(2), 6));
        assert!(memory.admits(at(1), 11 * SECOND), "later again");
        let all = (0..10_000).filter(|number| memory.admits(at(*number), 20 * SECOND)).count();
        assert_eq!(all, 300);
    }
}
