//! Plain lists: one name a line.

use super::{LineReading, Refusal, address, cut_comment, foreign, is_address_rule, words};

/// Reads a line: its name is blocked, itself alone.
pub fn read(line: &str, found: &mut LineReading<'_>) {
    let text = cut_comment(line);
    let mut words = words(text);
    let Some(first) = words.next() else {
        return;
    };
    if words.next().is_none() {
        match host(first) {
            Ok(host) => found.name(host),
            Err(refusal) => found.refuse(refusal),
        }
    } else if address(first).is_some() {
        found.refuse(Refusal::HostsLine);
    } else {
        found.refuse(foreign(text).unwrap_or(Refusal::SeveralWords));
    }
}

/// Returns the host of a word that may be a URL; one with a path or port is not a rule for a host.
fn host(word: &str) -> Result<&str, Refusal> {
    if is_address_rule(word) {
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

fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}
