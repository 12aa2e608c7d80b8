//! The text of a zone file as entries: words, quotes, parentheses, comments, owners left out.

use std::collections::VecDeque;

use super::{Content, Format, Line, Lines, ListRefused, Refusal, is_blank};

/// Most lines of one entry, so that a parenthesis left open costs no more than these.
const ENTRY_LINES: usize = 32;

/// A word of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// Its text; escapes are as they were written.
    pub text: &'t str,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

/// A record or directive.
pub struct Entry<'t> {
    /// Its first line.
    pub line: Line<'t>,
    /// Its other lines, if it is in parentheses.
    pub more: Vec<Line<'t>>,
    /// Whether a blank stands in front, so that the owner is the one before.
    pub indented: bool,
    /// Its words, none where there is only a comment; or what is wrong with it.
    pub words: Result<Vec<Word<'t>>, Refusal>,
}

/// The entries of a zone file.
pub struct ZoneText<'t> {
    lines: Lines<'t>,
    /// Lines that were read ahead for an entry that does not end.
    again: VecDeque<Line<'t>>,
}

impl<'t> ZoneText<'t> {
    /// Starts at the first line.
    pub fn new(octets: &'t [u8]) -> ZoneText<'t> {
        ZoneText { lines: Lines::new(octets), again: VecDeque::new() }
    }

    fn next_line(&mut self) -> Option<Line<'t>> {
        self.again.pop_front().or_else(|| self.lines.next())
    }

    /// Reads one entry; one that cannot be read takes no line but its first with it.
    fn entry(&mut self, line: Line<'t>) -> Result<Entry<'t>, ListRefused> {
        let (mut words, mut more, mut depth) = (Vec::new(), Vec::new(), 0);
        let mut refused = split_line(&line, &mut depth, &mut words)?;
        while refused.is_none() && depth > 0 {
            let next = if more.len() < ENTRY_LINES { self.next_line() } else { None };
            let Some(next) = next else {
                refused = Some(because("a parenthesis is opened and not closed"));
                break;
            };
            refused = split_line(&next, &mut depth, &mut words)?;
            more.push(next);
        }
        let indented = line.octets().first().is_some_and(|octet| b" \t\x0c\xc2".contains(octet));
        let Some(refusal) = refused else {
            return Ok(Entry { line, more, indented, words: Ok(words) });
        };
        for line in more.into_iter().rev() {
            self.again.push_front(line);
        }
        Ok(Entry { line, more: Vec::new(), indented, words: Err(refusal) })
    }
}

impl<'t> Iterator for ZoneText<'t> {
    type Item = Result<Entry<'t>, ListRefused>;

    fn next(&mut self) -> Option<Result<Entry<'t>, ListRefused>> {
        let line = self.next_line()?;
        Some(self.entry(line))
    }
}

/// Returns a refusal in a format's own words.
pub fn because(why: &str) -> Refusal {
    Refusal::Because(why.to_string())
}

/// Splits a text into words; `depth` counts the parentheses that are open.
pub fn split<'t>(
    text: &'t str,
    depth: &mut usize,
    words: &mut Vec<Word<'t>>,
) -> Result<(), Refusal> {
    let mut rest = text.trim_start_matches(is_blank);
    while let Some(first) = rest.chars().next() {
        let tail = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match first {
            ';' => return Ok(()),
            '(' => {
                *depth += 1;
                tail
            }
            ')' => {
                let closed = depth.checked_sub(1);
                *depth = closed.ok_or_else(|| because("a parenthesis is closed and not opened"))?;
                tail
            }
            '"' => {
                let end = end_of(tail, |character| character == '"');
                let (text, after) = tail.split_at(end);
                words.push(Word { text, quoted: true });
                after.strip_prefix('"').ok_or_else(|| because("a quote is not closed"))?
            }
            _ => {
                let (text, after) = rest.split_at(end_of(rest, ends_word));
                words.push(Word { text, quoted: false });
                after
            }
        };
        rest = rest.trim_start_matches(is_blank);
    }
    Ok(())
}

fn split_line<'t>(
    line: &Line<'t>,
    depth: &mut usize,
    words: &mut Vec<Word<'t>>,
) -> Result<Option<Refusal>, ListRefused> {
    Ok(match line.content(Format::Rpz)? {
        Content::Text(text) => split(text, depth, words).err(),
        Content::Refused(refusal) => Some(refusal),
        Content::Nothing => None,
    })
}

fn ends_word(character: char) -> bool {
    is_blank(character) || matches!(character, ';' | '(' | ')' | '"')
}

/// Returns where the first character stands that ends a word and is not escaped.
fn end_of(text: &str, ends: fn(char) -> bool) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            other if ends(other) => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each entry with its lines: `1-2 owner word`, quotes kept.
    fn entries(text: &str) -> Vec<String> {
        let shown = |entry: Result<Entry<'_>, ListRefused>| {
            let entry = entry.expect("text");
            let last = entry.more.last().map_or(entry.line.number, |line| line.number);
            let quote = |word: &Word<'_>| match word.quoted {
                true => format!("{:?}", word.text),
                false => word.text.to_string(),
            };
            let words = match &entry.words {
                Ok(words) => words.iter().map(quote).collect::<Vec<_>>().join(" "),
                Err(refusal) => format!("refused: {refusal}"),
            };
            let owner = if entry.indented { "^" } else { "" };
            format!("{}-{last} {owner}{words}", entry.line.number)
        };
        ZoneText::new(text.as_bytes()).map(shown).collect()
    }

    #[test]
    fn entries_are_words_less_comments() {
        assert_eq!(
            entries("a\tIN CNAME . ; note\n; note\n  NS b"),
            ["1-1 a IN CNAME .", "2-2 ", "3-3 ^NS b"]
        );
    }

    #[test]
    fn parentheses_join_lines() {
        let text = "@ SOA a b (\n  1 ; serial\n\n2)\nx A(\n1.2.3.4)";
        assert_eq!(entries(text), ["1-4 @ SOA a b 1 2", "5-6 x A 1.2.3.4"]);
    }

    #[test]
    fn quotes_and_escapes_keep_what_would_end_a_word() {
        let text = r#"x TXT "a b;(c" "d\"e" f\;g h\ i"k""#;
        assert_eq!(entries(text), [r#"1-1 x TXT "a b;(c" "d\\\"e" f\;g h\ i "k""#]);
    }

    #[test]
    fn what_does_not_end_spoils_its_first_line_only() {
        let open = "1-1 refused: a parenthesis is opened and not closed";
        assert_eq!(entries("a ( b\nc d\n\ne f"), [open, "2-2 c d", "3-3 ", "4-4 e f"]);
        let long = "a (\n".to_string() + &"b c\n".repeat(40) + ")";
        let read = entries(&long);
        assert_eq!((read[0].as_str(), read[1].as_str(), read.len()), (open, "2-2 b c", 42));
        assert_eq!(read[41], "42-42 refused: a parenthesis is closed and not opened");
        assert_eq!(entries("a \"b\nc"), ["1-1 refused: a quote is not closed", "2-2 c"]);
    }

    #[test]
    fn an_exclamation_mark_is_no_comment() {
        assert_eq!(entries("! note\nx"), ["1-1 ! note", "2-2 x"]);
    }
}
