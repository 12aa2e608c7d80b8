//! Companies: what they did in the last 24 hours, and their switches.

use std::collections::HashMap;

use axum::extract::State;

use super::{
    Actor, Answer, App, Body, Purposes, Segment, Shared, Snapshot, catalogue_purposes,
    change_problem, find_company, find_scope, tally_of,
};
use crate::api::{Changed, CompanyChange, CompanyView, ProblemDocument, SwitchView, timestamp};
use crate::model::{Company, Scope};
use crate::policy::{CompanySwitch, Standing};
use crate::policy_file::Change;
use crate::query_log::Total;

/// Answers `GET`.
pub async fn list(State(app): State<Shared>) -> Answer<Vec<CompanyView>> {
    app.work(read).await
}

/// Answers `PUT`.
pub async fn switch(
    State(app): State<Shared>,
    Segment(text): Segment,
    Actor(actor): Actor,
    Body(change): Body<CompanyChange>,
) -> Answer<Changed> {
    app.work(move |app| set(app, &text, change, &actor)).await
}

fn read(app: &App) -> Result<Vec<CompanyView>, ProblemDocument> {
    app.parts.log.flush();
    let snapshot = Snapshot::of(app);
    let (from, until) = snapshot.last_day();
    let mut totals: HashMap<Option<String>, Vec<Total>> = HashMap::new();
    for total in snapshot.totals(app, from, until)? {
        totals.entry(total.company.clone()).or_default().push(total);
    }
    let mut purposes = catalogue_purposes(&snapshot);
    // What was asked for says more than what there is.
    purposes.extend(Purposes::of(app.parts.log.top_names(from, until)?, &snapshot).by_company());
    let names = names_by_company(&snapshot);
    let companies = snapshot.in_force.catalogue.companies().iter().enumerate();
    let mut views: Vec<CompanyView> = companies
        .map(|(place, company)| CompanyView {
            purpose: purposes.get(&company.slug).cloned(),
            names: names.get(&place).copied().unwrap_or(0),
            ..view(&snapshot, Some(company), totals.remove(&Some(company.slug.clone())))
        })
        .collect();
    views.push(view(&snapshot, None, totals.remove(&None)));
    views.sort_by_key(|view| std::cmp::Reverse(view.attempts.attempts));
    Ok(views)
}

fn view(snapshot: &Snapshot, company: Option<&Company>, totals: Option<Vec<Total>>) -> CompanyView {
    let totals = totals.unwrap_or_default();
    let last = totals.iter().filter(|total| total.attempts > 0).map(|total| total.last).max();
    CompanyView {
        company: company.map(|company| snapshot.company(&company.slug)),
        country: company.and_then(|company| company.country.clone()),
        website: company.and_then(|company| company.website.clone()),
        purpose: None,
        names: 0,
        attempts: tally_of(totals.iter()),
        last: last.map(timestamp),
        can_ban: company.is_some_and(|company| can_ban(snapshot, company)),
        switches: company.map(|company| switches(snapshot, company)).unwrap_or_default(),
    }
}

fn names_by_company(snapshot: &Snapshot) -> HashMap<usize, u64> {
    let mut names = HashMap::new();
    for (_, row) in snapshot.in_force.catalogue.rows() {
        *names.entry(usize::from(row.company.0)).or_default() += 1;
    }
    names
}

fn can_ban(snapshot: &Snapshot, company: &Company) -> bool {
    let ban = format!("ban-{}", company.slug);
    snapshot.in_force.ruleset.lists().iter().any(|list| list.name.as_str() == ban)
}

fn switches(snapshot: &Snapshot, company: &Company) -> Vec<SwitchView> {
    let set = snapshot.scopes().filter_map(|(scope, part)| {
        let switch = part.companies.get(&company.slug)?;
        Some(SwitchView { scope, on: *switch == CompanySwitch::Ban })
    });
    set.collect()
}

fn set(
    app: &App,
    text: &str,
    change: CompanyChange,
    actor: &str,
) -> Result<Changed, ProblemDocument> {
    let snapshot = Snapshot::of(app);
    let company = find_company(text, snapshot.in_force.catalogue.companies())?;
    let scope = find_scope(app, change.scope)?;
    let switch = match change.blocked {
        true => Some(CompanySwitch::Ban),
        false => release(&app.parts.policy.standing(), &scope, &company.slug),
    };
    let change = Change::SwitchCompany(scope.clone(), company.slug.clone(), switch);
    app.parts.policy.apply(&change, actor).map_err(change_problem)?;
    Ok(app.changed(scope, company.name.clone(), None))
}

/// Returns what lets a company through at a scope: nothing set, unless a wider scope bans it.
fn release(standing: &Standing, scope: &Scope, slug: &str) -> Option<CompanySwitch> {
    let wider_ban = match scope {
        Scope::Everyone => false,
        Scope::Group(_) => standing.everyone.companies.contains_key(slug),
        Scope::Device(name) => {
            let device = standing.devices.iter().find(|device| device.name == *name);
            let member = |group| device.is_some_and(|device| device.groups.contains(group));
            let groups = standing.groups.iter().filter(|group| member(&group.name));
            let wider = groups.map(|group| &group.part).chain([&standing.everyone]);
            wider.into_iter().any(|part| part.companies.contains_key(slug))
        }
    };
    wider_ban.then_some(CompanySwitch::Lift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeviceName, GroupName};
    use crate::policy::{DevicePart, GroupPart, Part};

    #[test]
    fn a_ban_is_lifted_only_where_a_wider_scope_sets_one() {
        let kids = GroupName::parse("kids").expect("a name");
        let tablet = DeviceName::parse("tablet").expect("a name");
        let ban = Part {
            companies: [("tiktok".to_string(), CompanySwitch::Ban)].into(),
            ..Part::default()
        };
        let standing = Standing {
            groups: vec![GroupPart { name: kids.clone(), part: ban }],
            devices: vec![DevicePart {
                name: tablet.clone(),
                addresses: Vec::new(),
                hardware: Vec::new(),
                kind: None,
                groups: vec![kids.clone()],
                tags: Vec::new(),
                part: Part::default(),
            }],
            ..Standing::default()
        };
        let lift = Some(CompanySwitch::Lift);
        assert_eq!(release(&standing, &Scope::Device(tablet.clone()), "tiktok"), lift);
        assert_eq!(release(&standing, &Scope::Device(tablet), "meta"), None);
        assert_eq!(release(&standing, &Scope::Group(kids), "tiktok"), None);
        assert_eq!(release(&standing, &Scope::Everyone, "tiktok"), None);
    }
}
