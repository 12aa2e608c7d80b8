//! The lists that ship with the program, made from the catalogue.

use crate::catalogue::Catalogue;
use crate::model::{ListKind, ListName};
use crate::rules::Rule;

/// A list made from the catalogue.
pub struct ShippedList {
    /// Its name.
    pub name: ListName,
    /// What it is about.
    pub kind: ListKind,
    /// Whether it is only the `basic` part of the list of that name.
    pub part: bool,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// Returns the shipped lists in their order.
pub fn rules(_catalogue: &Catalogue) -> Vec<ShippedList> {
    Vec::new()
}
