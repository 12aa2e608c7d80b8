//! Answers of ours: which rewrites are taken back, and what the rest give together.

use crate::model::{DomainName, ListId, ListMask, NameRef};

use super::judge::Rewriting;
use super::{Answer, Asking, Effect, Judgement, Record, Rewrite, Rewritten, Special};

/// Response codes (RFC 1035, section 4.1.1).
const NO_ERROR: u16 = 0;
const NX_DOMAIN: u16 = 3;
const REFUSED: u16 = 5;

/// Returns how a rewrite blocks that is not obeyed: one that names no one keeps its action.
pub fn blocking(rewrite: &Rewrite) -> Answer {
    match rewrite {
        Rewrite::Code(NO_ERROR) => Answer::NoData,
        Rewrite::Code(NX_DOMAIN) => Answer::NxDomain,
        Rewrite::Code(REFUSED) => Answer::Refused,
        _ => Answer::Policy,
    }
}

/// Returns whether an exception takes a rewrite back (`filter-rules.md`, section 9.8).
pub fn is_taken_back(rewriting: &Rewriting<'_>, by: &Special, shipped: ListMask) -> bool {
    let stranger = shipped.contains(rewriting.weight.list.0) && !shipped.contains(by.list);
    let outweighs = by.important || !rewriting.important;
    let equal = match &by.effect {
        Effect::CancelRewrites(None) => true,
        Effect::CancelRewrites(Some(rewrite)) => is_equal(rewrite, rewriting.rewrite),
        _ => false,
    };
    equal && outweighs && !stranger
}

fn is_equal(one: &Rewrite, other: &Rewrite) -> bool {
    match (one, other) {
        (Rewrite::Record(one), Rewrite::Record(other)) => {
            (one.record_type, &one.data) == (other.record_type, &other.data)
        }
        (one, other) => one == other,
    }
}

/// Returns whether a rewrite is an alias of the query name for itself, or for a name that would be
/// too long: such a one is none.
pub fn leads_nowhere(rewrite: &Rewrite, name: NameRef<'_>) -> bool {
    match rewrite {
        Rewrite::Alias(target) => target.as_ref() == name,
        Rewrite::AliasBelow(target) => {
            below(name, target.as_ref()).is_none_or(|alias| alias.as_ref() == name)
        }
        Rewrite::Code(_) | Rewrite::Record(_) => false,
    }
}

/// Joins rewrites: a response code beats an alias, and that beats records.
///
/// Of several codes or aliases the first counts, in the order of lists.
pub fn joined(rewrites: &mut [Rewriting<'_>], asking: &Asking<'_>) -> Judgement {
    // Stable, so that what a list says keeps its order.
    rewrites.sort_by_key(|rewriting| rewriting.weight.list.0);
    let first = |is: fn(&Rewrite) -> bool| {
        rewrites
            .iter()
            .find(|rewriting| is(rewriting.rewrite))
            .map(|it| (it.weight.list.0, it.rewrite))
    };
    let told = first(|rewrite| matches!(rewrite, Rewrite::Code(code) if *code != NO_ERROR))
        .or_else(|| first(|it| matches!(it, Rewrite::Alias(_) | Rewrite::AliasBelow(_))));
    match told {
        Some((list, Rewrite::Code(code))) => {
            Judgement::Rewrite(list, Rewritten { code: *code, ..Rewritten::default() })
        }
        Some((list, Rewrite::Alias(target))) => aliased(list, Some(target.clone())),
        Some((list, Rewrite::AliasBelow(target))) => {
            aliased(list, below(asking.name, target.as_ref()))
        }
        Some((_, Rewrite::Record(_))) | None => records(rewrites, asking),
    }
}

fn aliased(list: ListId, alias: Option<DomainName>) -> Judgement {
    Judgement::Rewrite(list, Rewritten { alias, ..Rewritten::default() })
}

/// Returns the name with the target behind it, if that is not too long.
fn below(name: NameRef<'_>, target: NameRef<'_>) -> Option<DomainName> {
    let labels = name.wire().strip_suffix(&[0]).unwrap_or_default();
    DomainName::from_wire(&[labels, target.wire()].concat())
}

/// Answers with the records of the type that is asked; the first list of which one is used is told.
fn records(rewrites: &[Rewriting<'_>], asking: &Asking<'_>) -> Judgement {
    let mut told = None;
    let mut records: Vec<Record> = Vec::new();
    for rewriting in rewrites {
        let Rewrite::Record(record) = rewriting.rewrite else { continue };
        let known = records.iter().any(|known| known.data == record.data);
        if record.record_type == asking.query_type && !known {
            told = told.or(Some(rewriting.weight.list.0));
            records.push(record.clone());
        }
    }
    match told.or_else(|| rewrites.first().map(|rewriting| rewriting.weight.list.0)) {
        Some(list) => Judgement::Rewrite(list, Rewritten { records, ..Rewritten::default() }),
        None => Judgement::None,
    }
}
