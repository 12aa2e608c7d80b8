//! Lists by others that the program knows of: facts to choose from, no list of them is shipped.

use std::sync::LazyLock;

use serde::Serialize;
use url::Url;

use super::{OwnList, Source};
use crate::model::{ListKind, ListName};

/// The file, compiled in.
const FILE: &str = include_str!("../../blocklists/known-lists.tsv");

/// A list by somebody else that can be subscribed by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownList {
    /// The name it has here.
    pub name: ListName,
    /// What its publisher calls it.
    pub title: &'static str,
    /// What it is about.
    pub kind: ListKind,
    /// About how many names it has.
    pub names: u32,
    /// Its licence.
    pub licence: &'static str,
    /// Where it is fetched from, by https.
    pub address: &'static str,
    /// Its home page.
    pub home: &'static str,
    /// Whether it is an allowlist.
    pub allowlist: bool,
    /// Whether its plain names are meant with all below them.
    pub cover_subdomains: bool,
    /// What it is good for.
    pub words: &'static str,
}

/// Returns all of them, publisher by publisher.
pub fn known() -> &'static [KnownList] {
    static KNOWN: LazyLock<Vec<KnownList>> = LazyLock::new(|| {
        let rows = FILE.lines().filter(|line| !line.starts_with('#')).skip(1);
        rows.map(|row| read(row).expect("a test holds the file to its form")).collect()
    });
    &KNOWN
}

/// Returns the one of a name.
pub fn find(name: &str) -> Option<&'static KnownList> {
    known().iter().find(|list| list.name.as_str() == name)
}

/// Names of those that levels subscribe.
const DEFAULTS: [&str; 2] = ["hagezi-normal", "hagezi-pro"];

/// Returns the lists that levels subscribe, unless that is switched off.
pub fn defaults() -> Vec<OwnList> {
    DEFAULTS.into_iter().filter_map(find).filter_map(KnownList::subscribed).collect()
}

impl KnownList {
    fn subscribed(&self) -> Option<OwnList> {
        let url = Url::parse(self.address).ok()?;
        let list = OwnList::new(self.name.clone(), Source::Address { url, local: false });
        let (allowlist, cover_subdomains) = (self.allowlist, self.cover_subdomains);
        Some(OwnList { kind: self.kind, allowlist, cover_subdomains, ..list })
    }
}

fn read(row: &'static str) -> Option<KnownList> {
    let cells: Vec<&'static str> = row.split('\t').collect();
    let [name, title, kind, names, licence, address, home, options, words] = cells[..] else {
        return None;
    };
    let has = |option: &str| options.split(',').any(|own| own == option);
    Some(KnownList {
        name: ListName::parse(name).ok()?,
        title,
        kind: kind.parse().ok()?,
        names: names.parse().ok()?,
        licence,
        address,
        home,
        allowlist: has("allowlist"),
        cover_subdomains: has("cover_subdomains"),
        words,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_is_whole_and_its_name_is_its_own() {
        let mut names = HashSet::new();
        for list in known() {
            assert!(names.insert(list.name.as_str()), "{} stands twice", list.name);
            for address in [list.address, list.home] {
                assert!(address.starts_with("https://"), "{address}");
            }
            assert!(list.names > 0 && list.words.ends_with('.'), "{}", list.name);
            assert!(!list.licence.is_empty() && !list.title.is_empty(), "{}", list.name);
        }
        assert!(names.len() > 30);
    }

    #[test]
    fn the_well_known_publishers_are_there_and_options_are_read() {
        let publishers = [
            "hagezi",
            "oisd",
            "stevenblack",
            "adguard",
            "easyprivacy",
            "1hosts",
            "peter-lowe",
            "blp",
            "urlhaus",
            "disconnect",
            "duckduckgo",
        ];
        for publisher in publishers {
            assert!(known().iter().any(|l| l.name.as_str().starts_with(publisher)), "{publisher}");
        }
        let allow = find("hagezi-referral-allow").expect("it is known");
        assert!(allow.allowlist && allow.cover_subdomains);
        let normal = find("hagezi-normal").expect("it is known");
        assert!(!normal.allowlist && !normal.cover_subdomains);
        assert_eq!(find("nonsense"), None);
        assert_eq!(defaults().len(), DEFAULTS.len());
    }
}
