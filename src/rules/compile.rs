//! The rules of all lists into one ruleset.

use std::collections::HashMap;

use crate::model::{HashSeed, ListId, ListKind, MAX_LISTS, NameHashes};

use super::{
    Form, Index, LineTable, ListInfo, NameRules, Pattern, PatternDrafts, Rule, Ruleset,
    TextPattern, TextSyntax,
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

/// Takes lists one after the other, so that the rules of one are in memory at a time.
pub struct Compiler {
    seed: HashSeed,
    lists: Vec<ListInfo>,
    entries: Vec<Entry>,
    patterns: PatternDrafts,
    lines: Vec<LineTable>,
}

/// One rule for a name; 16 octets.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    hash: u64,
    list: ListId,
    form: Form,
}

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

impl Compiler {
    /// Starts without any list.
    pub fn new(seed: HashSeed) -> Compiler {
        let (lists, entries, patterns, lines) = Default::default();
        Compiler { seed, lists, entries, patterns, lines }
    }

    /// Takes the next list in; returns the rules that had to be left out.
    pub fn add(
        &mut self,
        info: ListInfo,
        rules: &[Rule],
    ) -> Result<Vec<RefusedRule>, TooManyLists> {
        let place = self.lists.len();
        let list = u8::try_from(place).map(ListId).map_err(|_| TooManyLists(place + 1))?;
        let hashed: Vec<(u64, Form, u32)> =
            rules.iter().filter_map(|rule| self.name_rule(rule)).collect();
        let entries = hashed.iter().map(|&(hash, form, _)| Entry { hash, list, form });
        self.entries.extend(entries);
        self.lines.push(LineTable::build(hashed.into_iter()));
        self.lists.push(info);
        Ok(rules.iter().filter_map(|rule| self.add_pattern(rule, list)).collect())
    }

    /// Compiles what was taken in.
    pub fn finish(mut self) -> Ruleset {
        self.entries.sort_unstable();
        let (pairs, names) = intern(&self.entries);
        let tracking = (0..=u8::MAX).zip(&self.lists);
        let tracking = tracking.filter(|(_, info)| info.kind == ListKind::Tracking);
        Ruleset {
            seed: self.seed,
            tracking: tracking.map(|(list, _)| ListId(list)).collect(),
            lists: self.lists.into_boxed_slice(),
            index: Index::build(&pairs),
            names: names.into_boxed_slice(),
            patterns: self.patterns.finish(),
            lines: self.lines.into_boxed_slice(),
        }
    }

    /// The root has no hash, and a rule for it would be one for every name: it has no place here.
    fn name_rule(&self, rule: &Rule) -> Option<(u64, Form, u32)> {
        let form = Form::of(&rule.pattern, &rule.effect)?;
        let (Pattern::Exact(name) | Pattern::Subtree(name)) = &rule.pattern else {
            return None;
        };
        let hash = NameHashes::of(name.as_ref(), self.seed).whole()?;
        Some((hash, form, rule.line))
    }

    fn add_pattern(&mut self, rule: &Rule, list: ListId) -> Option<RefusedRule> {
        let Pattern::Text(TextPattern { syntax: TextSyntax::Regex, text, .. }) = &rule.pattern
        else {
            return None;
        };
        let why = self.patterns.add(text, list, rule.effect.clone(), rule.line).err()?;
        Some(RefusedRule { line: rule.line, text: text.clone(), why })
    }
}

/// Gives the rules of each hash a number, equal ones the same; numbers begin at 1.
fn intern(entries: &[Entry]) -> (Vec<(u64, u32)>, Vec<NameRules>) {
    let mut names = vec![NameRules::default()];
    let mut numbers = HashMap::new();
    let mut pairs = Vec::new();
    for group in entries.chunk_by(|a, b| a.hash == b.hash) {
        let mut rules = NameRules::default();
        group.iter().for_each(|entry| rules.insert(entry.list, entry.form));
        let number = *numbers.entry(rules).or_insert_with(|| {
            names.push(rules);
            u32::try_from(names.len() - 1).expect("no more sets than names of 32 bits")
        });
        pairs.extend(group.first().map(|entry| (entry.hash, number)));
    }
    (pairs, names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DomainName, ListName};
    use crate::rules::parse::Format;
    use crate::rules::{Answer, Effect};

    const SEED: HashSeed = HashSeed([1, 2]);

    fn info(kind: ListKind) -> ListInfo {
        let name = ListName::parse("some-list").expect("a name");
        ListInfo::new(name, kind, Format::Domains)
    }

    fn exact(text: &str, line: u32) -> Rule {
        let name = DomainName::parse(text).expect("a name");
        Rule::plain(Pattern::Exact(name), Effect::Block(Answer::Policy), line)
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
        assert_eq!(ruleset.find(name.as_ref(), &hashes).lists.iter().count(), MAX_LISTS);
    }

    #[test]
    fn an_expression_that_does_not_compile_is_told_and_spoils_nothing() {
        let bad = Rule::plain(Pattern::regex("("), Effect::Block(Answer::Policy), 7);
        let mut compiler = Compiler::new(SEED);
        let refused = compiler.add(info(ListKind::Other), &[bad, exact("a.example", 8)]);
        let refused = refused.expect("one list");
        assert_eq!((refused[0].line, &*refused[0].text), (7, "("));
        let name = DomainName::parse("a.example").expect("a name");
        assert_eq!(compiler.finish().explain(name.as_ref())[0].line, Some(8));
    }

    #[test]
    fn equal_sets_share_a_number_and_the_root_has_none() {
        let root =
            Rule::plain(Pattern::Subtree(DomainName::root()), Effect::Block(Answer::Policy), 1);
        let rules = [exact("a.example", 1), exact("b.example", 2), exact("a.example", 3), root];
        let mut compiler = Compiler::new(SEED);
        compiler.add(info(ListKind::Other), &rules).expect("one list");
        let ruleset = compiler.finish();
        assert_eq!(ruleset.names.len(), 2);
        let name = DomainName::parse("c.example").expect("a name");
        assert!(ruleset.explain(name.as_ref()).is_empty());
    }
}
