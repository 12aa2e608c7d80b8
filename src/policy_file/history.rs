//! Changes of the past: which they were, what they changed, and the way back.

use super::{ChangeError, Revision, Revisions, TextDiff, TimedChange, TimedStep, diff};
use crate::model::DeviceName;
use crate::policy::{DevicePart, Standing};
use crate::storage::StorageError;

/// Characters of a hash that tell one revision from the others.
const SHORT: usize = 12;

/// The fewest characters of a hash that are taken for it.
const FEWEST: usize = 4;

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastChange {
    /// When, microseconds since 1970.
    pub at: i64,
    /// Who made it: `cli uid 0`, `api`, `editor`.
    pub actor: String,
    /// What it was.
    pub what: String,
    /// The revision of policy.toml that it made; `None`: it has an end and is in `state.db`.
    pub revision: Option<String>,
    /// The end of what it began, seconds since 1970.
    pub until: Option<i64>,
}

/// What differs between two revisions, or between one and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The older revision.
    pub from: Revision,
    /// The newer one; `None`: a text that is no revision.
    pub to: Option<Revision>,
    /// What differs.
    pub diff: TextDiff,
}

/// What was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The changes that are no longer in force, the latest first.
    pub taken_back: Vec<Revision>,
    /// The revision whose text is in force again.
    pub back_to: Revision,
}

/// A way back.
pub(super) struct Undo {
    /// The text to be put in force.
    pub text: String,
    /// What the new revision is made for.
    pub reason: String,
    /// What is told of it.
    pub done: Undone,
}

impl From<Revision> for PastChange {
    fn from(revision: Revision) -> PastChange {
        let Revision { hash, at, actor, reason } = revision;
        PastChange { at, actor, what: reason, revision: Some(hash), until: None }
    }
}

impl From<TimedChange> for PastChange {
    fn from(change: TimedChange) -> PastChange {
        let TimedChange { at, actor, what, until } = change;
        PastChange { at, actor, what, revision: None, until }
    }
}

impl Undo {
    /// Finds the text before the last change, or that of a revision; `current` is in force.
    pub fn find(
        revisions: &Revisions,
        current: &str,
        revision: Option<&str>,
    ) -> Result<Undo, ChangeError> {
        let all = revisions.list().map_err(storage)?;
        let wanted = match revision {
            Some(text) => find_revision(&all, text)?.hash.clone(),
            None => before(&all, current)?.hash.clone(),
        };
        if wanted == current {
            return Err(ChangeError::Invalid("that revision is the one in force".into()));
        }
        let place = all.iter().position(|it| it.hash == wanted).unwrap_or(all.len());
        let mut kept = all;
        let Some(back_to) = kept.get(place).cloned() else {
            return Err(ChangeError::NotFound(format!("there is no revision {wanted}")));
        };
        kept.truncate(place);
        let reason = match (revision, kept.first()) {
            (None, Some(last)) => undo_of(&last.reason),
            _ => format!("back to {}", short(&wanted)),
        };
        let text = text_of(revisions, &wanted)?;
        Ok(Undo { text, reason, done: Undone { taken_back: kept, back_to } })
    }
}

/// Compares two revisions; left out: the one in force, and the one before it.
pub(super) fn compare(
    revisions: &Revisions,
    current: &str,
    (from, to): (Option<&str>, Option<&str>),
) -> Result<Comparison, ChangeError> {
    let all = revisions.list().map_err(storage)?;
    let to = match to {
        Some(text) => find_revision(&all, text)?,
        None => find_revision(&all, current)?,
    };
    let from = match from {
        Some(text) => find_revision(&all, text)?,
        None => before(&all, current)?,
    };
    let (old, new) = (text_of(revisions, &from.hash)?, text_of(revisions, &to.hash)?);
    Ok(Comparison { from: from.clone(), to: Some(to.clone()), diff: diff(&old, &new) })
}

/// Compares the revision in force with a text.
pub(super) fn compare_text(
    revisions: &Revisions,
    current: &str,
    text: &str,
) -> Result<Comparison, ChangeError> {
    let all = revisions.list().map_err(storage)?;
    let from = find_revision(&all, current)?.clone();
    let old = text_of(revisions, &from.hash)?;
    Ok(Comparison { from, to: None, diff: diff(&old, text) })
}

/// Finds the one revision whose hash begins so.
fn find_revision<'r>(all: &'r [Revision], text: &str) -> Result<&'r Revision, ChangeError> {
    let wanted = text.trim().to_ascii_lowercase();
    if wanted.len() < FEWEST || !wanted.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return Err(ChangeError::Invalid(format!(
            "`{text}` is no revision; `deadpixel policy history` shows them"
        )));
    }
    let mut found = all.iter().filter(|revision| revision.hash.starts_with(&wanted));
    let Some(first) = found.next() else {
        return Err(ChangeError::NotFound(format!(
            "no revision that is kept begins with `{text}`; `deadpixel policy history` shows them"
        )));
    };
    match found.find(|other| other.hash != first.hash) {
        None => Ok(first),
        Some(other) => Err(ChangeError::Invalid(format!(
            "`{text}` begins several revisions, {} and {} among them; write more of it",
            short(&first.hash),
            short(&other.hash)
        ))),
    }
}

/// Returns the revision before the one in force.
fn before<'r>(all: &'r [Revision], current: &str) -> Result<&'r Revision, ChangeError> {
    let mut earlier = all.iter().skip_while(|revision| revision.hash != current);
    let found = earlier.find(|revision| revision.hash != current);
    // A revision in force that could not be kept is in none of the rows.
    let found = found.or_else(|| all.first().filter(|latest| latest.hash != current));
    found.ok_or_else(|| ChangeError::NotFound("there is no earlier revision of the policy".into()))
}

/// Returns the steps by which pauses and rules with an end follow devices to their old names; one
/// without an entry is called by its address.
pub(super) fn renamed_back(from: &Standing, to: &Standing) -> Vec<TimedStep> {
    let gone = || from.devices.iter().filter(|device| !is_named(to, device));
    let came = || to.devices.iter().filter(|device| !is_named(from, device));
    let alike =
        |a: &DevicePart, b: &DevicePart| a.addresses == b.addresses && a.hardware == b.hardware;
    let lost = gone().filter_map(|device| {
        let same = came().find(|it| alike(it, device)).map(|it| it.name.clone());
        Some(TimedStep::Rename(device.name.clone(), same.or_else(|| unnamed(device))?))
    });
    let found = came()
        .filter(|device| !gone().any(|it| alike(it, device)))
        .filter_map(|device| Some(TimedStep::Rename(unnamed(device)?, device.name.clone())));
    lost.chain(found).collect()
}

/// Returns what a device is called that has no entry: by its hardware address, else its address.
fn unnamed(device: &DevicePart) -> Option<DeviceName> {
    let hardware = device.hardware.first().map(ToString::to_string);
    let address = || device.addresses.iter().find_map(|it| it.as_host()).map(|it| it.to_string());
    DeviceName::parse(&hardware.or_else(address)?).ok()
}

fn is_named(standing: &Standing, device: &DevicePart) -> bool {
    standing.devices.iter().any(|it| it.name == device.name)
}

fn undo_of(reason: &str) -> String {
    match (reason.strip_prefix("undo of "), reason.strip_prefix("redo of ")) {
        (Some(what), _) => format!("redo of {what}"),
        (_, Some(what)) => format!("undo of {what}"),
        _ => format!("undo of {reason}"),
    }
}

fn text_of(revisions: &Revisions, hash: &str) -> Result<String, ChangeError> {
    let gone = || ChangeError::NotFound(format!("the text of {} is not kept", short(hash)));
    revisions.text(hash).map_err(storage)?.ok_or_else(gone)
}

fn storage(error: StorageError) -> ChangeError {
    ChangeError::Storage(error.to_string())
}

fn short(hash: &str) -> &str {
    hash.get(..SHORT).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(hash: &str, reason: &str) -> Revision {
        Revision { hash: hash.into(), at: 0, actor: "cli uid 0".into(), reason: reason.into() }
    }

    #[test]
    fn a_revision_is_found_by_the_beginning_of_its_hash() {
        let all = [revision("abcdef00", "x"), revision("abcd1111", "y"), revision("abcdef00", "z")];
        let found = |text| find_revision(&all, text).map(|it| it.reason.clone());
        assert_eq!(found("ABCDEF").expect("one"), "x", "the latest of equal ones");
        assert!(matches!(found("abcd"), Err(ChangeError::Invalid(_))), "several");
        assert!(matches!(found("abc"), Err(ChangeError::Invalid(_))), "too short");
        assert!(matches!(found("../x"), Err(ChangeError::Invalid(_))));
        assert!(matches!(found("ffff"), Err(ChangeError::NotFound(_))));
    }

    #[test]
    fn the_revision_before_is_another_text() {
        let all = [revision("aaaa", "2"), revision("bbbb", "1"), revision("aaaa", "0")];
        assert_eq!(before(&all, "aaaa").expect("one").hash, "bbbb");
        assert_eq!(before(&all, "cccc").expect("one").hash, "aaaa", "that in force is not kept");
        assert!(before(&all[..1], "aaaa").is_err());
    }

    #[test]
    fn an_undo_of_an_undo_is_a_redo() {
        assert_eq!(undo_of("level off for TV"), "undo of level off for TV");
        assert_eq!(undo_of("undo of level off for TV"), "redo of level off for TV");
        assert_eq!(undo_of("redo of level off for TV"), "undo of level off for TV");
    }
}
