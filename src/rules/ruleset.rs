//! All rules, compiled: one lookup tells every list that names a name.

use std::net::IpAddr;

use crate::model::{HashSeed, ListId, ListKind, ListMask, ListName, NameHashes, NameRef};

use super::parse::Format;
use super::{
    Answer, Asking, Form, Index, Judgement, LineTable, Matches, NameRules, Patterns, Said,
};

/// What is known of a list in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// Its name.
    pub name: ListName,
    /// What it is about.
    pub kind: ListKind,
    /// Whether it is shipped with the program.
    pub shipped: bool,
    /// Whether it is only the `basic` part of the list of that name, and never shown by itself.
    pub part: bool,
    /// Its syntax, found out if it was to be: it decides how rules of the list weigh.
    pub format: Format,
    /// Whether its rewrites are obeyed; without that they block.
    pub trusted: bool,
    /// Whether everything it names is allowed.
    pub allowlist: bool,
}

impl ListInfo {
    /// Returns what is known of a blocklist of somebody's, not trusted.
    pub fn new(name: ListName, kind: ListKind, format: Format) -> ListInfo {
        let (shipped, part, trusted, allowlist) = Default::default();
        ListInfo { name, kind, shipped, part, format, trusted, allowlist }
    }
}

/// One list's match, with the rule that speaks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The list.
    pub list: ListId,
    /// The rule as text: `tiktok.com and below`, or the regular expression.
    pub rule: String,
    /// Its line in the list.
    pub line: Option<u32>,
}

/// All rules, compiled; immutable.
///
/// A name's hash leads to the lists that name it. A search walks from the name to its parents, and
/// each list is decided by the first step at which it speaks: the name's own rules, then regular
/// expressions, then the rules of each parent. At one name a hole stands against a block.
/// Cost: a cache line or two for each label.
pub struct Ruleset {
    pub(super) seed: HashSeed,
    pub(super) lists: Box<[ListInfo]>,
    pub(super) tracking: ListMask,
    pub(super) index: Index,
    pub(super) names: Box<[NameRules]>,
    pub(super) patterns: Patterns,
    pub(super) lines: Box<[LineTable]>,
}

/// A step of a search.
enum Step<'r> {
    /// Rules for the name (depth 0) or a parent.
    Suffix(usize, &'r NameRules),
    /// Regular expressions.
    Patterns,
}

/// The lists that have spoken in a search.
#[derive(Default)]
struct Decided(ListMask);

impl Ruleset {
    /// Returns what all lists say of `name`, in any policy or none. Allocates nothing.
    ///
    /// Except: the automaton of regular expressions is made as names show it what it needs, within
    /// a fixed size, so it allocates while it is young.
    pub fn find(&self, name: NameRef<'_>, hashes: &NameHashes) -> Matches {
        let mut found = Matches::default();
        self.search(name, hashes, |_, matched| found.lists = found.lists.union(matched));
        found
    }

    /// Returns what all lists say of an address in an answer.
    pub fn find_address(&self, _address: IpAddr) -> Matches {
        Matches::default()
    }

    /// Returns the lists of which a rule matches whose condition holds.
    pub fn holding(&self, matches: &Matches, _asking: &Asking<'_>) -> ListMask {
        matches.lists
    }

    /// Judges what matches by the rules of one tier (`filter-rules.md`, section 2.1).
    ///
    /// `lists` are those of the tier that bind the device. Of lists that are not trusted a rewrite
    /// blocks. Exceptions of subscribed lists do not lift what shipped ones block; allowlists do.
    pub fn judge(&self, matches: &Matches, lists: ListMask, _asking: &Asking<'_>) -> Judgement {
        match matches.lists.intersection(lists).first() {
            Some(list) => Judgement::Block(list, Answer::Policy),
            None => Judgement::None,
        }
    }

    /// Returns the same lists, each with the rule that speaks for it. Not for the query path.
    pub fn explain(&self, name: NameRef<'_>) -> Vec<Explained> {
        let hashes = NameHashes::of(name, self.seed);
        let mut explained = Vec::new();
        self.search(name, &hashes, |step, matched| {
            explained.extend(matched.iter().map(|list| self.speaker(name, list, &step)));
        });
        explained.sort_by_key(|explained| explained.list);
        explained
    }

    /// Returns the lists in force; a `ListId` is a place in here.
    pub fn lists(&self) -> &[ListInfo] {
        &self.lists
    }

    /// Returns the lists whose names are tracking names.
    pub fn tracking(&self) -> ListMask {
        self.tracking
    }

    /// Returns the key of its hashes.
    pub fn seed(&self) -> HashSeed {
        self.seed
    }

    /// Returns resident octets of the index and the line tables, without the regular expressions.
    pub fn size(&self) -> usize {
        let lines: usize = self.lines.iter().map(LineTable::size).sum();
        self.index.size() + size_of_val(&*self.names) + lines
    }

    /// Walks from the name up and tells for each step which lists match that were open before.
    fn search<'r>(
        &'r self,
        name: NameRef<'_>,
        hashes: &NameHashes,
        mut tell: impl FnMut(Step<'r>, ListMask),
    ) {
        let mut decided = Decided::default();
        if let Some(rules) = hashes.whole().and_then(|hash| self.rules(hash)) {
            tell(Step::Suffix(0, rules), decided.hear(rules.at_name()));
        }
        let patterns = self.patterns.find(name, decided.0);
        tell(Step::Patterns, decided.hear(patterns));
        for (depth, &hash) in hashes.as_slice().iter().enumerate().skip(1) {
            if let Some(rules) = self.rules(hash) {
                tell(Step::Suffix(depth, rules), decided.hear(rules.below()));
            }
        }
    }

    fn rules(&self, hash: u64) -> Option<&NameRules> {
        self.names.get(self.index.find(hash)? as usize)
    }

    fn speaker(&self, name: NameRef<'_>, list: ListId, step: &Step<'_>) -> Explained {
        let told = match *step {
            Step::Suffix(depth, rules) => {
                let exact = depth == 0 && rules.has(list, Form::ExactBlock);
                let form = if exact { Form::ExactBlock } else { Form::SubtreeBlock };
                name.walk()
                    .nth(depth)
                    .map(|suffix| (rule_text(suffix, form), self.line(list, suffix, form)))
            }
            Step::Patterns => {
                let rule = self.patterns.speaker(name, list);
                rule.map(|(text, line)| (text.into(), Some(line)))
            }
        };
        let (rule, line) = told.expect("a list matches by a rule");
        Explained { list, rule, line }
    }

    fn line(&self, list: ListId, suffix: NameRef<'_>, form: Form) -> Option<u32> {
        let hash = NameHashes::of(suffix, self.seed).whole()?;
        self.lines.get(usize::from(list.0))?.find(hash, form)
    }
}

impl Decided {
    /// Takes in what is said at a step; returns the lists that match by it.
    fn hear(&mut self, said: Said) -> ListMask {
        let matched = said.block.difference(said.hole).difference(self.0);
        self.0 = self.0.union(said.block).union(said.hole);
        matched
    }
}

fn rule_text(name: NameRef<'_>, form: Form) -> String {
    match form {
        Form::ExactBlock | Form::ExactHole => format!("exactly {name}"),
        Form::SubtreeBlock | Form::SubtreeHole => format!("{name} and below"),
    }
}
