//! What the rules for one name say, for all lists at once.

use crate::model::{ListId, ListMask};

use super::{Answer, Effect, Pattern};

/// How a rule covers its name, and its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Form {
    /// The list matches the name itself.
    ExactBlock,
    /// The list matches the name and all below it.
    SubtreeBlock,
    /// The list ends at the name itself.
    ExactHole,
    /// The list ends at the name and all below it.
    SubtreeHole,
}

/// The lists that have a rule of each form for one name.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NameRules([ListMask; 4]);

/// Lists that speak at one step of a search: some match, some end here.
#[derive(Clone, Copy, Default)]
pub struct Said {
    /// Lists with a rule that blocks.
    pub block: ListMask,
    /// Lists with a hole, which stands against a block of the same step.
    pub hole: ListMask,
}

impl Form {
    /// Returns the form of a rule for a name, or `None` for a regular expression.
    pub fn of(pattern: &Pattern, effect: &Effect) -> Option<Form> {
        match (pattern, effect) {
            (Pattern::Exact(_), Effect::Block(Answer::Policy)) => Some(Form::ExactBlock),
            (Pattern::Subtree(_), Effect::Block(Answer::Policy)) => Some(Form::SubtreeBlock),
            (Pattern::Exact(_), Effect::Hole) => Some(Form::ExactHole),
            (Pattern::Subtree(_), Effect::Hole) => Some(Form::SubtreeHole),
            _ => None,
        }
    }
}

impl NameRules {
    /// Adds a rule of a list.
    pub fn insert(&mut self, list: ListId, form: Form) {
        self.0[form as usize].insert(list);
    }

    /// Returns whether a list has a rule of this form.
    pub fn has(&self, list: ListId, form: Form) -> bool {
        self.0[form as usize].contains(list)
    }

    /// Returns what is said of the name itself.
    pub fn at_name(&self) -> Said {
        let below = self.below();
        Said {
            block: below.block.union(self.0[Form::ExactBlock as usize]),
            hole: below.hole.union(self.0[Form::ExactHole as usize]),
        }
    }

    /// Returns what is said of names below.
    pub fn below(&self) -> Said {
        Said {
            block: self.0[Form::SubtreeBlock as usize],
            hole: self.0[Form::SubtreeHole as usize],
        }
    }
}
