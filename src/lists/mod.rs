//! Where rules come from: the shipped lists and files of the owner; what became of each.

pub mod fetch;
mod file;
mod guard;
mod schedule;
mod settings;
pub mod shipped;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use file::Files;
use guard::Guard;
use shipped::ShippedList;

use crate::catalogue::Catalogue;
use crate::model::{HashSeed, ListKind, ListName, MAX_LISTS};
use crate::rules::parse::{Format, RefusedLine};
use crate::rules::{Compiler, Effect, ListInfo, Pattern, RefusedRule, Rule, Ruleset, TooManyLists};

pub use schedule::next_due;
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
    /// What to tell beside the reports: the override folder is broken or older than the shipped
    /// lists, a copy of a good list could not be kept.
    pub notices: Vec<String>,
}

/// The loader of lists.
pub struct Lists {
    files: Files,
    /// The folder that overrides the shipped lists, if there is one.
    blocklists: Option<PathBuf>,
    seed: HashSeed,
}

impl Lists {
    /// Makes a loader. `data` is the data folder, in which last good copies are kept.
    pub fn new(settings: &Settings, data: PathBuf, seed: HashSeed) -> Lists {
        let folder = settings.folder.clone().unwrap_or_else(|| data.join("lists"));
        let files = Files::new(folder, data.join("lists-good"));
        Lists { files, blocklists: settings.blocklists.clone(), seed }
    }

    /// Returns the names of the lists that ship with the program, bans included, in their order.
    pub fn shipped_names(catalogue: &Catalogue) -> Vec<(ListName, ListKind)> {
        let whole = shipped::rules(catalogue).into_iter().filter(|list| !list.part);
        whole.map(|list| (list.name, list.kind)).collect()
    }

    /// Loads everything; a list that cannot be read keeps its last good copy.
    pub fn load(&self, files: &[FileList]) -> Result<Loaded, String> {
        let (catalogue, notice) = self.catalogue();
        let shipped = shipped::rules(&catalogue);
        let guard = Guard::new(catalogue.essential());
        let mut loading = Loading::new(shipped.len() + files.len(), self.seed)?;
        loading.notices.extend(notice);
        for list in shipped {
            loading.add_shipped(list).map_err(|error| error.to_string())?;
        }
        for list in files {
            loading.add_file(list, &self.files, &guard).map_err(|error| error.to_string())?;
        }
        Ok(loading.finish(catalogue))
    }

    /// Reads the catalogue of the override folder if it is good, else the shipped one.
    fn catalogue(&self) -> (Catalogue, Option<String>) {
        let shipped = Catalogue::shipped(self.seed);
        let Some(folder) = &self.blocklists else {
            return (shipped, None);
        };
        let shown = folder.display();
        match Catalogue::from_folder(folder, self.seed) {
            Err(problems) => {
                let notice = format!("{shown} is not in force, the shipped lists are: {problems}");
                (shipped, Some(notice))
            }
            Ok(own) if own.edition() < shipped.edition() => {
                let (edition, newer) = (own.edition(), shipped.edition());
                let notice = format!("{shown} is of {edition}; the shipped lists are of {newer}");
                (own, Some(notice))
            }
            Ok(own) => (own, None),
        }
    }
}

/// Lists being loaded; the rules of one are in memory at a time.
struct Loading {
    compiler: Compiler,
    reports: Vec<ListReport>,
    notices: Vec<String>,
}

impl Loading {
    fn new(lists: usize, seed: HashSeed) -> Result<Loading, String> {
        if lists > MAX_LISTS {
            return Err(TooManyLists(lists).to_string());
        }
        Ok(Loading { compiler: Compiler::new(seed), reports: Vec::new(), notices: Vec::new() })
    }

    fn add_shipped(&mut self, list: ShippedList) -> Result<(), TooManyLists> {
        let ShippedList { name, kind, part, rules } = list;
        let mut report = ListReport::new(&name, kind, "shipped");
        let refused = self.compiler.add(info_of_shipped(name, kind, part), &rules)?;
        report.count(&rules, refused);
        if !part {
            self.reports.push(report);
        }
        Ok(())
    }

    fn add_file(
        &mut self,
        list: &FileList,
        files: &Files,
        guard: &Guard,
    ) -> Result<(), TooManyLists> {
        let FileList { name, kind, .. } = list;
        let read = files.read(list);
        let mut rules = read.list.rules;
        if list.cover_subdomains {
            rules.iter_mut().for_each(cover_subdomains);
        }
        let mut report = ListReport::new(name, *kind, &list.file.to_string_lossy());
        report.skipped = guard.sift(&mut rules);
        report.refused = read.list.summary.refused;
        report.samples = read.list.summary.samples;
        report.held = read.held;
        let info = ListInfo::new(name.clone(), *kind, read.list.summary.format);
        let refused = self.compiler.add(info, &rules)?;
        report.count(&rules, refused);
        self.reports.push(report);
        self.notices.extend(read.notice);
        Ok(())
    }

    fn finish(self, catalogue: Catalogue) -> Loaded {
        Loaded {
            ruleset: Arc::new(self.compiler.finish()),
            catalogue: Arc::new(catalogue),
            reports: self.reports,
            notices: self.notices,
        }
    }
}

impl ListReport {
    fn new(name: &ListName, kind: ListKind, source: &str) -> ListReport {
        ListReport {
            name: name.clone(),
            kind,
            source: source.into(),
            rules: 0,
            refused: 0,
            samples: Vec::new(),
            skipped: Vec::new(),
            held: None,
        }
    }

    /// Counts the rules that block, less those that the compiler refused.
    fn count(&mut self, rules: &[Rule], refused: Vec<RefusedRule>) {
        let blocks = rules.iter().filter(|rule| matches!(rule.effect, Effect::Block(_))).count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.rules = count(blocks.saturating_sub(refused.len()));
        self.refused = self.refused.saturating_add(count(refused.len()));
        self.samples.extend(refused.into_iter().map(|rule| RefusedLine {
            line: rule.line,
            text: rule.text.into(),
            why: rule.why,
        }));
    }
}

fn info_of_shipped(name: ListName, kind: ListKind, part: bool) -> ListInfo {
    ListInfo { shipped: true, part, ..ListInfo::new(name, kind, Format::Domains) }
}

/// Many publishers of plain names mean all below them too.
fn cover_subdomains(rule: &mut Rule) {
    if let Pattern::Exact(name) = &rule.pattern {
        rule.pattern = Pattern::Subtree(name.clone());
    }
}

#[cfg(test)]
mod tests;
