//! The check of rules, names of ours, and of how blocked queries are answered.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use toml::de::DeTable;

use super::{Any, BlockingForm, Checker, LocalForm, RuleForm, Text, ZoneForm, names_of};
use crate::model::{Action, DeviceName, DomainName, GroupName, Scope};
use crate::policy::{OwnRule, Standing};
use crate::sinkhole::BlockingMode;
use crate::zones::{LocalName, LocalNames};

/// Longest time a blocked answer may be kept: a day.
const LONGEST_TTL: u32 = 86_400;

/// Most characters of a note.
const LONGEST_NOTE: usize = 1_000;

const ACTIONS: [(&str, Action); 2] = [("allow", Action::Allow), ("block", Action::Block)];

#[derive(Clone, Copy)]
enum Mode {
    Null,
    NxDomain,
    NoData,
    Refused,
    Addresses,
}

const MODES: [(&str, Mode); 5] = [
    ("null", Mode::Null),
    ("nxdomain", Mode::NxDomain),
    ("nodata", Mode::NoData),
    ("refused", Mode::Refused),
    ("addresses", Mode::Addresses),
];

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
    /// Reads one word of a few, if there is one.
    pub(super) fn choice<T: Copy>(
        &mut self,
        text: Option<&Text>,
        what: &str,
        words: &[(&str, T)],
        otherwise: T,
    ) -> T {
        let chosen = text.and_then(|text| self.word(text.get_ref(), text.span(), what, words));
        chosen.unwrap_or(otherwise)
    }

    pub(super) fn rules(&mut self, root: &DeTable<'t>) -> Vec<OwnRule> {
        let forms: Vec<(_, RuleForm)> = self.reader.array(root, "rule");
        let devices = names_of(root, "device");
        let groups = names_of(root, "group");
        let mut rules = Vec::new();
        for (span, form) in forms {
            let action = self.word(form.action.get_ref(), form.action.span(), "action", &ACTIONS);
            let name = self.rule_name(&form.name);
            let scope = self.rule_scope(&form, &devices, &groups);
            let until = form.until.as_ref().and_then(|until| self.time(until));
            let note = form.note.as_ref().and_then(|note| self.parsed(note, check_note));
            let (Some(action), Some(name), Some(scope)) = (action, name, scope) else { continue };
            let rule = OwnRule { scope, action, name, until, note };
            if self.once(&format!("rule {}", rule.text()), span) {
                rules.push(rule);
            }
        }
        rules
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

    fn rule_scope(
        &mut self,
        form: &RuleForm,
        devices: &BTreeSet<String>,
        groups: &BTreeSet<String>,
    ) -> Option<Scope> {
        match (&form.device, &form.group) {
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
                let message = "a rule binds a device, a group or (with neither) everyone";
                self.problem(group.span(), message, Some("take `device` or `group` away"));
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

    pub(super) fn blocking(&mut self, root: &DeTable<'t>) -> (BlockingMode, u32) {
        let form: BlockingForm = self.reader.section(root, "blocking");
        let mode = self.choice(form.mode.as_ref(), "blocking mode", &MODES, Mode::Null);
        let texts = form.addresses.as_ref().map_or(&[][..], |texts| texts.get_ref());
        let addresses: Vec<IpAddr> =
            texts.iter().filter_map(|text| self.parsed(text, parse_address)).collect();
        let place = form.addresses.as_ref().map(|texts| texts.span());
        let named = form.mode.as_ref().map(|mode| mode.span());
        let given = !texts.is_empty();
        match (mode, place, named) {
            (Mode::Addresses, _, Some(span)) if !given => {
                let help = "write addresses = [\"192.168.1.2\", \"fd00::2\"]";
                self.problem(span, "mode \"addresses\" needs addresses", Some(help));
            }
            (Mode::Null | Mode::NxDomain | Mode::NoData | Mode::Refused, Some(span), _) => {
                let help = "write mode = \"addresses\"";
                self.problem(span, "addresses count only in mode \"addresses\"", Some(help));
            }
            _ => {}
        }
        (blocking_mode(mode, &addresses), self.ttl(&form))
    }

    fn ttl(&mut self, form: &BlockingForm) -> u32 {
        let Some(ttl) = &form.ttl else { return Standing::default().blocked_ttl };
        if *ttl.get_ref() > LONGEST_TTL {
            let message = format!("a blocked answer is kept {LONGEST_TTL} s (a day) at most");
            self.problem(ttl.span(), &message, None);
        }
        *ttl.get_ref()
    }

    pub(super) fn local(&mut self, root: &DeTable<'t>) -> LocalNames {
        let names: Vec<(_, LocalForm)> = self.reader.array(root, "local");
        let zones: Vec<(_, ZoneForm)> = self.reader.array(root, "zone");
        LocalNames {
            names: names.iter().filter_map(|(_, form)| self.local_name(form)).collect(),
            zone_files: zones.iter().filter_map(|(_, form)| self.zone(form)).collect(),
        }
    }

    fn local_name(&mut self, form: &LocalForm) -> Option<LocalName> {
        let written = form.name.get_ref().trim();
        let (name, wildcard) = match written.strip_prefix("*.") {
            Some(parent) => (parent, true),
            None => (written, false),
        };
        let name = self.domain(&Text::new(form.name.span(), name.to_string()));
        let addresses: Vec<IpAddr> =
            form.addresses.iter().filter_map(|text| self.parsed(text, parse_address)).collect();
        let alias = form.alias.as_ref().map(|alias| self.domain(alias));
        if form.addresses.is_empty() == alias.is_none() {
            let message = format!("`{written}` needs either addresses or an alias");
            let help = "write addresses = [\"192.168.1.9\"] or alias = \"nas.lan\"";
            self.problem(form.name.span(), &message, Some(help));
        }
        let alias = match alias {
            Some(alias) => Some(alias?),
            None => None,
        };
        let name = name?;
        let once = self.once(&format!("local name {written}"), form.name.span());
        once.then_some(LocalName { name, wildcard, addresses, alias })
    }

    fn zone(&mut self, form: &ZoneForm) -> Option<(DomainName, PathBuf)> {
        let name = self.domain(&form.name);
        let file = self.path_below(&form.file, "the data folder");
        let (name, file) = (name?, file?);
        self.once(&format!("zone {name}"), form.name.span()).then_some((name, file))
    }
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no address; write 192.168.1.9 or fd00::9"))
}

fn blocking_mode(mode: Mode, addresses: &[IpAddr]) -> BlockingMode {
    match mode {
        Mode::Null => BlockingMode::NullAddress,
        Mode::NxDomain => BlockingMode::NxDomain,
        Mode::NoData => BlockingMode::NoData,
        Mode::Refused => BlockingMode::Refused,
        Mode::Addresses => {
            let v4 = addresses.iter().filter_map(|a| match a {
                IpAddr::V4(v4) => Some(*v4),
                IpAddr::V6(_) => None,
            });
            let v6 = addresses.iter().filter_map(|a| match a {
                IpAddr::V6(v6) => Some(*v6),
                IpAddr::V4(_) => None,
            });
            BlockingMode::Addresses { v4: v4.collect(), v6: v6.collect() }
        }
    }
}
