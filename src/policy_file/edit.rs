//! Edits of `policy.toml`, one key at a time: comments, order and unknown keys stay as they are.

use std::ops::Range;

use toml_edit::{Array, Document, DocumentMut, InlineTable, Item, Table, TomlError, Value};

use super::{Held, NewList, Places, entries, entry_mut, scope, scope_mut};
use crate::model::{Action, DeviceName, DomainName, ListName, Scope};
use crate::policy::{OwnRule, Syntax, WrittenRule, action_word};

/// Entries that may name a device.
const OF_DEVICES: [&str; 2] = ["rule", "schedule"];

/// Why an edit cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EditError(String);

/// The text of a policy that checks, under edit.
///
/// What is taken away goes with its whole lines: a key with its trailing comment, an entry with
/// the comments between its header and its last key. Every other octet stays.
pub struct PolicyText {
    text: String,
    mark: &'static str,
    line_end: &'static str,
}

impl PolicyText {
    /// Takes a text that checks.
    pub fn new(text: &str) -> PolicyText {
        let (mark, text) = match text.strip_prefix('\u{feff}') {
            Some(rest) => ("\u{feff}", rest),
            None => ("", text),
        };
        // toml_edit writes plain line ends, so those of the file are put back at the end.
        let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        PolicyText { text: text.replace("\r\n", "\n"), mark, line_end }
    }

    /// Returns the text as edited.
    pub fn finish(self) -> String {
        format!("{}{}", self.mark, self.text.replace('\n', self.line_end))
    }

    /// Sets a key in a scope's table, or in the table of that name below it; `None` takes it away.
    pub fn set(
        &mut self,
        scope: &Scope,
        table: Option<&str>,
        key: &str,
        value: Option<Value>,
    ) -> Result<(), EditError> {
        match value {
            Some(value) => self.put(scope, table, key, value),
            None => self.take(scope, table, key),
        }
    }

    /// Adds a device.
    pub fn add_device(&mut self, name: &DeviceName, places: &Places) -> Result<(), EditError> {
        let mut keys: Vec<(&str, Value)> = vec![("name", name.as_str().into())];
        for (key, texts) in places.texts() {
            keys.push((key, texts.iter().collect::<Array>().into()));
        }
        self.append("device", &keys)
    }

    /// Adds texts to an array of a scope's table.
    pub fn extend(&mut self, of: &Scope, key: &str, texts: &[String]) -> Result<(), EditError> {
        let mut document = self.document()?;
        let mut held = scope_mut(&mut document, of)
            .ok_or_else(|| EditError(format!("policy.toml has no entry for {of}")))?;
        held.extend(key, texts);
        self.text = document.to_string();
        Ok(())
    }

    /// Removes texts from an array of a scope's table; an array without any goes whole.
    pub fn retain(
        &mut self,
        of: &Scope,
        key: &str,
        keep: impl Fn(&str) -> bool,
    ) -> Result<(), EditError> {
        let mut document = self.document()?;
        let left = scope_mut(&mut document, of).is_none_or(|mut held| held.retain(key, keep));
        if !left {
            return self.take(of, None, key);
        }
        self.text = document.to_string();
        Ok(())
    }

    /// Gives a device another name, in its rules and schedules too.
    pub fn rename_device(&mut self, from: &DeviceName, to: &DeviceName) -> Result<(), EditError> {
        self.put(&Scope::Device(from.clone()), None, "name", to.as_str().into())?;
        let mut document = self.document()?;
        for array in OF_DEVICES {
            let all = entries(&document, array).into_iter().enumerate();
            let of_it = all.filter(|(_, entry)| entry.text("device") == Some(from.as_str()));
            let places: Vec<usize> = of_it.map(|(place, _)| place).collect();
            for place in places {
                if let Some(mut entry) = entry_mut(&mut document, array, place) {
                    entry.put("device", to.as_str().into());
                }
            }
        }
        self.text = document.to_string();
        Ok(())
    }

    /// Removes a device with its rules and schedules.
    pub fn remove_device(&mut self, name: &DeviceName) -> Result<(), EditError> {
        self.remove_entries("device", |entry| entry.text("name") == Some(name.as_str()))?;
        OF_DEVICES.iter().try_for_each(|array| {
            self.remove_entries(array, |entry| entry.text("device") == Some(name.as_str()))
        })
    }

    /// Adds a list.
    pub fn add_list(&mut self, list: &NewList) -> Result<(), EditError> {
        let mut keys: Vec<(&str, Value)> = vec![
            ("name", list.name.as_str().into()),
            ("address", list.address.as_str().into()),
            ("kind", list.kind.as_str().into()),
        ];
        let flags = [("allowlist", list.allowlist), ("cover_subdomains", list.cover_subdomains)];
        let set = flags.into_iter().filter(|(_, on)| *on);
        keys.extend(set.map(|(flag, on)| (flag, Value::from(on))));
        self.append("list", &keys)
    }

    /// Removes a list's entry.
    pub fn remove_list(&mut self, name: &ListName) -> Result<(), EditError> {
        self.remove_entries("list", |entry| entry.text("name") == Some(name.as_str()))
    }

    /// Adds a rule without an end.
    pub fn add_rule(&mut self, rule: &OwnRule) -> Result<(), EditError> {
        let mut keys: Vec<(&str, Value)> = vec![
            ("action", action_word(rule.action).into()),
            ("name", rule.name.to_string().into()),
        ];
        keys.extend(about(&rule.scope, rule.note.as_deref()));
        self.append("rule", &keys)
    }

    /// Adds a rule in AdGuard or Pi-hole syntax without an end.
    pub fn write_rule(&mut self, rule: &WrittenRule) -> Result<(), EditError> {
        let (key, action) = written_as(rule.syntax);
        let action = action.map(|action| ("action", action_word(action).into()));
        let mut keys: Vec<(&str, Value)> = action.into_iter().collect();
        keys.push((key, (&*rule.text).into()));
        keys.extend(about(&rule.scope, rule.note.as_deref()));
        self.append("rule", &keys)
    }

    /// Removes a rule in AdGuard or Pi-hole syntax, if it is there.
    pub fn unwrite_rule(
        &mut self,
        scope: &Scope,
        syntax: Syntax,
        text: &str,
    ) -> Result<(), EditError> {
        let (key, action) = written_as(syntax);
        self.remove_entries("rule", |entry| {
            entry.text(key).is_some_and(|written| is_text(syntax, written, text))
                && entry.text("action") == action.map(action_word)
                && binds(entry, scope)
        })
    }

    /// Removes a rule, if it is there.
    pub fn remove_rule(
        &mut self,
        scope: &Scope,
        action: Action,
        name: &DomainName,
    ) -> Result<(), EditError> {
        self.remove_entries("rule", |entry| {
            let written = entry.text("name").and_then(|text| DomainName::parse(text).ok());
            written.as_ref() == Some(name)
                && entry.text("action") == Some(action_word(action))
                && binds(entry, scope)
        })
    }

    fn document(&self) -> Result<DocumentMut, EditError> {
        self.text.parse().map_err(syntax)
    }

    fn spans(&self) -> Result<Document<&str>, EditError> {
        Document::parse(self.text.as_str()).map_err(syntax)
    }

    fn put(
        &mut self,
        scope: &Scope,
        table: Option<&str>,
        key: &str,
        value: Value,
    ) -> Result<(), EditError> {
        if *scope == Scope::Everyone && !self.document()?.contains_key("everyone") {
            self.push_lines("[everyone]\n", self.text.len());
        }
        let mut document = self.document()?;
        let mut held = scope_mut(&mut document, scope)
            .ok_or_else(|| EditError(format!("policy.toml has no entry for {scope}")))?;
        match table {
            None => held.put(key, value),
            Some(table) => match held.below(table) {
                Some(mut below) => below.put(key, value),
                None => held.put(table, InlineTable::from_iter([(key, value)]).into()),
            },
        }
        self.text = document.to_string();
        Ok(())
    }

    fn take(&mut self, of: &Scope, table: Option<&str>, key: &str) -> Result<(), EditError> {
        let spans = self.spans()?;
        let held = scope(spans.as_table(), of);
        let held = held.and_then(|held| table.map_or(Some(held), |table| held.below(table)));
        let Some(held) = held else { return Ok(()) };
        let Some((found, item)) = held.table().get_key_value(key) else { return Ok(()) };
        if matches!(held, Held::Braces(_)) {
            return self.take_from_braces(of, table, key);
        }
        if let Some((key, value)) = found.span().zip(item.span()) {
            let lines = self.lines(key.start..value.end);
            self.text.replace_range(lines, "");
        }
        Ok(())
    }

    fn take_from_braces(
        &mut self,
        scope: &Scope,
        table: Option<&str>,
        key: &str,
    ) -> Result<(), EditError> {
        let mut document = self.document()?;
        let Some(mut held) = scope_mut(&mut document, scope) else { return Ok(()) };
        let others = match table {
            Some(table) => held.below(table).is_none_or(|mut below| below.take(key)),
            None => held.take(key),
        };
        match table.filter(|_| !others) {
            Some(table) => self.take(scope, None, table),
            None => {
                self.text = document.to_string();
                Ok(())
            }
        }
    }

    /// Adds an entry after the last of its kind, or at the end of the file.
    fn append(&mut self, array: &str, keys: &[(&str, Value)]) -> Result<(), EditError> {
        let mut document = self.document()?;
        if let Some(values) = document.get_mut(array).and_then(Item::as_array_mut) {
            values.push(InlineTable::from_iter(keys.iter().cloned()));
            self.text = document.to_string();
            return Ok(());
        }
        let end = {
            let spans = self.spans()?;
            let tables = spans.get(array).and_then(Item::as_array_of_tables);
            let last = tables.and_then(|tables| tables.iter().last());
            last.and_then(|last| self.ranges(last).into_iter().map(|range| range.end).max())
        };
        let keys: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        self.push_lines(&format!("[[{array}]]\n{keys}"), end.unwrap_or(self.text.len()));
        Ok(())
    }

    /// Puts lines after the line that ends at `place`, with a blank line between.
    fn push_lines(&mut self, lines: &str, place: usize) {
        let before = self.text.get(..place).unwrap_or(&self.text);
        let gap = match before {
            "" => "",
            _ if before.ends_with("\n\n") => "",
            _ if before.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        self.text.insert_str(place, &format!("{gap}{lines}"));
    }

    fn remove_entries(
        &mut self,
        array: &str,
        wanted: impl Fn(Held<'_>) -> bool,
    ) -> Result<(), EditError> {
        let mut document = self.document()?;
        let all = entries(&document, array).into_iter().enumerate();
        let places: Vec<usize> =
            all.filter(|(_, entry)| wanted(*entry)).map(|(place, _)| place).collect();
        if let Some(values) = document.get_mut(array).and_then(Item::as_array_mut) {
            for place in places.iter().rev() {
                values.remove(*place);
            }
            self.text = document.to_string();
            return Ok(());
        }
        let mut ranges = {
            let spans = self.spans()?;
            let tables = spans.get(array).and_then(Item::as_array_of_tables);
            let gone = places.iter().filter_map(|place| tables?.get(*place));
            gone.flat_map(|table| self.ranges(table)).collect::<Vec<_>>()
        };
        ranges.sort_by_key(|range| range.start);
        ranges.into_iter().rev().for_each(|range| self.cut(range));
        Ok(())
    }

    /// Cuts whole lines, and one of the blank lines where two would meet.
    fn cut(&mut self, range: Range<usize>) {
        let start = range.start;
        self.text.replace_range(range, "");
        let (before, after) = self.text.split_at(start);
        if before.ends_with("\n\n") && (after.is_empty() || after.starts_with('\n')) {
            self.text.remove(start - 1);
        } else if before.is_empty() && after.starts_with('\n') {
            self.text.remove(0);
        }
    }

    /// Returns the lines of an entry: its header to its last key, and those of tables below it.
    fn ranges(&self, table: &Table) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for (_, item) in table.iter() {
            match item {
                Item::Table(below) if !below.is_dotted() => found.extend(self.ranges(below)),
                Item::ArrayOfTables(below) => {
                    found.extend(below.iter().flat_map(|table| self.ranges(table)));
                }
                _ => {}
            }
        }
        let values = table.get_values();
        let end = values.iter().filter_map(|(_, value)| value.span()).map(|span| span.end).max();
        let own = table.span().map(|header| header.start..end.unwrap_or(0).max(header.end));
        found.extend(own.map(|own| self.lines(own)));
        found
    }

    /// Returns the whole lines on which a range lies, line ends included.
    fn lines(&self, range: Range<usize>) -> Range<usize> {
        let before = self.text.get(..range.start).unwrap_or("");
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = self.text.get(range.end..).unwrap_or("");
        let end = rest.find('\n').map_or(self.text.len(), |at| range.end + at + 1);
        start..end
    }
}

/// Returns the keys by which a rule says whom it binds, and why.
fn about(scope: &Scope, note: Option<&str>) -> Vec<(&'static str, Value)> {
    let scope = match scope {
        Scope::Device(name) => Some(("device", name.as_str().into())),
        Scope::Group(name) => Some(("group", name.as_str().into())),
        Scope::Everyone => None,
    };
    scope.into_iter().chain(note.map(|note| ("note", note.into()))).collect()
}

/// Returns whether an entry is a rule for this scope.
fn binds(entry: Held<'_>, scope: &Scope) -> bool {
    let (device, group) = match scope {
        Scope::Device(device) => (Some(device.as_str()), None),
        Scope::Group(group) => (None, Some(group.as_str())),
        Scope::Everyone => (None, None),
    };
    entry.text("device") == device && entry.text("group") == group
}

/// Returns the key under which a syntax stands, and its action.
fn written_as(syntax: Syntax) -> (&'static str, Option<Action>) {
    match syntax {
        Syntax::Adguard => ("adguard", None),
        Syntax::Regex(action) => ("regex", Some(action)),
        Syntax::Exact(action) => ("exact", Some(action)),
    }
}

fn is_text(syntax: Syntax, written: &str, text: &str) -> bool {
    match syntax {
        Syntax::Exact(_) => DomainName::parse(written).is_ok_and(|name| name.to_string() == text),
        Syntax::Adguard | Syntax::Regex(_) => written == text,
    }
}

fn syntax(error: TomlError) -> EditError {
    EditError(error.to_string())
}
