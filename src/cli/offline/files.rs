//! List files, read for the rules that cover what is looked up.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Element, Failure};
use crate::catalogue::Catalogue;
use crate::lists::{Guard, OwnList, Source, unpacked};
use crate::model::{HashSeed, ListKind, ListName, MAX_LISTS};
use crate::rules::parse::{Format, MAX_LIST_OCTETS, RefusedLine};
use crate::rules::{FoundRule, ListInfo, LookedUp, Rule, find_rules};

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
    let subjects: Vec<LookedUp> = elements.iter().map(|element| element.subject.clone()).collect();
    let catalogue = Catalogue::shipped(HashSeed([0, 0]));
    let guard = Guard::new(catalogue.essential(), &[]);
    let load_one = |(file, role): &(&PathBuf, Role)| load_one(file, *role, &subjects, &guard);
    lists.iter().map(load_one).collect()
}

fn load_one(
    file: &Path,
    role: Role,
    looked_up: &[LookedUp],
    guard: &Guard,
) -> Result<Loaded, Failure> {
    let shown = file.display().to_string();
    let refusal = |why: String| Failure::Invalid(format!("error: {shown}: {why}"));
    let packed = read(file).map_err(|why| unreadable(&shown, &why))?;
    let octets = unpacked(&packed).map_err(refusal)?;
    let name = ListName::parse("list").expect("a plain word");
    let list = OwnList {
        format: role.format,
        trusted: role.trusted,
        allowlist: role.allowlist,
        ..OwnList::new(name.clone(), Source::File(file.to_path_buf()))
    };
    let mut sieve = guard.sieve(&list);
    let mut admits = |rule: &Rule| sieve.passes(rule);
    let (rules, summary) = find_rules(&octets, &list.options(), looked_up, &mut admits)
        .map_err(|refused| refusal(refused.to_string()))?;
    let info = ListInfo::new(name, ListKind::Other, summary.format);
    let (trusted, allowlist) = (role.trusted, role.allowlist);
    let mut refused = summary.samples;
    refused.extend(sieve.finish());
    refused.sort_by_key(|refused| refused.line);
    Ok(Loaded { file: shown, info: ListInfo { trusted, allowlist, ..info }, rules, refused })
}

/// Reads a file as far as one octet beyond the limit, at which it is refused.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(file)?.take(MAX_LIST_OCTETS as u64 + 1).read_to_end(&mut octets)?;
    Ok(octets)
}

fn unreadable(shown: &str, error: &io::Error) -> Failure {
    let text = format!("{shown}: {error}");
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::NotPermitted(text),
        _ => Failure::Failed(text),
    }
}
