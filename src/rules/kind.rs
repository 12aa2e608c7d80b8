//! How a rule without condition covers its name and what it does there, in one octet.

use super::{Answer, Effect, Pattern, Rule};

/// Which names a rule reaches from the one it is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reach {
    /// That name, address prefix or text.
    Exact,
    /// The name and all below it.
    Subtree,
    /// All below the name.
    Below,
}

/// Where a step of a search stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At what is asked for.
    Here,
    /// At a parent of the name.
    Above,
    /// Before all names: triggers of zones by the address of who asks.
    Client,
}

/// Reach, marks and effect of a rule without condition; its octet orders and stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(u8);

const ADGUARD: u8 = 1 << 2;
const IMPORTANT: u8 = 1 << 3;
const EFFECT: u32 = 4;

/// What the upper bits say; a block's answer is added to the last.
const HOLE: u8 = 0;
const ALLOW: u8 = 1;
const BLOCK: u8 = 2;

const ANSWERS: [Answer; 5] =
    [Answer::Policy, Answer::NxDomain, Answer::NoData, Answer::Refused, Answer::Drop];

impl Reach {
    /// Returns how far a pattern reaches from its place in the index.
    pub fn of(pattern: &Pattern) -> Reach {
        match pattern {
            Pattern::Exact(_) | Pattern::Text(_) | Pattern::Address(_) => Reach::Exact,
            Pattern::Subtree(_) | Pattern::Everything => Reach::Subtree,
            Pattern::Below(_) => Reach::Below,
        }
    }

    /// Returns whether rules of this reach speak at a step.
    pub fn covers(self, place: Place) -> bool {
        match place {
            Place::Here => self != Reach::Below,
            Place::Above => self != Reach::Exact,
            Place::Client => false,
        }
    }
}

impl Kind {
    /// Returns the kind of a rule that always applies and blocks, allows or ends its list.
    pub fn of(rule: &Rule) -> Option<Kind> {
        let effect = match (&rule.effect, &rule.condition) {
            (_, Some(_)) => return None,
            (Effect::Hole, None) => HOLE,
            (Effect::Allow, None) => ALLOW,
            (Effect::Block(answer), None) => BLOCK + *answer as u8,
            _ => return None,
        };
        let adguard = if rule.adguard { ADGUARD } else { 0 };
        let important = if rule.important { IMPORTANT } else { 0 };
        Some(Kind(Reach::of(&rule.pattern) as u8 | adguard | important | effect << EFFECT))
    }

    /// Reads a stored kind.
    pub fn from_octet(octet: u8) -> Option<Kind> {
        let known = octet >> EFFECT < BLOCK + ANSWERS.len() as u8;
        (octet & 3 <= Reach::Below as u8 && known).then_some(Kind(octet))
    }

    /// Returns the octet that stores it.
    pub fn octet(self) -> u8 {
        self.0
    }

    /// Returns how far it reaches.
    pub fn reach(self) -> Reach {
        match self.0 & 3 {
            0 => Reach::Exact,
            1 => Reach::Subtree,
            _ => Reach::Below,
        }
    }

    /// Returns whether it is written as AdGuard writes patterns.
    pub fn is_adguard(self) -> bool {
        self.0 & ADGUARD != 0
    }

    /// Returns whether it stands above rules that are not important.
    pub fn is_important(self) -> bool {
        self.0 & IMPORTANT != 0
    }

    /// Returns whether its list ends here.
    pub fn is_hole(self) -> bool {
        self.0 >> EFFECT == HOLE
    }

    /// Returns what it does.
    pub fn effect(self) -> Effect {
        match self.0 >> EFFECT {
            HOLE => Effect::Hole,
            ALLOW => Effect::Allow,
            block => {
                let answer = ANSWERS.get(usize::from(block - BLOCK));
                Effect::Block(answer.copied().unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    #[test]
    fn a_kind_tells_what_the_rule_said() {
        let effects = ANSWERS.map(Effect::Block).into_iter().chain([Effect::Allow, Effect::Hole]);
        let name = DomainName::parse("x.com").expect("a name");
        for effect in effects {
            for (adguard, important) in [(false, false), (true, false), (false, true)] {
                let rule = Rule::plain(Pattern::Below(name.clone()), effect.clone(), 1);
                let kind = Kind::of(&Rule { adguard, important, ..rule }).expect("plain");
                assert_eq!((kind.effect(), kind.reach()), (effect.clone(), Reach::Below));
                assert_eq!((kind.is_adguard(), kind.is_important()), (adguard, important));
                assert_eq!(Kind::from_octet(kind.octet()), Some(kind));
            }
        }
        assert_eq!((Kind::from_octet(3), Kind::from_octet(7 << EFFECT)), (None, None));
        assert_eq!(Kind::of(&Rule::plain(Pattern::Everything, Effect::Truncate, 1)), None);
    }
}
