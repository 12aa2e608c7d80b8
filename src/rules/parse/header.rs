//! What a list says of itself in the comments of its first lines.

use super::{Format, Header, Lines, escaped, is_blank};

/// Lines that are looked at.
const HEADER_LINES: usize = 50;

/// Longest wait that a list can ask for, in seconds: a year.
const LONGEST_WAIT: u64 = 365 * 24 * 3600;

/// Reads the fields of a list; of each the first counts, compiled lists repeat them.
pub fn read(octets: &[u8]) -> Header {
    let mut header = Header::default();
    for (key, value) in fields(octets) {
        let text = || Some(escaped(&value));
        match &*key {
            "title" if header.title.is_none() => header.title = text(),
            "expires" if header.expires.is_none() => header.expires = seconds(&value),
            "last modified" if header.modified.is_none() => header.modified = text(),
            "homepage" if header.homepage.is_none() => header.homepage = text(),
            "license" | "licence" if header.license.is_none() => header.license = text(),
            "version" if header.version.is_none() => header.version = text(),
            _ => {}
        }
    }
    header
}

/// Returns whether a list says that it is a wildcard list.
pub fn says_wildcard(octets: &[u8]) -> bool {
    fields(octets).any(|(key, value)| {
        key == "syntax" && value.to_ascii_lowercase().starts_with("domains wildcard")
    })
}

/// The fields in their order: key in lower case, value.
fn fields(octets: &[u8]) -> impl Iterator<Item = (String, String)> {
    Lines::new(octets).take(HEADER_LINES).filter_map(|line| {
        let comment = line.comment(Format::Auto)?;
        let text = match std::str::from_utf8(comment) {
            Ok(text) => text.to_string(),
            Err(_) => comment.iter().copied().map(char::from).collect(),
        };
        let text = text.trim_start_matches(['#', '!', ';', '/']);
        let (key, value) = text.split_once(':')?;
        let value = value.trim_matches(is_blank);
        (!value.is_empty()).then(|| (key.trim_matches(is_blank).to_lowercase(), value.to_string()))
    })
}

/// Reads `4 days`, `12 hours (update frequency)`, `1d`.
fn seconds(text: &str) -> Option<u32> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit: String =
        unit.trim_start_matches(is_blank).chars().take_while(char::is_ascii_alphabetic).collect();
    let factor = match unit.to_ascii_lowercase().as_str() {
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 24 * 3600,
        "w" | "week" | "weeks" => 7 * 24 * 3600,
        _ => return None,
    };
    let wait = number.parse::<u64>().ok()?.saturating_mul(factor).min(LONGEST_WAIT);
    u32::try_from(wait).ok().filter(|&wait| wait > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_behind_any_mark_and_the_first_of_each_counts() {
        let text = "! Title: One: two\n# Expires: 4 days\n;Last modified: today\n// HOMEPAGE : h\n\
                    #License: MIT\n# Version: 7\n! Title: inner\nTitle: none\n# Version: 8\n";
        let header = read(text.as_bytes());
        let expected = Header {
            title: Some("One: two".into()),
            expires: Some(4 * 24 * 3600),
            modified: Some("today".into()),
            homepage: Some("h".into()),
            license: Some("MIT".into()),
            version: Some("7".into()),
        };
        assert_eq!(header, expected);
    }

    #[test]
    fn only_the_first_fifty_lines_are_looked_at() {
        let text = |blank: usize| "\n".repeat(blank) + "# Title: x";
        assert_eq!(read(text(49).as_bytes()).title.as_deref(), Some("x"));
        assert_eq!(read(text(50).as_bytes()).title, None);
    }

    #[test]
    fn values_are_short_and_cannot_steer_a_terminal() {
        let title = |octets: &[u8]| read(octets).title.expect("a title");
        assert_eq!(title(b"# Title: \x1b[31m"), r"\u{1b}[31m");
        assert_eq!(title(b"# Title: M\xfcller"), "Müller");
        assert_eq!(title(&[b"# Title: ", &[b'a'; 9000][..]].concat()).len(), 200);
    }

    #[test]
    fn spans_are_read_in_words_and_nonsense_is_not() {
        let cases = [
            ("12 hours (update frequency)", Some(12 * 3600)),
            ("1 day", Some(24 * 3600)),
            ("4d", Some(4 * 24 * 3600)),
            ("2 Weeks", Some(14 * 24 * 3600)),
            ("90 minutes", Some(5400)),
            ("99999999999999999999 days", None),
            ("9999999999 days", Some(365 * 24 * 3600)),
            ("0 days", None),
            ("Updated regularly", None),
            ("4", None),
            ("4 moons", None),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_wildcard_list_says_so() {
        assert!(says_wildcard(b"# Syntax: Domains Wildcard (without subdomains)\nx"));
        assert!(!says_wildcard(b"# Syntax: Domains (without subdomains)\nx"));
        assert!(!says_wildcard(b"Syntax: Domains Wildcard\nx"));
    }
}
