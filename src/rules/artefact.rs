//! A ruleset as octets, to be kept in a file and read where it lies.

use std::hash::Hasher;

use bytes::Bytes;
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher128};

use crate::model::{HashSeed, MAX_LISTS};

use super::index::BUCKET;
use super::octets::{Reader, Stored};
use super::ruleset::{PrefixLengths, Root};
use super::{
    Index, ListInfo, Matcher, PatternPlace, Patterns, Ruleset, Sets, Standing, TextPattern,
};

/// The first octets of each artefact.
const MAGIC: [u8; 8] = *b"dpxrules";

/// Rises with each change of what is stored, or of what it means.
const VERSION: u32 = 2;

/// Sections, in their order in the file.
const SECTIONS: usize = 9;
const LISTS: usize = 0;
const BUCKETS: usize = 1;
const FILTER: usize = 2;
const SPILL: usize = 3;
const SETS: usize = 4;
const SPECIALS: usize = 5;
const PATTERNS: usize = 6;
const LENGTHS: usize = 7;
const NOTES: usize = 8;

/// Magic, version, count of sections, length of all, check of the seed, key.
const HEADER: usize = 8 + 4 + 4 + 8 + 8 + 32;

/// The header, its checksum, and the table of sections: offset and length each.
const FRONT: usize = HEADER + CHECKSUM + 16 * SECTIONS;
const CHECKSUM: usize = 16;

/// Why octets are not taken for a ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtefactError {
    /// Something else altogether.
    #[error("these are not compiled lists")]
    NotOurs,
    /// Of another version of the program.
    #[error("the lists were compiled by another version")]
    OtherVersion,
    /// Compiled with another secret.
    #[error("the lists were compiled for another installation")]
    OtherSeed,
    /// Compiled from other lists.
    #[error("the compiled lists are not of these lists")]
    OtherKey,
    /// Cut short, or not as they were written.
    #[error("the compiled lists are damaged")]
    Damaged,
}

impl Ruleset {
    /// Returns all of it as octets; `key` says what it was made from.
    ///
    /// The table and its filter begin at multiples of 64 and are later read where they lie.
    pub fn to_octets(&self, key: &[u8; 32]) -> Vec<u8> {
        let mut out = vec![0; FRONT];
        let mut table = Vec::with_capacity(16 * SECTIONS);
        for section in 0..SECTIONS {
            out.resize(out.len().next_multiple_of(BUCKET), 0);
            let start = out.len();
            self.write_section(section, &mut out);
            (start as u64, (out.len() - start) as u64).write(&mut table);
        }
        let mut header = Vec::with_capacity(HEADER);
        header.extend(MAGIC);
        (VERSION, SECTIONS as u32).write(&mut header);
        (out.len() as u64, seed_check(self.seed)).write(&mut header);
        header.extend(key);
        out[..HEADER].copy_from_slice(&header);
        out[HEADER + CHECKSUM..FRONT].copy_from_slice(&table);
        let checksum = checksum(&out, self.seed);
        out[HEADER..HEADER + CHECKSUM].copy_from_slice(&checksum);
        out
    }

    /// Reads what [`Ruleset::to_octets`] wrote; the table stays where it lies in `octets`.
    pub fn from_octets(
        octets: Bytes,
        key: &[u8; 32],
        seed: HashSeed,
    ) -> Result<Ruleset, ArtefactError> {
        let length = check_header(&octets, key, seed)?;
        let octets = octets.slice(..length);
        if octets.get(HEADER..HEADER + CHECKSUM) != Some(&checksum(&octets, seed)[..]) {
            return Err(ArtefactError::Damaged);
        }
        read(&octets, seed).ok_or(ArtefactError::Damaged)
    }

    fn write_section(&self, section: usize, out: &mut Vec<u8>) {
        match section {
            LISTS => self.lists.write(out),
            BUCKETS => out.extend(self.index.buckets()),
            FILTER => {
                let (descriptor, fingerprints) = self.index.filter().unwrap_or_default();
                out.extend(descriptor);
                out.extend(fingerprints);
            }
            SPILL => self.index.spill().iter().for_each(|pair| pair.write(out)),
            SETS => {
                self.sets.ends.write(out);
                self.sets.parts.write(out);
                self.sets.groups.write(out);
            }
            SPECIALS => self.sets.specials.write(out),
            PATTERNS => {
                for pattern in self.patterns.placed() {
                    pattern.text.write(out);
                    pattern.set.write(out);
                }
            }
            LENGTHS => {
                self.addresses.v4.write(out);
                self.addresses.v6.write(out);
            }
            _ => out.extend(&self.notes),
        }
    }
}

/// Checks what can be told without reading all; returns how long it is.
fn check_header(octets: &[u8], key: &[u8; 32], seed: HashSeed) -> Result<usize, ArtefactError> {
    let damaged = ArtefactError::Damaged;
    let mut reader = Reader(octets);
    if reader.take(MAGIC.len()) != Some(&MAGIC) {
        return Err(ArtefactError::NotOurs);
    }
    let (version, sections) = <(u32, u32)>::read(&mut reader).ok_or(damaged)?;
    if version != VERSION {
        return Err(ArtefactError::OtherVersion);
    }
    let (length, check) = <(u64, u64)>::read(&mut reader).ok_or(damaged)?;
    let length = usize::try_from(length).map_err(|_| damaged)?;
    if sections as usize != SECTIONS || length < FRONT || length > octets.len() {
        return Err(damaged);
    }
    if check != seed_check(seed) {
        return Err(ArtefactError::OtherSeed);
    }
    let theirs = reader.take(key.len()).ok_or(damaged)?;
    if theirs == key { Ok(length) } else { Err(ArtefactError::OtherKey) }
}

/// Reads the sections; `None`: something in them cannot be.
fn read(octets: &Bytes, seed: HashSeed) -> Option<Ruleset> {
    let table = octets.get(HEADER + CHECKSUM..FRONT)?;
    let section = |number: usize| {
        let mut place = Reader(table.get(16 * number..)?);
        let (start, length) = <(u64, u64)>::read(&mut place)?;
        let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
        let end = start.checked_add(length)?;
        (start >= FRONT && end <= octets.len()).then(|| octets.slice(start..end))
    };
    let lists: Box<[ListInfo]> = Reader(&section(LISTS)?).last()?;
    let spill = section(SPILL)?;
    let spill = rows(&spill)?;
    let index = Index::from_parts(section(BUCKETS)?, spill.into(), section(FILTER)?)?;
    let specials = Reader(&section(SPECIALS)?).last()?;
    let sets = read_sets(&section(SETS)?, specials)?;
    let standing = Standing::of(&lists);
    let lengths = section(LENGTHS)?;
    let (v4, v6) = Reader(&lengths).last()?;
    let known = lists.len() <= MAX_LISTS;
    known.then_some(Ruleset {
        seed,
        root: Root::find(&index, &sets, &standing),
        patterns: read_patterns(&section(PATTERNS)?, seed)?,
        lists,
        standing,
        index,
        sets,
        addresses: PrefixLengths { v4, v6 },
        notes: section(NOTES)?,
    })
}

fn read_sets(octets: &[u8], specials: Box<[super::Special]>) -> Option<Sets> {
    let mut reader = Reader(octets);
    let (ends, parts) = Stored::read(&mut reader)?;
    let sets = Sets { ends, parts, groups: reader.last()?, specials };
    // A set that reached beyond the tables would be taken for none, and its rules be lost.
    (1..=sets.count()).all(|number| sets.get(number as u32).is_some()).then_some(sets)
}

fn read_patterns(octets: &[u8], seed: HashSeed) -> Option<Patterns> {
    let place = |(text, set): (TextPattern, u32)| {
        let matcher = Matcher::new(&text).ok()?;
        Some(PatternPlace { text, matcher, set })
    };
    rows(octets)?
        .into_iter()
        .map(place)
        .collect::<Option<Vec<_>>>()
        .map(|placed| Patterns::new(placed, seed))
}

/// Reads values up to the end.
fn rows<T: Stored>(octets: &[u8]) -> Option<Vec<T>> {
    let mut reader = Reader(octets);
    let mut rows = Vec::new();
    while !reader.0.is_empty() {
        rows.push(T::read(&mut reader)?);
    }
    Some(rows)
}

/// Tells whether a seed is the same, and nothing else of it.
fn seed_check(seed: HashSeed) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed.0[0], seed.0[1]);
    hasher.write(&MAGIC);
    hasher.finish()
}

/// Sums up all octets but those of the sum, keyed, so that nobody else can make a sum fit.
fn checksum(octets: &[u8], seed: HashSeed) -> [u8; CHECKSUM] {
    let mut hasher = SipHasher128::new_with_keys(seed.0[0], !seed.0[1]);
    hasher.write(octets.get(..HEADER).unwrap_or_default());
    hasher.write(octets.get(HEADER + CHECKSUM..).unwrap_or_default());
    hasher.finish128().as_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{DomainName, ListKind, ListName, NameHashes};
    use crate::rules::parse::Format;
    use crate::rules::{
        Answer, Asker, Asking, ClientMatch, Compiler, Condition, Effect, Except, Pattern, Record,
        Rewrite, Rule, Selection,
    };

    const SEED: HashSeed = HashSeed([5, 6]);
    const KEY: [u8; 32] = [9; 32];

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    /// Rules that need every section and each value that is stored.
    fn ruleset(names: usize) -> Ruleset {
        let block = Effect::Block(Answer::Policy);
        let plain = |pattern| Rule::plain(pattern, block.clone(), 1);
        let subtree = |text: &str| plain(Pattern::Subtree(name(text)));
        let clients = ["192.0.2.0/24".parse().expect("a prefix")].map(ClientMatch::Address);
        let condition = Condition {
            types: Selection {
                exclude: [crate::model::RecordType::A].into(),
                ..Selection::default()
            },
            clients: Selection { include: clients.into(), ..Selection::default() },
            tags: Selection { include: ["user_child".into()].into(), ..Selection::default() },
            except: [Except::Name(name("a.b")), Except::UnderAnySuffix(name("c"))].into(),
        };
        let rewrites = [
            Rewrite::Code(3),
            Rewrite::Alias(name("y.com")),
            Rewrite::AliasBelow(name("z")),
            Rewrite::Record(Record { ttl: Some(60), ..Record::v4([192, 0, 2, 1].into()) }),
        ];
        let mut rules: Vec<Rule> = (0..names).map(|n| subtree(&format!("n{n}.example"))).collect();
        rules.extend(
            rewrites
                .into_iter()
                .map(|rewrite| Rule { effect: Effect::Rewrite(rewrite), ..subtree("x.com") }),
        );
        rules.push(Rule { condition: Some(Box::new(condition)), ..subtree("x.com") });
        rules.push(Rule { effect: Effect::CancelRewrites(None), ..subtree("x.com") });
        rules.push(plain(Pattern::regex("track|pixel")));
        rules.push(plain(Pattern::Address("192.0.2.0/24".parse().expect("a prefix"))));
        rules.push(plain(Pattern::Everything));
        let mut compiler = Compiler::new(SEED);
        let info = |text| {
            let name = ListName::parse(text).expect("a name");
            ListInfo::new(name, ListKind::Other, Format::Adguard)
        };
        compiler.add(info("one"), &rules).expect("one list");
        let badfilter = Rule { badfilter: true, ..subtree("n1.example") };
        compiler.add(info("two"), &[badfilter]).expect("two lists");
        let mut ruleset = compiler.finish();
        ruleset.set_notes(Bytes::from_static(b"what the store knows"));
        ruleset
    }

    fn read(octets: Vec<u8>) -> Result<Ruleset, ArtefactError> {
        Ruleset::from_octets(octets.into(), &KEY, SEED)
    }

    /// Asks for all sorts of things; what comes out does not matter.
    fn use_up(ruleset: &Ruleset) {
        let asker = Asker { address: [192, 0, 2, 1].into(), names: &[], tags: &[] };
        for text in ["a.x.com", "n1.example", "tracker.com", "192.0.2.1"] {
            let name = DomainName::from_presentation(text).expect("a name");
            let query_type = crate::model::RecordType::A;
            let asking = Asking { name: name.as_ref(), query_type, asker };
            let mut found = vec![ruleset.find(name.as_ref(), &NameHashes::of(name.as_ref(), SEED))];
            found.push(ruleset.find_address([192, 0, 2, 1].into()));
            for matches in found {
                let lists = ruleset.holding(&matches, &asking);
                let _ = ruleset.judge(&matches, lists, &asking);
            }
        }
    }

    #[test]
    fn each_reason_to_refuse_is_told() {
        let octets = ruleset(10).to_octets(&KEY);
        let refused = |octets: Vec<u8>| read(octets).err();
        assert_eq!(refused(b"<html>".to_vec()), Some(ArtefactError::NotOurs));
        assert_eq!(refused(Vec::new()), Some(ArtefactError::NotOurs));
        let mut older = octets.clone();
        older[8] = 0;
        assert_eq!(refused(older), Some(ArtefactError::OtherVersion));
        let other = HashSeed([5, 7]);
        let refused = Ruleset::from_octets(octets.clone().into(), &KEY, other).err();
        assert_eq!(refused, Some(ArtefactError::OtherSeed));
        let refused = Ruleset::from_octets(octets.clone().into(), &[8; 32], SEED).err();
        assert_eq!(refused, Some(ArtefactError::OtherKey));
        let mut damaged = octets;
        *damaged.last_mut().expect("octets") ^= 1;
        assert_eq!(read(damaged).err(), Some(ArtefactError::Damaged));
    }

    #[test]
    fn every_cut_and_every_turned_octet_is_noticed_and_what_stands_behind_means_nothing() {
        let octets = ruleset(10).to_octets(&KEY);
        for length in 0..octets.len() {
            assert!(read(octets[..length].to_vec()).is_err(), "{length}");
        }
        for at in 0..octets.len() {
            let mut odd = octets.clone();
            odd[at] ^= 0x10;
            assert!(read(odd).is_err(), "{at}");
        }
        let longer = [&octets[..], b"what lies behind in a page"].concat();
        assert!(read(longer).expect("whole").to_octets(&KEY) == octets);
    }

    #[test]
    fn the_table_is_read_where_it_lies() {
        let octets = Bytes::from(ruleset(5000).to_octets(&KEY));
        let within = octets.as_ptr_range();
        let again = Ruleset::from_octets(octets.clone(), &KEY, SEED).expect("whole");
        assert!(within.contains(&again.index.buckets().as_ptr()));
        let (_, fingerprints) = again.index.filter().expect("many names");
        assert!(within.contains(&fingerprints.as_ptr()));
        let start = again.index.buckets().as_ptr() as usize - octets.as_ptr() as usize;
        assert_eq!(start % BUCKET, 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn octets_that_someone_with_the_seed_made_up_never_panic(
            turns in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            static OCTETS: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
            let mut octets = OCTETS.get_or_init(|| ruleset(600).to_octets(&KEY)).clone();
            let buckets = FRONT + 256..FRONT + 256 + 600 / 6 * BUCKET;
            for (at, octet) in turns {
                // Seldom the table: what stands there is checked at each look anyway.
                let at = at.index(octets.len());
                let at = if buckets.contains(&at) && octet % 8 != 0 { octets.len() - 1 - at % 2000 } else { at };
                octets[at] = octet;
            }
            let sum = checksum(&octets, SEED);
            octets[HEADER..HEADER + CHECKSUM].copy_from_slice(&sum);
            if let Ok(ruleset) = read(octets) {
                use_up(&ruleset);
            }
        }
    }
}
