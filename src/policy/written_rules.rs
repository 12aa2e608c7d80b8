//! Own rules of one scope in AdGuard or Pi-hole syntax: a small ruleset, one list a rule.

use std::fmt;
use std::sync::Arc;

use super::{Decision, Sought, Subject, Syntax, WrittenRule};
use crate::model::{
    Action, HashSeed, ListId, ListKind, ListMask, ListName, MAX_LISTS, Reason, RuleId,
};
use crate::rules::parse::Format;
use crate::rules::{Compiler, Judgement, ListInfo, Rule, Ruleset};

/// Most such rules of one scope: each is a list of its ruleset, so that the one that decides is known.
pub const MAX_WRITTEN: usize = MAX_LISTS;

/// The order of Pi-hole's entries: the first kind that matches decides (`filter-rules.md`, 10).
const PIHOLE: [Syntax; 4] = [
    Syntax::Exact(Action::Allow),
    Syntax::Regex(Action::Allow),
    Syntax::Exact(Action::Block),
    Syntax::Regex(Action::Block),
];

/// The rules of one scope, compiled; immutable.
///
/// Each is a list of its own, trusted, in the order in which they are written.
pub struct WrittenRules {
    members: Box<[Member]>,
    ruleset: Ruleset,
    /// Those without an end.
    endless: ListMask,
    /// Those of each kind of [`PIHOLE`].
    kinds: [ListMask; 4],
}

/// One rule as it was compiled.
#[derive(PartialEq, Eq)]
pub struct Member {
    id: RuleId,
    /// Seconds since 1970; `i64::MAX`: it has no end.
    until: i64,
    syntax: Syntax,
    rules: Arc<[Rule]>,
}

impl WrittenRules {
    /// Compiles the rules of a scope.
    pub fn compile(mut members: Vec<Member>, seed: HashSeed) -> WrittenRules {
        members.truncate(MAX_WRITTEN);
        let mut compiler = Compiler::new(seed);
        for member in &members {
            compiler.add(info(), &member.rules).expect("no more rules than there can be lists");
        }
        let places = (0..=u8::MAX).map(ListId).zip(&members);
        let kinds = PIHOLE.map(|kind| {
            let alike = places.clone().filter(|(_, member)| member.syntax == kind);
            alike.map(|(place, _)| place).collect()
        });
        let endless = places.filter(|(_, member)| member.until == i64::MAX);
        let endless = endless.map(|(place, _)| place).collect();
        WrittenRules { members: members.into(), ruleset: compiler.finish(), endless, kinds }
    }

    /// Decides on a name or address; of rules without a match nothing is looked at twice.
    pub fn decide(&self, subject: &Subject<'_>, unix_seconds: i64) -> Option<Decision> {
        let name = subject.asking.name;
        let matches = match subject.sought {
            Sought::Name(hashes) => self.ruleset.find(name, hashes),
            Sought::Address(address) => self.ruleset.find_address(address),
        };
        if matches.is_empty() {
            return None;
        }
        let lasting = self.lasting(unix_seconds);
        let judge = |lists| self.ruleset.judge(&matches, lists, &subject.asking);
        let best = judge(lasting);
        let pihole = list_of(&best).is_some_and(|list| self.is_pihole(list));
        let by_kind = || {
            let judged = self.kinds.iter().map(|kind| judge(lasting.intersection(*kind)));
            judged.into_iter().find(|judged| *judged != Judgement::None)
        };
        let best = if pihole { by_kind().unwrap_or(best) } else { best };
        Decision::of(best, |list| Reason::Rule(self.id(list)))
    }

    fn lasting(&self, unix_seconds: i64) -> ListMask {
        let places = (0..=u8::MAX).map(ListId).zip(&self.members);
        let ending = places.filter(|(_, member)| member.until != i64::MAX);
        let lasting = ending.filter(|(_, member)| unix_seconds < member.until);
        self.endless.union(lasting.map(|(place, _)| place).collect())
    }

    fn is_pihole(&self, list: ListId) -> bool {
        self.kinds.iter().any(|kind| kind.contains(list))
    }

    fn id(&self, list: ListId) -> RuleId {
        self.members[usize::from(list.0)].id
    }

    /// Returns whether it was compiled of just these.
    pub fn has(&self, members: &[Member]) -> bool {
        *self.members == *members
    }
}

impl Member {
    /// Returns a rule with its number.
    pub fn of(rule: &WrittenRule, id: RuleId) -> Member {
        let until = rule.until.unwrap_or(i64::MAX);
        Member { id, until, syntax: rule.syntax, rules: Arc::clone(&rule.rules) }
    }
}

/// Returns what is wrong with rules that do not compile: an expression too large, for one.
pub fn check_written(rules: &[Rule]) -> Result<(), String> {
    let mut compiler = Compiler::new(HashSeed([0, 0]));
    let refused = compiler.add(info(), rules).map_err(|error| error.to_string())?;
    refused.into_iter().next().map_or(Ok(()), |refused| Err(refused.why))
}

/// Own rules add up as AdGuard's do, and their rewrites are obeyed.
fn info() -> ListInfo {
    let name = ListName::parse("own").expect("a list name");
    ListInfo { trusted: true, ..ListInfo::new(name, ListKind::Other, Format::Adguard) }
}

fn list_of(judgement: &Judgement) -> Option<ListId> {
    match judgement {
        Judgement::None => None,
        Judgement::Allow(list)
        | Judgement::Block(list, _)
        | Judgement::Rewrite(list, _)
        | Judgement::Truncate(list) => Some(*list),
    }
}

impl fmt::Debug for WrittenRules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.members.iter().map(|member| member.id)).finish()
    }
}
