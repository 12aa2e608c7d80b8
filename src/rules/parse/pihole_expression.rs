//! Pi-hole's regular expressions, POSIX extended ones as TRE reads them, as those of `regex`.
//!
//! What is refused there is refused here; what only TRE has is refused with that reason. Letters
//! become lower case, as names are.

/// Largest count in braces.
const MAX_COUNT: u32 = 255;

/// Returns the expression in the syntax of the `regex` crate.
pub fn translate(expression: &str) -> Result<String, String> {
    if let Some(other) = expression.chars().find(|letter| !letter.is_ascii()) {
        return Err(format!(
            "`{}` is in no name: names are written in ASCII",
            other.escape_debug()
        ));
    }
    let (rest, out) = (expression.as_bytes(), String::with_capacity(expression.len() + 8));
    let mut translator = Translator { rest, out, depth: 0, before: Before::Nothing };
    while let Some(octet) = translator.next() {
        translator.take(octet)?;
    }
    match translator.depth {
        0 => Ok(translator.out),
        _ => Err("a parenthesis is not closed".to_string()),
    }
}

/// What stands before the place that is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The beginning of the expression, of a group or of an alternative.
    Nothing,
    /// What can be repeated.
    Atom,
    /// A repetition.
    Repetition,
    /// A repetition with the mark for the shortest match.
    Shortest,
}

/// An expression being read.
struct Translator<'t> {
    rest: &'t [u8],
    out: String,
    depth: u32,
    before: Before,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&octet, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(octet)
    }

    fn eat(&mut self, text: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take(&mut self, octet: u8) -> Result<(), String> {
        match octet {
            b'(' => return self.open(),
            b')' if self.depth == 0 => return Err("a parenthesis is not opened".to_string()),
            b')' => {
                self.depth -= 1;
                self.out.push(')');
            }
            b'|' => {
                self.out.push('|');
                self.before = Before::Nothing;
                return Ok(());
            }
            b'*' | b'+' | b'?' => return self.repeat(octet),
            b'{' => return self.count(),
            b'[' => self.bracket()?,
            b'\\' => self.escape()?,
            b'.' | b'^' | b'$' => self.out.push(octet.into()),
            literal => self.literal(literal),
        }
        self.before = Before::Atom;
        Ok(())
    }

    /// TRE's groups with flags are plain ones where the flag is the one that holds anyway.
    fn open(&mut self) -> Result<(), String> {
        if self.eat(b"?#") {
            let length = self.rest.iter().position(|&octet| octet == b')');
            let length = length.ok_or("a comment is not closed")?;
            self.rest = self.rest.get(length + 1..).unwrap_or_default();
            return Ok(());
        }
        if self.eat(b"?i)") {
            return Ok(());
        }
        if self.rest.starts_with(b"?") && !self.eat(b"?:") && !self.eat(b"?i:") {
            return Err("`(?` begins what only TRE has: flags and look-around".to_string());
        }
        self.depth += 1;
        self.out.push_str("(?:");
        self.before = Before::Nothing;
        Ok(())
    }

    /// Which of the matches is found does not matter: the mark for the shortest one goes.
    fn repeat(&mut self, octet: u8) -> Result<(), String> {
        self.before = match (self.before, octet) {
            (Before::Atom, _) => {
                self.out.push(octet.into());
                Before::Repetition
            }
            (Before::Repetition, b'?') => Before::Shortest,
            _ => return Err(self.nothing_to_repeat(octet)),
        };
        Ok(())
    }

    fn nothing_to_repeat(&self, octet: u8) -> String {
        let what = if self.before == Before::Nothing { "nothing" } else { "a repetition" };
        format!("`{}` stands behind {what}", char::from(octet))
    }

    /// `{n}`, `{n,}`, `{,m}`, `{n,m}`
    fn count(&mut self) -> Result<(), String> {
        if self.before == Before::Nothing {
            return Err(self.nothing_to_repeat(b'{'));
        }
        let length = self.rest.iter().position(|&octet| octet == b'}');
        let (counts, rest) = self.rest.split_at(length.ok_or("a brace is not closed")?);
        self.rest = rest.get(1..).unwrap_or_default();
        let text = std::str::from_utf8(counts).unwrap_or_default();
        let (least, most) = text.split_once(',').unwrap_or((text, text));
        if !text.bytes().all(|octet| octet.is_ascii_digit() || octet == b',') {
            let approximate = text.contains(['~', '#', '+', '-', '<']);
            let only = "approximate matching, which only TRE has";
            return Err(if approximate { only } else { "no count stands in braces" }.to_string());
        }
        let count = |digits: &str| digits.parse().ok().filter(|&count: &u32| count <= MAX_COUNT);
        let counts = match (least, most) {
            ("", "") => None,
            ("", most) => count(most).map(|most| format!("{{0,{most}}}")),
            (least, "") => count(least).map(|least| format!("{{{least},}}")),
            (least, most) => match (count(least), count(most)) {
                (Some(least), Some(most)) if least <= most => Some(format!("{{{least},{most}}}")),
                _ => None,
            },
        };
        self.out.push_str(&counts.ok_or_else(|| format!("`{{{text}}}` is no count up to 255"))?);
        self.before = Before::Repetition;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let escaped = self.next().ok_or("a backslash stands at the end")?;
        let only = |what: &str| Err(format!("{what}, which only TRE has"));
        match escaped {
            b'<' => self.out.push_str(r"\b{start}"),
            b'>' => self.out.push_str(r"\b{end}"),
            b'b' | b'B' => self.out.extend(['\\', escaped.into()]),
            b'w' => self.out.push_str("[0-9_a-z]"),
            b'W' => self.out.push_str("[^0-9_a-z]"),
            b'd' => self.out.push_str("[0-9]"),
            b'D' => self.out.push_str("[^0-9]"),
            b's' => self.out.push_str(r"[\x09-\x0d\x20]"),
            b'S' => self.out.push_str(r"[^\x09-\x0d\x20]"),
            b't' => self.literal(b'\t'),
            b'n' => self.literal(b'\n'),
            b'r' => self.literal(b'\r'),
            b'f' => self.literal(b'\x0c'),
            b'a' => self.literal(b'\x07'),
            b'e' => self.literal(b'\x1b'),
            b'0'..=b'9' => return only("a back-reference"),
            b'Q' => return only(r"`\Q` for literal text"),
            b'x' => return only(r"`\x` for a character by its number"),
            literal => self.literal(literal),
        }
        Ok(())
    }

    fn literal(&mut self, octet: u8) {
        if is_word(octet) || octet == b'-' {
            self.out.push(octet.to_ascii_lowercase().into());
        } else {
            self.out.push_str(&in_class(octet));
        }
    }

    /// What stands between brackets; a backslash has no meaning there.
    fn bracket(&mut self) -> Result<(), String> {
        let negated = self.eat(b"^");
        let mut octets = Octets::default();
        let mut is_first = true;
        while is_first || !self.eat(b"]") {
            self.bracket_item(&mut octets, is_first)?;
            is_first = false;
        }
        self.out.push_str(if negated { "[^" } else { "[" });
        octets.write(&mut self.out);
        self.out.push(']');
        Ok(())
    }

    fn bracket_item(&mut self, octets: &mut Octets, is_first: bool) -> Result<(), String> {
        match *self.rest {
            [least, b'-', most, ..] if most != b']' => {
                if least > most {
                    let (least, most) = (least.escape_ascii(), most.escape_ascii());
                    return Err(format!("the range `{least}-{most}` runs backwards"));
                }
                self.rest = self.rest.get(3..).unwrap_or_default();
                (least..=most).for_each(|octet| octets.insert(octet));
            }
            [b'[', b'.' | b'=', ..] => {
                return Err("collating elements are not taken in brackets".to_string());
            }
            [b'[', b':', ..] => self.class(octets)?,
            [b'-', next, ..] if next != b']' && !is_first => {
                return Err("a `-` in brackets stands behind a range".to_string());
            }
            [octet, ..] => {
                self.next();
                octets.insert(octet);
            }
            [] => return Err("a bracket is not closed".to_string()),
        }
        Ok(())
    }

    fn class(&mut self, octets: &mut Octets) -> Result<(), String> {
        let end = self.rest.windows(2).position(|pair| pair == b":]");
        let (named, rest) = self.rest.split_at(end.ok_or("a bracket is not closed")?);
        let name = named.get(2..).unwrap_or_default();
        let is_in: fn(&u8) -> bool = match name {
            b"alnum" => u8::is_ascii_alphanumeric,
            b"alpha" => u8::is_ascii_alphabetic,
            b"blank" => |octet| matches!(octet, b' ' | b'\t'),
            b"cntrl" => u8::is_ascii_control,
            b"digit" => u8::is_ascii_digit,
            b"graph" => u8::is_ascii_graphic,
            b"lower" => u8::is_ascii_lowercase,
            b"print" => |octet| matches!(octet, b' '..=b'~'),
            b"punct" => u8::is_ascii_punctuation,
            b"space" => |octet| matches!(octet, b'\t'..=b'\r' | b' '),
            b"upper" => u8::is_ascii_uppercase,
            b"xdigit" => u8::is_ascii_hexdigit,
            _ => return Err(format!("there is no class `[:{}:]`", name.escape_ascii())),
        };
        (0..=127).filter(is_in).for_each(|octet| octets.insert(octet));
        self.rest = rest.get(2..).unwrap_or_default();
        Ok(())
    }
}

/// A set of ASCII octets, letters as lower case.
#[derive(Default)]
struct Octets(u128);

impl Octets {
    fn insert(&mut self, octet: u8) {
        self.0 |= 1_u128.checked_shl(octet.to_ascii_lowercase().into()).unwrap_or_default();
    }

    fn contains(&self, octet: u8) -> bool {
        self.0.checked_shr(octet.into()).unwrap_or_default() & 1 == 1
    }

    /// Writes the set as ranges.
    fn write(&self, out: &mut String) {
        let mut octets = (0..=127).filter(|&octet| self.contains(octet)).peekable();
        while let Some(first) = octets.next() {
            let mut last = first;
            while let Some(next) = octets.next_if(|&next| next == last + 1) {
                last = next;
            }
            out.push_str(&in_class(first));
            if last > first {
                out.push('-');
                out.push_str(&in_class(last));
            }
        }
    }
}

fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
}

/// Writes an octet so that it has no meaning of its own, in brackets or outside.
fn in_class(octet: u8) -> String {
    match octet {
        b'.' => r"\.".to_string(),
        octet if is_word(octet) => char::from(octet.to_ascii_lowercase()).to_string(),
        octet => format!("\\x{octet:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use regex::bytes::RegexBuilder;

    use super::*;

    fn finds(expression: &str, name: &str) -> bool {
        let translated = translate(expression).unwrap_or_else(|why| panic!("{expression}: {why}"));
        let built = RegexBuilder::new(&translated).unicode(false).build();
        built.unwrap_or_else(|error| panic!("{expression}: {error}")).is_match(name.as_bytes())
    }

    #[test]
    fn what_is_usual_is_written_alike() {
        let cases = [
            (r"(\.|^)example\.com$", r"(?:\.|^)example\.com$"),
            ("^ad([sxv]?[0-9]*|system)[_.-]", r"^ad(?:[svx]?[0-9]*|system)[\x2d-\._]"),
            ("^(.+[_.-])?telemetry", r"^(?:.+[\x2d-\._])?telemetry"),
            ("AD[A-Z]{2,3}", "ad[a-z]{2,3}"),
            ("a(?#note)b", "ab"),
            ("(?:a|b)(?i)c", "(?:a|b)c"),
        ];
        for (expression, expected) in cases {
            assert_eq!(translate(expression).as_deref(), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn it_is_found_anywhere_unless_anchored() {
        assert!(finds("ads", "x.loads.com") && !finds("^ads", "x.ads.com"));
        assert!(finds("com$", "x.com") && !finds("com$", "x.com.au"));
        assert!(finds("(^|\\.)x\\.com$", "a.x.com") && !finds("(^|\\.)x\\.com$", "ax.com"));
        assert!(finds("", "x.com") && finds("a|", "x.com") && finds("()", "x.com"));
    }

    #[test]
    fn case_does_not_count() {
        assert!(finds("EXAMPLE", "example.com") && finds("[A-F]x", "ax.com"));
        assert!(finds("[[:upper:]]", "a.1") && !finds("[^A-Z.]", "a.b"));
        assert!(finds("X{1,2}[[:xdigit:]]", "xxf"));
    }

    #[test]
    fn brackets_are_those_of_posix() {
        assert!(finds(r"^[\.]$", "\\") && finds(r"^[\.]$", ".") && !finds(r"^[\d]$", "5"));
        assert!(finds("^[]a]$", "]") && finds("^[^]a]$", "b") && !finds("^[^]a]$", "]"));
        assert!(finds("^[a-]$", "-") && finds("^[-a]$", "-") && finds("^[--/]$", "."));
        assert!(finds("^[a-c^]$", "^") && finds("^[[]$", "[") && finds("^[&&a]$", "&"));
        assert!(finds("^[[:alpha:][:digit:]_-]+$", "a_1-") && !finds("^[[:punct:]]$", "a"));
    }

    #[test]
    fn words_have_borders() {
        assert!(finds(r"\<ads\>", "x.ads.com") && !finds(r"\<ads\>", "x.loads.com"));
        assert!(
            finds(r"\bads\b", "x-ads.com") && finds(r"\Bads", "loads") && finds(r"\w\W\d", "a.1")
        );
        assert!(finds(r"\D", "a") && !finds(r"\D", "1") && !finds(r"\s", "a") && finds(r"\S", "a"));
    }

    #[test]
    fn repetitions_are_counted() {
        assert!(finds("^a{2}$", "aa") && finds("^a{2,}$", "aaa") && finds("^a{,2}$", ""));
        assert!(finds("^(ab){2}c*?d??$", "abab") && finds("^a{2}{2}$", "aaaa"));
        assert!(finds("^a{255}$", &"a".repeat(255)) && finds("a}", "a}"));
    }

    #[test]
    fn what_posix_refuses_is_refused() {
        for expression in [
            "a**",
            "a*+",
            "a++",
            "a?+",
            "a{2}*",
            "*a",
            "+a",
            "?a",
            "(*a)",
            "a|*b",
            "f{x}",
            "{1",
            "a{1",
            "{1}",
            "a{}",
            "a{,}",
            "a{2,1}",
            "a{256}",
            "a{1,999}",
            "a{99999999999}",
            "[[.foo.]]",
            "[[=a=]]",
            "[[:foobar:]]",
            "[[:alpha",
            "[[:alpha:",
            "[g-1]",
            "[a-c-e]",
            "[[:digit:]-z]",
            "[a",
            "[",
            "[]",
            "[^]",
            "(a",
            "a)",
            "(",
            ")",
            "\\",
            "a\\",
            "(?#a",
            "\u{fc}",
            "[\u{fc}]",
        ] {
            assert!(translate(expression).is_err(), "{expression}");
        }
    }

    #[test]
    fn what_only_tre_has_is_refused_with_that_reason() {
        for expression in [
            r"(a)\2",
            r"\1",
            "a{~1}",
            "(foo){+1}",
            "a{#2}",
            "(?n)a",
            "(?=a)",
            "(?<!a)",
            r"\Qa",
            r"\x41",
        ] {
            let why = translate(expression).expect_err("refused");
            assert!(why.contains("only TRE has"), "{expression}: {why}");
        }
    }
}
