//! Rows: names, patterns and targets of aliases, with what each is.

use regex::RegexBuilder;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

use super::companies::Companies;
use super::tsv::{Line, Sheet};
use super::{Proposal, Row, RowName};
use crate::model::Tier;

/// The columns of `names.tsv`.
pub(super) const NAME_COLUMNS: &[&str] = &[
    "name",
    "company",
    "purpose",
    "tier",
    "level",
    "breakage",
    "attribution",
    "company_sources",
    "class_sources",
];
/// The columns of `patterns.tsv`.
pub(super) const PATTERN_COLUMNS: &[&str] =
    &["regex", "company", "purpose", "tier", "level", "breakage", "names_seen", "sources", "note"];
/// The columns of `cname-cloaking.tsv`.
pub(super) const ALIAS_COLUMNS: &[&str] = &[
    "suffix",
    "company",
    "purpose",
    "tier",
    "level",
    "breakage",
    "seen_adguard",
    "seen_ddg",
    "sources",
    "note",
];
// The first six are the same in all three.
const KEY: usize = 0;
const COMPANY: usize = 1;
const PURPOSE: usize = 2;
const TIER: usize = 3;
const LEVEL: usize = 4;
const BREAKAGE: usize = 5;

/// Most memory that one pattern may compile to.
const PATTERN_SIZE: usize = 1 << 20;

/// The rows of one table, in its order.
pub(super) type Rows = Vec<(RowName, Row)>;

/// Reads `names.tsv`.
pub(super) fn names(sheet: &mut Sheet<'_>, companies: &Companies) -> Rows {
    read(sheet, companies, |sheet, line| {
        let evidence = match (line.field(7), line.field(8)) {
            (company, "") => format!("company: {company}"),
            (company, class) => format!("company: {company}; purpose: {class}"),
        };
        Some((sheet.name(line, KEY).map(RowName::Domain)?, evidence))
    })
}

/// Reads `patterns.tsv`.
pub(super) fn patterns(sheet: &mut Sheet<'_>, companies: &Companies) -> Rows {
    read(sheet, companies, |sheet, line| {
        let text = sheet.required(line, KEY)?;
        if let Err(message) = check_pattern(text) {
            sheet.problem(line, KEY, message, None);
            return None;
        }
        Some((RowName::Pattern(text.into()), line.field(7).into()))
    })
}

/// Reads `cname-cloaking.tsv`.
pub(super) fn aliases(sheet: &mut Sheet<'_>, companies: &Companies) -> Rows {
    read(sheet, companies, |sheet, line| {
        Some((sheet.name(line, KEY).map(RowName::Domain)?, line.field(8).into()))
    })
}

fn read<'t>(
    sheet: &mut Sheet<'t>,
    companies: &Companies,
    key: impl Fn(&mut Sheet<'t>, &Line<'t>) -> Option<(RowName, String)>,
) -> Rows {
    let mut rows = Vec::new();
    for line in sheet.lines() {
        let key = key(sheet, &line).filter(|_| sheet.is_new(&line));
        let row = row(sheet, &line, companies);
        if let (Some((name, evidence)), Some(row)) = (key, row) {
            rows.push((name, Row { evidence: evidence.into(), ..row }));
        }
    }
    rows
}

fn row<'t>(sheet: &mut Sheet<'t>, line: &Line<'t>, companies: &Companies) -> Option<Row> {
    let company = companies.expect(sheet, line, COMPANY);
    let purpose = sheet.required(line, PURPOSE);
    let tier = tier(sheet, line);
    let proposal = proposal(sheet, line);
    let breakage = breakage(sheet, line);
    Some(Row {
        company: company?,
        purpose: purpose?.into(),
        tier: tier?,
        proposal: proposal?,
        breakage: breakage?.into(),
        evidence: Box::default(),
        line: line.number,
    })
}

fn tier(sheet: &mut Sheet<'_>, line: &Line<'_>) -> Option<Tier> {
    let word = line.field(TIER);
    let tier = Tier::deserialize(IntoDeserializer::<Error>::into_deserializer(word));
    if tier.is_err() {
        let known = "pixel, analytics, ads, telemetry, session-replay, fingerprinting, tag-manager, \
                     email, social-widget, app, cdn or essential";
        sheet.problem(line, TIER, format!("`{word}` is no tier; write {known}"), None);
    }
    tier.ok()
}

fn proposal(sheet: &mut Sheet<'_>, line: &Line<'_>) -> Option<Proposal> {
    let word = line.field(LEVEL);
    let proposal = match word {
        "default" => Proposal::Default,
        "strict" => Proposal::Strict,
        // One source alone is shown, not blocked.
        "off" | "candidate" => Proposal::Off,
        "app" => Proposal::App,
        "never" => Proposal::Never,
        _ => {
            let known = "default, strict, off, candidate, app or never";
            sheet.problem(line, LEVEL, format!("`{word}` is no level; write {known}"), None);
            return None;
        }
    };
    Some(proposal)
}

fn breakage<'t>(sheet: &mut Sheet<'t>, line: &Line<'t>) -> Option<&'t str> {
    let text = line.field(BREAKAGE);
    let word = text.split(':').next().unwrap_or(text);
    if !matches!(word, "no" | "partly" | "yes") {
        let message = "the breakage begins with no, partly or yes; a reason may follow a colon";
        sheet.problem(line, BREAKAGE, message.into(), None);
        return None;
    }
    Some(text)
}

fn check_pattern(text: &str) -> Result<(), String> {
    if !text.starts_with('^') || !text.ends_with('$') || text.ends_with("\\$") {
        return Err("a pattern is for whole names: begin it with `^` and end it with `$`".into());
    }
    match RegexBuilder::new(text).size_limit(PATTERN_SIZE).build() {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => Err("the pattern is too large".into()),
        Err(_) => Err("this is no regular expression (of the kind without look-around)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::companies;

    fn companies() -> Companies {
        let text =
            format!("# edition: 2026-11-21\n{}\nacme\tAcme\n", companies::COLUMNS.join("\t"));
        Companies::read(&mut Sheet::new("companies.tsv", &text, companies::COLUMNS))
    }

    fn read_with(
        reader: fn(&mut Sheet<'_>, &Companies) -> Rows,
        columns: &'static [&'static str],
        lines: &str,
    ) -> (Rows, Vec<String>) {
        let text = format!("# edition: 2026-11-21\n{}\n{lines}", columns.join("\t"));
        let mut sheet = Sheet::new("t.tsv", &text, columns);
        let rows = reader(&mut sheet, &companies());
        let problems = sheet.finish().1;
        let told = problems.iter().map(|p| format!("{}:{}: {}", p.line, p.column, p.message));
        (rows, told.collect())
    }

    #[test]
    fn names_carry_what_is_known_of_them() {
        let line =
            "t.acme.com\tacme\ttv-acr\ttelemetry\tstrict\tpartly: TV\tA\teff,own-site\tnotrack\n";
        let (rows, told) = read_with(names, NAME_COLUMNS, line);
        assert!(told.is_empty(), "{told:?}");
        let (name, row) = &rows[0];
        assert_eq!(*name, RowName::Domain("t.acme.com".parse().expect("a name")));
        assert_eq!(
            (&*row.purpose, row.tier, row.proposal),
            ("tv-acr", Tier::Telemetry, Proposal::Strict)
        );
        assert_eq!((&*row.breakage, row.line), ("partly: TV", 3));
        assert_eq!(&*row.evidence, "company: eff,own-site; purpose: notrack");
    }

    #[test]
    fn alias_targets_of_one_source_are_named_and_not_blocked() {
        let line = "t.io\tacme\taffiliate\tads\tcandidate\tno\t5\t0\tadguard-cname\n";
        let (rows, told) = read_with(aliases, ALIAS_COLUMNS, line);
        assert!(told.is_empty(), "{told:?}");
        assert_eq!((rows[0].1.proposal, &*rows[0].1.evidence), (Proposal::Off, "adguard-cname"));
    }

    #[test]
    fn all_problems_of_a_row_are_told_at_once() {
        let (rows, told) =
            read_with(names, NAME_COLUMNS, "a.com\tacne\t\tadverts\tlow\tmaybe\nb.com\n");
        assert!(rows.is_empty());
        let places: Vec<_> = told.iter().filter_map(|t| t.split(": ").next()).collect();
        assert_eq!(places[..5], ["3:7", "3:12", "3:13", "3:21", "3:25"]);
        assert!(told[3].contains("`low` is no level"), "{told:?}");
    }

    #[test]
    fn patterns_are_anchored_and_can_be_compiled() {
        let row = "acme\tads\tads\tdefault\tno\t3\tx:3";
        for (pattern, why) in [
            ("ads[0-9]\\.acme\\.com", "whole names"),
            ("^ads\\.acme\\$", "whole names"),
            ("^(ads$", "no regular expression"),
            ("^(?=a)b$", "no regular expression"),
            ("^(a{1000}){1000}$", "too large"),
        ] {
            let (rows, told) = read_with(patterns, PATTERN_COLUMNS, &format!("{pattern}\t{row}\n"));
            assert!(rows.is_empty() && told[0].contains(why), "{pattern}: {told:?}");
        }
        let (rows, told) =
            read_with(patterns, PATTERN_COLUMNS, &format!("^ads[0-9]\\.acme\\.com$\t{row}\n"));
        assert_eq!((rows.len(), told.len()), (1, 0));
    }
}
