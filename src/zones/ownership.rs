//! Which names are ours: asked by every query, so one hash rules out all other top-level domains.

use std::collections::{HashMap, HashSet};

use crate::model::{NameRef, QuickHash};

/// How strongly a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// Unless `[forward]` maps it.
    Private,
    /// Whatever `[forward]` maps.
    Always,
}

/// How far a claim reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The name itself.
    Itself,
    /// Every name below it.
    Below,
    /// Both.
    Zone,
}

/// Claimed names.
#[derive(Debug, Default)]
pub struct Ownership {
    entries: HashMap<Box<[u8]>, Entry, QuickHash>,
    /// The last labels of all claimed names.
    tops: HashSet<Box<[u8]>, QuickHash>,
    /// Their last two octets: names of most other top-level domains need no further look.
    ends: [u64; 16],
}

#[derive(Debug, Default)]
struct Entry {
    itself: Option<Claim>,
    below: Option<Claim>,
}

impl Ownership {
    /// Claims a name; the stronger of two claims holds.
    pub fn claim(&mut self, name: NameRef<'_>, reach: Reach, claim: Claim) {
        self.tops.insert(top(name).wire().into());
        if let Some((word, bit)) = end(name) {
            self.ends[word] |= 1 << bit;
        }
        let entry = self.entries.entry(name.wire().into()).or_default();
        if reach != Reach::Below {
            entry.itself = entry.itself.max(Some(claim));
        }
        if reach != Reach::Itself {
            entry.below = entry.below.max(Some(claim));
        }
    }

    /// Returns how strongly a name is ours: by its own claim, else by its nearest parent's.
    pub fn find(&self, name: NameRef<'_>) -> Option<Claim> {
        let may_be = end(name).is_none_or(|(word, bit)| self.ends[word] >> bit & 1 != 0);
        if !may_be || !self.tops.contains(top(name).wire()) {
            return None;
        }
        let itself = self.entries.get(name.wire()).and_then(|entry| entry.itself);
        itself.or_else(|| {
            name.walk().skip(1).find_map(|parent| self.entries.get(parent.wire())?.below)
        })
    }
}

/// Returns the word and the bit that stand for a name's last two octets; the root has none.
fn end(name: NameRef<'_>) -> Option<(usize, u8)> {
    match name.wire() {
        [.., one, two, 0] => Some((usize::from(one & 15), (one >> 4 & 1) << 5 | two & 31)),
        _ => None,
    }
}

fn top(name: NameRef<'_>) -> NameRef<'_> {
    name.walk().last().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    #[test]
    fn the_nearest_claim_speaks() {
        let mut ours = Ownership::default();
        ours.claim(name("home.arpa").as_ref(), Reach::Zone, Claim::Private);
        ours.claim(name("tv.home.arpa").as_ref(), Reach::Itself, Claim::Always);
        ours.claim(name("dev.example.com").as_ref(), Reach::Below, Claim::Always);
        let table = [
            ("home.arpa", Some(Claim::Private)),
            ("x.home.arpa", Some(Claim::Private)),
            ("tv.home.arpa", Some(Claim::Always)),
            ("x.tv.home.arpa", Some(Claim::Private)),
            ("in-addr.arpa", None),
            ("dev.example.com", None),
            ("a.b.dev.example.com", Some(Claim::Always)),
            ("example.com", None),
            ("xhome.arpa", None),
            ("example.net", None),
        ];
        for (text, expected) in table {
            assert_eq!(ours.find(name(text).as_ref()), expected, "{text}");
        }
        assert_eq!(ours.find(DomainName::root().as_ref()), None);
    }
}
