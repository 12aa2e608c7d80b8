//! Whether a pattern covers a name or an address, tried by itself.

use std::net::IpAddr;

use regex::bytes::RegexBuilder;

use super::{NameRef, Pattern, Rule, TextPattern, TextSyntax};

/// Returns whether a rule covers a name, whoever asks.
pub fn covers_name(rule: &Rule, name: NameRef<'_>) -> bool {
    match &rule.pattern {
        Pattern::Exact(exact) => exact.as_ref() == name,
        Pattern::Subtree(top) => name.is_subdomain_of(top.as_ref()),
        Pattern::Below(top) => name != top.as_ref() && name.is_subdomain_of(top.as_ref()),
        Pattern::Everything => true,
        Pattern::Text(pattern) => holds_text(pattern, &name.to_string()),
        // Nobody asks for an address but by mistake: the name that looks like one counts as one.
        Pattern::Address(prefix) => {
            name.to_string().parse().is_ok_and(|address| prefix.contains(address))
        }
    }
}

/// Returns whether a rule covers an address in an answer.
pub fn covers_address(rule: &Rule, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let spares_names = rule.condition.as_ref().is_some_and(|it| !it.except.is_empty());
    match &rule.pattern {
        _ if spares_names => false,
        Pattern::Address(prefix) => prefix.contains(address),
        Pattern::Text(pattern) => pattern.addresses && holds_text(pattern, &address.to_string()),
        _ => false,
    }
}

fn holds_text(pattern: &TextPattern, text: &str) -> bool {
    let holds = match pattern.syntax {
        TextSyntax::Glob => holds_glob(&pattern.text, text.as_bytes()),
        TextSyntax::Regex => {
            let built = RegexBuilder::new(&pattern.text).unicode(false).build();
            // A rule whose expression does not compile is left out, inverted or not.
            let Ok(expression) = built else { return false };
            expression.is_match(text.as_bytes())
        }
    };
    holds != pattern.inverted
}

/// Walks the pattern mark by mark with all places of the text at which it may stand by then.
fn holds_glob(pattern: &str, text: &[u8]) -> bool {
    let is_border = |at: usize| at == 0 || text.get(at - 1) == Some(&b'.');
    let (pattern, mut places): (&str, Vec<bool>) = match pattern.strip_prefix("||") {
        Some(rest) => (rest, (0..=text.len()).map(is_border).collect()),
        None => match pattern.strip_prefix('|') {
            Some(rest) => (rest, (0..=text.len()).map(|at| at == 0).collect()),
            None => (pattern, vec![true; text.len() + 1]),
        },
    };
    let (pattern, at_end) = match pattern.strip_suffix('|') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    for mark in pattern.bytes() {
        places = step(&places, mark, text);
    }
    if at_end { places.last() == Some(&true) } else { places.contains(&true) }
}

/// Returns the places after one more mark.
fn step(places: &[bool], mark: u8, text: &[u8]) -> Vec<bool> {
    let stands = |at: usize| places.get(at) == Some(&true);
    let first = places.iter().position(|&stands| stands);
    let reached = |at: usize| {
        let before = at.checked_sub(1).filter(|&before| stands(before));
        let octet = before.and_then(|before| text.get(before)).copied();
        match mark {
            b'*' => first.is_some_and(|first| first <= at),
            b'^' => octet.is_some_and(is_separator) || (at == text.len() && stands(at)),
            mark => octet == Some(mark),
        }
    };
    (0..places.len()).map(reached).collect()
}

fn is_separator(octet: u8) -> bool {
    !(octet.is_ascii_alphanumeric() || b"_-.%".contains(&octet))
}
