//! Which names come and go from one version of a list to the next.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::ListChange;
use crate::model::HashSeed;
use crate::rules::parse::{ListRefused, Options, Summary, read};
use crate::rules::{Effect, Pattern, Rule};

/// Names that are shown of each kind of change.
const SHOWN: usize = 100;

/// The keyed hashes of all that a list names, sorted: 8 octets a name, not the names themselves.
pub struct Named(Vec<u64>);

impl Named {
    /// Reads a list.
    pub fn of(
        octets: &[u8],
        options: &Options,
        seed: HashSeed,
    ) -> Result<(Named, Summary), ListRefused> {
        let mut keys = Vec::new();
        let summary = read(octets, options, &mut |rule| keys.push(key(&rule, seed)))?;
        keys.sort_unstable();
        keys.dedup();
        Ok((Named(keys), summary))
    }

    /// Returns how many different names there are.
    pub fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Returns how many names of this list the other one has not.
    fn missing_in(&self, other: &Named) -> u32 {
        let mut theirs = other.0.iter().copied().peekable();
        let mut missing = 0;
        for key in &self.0 {
            while theirs.next_if(|their| their < key).is_some() {}
            missing += u32::from(theirs.peek() != Some(key));
        }
        missing
    }
}

/// A version of a list: its octets, and what they name.
pub struct Reading<'o> {
    /// The octets.
    pub octets: &'o [u8],
    /// What they name.
    pub named: &'o Named,
}

/// Compares two versions; `old` gives the octets of the old one, if they are wanted.
pub fn compare(
    old: (&Named, &mut dyn FnMut() -> Option<Vec<u8>>),
    new: &Reading<'_>,
    options: &Options,
    seed: HashSeed,
) -> ListChange {
    let (old_named, old_octets) = old;
    let added = new.named.missing_in(old_named);
    let removed = old_named.missing_in(new.named);
    let came = if added > 0 { samples(new.octets, old_named, options, seed) } else { Vec::new() };
    let old_octets = if removed > 0 { old_octets() } else { None };
    let went = old_octets.map(|octets| samples(&octets, new.named, options, seed));
    ListChange { added, removed, came, went: went.unwrap_or_default() }
}

/// Returns the first names of a list that the other one has not, in the list's order.
fn samples(octets: &[u8], other: &Named, options: &Options, seed: HashSeed) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut take = |rule: Rule| {
        if found.len() < SHOWN && other.0.binary_search(&key(&rule, seed)).is_err() {
            let text = text(&rule.pattern);
            if !found.contains(&text) {
                found.push(text);
            }
        }
    };
    // It has been read before; what was found until an error is as good.
    let _ = read(octets, options, &mut take);
    found
}

/// What a rule covers of a name is left out: a list may say the same in two rules, or change its
/// format, without naming anything new.
fn key(rule: &Rule, seed: HashSeed) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed.0[0], seed.0[1]);
    matches!(rule.effect, Effect::Allow | Effect::Hole).hash(&mut hasher);
    match &rule.pattern {
        Pattern::Exact(name) | Pattern::Subtree(name) | Pattern::Below(name) => {
            (0_u8, name.as_ref().wire()).hash(&mut hasher);
        }
        Pattern::Everything => 1_u8.hash(&mut hasher),
        Pattern::Text(pattern) => (2_u8, pattern).hash(&mut hasher),
        Pattern::Address(prefix) => (3_u8, prefix).hash(&mut hasher),
    }
    hasher.finish()
}

/// Returns what a pattern names, as people read it.
pub fn text(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Exact(name) | Pattern::Subtree(name) | Pattern::Below(name) => name.to_string(),
        Pattern::Everything => "*".into(),
        Pattern::Text(pattern) => {
            pattern.text.chars().take(200).flat_map(char::escape_debug).collect()
        }
        Pattern::Address(prefix) => prefix.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::parse::Format;

    const SEED: HashSeed = HashSeed([7, 9]);

    fn changed(old: &str, new: &str) -> ListChange {
        let options = Options { format: Format::Auto, ..Options::default() };
        let named =
            |text: &str| Named::of(text.as_bytes(), &options, SEED).expect("it is a list").0;
        let new_named = named(new);
        let reading = Reading { octets: new.as_bytes(), named: &new_named };
        compare((&named(old), &mut || Some(old.into())), &reading, &options, SEED)
    }

    #[test]
    fn what_came_and_went_is_counted_and_shown_in_order() {
        let change = changed("a.x\nb.x\nc.x\n", "# new\nd.x\nc.x\nz.x\na.x\nd.x\n");
        assert_eq!((change.added, change.removed), (2, 1));
        assert_eq!(
            (change.came, change.went),
            (vec!["d.x".into(), "z.x".into()], vec!["b.x".into()])
        );
    }

    #[test]
    fn another_order_or_format_changes_nothing() {
        assert_eq!(changed("a.x\nb.x\n", "b.x\na.x\na.x\n"), ListChange::default());
        assert_eq!(changed("a.x\nb.x\n", "0.0.0.0 a.x\n0.0.0.0 b.x\n"), ListChange::default());
    }

    #[test]
    fn a_hundred_names_are_shown_and_all_are_counted() {
        let many: String = (0..500).map(|n| format!("n{n}.x\n")).collect();
        let change = changed("a.x\n", &many);
        assert_eq!((change.added, change.removed, change.came.len()), (500, 1, 100));
        assert_eq!(change.came[99], "n99.x");
        let change = changed(&many, "a.x\n");
        assert_eq!((change.added, change.removed, change.went.len()), (1, 500, 100));
    }
}
