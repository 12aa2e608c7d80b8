//! Regular expressions of lists, made into ones of our engine.

use regex::bytes::RegexBuilder;
use regex_syntax::ParserBuilder;
use regex_syntax::ast::ErrorKind;
use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Repetition,
};

use super::{TextPattern, TextSyntax};

/// Largest compiled expression, in octets.
const EXPRESSION_LIMIT: usize = 1 << 20;

/// Names so unlike each other that what matches them all matches every name.
const SAMPLES: [&str; 8] = [
    "g.cn",
    "t.co",
    "1e100.net",
    "0-0.xyz",
    "example.org",
    "xn--mller-kva.de",
    "www.site.co.uk",
    "a1.b2.c3.d4.info",
];

/// Reads an expression without the slashes around it; `None`: neither name nor address has it.
///
/// Strangers' expressions that match everything are refused.
pub fn expression(text: &str, own: bool) -> Result<Option<TextPattern>, String> {
    let mut parser = ParserBuilder::new().unicode(false).utf8(false).case_insensitive(true).build();
    let parsed = parser.parse(&tolerated(text)).map_err(|error| reason(&error))?;
    let lowered = lowered(&parsed);
    let addresses = is_for_addresses(&lowered);
    if !addresses && least(&lowered, &|octet| matches!(octet, b':' | b'/')) > 0 {
        return Ok(None);
    }
    if !own && lowered.properties().minimum_len() == Some(0) {
        return Err("the expression matches the empty text".to_string());
    }
    let text = lowered.to_string();
    let built = RegexBuilder::new(&text).unicode(false).size_limit(EXPRESSION_LIMIT).build();
    let built = built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the expression is over 1 MiB compiled".to_string(),
        _ => "the expression needs Unicode, which no name has".to_string(),
    })?;
    if !own && SAMPLES.iter().all(|name| built.is_match(name.as_bytes())) {
        return Err("the expression matches every name".to_string());
    }
    let syntax = TextSyntax::Regex;
    Ok(Some(TextPattern { syntax, text: text.into(), inverted: false, addresses }))
}

/// Rewrites what other engines take and ours does not: needless escapes, brackets in classes.
fn tolerated(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut in_class = false;
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some(escaped) if is_needless(escaped) => out.push(escaped),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                out.extend(rest.next_if_eq(&'^'));
                out.extend(rest.next_if_eq(&']').map(|_| "\\]"));
            }
            '[' if rest.peek() == Some(&':') => copy_posix_class(&mut rest, &mut out),
            '[' | '&' | '~' if in_class => out.extend(['\\', character]),
            ']' => {
                in_class = false;
                out.push(']');
            }
            other => out.push(other),
        }
    }
    out
}

/// Copies `:alpha:]` behind the bracket that opens it.
fn copy_posix_class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    out.push('[');
    for character in rest.by_ref() {
        out.push(character);
        if character == ']' {
            return;
        }
    }
}

/// Returns whether a backslash before this says nothing.
fn is_needless(escaped: char) -> bool {
    !escaped.is_ascii_alphanumeric() && !regex_syntax::is_escapeable_character(escaped)
}

fn reason(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => match error.kind() {
            ErrorKind::UnsupportedBackreference => {
                "back-references are not supported: they take more than linear time".to_string()
            }
            ErrorKind::UnsupportedLookAround => {
                "look-around is not supported: it takes more than linear time".to_string()
            }
            kind => format!("the expression is wrong: {kind}"),
        },
        regex_syntax::Error::Translate(error) => {
            format!("the expression is wrong: {}", error.kind())
        }
        _ => "the expression is wrong".to_string(),
    }
}

/// Takes capital letters and captures out: names have no capitals, and nobody asks what was found.
fn lowered(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0.to_ascii_lowercase()),
        HirKind::Class(class) => Hir::class(without_capitals(class)),
        HirKind::Look(look) => Hir::look(*look),
        HirKind::Repetition(repetition) => {
            let sub = Box::new(lowered(&repetition.sub));
            Hir::repetition(Repetition { sub, ..repetition.clone() })
        }
        HirKind::Capture(capture) => lowered(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(lowered).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(lowered).collect()),
    }
}

fn without_capitals(class: &Class) -> Class {
    let mut class = class.clone();
    match &mut class {
        Class::Bytes(octets) => {
            octets.difference(&ClassBytes::new([ClassBytesRange::new(b'A', b'Z')]));
        }
        Class::Unicode(characters) => {
            characters.difference(&ClassUnicode::new([ClassUnicodeRange::new('A', 'Z')]));
        }
    }
    class
}

/// Returns how many octets of a kind each match holds at least.
fn least(hir: &Hir, wanted: &dyn Fn(u8) -> bool) -> usize {
    match hir.kind() {
        HirKind::Literal(text) => text.0.iter().filter(|&&octet| wanted(octet)).count(),
        HirKind::Class(class) => usize::from(
            class.minimum_len().is_some()
                && octets_of(class).is_some_and(|mut all| all.all(wanted)),
        ),
        HirKind::Repetition(repetition) => {
            let times = usize::try_from(repetition.min).unwrap_or(usize::MAX);
            least(&repetition.sub, wanted).saturating_mul(times)
        }
        HirKind::Capture(capture) => least(&capture.sub, wanted),
        HirKind::Concat(parts) => {
            parts.iter().fold(0_usize, |sum, part| sum.saturating_add(least(part, wanted)))
        }
        HirKind::Alternation(parts) => {
            parts.iter().map(|part| least(part, wanted)).min().unwrap_or(0)
        }
        HirKind::Empty | HirKind::Look(_) => 0,
    }
}

/// Returns whether all that is matched is of a kind, runs of any character left aside.
fn holds_only(hir: &Hir, wanted: &dyn Fn(u8) -> bool) -> bool {
    match hir.kind() {
        HirKind::Literal(text) => text.0.iter().all(|&octet| wanted(octet)),
        HirKind::Class(class) => octets_of(class).is_some_and(|mut all| all.all(wanted)),
        HirKind::Repetition(repetition) => {
            is_any(&repetition.sub) || holds_only(&repetition.sub, wanted)
        }
        HirKind::Capture(capture) => holds_only(&capture.sub, wanted),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().all(|part| holds_only(part, wanted))
        }
        HirKind::Empty | HirKind::Look(_) => true,
    }
}

/// Returns whether this is a `.`, or a class as wide.
fn is_any(hir: &Hir) -> bool {
    let HirKind::Class(class) = hir.kind() else {
        return false;
    };
    let Some(octets) = octets_of(class) else {
        return false;
    };
    octets.filter(|octet| octet.is_ascii_alphanumeric() || *octet == b'.').count() == 37
}

fn octets_of(class: &Class) -> Option<impl Iterator<Item = u8> + '_> {
    match class {
        Class::Bytes(class) => Some(class.iter().flat_map(|range| range.start()..=range.end())),
        Class::Unicode(_) => None,
    }
}

/// Returns whether only addresses are meant: digits and two dots, or hexadecimal ones and two
/// colons, at least one digit of them given. `^\d+\.` is none, it would hit all addresses.
fn is_for_addresses(hir: &Hir) -> bool {
    is_for_addresses_with(hir, b'.', |octet| octet.is_ascii_digit())
        || is_for_addresses_with(hir, b':', |octet| octet.is_ascii_hexdigit())
}

fn is_for_addresses_with(hir: &Hir, mark: u8, is_digit: fn(u8) -> bool) -> bool {
    holds_only(hir, &|octet| octet == mark || is_digit(octet))
        && least(hir, &|octet| octet == mark) >= 2
        && has_given_digit(hir, is_digit)
}

/// Returns whether each match holds a digit that is written out.
fn has_given_digit(hir: &Hir, is_digit: fn(u8) -> bool) -> bool {
    match hir.kind() {
        HirKind::Literal(text) => text.0.iter().any(|&octet| is_digit(octet)),
        HirKind::Repetition(repetition) => {
            repetition.min > 0 && has_given_digit(&repetition.sub, is_digit)
        }
        HirKind::Concat(parts) => parts.iter().any(|part| has_given_digit(part, is_digit)),
        HirKind::Alternation(parts) => parts.iter().all(|part| has_given_digit(part, is_digit)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;

    fn read(text: &str) -> TextPattern {
        expression(text, false).expect("it is taken").expect("names have it")
    }

    fn built(text: &str) -> Regex {
        let mut builder = RegexBuilder::new(&read(text).text);
        builder.unicode(false).build().expect("it compiles as the engine compiles it")
    }

    fn refusal(text: &str) -> String {
        expression(text, false).expect_err(text)
    }

    #[test]
    fn expressions_are_searched_for_without_case() {
        assert!(built(r"^AD[SV]?\.").is_match(b"ads.x.com"));
        assert!(built("Track(er|ing)").is_match(b"my-tracker.com"));
        assert!(!built("^track").is_match(b"my-tracker.com"));
        assert!(read("^ADS").text.contains("ads"), "one text to look for, not two letters each");
    }

    #[test]
    fn escapes_and_brackets_of_other_engines_are_tolerated() {
        assert!(built(r"^ad\-s\_x\.c").is_match(b"ad-s_x.com"));
        assert!(built(r"\<ads").is_match(b"x<ads"));
        assert!(built(r"^x[[&~a]d\.").is_match(b"xad.com"));
        assert!(built(r"^x[^]b]d\.").is_match(b"xad.com"));
        assert!(built(r"^x[[:digit:]]d\.").is_match(b"x1d.com"));
        assert!(built(r"^x[\]\-a]d\.").is_match(b"x-d.com"));
        assert!(matches!(expression(r"^https?\:\/\/ads", false), Ok(None)));
    }

    #[test]
    fn what_takes_more_than_linear_time_is_refused_with_that_reason() {
        for text in ["^(?!www)ads", "^(?=ads)", "(?<=x)ads", "(?<!x)ads"] {
            assert!(refusal(text).starts_with("look-around"), "{text}");
        }
        assert!(refusal(r"(a)x\1").starts_with("back-references"));
    }

    #[test]
    fn wrong_and_huge_expressions_are_refused() {
        for text in ["(", "[a", "a{2", "*a", r"a\"] {
            assert!(refusal(text).starts_with("the expression is wrong: "), "{text}");
            assert!(!refusal(text).contains('\n'), "{text}");
        }
        assert_eq!(refusal("(ab{500}){500}"), "the expression is over 1 MiB compiled");
    }

    #[test]
    fn expressions_for_everything_are_refused_from_lists_only() {
        for text in ["", "a*", "(ads)?", "^", "^$"] {
            assert_eq!(refusal(text), "the expression matches the empty text", "{text}");
            assert!(expression(text, true).is_ok(), "{text}");
        }
        for text in [".", "^.+$", r"\.", r"^[a-z0-9.-]{4,}", r"\w"] {
            assert_eq!(refusal(text), "the expression matches every name", "{text}");
            assert!(expression(text, true).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_needs_a_colon_or_slash_is_in_no_name() {
        for text in [r"^88\.208\.22\.[1234]:", r"ads\/banner", "^https?:", "[:/]ads"] {
            assert_eq!(expression(text, false), Ok(None), "{text}");
        }
        for text in ["ads[:/]?", "ads(:80|x)", "[^a-z.]ads"] {
            assert!(matches!(expression(text, false), Ok(Some(_))), "{text}");
        }
    }

    #[test]
    fn expressions_for_addresses_are_known() {
        let addresses = [
            r"^1\.2\.3\.4",
            r"^142\.91\.159\.(1[5-9]\d|2[0-4]\d|250)$",
            r"^(10\.1\.|192\.168\.)",
            r"^185\.1[0-9]+\.7\..*",
            "^2001:db8:",
        ];
        for text in addresses {
            assert!(read(text).addresses, "{text}");
        }
        for text in [r"^\d+\.x", r"^1\.ads\.", r"^[0-9]{4,}\.", r"(\d+\.){3}\d+", r"^12\d-\."] {
            assert!(!read(text).addresses, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_compiles_as_the_engine_compiles_it(text in r"[\[\](|)*+?{},1\\dab.^$:&~_-]{0,12}") {
            if let Ok(Some(pattern)) = expression(&text, true) {
                let built = RegexBuilder::new(&pattern.text).unicode(false).build();
                prop_assert!(built.is_ok(), "{}", pattern.text);
            }
        }

        #[test]
        fn it_means_what_was_written(
            text in r"(\^|)([abAB]|\(ab\|B\)|\[aB-\]|\[\^a\]|\.|a\{2\}|b\*|\(Ab\)\+){1,5}(\$|)",
            name in "[ab.-]{1,10}",
        ) {
            let written = RegexBuilder::new(&text).unicode(false).case_insensitive(true).build();
            let written = written.expect("an expression").is_match(name.as_bytes());
            let pattern = expression(&text, true).expect("it is taken").expect("names have it");
            let read = RegexBuilder::new(&pattern.text).unicode(false).build().expect("built");
            prop_assert_eq!(read.is_match(name.as_bytes()), written);
        }
    }
}
