//! List files, read for the rules that cover what is looked up.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::{Element, Failure};
use crate::catalogue::Catalogue;
use crate::lists::Guard;
use crate::model::{HashSeed, ListKind, ListName, MAX_LISTS};
use crate::rules::parse::{Format, ListRefused, MAX_LIST_OCTETS, Options, RefusedLine};
use crate::rules::{FoundRule, ListInfo, Rule, Subject, find_rules};

/// First octets of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Refused lines of a list that are kept to be shown.
const MOST_REFUSED: usize = 100;

/// What a list file is taken for.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Its syntax.
    pub format: Format,
    /// Whether its rewrites are obeyed.
    pub trusted: bool,
    /// Whether all it names is allowed.
    pub allowlist: bool,
}

/// A list file, read.
pub struct Loaded {
    /// The file as it was named.
    pub file: String,
    /// What is known of the list.
    pub info: ListInfo,
    /// The rules that cover one of the elements.
    pub rules: Vec<FoundRule>,
    /// Lines refused, and rules skipped because they would break too much.
    pub refused: Vec<RefusedLine>,
}

/// Reads the files in their order.
pub fn load(lists: &[(&PathBuf, Role)], elements: &[Element]) -> Result<Vec<Loaded>, Failure> {
    if lists.len() > MAX_LISTS {
        return Err(Failure::Usage(format!("{} lists; at most {MAX_LISTS} can be", lists.len())));
    }
    let subjects: Vec<Subject> = elements.iter().map(|element| element.subject.clone()).collect();
    let catalogue = Catalogue::shipped(HashSeed([0, 0]));
    let guard = Guard::new(catalogue.essential());
    let load_one = |(file, role): &(&PathBuf, Role)| load_one(file, *role, &subjects, &guard);
    lists.iter().map(load_one).collect()
}

fn load_one(
    file: &Path,
    role: Role,
    subjects: &[Subject],
    guard: &Guard,
) -> Result<Loaded, Failure> {
    let shown = file.display().to_string();
    let octets = read(file).map_err(|why| unreadable(&shown, &why))?;
    let refusal = |refused: ListRefused| Failure::Invalid(format!("error: {shown}: {refused}"));
    let octets = octets.ok_or_else(|| refusal(ListRefused::TooLarge))?;
    let options = Options { format: role.format, allowlist: role.allowlist, ..Options::default() };
    let mut skipped = Vec::new();
    let mut admits = |rule: &Rule| {
        let found = if role.allowlist { None } else { guard.refusal(rule) };
        let is_skipped = found.is_some();
        let line = rule.line;
        let kept = found.filter(|_| skipped.len() < MOST_REFUSED);
        skipped.extend(kept.map(|(name, why)| RefusedLine { line, text: name.to_string(), why }));
        !is_skipped
    };
    let (rules, summary) = find_rules(&octets, &options, subjects, &mut admits).map_err(refusal)?;
    let name = ListName::parse("list").expect("a plain word");
    let info = ListInfo::new(name, ListKind::Other, summary.format);
    let (trusted, allowlist) = (role.trusted, role.allowlist);
    let mut refused = summary.samples;
    refused.append(&mut skipped);
    refused.sort_by_key(|refused| refused.line);
    Ok(Loaded { file: shown, info: ListInfo { trusted, allowlist, ..info }, rules, refused })
}

/// Reads a file, unpacked; none if it is too large.
fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(octets) = bounded(File::open(file)?)? else { return Ok(None) };
    if octets.starts_with(&GZIP) {
        bounded(MultiGzDecoder::new(&*octets))
    } else {
        Ok(Some(octets))
    }
}

fn bounded(source: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut octets = Vec::new();
    source.take(MAX_LIST_OCTETS as u64 + 1).read_to_end(&mut octets)?;
    Ok((octets.len() <= MAX_LIST_OCTETS).then_some(octets))
}

fn unreadable(shown: &str, error: &io::Error) -> Failure {
    let text = format!("{shown}: {error}");
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::NotPermitted(text),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            Failure::Invalid(format!("error: {shown}: it cannot be unpacked: {error}"))
        }
        _ => Failure::Failed(text),
    }
}
