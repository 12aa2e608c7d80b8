//! Companies: who runs the names, and who belongs to whom.

use std::collections::HashMap;

use super::tsv::{Line, Sheet};
use crate::diagnostic::nearest;
use crate::model::{Company, CompanyId};

/// The columns of `companies.tsv`.
pub(super) const COLUMNS: &[&str] = &[
    "slug",
    "name",
    "parent",
    "country",
    "website",
    "banned_with",
    "country_sources",
    "country_conflict",
    "note",
];
const SLUG: usize = 0;
const NAME: usize = 1;
const PARENT: usize = 2;
const COUNTRY: usize = 3;
const WEBSITE: usize = 4;
const BANNED_WITH: usize = 5;

/// Longest slug; `ban-` and the slug are a list's name.
const MAX_SLUG: usize = 60;

/// All companies, and the ties between them.
#[derive(Default)]
pub(super) struct Companies {
    /// The companies; a `CompanyId` is a place in here.
    pub list: Vec<Company>,
    by_slug: HashMap<String, CompanyId>,
    parents: Vec<Option<CompanyId>>,
    partners: Vec<Option<CompanyId>>,
}

impl Companies {
    /// Reads `companies.tsv`.
    pub fn read(sheet: &mut Sheet<'_>) -> Companies {
        let mut companies = Companies::default();
        let mut lines = sheet.lines();
        lines.retain(|line| companies.take(sheet, line));
        for line in &lines {
            let parent = companies.tie(sheet, line, PARENT);
            let partner = companies.tie(sheet, line, BANNED_WITH);
            companies.parents.push(parent);
            companies.partners.push(partner);
        }
        for (line, company) in lines.iter().zip(companies.ids()) {
            if companies.is_its_own_parent(company) {
                let message = "the company belongs to itself, by way of its parents";
                sheet.problem(line, PARENT, message.into(), None);
            }
        }
        companies
    }

    /// Returns the company with a slug.
    pub fn find(&self, slug: &str) -> Option<CompanyId> {
        self.by_slug.get(slug).copied()
    }

    /// Returns the company in a column of some table; one that does not exist is a problem.
    pub fn expect(
        &self,
        sheet: &mut Sheet<'_>,
        line: &Line<'_>,
        column: usize,
    ) -> Option<CompanyId> {
        let slug = line.field(column);
        let found = self.find(slug);
        if found.is_none() {
            let help = nearest(slug, self.by_slug.keys().map(String::as_str));
            sheet.problem(line, column, format!("there is no company `{slug}`"), help);
        }
        found
    }

    /// Returns the companies that a ban of one takes in: it, its partner, and all that belong to them.
    pub fn banned_with(&self, company: CompanyId) -> Vec<CompanyId> {
        let partner = self.partners.get(usize::from(company.0)).copied().flatten();
        let mut found: Vec<CompanyId> = std::iter::once(company).chain(partner).collect();
        let mut next = 0;
        while let Some(&above) = found.get(next) {
            next += 1;
            for (below, parent) in self.ids().zip(&self.parents) {
                if *parent == Some(above) && !found.contains(&below) {
                    found.push(below);
                }
            }
        }
        found
    }

    fn ids(&self) -> impl Iterator<Item = CompanyId> + use<> {
        (0..self.list.len()).filter_map(|place| u16::try_from(place).ok()).map(CompanyId)
    }

    fn take<'t>(&mut self, sheet: &mut Sheet<'t>, line: &Line<'t>) -> bool {
        let Some(slug) = sheet.required(line, SLUG) else {
            return false;
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if slug.len() > MAX_SLUG || !slug.chars().all(plain) {
            let message = format!("`{slug}` is no slug; write 1 to 60 of a-z, 0-9 and hyphen");
            sheet.problem(line, SLUG, message, None);
            return false;
        }
        let Ok(place) = u16::try_from(self.list.len()) else {
            sheet.problem(line, SLUG, "there are more than 65,536 companies".into(), None);
            return false;
        };
        let Some(name) = sheet.required(line, NAME).filter(|_| sheet.is_new(line)) else {
            return false;
        };
        self.by_slug.insert(slug.into(), CompanyId(place));
        self.list.push(Company {
            slug: slug.into(),
            name: name.into(),
            parent: line.optional(PARENT),
            country: line.optional(COUNTRY),
            website: line.optional(WEBSITE),
        });
        true
    }

    fn tie(&self, sheet: &mut Sheet<'_>, line: &Line<'_>, column: usize) -> Option<CompanyId> {
        line.optional(column).and_then(|_| self.expect(sheet, line, column))
    }

    fn is_its_own_parent(&self, company: CompanyId) -> bool {
        let above = |at: &CompanyId| self.parents.get(usize::from(at.0)).copied().flatten();
        let mut chain = std::iter::successors(above(&company), above).take(self.list.len());
        chain.any(|parent| parent == company)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> (Companies, Vec<String>) {
        let text = format!("# edition: 2026-11-21\n{}\n{lines}", COLUMNS.join("\t"));
        let mut sheet = Sheet::new("companies.tsv", &text, COLUMNS);
        let companies = Companies::read(&mut sheet);
        let problems = sheet.finish().1;
        let told = |p: &crate::diagnostic::Problem| {
            let help = p.help.as_deref().unwrap_or("");
            format!("{}:{}: {} {help}", p.line, p.column, p.message).trim().to_string()
        };
        (companies, problems.iter().map(told).collect())
    }

    fn banned(companies: &Companies, slug: &str) -> Vec<String> {
        let company = companies.find(slug).expect("a company");
        let all = companies.banned_with(company).into_iter();
        all.map(|id| companies.list[usize::from(id.0)].slug.clone()).collect()
    }

    #[test]
    fn a_ban_takes_in_all_that_belong_to_the_company_and_its_partner() {
        let (companies, told) = read("a\tA\nb\tB\ta\tUS\tb.com\nc\tC\tb\nd\tD\ta\t\t\ta\ne\tE\n");
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(banned(&companies, "a"), ["a", "b", "d", "c"]);
        assert_eq!(banned(&companies, "b"), ["b", "c"]);
        assert_eq!(banned(&companies, "d"), ["d", "a", "b", "c"]);
        assert_eq!(banned(&companies, "e"), ["e"]);
        let b = &companies.list[1];
        assert_eq!((b.country.as_deref(), b.website.as_deref()), (Some("US"), Some("b.com")));
    }

    #[test]
    fn wrong_companies_are_told_with_their_places() {
        let (_, told) = read("A_b\tA\nbytedance\tB\ntiktok\tT\tbytedanse\nx\nbytedance\tB\n");
        assert_eq!(
            told,
            [
                "3:1: `A_b` is no slug; write 1 to 60 of a-z, 0-9 and hyphen",
                "6:3: the name is missing",
                "7:1: `bytedance` stands in line 4 already",
                "5:10: there is no company `bytedanse` did you mean `bytedance`?",
            ]
        );
    }

    #[test]
    fn a_circle_of_parents_is_told_and_ends() {
        let (companies, told) = read("a\tA\tb\nb\tB\ta\nc\tC\ta\n");
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(banned(&companies, "c"), ["c"]);
        assert_eq!(banned(&companies, "a").len(), 3);
    }
}
