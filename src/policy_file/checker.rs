//! What every part of the check needs: places, words, names that must be unique or exist.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::Text;
use crate::catalogue::Catalogue;
use crate::diagnostic::{Problems, Reader, nearest};
use crate::lists::{Lists, OwnList};
use crate::model::{DomainName, ListKind, ListName};

/// What a policy may name without defining it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Lists that ship with the program, bans included.
    pub lists: Vec<(ListName, ListKind)>,
    /// Slugs of companies.
    pub companies: BTreeSet<String>,
    /// Lists by others that levels subscribe.
    pub defaults: Vec<OwnList>,
}

impl Known {
    /// Returns what a catalogue and the lists made of it hold; `defaults` are subscribed by levels.
    pub fn of(catalogue: &Catalogue, defaults: Vec<OwnList>) -> Known {
        Known {
            lists: Lists::shipped_names(catalogue),
            companies: catalogue.companies().iter().map(|c| c.slug.clone()).collect(),
            defaults,
        }
    }

    /// Returns whether a company can be banned.
    pub fn can_ban(&self, slug: &str) -> bool {
        let ban = format!("ban-{slug}");
        self.lists.iter().any(|(name, kind)| *kind == ListKind::Ban && name.as_str() == ban)
    }
}

/// The check of one file: its reader and what was found so far.
pub(super) struct Checker<'t, 'k> {
    pub reader: Reader<'t>,
    pub known: &'k Known,
    text: &'t str,
    /// Lists that a switch may name: shipped ones and the owner's, without bans.
    pub lists: BTreeSet<String>,
    /// What may stand only once, with the place where it stands.
    seen: HashMap<String, usize>,
}

impl<'t, 'k> Checker<'t, 'k> {
    pub fn new(file: &'t str, text: &'t str, known: &'k Known) -> Checker<'t, 'k> {
        let shipped = known.lists.iter().filter(|(_, kind)| *kind != ListKind::Ban);
        let defaults = known.defaults.iter().map(|list| list.name.to_string());
        let lists = shipped.map(|(name, _)| name.to_string()).chain(defaults).collect();
        Checker { reader: Reader::new(file, text), known, text, lists, seen: HashMap::new() }
    }

    pub fn finish(self) -> Result<(), Problems> {
        self.reader.finish()
    }

    pub fn problem(&mut self, span: Range<usize>, message: &str, help: Option<&str>) {
        self.reader.problem(span, message, help.map(str::to_string));
    }

    /// Reads a text by `parse`, whose error becomes a problem.
    pub fn parsed<T, E: Display>(
        &mut self,
        text: &Text,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(text.get_ref()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(text.span(), &error.to_string(), None);
                None
            }
        }
    }

    /// Reads a domain name.
    pub fn domain(&mut self, text: &Text) -> Option<DomainName> {
        self.parsed(text, |text| {
            DomainName::parse(text).map_err(|error| format!("`{text}` is no name: {error}"))
        })
    }

    /// Reads one word of a few.
    pub fn word<T: Copy>(
        &mut self,
        text: &str,
        span: Range<usize>,
        what: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let help = nearest(text, all.iter().copied());
            let message = format!("`{text}` is no {what}; write {}", or_list(&all));
            self.reader.problem(span, &message, help);
        }
        found
    }

    /// Returns whether `name` is among `known`; if not, says so with the nearest one.
    pub fn exists(
        &mut self,
        what: &str,
        name: &str,
        span: Range<usize>,
        known: &BTreeSet<String>,
    ) -> bool {
        let exists = known.contains(name);
        if !exists {
            let help = nearest(name, known.iter().map(String::as_str));
            self.reader.problem(span, &format!("there is no {what} `{name}`"), help);
        }
        exists
    }

    /// Returns whether this is the first time that `what` stands in the file; if not, says so.
    pub fn once(&mut self, what: &str, span: Range<usize>) -> bool {
        let Some(&first) = self.seen.get(what) else {
            self.seen.insert(what.to_string(), span.start);
            return true;
        };
        let line = self.line_of(first);
        self.problem(span, &format!("{what} stands in line {line} already"), None);
        false
    }

    /// Returns the line, from 1, of a place in the text.
    pub fn line_of(&self, place: usize) -> usize {
        let before = self.text.get(..place).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    /// Reads a path that must stay below the folder it is relative to.
    pub fn path_below(&mut self, text: &Text, folder: &str) -> Option<PathBuf> {
        let path = Path::new(text.get_ref().trim());
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if path.as_os_str().is_empty() || !path.components().all(plain) {
            let message = format!("`{}` does not lie in {folder}", text.get_ref());
            let help = "write a path relative to that folder, without `..`";
            self.problem(text.span(), &message, Some(help));
            return None;
        }
        Some(path.into())
    }
}

/// Returns the names of all entries of `[[key]]`, those with other faults too, so that one fault
/// does not make others.
pub(super) fn names_of(root: &DeTable<'_>, key: &str) -> BTreeSet<String> {
    let value = root.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value);
    let Some(DeValue::Array(entries)) = value.map(|value| value.get_ref()) else {
        return BTreeSet::new();
    };
    let name = |entry: &DeValue<'_>| match entry {
        DeValue::Table(table) => {
            let (_, name) = table.iter().find(|(key, _)| key.get_ref() == "name")?;
            name.get_ref().as_str().map(|name| name.trim().to_string())
        }
        _ => None,
    };
    entries.iter().filter_map(|entry| name(entry.get_ref())).collect()
}

/// Writes `a, b or c`.
fn or_list(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => (*last).to_string(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
