//! All rules, compiled: one lookup tells every list that names a name.

use std::net::IpAddr;

use bytes::Bytes;

use crate::model::{HashSeed, ListKind, ListMask, ListName, NameRef, NameText, Presentation};

use super::literal_address::literal_address;
use super::parse::Format;
use super::places::{ROOT, address_place};
use super::sets::Part;
use super::{
    Answer, Asking, Effect, Few, Heard, Index, Judgement, Matches, Patterns, Place, Sets, Standing,
    Step, Subject, Tally, Walk,
};

/// What is known of a list in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// Its name.
    pub name: ListName,
    /// What it is about.
    pub kind: ListKind,
    /// Whether it is shipped with the program.
    pub shipped: bool,
    /// Whether it is only the `basic` part of the list of that name, and never shown by itself.
    pub part: bool,
    /// Its syntax, found out if it was to be: it decides how rules of the list weigh.
    pub format: Format,
    /// Whether its rewrites are obeyed; without that they block.
    pub trusted: bool,
    /// Whether everything it names is allowed.
    pub allowlist: bool,
}

impl ListInfo {
    /// Returns what is known of a blocklist of somebody's, not trusted.
    pub fn new(name: ListName, kind: ListKind, format: Format) -> ListInfo {
        let (shipped, part, trusted, allowlist) = Default::default();
        ListInfo { name, kind, shipped, part, format, trusted, allowlist }
    }
}

/// All rules, compiled; immutable.
///
/// The hash of a name leads to the set of what all lists say there. A search walks from the name to
/// its parents: the name's own rules, then text patterns, then those of each parent, then those for
/// every name. Of a list that ships with the program or is written for a server the first step that
/// speaks decides, and a hole stands against other rules of its step; of other lists all count.
/// Cost: for each label a look at the filter, and a cache line or two where it says perhaps.
pub struct Ruleset {
    pub(super) seed: HashSeed,
    pub(super) lists: Box<[ListInfo]>,
    pub(super) standing: Standing,
    pub(super) index: Index,
    pub(super) sets: Sets,
    pub(super) patterns: Patterns,
    pub(super) root: Root,
    pub(super) addresses: PrefixLengths,
    pub(super) notes: Bytes,
}

/// The set of rules for the root and for every name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// Its number; 0 without one.
    pub set: u32,
    /// Whether zones have triggers by client in it.
    pub clients: bool,
}

/// Lengths of address prefixes that rules have, longest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixLengths {
    /// Of IPv4.
    pub v4: Box<[u8]>,
    /// Of IPv6.
    pub v6: Box<[u8]>,
}

impl Ruleset {
    /// Returns what all lists say of `name`, in any policy or none.
    ///
    /// Allocates nothing, unless more than six sets or patterns meet in one name; and automata of
    /// regular expressions allocate while they are young, since they are made as names ask for it.
    pub fn find(&self, name: NameRef<'_>, hashes: &[u64]) -> Matches {
        self.find_text(&NameText::of(name), hashes)
    }

    /// Does what `find` does for a name that is text already.
    pub fn find_text(&self, text: &NameText<'_>, hashes: &[u64]) -> Matches {
        let mut found = Matches::default();
        if self.root.clients {
            found.special = true;
            found.push(Step { place: Place::Client, set: self.root.set });
        }
        let sieve = self.index.sieve(hashes);
        match hashes.first() {
            Some(&hash) if sieve.has(0) => self.look(hash, Place::Here, &mut found),
            Some(_) => {}
            None => self.look_at_root(Place::Here, &mut found),
        }
        if !self.addresses.is_empty()
            && let Some(address) = literal_address(text.name())
        {
            self.look_for_prefixes(address, &mut found);
        }
        if !self.patterns.has_none_for(Subject::Name)
            && self.patterns.may_match(text.name(), hashes)
        {
            text.read(|text| self.look_for_texts(text, Subject::Name, &mut found));
        }
        for (_, &hash) in (0..).zip(hashes).skip(1).filter(|&(place, _)| sieve.has(place)) {
            self.look(hash, Place::Above, &mut found);
        }
        if !hashes.is_empty() {
            self.look_at_root(Place::Above, &mut found);
        }
        self.close(found)
    }

    /// Returns what all lists say of an address in an answer.
    pub fn find_address(&self, address: IpAddr) -> Matches {
        let mut found = Matches { address: true, ..Matches::default() };
        let address = address.to_canonical();
        self.look_for_prefixes(address, &mut found);
        if !self.patterns.has_none_for(Subject::Address) {
            let text = Presentation::of(address);
            self.look_for_texts(text.octets(), Subject::Address, &mut found);
        }
        self.close(found)
    }

    /// Returns the lists of which a rule matches whose condition holds.
    ///
    /// Rules count that only a rule of another list cancels: who has that list is not asked here.
    pub fn holding(&self, matches: &Matches, asking: &Asking<'_>) -> ListMask {
        if matches.special {
            self.lists_heard(matches, Some(asking))
        } else {
            matches.lists.intersection(self.standing.all)
        }
    }

    /// Returns the lists that have a part in what matches: by any rule, whatever its condition, by
    /// a hole, or by one that cancels another.
    pub fn involved(&self, matches: &Matches) -> ListMask {
        let mut lists = matches.lists;
        let steps = matches.steps.as_slice().iter().map(|&number| Step::from_number(number));
        for set in steps.filter_map(|step| self.sets.get(step.set)) {
            set.parts.iter().for_each(|part| lists = lists.union(part.lists));
            for special in set.specials() {
                lists.insert(special.list);
                special.cancelled_by.iter().for_each(|by| lists = lists.union(**by));
            }
        }
        lists
    }

    /// Judges what matches by the rules of one tier (`filter-rules.md`, section 2.1).
    ///
    /// `lists` are those of the tier that bind the device. Of lists that are not trusted a rewrite
    /// blocks. Exceptions of subscribed lists do not lift what shipped ones block; allowlists do.
    /// Allocates for rewrites only.
    pub fn judge(&self, matches: &Matches, lists: ListMask, asking: &Asking<'_>) -> Judgement {
        // Without special rules it is known who speaks; none of them may be of this tier.
        let speaking = matches.lists.intersection(lists);
        let silent = !matches.special && speaking.is_empty();
        if matches.is_empty() || lists.is_empty() || silent {
            return Judgement::None;
        }
        if let Some(answer) = self.block_alone(matches, speaking)
            && let Some(first) = speaking.first()
        {
            return Judgement::Block(first, answer);
        }
        let mut tally = Tally::new(&self.standing);
        let walk = Walk {
            sets: &self.sets,
            standing: &self.standing,
            lists,
            cancels: true,
            asking: Some(asking),
            address: matches.address,
        };
        walk.run(matches.steps.as_slice(), |heard| tally.hear(heard));
        tally.judgement(asking)
    }

    /// Returns the lists in force; a `ListId` is a place in here.
    pub fn lists(&self) -> &[ListInfo] {
        &self.lists
    }

    /// Returns the lists whose names are tracking names.
    pub fn tracking(&self) -> ListMask {
        self.standing.tracking
    }

    /// Returns the key of its hashes.
    pub fn seed(&self) -> HashSeed {
        self.seed
    }

    /// Returns how many regular expressions are in force; over 1,000 deserve a warning.
    pub fn expressions(&self) -> usize {
        self.patterns.expressions()
    }

    /// Returns what its maker wanted kept with it.
    pub fn notes(&self) -> &Bytes {
        &self.notes
    }

    /// Keeps something with it, in the artefact too.
    pub fn set_notes(&mut self, notes: Bytes) {
        self.notes = notes;
    }

    /// Returns resident octets of index and sets, without text patterns.
    pub fn size(&self) -> usize {
        self.index.size() + self.sets.size() + self.notes.len()
    }

    /// Returns the answer of the one plain rule that matches, if it blocks: then the first list that
    /// has it is told.
    fn block_alone(&self, matches: &Matches, speaking: ListMask) -> Option<Answer> {
        let kind = self.alone(matches)?.kind;
        let lets_through = !speaking.intersection(self.standing.allowlists).is_empty();
        match kind.effect() {
            Effect::Block(answer) if !kind.is_important() && !lets_through => Some(answer),
            _ => None,
        }
    }

    /// Returns the only rule that matches, whatever lists have it, if it is a plain one: most names
    /// that are listed have no other, and need no walk.
    fn alone(&self, matches: &Matches) -> Option<&Part> {
        match matches.steps.as_slice() {
            &[step] if !matches.special => {
                let [part] = self.sets.get(Step::from_number(step).set)?.parts else { return None };
                Some(part)
            }
            _ => None,
        }
    }

    /// Looks for a hash that the filter let pass.
    fn look(&self, hash: u64, place: Place, found: &mut Matches) {
        if let Some(set) = self.index.find_passed(hash) {
            self.take(set, place, found);
        }
    }

    fn look_for_prefixes(&self, address: IpAddr, found: &mut Matches) {
        let address = address.to_canonical();
        let lengths = if address.is_ipv4() { &self.addresses.v4 } else { &self.addresses.v6 };
        for &bits in lengths {
            if let Some(set) = self.index.find(address_place(address, bits, self.seed)) {
                self.take(set, Place::Here, found);
            }
        }
    }

    fn look_at_root(&self, place: Place, found: &mut Matches) {
        self.take(self.root.set, place, found);
    }

    fn look_for_texts(&self, text: &[u8], subject: Subject, found: &mut Matches) {
        let matching: Few = self.patterns.find(text, subject);
        for &number in matching.as_slice() {
            if let Some(pattern) = self.patterns.placed().get(number as usize) {
                self.take(pattern.set, Place::Here, found);
            }
        }
    }

    /// Adds a set, if a rule in it reaches what is asked for.
    fn take(&self, number: u32, place: Place, found: &mut Matches) {
        let Some(set) = self.sets.get(number) else { return };
        let reaches = set.parts.iter().any(|part| part.kind.reach().covers(place))
            || set.specials().any(|special| special.reach.covers(place));
        if reaches {
            found.special |= set.specials().next().is_some();
            found.push(Step { place, set: number });
        }
    }

    /// Ends a search: holes alone are no match.
    fn close(&self, mut found: Matches) -> Matches {
        if found.is_empty() {
            return found;
        }
        if let Some(part) = self.alone(&found).filter(|part| !part.kind.is_hole()) {
            found.lists = part.lists;
            return found;
        }
        found.lists = self.lists_heard(&found, None);
        let holes_alone = |step: Step| {
            let set = self.sets.get(step.set);
            set.is_none_or(|set| set.parts.iter().all(|part| part.kind.is_hole()))
        };
        let mut steps = found.steps.as_slice().iter().copied().map(Step::from_number);
        let nothing = found.lists.is_empty() && !found.special && steps.all(holes_alone);
        if nothing { Matches::default() } else { found }
    }

    fn lists_heard(&self, matches: &Matches, asking: Option<&Asking<'_>>) -> ListMask {
        let mut lists = ListMask::EMPTY;
        let walk = Walk {
            sets: &self.sets,
            standing: &self.standing,
            lists: self.standing.all,
            cancels: false,
            asking,
            address: matches.address,
        };
        walk.run(matches.steps.as_slice(), |heard| match heard {
            Heard::Plain(_, heard) => lists = lists.union(heard),
            Heard::Special(special) => lists.insert(special.list),
        });
        lists
    }
}

impl PrefixLengths {
    fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

impl Root {
    /// Finds the root's set.
    pub fn find(index: &Index, sets: &Sets, standing: &Standing) -> Root {
        let set = index.find(ROOT).unwrap_or(0);
        let specials = sets.get(set).into_iter().flat_map(|set| set.specials());
        let mut triggers = specials.filter(|it| it.by_client && standing.zones.contains(it.list));
        Root { set, clients: triggers.next().is_some() }
    }
}
