//! Tables of `policy.toml` however they are written: under a header, dotted, or in braces.

use toml_edit::{Array, InlineTable, Item, Table, TableLike, Value};

use crate::model::Scope;

/// A table that is read.
#[derive(Clone, Copy)]
pub(super) enum Held<'t> {
    /// Under a header or dotted: each key has lines of its own.
    Lines(&'t Table),
    /// In braces.
    Braces(&'t InlineTable),
}

/// A table that is changed.
pub(super) enum HeldMut<'t> {
    /// Under a header or dotted.
    Lines(&'t mut Table),
    /// In braces.
    Braces(&'t mut InlineTable),
}

impl<'t> Held<'t> {
    fn of(item: &'t Item) -> Option<Held<'t>> {
        match item {
            Item::Table(table) => Some(Held::Lines(table)),
            Item::Value(Value::InlineTable(table)) => Some(Held::Braces(table)),
            _ => None,
        }
    }

    /// Returns the table with the keys, whatever its form.
    pub fn table(self) -> &'t dyn TableLike {
        match self {
            Held::Lines(table) => table,
            Held::Braces(table) => table,
        }
    }

    /// Returns the table under `key`.
    pub fn below(self, key: &str) -> Option<Held<'t>> {
        Held::of(self.table().get(key)?)
    }

    /// Returns the text under `key`.
    pub fn text(self, key: &str) -> Option<&'t str> {
        self.table().get(key).and_then(Item::as_str).map(str::trim)
    }
}

impl<'t> HeldMut<'t> {
    fn of(item: &'t mut Item) -> Option<HeldMut<'t>> {
        match item {
            Item::Table(table) => Some(HeldMut::Lines(table)),
            Item::Value(Value::InlineTable(table)) => Some(HeldMut::Braces(table)),
            _ => None,
        }
    }

    /// Returns the table under `key`.
    pub fn below<'b>(&'b mut self, key: &str) -> Option<HeldMut<'b>> {
        match self {
            HeldMut::Lines(table) => table.get_mut(key).and_then(HeldMut::of),
            HeldMut::Braces(table) => {
                let table = table.get_mut(key)?.as_inline_table_mut();
                table.map(HeldMut::Braces)
            }
        }
    }

    /// Replaces a value inside its decor, so that a trailing comment stays, or adds the key.
    pub fn put(&mut self, key: &str, value: Value) {
        match self {
            HeldMut::Lines(table) => match table.get_mut(key).and_then(Item::as_value_mut) {
                Some(old) => replace(old, value),
                None => {
                    table.insert(key, Item::Value(value));
                }
            },
            HeldMut::Braces(table) => match table.get_mut(key) {
                Some(old) => replace(old, value),
                None => put_last(table, key, value),
            },
        }
    }

    /// Adds texts behind those of an array, laid out as they are, or adds the key.
    pub fn extend(&mut self, key: &str, texts: &[String]) {
        match self.array(key) {
            Some(array) => texts.iter().for_each(|text| push(array, text)),
            None => self.put(key, texts.iter().collect::<Array>().into()),
        }
    }

    /// Removes texts of an array; returns whether others are left.
    pub fn retain(&mut self, key: &str, keep: impl Fn(&str) -> bool) -> bool {
        let Some(array) = self.array(key) else { return true };
        let first = array.get(0).map(|first| first.decor().clone());
        let gone = |value: &Value| value.as_str().is_some_and(|text| !keep(text));
        let places: Vec<usize> =
            array.iter().enumerate().filter(|(_, it)| gone(it)).map(|(at, _)| at).collect();
        places.iter().rev().for_each(|place| remove(array, *place));
        if let Some((left, decor)) = array.get_mut(0).zip(first) {
            *left.decor_mut() = decor;
        }
        !array.is_empty()
    }

    fn array<'b>(&'b mut self, key: &str) -> Option<&'b mut Array> {
        match self {
            HeldMut::Lines(table) => table.get_mut(key)?.as_array_mut(),
            HeldMut::Braces(table) => table.get_mut(key)?.as_array_mut(),
        }
    }

    /// Removes a key that stands in braces; returns whether others are left.
    pub fn take(&mut self, key: &str) -> bool {
        let HeldMut::Braces(table) = self else { return true };
        let end = end_of(table);
        table.remove(key);
        if let Some((_, last)) = table.iter_mut().last() {
            last.decor_mut().set_suffix(end);
        }
        !table.is_empty()
    }
}

/// Removes an element; a remark before it on the line of the one before stays where it is.
fn remove(array: &mut Array, place: usize) {
    let gone = array.remove(place);
    let prefix = gone.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or("");
    let Some((remark, _)) = prefix.split_once('\n').filter(|(line, _)| line.contains('#')) else {
        return;
    };
    match array.get_mut(place) {
        Some(next) => {
            let own = next.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or("");
            let joined =
                format!("{remark}{}", own.find('\n').map_or("\n", |at| own.split_at(at).1));
            next.decor_mut().set_prefix(joined);
        }
        None => array.set_trailing(format!("{remark}\n")),
    }
}

/// Adds a text to an array; a remark behind the last one stays where it is.
fn push(array: &mut Array, text: &str) {
    let prefix = array.iter().last().and_then(|last| last.decor().prefix()?.as_str());
    let own_line = prefix.filter(|prefix| prefix.contains('\n')).map(String::from);
    let (Some(prefix), Some(trailing)) = (own_line, array.trailing().as_str()) else {
        array.push(text);
        return;
    };
    let indent = prefix.rfind('\n').and_then(|at| prefix.get(at..)).unwrap_or("\n").to_string();
    let remark = trailing.trim_end().to_string();
    let mut value = Value::from(text);
    value.decor_mut().set_prefix(format!("{remark}{indent}"));
    array.push_formatted(value);
    array.set_trailing("\n");
    array.set_trailing_comma(true);
}

fn replace(old: &mut Value, mut value: Value) {
    *value.decor_mut() = old.decor().clone();
    *old = value;
}

/// Adds a key behind the others; what stood before the closing brace stays there.
fn put_last(table: &mut InlineTable, key: &str, mut value: Value) {
    if !table.is_empty() {
        let end = end_of(table);
        if let Some((_, last)) = table.iter_mut().last() {
            last.decor_mut().set_suffix("");
        }
        value.decor_mut().set_prefix(" ");
        value.decor_mut().set_suffix(end);
    }
    table.insert(key, value);
}

fn end_of(table: &InlineTable) -> String {
    let last = table.iter().last().and_then(|(_, value)| value.decor().suffix()?.as_str());
    last.unwrap_or("").to_string()
}

/// Returns the entries of `[[array]]`.
pub(super) fn entries<'t>(root: &'t Table, array: &str) -> Vec<Held<'t>> {
    match root.get(array) {
        Some(Item::ArrayOfTables(tables)) => tables.iter().map(Held::Lines).collect(),
        Some(Item::Value(Value::Array(values))) => {
            values.iter().filter_map(Value::as_inline_table).map(Held::Braces).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns one entry of `[[array]]` to change it.
pub(super) fn entry_mut<'t>(root: &'t mut Table, array: &str, place: usize) -> Option<HeldMut<'t>> {
    match root.get_mut(array)? {
        Item::ArrayOfTables(tables) => tables.get_mut(place).map(HeldMut::Lines),
        Item::Value(Value::Array(values)) => {
            values.get_mut(place)?.as_inline_table_mut().map(HeldMut::Braces)
        }
        _ => None,
    }
}

/// Returns the table of a scope.
pub(super) fn scope<'t>(root: &'t Table, scope: &Scope) -> Option<Held<'t>> {
    match place_of(root, scope)? {
        Some((array, place)) => entries(root, array).get(place).copied(),
        None => Held::of(root.get("everyone")?),
    }
}

/// Returns the table of a scope to change it.
pub(super) fn scope_mut<'t>(root: &'t mut Table, scope: &Scope) -> Option<HeldMut<'t>> {
    match place_of(root, scope)? {
        Some((array, place)) => entry_mut(root, array, place),
        None => HeldMut::of(root.get_mut("everyone")?),
    }
}

/// Returns the array and place of a scope's entry; everyone's table stands alone.
fn place_of(root: &Table, scope: &Scope) -> Option<Option<(&'static str, usize)>> {
    let (array, name) = match scope {
        Scope::Device(name) => ("device", name.as_str()),
        Scope::Group(name) => ("group", name.as_str()),
        Scope::Everyone => return Some(None),
    };
    let place = entries(root, array).iter().position(|e| e.text("name") == Some(name))?;
    Some(Some((array, place)))
}
