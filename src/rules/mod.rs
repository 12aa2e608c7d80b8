//! What a list says: text in, matches out; pure.

mod compile;
pub mod parse;
mod rule;
mod ruleset;

pub use compile::{ListInput, TooManyLists, compile};
pub use rule::{Effect, Pattern, Rule};
pub use ruleset::{Explained, ListInfo, Ruleset};
