//! The log's totals as people read them: by device and company, and all in all.

use std::collections::{BTreeSet, HashMap};

use super::Snapshot;
use crate::api::{Tally, WhoRow, timestamp};
use crate::model::{DeviceId, DomainName};
use crate::query_log::{TopName, Total};

/// What the names are for that devices asked for, by device and company.
#[derive(Default)]
pub struct Purposes(HashMap<(DeviceId, String), (u64, String)>);

impl Purposes {
    /// Looks up what the names with the most attempts are for.
    pub fn of(names: Vec<TopName>, snapshot: &Snapshot) -> Purposes {
        let known = names.into_iter().filter_map(|top| {
            let purpose = purpose_of(&top, snapshot)?;
            Some(((snapshot.device_of(top.device), top.company), (top.attempts, purpose)))
        });
        let mut purposes: HashMap<_, (u64, String)> = HashMap::new();
        for (key, (attempts, purpose)) in known {
            let top = purposes.entry(key).or_default();
            if attempts > top.0 {
                *top = (attempts, purpose);
            }
        }
        Purposes(purposes)
    }

    /// Returns what most attempts at a company's names are for, by short name.
    pub fn by_company(&self) -> HashMap<String, String> {
        let weighted = self.0.iter();
        most_frequent(
            weighted.map(|((_, slug), (attempts, purpose))| {
                (slug.as_str(), purpose.as_str(), *attempts)
            }),
        )
    }

    fn find(&self, device: DeviceId, slug: &str) -> Option<String> {
        self.0.get(&(device, slug.into())).map(|(_, purpose)| purpose.clone())
    }
}

/// Returns what most tracking names of each company are for, by short name.
pub fn catalogue_purposes(snapshot: &Snapshot) -> HashMap<String, String> {
    let catalogue = &snapshot.in_force.catalogue;
    let rows = catalogue.rows().filter(|(_, row)| row.tier.is_tracking());
    most_frequent(rows.filter_map(|(_, row)| {
        let company = catalogue.companies().get(usize::from(row.company.0))?;
        Some((company.slug.as_str(), &*row.purpose, 1))
    }))
}

/// Returns the purpose in the row that made a name, or its alias, one of the company's.
fn purpose_of(top: &TopName, snapshot: &Snapshot) -> Option<String> {
    let catalogue = &snapshot.in_force.catalogue;
    [Some(&top.name), top.alias.as_ref()].into_iter().flatten().find_map(|text| {
        let name = DomainName::from_presentation(text).ok()?;
        let row = catalogue.find(name.as_ref(), &snapshot.in_force.hashes(name.as_ref()))?;
        let company = catalogue.companies().get(usize::from(row.company.0))?;
        (company.slug == top.company).then(|| row.purpose.to_string())
    })
}

/// Adds totals up.
pub fn tally_of<'t>(totals: impl Iterator<Item = &'t Total>) -> Tally {
    let mut tally = Tally::default();
    let (mut companies, mut devices) = (BTreeSet::new(), BTreeSet::new());
    for total in totals.filter(|total| total.attempts > 0) {
        match &total.company {
            Some(company) if is_slug(company) => {
                companies.insert(company);
            }
            Some(_) => {}
            None => tally.unattributed += total.attempts,
        }
        devices.insert(total.device);
        tally.attempts += total.attempts;
        tally.blocked += total.blocked;
        tally.allowed += total.allowed;
        tally.failed += total.failed;
    }
    tally.companies = companies.len() as u64;
    tally.devices = devices.len() as u64;
    tally
}

/// Returns whether a total names a company; the log puts what it does not keep in brackets.
fn is_slug(company: &str) -> bool {
    !company.starts_with('(')
}

/// Returns the `limit` totals with the most attempts as rows; those without one are left out.
pub fn rows_of(
    totals: &[Total],
    limit: usize,
    snapshot: &Snapshot,
    purposes: &Purposes,
) -> Vec<WhoRow> {
    let row = |total: &Total| WhoRow {
        device_id: total.device.0,
        device: device_name(snapshot, total),
        company: total.company.as_deref().map(|slug| snapshot.company(slug)),
        purpose: total.company.as_deref().and_then(|slug| purposes.find(total.device, slug)),
        attempts: total.attempts,
        blocked: total.blocked,
        allowed: total.allowed,
        failed: total.failed,
        queries: total.queries,
        last: timestamp(total.last),
        got_through: None,
    };
    ranked(totals).into_iter().take(limit).map(row).collect()
}

/// Returns totals that hold an attempt, most attempts first, always in the same order.
fn ranked(totals: &[Total]) -> Vec<&Total> {
    let mut ranked: Vec<&Total> = totals.iter().filter(|total| total.attempts > 0).collect();
    ranked.sort_by(|a, b| {
        let tie = || (b.last, a.device, &a.company).cmp(&(a.last, b.device, &b.company));
        b.attempts.cmp(&a.attempts).then_with(tie)
    });
    ranked
}

fn device_name(snapshot: &Snapshot, total: &Total) -> String {
    let known = snapshot.device_name(total.device).map(String::from);
    known.unwrap_or_else(|| format!("forgotten device {}", total.device.0))
}

/// Returns the purpose that weighs most for each company.
fn most_frequent<'r>(
    weighted: impl Iterator<Item = (&'r str, &'r str, u64)>,
) -> HashMap<String, String> {
    let mut counts: HashMap<(&str, &str), u64> = HashMap::new();
    for (company, purpose, weight) in weighted {
        *counts.entry((company, purpose)).or_default() += weight;
    }
    let mut best: HashMap<&str, (u64, &str)> = HashMap::new();
    for ((company, purpose), count) in counts {
        let top = best.entry(company).or_default();
        // Between equals the first of the alphabet, so that it is always the same.
        if count > top.0 || (count == top.0 && purpose < top.1) {
            *top = (count, purpose);
        }
    }
    best.into_iter().map(|(company, (_, purpose))| (company.into(), purpose.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(device: u32, company: Option<&str>, attempts: u64, blocked: u64) -> Total {
        Total {
            device: DeviceId(device),
            company: company.map(String::from),
            attempts,
            blocked,
            allowed: attempts - blocked,
            failed: 0,
            queries: attempts * 2,
            last: 0,
        }
    }

    #[test]
    fn a_tally_counts_each_company_and_device_once_and_unattributed_apart() {
        let totals = [
            total(1, Some("tiktok"), 5, 5),
            total(2, Some("tiktok"), 3, 2),
            total(2, None, 4, 0),
            total(2, Some("(counts only)"), 1, 1),
            total(3, Some("meta"), 0, 0),
        ];
        let tally = tally_of(totals.iter());
        let expected = Tally {
            companies: 1,
            devices: 2,
            attempts: 13,
            blocked: 8,
            allowed: 5,
            failed: 0,
            unattributed: 4,
        };
        assert_eq!(tally, expected);
    }

    #[test]
    fn rows_stand_by_attempts_and_equals_by_the_latest() {
        let earlier = total(1, Some("meta"), 5, 5);
        let later = Total { last: 9, ..total(2, Some("tiktok"), 5, 0) };
        let most = total(3, None, 7, 0);
        let totals = [total(4, Some("x"), 0, 0), earlier, later, most];
        let devices: Vec<u32> = ranked(&totals).iter().map(|total| total.device.0).collect();
        assert_eq!(devices, [3, 2, 1]);
    }

    #[test]
    fn a_company_is_for_what_most_of_its_names_are_for() {
        let names = [("a", "ads", 2), ("a", "analytics", 3), ("a", "ads", 2), ("b", "y", 1)];
        let found = most_frequent(names.into_iter().chain([("b", "x", 1)]));
        assert_eq!(found.get("a").map(String::as_str), Some("ads"));
        assert_eq!(found.get("b").map(String::as_str), Some("x"));
    }
}
