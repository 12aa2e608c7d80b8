//! Every rule of every list that covers a name, read again from the lists, and why each decides or
//! does not.

use super::{App, Snapshot};
use crate::api::{ListMatch, OwnMatch};
use crate::lists::{Guard, shipped};
use crate::model::{DomainName, ListId, ListMask, Scope, Verdict};
use crate::policy::{Decision, DevicePolicy};
use crate::rules::{
    Asking, Candidate, Fate, FoundRule, Judgement, ListInfo, LookedUp, Pattern, Rule, covers_name,
    evaluate, find_rules,
};

/// Rules of one list that are told of one name.
const MOST_TOLD: usize = 100;

/// A list with those of its rules that cover a name.
struct ListRules {
    id: ListId,
    /// The version of its copy; none: it is shipped.
    version: Option<u32>,
    rules: Vec<FoundRule>,
}

/// What is explained: a name held against a device's policy.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What is in force.
    pub snapshot: &'a Snapshot,
    /// What binds the device.
    pub policy: &'a DevicePolicy,
    /// The question.
    pub asking: Asking<'a>,
    /// What the resolver decides.
    pub decision: &'a Decision,
}

/// The rules that cover a name, and the one that decides.
pub struct Explanation {
    /// All of them, list by list.
    pub matches: Vec<ListMatch>,
    /// The place of the one that decides.
    pub deciding: Option<usize>,
}

/// One rule of a list, with what is known of the list.
struct Found<'f> {
    list: &'f ListRules,
    info: &'f ListInfo,
    rule: &'f FoundRule,
}

/// Reads the lists that have a part in it for rules that cover the name; those that cannot be read
/// have none.
pub fn explain(app: &App, asked: &Asked<'_>) -> Explanation {
    let ruleset = &asked.snapshot.in_force.ruleset;
    let infos = ruleset.lists();
    let name = asked.asking.name;
    let matches = ruleset.find(name, &asked.snapshot.in_force.hashes(name));
    let lists = read_lists(app, asked, ruleset.involved(&matches));
    let found: Vec<Found<'_>> = lists
        .iter()
        .filter_map(|list| Some((list, infos.get(usize::from(list.id.0))?)))
        .flat_map(|(list, info)| list.rules.iter().map(move |rule| Found { list, info, rule }))
        .collect();
    let candidates: Vec<Candidate<'_>> =
        found.iter().map(|it| Candidate { list: it.list.id, rule: &it.rule.rule }).collect();
    let judge = |mask: ListMask| evaluate(&candidates, infos, mask, &asked.asking);
    let (bans, lists) = (asked.policy.bans(), asked.policy.lists().union(asked.policy.noted()));
    let (of_bans, of_lists) = (judge(bans), judge(lists));
    let decides = match of_bans.judgement {
        Judgement::None => &of_lists,
        _ => &of_bans,
    };
    compare(asked, infos, &decides.judgement);
    let mut explanation = Explanation { matches: Vec::new(), deciding: None };
    for (place, one) in found.iter().enumerate() {
        let tier = if bans.contains(one.list.id) { &of_bans } else { &of_lists };
        let fate = tier.fates.get(place).copied().unwrap_or(Fate::Idle);
        let by = fate.by().and_then(|by| found.get(by)).map(located).unwrap_or_default();
        let is_last_word = fate == Fate::Decided && std::ptr::eq(tier, decides);
        let why = match above(asked.decision, is_last_word) {
            Some(above) if fate == Fate::Decided => above.into(),
            _ => fate.words(&by),
        };
        let binds = bans.contains(one.list.id) || lists.contains(one.list.id);
        let decides = is_last_word && is_by_list(asked.decision);
        explanation.take(view(one, binds, why), decides);
    }
    explanation
}

impl Explanation {
    /// Takes a rule in; a list and the part of it that `basic` has go by one name.
    fn take(&mut self, found: ListMatch, decides: bool) {
        let same = |known: &ListMatch| {
            (&known.list, known.line, &known.rule) == (&found.list, found.line, &found.rule)
        };
        let place = match self.matches.iter().position(same) {
            Some(place) => {
                let known = self.matches.get_mut(place);
                known.into_iter().filter(|known| !known.binds || decides).for_each(|known| {
                    *known = found.clone();
                });
                place
            }
            None if self.matches.len() < MOST_TOLD || decides => {
                self.matches.push(found);
                self.matches.len() - 1
            }
            None => return,
        };
        if decides {
            self.deciding = Some(place);
        }
    }
}

fn read_lists(app: &App, asked: &Asked<'_>, involved: ListMask) -> Vec<ListRules> {
    let infos = asked.snapshot.in_force.ruleset.lists();
    let catalogue = &asked.snapshot.in_force.catalogue;
    let guard = app.parts.policy.guard(catalogue);
    let shipped = shipped::rules(catalogue);
    let name = asked.asking.name.to_owned();
    let read = |(id, info): (ListId, &ListInfo)| {
        if info.shipped {
            let list = shipped.iter().find(|it| it.name == info.name && it.part == info.part)?;
            return Some(ListRules { id, version: None, rules: shipped_rules(&list.rules, &name) });
        }
        match read_copy(app, info, &guard, &name) {
            Ok((version, rules)) => Some(ListRules { id, version: Some(version), rules }),
            Err(why) => {
                tracing::warn!("list {}: its rules cannot be told: {why}", info.name);
                None
            }
        }
    };
    let all = (0..=u8::MAX).map(ListId).zip(infos);
    all.filter(|(id, _)| involved.contains(*id)).filter_map(read).collect()
}

fn shipped_rules(rules: &[Rule], name: &DomainName) -> Vec<FoundRule> {
    let covering = rules.iter().filter(|rule| covers_name(rule, name.as_ref()));
    let found = covering.map(|rule| FoundRule {
        rule: rule.clone(),
        text: pattern_text(&rule.pattern),
        subjects: vec![0],
    });
    found.collect()
}

/// Reads the copy of a list that is in force.
fn read_copy(
    app: &App,
    info: &ListInfo,
    guard: &Guard,
    name: &DomainName,
) -> Result<(u32, Vec<FoundRule>), String> {
    let copy = app.parts.policy.list_copy(&info.name)?;
    let mut sieve = guard.sieve(&copy.list);
    let mut admits = |rule: &Rule| sieve.passes(rule);
    let subjects = [LookedUp::Name(name.clone())];
    let read = find_rules(&copy.octets, &copy.list.options(), &subjects, &mut admits);
    let (rules, _) = read.map_err(|refused| refused.to_string())?;
    Ok((copy.version, rules))
}

/// Returns a rule of a shipped list as people read it; such lists are made, not written.
fn pattern_text(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Exact(name) => format!("exactly {name}"),
        Pattern::Subtree(name) => format!("{name} and below"),
        Pattern::Below(name) => format!("below {name}"),
        Pattern::Everything => "every name".into(),
        Pattern::Text(text) => text.text.to_string(),
        Pattern::Address(prefix) => prefix.to_string(),
    }
}

/// Says so if the rules one by one and the engine do not agree: one of them is wrong.
fn compare(asked: &Asked<'_>, infos: &[ListInfo], judgement: &Judgement) {
    if !is_by_list(asked.decision) && asked.decision.verdict != Verdict::None {
        return;
    }
    let named = |list: &ListId| infos.get(usize::from(list.0)).map(|info| info.name.to_string());
    let told = match judgement {
        Judgement::None => ("none", None),
        Judgement::Allow(list) => ("allow", named(list)),
        Judgement::Block(list, _) => ("block", named(list)),
        Judgement::Rewrite(list, _) => ("rewrite", named(list)),
        Judgement::Truncate(list) => ("truncate", named(list)),
    };
    let word = match asked.decision.verdict {
        Verdict::None => "none",
        Verdict::Allow(_) => "allow",
        Verdict::Block(_) => "block",
        Verdict::Rewrite(_) => "rewrite",
        Verdict::Truncate(_) => "truncate",
    };
    let lists = asked.decision.verdict.reason().and_then(reason_list);
    let engine = (word, lists.as_ref().and_then(named));
    if told != engine {
        let name = asked.asking.name;
        tracing::error!("{name}: the engine says {engine:?}, its rules one by one {told:?}");
    }
}

/// Returns what stands above a rule that would decide for its tier.
fn above(decision: &Decision, is_last_word: bool) -> Option<&'static str> {
    use crate::model::Reason;
    match decision.verdict.reason() {
        Some(Reason::Rule(_)) => Some("a rule of your own stands above it"),
        Some(Reason::Canary) => Some("the name tells devices to use this resolver"),
        Some(Reason::NotListed) => {
            Some("only listed names are answered, and it does not allow one")
        }
        Some(Reason::Ban(_)) if !is_last_word => Some("a company ban stands above it"),
        _ => None,
    }
}

fn is_by_list(decision: &Decision) -> bool {
    decision.verdict.reason().and_then(reason_list).is_some()
}

fn reason_list(reason: crate::model::Reason) -> Option<ListId> {
    use crate::model::Reason;
    match reason {
        Reason::Ban(list) | Reason::List(list) => Some(list),
        Reason::Rule(_) | Reason::Canary | Reason::NotListed => None,
    }
}

fn located(found: &Found<'_>) -> String {
    let FoundRule { rule, text, .. } = found.rule;
    format!("{}, line {}: {text}", found.info.name, rule.line)
}

fn view(found: &Found<'_>, binds: bool, why: String) -> ListMatch {
    let FoundRule { rule, text, .. } = found.rule;
    ListMatch {
        list: found.info.name.to_string(),
        kind: found.info.kind,
        version: found.list.version,
        rule: text.clone(),
        line: Some(rule.line),
        verdict: rule.word(found.info.allowlist).into(),
        binds,
        why,
    }
}

/// Returns the own rules that cover the name and bind the device, the narrowest scope first.
pub fn own_rules(app: &App, asked: &Asked<'_>, scopes: &[Scope]) -> Vec<OwnMatch> {
    let snapshot = asked.snapshot;
    let name = asked.asking.name;
    let seconds = snapshot.now.unix_seconds();
    let lasts = |until: Option<i64>| until.is_none_or(|until| seconds < until);
    let timed = app.parts.policy.timed();
    let deciding = match asked.decision.verdict.reason() {
        Some(crate::model::Reason::Rule(rule)) => {
            snapshot.in_force.policies.rule_texts().get(&rule).cloned()
        }
        _ => None,
    };
    let place = |scope: &Scope| scopes.iter().position(|known| known == scope);
    let plain = snapshot.standing.rules.iter().chain(&timed.rules);
    let plain = plain.filter(|rule| lasts(rule.until) && name.is_subdomain_of(rule.name.as_ref()));
    let plain = plain.filter_map(|rule| Some((place(&rule.scope)?, rule.text())));
    let covers = |rule: &Rule| covers_name(rule, name);
    let written = snapshot.standing.written.iter();
    let written = written.filter(|rule| lasts(rule.until) && rule.rules.iter().any(covers));
    let written = written.filter_map(|rule| Some((place(&rule.scope)?, rule.text())));
    let mut found: Vec<(usize, String)> = plain.chain(written).collect();
    found.sort();
    let decided_at = found.iter().find(|(_, text)| Some(text) == deciding.as_ref());
    let decided_at = decided_at.map(|(place, _)| *place);
    let why = |place: usize, text: &String| match decided_at {
        _ if Some(text) == deciding.as_ref() => "decides",
        Some(decided) if decided < place => "a rule of a narrower scope stands above it",
        Some(decided) if decided == place => "a closer rule of the same scope stands above it",
        _ => "it does not hold here",
    };
    found
        .iter()
        .map(|(place, text)| OwnMatch { rule: text.clone(), why: why(*place, text).into() })
        .collect()
}
