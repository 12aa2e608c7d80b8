//! What stands of rewrites, and the answer they make together.

use super::{Asking, DomainName, Effect, NameRef, Record, Rewrite, Rewritten, Rule};

/// Returns whether an exception takes a rewrite back, which may be important.
pub(super) fn takes_back(exception: &Rule, rule: &Rule, important: bool) -> bool {
    let (Effect::CancelRewrites(wanted), Effect::Rewrite(rewrite)) =
        (&exception.effect, &rule.effect)
    else {
        return false;
    };
    let reaches = exception.important || !important;
    reaches && wanted.as_ref().is_none_or(|wanted| is_same(wanted, rewrite))
}

fn is_same(one: &Rewrite, other: &Rewrite) -> bool {
    match (one, other) {
        (Rewrite::Record(one), Rewrite::Record(other)) => {
            one.record_type == other.record_type && one.data == other.data
        }
        _ => one == other,
    }
}

/// Returns whether a rule makes `name` an alias of itself or of a name that is too long.
pub(super) fn points_nowhere(rule: &Rule, name: NameRef<'_>) -> bool {
    match &rule.effect {
        Effect::Rewrite(Rewrite::Alias(target)) => target.as_ref() == name,
        Effect::Rewrite(Rewrite::AliasBelow(top)) => {
            below(name, top).is_none_or(|target| target.as_ref() == name)
        }
        _ => false,
    }
}

/// Returns `name` with `top` behind it.
fn below(name: NameRef<'_>, top: &DomainName) -> Option<DomainName> {
    let labels = name.wire().split_last().map_or(&[][..], |(_, labels)| labels);
    DomainName::from_wire(&[labels, top.as_ref().wire()].concat())
}

/// Returns the answer that rewrites in their order make, and the places of those it is made of.
pub(super) fn put_together(
    rules: &[&Rule],
    asking: &Asking<'_>,
) -> Option<(Rewritten, Vec<usize>)> {
    let rewrites = || {
        rules.iter().enumerate().filter_map(|(at, rule)| match &rule.effect {
            Effect::Rewrite(rewrite) => Some((at, rewrite)),
            _ => None,
        })
    };
    let code = rewrites().find_map(|(at, rewrite)| match rewrite {
        Rewrite::Code(code) if *code != 0 => Some((at, *code)),
        _ => None,
    });
    if let Some((at, code)) = code {
        return Some((Rewritten { code, ..Rewritten::default() }, vec![at]));
    }
    let alias = rewrites().find_map(|(at, rewrite)| match rewrite {
        Rewrite::Alias(target) => Some((at, target.clone())),
        Rewrite::AliasBelow(top) => below(asking.name, top).map(|target| (at, target)),
        _ => None,
    });
    if let Some((at, target)) = alias {
        return Some((Rewritten { alias: Some(target), ..Rewritten::default() }, vec![at]));
    }
    let mut records: Vec<Record> = Vec::new();
    let mut parts = Vec::new();
    for (at, rewrite) in rewrites() {
        let Rewrite::Record(record) = rewrite else { continue };
        let is_known = records.iter().any(|known| known.data == record.data);
        if record.record_type == asking.query_type && !is_known {
            records.push(record.clone());
            parts.push(at);
        }
    }
    if parts.is_empty() {
        parts.push(rewrites().next()?.0);
    }
    Some((Rewritten { records, ..Rewritten::default() }, parts))
}
