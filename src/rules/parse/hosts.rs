//! Hosts files: an address, then names; a line of one word is read as in plain lists.

use std::net::IpAddr;

use super::{
    Answer, Effect, LineReading, Record, Refusal, Rewrite, address, cut_comment, foreign, is_sink,
    read_word, words,
};

/// Reads a line: every name on it counts, itself alone.
pub fn read(line: &str, found: &mut LineReading<'_>) {
    let text = cut_comment(line);
    let mut words = words(text);
    let Some(first) = words.next() else {
        return;
    };
    let mut names = words.peekable();
    match address(first) {
        Some(own) if names.peek().is_some() => {
            let effect = effect(own);
            names.for_each(|name| take(name, own, &effect, found));
        }
        Some(_) if text.len() < line.len() => found.refuse(Refusal::AddressAlone),
        None if names.peek().is_some() => {
            found.refuse(foreign(text).unwrap_or(Refusal::NoAddress));
        }
        _ => read_word(first, found),
    }
}

/// An address that maps to itself says nothing.
fn take(word: &str, own: IpAddr, effect: &Effect, found: &mut LineReading<'_>) {
    if address(word) == Some(own) {
        found.leave_out();
    } else {
        found.name_to(word, effect.clone());
    }
}

/// Any address but a sink is an answer of the list's; whether it is given depends on who asks.
fn effect(address: IpAddr) -> Effect {
    match address {
        _ if is_sink(address) => Effect::Block(Answer::Policy),
        IpAddr::V4(v4) => Effect::Rewrite(Rewrite::Record(Record::v4(v4))),
        IpAddr::V6(v6) => Effect::Rewrite(Rewrite::Record(Record::v6(v6))),
    }
}
