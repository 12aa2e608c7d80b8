//! The check of own rules, in each of the forms that they may have.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use toml::de::DeTable;

use super::{Any, Checker, OwnText, RuleForm, Text, names_of};
use crate::model::{Action, DeviceName, DomainName, GroupName, Scope};
use crate::policy::{MAX_WRITTEN, OwnRule, Syntax, WrittenRule};

/// Most characters of a note.
const LONGEST_NOTE: usize = 1_000;

const ACTIONS: [(&str, Action); 2] = [("allow", Action::Allow), ("block", Action::Block)];

const FORMS: &str = "write name = \"example.com\", exact = \"example.com\", regex = \"^ads[0-9]\" or \
                     adguard = \"||example.com^$dnstype=AAAA\"";

/// Own rules by their forms.
#[derive(Default)]
pub(super) struct Rules {
    pub plain: Vec<OwnRule>,
    pub written: Vec<WrittenRule>,
    /// Written ones of each scope.
    counts: HashMap<Scope, usize>,
}

/// What a rule says.
enum What {
    Plain(Action, DomainName),
    Written(OwnText),
}

/// Whom a rule binds, its end and its note.
struct About {
    scope: Scope,
    until: Option<i64>,
    note: Option<String>,
}

/// Checks a note: short, without control characters.
pub(super) fn check_note(note: &str) -> Result<String, String> {
    if note.chars().count() > LONGEST_NOTE || note.chars().any(char::is_control) {
        return Err(format!(
            "a note has at most {LONGEST_NOTE} characters, without line breaks or other control \
             characters"
        ));
    }
    Ok(note.trim().to_string())
}

impl<'t> Checker<'t, '_> {
    pub(super) fn rules(&mut self, root: &DeTable<'t>) -> Rules {
        let forms: Vec<(_, RuleForm)> = self.reader.array(root, "rule");
        let devices = names_of(root, "device");
        let groups = names_of(root, "group");
        let mut rules = Rules::default();
        for (span, form) in forms {
            let what = self.what(&form, span.clone());
            let whom = (form.device.as_ref(), form.group.as_ref());
            let scope = self.scope_of("rule", whom, &devices, &groups);
            let until = form.until.as_ref().and_then(|until| self.time(until));
            let note = form.note.as_ref().and_then(|note| self.parsed(note, check_note));
            let (Some(what), Some(scope)) = (what, scope) else { continue };
            self.keep_rule(&mut rules, what, About { scope, until, note }, span);
        }
        rules
    }

    fn keep_rule(&mut self, rules: &mut Rules, what: What, about: About, span: Range<usize>) {
        let About { scope, until, note } = about;
        match what {
            What::Plain(action, name) => {
                let rule = OwnRule { scope, action, name, until, note };
                if self.once(&format!("rule {}", rule.text()), span) {
                    rules.plain.push(rule);
                }
            }
            What::Written(OwnText { syntax, text, rules: says }) => {
                let rule = WrittenRule { scope, syntax, text, rules: says, until, note };
                let count = rules.counts.entry(rule.scope.clone()).or_default();
                *count += 1;
                if *count == MAX_WRITTEN + 1 {
                    let message = format!(
                        "{} has more than {MAX_WRITTEN} rules that are not a name and all below it",
                        rule.scope
                    );
                    let help = "put them into a list of yours, and switch that on there";
                    self.problem(span.clone(), &message, Some(help));
                }
                if self.once(&format!("rule {}", rule.text()), span) {
                    rules.written.push(rule);
                }
            }
        }
    }

    /// Reads the one form that a rule has.
    fn what(&mut self, form: &RuleForm, span: Range<usize>) -> Option<What> {
        let given = [&form.name, &form.exact, &form.regex, &form.adguard];
        let mut given = given.into_iter().flatten();
        let (Some(_), None) = (given.next(), given.next().map(Text::span)) else {
            let message = "a rule has one of the keys `name`, `exact`, `regex` and `adguard`";
            self.problem(span, message, Some(FORMS));
            return None;
        };
        if let Some(text) = &form.adguard {
            if let Some(action) = &form.action {
                let message = "a rule in AdGuard's syntax says itself whether it allows";
                let help = "take `action` away; `@@` in front of the rule allows";
                self.problem(action.span(), message, Some(help));
            }
            return self.parsed(text, OwnText::adguard).map(What::Written);
        }
        let Some(action) = &form.action else {
            self.problem(
                span,
                "missing key `action`",
                Some("write action = \"block\" or \"allow\""),
            );
            return None;
        };
        let action = self.word(action.get_ref(), action.span(), "action", &ACTIONS);
        let read = |syntax: fn(Action) -> Syntax| {
            // Where the action is none its text is checked all the same.
            let syntax = syntax(action.unwrap_or(Action::Block));
            move |text: &str| OwnText::read(syntax, text)
        };
        let what = match (&form.name, &form.exact, &form.regex) {
            (Some(name), ..) => self.rule_name(name).zip(action).map(|(n, a)| What::Plain(a, n)),
            (_, Some(exact), _) => self.parsed(exact, read(Syntax::Exact)).map(What::Written),
            (.., Some(regex)) => self.parsed(regex, read(Syntax::Regex)).map(What::Written),
            _ => None,
        };
        what.filter(|_| action.is_some())
    }

    fn rule_name(&mut self, text: &Text) -> Option<DomainName> {
        let written = text.get_ref().trim();
        if written == "." || written == "*" {
            let message = "a rule cannot stand for every name";
            let help = "write level = \"off\" to let all through, or name a domain";
            self.problem(text.span(), message, Some(help));
            return None;
        }
        if let Some(name) = written.strip_prefix("*.") {
            let message = "a rule covers a name and all below it, so it has no `*.`";
            self.problem(text.span(), message, Some(&format!("write name = \"{name}\"")));
            return None;
        }
        self.domain(text)
    }

    /// Reads whom a rule or schedule binds, by its keys `device` and `group`.
    pub(super) fn scope_of(
        &mut self,
        what: &str,
        whom: (Option<&Text>, Option<&Text>),
        devices: &BTreeSet<String>,
        groups: &BTreeSet<String>,
    ) -> Option<Scope> {
        match whom {
            (None, None) => Some(Scope::Everyone),
            (Some(device), None) => {
                let name = device.get_ref().trim();
                let exists = self.exists("device", name, device.span(), devices);
                DeviceName::parse(name).ok().filter(|_| exists).map(Scope::Device)
            }
            (None, Some(group)) => {
                let name = group.get_ref().trim();
                let exists = self.exists("group", name, group.span(), groups);
                GroupName::parse(name).ok().filter(|_| exists).map(Scope::Group)
            }
            (Some(_), Some(group)) => {
                let message =
                    format!("a {what} binds a device, a group or (with neither) everyone");
                self.problem(group.span(), &message, Some("take `device` or `group` away"));
                None
            }
        }
    }

    /// Reads a time: seconds since 1970.
    fn time(&mut self, value: &Any) -> Option<i64> {
        let text = match value.get_ref() {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let time = text.parse::<jiff::Timestamp>();
        if time.is_err() {
            let message = format!("`{text}` is no time with its offset from UTC");
            let help = "write until = 2026-12-01T18:00:00+01:00";
            self.problem(value.span(), &message, Some(help));
        }
        time.ok().map(jiff::Timestamp::as_second)
    }
}
