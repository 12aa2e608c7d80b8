//! Where rules come from: the shipped lists and files of the owner; what became of each.

mod settings;
pub mod shipped;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalogue::Catalogue;
use crate::model::{HashSeed, ListKind, ListName};
use crate::rules::Ruleset;
use crate::rules::parse::{Format, RefusedLine};

pub use settings::Settings;

/// A list of the owner's, from `policy.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileList {
    /// Its name; not one of a shipped list.
    pub name: ListName,
    /// Its file, relative to the folder for lists.
    pub file: PathBuf,
    /// What it is about.
    pub kind: ListKind,
    /// Its syntax.
    pub format: Format,
    /// Whether a plain name covers all below it too.
    pub cover_subdomains: bool,
}

/// What became of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListReport {
    /// Its name.
    pub name: ListName,
    /// What it is about.
    pub kind: ListKind,
    /// `shipped`, or the file.
    pub source: String,
    /// Rules in force.
    pub rules: u32,
    /// Lines that could not be read.
    pub refused: u32,
    /// The first of them.
    pub samples: Vec<RefusedLine>,
    /// Rules skipped because they would block what no list may: public suffixes, essential names.
    pub skipped: Vec<RefusedLine>,
    /// Why the file as it is now is not in force, and the last good copy is (or nothing).
    pub held: Option<String>,
}

/// Rules, catalogue and reports, loaded together.
pub struct Loaded {
    /// All lists, compiled.
    pub ruleset: Arc<Ruleset>,
    /// The catalogue they were made with.
    pub catalogue: Arc<Catalogue>,
    /// A report for each list that is shown, in `ListId` order.
    pub reports: Vec<ListReport>,
    /// What to tell about the shipped lists' override folder: missing, broken, older than shipped.
    pub notices: Vec<String>,
}

/// The loader of lists.
pub struct Lists {}

impl Lists {
    /// Makes a loader. `data` is the data folder, in which last good copies are kept.
    pub fn new(settings: &Settings, data: PathBuf, seed: HashSeed) -> Lists {
        let _ = (settings, data, seed);
        todo!()
    }

    /// Returns the names of the lists that ship with the program, bans included, in their order.
    pub fn shipped_names(catalogue: &Catalogue) -> Vec<(ListName, ListKind)> {
        let _ = catalogue;
        todo!()
    }

    /// Loads everything; a list that cannot be read keeps its last good copy.
    pub fn load(&self, files: &[FileList]) -> Result<Loaded, String> {
        let _ = files;
        todo!()
    }
}
