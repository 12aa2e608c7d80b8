//! The versions of one list: which is in force, which is held, which can be put back; pure.

use serde::{Deserialize, Serialize};

use super::ContentHash;

/// Earlier versions of a list that are kept beside the one in force.
pub const KEPT_VERSIONS: usize = 5;

/// A list may grow fourfold, or by this many names.
const GROWTH: u32 = 100_000;

/// What a version of a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    /// In force.
    InForce,
    /// Held back until somebody accepts it.
    Held,
    /// Taken out of force by a roll-back: not let in again when the same content comes.
    RolledBack,
    /// In force before.
    Earlier,
}

/// One version of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// The hash of its content.
    pub hash: ContentHash,
    /// Octets, unpacked.
    pub octets: u32,
    /// Different names, patterns and addresses that it names.
    pub names: u32,
    /// Whether it could be put in force at all.
    pub usable: bool,
    /// Seconds after which it wants to be fetched again.
    pub expires: Option<u32>,
    /// The source it came from.
    pub source: String,
    /// What it changed, or would change.
    pub change: ListChange,
    /// When it came, seconds since 1970.
    pub at: i64,
    /// What it is.
    pub state: VersionState,
    /// Why it is held or was rolled back.
    pub why: Option<String>,
}

/// Which names came and went with a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListChange {
    /// Names that came.
    pub added: u32,
    /// Names that went.
    pub removed: u32,
    /// The first that came.
    pub came: Vec<String>,
    /// The first that went.
    pub went: Vec<String>,
}

/// How the fetching of a list goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Source and reading of the last attempt.
    pub asked: String,
    /// When it was last tried, seconds since 1970.
    pub last_attempt: Option<i64>,
    /// When what came was last good.
    pub last_success: Option<i64>,
    /// Failures in a row.
    pub failures: u32,
    /// What was wrong the last time, unless all was well.
    pub last_error: Option<String>,
    /// When it is due again; `None`: at once.
    pub next_due: Option<i64>,
    /// `ETag` of what came last.
    pub etag: Option<String>,
    /// `Last-Modified` of what came last.
    pub last_modified: Option<String>,
}

/// All that is known of one list's versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The versions that are kept, by number.
    pub versions: Vec<Version>,
    /// The highest number given so far.
    pub newest: u32,
    /// How the fetching goes.
    pub attempts: Attempts,
}

/// Returns why a list that had `before` names is not to be replaced by one that has `now`.
pub fn suspicion(before: u32, now: u32) -> Option<String> {
    let (wide_before, wide_now) = (u64::from(before), u64::from(now));
    if wide_now * 4 < wide_before {
        return Some(format!("it has {now} names, and had {before}"));
    }
    let grown = now.saturating_sub(before);
    (wide_now > wide_before * 4 && grown > GROWTH)
        .then(|| format!("it has grown to {now} names, and had {before}"))
}

impl History {
    /// Returns the version in force.
    pub fn in_force(&self) -> Option<&Version> {
        self.versions.iter().find(|version| version.state == VersionState::InForce)
    }

    /// Returns the version that is held back.
    pub fn held(&self) -> Option<&Version> {
        self.versions.iter().find(|version| version.state == VersionState::Held)
    }

    /// Returns the version that waits to be accepted: the held one, or else that rolled back last.
    pub fn waiting(&self) -> Option<&Version> {
        let rolled = self.versions.iter().rfind(|v| v.state == VersionState::RolledBack);
        self.held().or(rolled)
    }

    /// Returns the version of this content that was rolled back.
    pub fn rolled_back(&self, hash: &ContentHash) -> Option<&Version> {
        let mut versions = self.versions.iter();
        versions.find(|v| v.state == VersionState::RolledBack && v.hash == *hash)
    }

    /// Notes that the source has what is in force: all that waited beside it is settled.
    pub fn settle(&mut self) {
        self.versions.retain(|version| version.state != VersionState::Held);
        self.each(VersionState::RolledBack, VersionState::Earlier);
        self.prune();
    }

    /// Puts a new version in force and returns its number.
    pub fn put_in_force(&mut self, version: Version) -> u32 {
        let number = self.number_for(&version.hash);
        self.settle();
        self.each(VersionState::InForce, VersionState::Earlier);
        self.versions.push(Version { number, state: VersionState::InForce, why: None, ..version });
        self.prune();
        number
    }

    /// Holds a new version back; it takes the place of one held before.
    pub fn hold(&mut self, version: Version, why: &str) {
        let number = self.number_for(&version.hash);
        self.versions.retain(|version| version.state != VersionState::Held);
        let why = Some(why.to_string());
        self.versions.push(Version { number, state: VersionState::Held, why, ..version });
    }

    /// Puts the held version, or else the one rolled back last, in force.
    pub fn accept(&mut self) -> Result<u32, String> {
        let wanted = self.waiting().ok_or("no version of it is held")?;
        let number = wanted.number;
        if !wanted.usable {
            let why = wanted.why.as_deref().unwrap_or("it cannot be read");
            return Err(format!("version {number} cannot be put in force: {why}"));
        }
        self.each(VersionState::InForce, VersionState::Earlier);
        self.each(VersionState::RolledBack, VersionState::Earlier);
        self.switch(number, VersionState::InForce, None);
        self.prune();
        Ok(number)
    }

    /// Puts an earlier version back in force: the one before, or that of a number.
    pub fn roll_back(&mut self, wanted: Option<u32>) -> Result<u32, String> {
        let now = self.in_force().map(|version| version.number);
        let earlier = self.versions.iter().rfind(|version| {
            let back = matches!(version.state, VersionState::Earlier | VersionState::RolledBack);
            let before = now.is_none_or(|now| version.number < now);
            back && wanted.map_or(before, |wanted| version.number == wanted)
        });
        let Some(target) = earlier.map(|version| version.number) else {
            return Err(self.no_way_back(wanted));
        };
        if let Some(now) = now {
            let why = format!("version {now} was rolled back to version {target}");
            self.switch(now, VersionState::RolledBack, Some(why));
        }
        self.switch(target, VersionState::InForce, None);
        self.prune();
        Ok(target)
    }

    /// Drops a version whose copy is lost; the latest one before takes its place in force.
    pub fn lose(&mut self, number: u32) {
        let in_force = self.in_force().is_some_and(|version| version.number == number);
        self.versions.retain(|version| version.number != number);
        let next = self.versions.iter().rfind(|v| v.state == VersionState::Earlier && v.usable);
        if let Some(next) = next.filter(|_| in_force).map(|version| version.number) {
            self.switch(next, VersionState::InForce, None);
        }
        // Only the whole content can put right what is lost.
        (self.attempts.etag, self.attempts.last_modified, self.attempts.next_due) =
            Default::default();
    }

    fn no_way_back(&self, wanted: Option<u32>) -> String {
        let Some(wanted) = wanted else { return "no earlier version of it is kept".into() };
        let found = self.versions.iter().find(|version| version.number == wanted);
        match found.map(|version| version.state) {
            Some(VersionState::InForce) => format!("version {wanted} is in force already"),
            Some(VersionState::Held) => format!("version {wanted} is held; accept it instead"),
            _ => {
                let back = |v: &&Version| {
                    matches!(v.state, VersionState::Earlier | VersionState::RolledBack)
                };
                let kept = self.versions.iter().filter(back).map(|v| v.number.to_string());
                let kept: Vec<String> = kept.collect();
                match kept.is_empty() {
                    true => "no earlier version of it is kept".into(),
                    false => format!("there is no version {wanted}; kept are {}", kept.join(", ")),
                }
            }
        }
    }

    /// The content that is held keeps its number when it comes again.
    fn number_for(&mut self, hash: &ContentHash) -> u32 {
        if let Some(held) = self.held().filter(|held| held.hash == *hash) {
            return held.number;
        }
        self.newest = self.newest.saturating_add(1);
        self.newest
    }

    fn each(&mut self, from: VersionState, to: VersionState) {
        for version in self.versions.iter_mut().filter(|version| version.state == from) {
            version.state = to;
            version.why = None;
        }
    }

    fn switch(&mut self, number: u32, state: VersionState, why: Option<String>) {
        if let Some(version) = self.versions.iter_mut().find(|v| v.number == number) {
            version.state = state;
            version.why = why;
        }
    }

    /// Keeps the versions in order of number, and of those before only the last few.
    fn prune(&mut self) {
        self.versions.sort_by_key(|version| version.number);
        let back =
            |v: &Version| matches!(v.state, VersionState::Earlier | VersionState::RolledBack);
        let mut surplus = self.versions.iter().filter(|v| back(v)).count();
        self.versions.retain(|version| {
            let goes = back(version) && surplus > KEPT_VERSIONS;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(content: &str) -> Version {
        Version {
            number: 0,
            hash: ContentHash::of(content.as_bytes()),
            octets: 1,
            names: 1,
            usable: true,
            expires: None,
            source: "a.txt".into(),
            change: ListChange::default(),
            at: 0,
            state: VersionState::Earlier,
            why: None,
        }
    }

    fn with(contents: &[&str]) -> History {
        let mut history = History::default();
        contents.iter().for_each(|content| {
            history.put_in_force(version(content));
        });
        history
    }

    fn shown(history: &History) -> Vec<(u32, VersionState)> {
        history.versions.iter().map(|version| (version.number, version.state)).collect()
    }

    use VersionState::{Earlier, Held, InForce, RolledBack};

    #[test]
    fn the_one_in_force_and_the_last_five_before_it_are_kept() {
        let history = with(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        let numbers: Vec<u32> = history.versions.iter().map(|version| version.number).collect();
        assert_eq!(numbers, [3, 4, 5, 6, 7, 8]);
        assert_eq!(history.in_force().map(|version| version.number), Some(8));
    }

    #[test]
    fn what_was_rolled_back_is_known_until_other_content_comes() {
        let mut history = with(&["a", "b", "c"]);
        assert_eq!(history.roll_back(None), Ok(2));
        assert_eq!(history.roll_back(None), Ok(1));
        assert_eq!(shown(&history), [(1, InForce), (2, RolledBack), (3, RolledBack)]);
        assert!(history.rolled_back(&ContentHash::of(b"c")).is_some());
        assert!(history.rolled_back(&ContentHash::of(b"a")).is_none());
        history.put_in_force(version("d"));
        assert_eq!(shown(&history), [(1, Earlier), (2, Earlier), (3, Earlier), (4, InForce)]);
        assert!(history.rolled_back(&ContentHash::of(b"c")).is_none());
    }

    #[test]
    fn a_roll_back_names_what_can_be_had() {
        let mut history = with(&["a", "b", "c"]);
        history.hold(version("d"), "too small");
        let refused = |wanted| history.clone().roll_back(wanted).expect_err("refused");
        assert_eq!(refused(Some(3)), "version 3 is in force already");
        assert_eq!(refused(Some(4)), "version 4 is held; accept it instead");
        assert_eq!(refused(Some(9)), "there is no version 9; kept are 1, 2");
        assert_eq!(history.roll_back(Some(1)), Ok(1));
        assert_eq!(history.roll_back(Some(3)), Ok(3), "and forward again");
        assert_eq!(with(&["a"]).roll_back(None), Err("no earlier version of it is kept".into()));
    }

    #[test]
    fn a_held_version_is_accepted_replaced_or_settled() {
        let mut history = with(&["a"]);
        assert_eq!(history.accept(), Err("no version of it is held".into()));
        history.hold(version("b"), "too small");
        history.hold(version("b"), "still too small");
        history.hold(version("c"), "too small");
        assert_eq!(shown(&history), [(1, InForce), (3, Held)], "one is held at a time");
        let mut settled = history.clone();
        settled.settle();
        assert_eq!(shown(&settled), [(1, InForce)]);
        assert_eq!(history.accept(), Ok(3));
        assert_eq!(shown(&history), [(1, Earlier), (3, InForce)]);
        assert_eq!(history.in_force().and_then(|version| version.why.clone()), None);
        history.hold(Version { usable: false, ..version("d") }, "it is a web page");
        assert_eq!(
            history.accept(),
            Err("version 4 cannot be put in force: it is a web page".into())
        );
    }

    #[test]
    fn what_was_rolled_back_can_be_accepted_again() {
        let mut history = with(&["a", "b"]);
        history.roll_back(None).expect("a version before");
        assert_eq!(history.accept(), Ok(2));
        assert_eq!(shown(&history), [(1, Earlier), (2, InForce)]);
    }

    #[test]
    fn a_lost_version_gives_way_to_the_one_before() {
        let mut history = with(&["a", "b", "c"]);
        history.attempts.etag = Some("x".into());
        history.lose(3);
        assert_eq!(shown(&history), [(1, Earlier), (2, InForce)]);
        assert_eq!(history.attempts.etag, None);
        history.lose(1);
        assert_eq!(shown(&history), [(2, InForce)]);
        history.lose(2);
        assert_eq!(history.in_force(), None);
    }

    #[test]
    fn a_list_may_lose_three_quarters_and_grow_fourfold_or_by_a_hundred_thousand() {
        assert_eq!(suspicion(100, 25), None);
        assert_eq!(suspicion(100, 24).as_deref(), Some("it has 24 names, and had 100"));
        assert_eq!(suspicion(10, 100_010), None);
        assert!(suspicion(10, 100_011).is_some_and(|why| why.starts_with("it has grown to")));
        assert_eq!(suspicion(1_000_000, 4_000_000), None);
        assert!(suspicion(1_000_000, 4_000_001).is_some());
        assert_eq!(suspicion(u32::MAX, u32::MAX), None);
    }
}
