//! Companies, purposes, countries; names to companies. Read from `blocklists/`.

mod companies;
mod encrypted_dns;
mod essential;
mod files;
mod index;
mod rows;
#[cfg(test)]
mod tests;
mod tsv;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use jiff::civil::Date;
use ring::digest::{Context, SHA256};

use self::companies::Companies;
use self::files::{Text, Texts};
use self::index::Index;
use self::tsv::Sheet;
use crate::diagnostic::{Problem, Problems};
use crate::model::{Company, CompanyId, DomainName, HashSeed, NameRef, NameText, Tier};

/// What the shipped catalogue proposes for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// On out of the box: list `trackers`.
    Default,
    /// Blocks more and breaks some: list `trackers-strict`.
    Strict,
    /// Named, never blocked unless the user says so.
    Off,
    /// The service itself: bans only.
    App,
    /// Shared by all: no list and no ban may block it.
    Never,
}

/// One row: a name (and all below it) or a pattern, and what it is.
#[derive(Clone, Debug)]
pub struct Row {
    /// The company that runs it.
    pub company: CompanyId,
    /// What it is for: `advertising`, `tv-acr`.
    pub purpose: Box<str>,
    /// What it does, as far as policies act on it.
    pub tier: Tier,
    /// What the shipped lists do with it.
    pub proposal: Proposal,
    /// What breaks if it is blocked: `no`, or `partly: …`, `yes: …`.
    pub breakage: Box<str>,
    /// Who says so.
    pub evidence: Box<str>,
    /// Its line in the file, from 1.
    pub line: u32,
}

impl Row {
    /// Returns whether the row speaks for its own name alone: what stands below a hosting company's
    /// name belongs to its customers.
    pub fn is_hosting(&self) -> bool {
        &*self.purpose == "hosting"
    }
}

/// A row's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowName {
    /// A name and all below it.
    Domain(DomainName),
    /// A regular expression.
    Pattern(Box<str>),
}

/// A name that no list may block.
#[derive(Clone, Debug)]
pub struct Essential {
    /// The name.
    pub name: DomainName,
    /// Whether all below it is meant too.
    pub subtree: bool,
    /// What it is for.
    pub purpose: Box<str>,
    /// Its line in the file, from 1.
    pub line: u32,
}

/// The catalogue in force; immutable.
pub struct Catalogue {
    companies: Companies,
    rows: Vec<(RowName, Row)>,
    index: Index,
    encrypted_dns: Vec<(DomainName, u32)>,
    essential: Vec<Essential>,
    /// Wire forms of names that stay open, and whether all below them do too.
    open: HashMap<Box<[u8]>, bool>,
    edition: String,
    content: [u8; 32],
}

impl Catalogue {
    /// Reads the catalogue compiled into the program.
    pub fn shipped(seed: HashSeed) -> Catalogue {
        Catalogue::read(&Texts::shipped(), seed).expect("the tests read the shipped tables")
    }

    /// Reads the catalogue from a folder that overrides the shipped one.
    pub fn from_folder(folder: &Path, seed: HashSeed) -> Result<Catalogue, Problems> {
        Catalogue::read(&Texts::from_folder(folder)?, seed)
    }

    /// Returns the row that speaks for a name: its own, else a pattern's, else its nearest parent's.
    pub fn find(&self, name: NameRef<'_>, hashes: &[u64]) -> Option<&Row> {
        self.row(self.place(&NameText::of(name), hashes)?)
    }

    /// Does what `find` does for a name that is text already; `row` knows the place.
    pub fn place(&self, text: &NameText<'_>, hashes: &[u64]) -> Option<u32> {
        let mut walk = text.name().walk().zip(hashes);
        let own = walk.next().and_then(|(name, &hash)| self.place_of(name, hash));
        own.or_else(|| self.index.by_text(text, hashes)).or_else(|| {
            let nearest = walk.find_map(|(parent, &hash)| self.place_of(parent, hash));
            nearest.filter(|&place| self.row(place).is_some_and(|row| !row.is_hosting()))
        })
    }

    /// Returns the row at a place.
    pub fn row(&self, place: u32) -> Option<&Row> {
        self.rows.get(place as usize).map(|(_, row)| row)
    }

    /// Returns every row with its names: domains, alias targets, patterns.
    pub fn rows(&self) -> impl Iterator<Item = (&RowName, &Row)> {
        self.rows.iter().map(|(name, row)| (name, row))
    }

    /// Returns companies; a `CompanyId` is a place in here.
    pub fn companies(&self) -> &[Company] {
        &self.companies.list
    }

    /// Returns the company with a slug.
    pub fn company(&self, slug: &str) -> Option<CompanyId> {
        self.companies.find(slug)
    }

    /// Returns the companies that a ban of one takes in: itself, one it is run with, all below them.
    pub fn banned_with(&self, company: CompanyId) -> Vec<CompanyId> {
        self.companies.banned_with(company)
    }

    /// Returns encrypted-DNS resolvers (kind `resolver`) with their lines.
    pub fn encrypted_dns(&self) -> &[(DomainName, u32)] {
        &self.encrypted_dns
    }

    /// Returns the names that no list may block.
    pub fn essential(&self) -> &[Essential] {
        &self.essential
    }

    /// Returns whether a name is answered even where only listed names are: log-in pages of
    /// networks, clocks, certificates, emergency calls and the root of DNS.
    pub fn stays_open(&self, name: NameRef<'_>) -> bool {
        let mut walk = name.walk();
        let own = walk.next().is_some_and(|own| self.open.contains_key(own.wire()));
        own || walk.any(|parent| self.open.get(parent.wire()) == Some(&true))
    }

    /// Returns the edition, a date: `2026-11-21`; that of the oldest table where they differ.
    pub fn edition(&self) -> &str {
        &self.edition
    }

    /// Returns the SHA-256 of the tables, which tells one catalogue from another.
    pub fn content(&self) -> [u8; 32] {
        self.content
    }

    fn read(texts: &Texts, seed: HashSeed) -> Result<Catalogue, Problems> {
        let mut reading = Reading::default();
        let companies = reading.table(&texts.companies, companies::COLUMNS, Companies::read);
        let mut rows =
            reading.table(&texts.names, rows::NAME_COLUMNS, |sheet| rows::names(sheet, &companies));
        let aliases = reading
            .table(&texts.aliases, rows::ALIAS_COLUMNS, |sheet| rows::aliases(sheet, &companies));
        add_missing(&mut rows, aliases);
        rows.extend(reading.table(&texts.patterns, rows::PATTERN_COLUMNS, |sheet| {
            rows::patterns(sheet, &companies)
        }));
        let encrypted_dns =
            reading.table(&texts.encrypted_dns, encrypted_dns::COLUMNS, encrypted_dns::read);
        let essential = reading.table(&texts.essential, essential::COLUMNS, essential::read);
        let index = Index::new(&rows, seed);
        let (edition, index) = reading.finish(&texts.patterns, index)?;
        let content = content(texts);
        let open = essential::open(&essential);
        Ok(Catalogue { companies, rows, index, encrypted_dns, essential, open, edition, content })
    }

    fn place_of(&self, name: NameRef<'_>, hash: u64) -> Option<u32> {
        let place = self.index.by_hash(hash)?;
        match self.rows.get(place as usize)? {
            (RowName::Domain(own), _) if own.as_ref() == name => Some(place),
            _ => None,
        }
    }
}

/// What was found while the tables were read.
#[derive(Default)]
struct Reading {
    editions: Vec<Date>,
    problems: Vec<Problem>,
}

impl Reading {
    fn table<T>(
        &mut self,
        text: &Text,
        columns: &'static [&'static str],
        read: impl FnOnce(&mut Sheet<'_>) -> T,
    ) -> T {
        let mut sheet = Sheet::new(&text.file, &text.text, columns);
        let value = read(&mut sheet);
        let (edition, problems) = sheet.finish();
        self.editions.extend(edition);
        self.problems.extend(problems);
        value
    }

    fn finish(
        mut self,
        patterns: &Text,
        index: Result<Index, regex::Error>,
    ) -> Result<(String, Index), Problems> {
        let index = index.map_err(|_| {
            let message = "the patterns are too large together".into();
            self.problems.push(patterns.problem(message, None));
        });
        match (index, self.editions.iter().min()) {
            (Ok(index), Some(edition)) if self.problems.is_empty() => {
                Ok((edition.to_string(), index))
            }
            _ => Err(Problems(self.problems)),
        }
    }
}

fn content(texts: &Texts) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    for text in texts.all() {
        hash.update(&(text.text.len() as u64).to_le_bytes());
        hash.update(text.text.as_bytes());
    }
    let mut content = [0; 32];
    content.copy_from_slice(hash.finish().as_ref());
    content
}

fn add_missing(rows: &mut rows::Rows, aliases: rows::Rows) {
    let domain = |name: &RowName| match name {
        RowName::Domain(name) => Some(name.clone()),
        RowName::Pattern(_) => None,
    };
    let known: HashSet<DomainName> = rows.iter().filter_map(|(name, _)| domain(name)).collect();
    let is_new = |name: &RowName| domain(name).is_none_or(|name| !known.contains(&name));
    rows.extend(aliases.into_iter().filter(|(name, _)| is_new(name)));
}
