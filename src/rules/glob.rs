//! AdGuard's text patterns, held against the presentation form of a name.

use crate::model::Ends;

/// A text pattern: where it begins, its text with `*` in it, where it ends.
///
/// A match takes one pass over the name per run of text and allocates nothing. Leftmost finds are
/// enough: whatever stands behind an earlier find of a run also stands behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob {
    text: Box<[u8]>,
    start: Start,
    ends: bool,
}

/// Where the text of a pattern begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Start {
    /// Anywhere.
    Anywhere,
    /// At the beginning of the name.
    Name,
    /// At the beginning of a label.
    Label,
}

impl Glob {
    /// Reads a pattern: `||` or `|` in front, `^` or `|` behind, `*` for any run of characters.
    ///
    /// A `^` is the end of the name: nothing else that it stands for is found in names.
    pub fn new(pattern: &str) -> Glob {
        let (start, rest) = match (pattern.strip_prefix("||"), pattern.strip_prefix('|')) {
            (Some(rest), _) => (Start::Label, rest),
            (None, Some(rest)) => (Start::Name, rest),
            (None, None) => (Start::Anywhere, pattern),
        };
        let text = rest.trim_end_matches(['^', '|']);
        Glob { text: text.as_bytes().into(), start, ends: text.len() < rest.len() }
    }

    /// Returns the longest run of text that every name it matches holds.
    pub fn literal(&self) -> &[u8] {
        let runs = self.text.split(|&octet| octet == b'*');
        runs.max_by_key(|run| run.len()).unwrap_or_default()
    }

    /// Tells how the names begin or end that it matches; false if that is in too many ways.
    pub fn tell_ends(&self, ends: &mut Ends) -> bool {
        let mut runs = self.text.split(|&octet| octet == b'*');
        let first = runs.next().unwrap_or_default();
        let last = runs.next_back().unwrap_or(first);
        self.ends && ends.take_ends(&[last.to_vec()])
            || self.start == Start::Name && ends.take_fronts(&[first.to_vec()])
    }

    /// Returns whether a name matches: its presentation form, lower case, without final dot.
    pub fn matches(&self, name: &[u8]) -> bool {
        let mut runs = self.text.split(|&octet| octet == b'*');
        let first = runs.next().unwrap_or_default();
        let Some(last) = runs.next_back() else {
            return self.matches_run(name, first);
        };
        let rest = self.behind_first(name, first);
        let rest = runs.try_fold(rest, |rest, run| rest.map(|rest| behind(rest, run)));
        match rest.flatten() {
            Some(rest) if self.ends => rest.ends_with(last),
            Some(rest) => behind(rest, last).is_some(),
            None => false,
        }
    }

    /// Matches a pattern without `*`.
    fn matches_run(&self, name: &[u8], run: &[u8]) -> bool {
        if !self.ends {
            return self.behind_first(name, run).is_some();
        }
        let Some(before) = name.strip_suffix(run) else {
            return false;
        };
        match self.start {
            Start::Anywhere => true,
            Start::Name => before.is_empty(),
            Start::Label => ends_at_label(before),
        }
    }

    /// Returns what stands behind the first place where the text may begin.
    fn behind_first<'n>(&self, name: &'n [u8], run: &[u8]) -> Option<&'n [u8]> {
        match self.start {
            Start::Anywhere => behind(name, run),
            Start::Name => name.strip_prefix(run),
            Start::Label => {
                let mut places = (0..=name.len()).filter_map(|at| name.split_at_checked(at));
                places.find_map(|(before, rest)| {
                    rest.strip_prefix(run).filter(|_| ends_at_label(before))
                })
            }
        }
    }
}

/// Returns what stands behind the first find of a run.
fn behind<'n>(name: &'n [u8], run: &[u8]) -> Option<&'n [u8]> {
    if run.is_empty() {
        return Some(name);
    }
    let at = name.windows(run.len()).position(|window| window == run)?;
    name.get(at + run.len()..)
}

/// Returns whether a label begins behind this: `\.` is part of a label, `.` and `\\.` end one.
fn ends_at_label(before: &[u8]) -> bool {
    let Some(label) = before.strip_suffix(b".") else {
        return before.is_empty();
    };
    label.iter().rev().take_while(|&&octet| octet == b'\\').count() % 2 == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::new(pattern).matches(name.as_bytes())
    }

    /// The pattern as a regular expression, each mark turned into what it says.
    fn twin(pattern: &str) -> Regex {
        let text = pattern.trim_start_matches('|');
        let start = match pattern.len() - text.len() {
            0 => "",
            1 => "^",
            _ => r"(?:^|\.)",
        };
        let body = text.trim_end_matches(['^', '|']);
        let end = if body.len() < text.len() { "$" } else { "" };
        let runs: Vec<String> = body.split('*').map(regex::escape).collect();
        Regex::new(&format!("{start}{}{end}", runs.join(".*"))).expect("an expression")
    }

    #[test]
    fn text_is_found_where_its_marks_allow() {
        let cases = [
            ("||metric-", &["metric-1.x.com", "a.metric-"][..], &["xmetric-1.com", "metric.x"][..]),
            ("||ads.", &["ads.x.com", "x.ads.com"], &["xads.com", "x.ads"]),
            ("||ad*.x.com^", &["ads.x.com", "b.ad.c.x.com"], &["bad.x.com", "ad.x.com.org"]),
            ("|ads", &["ads.x.com", "adsl.com"], &["x.ads.com", "a"]),
            ("|a*.com|", &["a.com", "ab.c.com"], &["ba.com", "a.com.org"]),
            ("x.com^", &["x.com", "ax.com", "a.x.com"], &["x.com.org"]),
            ("exam*.com", &["onemoreexamsite.com", "exam.com.org"], &["exa.com", ".comexam"]),
            ("-ads.", &["x-ads.com"], &["ads.com", "x-ads"]),
            ("*ads*.*com^", &["ads.com", "xadsx.x.com"], &["adscom", "ads.com.x"]),
            ("ab*ba^", &["abba", "abxba"], &["aba", "abab"]),
        ];
        for (pattern, met, spared) in cases {
            for name in met {
                assert!(matches(pattern, name), "{pattern} {name}");
            }
            for name in spared {
                assert!(!matches(pattern, name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn a_dot_within_a_label_is_no_border() {
        assert!(matches("||ads.", r"x\\.ads.com"));
        assert!(!matches("||ads.", r"x\.ads.com"));
        assert!(!matches("||ads.com^", r"x\.ads.com"));
    }

    #[test]
    fn the_longest_run_is_what_a_match_must_hold() {
        assert_eq!(Glob::new("||ad*.x.com^").literal(), b".x.com");
        assert_eq!(Glob::new("|metric-|").literal(), b"metric-");
        assert_eq!(Glob::new("*").literal(), b"");
        assert_eq!(Glob::new("").literal(), b"");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_matches_what_its_twin_of_expressions_matches(
            pattern in r"\|{0,2}[ab.*-]{1,7}[\^|]?",
            name in r"[ab-]{1,4}(\.[ab-]{1,4}){0,3}",
        ) {
            let glob = Glob::new(&pattern);
            prop_assert_eq!(glob.matches(name.as_bytes()), twin(&pattern).is_match(name.as_bytes()));
            if glob.matches(name.as_bytes()) {
                prop_assert!(behind(name.as_bytes(), glob.literal()).is_some());
            }
        }

        #[test]
        fn no_octets_make_it_panic(pattern in ".{0,12}", name: Vec<u8>) {
            let _ = Glob::new(&pattern).matches(&name);
        }
    }
}
