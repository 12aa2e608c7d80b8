//! Hosts files: an address, then names. Whatever the address, the names are blocked.

use super::{LineReading, Refusal, address, cut_comment, foreign, is_sink, words};

/// Reads a line: every name on it is blocked, itself alone, for all types.
pub fn read(line: &str, found: &mut LineReading<'_>) {
    let text = cut_comment(line);
    let mut words = words(text).peekable();
    let Some(first) = words.next() else {
        return;
    };
    let more = words.peek().is_some();
    match address(first) {
        Some(own) if more => words.for_each(|word| match address(word) {
            Some(itself) if itself == own => found.leave_out(),
            _ => found.name(word),
        }),
        Some(_) if text.len() < line.len() => found.refuse(Refusal::AddressAlone),
        Some(sink) if is_sink(sink) => found.leave_out(),
        Some(_) => found.refuse(Refusal::AddressRule),
        None if more => found.refuse(foreign(text).unwrap_or(Refusal::NoAddress)),
        None => found.name(first),
    }
}
