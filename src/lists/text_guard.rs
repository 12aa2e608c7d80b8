//! Text patterns of lists, held against the names that no list may block.

use regex::bytes::{Regex, RegexBuilder};
use regex::escape;

use crate::model::DomainName;
use crate::rules::{TextPattern, TextSyntax};

/// Largest compiled expression; the engine's own bound.
const MAX_SIZE: usize = 1 << 20;

/// Names unlike each other and unlike any that is looked for: what matches all, matches every name.
const UNLIKE: [&str; 4] = ["qjx7.zv-k.example", "0.wf_y.test", "hm", "a.b.c.d.e.f.xn--p1ai"];

/// The protected names as text.
pub struct TextGuard(Vec<String>);

impl TextGuard {
    /// Takes the protected names.
    pub fn new<'n>(names: impl Iterator<Item = &'n DomainName>) -> TextGuard {
        TextGuard(names.map(ToString::to_string).collect())
    }

    /// Returns why a list may not have a pattern, if so; an allowlist may name what is protected.
    pub fn refusal(&self, pattern: &TextPattern, allowlist: bool) -> Option<&'static str> {
        let expression = match pattern.syntax {
            TextSyntax::Regex => pattern.text.to_string(),
            TextSyntax::Glob => glob_expression(&pattern.text),
        };
        let mut builder = RegexBuilder::new(&expression);
        builder.unicode(false).case_insensitive(true).size_limit(MAX_SIZE);
        // What does not compile is refused with its reason when it is taken in.
        let regex: Regex = builder.build().ok()?;
        let hits = |text: &str| regex.is_match(text.as_bytes()) != pattern.inverted;
        if hits("") && !pattern.inverted {
            Some("a pattern that every name matches")
        } else if UNLIKE.iter().all(|text| hits(text)) {
            Some("a pattern that nearly every name matches")
        } else if !allowlist && self.0.iter().any(|name| hits(name)) {
            Some("a pattern that an essential name matches, which no list may block")
        } else {
            None
        }
    }
}

/// Writes AdGuard's marks as a regular expression over names.
fn glob_expression(glob: &str) -> String {
    let (start, rest) = match (glob.strip_prefix("||"), glob.strip_prefix('|')) {
        (Some(rest), _) => (r"(?:^|\.)", rest),
        (_, Some(rest)) => ("^", rest),
        _ => ("", glob),
    };
    let (rest, end) = match rest.strip_suffix(['|', '^']) {
        Some(rest) => (rest, "$"),
        None => (rest, ""),
    };
    // `^` within stands for a character that no name has.
    let part = |part: &str| part.split('^').map(escape).collect::<Vec<_>>().join(r"[^\w.%-]");
    let parts: Vec<String> = rest.split('*').map(part).collect();
    format!("{start}{}{end}", parts.join(".*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(syntax: TextSyntax, text: &str, inverted: bool) -> Option<&'static str> {
        let names = ["captive.apple.com", "time.windows.com"];
        let names = names.map(|name| DomainName::parse(name).expect("a name"));
        let pattern = TextPattern { syntax, text: text.into(), inverted, addresses: false };
        TextGuard::new(names.iter()).refusal(&pattern, false)
    }

    #[test]
    fn patterns_that_match_all_or_what_is_essential_are_refused() {
        let regex = TextSyntax::Regex;
        for text in ["", ".*", "a*", "^", "x?", r"^[a-z0-9._-]+$", r"\w", "apple", "^time\\."] {
            assert!(refusal(regex, text, false).is_some(), "{text}");
        }
        for text in ["^ads[0-9]+\\.", "tracker", "^apple", "("] {
            assert_eq!(refusal(regex, text, false), None, "{text}");
        }
        assert!(refusal(regex, "tracker", true).is_some(), "all but trackers");
    }

    #[test]
    fn globs_mean_what_adguard_means() {
        let glob = TextSyntax::Glob;
        for text in
            ["*", "||*^", "||captive.", "|time.", "s.com|", "cap*apple", "||apple.com^", "."]
        {
            assert!(refusal(glob, text, false).is_some(), "{text}");
        }
        for text in ["||pple.com^", "|captive.apple.co^", "ad*.x.com", "_ad_", "apple^com", "+"] {
            assert_eq!(refusal(glob, text, false), None, "{text}");
        }
    }

    #[test]
    fn an_allowlist_may_name_what_is_essential_but_not_everything() {
        let pattern = |text: &str| TextPattern {
            syntax: TextSyntax::Glob,
            text: text.into(),
            inverted: false,
            addresses: false,
        };
        let name = DomainName::parse("captive.apple.com").expect("a name");
        let guard = TextGuard::new([&name].into_iter());
        assert_eq!(guard.refusal(&pattern("captive"), true), None);
        assert!(guard.refusal(&pattern("*"), true).is_some());
    }
}
