//! Lists being compiled: one after the other, their rules never in memory all at once.

use super::{Guard, ListReport, OwnList, ShippedList};
use crate::model::HashSeed;
use crate::rules::parse::{Format, ListRefused, Options, Summary, read};
use crate::rules::{Compiler, Effect, ListInfo, Rule, Ruleset, TooManyLists};

/// Lists being compiled.
pub struct Loading<'g> {
    guard: &'g Guard,
    compiler: Compiler,
    reports: Vec<ListReport>,
}

/// One of the owner's lists as it is to be read.
struct Wanted<'l> {
    list: &'l OwnList,
    octets: &'l [u8],
    options: Options,
}

impl<'g> Loading<'g> {
    /// Starts without any list.
    pub fn new(guard: &'g Guard, seed: HashSeed) -> Loading<'g> {
        Loading { guard, compiler: Compiler::new(seed), reports: Vec::new() }
    }

    /// Adds a list that ships with the program.
    pub fn add_shipped(&mut self, list: ShippedList) -> Result<(), TooManyLists> {
        let mut report = ListReport::of_shipped(&list);
        let ShippedList { name, kind, part, rules } = list;
        let info = ListInfo { shipped: true, part, ..ListInfo::new(name, kind, Format::Domains) };
        let mut draft = self.compiler.begin(info)?;
        let mut counted = 0;
        for rule in rules {
            counted += counts(&rule);
            draft.take(rule);
        }
        report.count(counted, draft.commit());
        if !part {
            self.reports.push(report);
        }
        Ok(())
    }

    /// Adds a list of the owner's; without octets, or with ones that are no list, it is empty.
    pub fn add_own(&mut self, list: &OwnList, octets: Option<&[u8]>) -> Result<(), TooManyLists> {
        let mut report = ListReport::of_own(list);
        let mut wanted =
            Wanted { list, octets: octets.unwrap_or_default(), options: list.options() };
        if let Err(refused) = self.take_in(&wanted, &mut report)? {
            report.held = Some(refused.to_string());
            // The format may be what was set wrong since the list was taken in.
            wanted.options.format = Format::Auto;
            if self.take_in(&wanted, &mut report)?.is_err() {
                wanted.octets = &[];
                let _ = self.take_in(&wanted, &mut report)?;
            }
        }
        self.reports.push(report);
        Ok(())
    }

    /// Returns what became of the last list.
    #[cfg(test)]
    pub fn last_report(&self) -> &ListReport {
        self.reports.last().expect("a list was added")
    }

    /// Compiles what was added.
    pub fn finish(self) -> (Ruleset, Vec<ListReport>) {
        (self.compiler.finish(), self.reports)
    }

    /// Reads a list into the compiler; one that is refused leaves nothing there.
    fn take_in(
        &mut self,
        wanted: &Wanted<'_>,
        report: &mut ListReport,
    ) -> Result<Result<(), ListRefused>, TooManyLists> {
        let Wanted { list, octets, options } = wanted;
        let info = ListInfo {
            trusted: list.trusted,
            allowlist: list.allowlist,
            ..ListInfo::new(list.name.clone(), list.kind, options.format)
        };
        let mut draft = self.compiler.begin(info)?;
        let (mut counted, mut sieve) = (0, self.guard.sieve(list));
        let mut take = |rule: Rule| {
            if sieve.passes(&rule) {
                counted += counts(&rule);
                draft.take(rule);
            }
        };
        let summary = match read(octets, options, &mut take) {
            Ok(summary) => summary,
            // Nothing has come yet, or somebody accepted that it is empty.
            Err(ListRefused::Empty) => Summary { format: options.format, ..Summary::default() },
            Err(refused) => return Ok(Err(refused)),
        };
        draft.set_format(summary.format);
        report.skipped = sieve.finish();
        report.take(summary);
        report.count(counted, draft.commit());
        Ok(Ok(()))
    }
}

/// A hole is no rule of its own: it only ends another one.
fn counts(rule: &Rule) -> u32 {
    u32::from(rule.effect != Effect::Hole)
}
