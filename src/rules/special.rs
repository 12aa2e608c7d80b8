//! Rules that an octet cannot tell: with conditions, answers of their own, or cancelled by others.

use std::cmp::Reverse;
use std::net::IpAddr;

use crate::model::{ListId, ListMask};

use super::{Asking, ClientMatch, Condition, Effect, Kind, Pattern, Reach, Rule};

/// A rule with a condition or an answer of its own, or one that a rule of another list cancels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Special {
    /// Its list.
    pub list: ListId,
    /// How far it reaches from the place it is found at.
    pub reach: Reach,
    /// Whether it stands above rules that are not.
    pub important: bool,
    /// Whether it is written as AdGuard writes patterns.
    pub adguard: bool,
    /// Whether it is for every name that a client asks for.
    pub by_client: bool,
    /// What it does.
    pub effect: Effect,
    /// When it applies.
    pub condition: Option<Box<Condition>>,
    /// Lists with a rule that cancels it.
    pub cancelled_by: Option<Box<ListMask>>,
}

impl Special {
    /// Makes one of a list's rule.
    pub fn new(rule: Rule, list: ListId) -> Special {
        let Rule { pattern, effect, important, adguard, condition, .. } = rule;
        let reach = Reach::of(&pattern);
        let mut special = Special {
            list,
            reach,
            important,
            adguard,
            by_client: false,
            effect,
            condition,
            cancelled_by: None,
        };
        let triggers = pattern == Pattern::Everything && special.effect != Effect::Hole;
        special.by_client = triggers && special.client().is_some();
        special
    }

    /// Makes one of a rule that an octet tells.
    pub fn of_kind(kind: Kind, list: ListId) -> Special {
        Special {
            list,
            reach: kind.reach(),
            important: kind.is_important(),
            adguard: kind.is_adguard(),
            by_client: false,
            effect: kind.effect(),
            condition: None,
            cancelled_by: None,
        }
    }

    /// Returns whether a rule found at the same place that cancels others cancels this one.
    pub fn is_like(&self, cancelling: &Special) -> bool {
        self.reach == cancelling.reach
            && self.important == cancelling.important
            && self.effect == cancelling.effect
            && self.condition == cancelling.condition
    }

    /// Returns whether it applies to what is asked.
    pub fn holds(&self, asking: &Asking<'_>) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(asking))
    }

    /// Returns whether a rule of one of these lists cancels it.
    pub fn is_cancelled(&self, by: ListMask) -> bool {
        self.cancelled_by.as_ref().is_some_and(|lists| !lists.intersection(by).is_empty())
    }

    /// Returns whether names are excepted: it is never for an address then.
    pub fn excepts_names(&self) -> bool {
        self.condition.as_ref().is_some_and(|condition| !condition.except.is_empty())
    }

    /// Returns how many modifiers restrict or weigh it.
    pub fn points(&self) -> u8 {
        let condition = self.condition.as_ref().map_or(0, |condition| condition.points());
        u8::from(self.important) + condition
    }

    /// Returns the client's prefix in the order in which those of a zone are tried.
    pub fn client(&self) -> Option<(Reverse<u8>, IpAddr)> {
        let clients = &self.condition.as_ref()?.clients;
        let prefixes = clients.include.iter().filter_map(|client| match client {
            ClientMatch::Address(prefix) => Some((Reverse(prefix.bits()), prefix.address())),
            ClientMatch::Name(_) => None,
        });
        prefixes.min()
    }
}
