//! What a list says: text in, matches out; pure.

mod compile;
mod index;
mod line_table;
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
pub use rule::{Effect, Pattern, Rule};
pub use ruleset::{Explained, ListInfo, Ruleset};
