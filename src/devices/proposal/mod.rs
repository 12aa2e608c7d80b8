//! Hints combined into a proposed name and kind, each with its source.
//!
//! - `names`: what was heard into plain text, and which names tell a person nothing
//! - `kinds`: words and patterns to kinds
//!
//! The name is the first of lease, mDNS and reverse name that is no machine's own invention as
//! `android-3f2a…` or `ESP_1A2B3C`; else the first of those; else the maker with the kind. The kind is,
//! in this order, what a source told, what the model or a telling service says, what a name says,
//! what an ordinary service says, what the maker mostly makes.

mod kinds;
mod names;

use super::maker;
use super::{HintSource, HintText};
use crate::model::{DeviceKind, HardwareAddress};

/// A name and kind that nobody gave but hints suggest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The name: plain text of 1 to 64 characters.
    pub name: Option<(String, HintSource)>,
    /// The kind.
    pub kind: Option<(DeviceKind, HintSource)>,
}

/// Most hints on one device that are looked at, and most words of one hint.
const MOST: usize = 64;

/// Combines hints on one device.
pub fn propose(hints: &[(HintSource, HintText)], hardware: Option<HardwareAddress>) -> Proposal {
    let mut hints: Vec<&(HintSource, HintText)> = hints.iter().take(MOST).collect();
    hints.sort_by_key(|(source, _)| *source);
    let named: Vec<(HintSource, String)> = hints
        .iter()
        .filter_map(|(source, text)| Some((*source, names::clean(text.name.as_deref()?)?)))
        .collect();
    let maker = hardware.and_then(maker);
    let kind = kind(&hints, &named, maker);
    let name = name(named).or_else(|| Some((made(maker?, kind), HintSource::Maker)));
    Proposal { name, kind }
}

fn name(named: Vec<(HintSource, String)>) -> Option<(String, HintSource)> {
    let telling = |(source, name): &(HintSource, String)| {
        *source == HintSource::Person || !names::is_cryptic(name)
    };
    let best = named.iter().position(telling).unwrap_or(0);
    named.into_iter().nth(best).map(|(source, name)| (name, source))
}

/// Returns `Sonos speaker`, or the maker alone.
fn made(maker: &str, kind: Option<(DeviceKind, HintSource)>) -> String {
    match kind {
        Some((DeviceKind::Tv, _)) => format!("{maker} TV"),
        Some((kind, _)) => format!("{maker} {kind}"),
        None => maker.to_owned(),
    }
}

fn kind(
    hints: &[&(HintSource, HintText)],
    named: &[(HintSource, String)],
    maker: Option<&str>,
) -> Option<(DeviceKind, HintSource)> {
    let told = || hints.iter().find_map(|(source, text)| Some((text.kind?, *source)));
    let by_words = |judge: fn(&str) -> Option<DeviceKind>| {
        hints.iter().find_map(|(source, text)| {
            let kind = text.words.iter().take(MOST).find_map(|word| judge(word))?;
            Some((kind, *source))
        })
    };
    let by_name = || named.iter().find_map(|(source, name)| Some((kinds::of_name(name)?, *source)));
    let by_maker = || Some((kinds::of_maker(maker?)?, HintSource::Maker));
    told()
        .or_else(|| by_words(kinds::of_model))
        .or_else(by_name)
        .or_else(|| by_words(kinds::of_service))
        .or_else(by_maker)
}

#[cfg(test)]
mod tests;
