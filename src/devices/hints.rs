//! What others tell of parts, cleaned and bounded, and what it suggests.

use std::collections::{BTreeSet, HashMap};

use super::{HintSource, HintText, Part, Proposal, propose};

/// Most parts of which hints are kept.
const MAX_PARTS: usize = 16_384;

/// Most words of one source, and most characters of a name or word.
const MAX_WORDS: usize = 16;
const MAX_CHARACTERS: usize = 64;

/// Hints by part: one text for each source.
#[derive(Default)]
pub(super) struct Hints {
    texts: HashMap<Part, Vec<(HintSource, HintText)>>,
    proposals: HashMap<Part, Proposal>,
    changed: BTreeSet<Part>,
}

impl Hints {
    /// Takes what was stored.
    pub(super) fn of(stored: Vec<(Part, HintSource, HintText)>) -> Hints {
        let mut hints = Hints::default();
        for (part, source, text) in stored {
            hints.texts.entry(part).or_default().push((source, text));
        }
        hints
    }

    /// Takes one hint; `has_asked` tells which parts must not make room for it.
    pub(super) fn take(
        &mut self,
        part: Part,
        source: HintSource,
        text: &HintText,
        has_asked: impl Fn(Part) -> bool,
    ) {
        if !self.texts.contains_key(&part) && self.texts.len() >= MAX_PARTS {
            self.texts.retain(|part, _| has_asked(*part));
            self.proposals.retain(|part, _| has_asked(*part));
            if self.texts.len() >= MAX_PARTS {
                return;
            }
        }
        let text = clean(text);
        let texts = self.texts.entry(part).or_default();
        if texts.iter().any(|(from, known)| *from == source && *known == text) {
            return;
        }
        texts.retain(|(from, _)| *from != source);
        texts.push((source, text));
        texts.sort_by_key(|(source, _)| *source);
        self.changed.insert(part);
        self.meet(part);
    }

    /// Works out what is suggested for a part.
    pub(super) fn meet(&mut self, part: Part) {
        let hardware = match part {
            Part::Hardware(hardware) => Some(hardware),
            Part::Address(_) => None,
            Part::Others => return,
        };
        let proposal = propose(self.texts_of(part), hardware);
        if proposal == Proposal::default() {
            self.proposals.remove(&part);
        } else {
            self.proposals.insert(part, proposal);
        }
    }

    pub(super) fn forget(&mut self, part: Part) {
        self.texts.remove(&part);
        self.proposals.remove(&part);
        self.changed.remove(&part);
    }

    pub(super) fn texts_of(&self, part: Part) -> &[(HintSource, HintText)] {
        self.texts.get(&part).map_or(&[], Vec::as_slice)
    }

    pub(super) fn proposal_of(&self, part: Part) -> Option<&Proposal> {
        self.proposals.get(&part)
    }

    /// Returns the names that a part goes by, in small letters.
    pub(super) fn names_of(&self, part: Part) -> Vec<String> {
        let texts = self.texts_of(part).iter().filter(|(source, _)| *source != HintSource::Maker);
        texts.filter_map(|(_, text)| text.name.as_ref()).map(|name| name.to_lowercase()).collect()
    }

    /// Takes the hints that are to be written, of parts that asked.
    pub(super) fn take_changed(
        &mut self,
        has_asked: impl Fn(Part) -> bool,
    ) -> Vec<(Part, Vec<(HintSource, HintText)>)> {
        let (asked, waiting) =
            std::mem::take(&mut self.changed).into_iter().partition(|part| has_asked(*part));
        let asked: BTreeSet<Part> = asked;
        self.changed = waiting;
        asked.into_iter().map(|part| (part, self.texts_of(part).to_vec())).collect()
    }

    pub(super) fn mark_changed(&mut self, parts: impl Iterator<Item = Part>) {
        self.changed.extend(parts);
    }
}

/// Returns a hint as it may be kept and shown: short, without control and direction characters.
fn clean(text: &HintText) -> HintText {
    HintText {
        name: text.name.as_deref().map(clean_text).filter(|name| !name.is_empty()),
        words: text.words.iter().take(MAX_WORDS).map(|word| clean_text(word)).collect(),
        kind: text.kind,
    }
}

fn clean_text(text: &str) -> String {
    // Direction marks could make one name look like another in a table.
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
    };
    let plain: String = text.chars().filter(|c| !odd(*c)).take(MAX_CHARACTERS).collect();
    plain.trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_cut_and_cleaned() {
        let long = "x".repeat(300);
        let text = HintText {
            name: Some(format!(" \u{202e}<b>TV\n\u{7}\u{200f}{long}")),
            words: vec!["w\0".into(); 100],
            kind: None,
        };
        let clean = clean(&text);
        let name = clean.name.expect("a name");
        assert!(name.starts_with("<b>TVx") && name.chars().count() <= 64, "{name}");
        assert_eq!((clean.words.len(), clean.words[0].as_str()), (16, "w"));
        let none = HintText { name: Some("\u{200b}\n ".into()), ..HintText::default() };
        assert_eq!(super::clean(&none).name, None);
    }

    #[test]
    fn a_flood_of_hints_makes_room_of_parts_that_never_asked() {
        let mut hints = Hints::default();
        let text = HintText { name: Some("x".into()), ..HintText::default() };
        let part = |n: u32| Part::Address(std::net::Ipv4Addr::from(n).into());
        for number in 0..3 * MAX_PARTS as u32 {
            hints.take(part(number), HintSource::Mdns, &text, |asked| asked == part(7));
        }
        assert!(hints.texts.len() <= MAX_PARTS);
        assert_eq!(hints.texts_of(part(7)).len(), 1);
    }
}
