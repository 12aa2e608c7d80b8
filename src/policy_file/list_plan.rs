//! Lists added and removed: entries of `policy.toml` and every switch of them.

use super::{ChangeError, NewList, Planner, unknown};
use crate::model::{DeviceName, ListName, Scope};

impl Planner<'_> {
    /// Adds a list's entry and switches it on.
    pub(super) fn add_list(&mut self, scope: &Scope, list: &NewList) -> Result<(), ChangeError> {
        let ground = self.ground;
        let known = ground.known.lists.iter().map(|(name, _)| name);
        let own = ground.standing.lists.iter().map(|own| &own.name);
        if known.chain(own).any(|name| *name == list.name) {
            return Err(ChangeError::Invalid(format!(
                "there is a list `{}` already; `deadpixel lists enable {}` switches it on",
                list.name, list.name
            )));
        }
        self.text.add_list(list)?;
        self.set(scope, Some("lists"), list.name.as_str(), Some(true.into()))
    }

    /// Removes a list's entry, and its switches in every scope.
    pub(super) fn remove_list(&mut self, name: &ListName) -> Result<(), ChangeError> {
        let ground = self.ground;
        let standing = ground.standing;
        if standing.lists.iter().all(|own| own.name != *name) {
            let mut own = standing.lists.iter().map(|own| own.name.as_str());
            return Err(unknown("list of your own", name.as_str(), &mut own));
        }
        let named = standing.levels.iter().find(|(_, difference)| {
            difference.add.iter().chain(&difference.remove).any(|list| list == name)
        });
        if let Some((level, _)) = named {
            return Err(ChangeError::Invalid(format!(
                "[level.{level}] in policy.toml names `{name}`; take it out there first"
            )));
        }
        let mut schedules = standing.schedules.iter();
        if let Some(schedule) = schedules.find(|it| it.part.lists.contains_key(name)) {
            return Err(ChangeError::Invalid(format!(
                "schedule `{}` in policy.toml names `{name}`; take it out there first",
                schedule.name
            )));
        }
        for scope in self.scopes_that_switch(name) {
            self.text.set(&scope, Some("lists"), name.as_str(), None)?;
        }
        if standing.subscribed.contains(name) {
            return Err(ChangeError::Invalid(format!(
                "a level subscribes `{name}`; `deadpixel lists disable {name}` switches it off"
            )));
        }
        Ok(self.text.remove_list(name)?)
    }

    fn scopes_that_switch(&self, list: &ListName) -> Vec<Scope> {
        let standing = self.ground.standing;
        let everyone = (Scope::Everyone, &standing.everyone);
        let groups = standing.groups.iter().map(|g| (Scope::Group(g.name.clone()), &g.part));
        let device = |name: &DeviceName| Scope::Device(name.clone());
        let devices = standing.devices.iter().map(|d| (device(&d.name), &d.part));
        let all = std::iter::once(everyone).chain(groups).chain(devices);
        all.filter(|(_, part)| part.lists.contains_key(list)).map(|(scope, _)| scope).collect()
    }
}
