//! Text for a terminal: escaped, measured, cut in the middle, wrapped; numbers with units.

use crate::model::Scope;

/// Returns text from outside with everything escaped that could move the cursor or the order.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Returns how many columns a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Returns a text cut in the middle to `most` columns.
pub fn fit(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.into();
    }
    let kept = most.saturating_sub(1);
    // The end says more of a domain name than the beginning.
    let tail_width = kept.div_ceil(2);
    let head = take(text.chars(), kept - tail_width);
    let tail: String = take(text.chars().rev(), tail_width).chars().rev().collect();
    format!("{head}…{tail}")
}

/// Returns words cut at their end to `most` columns.
pub fn fit_words(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.into();
    }
    let kept = take(text.chars(), most.saturating_sub(1));
    format!("{}…", kept.trim_end())
}

/// Returns text in lines of at most `most` columns, all but the first behind `indent` blanks.
pub fn wrap(text: &str, indent: usize, most: Option<usize>) -> String {
    let Some(most) = most else { return text.into() };
    let mut wrapped = String::new();
    let mut used = indent;
    for word in text.split(' ') {
        let wide = width(word);
        if wrapped.is_empty() {
            used += wide;
        } else if used + 1 + wide > most {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(indent));
            used = indent + wide;
        } else {
            wrapped.push(' ');
            used += 1 + wide;
        }
        wrapped.push_str(word);
    }
    wrapped
}

/// Returns a number with a comma between thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number and what it counts, which gets an `s` unless there is one; `y` becomes `ies`.
pub fn plural(number: u64, noun: &str) -> String {
    let counted = count(number);
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("{counted} {noun}"),
        (_, Some(stem)) => format!("{counted} {stem}ies"),
        (_, None) => format!("{counted} {noun}s"),
    }
}

/// Returns a share in percent, rounded down, so that 100% means all.
pub fn percent(part: u64, whole: u64) -> String {
    let share = u128::from(part) * 100 / u128::from(whole.max(1));
    format!("{share}%")
}

/// Returns octets with a unit.
pub fn bytes(octets: u64) -> String {
    let tenths = |shift: u32| {
        let whole = octets >> shift;
        let rest = octets - (whole << shift);
        format!("{whole}.{}", (rest * 10) >> shift)
    };
    match octets {
        0..1_024 => format!("{octets} B"),
        1_024..1_048_576 => format!("{} KiB", octets >> 10),
        1_048_576..10_485_760 => format!("{} MiB", tenths(20)),
        10_485_760..1_073_741_824 => format!("{} MiB", octets >> 20),
        _ => format!("{} GiB", tenths(30)),
    }
}

/// Returns a word as one writes it in a shell.
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.into();
    }
    if text.chars().all(|c| plain(c) || matches!(c, ' ' | '(' | ')' | '\'' | ',' | '/')) {
        return format!("\"{text}\"");
    }
    format!("'{}'", escape(text).replace('\'', "'\\''"))
}

/// Returns the argument that names a scope.
pub fn scope_flag(scope: &Scope) -> String {
    match scope {
        Scope::Device(name) => format!("-d {}", quote(name.as_str())),
        Scope::Group(name) => format!("-g {}", quote(name.as_str())),
        Scope::Everyone => "--everyone".into(),
    }
}

fn take(characters: impl Iterator<Item = char>, most: usize) -> String {
    let mut used = 0;
    let fits = |character: &char| {
        used += columns(*character);
        used <= most
    };
    characters.take_while(fits).collect()
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Returns the columns a character takes: none if it joins the one before, two if it is wide.
fn columns(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' => 0,
        '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' => 0,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{303e}' | '\u{3041}'..='\u{a4cf}' => 2,
        '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' => 2,
        '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}' => 2,
        '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_devices_call_themselves_cannot_move_the_cursor() {
        assert_eq!(escape("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(escape("exe\u{202e}gpj"), "exe\\u{202e}gpj");
        assert_eq!(escape("Küche 電視"), "Küche 電視");
    }

    #[test]
    fn long_names_are_cut_in_the_middle_and_keep_their_end() {
        assert_eq!(fit("short.example", 20), "short.example");
        assert_eq!(fit("a-very-long-label.tracker.example", 20), "a-very-lo…er.example");
        assert_eq!(width(&fit("a-very-long-label.tracker.example", 20)), 20);
        assert!(width(&fit("電視電視電視電視", 7)) <= 7);
        assert_eq!(fit("abc", 1), "…");
        assert_eq!(fit_words("X (formerly Twitter)", 12), "X (formerly…");
        assert!(width(&fit_words("電視電視電視電視", 7)) <= 7);
    }

    #[test]
    fn widths_are_those_of_the_terminal() {
        assert_eq!(width("TV"), 2);
        assert_eq!(width("電視"), 4);
        assert_eq!(width("e\u{301}"), 1);
    }

    #[test]
    fn lines_are_wrapped_behind_their_indent() {
        assert_eq!(wrap("one two three", 4, Some(12)), "one two\n    three");
        assert_eq!(wrap("one two three", 4, None), "one two three");
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "company"), "1 company");
        assert_eq!(plural(2, "company"), "2 companies");
        assert_eq!(plural(1_000, "device"), "1,000 devices");
        assert_eq!(percent(1_746, 1_757), "99%");
        assert_eq!(percent(0, 0), "0%");
        assert_eq!(bytes(900), "900 B");
        assert_eq!(bytes(1_600_000), "1.5 MiB");
        assert_eq!(bytes(12 << 20), "12 MiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
    }

    #[test]
    fn commands_to_copy_are_one_word_an_argument() {
        assert_eq!(quote("tv"), "tv");
        assert_eq!(quote("Kitchen tablet"), "\"Kitchen tablet\"");
        assert_eq!(quote("$(reboot)"), "'$(reboot)'");
        assert_eq!(quote("a'`b"), "'a'\\''`b'");
        assert_eq!(quote("-x"), "\"-x\"");
    }
}
