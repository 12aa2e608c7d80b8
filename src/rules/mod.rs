//! What a list says: text in, matches out; pure.

mod artefact;
mod assemble;
mod compile;
mod condition;
mod evaluate;
mod few;
mod glob;
mod index;
mod judge;
mod kind;
mod literal_address;
mod literals;
mod matches;
mod octets;
pub mod parse;
mod patterns;
mod places;
mod rewriting;
mod rule;
mod ruleset;
mod sets;
mod special;
#[cfg(test)]
pub(crate) mod test_data;
#[cfg(test)]
mod tests;
mod walk;

use few::Few;
use index::{Entry, Index};
use judge::Tally;
use kind::{Kind, Place, Reach};
use patterns::{Matcher, PatternPlace, Patterns, Subject};
use sets::{SetRef, Sets};
use special::Special;
use walk::{Heard, Standing, Step, Walk};

pub use artefact::ArtefactError;
pub use compile::{Committed, Compiler, Draft, ListInput, RefusedRule, TooManyLists, compile};
pub use condition::{Asker, Asking, ClientMatch, Condition, Except, Selection};
pub use evaluate::{
    Because, Candidate, Evaluation, Fate, FoundRule, LookedUp, Part, covers_address, covers_name,
    evaluate, find_rules,
};
pub use glob::Glob;
pub use literals::required_literals;
pub use matches::{Judgement, Matches, Rewritten};
pub use rule::{Answer, Effect, Pattern, Record, Rewrite, Rule, TextPattern, TextSyntax};
pub use ruleset::{ListInfo, Ruleset};
