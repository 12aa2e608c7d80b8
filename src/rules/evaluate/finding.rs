//! The rules of a list that cover what is asked, with the lines they stand on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{DomainName, Rule, covers_address, covers_name};
use crate::rules::parse::{ListRefused, Options, Summary, line_texts, read};

/// Rules of one list that are kept; no name is covered by so many that differ.
const MOST_RULES: usize = 10_000;

/// What a rule can cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookedUp {
    /// A name.
    Name(DomainName),
    /// An address in an answer.
    Address(IpAddr),
}

/// A rule of a list that covers a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRule {
    /// The rule.
    pub rule: Rule,
    /// Its line as it stands in the list.
    pub text: String,
    /// The places of the subjects that it covers.
    pub subjects: Vec<usize>,
}

impl LookedUp {
    /// Returns whether a rule covers it, whoever asks.
    pub fn is_covered_by(&self, rule: &Rule) -> bool {
        match self {
            LookedUp::Name(name) => covers_name(rule, name.as_ref()),
            LookedUp::Address(address) => covers_address(rule, *address),
        }
    }
}

/// Reads a list for those of its rules that `admits` takes and that cover a subject.
///
/// They come in their order, those that are alike once.
pub fn find_rules(
    octets: &[u8],
    options: &Options,
    subjects: &[LookedUp],
    admits: &mut dyn FnMut(&Rule) -> bool,
) -> Result<(Vec<FoundRule>, Summary), ListRefused> {
    let mut found: Vec<FoundRule> = Vec::new();
    let summary = read(octets, options, &mut |rule| {
        if !admits(&rule) || found.len() >= MOST_RULES {
            return;
        }
        let covered = subjects.iter().enumerate().filter(|(_, it)| it.is_covered_by(&rule));
        let subjects: Vec<usize> = covered.map(|(at, _)| at).collect();
        let is_known = || found.iter().any(|known| is_same(&known.rule, &rule));
        if !subjects.is_empty() && !is_known() {
            found.push(FoundRule { rule, text: String::new(), subjects });
        }
    })?;
    let lines: BTreeSet<u32> = found.iter().map(|found| found.rule.line).collect();
    let texts = line_texts(octets, &lines);
    for found in &mut found {
        found.text = texts.get(&found.rule.line).cloned().unwrap_or_default();
    }
    Ok((found, summary))
}

fn is_same(one: &Rule, other: &Rule) -> bool {
    one.is_like(other) && one.badfilter == other.badfilter && one.adguard == other.adguard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_cover_a_subject_are_found_once_with_their_lines() {
        let list = b"0.0.0.0 b.com\n0.0.0.0 a.com # note\n0.0.0.0 a.com\n0.0.0.0 c.com\n";
        let subjects =
            ["a.com", "c.com"].map(|text| LookedUp::Name(DomainName::parse(text).expect("a name")));
        let (found, summary) =
            find_rules(list, &Options::default(), &subjects, &mut |rule| rule.line != 4)
                .expect("a list");
        assert_eq!(summary.rules, 4);
        let told: Vec<_> = found.iter().map(|it| (it.rule.line, it.text.as_str())).collect();
        assert_eq!(told, [(2, "0.0.0.0 a.com # note")]);
        assert_eq!(found[0].subjects, [0]);
    }
}
