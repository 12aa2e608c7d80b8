//! The rules of all lists into one ruleset.

use super::{ListInfo, Rule, Ruleset};
use crate::model::HashSeed;

/// One list to compile.
pub struct ListInput<'r> {
    /// What is known of the list.
    pub info: ListInfo,
    /// Its rules.
    pub rules: &'r [Rule],
}

/// More lists than masks have bits.
#[derive(Debug, thiserror::Error)]
#[error("{0} lists are in force; at most 256 can be: disable some")]
pub struct TooManyLists(pub usize);

/// Compiles lists in their order; `ListId`s are their places.
pub fn compile(lists: &[ListInput<'_>], seed: HashSeed) -> Result<Ruleset, TooManyLists> {
    let _ = (lists, seed);
    todo!()
}
