//! `policy.toml` from text to values: checked whole, all problems at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::{
    Any, Checker, DifferenceForm, GroupForm, Known, PartForm, Text, UnknownForm, names_of,
};
use crate::diagnostic::Problems;
use crate::model::{GroupName, Level, ListName, LogDetail, Scope};
use crate::policy::{CompanySwitch, GroupPart, LevelDifference, Part, Standing};

/// Tables of the file, and its one key above them.
const TABLES: [&str; 12] = [
    "asserts", "everyone", "level", "blocking", "list", "group", "device", "unknown", "schedule",
    "rule", "local", "zone",
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
        let unknown: UnknownForm = self.reader.section(root, "unknown");
        let unknown = self.groups_of(&unknown.groups, &names_of(root, "group"));
        let schedules = self.schedules(root);
        let rules = self.rules(root);
        let local = self.local(root);
        let (rules, written) = (rules.plain, rules.written);
        let standing = Standing { everyone, levels, groups, devices, rules, ..Standing::default() };
        let standing = Standing { unknown, schedules, asserts, written, ..standing };
        Standing { lists, local, blocking, blocked_ttl, ..standing }
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

    pub(super) fn part(&mut self, form: &PartForm) -> Part {
        let level =
            form.level.as_ref().and_then(|l| self.word(l.get_ref(), l.span(), "level", &LEVELS));
        let log = form
            .log
            .as_ref()
            .and_then(|log| self.word(log.get_ref(), log.span(), "log detail", &LOG_DETAILS));
        let lists = form.lists.iter().filter_map(|(name, on)| self.list_switch(name, on)).collect();
        let companies =
            form.companies.iter().filter_map(|(slug, s)| self.company_switch(slug, s)).collect();
        Part { level, lists, companies, log, only_listed: form.only_listed }
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
            let GroupForm { name, level, lists, companies, log, only_listed } = form;
            let part = self.part(&PartForm { level, lists, companies, log, only_listed });
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

    pub(super) fn groups_of(&mut self, texts: &[Text], known: &BTreeSet<String>) -> Vec<GroupName> {
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
    pub(super) fn is_free(&mut self, name: &str, text: &Text) -> bool {
        let free = name != "everyone";
        if !free {
            let message = "`everyone` means all devices; choose another name";
            self.problem(text.span(), message, None);
        }
        free
    }
}
