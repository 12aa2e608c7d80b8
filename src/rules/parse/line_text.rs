//! Lines of a list as they stand in it, for showing.

use std::collections::{BTreeSet, HashMap};

use super::{Content, Format, Lines, decode};

/// Returns the text of lines, by their numbers, without the blanks around it.
pub fn line_texts(octets: &[u8], wanted: &BTreeSet<u32>) -> HashMap<u32, String> {
    let last = wanted.last().copied().unwrap_or(0);
    let octets = decode(octets);
    let lines = Lines::new(&octets).take_while(|line| line.number <= last);
    let text = |line: &super::Line<'_>| match line.content(Format::Auto) {
        Ok(Content::Text(text)) => text.to_string(),
        _ => line.shown(),
    };
    lines
        .filter(|line| wanted.contains(&line.number))
        .map(|line| (line.number, text(&line)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_by_their_numbers_without_blanks() {
        let octets = b"\xef\xbb\xbf# one\r\n  two  \rthree\n\xffour\n";
        let texts = line_texts(octets, &[1, 2, 4, 9].into());
        assert_eq!(texts.get(&1).map(String::as_str), Some("# one"));
        assert_eq!(texts.get(&2).map(String::as_str), Some("two"));
        assert_eq!(texts.get(&4).map(String::as_str), Some("ÿour"));
        assert_eq!(texts.len(), 3);
    }
}
