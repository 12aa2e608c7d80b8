//! What the numbers in events mean under one edition of rules and policy.

use std::collections::HashMap;

use super::{CompanyId, ListId, ListMask, ListName, RuleId};

/// A company as events refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanyLabel {
    /// Short name in lists and commands.
    pub slug: String,
    /// The name people know.
    pub name: String,
}

/// The words behind list, rule and company numbers of one edition.
#[derive(Debug, Default)]
pub struct Legend {
    /// The edition; rises by one with each change of rules or policy.
    pub edition: u32,
    /// List names by [`ListId`]; `None` for lists that are parts of another.
    pub lists: Vec<Option<ListName>>,
    /// Which of them name servers of encrypted DNS.
    pub encrypted_dns: ListMask,
    /// Own rules as people read them: `allow example.com for TV`.
    pub rules: HashMap<RuleId, String>,
    /// Companies by [`CompanyId`].
    pub companies: Vec<CompanyLabel>,
}

impl Legend {
    /// Returns the name of a list that is shown.
    pub fn list(&self, list: ListId) -> Option<&ListName> {
        self.lists.get(usize::from(list.0))?.as_ref()
    }

    /// Returns the company behind a number.
    pub fn company(&self, company: CompanyId) -> Option<&CompanyLabel> {
        self.companies.get(usize::from(company.0))
    }
}
