//! What was taken in of all lists, laid out as a ruleset.

use std::collections::HashMap;

use bytes::Bytes;

use crate::model::{HashSeed, ListMask};

use super::compile::{Interner, Placed, SPECIAL, TextDraft, Texts, unpacked};
use super::ruleset::{PrefixLengths, Root};
use super::sets::{Part, SetEnd};
use super::{
    Compiler, Entry, Index, Kind, PatternPlace, Patterns, Ruleset, Sets, Special, Standing,
};

/// Compiles what was taken in; the same lists and seed give the same ruleset.
pub fn assemble(mut compiler: Compiler) -> Ruleset {
    compiler.entries.sort_unstable();
    let standing = Standing::of(&compiler.lists);
    cancel(&mut compiler, &standing);
    let Compiler { seed, lists, mut entries, specials, table, texts, lengths, .. } = compiler;
    let sets = Interning::new(specials, table).number(&mut entries);
    let index = Index::build(&entries);
    drop(entries);
    Ruleset {
        seed,
        patterns: placed(texts, &index, seed),
        root: Root::find(&index, &sets, &standing),
        lists: lists.into_boxed_slice(),
        standing,
        index,
        sets,
        addresses: PrefixLengths::of(lengths),
        notes: Bytes::new(),
    }
}

/// Carries `$badfilter` out (`filter-rules.md`, section 9.6).
///
/// A rule that its own list cancels is gone. Of another list's rule it is noted which lists cancel
/// it, so that it depends on the device's lists. Nothing is cancelled in allowlists, which stand
/// before all else, nor by strangers in the lists that ship with the program.
fn cancel(compiler: &mut Compiler, standing: &Standing) {
    let badfilters = std::mem::take(&mut compiler.badfilters);
    for badfilter in &badfilters {
        mark_plain(compiler, *badfilter);
    }
    if !badfilters.is_empty() {
        compiler.entries.sort_unstable();
    }
    let mut by_place: HashMap<u64, Vec<u32>> = HashMap::new();
    for badfilter in badfilters {
        by_place.entry(badfilter.hash).or_default().push(badfilter.special);
    }
    let table = &mut compiler.table;
    compiler.specials.retain_mut(|placed| {
        let cancelling = by_place.get(&placed.hash).map_or(&[][..], Vec::as_slice);
        let special = table.value(placed.special);
        let mut by: ListMask = cancelling
            .iter()
            .map(|&number| table.value(number))
            .filter(|cancelling| special.is_like(cancelling))
            .map(|cancelling| cancelling.list)
            .collect();
        if standing.allowlists.contains(special.list) {
            by = ListMask::EMPTY;
        } else if standing.shipped.contains(special.list) {
            by = by.intersection(standing.shipped);
        }
        if by.contains(special.list) {
            return false;
        }
        if !by.is_empty() {
            let cancelled_by = Some(Box::new(by));
            placed.special = table.number(Special { cancelled_by, ..special.clone() });
        }
        true
    });
    // Rules of one place in the order of lists, triggers by client in that of their prefixes.
    compiler.specials.sort_by_cached_key(|placed| {
        let special = table.value(placed.special);
        let client = if special.by_client { special.client() } else { None };
        (placed.hash, special.list, client)
    });
}

/// Turns plain rules that a rule cancels into special ones.
fn mark_plain(compiler: &mut Compiler, badfilter: Placed) {
    let Compiler { entries, specials, table, .. } = compiler;
    let cancelling = table.value(badfilter.special).clone();
    let start = entries.partition_point(|entry| entry.hash < badfilter.hash);
    let here = entries.iter_mut().skip(start).take_while(|entry| entry.hash == badfilter.hash);
    for entry in here {
        let Some((list, kind)) = unpacked(entry.set) else { continue };
        // Which lists may cancel in which is looked at with the special rules.
        let special = Special::of_kind(kind, list);
        if special.is_like(&cancelling) {
            entry.set = SPECIAL;
            specials.push(Placed { hash: entry.hash, special: table.number(special) });
        }
    }
}

/// Gives the rules of each place a number, equal ones the same; numbers begin at 1.
struct Interning {
    specials: Vec<Placed>,
    table: Interner<Special>,
    /// Numbers of special rules in the table, and in the ruleset.
    kept: HashMap<u32, u32>,
    sets: HashMap<Box<[u32]>, u32>,
    ends: Vec<SetEnd>,
    parts: Vec<Part>,
    groups: Vec<u32>,
    rules: Vec<Special>,
}

impl Interning {
    fn new(specials: Vec<Placed>, table: Interner<Special>) -> Interning {
        let (kept, sets, ends, parts, groups, rules) = Default::default();
        Interning { specials, table, kept, sets, ends, parts, groups, rules }
    }

    /// Leaves each place once in `entries`, with the number of its set.
    fn number(mut self, entries: &mut Vec<Entry>) -> Sets {
        let (mut written, mut read, mut special) = (0, 0, 0);
        let mut rules = Vec::new();
        while let Some(&Entry { hash, .. }) = entries.get(read) {
            rules.clear();
            while let Some(entry) = entries.get(read).filter(|entry| entry.hash == hash) {
                rules.extend((rules.last() != Some(&entry.set)).then_some(entry.set));
                read += 1;
            }
            if rules.last() == Some(&SPECIAL) {
                special = self.take_specials(hash, special, &mut rules);
            }
            if !rules.is_empty() {
                entries[written] = Entry { hash, set: self.set(&rules) };
                written += 1;
            }
        }
        entries.truncate(written);
        self.finish()
    }

    /// Puts the numbers of a place's special rules behind the mark for them; without any, the mark
    /// goes too. Returns where those of the next place begin.
    fn take_specials(&mut self, hash: u64, mut from: usize, rules: &mut Vec<u32>) -> usize {
        let before = rules.len();
        while let Some(placed) = self.specials.get(from).filter(|placed| placed.hash <= hash) {
            let Placed { hash: theirs, special } = *placed;
            from += 1;
            if theirs == hash {
                let next = self.rules.len() as u32;
                let number = *self.kept.entry(special).or_insert(next);
                if number == next {
                    self.rules.push(self.table.value(special).clone());
                }
                rules.push(number);
            }
        }
        if rules.len() == before {
            rules.pop();
        }
        from
    }

    fn set(&mut self, rules: &[u32]) -> u32 {
        if let Some(&number) = self.sets.get(rules) {
            return number;
        }
        let mark = rules.iter().position(|&rule| rule == SPECIAL).unwrap_or(rules.len());
        let (plain, specials) = rules.split_at(mark);
        self.parts.extend(parts(plain));
        self.groups.extend(specials.iter().skip(1));
        let (parts, specials) = (self.parts.len() as u32, self.groups.len() as u32);
        self.ends.push(SetEnd { parts, specials });
        let number = self.ends.len() as u32;
        self.sets.insert(rules.into(), number);
        number
    }

    fn finish(self) -> Sets {
        Sets {
            ends: self.ends.into(),
            parts: self.parts.into(),
            groups: self.groups.into(),
            specials: self.rules.into(),
        }
    }
}

/// Returns the lists by kind.
fn parts(rules: &[u32]) -> Vec<Part> {
    let mut kinds: Vec<(Kind, ListMask)> = Vec::new();
    for (list, kind) in rules.iter().copied().filter_map(unpacked) {
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, lists)) => lists.insert(list),
            None => kinds.push((kind, [list].into_iter().collect())),
        }
    }
    kinds.sort_unstable_by_key(|(kind, _)| *kind);
    kinds.into_iter().map(|(kind, lists)| Part { kind, lists }).collect()
}

/// Puts text patterns in their order and looks their sets up.
fn placed(texts: Texts, index: &Index, seed: HashSeed) -> Patterns {
    let mut drafts = texts.drafts;
    drafts.sort_by_cached_key(TextDraft::order);
    let placed = drafts.into_iter().filter_map(|TextDraft { text, hash, matcher, .. }| {
        Some(PatternPlace { text, matcher, set: index.find(hash)? })
    });
    Patterns::new(placed.collect(), seed)
}

impl PrefixLengths {
    fn of(mut lengths: Vec<(bool, u8)>) -> PrefixLengths {
        lengths.sort_unstable_by_key(|&(_, bits)| std::cmp::Reverse(bits));
        let those = |v4: bool| {
            lengths.iter().filter(|(is_v4, _)| *is_v4 == v4).map(|(_, bits)| *bits).collect()
        };
        PrefixLengths { v4: those(true), v6: those(false) }
    }
}
