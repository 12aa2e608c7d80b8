//! What binds one device: masks over the lists, own rules by scope, pauses.

use std::net::IpAddr;
use std::sync::Arc;

use super::OwnRules;
use crate::model::{Level, ListId, ListMask, LogDetail, Moment, Reason, Verdict};
use crate::rules::{Answer, Asking, Judgement, Matches, Rewritten, Ruleset};
use crate::sinkhole::BlockingMode;

/// A verdict, how it is carried out, and whether it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// What the rules say.
    pub verdict: Verdict,
    /// How a block is answered.
    pub answer: Answer,
    /// The answer of a rewrite.
    pub rewritten: Option<Box<Rewritten>>,
    /// Whether a pause or level off lifts it: the answer is untouched, the event says so.
    pub lifted: bool,
    /// Whether the allow is an own rule's, which on an alias target ends the answer checks.
    pub own: bool,
}

/// What is decided on: a name or an address, for one device.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The question; of what an answer leads to, with the type of the record that does.
    pub asking: Asking<'a>,
    /// What rules are looked up by.
    pub sought: Sought<'a>,
    /// What all lists say of it.
    pub matches: &'a Matches,
}

/// What rules are looked up by.
#[derive(Clone, Copy)]
pub enum Sought<'a> {
    /// The hashes of the name in the question.
    Name(&'a [u64]),
    /// An address in an answer.
    Address(IpAddr),
}

/// What binds one device at this edition; devices alike share one.
#[derive(Debug)]
pub struct DevicePolicy {
    pub(super) level: Level,
    pub(super) log: LogDetail,
    /// Lists whose matches are blocked.
    pub(super) lists: ListMask,
    /// At level off: lists whose matches are only noted.
    pub(super) shadow: ListMask,
    pub(super) bans: ListMask,
    /// Narrow scope first; scopes without a rule are left out.
    pub(super) own: Box<[Arc<OwnRules>]>,
    /// Whether only names are answered that something allows.
    pub(super) only_listed: bool,
    /// Pauses that bind this device: beginning and end, seconds since 1970.
    pub(super) pauses: Box<[(i64, i64)]>,
    pub(super) blocking: Arc<BlockingMode>,
    /// By `ListId`: the list that people are told of, which for a part is the whole.
    pub(super) told: Arc<[ListId]>,
}

impl Decision {
    /// Carries out what the lists of a tier say; `None` if they say nothing.
    pub fn of(judgement: Judgement, reason: impl Fn(ListId) -> Reason) -> Option<Decision> {
        Some(match judgement {
            Judgement::None => return None,
            Judgement::Allow(list) => Verdict::Allow(reason(list)).into(),
            Judgement::Block(list, answer) => {
                Decision { answer, ..Verdict::Block(reason(list)).into() }
            }
            Judgement::Rewrite(list, rewritten) => {
                let rewritten = Some(Box::new(rewritten));
                Decision { rewritten, ..Verdict::Rewrite(reason(list)).into() }
            }
            Judgement::Truncate(list) => Verdict::Truncate(reason(list)).into(),
        })
    }
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Decision {
        let (answer, rewritten, lifted, own) = Default::default();
        Decision { verdict, answer, rewritten, lifted, own }
    }
}

impl DevicePolicy {
    /// Decides on an alias target or an address: own rules by scope, bans, then lists.
    ///
    /// Where only listed names are answered these are judged by what blocks all the same: an answer
    /// leads where it must. Allocates nothing, but for a rewrite.
    pub fn decide(&self, ruleset: &Ruleset, subject: &Subject<'_>, now: Moment) -> Decision {
        let decision = self.speak(ruleset, subject, now);
        self.pause(decision, now)
    }

    /// Returns whether nothing that binds the device can speak of what an answer leads to.
    pub fn is_silent_on(&self, matches: &Matches) -> bool {
        self.own.is_empty() && matches.is_empty()
    }

    /// Decides on the name that is asked for: also blocks what nothing allows, where only listed
    /// names are answered, unless it `stays_open`.
    pub fn decide_asked(
        &self,
        ruleset: &Ruleset,
        subject: &Subject<'_>,
        now: Moment,
        stays_open: impl FnOnce() -> bool,
    ) -> Decision {
        let decision = self.speak(ruleset, subject, now);
        let open =
            decision.lifted || matches!(decision.verdict, Verdict::None | Verdict::Truncate(_));
        let decision = if self.only_listed && open && !stays_open() {
            self.by_shadow(ruleset, subject).unwrap_or(Verdict::Block(Reason::NotListed).into())
        } else {
            decision
        };
        self.pause(decision, now)
    }

    /// Returns what rules, bans and lists say, whether there is a pause or not.
    fn speak(&self, ruleset: &Ruleset, subject: &Subject<'_>, now: Moment) -> Decision {
        let seconds = now.unix_seconds();
        let own = self.own.iter().find_map(|rules| rules.decide(subject, seconds));
        let own = own.map(|decision| {
            let own = matches!(decision.verdict, Verdict::Allow(_));
            Decision { own, ..decision }
        });
        let decision = own.or_else(|| self.judge(ruleset, subject));
        decision.unwrap_or_else(|| Verdict::None.into())
    }

    fn pause(&self, decision: Decision, now: Moment) -> Decision {
        let paused = self.paused_until(now).is_some();
        let lifted = decision.verdict.interferes() && (decision.lifted || paused);
        Decision { lifted, ..decision }
    }

    /// At level off lists block nothing, but what one of them allows is listed all the same.
    fn by_shadow(&self, ruleset: &Ruleset, subject: &Subject<'_>) -> Option<Decision> {
        match ruleset.judge(subject.matches, self.shadow, &subject.asking) {
            Judgement::Allow(list) => Some(Verdict::Allow(Reason::List(self.told(list))).into()),
            _ => None,
        }
    }

    /// Returns what bans and lists say; at level off lists are only noted.
    fn judge(&self, ruleset: &Ruleset, subject: &Subject<'_>) -> Option<Decision> {
        if subject.matches.is_empty() {
            return None;
        }
        let by = |lists: ListMask, reason: &dyn Fn(ListId) -> Reason| {
            let judged =
                (!lists.is_empty()).then(|| ruleset.judge(subject.matches, lists, &subject.asking));
            judged.and_then(|judgement| Decision::of(judgement, reason))
        };
        let list = |list| Reason::List(self.told(list));
        let noted = || {
            let noted = by(self.shadow, &list).filter(|noted| noted.verdict.interferes());
            noted.map(|noted| Decision { lifted: true, ..noted })
        };
        by(self.bans, &Reason::Ban).or_else(|| by(self.lists, &list)).or_else(noted)
    }

    fn told(&self, list: ListId) -> ListId {
        self.told.get(usize::from(list.0)).copied().unwrap_or(list)
    }

    /// Returns how blocked queries are answered, by a rule that may say so itself.
    pub fn blocking(&self, answer: Answer) -> &BlockingMode {
        match answer {
            Answer::Policy => &self.blocking,
            Answer::NxDomain => &BlockingMode::NxDomain,
            Answer::NoData => &BlockingMode::NoData,
            Answer::Refused => &BlockingMode::Refused,
            Answer::Drop => &BlockingMode::Drop,
        }
    }

    /// Returns what may be recorded.
    pub fn log_detail(&self) -> LogDetail {
        self.log
    }

    /// Returns the level in force.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns whether only names are answered that something allows.
    pub fn only_listed(&self) -> bool {
        self.only_listed
    }

    /// Returns the lists of the subscribed tier that bind this device.
    pub fn lists(&self) -> ListMask {
        self.lists
    }

    /// Returns the lists whose matches are only noted, at level off.
    pub fn noted(&self) -> ListMask {
        self.shadow
    }

    /// Returns the company bans that bind this device.
    pub fn bans(&self) -> ListMask {
        self.bans
    }

    /// Returns until when (seconds since 1970) this device is paused, if it is at `now`.
    pub fn paused_until(&self, now: Moment) -> Option<i64> {
        let now = now.unix_seconds();
        let on = self.pauses.iter().filter(|&&(from, until)| from <= now && now < until);
        on.map(|&(_, until)| until).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Action, NameHashes, RuleId};
    use crate::policy::test_ground::{SEED, at, decide, name};
    use crate::rules::Record;

    const END: i64 = 1_000;
    const TRACKERS: ListId = ListId(0);
    const HARMLESS: ListId = ListId(1);
    const STRICT: ListId = ListId(2);
    const BAN: ListId = ListId(3);

    fn mask(lists: &[ListId]) -> ListMask {
        lists.iter().copied().collect()
    }

    fn hashes(text: &str) -> NameHashes {
        NameHashes::of(name(text).as_ref(), SEED)
    }

    /// Rules as `allow x.com` or `block x.com until 5`, numbered from `first`.
    fn scope(first: u32, rules: &[&str]) -> Arc<OwnRules> {
        let mut own = OwnRules::default();
        for (number, text) in (first..).zip(rules) {
            let words: Vec<&str> = text.split(' ').collect();
            let action = if words[0] == "allow" { Action::Allow } else { Action::Block };
            let until = words.get(3).map(|end| end.parse().expect("seconds"));
            own.insert(hashes(words[1]).whole().expect("no root"), action, RuleId(number), until);
        }
        Arc::new(own)
    }

    fn policy(lists: &[ListId], bans: &[ListId], own: Vec<Arc<OwnRules>>) -> DevicePolicy {
        DevicePolicy {
            level: Level::Standard,
            log: LogDetail::Full,
            lists: mask(lists),
            shadow: ListMask::EMPTY,
            bans: mask(bans),
            own: own.into(),
            only_listed: false,
            pauses: Box::default(),
            blocking: Arc::default(),
            told: Arc::new([TRACKERS, TRACKERS, STRICT, BAN]),
        }
    }

    fn block(reason: Reason) -> Verdict {
        Verdict::Block(reason)
    }

    fn rule(number: u32) -> Reason {
        Reason::Rule(RuleId(number))
    }

    #[test]
    fn precedence_is_own_rules_by_scope_then_bans_then_lists() {
        let device = scope(10, &["allow cdn.x.com", "block x.com"]);
        let kids = scope(20, &["block y.com", "allow z.com"]);
        let everyone = scope(30, &["allow y.com", "block z.com", "allow w.com", "block v.com"]);
        let policy = policy(&[TRACKERS, STRICT], &[BAN], vec![device, kids, everyone]);
        let none = Verdict::None;
        let cases: [(&str, &[ListId], Verdict); 15] = [
            ("a.cdn.x.com", &[], Verdict::Allow(rule(10))),
            ("a.cdn.x.com", &[TRACKERS, BAN], Verdict::Allow(rule(10))),
            ("x.com", &[], block(rule(11))),
            ("other.x.com", &[], block(rule(11))),
            ("notx.com", &[], none),
            ("y.com", &[], block(rule(20))),
            ("a.z.com", &[BAN], Verdict::Allow(rule(21))),
            ("w.com", &[TRACKERS, BAN], Verdict::Allow(rule(32))),
            ("v.com", &[TRACKERS], block(rule(33))),
            ("u.com", &[BAN, TRACKERS], block(Reason::Ban(BAN))),
            ("u.com", &[STRICT, TRACKERS], block(Reason::List(TRACKERS))),
            ("u.com", &[STRICT], block(Reason::List(STRICT))),
            ("u.com", &[HARMLESS], none),
            ("u.com", &[ListId(200)], none),
            ("com", &[], none),
        ];
        for (name, found, verdict) in cases {
            let decision = decide(&policy, name, found, at(0));
            assert_eq!(decision.verdict, verdict, "{name} on {found:?}");
            assert!(!decision.lifted, "{name}");
            assert_eq!(decision.own, matches!(verdict, Verdict::Allow(_)), "{name}");
        }
    }

    #[test]
    fn within_a_scope_the_longest_name_wins_and_allow_on_a_tie() {
        let rules =
            scope(1, &["block com", "allow x.com", "block a.x.com", "block t.com", "allow t.com"]);
        let policy = policy(&[], &[], vec![rules]);
        let verdict = |name| decide(&policy, name, &[], at(0)).verdict;
        assert_eq!(verdict("b.a.x.com"), block(rule(3)));
        assert_eq!(verdict("b.x.com"), Verdict::Allow(rule(2)));
        assert_eq!(verdict("y.com"), block(rule(1)));
        assert_eq!(verdict("t.com"), Verdict::Allow(rule(5)));
        assert_eq!(verdict("org"), Verdict::None);
    }

    #[test]
    fn an_ended_rule_leaves_the_word_to_shorter_names_and_wider_scopes() {
        let device = scope(1, &["allow a.x.com until 1000", "block x.com until 2000"]);
        let everyone = scope(9, &["allow x.com"]);
        let policy = policy(&[], &[], vec![device, everyone]);
        let verdict = |seconds| decide(&policy, "a.x.com", &[], at(seconds)).verdict;
        assert_eq!(verdict(999), Verdict::Allow(rule(1)));
        assert_eq!(verdict(1_000), block(rule(2)));
        assert_eq!(verdict(2_000), Verdict::Allow(rule(9)));
    }

    #[test]
    fn a_pause_lifts_every_block_until_its_end_and_no_allow() {
        let own = scope(1, &["block own.com", "allow good.com"]);
        let policy =
            DevicePolicy { pauses: [(0, END)].into(), ..policy(&[TRACKERS], &[BAN], vec![own]) };
        let cases: [(&str, &[ListId]); 3] =
            [("own.com", &[]), ("x.com", &[BAN]), ("x.com", &[TRACKERS])];
        for (name, found) in cases {
            let during = decide(&policy, name, found, at(END - 1));
            assert!(matches!(during.verdict, Verdict::Block(_)) && during.lifted, "{name}");
            let after = decide(&policy, name, found, at(END));
            assert!(matches!(after.verdict, Verdict::Block(_)) && !after.lifted, "{name}");
        }
        let allowed = decide(&policy, "good.com", &[TRACKERS], at(0));
        assert!(!allowed.lifted && allowed.own);
        assert!(!decide(&policy, "free.com", &[], at(0)).lifted);
        assert_eq!(policy.paused_until(at(END - 1)), Some(END));
        assert_eq!(policy.paused_until(at(END)), None);
    }

    #[test]
    fn level_off_lifts_lists_and_neither_bans_nor_own_rules() {
        let own = scope(1, &["block own.com"]);
        let policy = DevicePolicy {
            level: Level::Off,
            shadow: mask(&[TRACKERS]),
            ..policy(&[], &[BAN], vec![own])
        };
        let listed = decide(&policy, "x.com", &[TRACKERS], at(0));
        assert_eq!((listed.verdict, listed.lifted), (block(Reason::List(TRACKERS)), true));
        let strict = decide(&policy, "x.com", &[STRICT], at(0));
        assert_eq!(strict.verdict, Verdict::None);
        let banned = decide(&policy, "x.com", &[TRACKERS, BAN], at(0));
        assert_eq!((banned.verdict, banned.lifted), (block(Reason::Ban(BAN)), false));
        let ruled = decide(&policy, "own.com", &[TRACKERS], at(0));
        assert_eq!((ruled.verdict, ruled.lifted), (block(rule(1)), false));
    }

    /// Decides on a name that is asked for, where the lists in `allowing` allow it.
    fn asked(policy: &DevicePolicy, text: &str, found: &[ListId], allowing: bool) -> Decision {
        let lists = if allowing {
            crate::policy::test_ground::lists_that_allow(text, found)
        } else {
            crate::policy::test_ground::lists_with(text, found)
        };
        crate::policy::test_ground::decide_asked_in(policy, &lists, text, at(0))
    }

    #[test]
    fn where_only_listed_names_are_answered_all_others_are_blocked() {
        let own = scope(1, &["allow good.com", "block bad.com"]);
        let policy =
            DevicePolicy { only_listed: true, ..policy(&[TRACKERS, STRICT], &[BAN], vec![own]) };
        let verdict = |name, found, allowing| asked(&policy, name, found, allowing).verdict;
        assert_eq!(verdict("a.good.com", &[], false), Verdict::Allow(rule(1)));
        assert_eq!(verdict("bad.com", &[], false), block(rule(2)));
        assert_eq!(verdict("x.com", &[TRACKERS], false), block(Reason::List(TRACKERS)));
        assert_eq!(verdict("x.com", &[BAN], false), block(Reason::Ban(BAN)));
        assert_eq!(verdict("x.com", &[STRICT], true), Verdict::Allow(Reason::List(STRICT)));
        assert_eq!(verdict("x.com", &[HARMLESS], true), block(Reason::NotListed), "it is off");
        assert_eq!(verdict("x.com", &[], false), block(Reason::NotListed));
        let led = decide(&policy, "x.com", &[], at(0));
        assert_eq!(led.verdict, Verdict::None, "an answer may lead there");
    }

    #[test]
    fn only_listed_binds_at_level_off_and_a_pause_lifts_it() {
        let off = DevicePolicy {
            level: Level::Off,
            shadow: mask(&[TRACKERS]),
            only_listed: true,
            ..policy(&[], &[], Vec::new())
        };
        let blocked = asked(&off, "x.com", &[TRACKERS], false);
        assert_eq!((blocked.verdict, blocked.lifted), (block(Reason::NotListed), false));
        let allowed = asked(&off, "x.com", &[TRACKERS], true);
        assert_eq!(allowed.verdict, Verdict::Allow(Reason::List(TRACKERS)));
        let paused = DevicePolicy { pauses: [(0, END)].into(), ..off };
        let lifted = asked(&paused, "x.com", &[], false);
        assert_eq!((lifted.verdict, lifted.lifted), (block(Reason::NotListed), true));
    }

    #[test]
    fn a_pause_counts_from_its_beginning_and_the_latest_end_of_those_that_do() {
        let policy = DevicePolicy {
            pauses: [(100, 200), (50, 150), (900, END)].into(),
            ..policy(&[TRACKERS], &[], Vec::new())
        };
        let until = |seconds| policy.paused_until(at(seconds));
        assert_eq!(
            [0, 60, 120, 200, 900].map(until),
            [None, Some(150), Some(200), None, Some(END)]
        );
    }

    #[test]
    fn a_match_of_the_part_is_told_as_the_whole_list() {
        let policy = policy(&[HARMLESS], &[], Vec::new());
        let decision = decide(&policy, "x.com", &[HARMLESS], at(0));
        assert_eq!(decision.verdict, block(Reason::List(TRACKERS)));
    }

    #[test]
    fn what_lists_say_is_carried_out_with_all_that_answers_it() {
        let of = |judgement| Decision::of(judgement, Reason::List);
        let reason = Reason::List(TRACKERS);
        assert_eq!(of(Judgement::None), None);
        assert_eq!(of(Judgement::Allow(TRACKERS)), Some(Verdict::Allow(reason).into()));
        assert_eq!(of(Judgement::Truncate(TRACKERS)), Some(Verdict::Truncate(reason).into()));
        let dropped = of(Judgement::Block(TRACKERS, Answer::Drop)).expect("a decision");
        assert_eq!((dropped.verdict, dropped.answer), (block(reason), Answer::Drop));
        let records = vec![Record::v4([192, 0, 2, 1].into())];
        let rewritten = Rewritten { records, ..Rewritten::default() };
        let decision = of(Judgement::Rewrite(TRACKERS, rewritten.clone())).expect("a decision");
        assert_eq!(decision.verdict, Verdict::Rewrite(reason));
        assert_eq!(decision.rewritten.as_deref(), Some(&rewritten));
    }

    #[test]
    fn a_rule_may_say_how_its_block_is_answered() {
        let policy = DevicePolicy {
            blocking: Arc::new(BlockingMode::Refused),
            ..policy(&[], &[], Vec::new())
        };
        let modes = [
            (Answer::Policy, BlockingMode::Refused),
            (Answer::NxDomain, BlockingMode::NxDomain),
            (Answer::NoData, BlockingMode::NoData),
            (Answer::Refused, BlockingMode::Refused),
            (Answer::Drop, BlockingMode::Drop),
        ];
        for (answer, mode) in modes {
            assert_eq!(*policy.blocking(answer), mode);
        }
    }

    #[test]
    fn the_root_meets_no_own_rule_for_a_name() {
        let policy = policy(&[], &[], vec![scope(1, &["block com"])]);
        let ruleset = crate::policy::test_ground::lists_with("x.com", &[]);
        let root = crate::model::DomainName::root();
        let hashes = NameHashes::of(root.as_ref(), SEED);
        let asker = crate::rules::Asker { address: [0; 4].into(), names: &[], tags: &[] };
        let query_type = crate::model::RecordType::A;
        let asking = Asking { name: root.as_ref(), query_type, asker };
        let matches = &ruleset.find(root.as_ref(), &hashes);
        let subject = Subject { asking, sought: Sought::Name(&hashes), matches };
        assert_eq!(policy.decide(&ruleset, &subject, at(0)).verdict, Verdict::None);
    }
}
