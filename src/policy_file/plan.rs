//! A change worked out: the new text of `policy.toml` and the steps in `state.db`; pure.

use toml_edit::Value;

use super::{
    Change, ChangeError, EditError, Known, OwnText, PolicyText, TimedStep, check_note,
    company_word, log_word,
};
use crate::devices::Device;
use crate::diagnostic::nearest;
use crate::model::{
    Action, DeviceId, DeviceName, DomainName, Level, ListKind, ListName, Prefix, Scope,
};
use crate::policy::{CompanySwitch, OwnRule, Pause, Standing, Syntax, Timed, WrittenRule};

/// What a change is worked out on.
pub struct Ground<'g> {
    /// The text in force.
    pub text: &'g str,
    /// What it says.
    pub standing: &'g Standing,
    /// Pauses and rules with an end.
    pub timed: &'g Timed,
    /// The numbers of the devices of `standing`.
    pub ids: &'g [DeviceId],
    /// All devices, named or not.
    pub devices: &'g [Device],
    /// Lists and companies that can be named.
    pub known: &'g Known,
    /// Seconds since 1970.
    pub now: i64,
}

/// What a change does.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// The new text, if it differs.
    pub text: Option<String>,
    /// Steps in `state.db`.
    pub steps: Vec<TimedStep>,
}

/// Works out a change.
pub fn plan(change: &Change, ground: &Ground<'_>) -> Result<Plan, ChangeError> {
    let mut planner = Planner { ground, text: PolicyText::new(ground.text), steps: Vec::new() };
    planner.change(change)?;
    let text = planner.text.finish();
    let text = (text != ground.text).then_some(text);
    Ok(Plan { text, steps: planner.steps })
}

/// A change being worked out.
pub struct Planner<'g> {
    pub(super) ground: &'g Ground<'g>,
    pub(super) text: PolicyText,
    steps: Vec<TimedStep>,
}

impl<'g> Planner<'g> {
    fn change(&mut self, change: &Change) -> Result<(), ChangeError> {
        match change {
            Change::AddRule { scope, action, name, until, note } => {
                let (scope, name, note) = (scope.clone(), name.clone(), note.clone());
                self.add_rule(OwnRule { scope, action: *action, name, until: *until, note })
            }
            Change::RemoveRule { scope, action, name } => self.remove_rule(scope, *action, name),
            Change::WriteRule { scope, text, note } => {
                self.write_rule(scope, text, note.as_deref())
            }
            Change::UnwriteRule { scope, syntax, text } => self.unwrite_rule(scope, *syntax, text),
            Change::SetLevel(scope, level) => {
                self.set(scope, None, "level", level.map(|level| Level::as_str(level).into()))
            }
            Change::SetLog(scope, detail) => {
                self.set(scope, None, "log", detail.map(|detail| log_word(detail).into()))
            }
            Change::SwitchList(scope, list, on) => self.switch_list(scope, list, *on),
            Change::AddList(scope, list) => self.add_list(scope, list),
            Change::RemoveList(list) => self.remove_list(list),
            Change::SwitchCompany(scope, slug, switch) => self.switch_company(scope, slug, *switch),
            Change::RenameDevice(device, name) => self.rename(*device, name),
            Change::ForgetDevice(device) => self.forget(*device),
            Change::Pause(scope, until) => self.pause(scope, *until),
            Change::Resume(scope) => self.resume(scope),
        }
    }

    fn add_rule(&mut self, mut rule: OwnRule) -> Result<(), ChangeError> {
        if rule.name.as_ref().is_root() {
            return Err(ChangeError::Invalid("a rule cannot stand for every name".into()));
        }
        let note = rule.note.as_deref().map(check_note).transpose();
        rule.note = note.map_err(ChangeError::Invalid)?.filter(|note| !note.is_empty());
        match rule.until {
            Some(until) => self.add_timed(rule, until),
            None => self.add_standing(rule),
        }
    }

    fn add_timed(&mut self, rule: OwnRule, until: i64) -> Result<(), ChangeError> {
        self.scope_exists(&rule.scope)?;
        if until <= self.ground.now {
            return Err(ChangeError::Invalid("the rule's end has passed already".into()));
        }
        if rule.action == Action::Block {
            // Allow wins among rules of one name and scope, so a block beside it would do nothing.
            if self.stands(&rule.scope, Action::Allow, &rule.name) {
                return Err(ChangeError::Invalid(format!(
                    "`allow {} for {}` stands and wins; take that rule away first",
                    rule.name, rule.scope
                )));
            }
            self.drop_timed(&rule.scope, Action::Allow, &rule.name);
        }
        self.steps.push(TimedStep::PutRule(rule));
        Ok(())
    }

    /// Adds a rule to the file; it takes the place of others of the same name and scope.
    fn add_standing(&mut self, rule: OwnRule) -> Result<(), ChangeError> {
        self.entry(&rule.scope)?;
        if !self.ground.standing.rules.contains(&rule) {
            for action in [Action::Allow, Action::Block] {
                self.text.remove_rule(&rule.scope, action, &rule.name)?;
            }
            self.text.add_rule(&rule)?;
        }
        for action in [Action::Allow, Action::Block] {
            self.drop_timed(&rule.scope, action, &rule.name);
        }
        Ok(())
    }

    fn remove_rule(
        &mut self,
        scope: &Scope,
        action: Action,
        name: &DomainName,
    ) -> Result<(), ChangeError> {
        if self.stands(scope, action, name) {
            self.text.remove_rule(scope, action, name)?;
        } else if !self.is_timed(scope, action, name) {
            let (scope, name) = (scope.clone(), name.clone());
            let rule = OwnRule { scope, action, name, until: None, note: None };
            return Err(ChangeError::NotFound(format!("there is no rule `{}`", rule.text())));
        }
        self.drop_timed(scope, action, name);
        Ok(())
    }

    /// Writes a rule into the file; it takes the place of the same one with another note.
    fn write_rule(
        &mut self,
        scope: &Scope,
        what: &OwnText,
        note: Option<&str>,
    ) -> Result<(), ChangeError> {
        let note = note.map(check_note).transpose().map_err(ChangeError::Invalid)?;
        let note = note.filter(|note| !note.is_empty());
        self.entry(scope)?;
        let OwnText { syntax, text, rules } = what.clone();
        let rule = WrittenRule { scope: scope.clone(), syntax, text, rules, until: None, note };
        if !self.ground.standing.written.contains(&rule) {
            self.text.unwrite_rule(scope, syntax, &rule.text)?;
            self.text.write_rule(&rule)?;
        }
        Ok(())
    }

    fn unwrite_rule(
        &mut self,
        scope: &Scope,
        syntax: Syntax,
        text: &str,
    ) -> Result<(), ChangeError> {
        let mut written = self.ground.standing.written.iter();
        let same = |rule: &WrittenRule| {
            rule.scope == *scope && rule.syntax == syntax && *rule.text == *text
        };
        if !written.any(same) {
            return Err(ChangeError::NotFound(format!("there is no rule `{text}` for {scope}")));
        }
        Ok(self.text.unwrite_rule(scope, syntax, text)?)
    }

    fn switch_list(
        &mut self,
        scope: &Scope,
        list: &ListName,
        on: Option<bool>,
    ) -> Result<(), ChangeError> {
        let shipped = self.ground.known.lists.iter();
        let own = self.ground.standing.lists.iter().map(|own| (&own.name, own.kind));
        let all = shipped.map(|(name, kind)| (name, *kind)).chain(own);
        match all.clone().find(|(name, _)| *name == list) {
            Some((_, ListKind::Ban)) => {
                let slug = list.as_str().trim_start_matches("ban-");
                Err(ChangeError::Invalid(format!(
                    "`{list}` is a company ban; use `company block {slug}` or `company allow {slug}`"
                )))
            }
            Some(_) => self.set(scope, Some("lists"), list.as_str(), on.map(Value::from)),
            None => Err(unknown("list", list.as_str(), &mut all.map(|(name, _)| name.as_str()))),
        }
    }

    fn switch_company(
        &mut self,
        scope: &Scope,
        slug: &str,
        switch: Option<CompanySwitch>,
    ) -> Result<(), ChangeError> {
        let known = self.ground.known;
        if !known.companies.contains(slug) {
            let mut companies = known.companies.iter().map(String::as_str);
            return Err(unknown("company", slug, &mut companies));
        }
        if !known.can_ban(slug) {
            return Err(ChangeError::Invalid(format!(
                "`{slug}` runs no service of its own that could be banned; its trackers are \
                 blocked by the levels"
            )));
        }
        self.set(scope, Some("companies"), slug, switch.map(|switch| company_word(switch).into()))
    }

    fn rename(&mut self, device: DeviceId, to: &DeviceName) -> Result<(), ChangeError> {
        let standing = self.ground.standing;
        let entry = self.entry_of(device);
        if standing.devices.iter().any(|other| other.name == *to && Some(to) != entry) {
            return Err(ChangeError::Invalid(format!("another device is named `{to}`")));
        }
        if to.as_str() == "everyone" {
            return Err(ChangeError::Invalid(
                "`everyone` means all devices; choose another name".into(),
            ));
        }
        if let Some(from) = entry.filter(|from| *from != to) {
            self.text.rename_device(from, to)?;
            self.steps.push(TimedStep::Rename(from.clone(), to.clone()));
        }
        if entry.is_none() {
            let found = self.ground.devices.iter().find(|seen| seen.id == device);
            let seen =
                found.ok_or_else(|| ChangeError::NotFound("there is no such device".into()))?;
            self.text.add_device(to, &addresses(seen)?)?;
            let from = DeviceName::parse(&seen.key).ok().filter(|from| from != to);
            self.steps.extend(from.map(|from| TimedStep::Rename(from, to.clone())));
        }
        Ok(())
    }

    fn forget(&mut self, device: DeviceId) -> Result<(), ChangeError> {
        if let Some(name) = self.entry_of(device) {
            self.text.remove_device(name)?;
            self.steps.push(TimedStep::Forget(name.clone()));
            return Ok(());
        }
        let seen = self.ground.devices.iter().find(|seen| seen.id == device);
        let name = seen.and_then(|seen| DeviceName::parse(&seen.key).ok());
        self.steps.extend(name.map(TimedStep::Forget));
        Ok(())
    }

    fn pause(&mut self, scope: &Scope, until: i64) -> Result<(), ChangeError> {
        self.scope_exists(scope)?;
        if until <= self.ground.now {
            return Err(ChangeError::Invalid("the pause's end has passed already".into()));
        }
        self.steps.push(TimedStep::Pause(Pause {
            scope: scope.clone(),
            from: self.ground.now,
            until,
        }));
        Ok(())
    }

    fn resume(&mut self, scope: &Scope) -> Result<(), ChangeError> {
        let lasting = |pause: &&Pause| pause.scope == *scope && self.ground.now < pause.until;
        if !self.ground.timed.pauses.iter().any(|pause| lasting(&pause)) {
            return Err(ChangeError::NotFound(format!("there is no pause for {scope}")));
        }
        self.steps.push(TimedStep::Resume(scope.clone()));
        Ok(())
    }

    /// Sets a key of a scope's entry; to take one away no entry is made.
    pub(super) fn set(
        &mut self,
        scope: &Scope,
        table: Option<&str>,
        key: &str,
        value: Option<Value>,
    ) -> Result<(), ChangeError> {
        if value.is_some() {
            self.entry(scope)?;
        } else {
            self.scope_exists(scope)?;
        }
        Ok(self.text.set(scope, table, key, value)?)
    }

    /// Makes sure that a scope has an entry: a device that nobody named gets one by its address.
    fn entry(&mut self, scope: &Scope) -> Result<(), ChangeError> {
        self.scope_exists(scope)?;
        if let Scope::Device(name) = scope
            && let Some(device) = self.unnamed(name)
        {
            self.text.add_device(name, &addresses(device)?)?;
        }
        Ok(())
    }

    fn scope_exists(&self, scope: &Scope) -> Result<(), ChangeError> {
        let standing = self.ground.standing;
        match scope {
            Scope::Everyone => Ok(()),
            Scope::Group(name) => {
                let mut names = standing.groups.iter().map(|group| group.name.as_str());
                let exists = names.clone().any(|group| group == name.as_str());
                if exists { Ok(()) } else { Err(unknown("group", name.as_str(), &mut names)) }
            }
            Scope::Device(name) => {
                let named = standing.devices.iter().any(|device| device.name == *name);
                if named || self.unnamed(name).is_some() {
                    return Ok(());
                }
                let mut names = standing.devices.iter().map(|device| device.name.as_str());
                Err(unknown("device", name.as_str(), &mut names))
            }
        }
    }

    /// Returns the device of this name, which is its address, if the policy does not name it.
    fn unnamed(&self, name: &DeviceName) -> Option<&'g Device> {
        let named = self.ground.standing.devices.iter().any(|device| device.name == *name);
        let mut devices = self.ground.devices.iter();
        devices.find(|device| !named && !device.named && device.key == name.as_str())
    }

    fn entry_of(&self, device: DeviceId) -> Option<&'g DeviceName> {
        let ground = self.ground;
        let place = ground.ids.iter().position(|id| *id == device)?;
        ground.standing.devices.get(place).map(|device| &device.name)
    }

    fn stands(&self, scope: &Scope, action: Action, name: &DomainName) -> bool {
        has(&self.ground.standing.rules, scope, action, name)
    }

    fn is_timed(&self, scope: &Scope, action: Action, name: &DomainName) -> bool {
        has(&self.ground.timed.rules, scope, action, name)
    }

    fn drop_timed(&mut self, scope: &Scope, action: Action, name: &DomainName) {
        if self.is_timed(scope, action, name) {
            self.steps.push(TimedStep::DropRule(scope.clone(), action, name.clone()));
        }
    }
}

fn has(rules: &[OwnRule], scope: &Scope, action: Action, name: &DomainName) -> bool {
    rules.iter().any(|r| r.action == action && r.name == *name && r.scope == *scope)
}

/// Returns the addresses for a device's entry; an unbound one may have its name for address.
fn addresses(device: &Device) -> Result<Vec<Prefix>, ChangeError> {
    if !device.addresses.is_empty() {
        return Ok(device.addresses.iter().copied().map(Prefix::host).collect());
    }
    let address = device.name.parse().map_err(|_| {
        let name = &device.name;
        ChangeError::Invalid(format!(
            "`{name}` has no address now by which policy.toml could name it"
        ))
    })?;
    Ok(vec![address])
}

/// Returns that a name is not known, with the one that is most like it.
pub fn unknown(what: &str, name: &str, known: &mut dyn Iterator<Item = &str>) -> ChangeError {
    let help = nearest(name, known).map(|help| format!("; {help}")).unwrap_or_default();
    ChangeError::NotFound(format!("there is no {what} `{name}`{help}"))
}

impl From<EditError> for ChangeError {
    fn from(error: EditError) -> ChangeError {
        ChangeError::Invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GroupName, LogDetail};
    use crate::policy_file::read;
    use crate::policy_file::tests::{device, known, list, name};

    const NOW: i64 = 1_000;
    const TV: DeviceId = DeviceId(4);
    const PHONE: DeviceId = DeviceId(9);
    const LAPTOP: DeviceId = DeviceId(10);

    const HOUSE: &str = "[[list]]\nname = \"mine\"\nfile = \"mine\"\n\n\
        [[group]]\nname = \"Kids\"\n\n\
        [[device]]\nname = \"TV\"\naddresses = [\"10.0.0.4\"]\n\n\
        [[rule]]\naction = \"block\"\nname = \"x.com\"\ndevice = \"TV\"\n";

    fn seen(id: DeviceId, text: &str, addresses: &[&str]) -> Device {
        let addresses = addresses.iter().map(|a| a.parse().expect("an address")).collect();
        let named = text == "TV";
        Device { id, name: text.into(), key: text.into(), named, addresses, ..Device::default() }
    }

    fn planned_with(text: &str, timed: &Timed, change: &Change) -> Result<Plan, ChangeError> {
        let ground = Ground {
            text,
            standing: &read("policy.toml", text, &known()).expect("it checks"),
            timed,
            ids: &[TV],
            devices: &[
                seen(TV, "TV", &["10.0.0.4"]),
                seen(PHONE, "10.0.0.9", &["10.0.0.9", "fd00::9"]),
                seen(LAPTOP, "fd00::10", &[]),
            ],
            known: &known(),
            now: NOW,
        };
        plan(change, &ground)
    }

    fn planned(change: &Change) -> Result<Plan, ChangeError> {
        planned_with(HOUSE, &Timed::default(), change)
    }

    fn standing(plan: &Plan) -> Standing {
        let text = plan.text.as_ref().expect("a new text");
        read("policy.toml", text, &known()).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    }

    fn tv() -> Scope {
        Scope::Device(device("TV"))
    }

    fn phone() -> Scope {
        Scope::Device(device("10.0.0.9"))
    }

    fn add(scope: Scope, action: Action, text: &str, until: Option<i64>) -> Change {
        Change::AddRule { scope, action, name: name(text), until, note: None }
    }

    fn timed(scope: Scope, action: Action, text: &str) -> OwnRule {
        OwnRule { scope, action, name: name(text), until: Some(NOW + 9), note: None }
    }

    #[test]
    fn what_does_not_exist_is_not_found_and_the_nearest_named() {
        let group = |text| Scope::Group(GroupName::parse(text).expect("a name"));
        let cases = [
            (
                Change::SetLevel(Scope::Device(device("TVs")), None),
                "device `TVs`; did you mean `TV`?",
            ),
            (Change::SetLevel(group("Kid"), Some(Level::Off)), "group `Kid`; did you mean `Kids`?"),
            (
                Change::SwitchList(tv(), list("tracker"), None),
                "list `tracker`; did you mean `trackers`?",
            ),
            (
                Change::SwitchCompany(tv(), "tiktk".into(), None),
                "company `tiktk`; did you mean `tiktok`?",
            ),
            (Change::Pause(group("Kid"), NOW + 1), "group `Kid`; did you mean `Kids`?"),
            (Change::Resume(tv()), "pause for TV"),
            (Change::RenameDevice(DeviceId(77), device("New")), "such device"),
        ];
        for (change, told) in cases {
            match planned(&change) {
                Err(ChangeError::NotFound(text)) => assert!(text.contains(told), "{text}"),
                other => panic!("{change}: {other:?}"),
            }
        }
        let change = Change::RemoveRule { scope: tv(), action: Action::Allow, name: name("x.com") };
        let missing = planned(&change).expect_err("no such rule").to_string();
        assert_eq!(missing, "there is no rule `allow x.com for TV`");
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let root = Change::AddRule {
            scope: tv(),
            action: Action::Block,
            name: DomainName::root(),
            until: None,
            note: None,
        };
        let cases = [
            root,
            add(tv(), Action::Allow, "y.com", Some(NOW)),
            Change::Pause(tv(), NOW),
            Change::SwitchList(tv(), list("ban-tiktok"), Some(true)),
            Change::SwitchCompany(tv(), "criteo".into(), Some(CompanySwitch::Ban)),
            Change::RenameDevice(PHONE, device("TV")),
            Change::RenameDevice(TV, device("everyone")),
        ];
        for change in cases {
            let refused = planned(&change);
            assert!(matches!(refused, Err(ChangeError::Invalid(_))), "{change}: {refused:?}");
        }
    }

    #[test]
    fn keys_of_every_scope_are_set() {
        let level = planned(&Change::SetLevel(tv(), Some(Level::Strict))).expect("planned");
        assert_eq!(standing(&level).devices[0].part.level, Some(Level::Strict));
        let log = planned(&Change::SetLog(Scope::Everyone, Some(LogDetail::Counts)));
        assert_eq!(standing(&log.expect("planned")).everyone.log, Some(LogDetail::Counts));
        let list_on = planned(&Change::SwitchList(tv(), list("mine"), Some(true)));
        assert!(standing(&list_on.expect("planned")).devices[0].part.lists[&list("mine")]);
        let kids = Scope::Group(GroupName::parse("Kids").expect("a name"));
        let ban = Change::SwitchCompany(kids, "meta".into(), Some(CompanySwitch::Ban));
        let ban = standing(&planned(&ban).expect("planned"));
        assert_eq!(ban.groups[0].part.companies["meta"], CompanySwitch::Ban);
    }

    #[test]
    fn a_change_to_what_is_already_so_changes_nothing() {
        for change in [
            add(tv(), Action::Block, "x.com", None),
            Change::SetLevel(tv(), None),
            Change::SetLevel(phone(), None),
            Change::RenameDevice(TV, device("TV")),
        ] {
            let nothing = Plan { text: None, steps: Vec::new() };
            assert_eq!(planned(&change).expect("planned"), nothing, "{change}");
        }
    }

    #[test]
    fn a_device_that_nobody_named_gets_an_entry_by_its_address() {
        let level = planned(&Change::SetLevel(phone(), Some(Level::Off))).expect("planned");
        let entry = &standing(&level).devices[1];
        assert_eq!((entry.name.as_str(), entry.part.level), ("10.0.0.9", Some(Level::Off)));
        assert_eq!(entry.addresses.len(), 2);
        let laptop = Scope::Device(device("fd00::10"));
        let rule = planned(&add(laptop.clone(), Action::Block, "x.com", None)).expect("planned");
        let standing = standing(&rule);
        assert_eq!(standing.devices[1].addresses[0].to_string(), "fd00::10");
        assert_eq!(standing.rules[1].scope, laptop);
    }

    #[test]
    fn pauses_and_timed_rules_leave_the_file_alone() {
        for change in [
            Change::Pause(phone(), NOW + 5),
            Change::Pause(Scope::Everyone, NOW + 5),
            add(phone(), Action::Allow, "x.com", Some(NOW + 5)),
            add(tv(), Action::Block, "y.com", Some(NOW + 5)),
        ] {
            let plan = planned(&change).expect("planned");
            assert_eq!((plan.text, plan.steps.len()), (None, 1), "{change}");
        }
    }

    #[test]
    fn a_standing_rule_takes_the_place_of_its_opposite() {
        let allow_for_now = timed(tv(), Action::Block, "x.com");
        let before = Timed { rules: vec![allow_for_now.clone()], ..Timed::default() };
        let change = add(tv(), Action::Allow, "x.com", None);
        let plan = planned_with(HOUSE, &before, &change).expect("planned");
        let rules = standing(&plan).rules;
        assert_eq!((rules.len(), rules[0].action), (1, Action::Allow));
        assert_eq!(plan.steps, [TimedStep::DropRule(tv(), Action::Block, name("x.com"))]);
    }

    #[test]
    fn a_timed_block_is_not_made_where_an_allow_would_win() {
        let text = HOUSE.replace("\"block\"", "\"allow\"");
        let change = add(tv(), Action::Block, "x.com", Some(NOW + 5));
        let refused = planned_with(&text, &Timed::default(), &change).expect_err("refused");
        assert!(refused.to_string().contains("`allow x.com for TV` stands"), "{refused}");
        let before = Timed { rules: vec![timed(tv(), Action::Allow, "y.com")], ..Timed::default() };
        let change = add(tv(), Action::Block, "y.com", Some(NOW + 5));
        let plan = planned_with(HOUSE, &before, &change).expect("planned");
        assert_eq!(plan.steps[0], TimedStep::DropRule(tv(), Action::Allow, name("y.com")));
        assert_eq!(plan.steps.len(), 2);
    }

    #[test]
    fn a_rule_is_removed_wherever_it_is() {
        let remove =
            |text| Change::RemoveRule { scope: tv(), action: Action::Block, name: name(text) };
        let plan = planned(&remove("x.com")).expect("planned");
        assert_eq!((standing(&plan).rules.len(), plan.steps.len()), (0, 0));
        let before = Timed { rules: vec![timed(tv(), Action::Block, "y.com")], ..Timed::default() };
        let plan = planned_with(HOUSE, &before, &remove("y.com")).expect("planned");
        assert_eq!((plan.text, plan.steps.len()), (None, 1));
    }

    #[test]
    fn devices_are_renamed_and_forgotten_with_all_that_is_theirs() {
        let plan = planned(&Change::RenameDevice(TV, device("Big TV"))).expect("planned");
        assert_eq!(standing(&plan).rules[0].scope, Scope::Device(device("Big TV")));
        assert_eq!(plan.steps, [TimedStep::Rename(device("TV"), device("Big TV"))]);
        let plan = planned(&Change::RenameDevice(PHONE, device("Phone"))).expect("planned");
        assert_eq!(standing(&plan).devices[1].name, device("Phone"));
        assert_eq!(plan.steps, [TimedStep::Rename(device("10.0.0.9"), device("Phone"))]);
        let plan = planned(&Change::ForgetDevice(TV)).expect("planned");
        assert_eq!((standing(&plan).devices.len(), standing(&plan).rules.len()), (0, 0));
        let plan = planned(&Change::ForgetDevice(PHONE)).expect("planned");
        assert_eq!((plan.text, plan.steps), (None, vec![TimedStep::Forget(device("10.0.0.9"))]));
    }

    #[test]
    fn a_pause_that_has_ended_cannot_be_resumed() {
        let pause = |until| Timed {
            pauses: vec![Pause { scope: tv(), from: 0, until }],
            ..Timed::default()
        };
        let resume = |timed| planned_with(HOUSE, &timed, &Change::Resume(tv()));
        assert_eq!(resume(pause(NOW + 1)).expect("planned").steps, [TimedStep::Resume(tv())]);
        assert!(matches!(resume(pause(NOW)), Err(ChangeError::NotFound(_))));
    }

    #[test]
    fn a_written_rule_comes_once_and_goes_by_its_text() {
        let syntax = Syntax::Exact(Action::Block);
        let text = OwnText::read(syntax, "only.example").expect("a rule");
        let add = |note: Option<&str>| Change::WriteRule {
            scope: phone(),
            text: text.clone(),
            note: note.map(String::from),
        };
        let plan = planned(&add(Some("exam week"))).expect("planned");
        let rules = standing(&plan).written;
        assert_eq!((rules.len(), rules[0].note.as_deref()), (1, Some("exam week")));
        assert_eq!((rules[0].scope.clone(), &*rules[0].text), (phone(), "only.example"));
        let file = plan.text.expect("a text");
        let again = planned_with(&file, &Timed::default(), &add(Some("exam week")));
        assert_eq!(again.expect("planned").text, None);
        let other_note = planned_with(&file, &Timed::default(), &add(None)).expect("planned");
        assert_eq!(standing(&other_note).written.len(), 1);
        let remove = |text: &str| Change::UnwriteRule { scope: phone(), syntax, text: text.into() };
        let gone = planned_with(&file, &Timed::default(), &remove("only.example"));
        assert!(standing(&gone.expect("planned")).written.is_empty());
        let missing = planned_with(&file, &Timed::default(), &remove("other.example"));
        assert!(matches!(missing, Err(ChangeError::NotFound(_))), "{missing:?}");
    }
}
