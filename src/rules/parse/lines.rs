//! A list's octets as lines: encodings, line ends, comments.

use std::borrow::Cow;

use super::{Format, ListRefused, Refusal, is_cosmetic};

/// Longest line; compiled expressions are long.
const MAX_LINE_OCTETS: usize = 64 << 10;

/// One line as it lies in the list, without its end.
pub struct Line<'t> {
    /// Its number, from 1.
    pub number: u32,
    octets: &'t [u8],
}

/// What a line holds.
pub enum Content<'t> {
    /// Blanks or a comment.
    Nothing,
    /// Something else, without blanks around it.
    Text(&'t str),
    /// What cannot be read as text.
    Refused(Refusal),
}

/// The lines of a list; LF, CRLF and CR end them.
pub struct Lines<'t> {
    rest: &'t [u8],
    number: u32,
}

/// Drops a byte order mark; makes UTF-8 of UTF-16 that has one.
pub fn decode(octets: &[u8]) -> Cow<'_, [u8]> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.chunks(2).map(|pair| match *pair {
            [first, second] => unit([first, second]),
            // Half a character at the end: a surrogate alone, which becomes U+FFFD.
            _ => 0xd800,
        });
        let text: String = char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        Cow::Owned(text.into_bytes())
    };
    match octets {
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => Cow::Borrowed(octets),
    }
}

/// Returns whether a character stands between words.
pub fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{a0}' | '\u{c}')
}

/// Returns text that can be shown: at most 200 characters, control characters escaped.
pub fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(200) {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown.chars().take(200).collect()
}

impl<'t> Lines<'t> {
    /// Starts at the first line.
    pub fn new(octets: &'t [u8]) -> Lines<'t> {
        Lines { rest: octets, number: 0 }
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        if self.rest.is_empty() {
            return None;
        }
        let length = self.rest.iter().position(|octet| matches!(octet, b'\n' | b'\r'));
        let (octets, end) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = match end {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => &[],
        };
        self.number += 1;
        Some(Line { number: self.number, octets })
    }
}

impl<'t> Line<'t> {
    /// Returns a line that was found otherwise than by its end.
    pub fn new(number: u32, octets: &'t [u8]) -> Line<'t> {
        Line { number, octets }
    }

    /// Returns the line as it lies in the list.
    pub fn octets(&self) -> &'t [u8] {
        self.octets
    }

    /// Reads the line; control octets outside comments make the whole list binary.
    ///
    /// Which marks begin a comment depends on the format; in [`Format::Auto`] any of them does.
    pub fn content(&self, format: Format) -> Result<Content<'t>, ListRefused> {
        if self.comment(format).is_some() {
            return Ok(Content::Nothing);
        }
        if self.octets.iter().any(|&octet| is_control(octet)) {
            return Err(ListRefused::Binary(self.number));
        }
        if self.octets.len() > MAX_LINE_OCTETS {
            return Ok(Content::Refused(Refusal::LineTooLong));
        }
        Ok(match std::str::from_utf8(self.octets).map(|text| text.trim_matches(is_blank)) {
            Ok("") => Content::Nothing,
            Ok(text) => Content::Text(text),
            Err(_) => Content::Refused(Refusal::NotUtf8),
        })
    }

    /// Returns the octets of a comment, its mark among them, if the line is nothing else.
    pub fn comment(&self, format: Format) -> Option<&'t [u8]> {
        let mut rest = self.octets;
        while let [b' ' | b'\t' | b'\x0c', after @ ..] | [0xc2, 0xa0, after @ ..] = rest {
            rest = after;
        }
        begins_comment(rest, format).then_some(rest)
    }

    /// Returns the line so that it can be shown; octets that are no UTF-8 are read as Latin-1.
    pub fn shown(&self) -> String {
        let octets = self.octets.get(..MAX_SHOWN_OCTETS).unwrap_or(self.octets);
        match std::str::from_utf8(self.octets) {
            Ok(text) => escaped(text.trim_matches(is_blank)),
            Err(_) => escaped(&octets.iter().copied().map(char::from).collect::<String>()),
        }
    }
}

/// More octets than 200 characters can take.
const MAX_SHOWN_OCTETS: usize = 800;

fn begins_comment(octets: &[u8], format: Format) -> bool {
    use Format::{Adguard, Auto, Domains, Hosts, Pihole, Rpz, Wildcard};
    let one_name = matches!(format, Auto | Hosts | Domains | Wildcard | Pihole);
    match octets {
        [b'#', ..] => format != Adguard || !is_cosmetic(octets),
        [b'!', ..] => format != Rpz,
        [b';', ..] => one_name || format == Rpz,
        [b'/', b'/', ..] => one_name,
        _ => false,
    }
}

fn is_control(octet: u8) -> bool {
    octet.is_ascii_control() && !matches!(octet, b'\t' | b'\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(octets: &[u8]) -> Vec<String> {
        let octets = decode(octets);
        let text = |line: Line<'_>| match line.content(Format::Auto) {
            Ok(Content::Nothing) => "-".to_string(),
            Ok(Content::Text(text)) => text.to_string(),
            Ok(Content::Refused(refusal)) => format!("{}: {refusal}", line.number),
            Err(refused) => refused.to_string(),
        };
        Lines::new(&octets).map(text).collect()
    }

    #[test]
    fn all_line_ends_end_a_line_once() {
        assert_eq!(texts(b"a\nb\r\nc\rd\n\re"), ["a", "b", "c", "d", "-", "e"]);
        assert_eq!(texts(b"a\n"), ["a"]);
        assert!(texts(b"").is_empty());
    }

    #[test]
    fn byte_order_marks_are_dropped_and_utf16_is_read() {
        assert_eq!(texts(b"\xef\xbb\xbfa.b\nc"), ["a.b", "c"]);
        assert_eq!(texts(b"\xff\xfea\0\n\0\xfc\0"), ["a", "ü"]);
        assert_eq!(texts(b"\xfe\xff\0a\0\n\0\xfc"), ["a", "ü"]);
        assert_eq!(texts(b"\xff\xfea\0b"), ["a\u{fffd}"]);
        assert_eq!(texts(b"\xff\xfe\x00\xd8a\0"), ["\u{fffd}a"]);
    }

    #[test]
    fn blanks_around_a_line_are_trimmed() {
        assert_eq!(texts("\u{a0}\t\u{c} a b \u{a0}\n \t\n".as_bytes()), ["a b", "-"]);
    }

    #[test]
    fn comments_begin_with_any_of_their_marks() {
        assert_eq!(texts(b"# a\n! a\n; a\n// a\n\xc2\xa0 # a"), ["-"; 5]);
    }

    #[test]
    fn marks_of_comments_differ_by_format() {
        let is_comment = |text: &str, format| {
            let line = Line::new(1, text.as_bytes());
            matches!(line.content(format), Ok(Content::Nothing))
        };
        for format in [Format::Hosts, Format::Domains, Format::Pihole, Format::Wildcard] {
            assert!(["# a", "##a", "! a", "; a", "// a"].iter().all(|a| is_comment(a, format)));
        }
        assert!(is_comment("# a", Format::Adguard) && is_comment("!#if x", Format::Adguard));
        assert!(is_comment("; a", Format::Rpz) && !is_comment("! a", Format::Rpz));
        for text in ["##.ad", "#@#.ad", "#?#.ad", "#$#.ad", "#%#a", "//a/", "; a"] {
            assert!(!is_comment(text, Format::Adguard), "{text}");
        }
        assert!(!is_comment("; a", Format::Unbound) && !is_comment("// a", Format::Dnsmasq));
    }

    #[test]
    fn octets_that_are_no_utf8_are_read_in_comments_only() {
        assert_eq!(texts(b"# M\xfcller\n"), ["-"]);
        assert_eq!(texts(b"m\xfcller.com\nb"), ["1: the line is not UTF-8", "b"]);
    }

    #[test]
    fn control_octets_mean_binary_except_in_comments() {
        assert_eq!(texts(b"# \0\x01\na\tb\x0cc"), ["-", "a\tb\u{c}c"]);
        for octet in [0, 1, 0x1b, 0x7f] {
            let refused = texts(&[b'a', b'\n', b'b', octet]).pop();
            assert_eq!(refused.as_deref(), Some("it is binary (line 2 has control octets)"));
        }
    }

    #[test]
    fn a_line_too_long_is_one_refused_line() {
        let fits = "a".repeat(MAX_LINE_OCTETS);
        let long = [fits.as_bytes(), b"a\nb"].concat();
        assert_eq!(texts(&long), ["1: the line is longer than 64 KiB", "b"]);
        assert_eq!(texts(fits.as_bytes()), [fits]);
    }

    #[test]
    fn what_is_shown_is_short_and_cannot_steer_a_terminal() {
        let line = |octets| Line::new(1, octets);
        assert_eq!(line(b" \x1b[31m 'a' ").shown(), r"\u{1b}[31m 'a'");
        assert_eq!(line("a\u{202e}b".as_bytes()).shown(), r"a\u{202e}b");
        assert_eq!(line(b"m\xfcller").shown(), "müller");
        assert_eq!(line(&[0xff; 9000]).shown().chars().count(), 200);
        assert_eq!(line(&[1; 9000]).shown().chars().count(), 200);
    }
}
