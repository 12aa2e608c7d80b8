//! Plain lists and wildcard lists: one name or address a line; they share one file.
//!
//! AdGuard's syntax among them is read as such (`filter-rules.md`, section 7).

use super::{
    LineReading, Refusal, address, cut_comment, foreign, is_adguard, is_plain, read_adguard, words,
};

/// Reads a line: its name is blocked, itself alone unless marked.
pub fn read(line: &str, found: &mut LineReading<'_>) {
    if let Some(word) = only_word(line, found) {
        read_word(word, found);
    }
}

/// Reads a line of a wildcard list, in which `.name` is `*.name`; elsewhere it is no name.
pub fn read_wildcard(line: &str, found: &mut LineReading<'_>) {
    let Some(word) = only_word(line, found) else {
        return;
    };
    match word.strip_prefix('.') {
        Some(below) if !below.is_empty() && !below.contains('*') => found.subtree(below),
        _ => read_word(word, found),
    }
}

/// Reads a word: a name, `*.name`, an address, a prefix or a URL that is only a host.
///
/// `*.name` covers the name too: publishers write it for the name and all below.
pub fn read_word(word: &str, found: &mut LineReading<'_>) {
    let below = word.strip_prefix("*.").filter(|below| !below.is_empty());
    if below.unwrap_or(word).contains('*') {
        return found.refuse(Refusal::InnerStar);
    }
    match below.ok_or_else(|| host(word)) {
        Ok(below) => found.subtree(below),
        Err(Ok(host)) => found.name(host),
        Err(Err(refusal)) => found.refuse(refusal),
    }
}

/// Returns the one word of a line; what is more than that is read or refused here.
fn only_word<'l>(line: &'l str, found: &mut LineReading<'_>) -> Option<&'l str> {
    if is_plain(line) {
        return Some(line);
    }
    if is_adguard(line) {
        read_adguard(line, found);
        return None;
    }
    let text = cut_comment(line);
    let mut words = words(text);
    let first = words.next()?;
    if words.next().is_none() {
        return Some(first);
    }
    found.refuse(match address(first) {
        Some(_) => Refusal::HostsLine,
        None => foreign(text).unwrap_or(Refusal::SeveralWords),
    });
    None
}

/// Returns the host of a word that may be a URL; one with a path or port is not a rule for a host.
fn host(word: &str) -> Result<&str, Refusal> {
    if is_plain(word) || is_address_rule(word) {
        return Ok(word);
    }
    if let Some(refusal) = foreign(word) {
        return Err(refusal);
    }
    let host = match word.split_once("://") {
        Some((scheme, rest)) if is_web(scheme) => rest.strip_suffix('/').unwrap_or(rest),
        Some(_) => return Err(Refusal::OtherUrl),
        None => word,
    };
    match host.find(['/', ':']).map(|at| host.as_bytes().get(at)) {
        Some(Some(b'/')) => Err(Refusal::Path),
        Some(_) if address(host).is_none() => Err(Refusal::Port),
        _ => Ok(host),
    }
}

/// Returns whether a word is an address, or one with a number behind a slash.
fn is_address_rule(word: &str) -> bool {
    let (start, bits) = word.split_once('/').unwrap_or((word, "0"));
    address(start).is_some() && bits.parse::<u8>().is_ok()
}

fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}
