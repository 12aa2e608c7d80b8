//! Problems in texts that people write: the place, the line itself, the mend; all of a file at once.

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One problem and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the reader was given it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters to mark.
    pub width: usize,
    /// The line itself.
    pub text: String,
    /// What is wrong.
    pub message: String,
    /// What would be right, if that can be told.
    pub help: Option<String>,
}

/// All problems of one reading, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

/// A TOML file being read; collects its problems.
pub struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    /// Starts to read `text`, known to people as `file`.
    pub fn new(file: &'t str, text: &'t str) -> Reader<'t> {
        Reader { file, text, problems: Vec::new() }
    }

    /// Parses the text; a syntax error ends the reading.
    pub fn root(&mut self) -> Option<DeTable<'t>> {
        match DeTable::parse(self.text) {
            Ok(table) => Some(table.into_inner()),
            Err(error) => {
                self.problem(error.span().unwrap_or(0..0), error.message().trim(), None);
                None
            }
        }
    }

    /// Deserialises one table key by key, so that one bad key does not hide the next.
    ///
    /// Give `T` the attribute `deny_unknown_fields`; `span` is shown for keys that are missing.
    pub fn table<T: DeserializeOwned>(
        &mut self,
        table: &DeTable<'t>,
        span: Range<usize>,
    ) -> Option<T> {
        let mut good = DeTable::new();
        let before = self.problems.len();
        for (key, value) in table {
            let mut alone = DeTable::new();
            alone.insert(key.clone(), value.clone());
            match deserialize::<T>(alone, span.clone()) {
                Err(error) if !is_missing(&error) => self.toml_problem(&error, key.span()),
                _ => {
                    good.insert(key.clone(), value.clone());
                }
            }
        }
        match deserialize::<T>(good, span.clone()) {
            Ok(value) => Some(value),
            Err(error) => {
                // A key that is there but wrong has had its problem.
                let absent = missing_key(&error).is_some_and(|key| entry(table, key).is_none());
                if self.problems.len() == before || absent {
                    self.toml_problem(&error, span);
                }
                None
            }
        }
    }

    /// Deserialises the table under `key`, or the default where it is absent.
    pub fn section<T: DeserializeOwned + Default>(&mut self, root: &DeTable<'t>, key: &str) -> T {
        let Some((span, value)) = entry(root, key) else {
            return T::default();
        };
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, span).unwrap_or_default(),
            _ => {
                self.problem(value.span(), &format!("`{key}` is a table: write [{key}]"), None);
                T::default()
            }
        }
    }

    /// Deserialises each `[[key]]` table on its own; returns those that are right with their places.
    pub fn array<T: DeserializeOwned>(
        &mut self,
        root: &DeTable<'t>,
        key: &str,
    ) -> Vec<(Range<usize>, T)> {
        let Some((_, value)) = entry(root, key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.problem(
                value.span(),
                &format!("`{key}` is a list of tables: write [[{key}]]"),
                None,
            );
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items.iter() {
            if let DeValue::Table(table) = item.get_ref() {
                let span = item.span();
                found.extend(self.table(table, span.clone()).map(|value| (span, value)));
            } else {
                self.problem(item.span(), &format!("`{key}` holds tables: write [[{key}]]"), None);
            }
        }
        found
    }

    /// Names every key at the top that is not in `known`.
    pub fn refuse_unknown(&mut self, root: &DeTable<'t>, known: &[&str]) {
        for key in root.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref();
            self.problem(
                key.span(),
                &format!("unknown key `{name}`"),
                nearest(name, known.iter().copied()),
            );
        }
    }

    /// Adds a problem at `span` (octets of the text).
    pub fn problem(&mut self, span: Range<usize>, message: &str, help: Option<String>) {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let text = self.text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or("");
        let marked = self.text.get(start..span.end.min(self.text.len())).unwrap_or("");
        self.problems.push(Problem {
            file: self.file.into(),
            line: before.matches('\n').count() + 1,
            column: self.text.get(line_start..start).map_or(0, |t| t.chars().count()) + 1,
            width: marked.lines().next().map_or(1, |t| t.chars().count().max(1)),
            text: text.into(),
            message: message.into(),
            help,
        });
    }

    /// Ends the reading: `Err` with all problems if there were any.
    pub fn finish(mut self) -> Result<(), Problems> {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }

    fn toml_problem(&mut self, error: &toml::de::Error, otherwise: Range<usize>) {
        let message = error.message().trim();
        let span = error.span().unwrap_or(otherwise);
        match message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
            Some((name, expected)) => {
                let known = expected.split('`').skip(1).step_by(2);
                self.problem(span, &format!("unknown key `{name}`"), nearest(name, known));
            }
            None => {
                let message = message.replace("missing field", "missing key");
                self.problem(span, &message, None);
            }
        }
    }
}

impl Problems {
    /// Returns the one problem of a file that cannot be read at all.
    pub fn of_file(file: &str, message: &str, help: &str) -> Problems {
        Problems(vec![Problem {
            file: file.into(),
            line: 1,
            column: 1,
            width: 1,
            text: String::new(),
            message: message.into(),
            help: Some(help.into()),
        }])
    }
}

fn entry<'a, 't>(
    root: &'a DeTable<'t>,
    key: &str,
) -> Option<(Range<usize>, &'a Spanned<DeValue<'t>>)> {
    let found = root.iter().find(|(name, _)| name.get_ref() == key);
    found.map(|(name, value)| (name.span(), value))
}

fn deserialize<T: DeserializeOwned>(
    table: DeTable<'_>,
    span: Range<usize>,
) -> Result<T, toml::de::Error> {
    T::deserialize(toml::de::Deserializer::from(Spanned::new(span, table)))
}

fn is_missing(error: &toml::de::Error) -> bool {
    missing_key(error).is_some()
}

fn missing_key(error: &toml::de::Error) -> Option<&str> {
    error.message().strip_prefix("missing field `")?.split('`').next()
}

/// Returns the known word that is most like `name`, as a question.
pub fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    known
        .map(|word| (strsim::jaro_winkler(name, word), word))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| format!("did you mean `{word}`?"))
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, line, column, width, text, message, help } = self;
        let gutter = " ".repeat(line.to_string().len());
        let indent = " ".repeat(column - 1);
        let marks = "^".repeat(*width);
        writeln!(out, "error: {file}:{line}:{column}: {message}")?;
        writeln!(out, "{gutter} |\n{line} | {text}\n{gutter} | {indent}{marks}")?;
        match help {
            Some(help) => writeln!(out, "help: {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| problem.fmt(out))
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Dns {
        upstream: Vec<String>,
        port: u16,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Device {
        name: String,
    }

    #[test]
    fn all_problems_are_found_with_place_and_mend() {
        let text = "[dns]\nupstrem = []\nport = \"x\"\n[[device]]\nname = 1\n[[device]]\nname = \"tv\"\n[dsn]\n";
        let mut reader = Reader::new("c.toml", text);
        let root = reader.root().expect("the syntax is right");
        assert_eq!(reader.section::<Dns>(&root, "dns"), Dns::default());
        let devices: Vec<(_, Device)> = reader.array(&root, "device");
        assert_eq!(devices.len(), 1);
        reader.refuse_unknown(&root, &["dns", "device"]);
        let problems = reader.finish().expect_err("four problems").0;
        let places: Vec<_> = problems.iter().map(|p| (p.line, p.column)).collect();
        assert_eq!(places, [(2, 1), (3, 8), (5, 8), (8, 2)]);
        assert_eq!(problems[0].help.as_deref(), Some("did you mean `upstream`?"));
        assert_eq!(
            problems[0].to_string(),
            "error: c.toml:2:1: unknown key `upstrem`\n  |\n2 | upstrem = []\n  | ^^^^^^^\n\
             help: did you mean `upstream`?\n"
        );
    }

    #[test]
    fn a_missing_key_and_a_syntax_error_are_told() {
        let mut reader = Reader::new("c.toml", "[[device]]\n");
        let root = reader.root().expect("the syntax is right");
        assert!(reader.array::<Device>(&root, "device").is_empty());
        let problems = reader.finish().expect_err("a problem");
        assert!(problems.to_string().contains("missing key `name`"), "{problems}");
        let mut broken = Reader::new("c.toml", "a = \n");
        assert!(broken.root().is_none());
        assert_eq!(broken.finish().expect_err("a problem").0[0].line, 1);
    }
}
