//! Companies, purposes, countries; names to companies. Read from `blocklists/`.

use std::path::Path;

use crate::diagnostic::Problems;
use crate::model::{Company, CompanyId, DomainName, HashSeed, NameHashes, NameRef, Tier};

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
}

/// The catalogue in force; immutable.
pub struct Catalogue {}

impl Catalogue {
    /// Reads the catalogue compiled into the program.
    pub fn shipped(seed: HashSeed) -> Catalogue {
        let _ = seed;
        todo!()
    }

    /// Reads the catalogue from a folder that overrides the shipped one.
    pub fn from_folder(folder: &Path, seed: HashSeed) -> Result<Catalogue, Problems> {
        let _ = (folder, seed);
        todo!()
    }

    /// Returns the row that speaks for a name: its own, else a pattern's, else its nearest parent's.
    pub fn find(&self, name: NameRef<'_>, hashes: &NameHashes) -> Option<&Row> {
        let _ = (name, hashes);
        todo!()
    }

    /// Returns every row with its names: domains, alias targets, patterns.
    pub fn rows(&self) -> impl Iterator<Item = (&RowName, &Row)> {
        std::iter::empty()
    }

    /// Returns companies; a `CompanyId` is a place in here.
    pub fn companies(&self) -> &[Company] {
        todo!()
    }

    /// Returns the company with a slug.
    pub fn company(&self, slug: &str) -> Option<CompanyId> {
        let _ = slug;
        todo!()
    }

    /// Returns encrypted-DNS resolvers (kind `resolver`) with their lines.
    pub fn encrypted_dns(&self) -> &[(DomainName, u32)] {
        todo!()
    }

    /// Returns the names that no list may block.
    pub fn essential(&self) -> &[Essential] {
        todo!()
    }

    /// Returns the edition, a date: `2026-11-21`.
    pub fn edition(&self) -> &str {
        todo!()
    }
}
