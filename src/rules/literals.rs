//! The texts of which a regular expression needs one: what a prefilter can look for.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};

/// Shortest text that is worth looking for.
const SHORTEST: usize = 3;

/// Most texts that neighbours may run together to.
const MOST: usize = 64;

/// Most texts of one expression.
const MOST_OF_ALL: usize = 512;

/// Longest text; longer ones find no more.
const LONGEST: usize = 32;

/// Texts, one of which an expression needs.
type Texts = Vec<Vec<u8>>;

/// Returns texts of at least three octets of which each lower-case match holds one, if there are.
pub fn required_literals(expression: &str) -> Option<Vec<Box<str>>> {
    let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(expression).ok()?;
    let mut texts = required(&parsed)?;
    texts.sort_unstable_by_key(|text| text.len());
    let mut kept = Texts::new();
    for text in texts {
        let holds = |short: &Vec<u8>| text.windows(short.len()).any(|window| window == short);
        if !kept.iter().any(holds) {
            kept.push(text);
        }
    }
    kept.sort_unstable();
    kept.into_iter().map(|text| String::from_utf8(text).map(String::into).ok()).collect()
}

/// Returns the best set of texts of which every match holds one.
fn required(hir: &Hir) -> Option<Texts> {
    match hir.kind() {
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => required_of_row(parts),
        HirKind::Alternation(branches) => {
            let all = branches.iter().map(required).collect::<Option<Vec<Texts>>>()?;
            worthy(all.concat())
        }
        HirKind::Literal(text) => worthy(vec![text.0.iter().take(LONGEST).copied().collect()]),
        _ => None,
    }
}

/// Parts one behind the other: the texts of neighbours that are finite run together.
fn required_of_row(parts: &[Hir]) -> Option<Texts> {
    let mut best = None;
    let mut run: Texts = vec![Vec::new()];
    for part in parts {
        let texts = whole(part);
        let longer = texts.as_ref().and_then(|texts| joined(&run, texts));
        if let Some(longer) = longer {
            run = longer;
            continue;
        }
        let ended = std::mem::replace(&mut run, texts.unwrap_or_else(|| vec![Vec::new()]));
        best = better(best, worthy(ended));
        best = better(best, required(part));
    }
    better(best, worthy(run))
}

/// Returns all texts that a part stands for, if they are few and short.
fn whole(hir: &Hir) -> Option<Texts> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(vec![Vec::new()]),
        HirKind::Literal(text) if text.0.len() <= LONGEST => Some(vec![text.0.to_vec()]),
        HirKind::Class(class) => letters(class),
        HirKind::Capture(capture) => whole(&capture.sub),
        HirKind::Repetition(repetition) => whole_repetition(repetition),
        HirKind::Concat(parts) => {
            let parts = parts.iter().map(whole).collect::<Option<Vec<Texts>>>()?;
            parts.iter().try_fold(vec![Vec::new()], |run, part| joined(&run, part))
        }
        HirKind::Alternation(branches) => {
            let all = branches.iter().map(whole).collect::<Option<Vec<Texts>>>()?;
            few(all.concat())
        }
        HirKind::Literal(_) => None,
    }
}

fn whole_repetition(repetition: &Repetition) -> Option<Texts> {
    let most = repetition.max.filter(|&most| most <= 4)?;
    let once = whole(&repetition.sub)?;
    let (mut all, mut run) = (Vec::new(), vec![Vec::new()]);
    for count in 0..=most {
        if count >= repetition.min {
            all.extend(run.iter().cloned());
        }
        if count < most {
            run = joined(&run, &once)?;
        }
    }
    few(all)
}

/// Returns the characters of a small class; what is matched has no capital letters.
fn letters(class: &Class) -> Option<Texts> {
    let Class::Bytes(class) = class else {
        return None;
    };
    let mut small = class.clone();
    small.difference(&ClassBytes::new([ClassBytesRange::new(b'A', b'Z')]));
    let texts = small.iter().flat_map(|range| range.start()..=range.end());
    few(texts.map(|octet| vec![octet]).take(MOST + 1).collect())
}

/// Returns each of the first texts with each of the second behind it, if those are few and short.
fn joined(first: &Texts, second: &Texts) -> Option<Texts> {
    if first.len() * second.len() > MOST {
        return None;
    }
    let pairs = first.iter().flat_map(|a| second.iter().map(move |b| [&a[..], b].concat()));
    few(pairs.collect())
}

fn few(mut texts: Texts) -> Option<Texts> {
    texts.sort_unstable();
    texts.dedup();
    let fits = (1..=MOST).contains(&texts.len()) && texts.iter().all(|text| text.len() <= LONGEST);
    fits.then_some(texts)
}

/// Returns texts that are few, and none of them too short to be worth looking for.
fn worthy(texts: Texts) -> Option<Texts> {
    (texts.len() <= MOST_OF_ALL && shortest(&texts) >= SHORTEST).then_some(texts)
}

/// Longer texts are found less often by chance; of equal ones the fewer.
fn better(one: Option<Texts>, other: Option<Texts>) -> Option<Texts> {
    let worth = |texts: &Texts| (shortest(texts), std::cmp::Reverse(texts.len()));
    match (one, other) {
        (Some(one), Some(other)) if worth(&one) >= worth(&other) => Some(one),
        (one, None) => one,
        (_, other) => other,
    }
}

fn shortest(texts: &[Vec<u8>]) -> usize {
    texts.iter().map(Vec::len).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::RegexBuilder;

    use super::*;

    fn literals(expression: &str) -> Option<Vec<String>> {
        required_literals(expression).map(|texts| texts.into_iter().map(String::from).collect())
    }

    #[test]
    fn runs_of_text_are_required() {
        let cases = [
            (r"^ads?\d*\.example\.", &[".example."][..]),
            (r"^(.+[_.-])?adse?rv(er?|ice)?s?[0-9]*[_.-]", &["adserv", "adsrv"]),
            (r"(foo|bar)\.com$", &["bar.com", "foo.com"]),
            (r"^(?i)track[es]r", &["tracker", "tracksr"]),
            (r"(pixel){2}", &["pixel"]),
            (r"x.*(tracker|metrics)+.*y", &["metrics", "tracker"]),
            (r"^\d+doubleclick\d+net", &["doubleclick"]),
            (r"a[0-9]z", &["a0z", "a1z", "a2z", "a3z", "a4z", "a5z", "a6z", "a7z", "a8z", "a9z"]),
        ];
        for (expression, wanted) in cases {
            let found = literals(expression).unwrap_or_default();
            assert_eq!(found, wanted, "{expression}");
        }
    }

    #[test]
    fn what_needs_no_long_text_has_none() {
        let expressions =
            ["", "ad", "(foo)?", "[a-z]+", "foo|.", "(foo|ba)x*", "[^a]{3}", "(", "A"];
        for expression in expressions {
            assert_eq!(literals(expression), None, "{expression}");
        }
    }

    #[test]
    fn many_texts_are_not_spelled_out() {
        assert_eq!(literals("[a-z][a-z][a-z]x"), None);
        let long = format!("{}[0-9]foo", "a".repeat(100));
        assert_eq!(literals(&long), Some(vec!["a".repeat(LONGEST)]));
        assert_eq!(literals("((((a|b){4}){4}){4}){4}"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_match_holds_one_of_them(
            expression in r"(\^|)([ab]{1,3}|[ab]\?|\(ab\|ba\)|\(a\|bab\)\+|\[ab\]|\.|a\{2\}|\(aba\)\*|\(\?i\)AB){1,5}(\$|)",
            name in "[ab.]{0,14}",
        ) {
            let expression_of = RegexBuilder::new(&expression).unicode(false).build();
            let matches = expression_of.expect("an expression").is_match(name.as_bytes());
            if let Some(texts) = required_literals(&expression) {
                prop_assert!(texts.iter().all(|text| text.len() >= SHORTEST));
                let holds = texts.iter().any(|text| name.contains(&**text));
                prop_assert!(!matches || holds, "{expression} {name} {texts:?}");
            }
        }
    }
}
