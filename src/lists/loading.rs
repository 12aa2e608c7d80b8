//! Lists being compiled: one after the other, the rules of one in memory at a time.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::{Guard, ListReport, OwnList, ShippedList};
use crate::model::HashSeed;
use crate::rules::parse::{Format, ListRefused, Options, Summary, read};
use crate::rules::{Compiler, Effect, ListInfo, Rule, Ruleset, TooManyLists};

/// Lists being compiled.
pub struct Loading<'g> {
    guard: &'g Guard,
    seed: HashSeed,
    compiler: Compiler,
    reports: Vec<ListReport>,
}

impl<'g> Loading<'g> {
    /// Starts without any list.
    pub fn new(guard: &'g Guard, seed: HashSeed) -> Loading<'g> {
        Loading { guard, seed, compiler: Compiler::new(seed), reports: Vec::new() }
    }

    /// Adds a list that ships with the program.
    pub fn add_shipped(&mut self, list: ShippedList) -> Result<(), TooManyLists> {
        let mut report = ListReport::of_shipped(&list);
        let ShippedList { name, kind, part, rules } = list;
        let info = ListInfo { shipped: true, part, ..ListInfo::new(name, kind, Format::Domains) };
        self.compile(info, &rules, &mut report)?;
        if !part {
            self.reports.push(report);
        }
        Ok(())
    }

    /// Adds a list of the owner's; without octets, or with ones that are no list, it is empty.
    pub fn add_own(&mut self, list: &OwnList, octets: Option<&[u8]>) -> Result<(), TooManyLists> {
        let mut report = ListReport::of_own(list);
        let rules = octets.map(|octets| self.read(list, octets, &mut report)).unwrap_or_default();
        let info = ListInfo {
            trusted: list.trusted,
            allowlist: list.allowlist,
            ..ListInfo::new(list.name.clone(), list.kind, report.format)
        };
        self.compile(info, &rules, &mut report)?;
        self.reports.push(report);
        Ok(())
    }

    /// Compiles what was added.
    pub fn finish(self) -> (Ruleset, Vec<ListReport>) {
        (self.compiler.finish(), self.reports)
    }

    fn read(&self, list: &OwnList, octets: &[u8], report: &mut ListReport) -> Vec<Rule> {
        let options = list.options();
        match self.read_as(list, octets, &options, report) {
            Ok(rules) => rules,
            Err(refused) => {
                report.held = Some(refused.to_string());
                // The format may be what was set wrong since the list was taken in.
                let auto = Options { format: Format::Auto, ..options };
                self.read_as(list, octets, &auto, report).unwrap_or_default()
            }
        }
    }

    fn read_as(
        &self,
        list: &OwnList,
        octets: &[u8],
        options: &Options,
        report: &mut ListReport,
    ) -> Result<Vec<Rule>, ListRefused> {
        let (mut rules, mut sieve) = (Vec::new(), self.guard.sieve(list));
        let mut take = |rule: Rule| {
            if sieve.passes(&rule) {
                rules.push(rule);
            }
        };
        let summary = match read(octets, options, &mut take) {
            // Somebody accepted that it is empty.
            Err(ListRefused::Empty) => Summary { format: options.format, ..Summary::default() },
            read => read?,
        };
        report.skipped = sieve.finish();
        report.take(summary);
        Ok(rules)
    }

    fn compile(
        &mut self,
        info: ListInfo,
        rules: &[Rule],
        report: &mut ListReport,
    ) -> Result<(), TooManyLists> {
        let counted = rules.iter().filter(|rule| rule.effect != Effect::Hole);
        let mut keys: Vec<u64> = counted.map(|rule| key(rule, self.seed)).collect();
        let refused = self.compiler.add(info, rules)?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        report.rules = count(keys.len().saturating_sub(refused.len()));
        keys.sort_unstable();
        keys.dedup();
        report.unique = report.rules.min(count(keys.len()));
        report.refuse(refused);
        Ok(())
    }
}

/// Returns the same number for rules that say the same.
fn key(rule: &Rule, seed: HashSeed) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed.0[0], seed.0[1]);
    let Rule { pattern, effect, important, badfilter, condition, .. } = rule;
    (pattern, effect, important, badfilter, condition).hash(&mut hasher);
    hasher.finish()
}
