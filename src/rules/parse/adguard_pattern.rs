//! AdGuard's patterns: whole names and addresses out of them where that is what they say.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::{DomainName, NameError, Prefix};

use super::{Pattern, Refusal, TextPattern, TextSyntax, address, expression, is_blank};

/// Fewest characters of a pattern that nothing else restricts.
const SHORTEST: usize = 3;

/// Longest text of a name.
const LONGEST: usize = 253;

/// Beginnings that say no more than that the name begins.
const SCHEMES: [&str; 4] = ["://", "http://", "https://", "*://"];

/// What a pattern is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// These names or addresses.
    Pattern(Pattern),
    /// These, which are too many unless something else restricts the rule.
    TooWide(Pattern),
    /// Nothing that DNS has: it is for the address of a page.
    NoName,
}

/// Where a text begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Anywhere,
    Name,
    Label,
}

/// What stands behind a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing is said.
    Open,
    /// `*`: anything, said aloud.
    Any,
    /// The end of the name.
    Name,
}

/// A pattern taken apart: `||`, text, `^`.
struct Parts<'p> {
    start: Start,
    /// Whether the text begins with a `*`, which is taken off; then it starts anywhere.
    after_any: bool,
    text: &'p str,
    end: End,
}

/// Reads a pattern; the owner's own may be expressions that match everything.
pub fn pattern(text: &str, own: bool) -> Result<Meaning, Refusal> {
    if let Some(inner) = inner_expression(text) {
        let found = expression(inner, own).map_err(Refusal::Because)?;
        let found = found.map(|text| Meaning::Pattern(Pattern::Text(text)));
        return Ok(found.unwrap_or(Meaning::NoName));
    }
    if text == "|.^" || text == "|.|" {
        return Ok(Meaning::Pattern(Pattern::Exact(DomainName::root())));
    }
    let meaning = match take_apart(text) {
        Some(parts) => parts.meaning()?,
        None => Meaning::NoName,
    };
    Ok(match meaning {
        Meaning::Pattern(pattern) if text.chars().count() < SHORTEST => Meaning::TooWide(pattern),
        other => other,
    })
}

/// Returns what stands between the slashes of an expression.
pub fn inner_expression(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/').filter(|inner| !inner.is_empty())
}

/// Returns whether a text without marks is a name rather than a part of names: `foo`, `_a.x.com`.
pub fn is_plain_name(text: &str) -> bool {
    let unquoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = unquoted.unwrap_or(text);
    if text.contains(['*', '/', ':']) {
        return false;
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.contains('.') {
        return !name.starts_with('.');
    }
    let edge = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    name.len() == text.len() && edge(name.chars().next()) && edge(name.chars().next_back())
}

/// Returns whether `||x` forgot its `^`: x is a whole host name.
fn is_whole_host(text: &str) -> bool {
    let Some((_, last)) = text.rsplit_once('.') else {
        return false;
    };
    let letters = !last.is_empty() && last.chars().all(char::is_alphabetic);
    (letters || last.starts_with("xn--")) && DomainName::parse(text).is_ok()
}

/// Takes the anchors off; `None` where the path of a page begins.
fn take_apart(text: &str) -> Option<Parts<'_>> {
    let scheme = |text: &'_ str| SCHEMES.iter().find(|scheme| text.starts_with(**scheme)).copied();
    let name_start = text.strip_prefix('|').filter(|rest| !rest.starts_with('|')).unwrap_or(text);
    let (start, rest) = if let Some(scheme) = scheme(name_start) {
        (Start::Name, name_start.get(scheme.len()..)?)
    } else if let Some(rest) = text.strip_prefix("||") {
        (Start::Label, rest)
    } else if let Some(rest) = text.strip_prefix('|') {
        (Start::Name, rest)
    } else if let Some(rest) = text.strip_prefix('/') {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        (rest.len() > 1 && rest.ends_with('.') && rest.chars().all(inner))
            .then_some((Start::Name, rest))?
    } else {
        (Start::Anywhere, text)
    };
    let (rest, end) = cut_end(rest);
    let text = rest.trim_start_matches('*');
    let after_any = text.len() < rest.len();
    let start = if after_any { Start::Anywhere } else { start };
    Some(Parts { start, after_any, text, end })
}

/// Takes off what stands behind the text: a lone `/` or `|` ends a name as `^` does.
fn cut_end(text: &str) -> (&str, End) {
    let (mut text, mut end) = (text, End::Open);
    loop {
        (text, end) = match text.strip_suffix(['^', '|', '/']) {
            Some(rest) => (rest, End::Name),
            None => match text.strip_suffix('*') {
                Some(rest) => (rest, End::Any),
                None => return (text, end),
            },
        };
    }
}

impl Parts<'_> {
    fn meaning(self) -> Result<Meaning, Refusal> {
        if let Some(pattern) = self.addresses() {
            let all = matches!(pattern, Pattern::Address(prefix) if prefix.bits() == 0);
            return Ok(if all { Meaning::TooWide(pattern) } else { Meaning::Pattern(pattern) });
        }
        if !self.text.contains(|c: char| !matches!(c, '.' | '*')) {
            return match self.text {
                "" | "." => Ok(Meaning::TooWide(Pattern::Everything)),
                _ => Ok(Meaning::TooWide(self.glob()?)),
            };
        }
        if self.text.contains(is_blank) {
            return Err(Refusal::Because("a blank within the pattern".to_string()));
        }
        if self.text.contains(is_of_pages) {
            return Ok(Meaning::NoName);
        }
        let pattern = if self.text.contains('*') { self.glob()? } else { self.name_or_text()? };
        Ok(Meaning::Pattern(pattern))
    }

    /// Reads a text without `*` in it.
    fn name_or_text(&self) -> Result<Pattern, Refusal> {
        let text = self.text;
        Ok(match (self.start, self.end) {
            (Start::Label, End::Name) => Pattern::Subtree(DomainName::parse(text)?),
            (Start::Label, End::Open) if is_whole_host(text) => {
                Pattern::Subtree(DomainName::parse(text)?)
            }
            (Start::Name, End::Name) => Pattern::Exact(DomainName::parse(text)?),
            (Start::Anywhere, End::Name) if text.starts_with('.') => {
                Pattern::Below(DomainName::parse(text.trim_start_matches('.'))?)
            }
            (Start::Anywhere, End::Open) if !self.after_any && is_plain_name(text) => {
                Pattern::Exact(DomainName::parse(text)?)
            }
            _ => self.glob()?,
        })
    }

    fn glob(&self) -> Result<Pattern, Refusal> {
        let mut text = String::from(match self.start {
            Start::Anywhere => "",
            Start::Name => "|",
            Start::Label => "||",
        });
        let mut last = '^';
        for character in self.text.chars() {
            match (last, character) {
                ('.', '.') => return Err(NameError::EmptyLabel.into()),
                ('*', '*') => {}
                (_, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | '*') => {
                    text.push(character.to_ascii_lowercase());
                }
                (_, other) if other.is_ascii() => {
                    return Err(NameError::BadCharacter(other).into());
                }
                _ => {
                    let why = "other letters than a to z in a text that is no whole name";
                    return Err(Refusal::Because(why.to_string()));
                }
            }
            last = character;
        }
        if text.len() > LONGEST {
            return Err(NameError::TooLong.into());
        }
        if self.end == End::Name {
            text.push('^');
        }
        Ok(text_pattern(TextSyntax::Glob, text, false))
    }

    /// Returns the addresses that are meant, if any.
    fn addresses(&self) -> Option<Pattern> {
        let inner = self.text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let text = inner.unwrap_or(self.text);
        if self.after_any {
            return None;
        }
        if self.end != End::Any
            && let Some(prefix) = prefix(text)
        {
            return Some(Pattern::Address(prefix));
        }
        // `1.2.3.*` begins with an address even without a mark in front; `||163.` is a name's label.
        let begins = self.start != Start::Anywhere || self.end == End::Any;
        let begins = begins && text.trim_end_matches('.').contains(['.', ':']);
        (begins && text.starts_with(|c: char| c.is_ascii_hexdigit()))
            .then(|| self.beginning_of_addresses(text))?
    }

    /// Reads the beginning of an address as text. `||1.2.` is a prefix, at borders of octets only.
    fn beginning_of_addresses(&self, text: &str) -> Option<Pattern> {
        let dotted = text.contains('.') && text.chars().all(|c| c.is_ascii_digit() || is_mark(c));
        let colons = text.matches(':').count() >= 2;
        let colons =
            colons && text.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '*'));
        if let Some(prefix) = octets_prefix(text).filter(|_| self.end != End::Name) {
            return Some(Pattern::Address(prefix));
        }
        let digits = match (dotted, colons) {
            (true, _) => "[0-9.]*",
            (_, true) => "[0-9a-f:]*",
            _ => return None,
        };
        if self.end == End::Name && !text.contains('*') {
            return None;
        }
        let text = text.to_ascii_lowercase().replace('.', r"\.").replace('*', digits);
        let rest = if self.end == End::Name { "" } else { digits };
        Some(text_pattern(TextSyntax::Regex, format!("^{text}{rest}$"), true))
    }
}

/// Reads an address or prefix, IPv4-mapped ones as IPv4.
pub fn prefix(text: &str) -> Option<Prefix> {
    match text.split_once('/') {
        Some((start, bits)) if bits.bytes().all(|octet| octet.is_ascii_digit()) => {
            format!("{}/{bits}", address(start)?).parse().ok()
        }
        Some(_) => None,
        None => address(text).map(Prefix::host),
    }
}

/// Reads `1.2.` as 1.2.0.0/16.
fn octets_prefix(text: &str) -> Option<Prefix> {
    let mut octets = [0_u8; 4];
    let mut count = 0_u8;
    for (place, part) in octets.iter_mut().zip(text.strip_suffix('.')?.split('.')) {
        *place = part.parse().ok().filter(|_| part.bytes().all(|octet| octet.is_ascii_digit()))?;
        count += 1;
    }
    let whole = text.matches('.').count() == usize::from(count) && count < 4;
    let start = IpAddr::V4(Ipv4Addr::from(octets));
    whole.then(|| format!("{start}/{}", count * 8).parse().ok())?
}

fn text_pattern(syntax: TextSyntax, text: String, addresses: bool) -> Pattern {
    Pattern::Text(TextPattern { syntax, text: text.into(), inverted: false, addresses })
}

fn is_mark(character: char) -> bool {
    matches!(character, '.' | '*')
}

/// Returns whether a character belongs to the address of a page, behind or around the host.
pub fn is_of_pages(character: char) -> bool {
    "/?=&:%;,+~@^|#$()[]{}'".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    fn read(text: &str) -> Pattern {
        match pattern(text, false) {
            Ok(Meaning::Pattern(pattern)) => pattern,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn glob(text: &str) -> Pattern {
        text_pattern(TextSyntax::Glob, text.to_string(), false)
    }

    fn addresses(text: &str) -> Pattern {
        Pattern::Address(text.parse().expect("a prefix"))
    }

    #[test]
    fn whole_names_are_no_texts() {
        for text in ["||x.com^", "||x.com|", "||x.com/", "||x.com/*", "||x.com^|", "||x.com^*"] {
            assert_eq!(read(text), Pattern::Subtree(name("x.com")), "{text}");
        }
        for text in ["||X.com.^", "||x.com", "||x.com/^"] {
            assert_eq!(read(text), Pattern::Subtree(name("x.com")), "{text}");
        }
        for text in ["|x.com^", "|x.com|", "://x.com^", "http://x.com/", "|https://x.com/", "x.com"]
        {
            assert_eq!(read(text), Pattern::Exact(name("x.com")), "{text}");
        }
        for text in [".x.com^", "*.x.com^", "||*.x.com^", "://*.x.com^", "|*.x.com|"] {
            assert_eq!(read(text), Pattern::Below(name("x.com")), "{text}");
        }
        assert_eq!(read("|.^"), Pattern::Exact(DomainName::root()));
        assert_eq!(read("||zip^"), Pattern::Subtree(name("zip")));
        assert_eq!(read("||müller.рф^"), Pattern::Subtree(name("müller.рф")));
        assert_eq!(read("||xn--e1aybc.xn--p1ai"), Pattern::Subtree(name("xn--e1aybc.xn--p1ai")));
        assert_eq!(read("||_ad.x_y.com^"), Pattern::Subtree(name("_ad.x_y.com")));
    }

    #[test]
    fn texts_keep_their_marks() {
        let cases = [
            ("||ads.", "||ads."),
            ("||metric-", "||metric-"),
            ("||x.com*", "||x.com"),
            ("||ads", "||ads"),
            ("|ads", "|ads"),
            ("://ads.x", "|ads.x"),
            ("https://ads", "|ads"),
            ("/ads.", "|ads."),
            ("ads.com|", "ads.com^"),
            ("ads.com^", "ads.com^"),
            ("example.org/*", "example.org^"),
            ("_ad_", "_ad_"),
            ("-ads.", "-ads."),
            ("exam*.com", "exam*.com"),
            ("*.x.com", ".x.com"),
            ("||*ads.com^", "ads.com^"),
            ("||AD*.x.com^", "||ad*.x.com^"),
            ("||ad**s*^", "||ad*s"),
            ("||ad*s^*", "||ad*s^"),
            ("||163.", "||163."),
        ];
        for (text, wanted) in cases {
            assert_eq!(read(text), glob(wanted), "{text}");
        }
    }

    #[test]
    fn addresses_are_known_in_all_forms() {
        for text in ["1.2.3.4", "||1.2.3.4^", "|1.2.3.4^", "1.2.3.4^", "||1.2.3.4", "://1.2.3.4/"] {
            assert_eq!(read(text), addresses("1.2.3.4"), "{text}");
        }
        for text in ["1234::cdef", "||1234:0::cdef^", "||[1234::cdef]^"] {
            assert_eq!(read(text), addresses("1234::cdef"), "{text}");
        }
        assert_eq!(read("||::ffff:1.2.3.4^"), addresses("1.2.3.4"));
        assert_eq!(read("1.2.3.7/24"), addresses("1.2.3.0/24"));
        assert_eq!(read("||2001:db8::/32^"), addresses("2001:db8::/32"));
    }

    #[test]
    fn beginnings_of_addresses_are_prefixes_or_texts() {
        for text in ["||1.2.3.", "://1.2.3.", "1.2.3.*", "|1.2.3.*", "||1.2.3.*^"] {
            assert_eq!(read(text), addresses("1.2.3.0/24"), "{text}");
        }
        assert_eq!(read("://104.154."), addresses("104.154.0.0/16"));
        let regex = |text: &str| text_pattern(TextSyntax::Regex, text.to_string(), true);
        assert_eq!(read("||104.15"), regex(r"^104\.15[0-9.]*$"));
        assert_eq!(read("||1.2.*.4^"), regex(r"^1\.2\.[0-9.]*\.4$"));
        assert_eq!(read("||2001:DB8:"), regex("^2001:db8:[0-9a-f:]*$"));
    }

    #[test]
    fn what_no_name_holds_is_for_pages() {
        for text in [
            "x.com/path",
            "||x.com/path",
            "||x.com/*/ads",
            "||x.com^*ads",
            "/ads/*",
            "/ads.js",
            "&ad_id=",
            "||x.com:8080^",
            "x.com:8080",
            "||x.com/?",
            "://x.com/a",
            "|http://x.com/a?*&b",
            "1.2.3.4:80",
            "1.2.3.4/index.html",
            "/^88\\.208\\.22\\.[1234]:/",
        ] {
            assert_eq!(pattern(text, false), Ok(Meaning::NoName), "{text}");
        }
    }

    #[test]
    fn short_and_boundless_patterns_are_too_wide() {
        for text in
            ["", "*", "|", "||", "||*", "||*^", "*^", "***", "://", "http://", "^", "*.*", "."]
        {
            let everything = Ok(Meaning::TooWide(Pattern::Everything));
            assert_eq!(pattern(text, false), everything, "{text}");
        }
        for text in ["a.", "x^", "-a"] {
            assert_eq!(pattern(text, false), Ok(Meaning::TooWide(glob(text))), "{text}");
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for text in [
            "||a..b^",
            "||.x.com^",
            "||x!y.com^",
            "||1.2.3^",
            "||300.1.1.1^",
            "a*..b",
            "||ü*.com^",
            "||foo bar^",
            "||x\\y.com^",
            "/(/",
            "/.*/",
        ] {
            assert!(pattern(text, false).is_err(), "{text}");
        }
        assert!(pattern(&format!("||{}^", "a".repeat(64)), false).is_err());
        assert!(pattern(&format!("||{}*^", "a".repeat(300)), false).is_err());
        assert!(pattern("/.*/", true).is_ok(), "an own rule may");
    }

    #[test]
    fn plain_names_are_told_from_parts_of_names() {
        for text in ["foo", "x.com", "x.com.", "_ad.x.com", "a_b.x.com", "-x.com", "ad_s", "müller"]
        {
            assert!(is_plain_name(text), "{text}");
        }
        for text in ["_ad_", "-ads.", "ads.", ".x.com", "", "-", "a*", "ad-"] {
            assert!(!is_plain_name(text), "{text}");
        }
    }
}
