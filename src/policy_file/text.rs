//! `policy.toml` from text to values: checked whole, all problems at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::{Any, Checker, DeviceForm, DifferenceForm, GroupForm, Known, PartForm, Text, names_of};
use crate::diagnostic::Problems;
use crate::model::{DeviceName, GroupName, Level, ListName, LogDetail, Prefix, Scope};
use crate::policy::{CompanySwitch, DevicePart, GroupPart, LevelDifference, Part, Standing};

/// Tables of the file, and its one key above them.
const TABLES: [&str; 10] = [
    "asserts", "everyone", "level", "blocking", "list", "group", "device", "rule", "local", "zone",
];

const LEVELS: [(&str, Level); 4] = [
    ("off", Level::Off),
    ("basic", Level::Basic),
    ("standard", Level::Standard),
    ("strict", Level::Strict),
];

const LOG_DETAILS: [(&str, LogDetail); 4] = [
    ("full", LogDetail::Full),
    ("tracking", LogDetail::Tracking),
    ("counts", LogDetail::Counts),
    ("nothing", LogDetail::Nothing),
];

const SWITCHES: [(&str, CompanySwitch); 2] =
    [("ban", CompanySwitch::Ban), ("lift", CompanySwitch::Lift)];

/// Reads and checks a policy; `file` is its name for people.
pub fn read(file: &str, text: &str, known: &Known) -> Result<Standing, Problems> {
    let mut checker = Checker::new(file, text, known);
    let mut standing = match checker.reader.root() {
        Some(root) => checker.standing(&root),
        None => Standing::default(),
    };
    standing.subscribe(&known.defaults);
    checker.finish().map(|()| standing)
}

impl<'t> Checker<'t, '_> {
    fn standing(&mut self, root: &DeTable<'t>) -> Standing {
        self.reader.refuse_unknown(root, &TABLES);
        let asserts = self.asserts(root);
        let lists = self.own_lists(root);
        let everyone = self.reader.section::<PartForm>(root, "everyone");
        let everyone = self.part(&everyone);
        let levels = self.levels(root);
        let (blocking, blocked_ttl) = self.blocking(root);
        let groups = self.groups(root);
        let devices = self.devices(root);
        let rules = self.rules(root);
        let local = self.local(root);
        let (rules, written) = (rules.plain, rules.written);
        let standing = Standing { everyone, levels, groups, devices, rules, ..Standing::default() };
        Standing { asserts, written, lists, local, blocking, blocked_ttl, ..standing }
    }

    fn asserts(&mut self, root: &DeTable<'t>) -> Option<PathBuf> {
        let (_, value) = root.iter().find(|(key, _)| key.get_ref() == "asserts")?;
        match value.get_ref() {
            DeValue::String(file) => {
                self.path_below(&Text::new(value.span(), file.to_string()), "the data folder")
            }
            _ => {
                self.problem(value.span(), "`asserts` names a file: \"asserts.toml\"", None);
                None
            }
        }
    }

    fn part(&mut self, form: &PartForm) -> Part {
        let level =
            form.level.as_ref().and_then(|l| self.word(l.get_ref(), l.span(), "level", &LEVELS));
        let log = form
            .log
            .as_ref()
            .and_then(|log| self.word(log.get_ref(), log.span(), "log detail", &LOG_DETAILS));
        let lists = form.lists.iter().filter_map(|(name, on)| self.list_switch(name, on)).collect();
        let companies =
            form.companies.iter().filter_map(|(slug, s)| self.company_switch(slug, s)).collect();
        Part { level, lists, companies, log, only_listed: None }
    }

    fn list_switch(&mut self, name: &Text, on: &Any) -> Option<(ListName, bool)> {
        let list = self.list_name(name);
        let switch = on.get_ref().as_bool();
        if switch.is_none() {
            let message = format!("a list is on or off: write {} = true or false", name.get_ref());
            self.problem(on.span(), &message, None);
        }
        Some((list?, switch?))
    }

    /// Reads the name of a list that a switch or a level may name.
    fn list_name(&mut self, name: &Text) -> Option<ListName> {
        let slug = name.get_ref().strip_prefix("ban-");
        if let Some(slug) = slug.filter(|slug| self.known.can_ban(slug)) {
            let message =
                format!("`{}` is a company ban, which is no list to switch", name.get_ref());
            let help = format!("write companies = {{ {slug} = \"ban\" }}");
            self.problem(name.span(), &message, Some(&help));
            return None;
        }
        let lists = std::mem::take(&mut self.lists);
        let exists = self.exists("list", name.get_ref(), name.span(), &lists);
        self.lists = lists;
        // An own list with a name that cannot be has had its problem there.
        ListName::parse(name.get_ref()).ok().filter(|_| exists)
    }

    fn company_switch(&mut self, slug: &Text, switch: &Any) -> Option<(String, CompanySwitch)> {
        let known = self.known;
        let exists = self.exists("company", slug.get_ref(), slug.span(), &known.companies);
        if exists && !known.can_ban(slug.get_ref()) {
            let message =
                format!("`{}` runs no service of its own that could be banned", slug.get_ref());
            let help = "its trackers are blocked by the levels";
            self.problem(slug.span(), &message, Some(help));
            return None;
        }
        let text = match switch.get_ref() {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let switch = self.word(&text, switch.span(), "switch of a company", &SWITCHES)?;
        exists.then(|| (slug.get_ref().clone(), switch))
    }

    fn levels(&mut self, root: &DeTable<'t>) -> BTreeMap<Level, LevelDifference> {
        let Some((key, value)) = root.iter().find(|(key, _)| key.get_ref() == "level") else {
            return BTreeMap::new();
        };
        let DeValue::Table(levels) = value.get_ref() else {
            self.problem(key.span(), "`level` holds tables: write [level.standard]", None);
            return BTreeMap::new();
        };
        let mut found = BTreeMap::new();
        for (name, value) in levels {
            let level = self.word(name.get_ref(), name.span(), "level", &LEVELS);
            if level == Some(Level::Off) {
                let message = "level off has no lists, so nothing can be added or removed";
                self.problem(name.span(), message, None);
            }
            let difference = self.difference(name.get_ref(), name.span(), value.get_ref());
            found.extend(level.zip(difference));
        }
        found
    }

    fn difference(
        &mut self,
        level: &str,
        span: Range<usize>,
        value: &DeValue<'t>,
    ) -> Option<LevelDifference> {
        let DeValue::Table(table) = value else {
            self.problem(span, &format!("a level is a table: write [level.{level}]"), None);
            return None;
        };
        let form: DifferenceForm = self.reader.table(table, span)?;
        let mut names = |texts: &[Text]| -> Vec<ListName> {
            texts.iter().filter_map(|name| self.list_name(name)).collect()
        };
        let (add, remove) = (names(&form.add), names(&form.remove));
        if let Some(both) = form.remove.iter().find(|name| form.add.contains(name)) {
            let message = format!("`{}` is both added and removed", both.get_ref());
            self.problem(both.span(), &message, None);
        }
        Some(LevelDifference { add, remove })
    }

    fn groups(&mut self, root: &DeTable<'t>) -> Vec<GroupPart> {
        let forms: Vec<(_, GroupForm)> = self.reader.array(root, "group");
        let mut groups = Vec::new();
        for (_, form) in forms {
            let GroupForm { name, level, lists, companies, log } = form;
            let part = self.part(&PartForm { level, lists, companies, log });
            let parsed = self.parsed(&name, GroupName::parse);
            let Some(group) = parsed.filter(|group| self.is_free(group.as_str(), &name)) else {
                continue;
            };
            if self.once(&Scope::Group(group.clone()).to_string(), name.span()) {
                groups.push(GroupPart { name: group, part });
            }
        }
        groups
    }

    fn devices(&mut self, root: &DeTable<'t>) -> Vec<DevicePart> {
        let forms: Vec<(_, DeviceForm)> = self.reader.array(root, "device");
        let groups = names_of(root, "group");
        let mut owners = HashMap::new();
        let mut devices = Vec::new();
        for (_, form) in forms {
            let addresses = self.addresses(&form, &mut owners);
            let groups = self.groups_of(&form.groups, &groups);
            let tags = form.tags.iter().filter_map(|tag| self.parsed(tag, parse_tag)).collect();
            let DeviceForm { name, level, lists, companies, log, .. } = form;
            let part = self.part(&PartForm { level, lists, companies, log });
            let parsed = self.parsed(&name, DeviceName::parse);
            let Some(device) = parsed.filter(|device| self.is_free(device.as_str(), &name)) else {
                continue;
            };
            if self.once(&format!("device {device}"), name.span()) {
                let (name, hardware, kind) = (device, Vec::new(), None);
                devices.push(DevicePart { name, addresses, hardware, kind, groups, tags, part });
            }
        }
        devices
    }

    /// Reads a device's addresses; `owners` has those of the devices before it.
    fn addresses(
        &mut self,
        form: &DeviceForm,
        owners: &mut HashMap<Prefix, String>,
    ) -> Vec<Prefix> {
        if form.addresses.get_ref().is_empty() {
            let help = "write addresses = [\"192.168.1.40\"]";
            self.problem(form.addresses.span(), "a device needs an address", Some(help));
        }
        let mut addresses = Vec::new();
        for text in form.addresses.get_ref() {
            let Some(prefix) = self.parsed(text, str::parse::<Prefix>) else { continue };
            match owners.get(&prefix) {
                Some(owner) => {
                    let message = format!("{prefix} is an address of `{owner}` already");
                    self.problem(text.span(), &message, None);
                }
                None => {
                    owners.insert(prefix, form.name.get_ref().clone());
                    addresses.push(prefix);
                }
            }
        }
        addresses
    }

    fn groups_of(&mut self, texts: &[Text], known: &BTreeSet<String>) -> Vec<GroupName> {
        let mut groups = Vec::new();
        for text in texts {
            let name = text.get_ref().trim();
            if !self.exists("group", name, text.span(), known) {
                continue;
            }
            // A group whose own entry has a wrong name has had its problem there.
            let Ok(group) = GroupName::parse(name) else { continue };
            if groups.contains(&group) {
                self.problem(text.span(), &format!("group `{group}` stands here twice"), None);
            } else {
                groups.push(group);
            }
        }
        groups
    }

    /// Refuses the one word that commands read as a scope.
    fn is_free(&mut self, name: &str, text: &Text) -> bool {
        let free = name != "everyone";
        if !free {
            let message = "`everyone` means all devices; choose another name";
            self.problem(text.span(), message, None);
        }
        free
    }
}

fn parse_tag(text: &str) -> Result<Box<str>, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
        return Err(format!("`{text}` is no tag; write 1 to 64 of a-z, 0-9 and _, as user_child"));
    }
    Ok(text.into())
}
