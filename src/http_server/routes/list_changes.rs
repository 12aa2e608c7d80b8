//! Lists subscribed and removed.

use axum::extract::State;

use super::{Actor, Answer, Body, Segment, Shared, change_problem, find_scope};
use crate::api::{Changed, ListAddition, ListRollback, ProblemDocument, ProblemKind};
use crate::lists::known;
use crate::model::{ListKind, ListName, Scope};
use crate::policy_file::{Change, NewList};

/// Answers `POST`.
pub async fn add(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(addition): Body<ListAddition>,
) -> Answer<Changed> {
    app.work(move |app| {
        let scope = find_scope(app, addition.scope.clone())?;
        let list = new_list(&addition).map_err(invalid)?;
        let name = list.name.to_string();
        let change = Change::AddList(scope.clone(), list);
        app.parts.policy.apply(&change, &actor).map_err(change_problem)?;
        Ok(app.changed(scope, name, None))
    })
    .await
}

/// Answers `DELETE`.
pub async fn remove(
    State(app): State<Shared>,
    Segment(list): Segment,
    Actor(actor): Actor,
) -> Answer<Changed> {
    app.work(move |app| {
        let name = list_name(&list)?;
        let change = Change::RemoveList(name.clone());
        app.parts.policy.apply(&change, &actor).map_err(change_problem)?;
        Ok(app.changed(Scope::Everyone, name.to_string(), None))
    })
    .await
}

/// Answers `POST`: the version that is held back is in force.
pub async fn accept(State(app): State<Shared>, Segment(list): Segment) -> Answer<Changed> {
    app.work(move |app| {
        let name = list_name(&list)?;
        app.parts.policy.accept_list(&name).map_err(invalid)?;
        Ok(app.changed(Scope::Everyone, name.to_string(), None))
    })
    .await
}

/// Answers `POST`: an earlier version is in force.
pub async fn rollback(
    State(app): State<Shared>,
    Segment(list): Segment,
    Body(wanted): Body<ListRollback>,
) -> Answer<Changed> {
    app.work(move |app| {
        let name = list_name(&list)?;
        app.parts.policy.roll_list_back(&name, wanted.version).map_err(invalid)?;
        Ok(app.changed(Scope::Everyone, name.to_string(), None))
    })
    .await
}

/// Reads the name of a list in a path.
pub fn list_name(text: &str) -> Result<ListName, ProblemDocument> {
    ListName::parse(text)
        .map_err(|why| ProblemDocument::new(ProblemKind::NotFound, why).field("list"))
}

fn invalid(why: String) -> ProblemDocument {
    ProblemDocument::new(ProblemKind::InvalidInput, why).field("list")
}

/// Works out the list that an addition means: one that is known by name, or any address.
fn new_list(addition: &ListAddition) -> Result<NewList, String> {
    let ListAddition { list, name, kind, allowlist, cover_subdomains, .. } = addition;
    let named = name.as_deref().map(ListName::parse).transpose()?;
    if let Some(known) = known::find(list) {
        return Ok(NewList {
            name: named.unwrap_or_else(|| known.name.clone()),
            address: known.address.into(),
            kind: kind.unwrap_or(known.kind),
            allowlist: *allowlist || known.allowlist,
            cover_subdomains: *cover_subdomains || known.cover_subdomains,
        });
    }
    if !list.starts_with("https://") {
        return Err(format!(
            "`{list}` is neither the name of a list that is known here nor an https address; \
             `deadpixel lists browse` shows the names"
        ));
    }
    Ok(NewList {
        name: named.map_or_else(|| name_of_address(list), Ok)?,
        address: list.clone(),
        kind: kind.unwrap_or(ListKind::Tracking),
        allowlist: *allowlist,
        cover_subdomains: *cover_subdomains,
    })
}

/// Makes a name of the last part of an address: `https://x.example/a/Ads_1.txt` is `ads-1`.
fn name_of_address(address: &str) -> Result<ListName, String> {
    let path = address.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    let stem = last.split('.').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = stem.chars().take(64).map(plain).collect();
    ListName::parse(name.trim_matches('-'))
        .map_err(|_| "no name can be made of this address; give one with --name".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ScopeChoice;

    fn addition(list: &str) -> ListAddition {
        ListAddition {
            scope: ScopeChoice::Everyone,
            list: list.into(),
            name: None,
            kind: None,
            allowlist: false,
            cover_subdomains: false,
        }
    }

    #[test]
    fn a_known_name_brings_its_address_and_options() {
        let list = new_list(&addition("hagezi-referral-allow")).expect("it is known");
        assert!(list.address.starts_with("https://") && list.allowlist && list.cover_subdomains);
        let own = ListAddition { name: Some("mine".into()), ..addition("hagezi-doh") };
        let list = new_list(&own).expect("it is known");
        assert_eq!((list.name.as_str(), list.kind), ("mine", ListKind::EncryptedDns));
    }

    #[test]
    fn an_address_gets_a_name_of_its_last_part() {
        let named = |address: &str| new_list(&addition(address)).map(|list| list.name.to_string());
        assert_eq!(named("https://x.example/a/Ads_1.txt?raw=1"), Ok("ads-1".into()));
        assert_eq!(named("https://small.oisd.nl/"), Ok("small".into()));
        for wrong in ["http://x.example/a.txt", "nonsense", "https://x.example/_.txt"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
