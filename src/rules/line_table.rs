//! Which line of a list each of its rules stands on; cold, 8 octets a rule.

use super::Form;

/// Bits of a line number; lines behind it are not told.
const LINE_BITS: u32 = 24;

/// Keys in the upper 40 bits, line numbers in the lower 24, sorted.
pub struct LineTable(Box<[u64]>);

impl LineTable {
    /// Builds the table from rules: hash of the name, form, line.
    pub fn build(rules: impl Iterator<Item = (u64, Form, u32)>) -> LineTable {
        let mut entries: Vec<u64> = rules
            .filter(|&(_, _, line)| line < 1 << LINE_BITS)
            .map(|(hash, form, line)| key(hash, form) << LINE_BITS | u64::from(line))
            .collect();
        entries.sort_unstable();
        entries.dedup_by_key(|entry| *entry >> LINE_BITS);
        entries.shrink_to_fit();
        LineTable(entries.into_boxed_slice())
    }

    /// Returns the first line on which a rule stands.
    pub fn find(&self, hash: u64, form: Form) -> Option<u32> {
        let key = key(hash, form);
        let at = self.0.binary_search_by_key(&key, |entry| entry >> LINE_BITS).ok()?;
        self.0.get(at).map(|entry| (entry & ((1 << LINE_BITS) - 1)) as u32)
    }

    /// Returns resident octets.
    pub fn size(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// 38 bits of the hash and the form: two rules of a million share a key once in 270,000 looks.
fn key(hash: u64, form: Form) -> u64 {
    (hash >> 26) << 2 | form as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_each_form_is_told() {
        let rules = [
            (1 << 40, Form::ExactBlock, 9),
            (1 << 40, Form::ExactBlock, 4),
            (1 << 40, Form::SubtreeHole, 7),
            (1 << 50, Form::ExactBlock, 1),
        ];
        let table = LineTable::build(rules.into_iter());
        assert_eq!(table.find(1 << 40, Form::ExactBlock), Some(4));
        assert_eq!(table.find(1 << 40, Form::SubtreeHole), Some(7));
        assert_eq!(table.find(1 << 40, Form::SubtreeBlock), None);
        assert_eq!(table.size(), 3 * 8);
    }

    #[test]
    fn a_line_too_far_down_is_not_told_wrongly() {
        let far = (u64::MAX, Form::ExactHole, 1 << LINE_BITS);
        assert_eq!(LineTable::build([far].into_iter()).find(u64::MAX, Form::ExactHole), None);
    }
}
