//! Names as they are heard into plain text that can stand in a table.

use crate::model::DeviceName;

/// Most characters of what was heard that are looked at.
const MOST_HEARD: usize = 1_024;

/// Most characters of a name.
const MOST: usize = 64;

/// Names that devices give themselves when they have none.
const NO_NAMES: [&str; 12] = [
    "*",
    "?",
    "-",
    "unknown",
    "localhost",
    "none",
    "(none)",
    "null",
    "undefined",
    "device",
    "host",
    "client",
];

/// Beginnings of names that machines make up, before digits.
const MADE_UP: [&str; 7] = ["ip", "dhcp", "host", "client", "wlan", "lwip", "unknown"];

/// Returns the name as plain text without its domain; `None`: nothing is left.
pub(super) fn clean(heard: &str) -> Option<String> {
    let plain: String = heard
        .chars()
        .take(MOST_HEARD)
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|&c| !is_hidden(c))
        .collect();
    let name = plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if name.trim_end_matches('.').parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let name = without_domain(&name);
    let name: String = name.chars().take(MOST).collect();
    let name = name.trim_matches([' ', '.']);
    let is_none = NO_NAMES.iter().any(|none| none.eq_ignore_ascii_case(name));
    let tells = name.chars().any(char::is_alphanumeric);
    let whole = DeviceName::parse(name).ok().filter(|_| tells && !is_none)?;
    Some(whole.as_str().to_owned())
}

/// Cuts `.local` off any name, and every domain off host names, which have no blanks.
fn without_domain(name: &str) -> &str {
    let name = name.trim_end_matches('.');
    let cut = name.len().saturating_sub(".local".len());
    let name = match name.split_at_checked(cut) {
        Some((before, ending)) if ending.eq_ignore_ascii_case(".local") => before,
        _ => name,
    };
    match name.split_once('.') {
        Some((host, _)) if !name.contains(' ') && !host.is_empty() => host,
        _ => name,
    }
}

/// Control characters, direction marks, and what takes no room.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns whether a machine made the name up, so that a person learns nothing from it.
pub(super) fn is_cryptic(name: &str) -> bool {
    let low = name.to_ascii_lowercase();
    // Windows' own names are cryptic too, but it is these that a person sees on the machine.
    if ["desktop-", "laptop-", "win-"].iter().any(|start| low.starts_with(start)) {
        return false;
    }
    let made_up = MADE_UP.iter().any(|start| {
        let rest = low.strip_prefix(start).map(|rest| rest.trim_start_matches(['-', '_']));
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_digit_or_dash))
    });
    let mut parts = low.split(|c: char| !c.is_alphanumeric());
    made_up || low.bytes().all(is_digit_or_dash) || parts.any(is_number_of_a_machine)
}

fn is_digit_or_dash(octet: u8) -> bool {
    octet.is_ascii_digit() || matches!(octet, b'-' | b'_')
}

/// Hexadecimal of six digits or more, also after one of the usual beginnings.
fn is_number_of_a_machine(part: &str) -> bool {
    let starts = ["brw", "brn", "npi", "hp", "epson", "esp", "rincon", "canon"];
    let digits = starts.iter().find_map(|start| part.strip_prefix(start)).unwrap_or(part);
    let is_number = |text: &str| {
        text.len() >= 6
            && text.bytes().all(|digit| digit.is_ascii_hexdigit())
            && text.bytes().any(|digit| digit.is_ascii_digit())
    };
    is_number(part) || is_number(digits)
}
