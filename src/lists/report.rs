//! What became of a list when it was loaded.

use serde::{Deserialize, Serialize};

use super::{OwnList, ShippedList};
use crate::model::{ListKind, ListName};
use crate::rules::Committed;
use crate::rules::parse::{Format, RefusedLine, Summary};

/// Rules refused by the compiler that are shown.
const SAMPLES: usize = 100;

/// What became of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListReport {
    /// Its name.
    pub name: ListName,
    /// What it is about.
    pub kind: ListKind,
    /// `shipped`, the file or the address.
    pub source: String,
    /// What it calls itself.
    pub title: Option<String>,
    /// Its syntax, found out if it was to be.
    pub format: Format,
    /// The number of the version in force; `None`: shipped, or nothing is in force.
    pub version: Option<u32>,
    /// Rules in force.
    pub rules: u32,
    /// Rules in force, those that stand in it several times counted once.
    pub unique: u32,
    /// Lines that could not be read.
    pub refused: u32,
    /// The first of them.
    pub samples: Vec<RefusedLine>,
    /// Lines that are not for DNS, ignored by design.
    pub ignored: u32,
    /// Lines left out: localhost and the like.
    pub boilerplate: u32,
    /// Rules skipped because they would block what no list may: public suffixes, essential names.
    pub skipped: Vec<RefusedLine>,
    /// Why its latest content is not in force, and what is instead.
    pub held: Option<String>,
}

impl ListReport {
    /// Starts the report of a shipped list.
    pub fn of_shipped(list: &ShippedList) -> ListReport {
        ListReport::new(&list.name, list.kind, "shipped".into())
    }

    /// Starts the report of one of the owner's.
    pub fn of_own(list: &OwnList) -> ListReport {
        let report = ListReport::new(&list.name, list.kind, list.source.to_string());
        ListReport { format: list.format, ..report }
    }

    fn new(name: &ListName, kind: ListKind, source: String) -> ListReport {
        ListReport {
            name: name.clone(),
            kind,
            source,
            title: None,
            format: Format::Domains,
            version: None,
            rules: 0,
            unique: 0,
            refused: 0,
            samples: Vec::new(),
            ignored: 0,
            boilerplate: 0,
            skipped: Vec::new(),
            held: None,
        }
    }

    /// Takes over what was found beside the rules.
    pub fn take(&mut self, summary: Summary) {
        self.title = summary.header.title;
        self.format = summary.format;
        self.refused = summary.refused;
        self.samples = summary.samples;
        self.ignored = summary.ignored;
        self.boilerplate = summary.boilerplate;
    }

    /// Takes over what the compiler took in of so many rules.
    pub fn count(&mut self, rules: u32, committed: Committed) {
        let Committed { rules: unique, refused, .. } = committed;
        let left_out = u32::try_from(refused.len()).unwrap_or(u32::MAX);
        self.rules = rules.saturating_sub(left_out);
        self.unique = unique.min(self.rules);
        self.refused = self.refused.saturating_add(left_out);
        self.samples.extend(refused.into_iter().take(SAMPLES).map(|rule| RefusedLine {
            line: rule.line,
            text: rule.text.into(),
            why: rule.why,
        }));
    }
}
