//! A first look at a text that rules out nearly always that any of some others is in it.

/// Octets of the runs that are looked for.
const RUN: usize = 3;

/// Bits of the table, as a power of two: of 300 runs that are none of 200 texts', one is taken for
/// one of theirs.
const BITS: u32 = 16;

/// What names are made of, common octets first; others are the rarest.
const COMMON: &[u8] = b"eaowirnstlcm.dpuhgbyfkvxjz-q0123456789_";

/// Spreads a run over all bits (Knuth, The Art of Computer Programming, volume 3, section 6.4).
const FACTOR: u32 = 0x9e37_79b1;

/// The rarest run of three octets of each of some texts, as bits of a table.
///
/// Cost: a dozen instructions for each octet of the text that is looked at, however many are sought.
pub struct Grams(Box<[u64; 1 << (BITS - 6)]>);

/// The last three octets that were read, in the upper bits.
#[derive(Clone, Copy, Default)]
struct Run(u32);

impl Grams {
    /// Takes in the texts to look for; `None` if one has less than three octets.
    pub fn of<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Option<Grams> {
        let mut grams = Grams(Box::new([0; 1 << (BITS - 6)]));
        for text in texts {
            let rarest = text.windows(RUN).max_by_key(|run| rarity(run))?;
            let (word, bit) =
                rarest.iter().fold(Run::default(), |run, &octet| run.with(octet)).place();
            grams.0[word] |= 1 << bit;
        }
        Some(grams)
    }

    /// Returns false only if none of the texts is in this one.
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        let (mut run, mut found) = (Run::default(), 0);
        for &octet in text {
            run = run.with(octet);
            let (word, bit) = run.place();
            found |= self.0[word] >> bit;
        }
        found & 1 != 0
    }
}

impl Run {
    fn with(self, octet: u8) -> Run {
        Run((self.0 | u32::from(octet)) << 8)
    }

    /// Returns its word in the table, and its bit there.
    fn place(self) -> (usize, u32) {
        let place = self.0.wrapping_mul(FACTOR) >> (u32::BITS - BITS);
        (place as usize >> 6, place & 63)
    }
}

fn rarity(run: &[u8]) -> usize {
    let of = |octet| COMMON.iter().position(|common| common == octet).unwrap_or(COMMON.len());
    run.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grams(texts: &[&str]) -> Option<Grams> {
        Grams::of(texts.iter().map(|text| text.as_bytes()))
    }

    #[test]
    fn a_text_that_says_too_little_makes_no_table() {
        assert!(grams(&["abcd", "ab"]).is_none());
    }

    #[test]
    fn the_rarest_run_is_looked_for() {
        let one = grams(&["analytics"]).expect("a table");
        assert!(!one.may_be_in(b"anal.tics") && !one.may_be_in(b"ana") && !one.may_be_in(b""));
        assert!(one.may_be_in(b"lyti"), "only a part of it is known");
        assert!(!grams(&[]).expect("an empty table").may_be_in(b"analytics"));
    }

    #[test]
    fn most_other_names_are_ruled_out() {
        let texts: Vec<String> = (0..200).map(|n| format!("ads{}", n * 7919)).collect();
        let grams = Grams::of(texts.iter().map(|text| text.as_bytes())).expect("a table");
        let other = |n: u32| format!("www.{:x}.example.org", n.wrapping_mul(FACTOR));
        let taken = (0..1_000).filter(|&n| grams.may_be_in(other(n).as_bytes())).count();
        assert!(taken < 300, "{taken} of 1,000");
    }

    proptest! {
        #[test]
        fn a_text_that_is_there_is_never_ruled_out(
            texts in prop::collection::vec("[a-c.-]{3,9}", 1..20),
            before in "[a-d.]{0,20}",
            behind in "\\PC{0,20}",
            chosen in any::<prop::sample::Index>(),
        ) {
            let grams = Grams::of(texts.iter().map(|text| text.as_bytes())).expect("a table");
            let whole = format!("{before}{}{behind}", chosen.get(&texts));
            prop_assert!(grams.may_be_in(whole.as_bytes()));
        }
    }
}
