//! What a list says: text in, matches out; pure.

mod compile;
mod condition;
mod glob;
mod index;
mod line_table;
mod literals;
mod matches;
pub mod parse;
mod patterns;
mod rule;
mod ruleset;
mod said;
#[cfg(test)]
mod test_data;
#[cfg(test)]
mod tests;

use index::Index;
use line_table::LineTable;
use patterns::{PatternDrafts, Patterns};
use said::{Form, NameRules, Said};

pub use compile::{Compiler, ListInput, RefusedRule, TooManyLists, compile};
pub use condition::{Asker, Asking, ClientMatch, Condition, Except, Selection};
pub use glob::Glob;
pub use literals::required_literals;
pub use matches::{Judgement, Matches, Rewritten};
pub use rule::{Answer, Effect, Pattern, Record, Rewrite, Rule, TextPattern, TextSyntax};
pub use ruleset::{Explained, ListInfo, Ruleset};
