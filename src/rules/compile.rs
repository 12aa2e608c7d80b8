//! The rules of all lists into one ruleset, list after list.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::model::{HashSeed, ListId, MAX_LISTS};

use super::assemble::assemble;
use super::parse::Format;
use super::places::place;
use super::{
    Entry, Kind, ListInfo, Matcher, Pattern, Rule, Ruleset, Special, TextPattern, TextSyntax,
};

/// One list to compile.
pub struct ListInput<'r> {
    /// What is known of the list.
    pub info: ListInfo,
    /// Its rules.
    pub rules: &'r [Rule],
}

/// More lists than masks have bits.
#[derive(Debug, thiserror::Error)]
#[error("{0} lists are in force; at most 256 can be: disable some")]
pub struct TooManyLists(pub usize);

/// A rule that was left out: its regular expression does not compile.
#[derive(Debug, PartialEq, Eq)]
pub struct RefusedRule {
    /// Its line in the list.
    pub line: u32,
    /// The expression.
    pub text: Box<str>,
    /// What is wrong with it.
    pub why: String,
}

/// What was taken in of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Rules that differ.
    pub rules: u32,
    /// Names and address prefixes that they are for.
    pub names: u32,
    /// Rules that had to be left out.
    pub refused: Vec<RefusedRule>,
}

/// Takes lists one after the other; of each name it keeps 16 octets, and no text.
pub struct Compiler {
    pub(super) seed: HashSeed,
    pub(super) lists: Vec<ListInfo>,
    pub(super) entries: Vec<Entry>,
    pub(super) specials: Vec<Placed>,
    pub(super) badfilters: Vec<Placed>,
    pub(super) table: Interner<Special>,
    pub(super) texts: Texts,
    pub(super) lengths: Vec<(bool, u8)>,
}

/// A special rule by its number, and its place in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The place.
    pub hash: u64,
    /// The number.
    pub special: u32,
}

/// Values, each once, numbered as they come.
pub struct Interner<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
}

/// Text patterns, each once.
#[derive(Default)]
pub struct Texts {
    places: HashMap<u64, usize>,
    pub(super) drafts: Vec<TextDraft>,
}

/// A text pattern on its way.
pub struct TextDraft {
    /// As it is written.
    pub text: TextPattern,
    /// Its place in the index.
    pub hash: u64,
    /// Ready to be held against texts.
    pub matcher: Matcher,
    /// The first line on which a shipped list has it: there the order means something.
    pub line: Option<u32>,
}

/// A list being taken in; dropped without [`Draft::commit`], it leaves nothing behind.
pub struct Draft<'c> {
    compiler: &'c mut Compiler,
    info: ListInfo,
    list: ListId,
    starts: Starts,
    refused: Vec<RefusedRule>,
    /// Text patterns of the list, and their lines.
    texts: Vec<(usize, u32)>,
    is_kept: bool,
}

/// Where in the compiler's tables a list begins.
#[derive(Clone, Copy)]
struct Starts {
    entries: usize,
    specials: usize,
    badfilters: usize,
    texts: usize,
    lengths: usize,
}

/// Stands for the special rules of a place among its entries; orders behind plain rules.
pub const SPECIAL: u32 = u32::MAX;

/// Compiles lists in their order; `ListId`s are their places.
///
/// Regular expressions that do not compile are left out; a [`Compiler`] tells them.
pub fn compile(lists: &[ListInput<'_>], seed: HashSeed) -> Result<Ruleset, TooManyLists> {
    if lists.len() > MAX_LISTS {
        return Err(TooManyLists(lists.len()));
    }
    let mut compiler = Compiler::new(seed);
    for list in lists {
        compiler.add(list.info.clone(), list.rules)?;
    }
    Ok(compiler.finish())
}

/// Packs the kind of a list's rule into an entry's number.
pub fn plain(list: ListId, kind: Kind) -> u32 {
    u32::from(list.0) << 8 | u32::from(kind.octet())
}

/// Takes a packed kind apart.
pub fn unpacked(number: u32) -> Option<(ListId, Kind)> {
    let [kind, list, 0, 0] = number.to_le_bytes() else { return None };
    Some((ListId(list), Kind::from_octet(kind)?))
}

impl Compiler {
    /// Starts without any list.
    pub fn new(seed: HashSeed) -> Compiler {
        let (lists, entries, specials, badfilters, texts, lengths) = Default::default();
        let table = Interner::default();
        Compiler { seed, lists, entries, specials, badfilters, table, texts, lengths }
    }

    /// Begins with the next list.
    pub fn begin(&mut self, info: ListInfo) -> Result<Draft<'_>, TooManyLists> {
        let place = self.lists.len();
        let list = u8::try_from(place).map(ListId).map_err(|_| TooManyLists(place + 1))?;
        let starts = Starts {
            entries: self.entries.len(),
            specials: self.specials.len(),
            badfilters: self.badfilters.len(),
            texts: self.texts.drafts.len(),
            lengths: self.lengths.len(),
        };
        let (refused, texts) = Default::default();
        Ok(Draft { compiler: self, info, list, starts, refused, texts, is_kept: false })
    }

    /// Takes the next list in whole; returns the rules that had to be left out.
    pub fn add(
        &mut self,
        info: ListInfo,
        rules: &[Rule],
    ) -> Result<Vec<RefusedRule>, TooManyLists> {
        let mut draft = self.begin(info)?;
        rules.iter().for_each(|rule| draft.take(rule.clone()));
        Ok(draft.commit().refused)
    }

    /// Compiles what was taken in.
    pub fn finish(self) -> Ruleset {
        assemble(self)
    }
}

impl Draft<'_> {
    /// Takes a rule in; the line orders text patterns and tells refused ones.
    pub fn take(&mut self, rule: Rule) {
        let hash = place(&rule.pattern, self.compiler.seed);
        if let Pattern::Text(text) = &rule.pattern {
            match self.compiler.texts.add(text, hash) {
                Ok(number) => self.texts.push((number, rule.line)),
                Err(why) => return self.refuse(&rule, text.clone(), why),
            }
        }
        if let Pattern::Address(prefix) = &rule.pattern {
            let length = (prefix.address().is_ipv4(), prefix.bits());
            if !self.compiler.lengths.contains(&length) {
                self.compiler.lengths.push(length);
            }
        }
        if let Some(kind) = Kind::of(&rule).filter(|_| !rule.badfilter) {
            self.compiler.entries.push(Entry { hash, set: plain(self.list, kind) });
            return;
        }
        let is_badfilter = rule.badfilter;
        let special = self.compiler.table.number(Special::new(rule, self.list));
        let placed = Placed { hash, special };
        if is_badfilter {
            self.compiler.badfilters.push(placed);
        } else {
            self.compiler.entries.push(Entry { hash, set: SPECIAL });
            self.compiler.specials.push(placed);
        }
    }

    /// Sets the list's syntax, once it is found out.
    pub fn set_format(&mut self, format: Format) {
        self.info.format = format;
    }

    /// Keeps what was taken in.
    pub fn commit(mut self) -> Committed {
        self.is_kept = true;
        let refused = std::mem::take(&mut self.refused);
        if self.info.shipped {
            self.compiler.texts.order(&self.texts);
        }
        let Compiler { entries, specials, badfilters, lists, .. } = &mut *self.compiler;
        lists.push(self.info.clone());
        let rules = tidy_placed(specials, self.starts.specials)
            + tidy_placed(badfilters, self.starts.badfilters);
        let (plain, places) = tidy_entries(entries, self.starts.entries);
        self.texts.sort_unstable();
        self.texts.dedup_by_key(|(number, _)| *number);
        let names = places.saturating_sub(self.texts.len());
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Committed { rules: count(rules + plain), names: count(names), refused }
    }

    fn refuse(&mut self, rule: &Rule, text: TextPattern, why: String) {
        self.refused.push(RefusedRule { line: rule.line, text: text.text, why });
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.compiler.entries.truncate(self.starts.entries);
            self.compiler.specials.truncate(self.starts.specials);
            self.compiler.badfilters.truncate(self.starts.badfilters);
            self.compiler.texts.truncate(self.starts.texts);
            self.compiler.lengths.truncate(self.starts.lengths);
        }
    }
}

/// Puts a list's entries in order, each once; returns how many are plain rules, and how many
/// places they all have.
fn tidy_entries(entries: &mut Vec<Entry>, start: usize) -> (usize, usize) {
    let Some(own) = entries.get_mut(start..) else { return (0, 0) };
    own.sort_unstable();
    let (mut kept, mut plain, mut places) = (start, 0, 0);
    for at in start..entries.len() {
        let entry = entries[at];
        let last = (kept > start).then(|| entries[kept - 1]);
        if last == Some(entry) {
            continue;
        }
        plain += usize::from(entry.set != SPECIAL);
        places += usize::from(last.is_none_or(|last| last.hash != entry.hash));
        entries[kept] = entry;
        kept += 1;
    }
    entries.truncate(kept);
    (plain, places)
}

/// Leaves a list's special rules each once, in the order of their lines; returns how many.
fn tidy_placed(placed: &mut Vec<Placed>, start: usize) -> usize {
    let own = placed.split_off(start.min(placed.len()));
    let mut known = HashSet::new();
    let is_new = |placed: &Placed| known.insert((placed.hash, placed.special));
    placed.extend(own.into_iter().filter(is_new));
    placed.len() - start
}

impl<T: Clone + Eq + Hash> Interner<T> {
    /// Returns the number of a value.
    pub fn number(&mut self, value: T) -> u32 {
        if let Some(&number) = self.numbers.get(&value) {
            return number;
        }
        let number = u32::try_from(self.values.len()).expect("fewer values than octets of memory");
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }

    /// Returns the value of a number that it gave.
    pub fn value(&self, number: u32) -> &T {
        &self.values[number as usize]
    }
}

impl<T> Default for Interner<T> {
    fn default() -> Interner<T> {
        Interner { numbers: HashMap::new(), values: Vec::new() }
    }
}

impl Texts {
    /// Takes a pattern in and returns its number; the error says what is wrong with it.
    fn add(&mut self, text: &TextPattern, hash: u64) -> Result<usize, String> {
        if let Some(&number) = self.places.get(&hash) {
            return Ok(number);
        }
        let matcher = Matcher::new(text)?;
        self.drafts.push(TextDraft { text: text.clone(), hash, matcher, line: None });
        self.places.insert(hash, self.drafts.len() - 1);
        Ok(self.drafts.len() - 1)
    }

    /// Notes on which lines a list has patterns whose order means something.
    fn order(&mut self, lines: &[(usize, u32)]) {
        for &(number, line) in lines {
            if let Some(draft) = self.drafts.get_mut(number) {
                draft.line = Some(draft.line.map_or(line, |known| known.min(line)));
            }
        }
    }

    fn truncate(&mut self, count: usize) {
        self.drafts.truncate(count);
        self.places.retain(|_, number| *number < count);
    }
}

impl TextDraft {
    /// Returns what orders patterns in the walk: lines of shipped lists, else longer texts first,
    /// so that the order of lines in other lists means nothing.
    pub fn order(&self) -> impl Ord + use<> {
        let TextPattern { text, syntax, inverted, addresses } = &self.text;
        let is_regex = *syntax == TextSyntax::Regex;
        let rest = (std::cmp::Reverse(text.len()), text.clone(), is_regex, *inverted, *addresses);
        (self.line.is_none(), self.line, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DomainName, ListKind, ListName, NameHashes};
    use crate::rules::{Answer, Condition, Effect, Rewrite, Selection};

    const SEED: HashSeed = HashSeed([1, 2]);

    fn info(kind: ListKind) -> ListInfo {
        let name = ListName::parse("some-list").expect("a name");
        ListInfo::new(name, kind, Format::Domains)
    }

    fn exact(text: &str, line: u32) -> Rule {
        let name = DomainName::parse(text).expect("a name");
        Rule::plain(Pattern::Exact(name), Effect::Block(Answer::Policy), line)
    }

    fn is_found(ruleset: &Ruleset, text: &str) -> bool {
        let name = DomainName::parse(text).expect("a name");
        !ruleset.find(name.as_ref(), &NameHashes::of(name.as_ref(), SEED)).is_empty()
    }

    /// Rules of all sorts: plain, special, cancelling, of a text, of an address.
    fn sorts() -> Vec<Rule> {
        let types =
            Selection { include: [crate::model::RecordType::A].into(), ..Selection::default() };
        let condition = Some(Box::new(Condition { types, ..Condition::default() }));
        let block = Effect::Block(Answer::Policy);
        let prefix = "192.0.2.0/24".parse().expect("a prefix");
        vec![
            exact("a.example", 1),
            Rule { condition, ..exact("a.example", 2) },
            Rule { effect: Effect::Rewrite(Rewrite::Code(3)), ..exact("b.example", 3) },
            Rule { badfilter: true, ..exact("c.example", 4) },
            Rule::plain(Pattern::regex("^track"), block.clone(), 5),
            Rule::plain(Pattern::Address(prefix), block, 6),
        ]
    }

    #[test]
    fn tracking_lists_are_known_by_their_kind() {
        let lists = [ListKind::Ban, ListKind::Tracking, ListKind::Other, ListKind::Tracking]
            .map(|kind| ListInput { info: info(kind), rules: &[] });
        let ruleset = compile(&lists, SEED).expect("four lists");
        assert_eq!(ruleset.tracking().iter().map(|list| list.0).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(ruleset.lists().len(), 4);
    }

    #[test]
    fn the_last_list_that_fits_is_found_and_one_more_is_refused() {
        let rules = [exact("a.example", 1)];
        let list = || ListInput { info: info(ListKind::Other), rules: &rules };
        let lists: Vec<_> = (0..=MAX_LISTS).map(|_| list()).collect();
        let refused = compile(&lists, SEED).err().map(|refused| refused.0);
        assert_eq!(refused, Some(MAX_LISTS + 1));
        let ruleset = compile(&lists[..MAX_LISTS], SEED).expect("256 lists");
        let name = DomainName::parse("a.example").expect("a name");
        let hashes = NameHashes::of(name.as_ref(), SEED);
        assert_eq!(ruleset.find(name.as_ref(), &hashes).lists().iter().count(), MAX_LISTS);
        let mut compiler = Compiler::new(SEED);
        for _ in 0..MAX_LISTS {
            compiler.begin(info(ListKind::Other)).expect("one more").commit();
        }
        assert!(compiler.begin(info(ListKind::Other)).is_err());
    }

    #[test]
    fn an_expression_that_does_not_compile_is_told_and_spoils_nothing() {
        let bad = Rule::plain(Pattern::regex("("), Effect::Block(Answer::Policy), 7);
        let mut compiler = Compiler::new(SEED);
        let refused = compiler.add(info(ListKind::Other), &[bad, exact("a.example", 8)]);
        let refused = refused.expect("one list");
        assert_eq!((refused[0].line, &*refused[0].text), (7, "("));
        assert!(is_found(&compiler.finish(), "a.example"));
    }

    #[test]
    fn what_differs_is_counted_once() {
        let mut compiler = Compiler::new(SEED);
        let mut draft = compiler.begin(info(ListKind::Other)).expect("one list");
        for rule in sorts().into_iter().chain(sorts()).chain([exact("d.example", 9)]) {
            draft.take(rule);
        }
        let committed = draft.commit();
        assert_eq!((committed.rules, committed.names), (7, 4));
        assert!(committed.refused.is_empty());
    }

    #[test]
    fn a_list_that_is_dropped_leaves_nothing() {
        let build = |dropped: Option<Vec<Rule>>| {
            let mut compiler = Compiler::new(SEED);
            compiler.add(info(ListKind::Other), &[exact("a.example", 1)]).expect("one list");
            if let Some(rules) = dropped {
                let shipped = ListInfo { shipped: true, ..info(ListKind::Tracking) };
                let mut draft = compiler.begin(shipped).expect("two lists");
                rules.into_iter().for_each(|rule| draft.take(rule));
            }
            compiler.add(info(ListKind::Ban), &sorts()).expect("two lists");
            compiler.finish().to_octets(&[0; 32])
        };
        assert!(build(Some(sorts())) == build(None));
        let others = vec![Rule { line: 40, ..sorts().remove(4) }, exact("e.example", 1)];
        assert!(build(Some(others)) == build(None));
    }

    #[test]
    fn the_same_lists_give_the_same_octets() {
        let build = || {
            let mut compiler = Compiler::new(SEED);
            for kind in [ListKind::Other, ListKind::Ban] {
                compiler.add(info(kind), &sorts()).expect("two lists");
            }
            compiler.finish().to_octets(&[0; 32])
        };
        assert!(build() == build());
    }

    #[test]
    fn a_format_found_out_late_counts() {
        let mut compiler = Compiler::new(SEED);
        let mut draft = compiler.begin(info(ListKind::Other)).expect("one list");
        draft.take(exact("a.example", 1));
        draft.set_format(Format::Rpz);
        draft.commit();
        assert_eq!(compiler.finish().lists()[0].format, Format::Rpz);
    }
}
