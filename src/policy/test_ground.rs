//! The tests' own ground: lists that name what a test says, and decisions on it.

use crate::model::{DomainName, HashSeed, ListId, ListKind, ListName, Moment, NameHashes};
use crate::rules::parse::Format;
use crate::rules::{
    Answer, Asker, Asking, Effect, ListInfo, ListInput, Pattern, Rule, Ruleset, compile,
};

use super::{Decision, DevicePolicy, Sought, Subject};

pub const SEED: HashSeed = HashSeed([7, 9]);

/// Lists that a test may name by number.
const LISTS: u8 = 12;

pub fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

pub fn at(seconds: i64) -> Moment {
    Moment { wall: seconds * 1_000_000, monotonic: 0 }
}

/// Returns blocklists of which those in `found` have the name, exactly.
pub fn lists_with(text: &str, found: &[ListId]) -> Ruleset {
    lists_that(Effect::Block(Answer::Policy), text, found)
}

/// Returns lists of which those in `found` let the name through, exactly.
pub fn lists_that_allow(text: &str, found: &[ListId]) -> Ruleset {
    lists_that(Effect::Allow, text, found)
}

fn lists_that(effect: Effect, text: &str, found: &[ListId]) -> Ruleset {
    let rule = Rule::plain(Pattern::Exact(name(text)), effect, 1);
    let rules = [rule];
    let list = |id: u8| ListInput {
        info: ListInfo::new(
            ListName::parse(&format!("list-{id}")).expect("a list name"),
            ListKind::Other,
            Format::Domains,
        ),
        rules: if found.contains(&ListId(id)) { &rules } else { &[] },
    };
    let lists: Vec<ListInput<'_>> = (0..LISTS).map(list).collect();
    compile(&lists, SEED).expect("a dozen lists")
}

/// Decides on a name that is on the lists in `found`.
pub fn decide(policy: &DevicePolicy, text: &str, found: &[ListId], now: Moment) -> Decision {
    decide_in(policy, &lists_with(text, found), text, now)
}

/// Decides on what an answer leads to.
pub fn decide_in(policy: &DevicePolicy, ruleset: &Ruleset, text: &str, now: Moment) -> Decision {
    with_subject(ruleset, text, |subject| policy.decide(ruleset, subject, now))
}

/// Decides on a name that is asked for.
pub fn decide_asked_in(
    policy: &DevicePolicy,
    ruleset: &Ruleset,
    text: &str,
    now: Moment,
) -> Decision {
    with_subject(ruleset, text, |subject| policy.decide_asked(ruleset, subject, now, || false))
}

fn with_subject<T>(ruleset: &Ruleset, text: &str, act: impl Fn(&Subject<'_>) -> T) -> T {
    let name = name(text);
    let hashes = NameHashes::of(name.as_ref(), SEED);
    let asker = Asker { address: [192, 0, 2, 1].into(), names: &[], tags: &[] };
    let query_type = crate::model::RecordType::A;
    let asking = Asking { name: name.as_ref(), query_type, asker };
    let matches = &ruleset.find(name.as_ref(), &hashes);
    let subject = Subject { asking, sought: Sought::Name(&hashes), matches };
    act(&subject)
}
