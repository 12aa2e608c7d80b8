//! Tables of tab-separated text: comments, an edition, a header, lines; problems with their places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::civil::Date;

use crate::diagnostic::Problem;
use crate::model::DomainName;

/// Most problems told of one table: whoever mends a hundred reads it again.
const MAX_PROBLEMS: usize = 100;

/// A table being read; collects its problems.
pub(super) struct Sheet<'t> {
    file: &'t str,
    text: &'t str,
    columns: &'static [&'static str],
    edition: Option<Date>,
    problems: Vec<Problem>,
    keys: HashMap<&'t str, u32>,
}

/// One line of a table; its first value is its key.
pub(super) struct Line<'t> {
    /// Its number, from 1.
    pub number: u32,
    text: &'t str,
    fields: Vec<&'t str>,
}

impl<'t> Line<'t> {
    /// Returns the value in a column; empty where the line ends before it.
    pub fn field(&self, column: usize) -> &'t str {
        self.fields.get(column).map_or("", |field| field.trim())
    }

    /// Returns the value in a column, or `None` where it is empty.
    pub fn optional(&self, column: usize) -> Option<String> {
        Some(self.field(column)).filter(|field| !field.is_empty()).map(String::from)
    }
}

impl<'t> Sheet<'t> {
    /// Starts to read `text`, known to people as `file`, which must have these columns.
    pub fn new(file: &'t str, text: &'t str, columns: &'static [&'static str]) -> Sheet<'t> {
        let text = text.trim_start_matches('\u{feff}');
        Sheet { file, text, columns, edition: None, problems: Vec::new(), keys: HashMap::new() }
    }

    /// Returns the lines that can be used; under a wrong header none can.
    pub fn lines(&mut self) -> Vec<Line<'t>> {
        let mut lines = Vec::new();
        let mut header = false;
        let mut comments = 0;
        for (position, text) in self.text.lines().enumerate() {
            let number = u32::try_from(position + 1).unwrap_or(u32::MAX);
            let line = Line { number, text, fields: text.split('\t').collect() };
            if let Some(comment) = text.strip_prefix('#') {
                comments += 1;
                if comments == 1 {
                    self.edition = edition(comment);
                }
            } else if text.trim().is_empty() {
                continue;
            } else if !header {
                header = true;
                if !self.is_header(&line) {
                    return Vec::new();
                }
            } else if self.is_usable(&line) {
                lines.push(line);
            }
        }
        self.check_head(header);
        lines
    }

    /// Adds a problem with the value in a column.
    pub fn problem(
        &mut self,
        line: &Line<'_>,
        column: usize,
        message: String,
        help: Option<String>,
    ) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let before: usize = line.fields.iter().take(column).map(|f| f.chars().count() + 1).sum();
        let width = line.fields.get(column).map_or(1, |field| field.chars().count().max(1));
        self.problems.push(Problem {
            file: self.file.into(),
            line: line.number as usize,
            column: before + 1,
            width,
            text: line.text.into(),
            message,
            help,
        });
    }

    /// Returns the value in a column, which must not be empty.
    pub fn required(&mut self, line: &Line<'t>, column: usize) -> Option<&'t str> {
        let field = line.field(column);
        if field.is_empty() {
            let name = self.columns.get(column).unwrap_or(&"value");
            self.problem(line, column, format!("the {name} is missing"), None);
        }
        Some(field).filter(|field| !field.is_empty())
    }

    /// Returns the domain name in a column.
    pub fn name(&mut self, line: &Line<'t>, column: usize) -> Option<DomainName> {
        let text = self.required(line, column)?;
        match DomainName::parse(text) {
            Ok(name) => Some(name),
            Err(error) => {
                self.problem(line, column, format!("`{text}`: {error}"), None);
                None
            }
        }
    }

    /// Returns whether the line's key is new; one that stands twice is a problem.
    pub fn is_new(&mut self, line: &Line<'t>) -> bool {
        let key = line.field(0);
        match self.keys.entry(key) {
            Entry::Vacant(place) => {
                place.insert(line.number);
                true
            }
            Entry::Occupied(place) => {
                let first = *place.get();
                self.problem(line, 0, format!("`{key}` stands in line {first} already"), None);
                false
            }
        }
    }

    /// Ends the reading: the edition, and what was wrong.
    pub fn finish(self) -> (Option<Date>, Vec<Problem>) {
        (self.edition, self.problems)
    }

    fn is_header(&mut self, line: &Line<'t>) -> bool {
        let right = line.fields == self.columns;
        if !right {
            let help = Some(format!("write {}, with tabs between", self.columns.join(" ")));
            self.problem(line, 0, "this is not the header of this table".into(), help);
        }
        right
    }

    fn is_usable(&mut self, line: &Line<'t>) -> bool {
        let wrong = if line.fields.len() > self.columns.len() {
            Some((self.columns.len(), "there are more values than columns"))
        } else {
            let odd = line.fields.iter().position(|field| field.contains(is_unprintable));
            odd.map(|column| (column, "the value has a control character"))
        };
        if let Some((column, message)) = wrong {
            self.problem(line, column, message.into(), None);
        }
        wrong.is_none()
    }

    fn check_head(&mut self, header: bool) {
        let first = self.text.lines().next().unwrap_or("");
        let first = Line { number: 1, text: first, fields: vec![first] };
        if self.edition.is_none() {
            let help = Some("begin the file with `# edition: 2026-11-21`".into());
            self.problem(&first, 0, "the first comment does not tell the edition".into(), help);
        }
        if !header {
            self.problem(&first, 0, "the table has no header and no lines".into(), None);
        }
    }
}

fn edition(comment: &str) -> Option<Date> {
    comment.trim().strip_prefix("edition:")?.trim().parse().ok()
}

// Direction marks could make one name look like another in a table or a report.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[&str] = &["name", "company", "note"];
    const HEAD: &str = "# edition: 2026-11-21\nname\tcompany\tnote\n";

    fn read(text: &str) -> (Vec<Vec<String>>, Vec<String>) {
        let mut sheet = Sheet::new("t.tsv", text, COLUMNS);
        let lines = sheet.lines();
        let values = lines.iter().map(|l| (0..3).map(|c| l.field(c).to_string()).collect());
        let values = values.collect();
        let (_, problems) = sheet.finish();
        let told = problems.iter().map(|p| format!("{}:{}: {}", p.line, p.column, p.message));
        (values, told.collect())
    }

    #[test]
    fn lines_are_read_past_comments_blanks_and_windows_line_ends() {
        let text =
            "\u{feff}# edition: 2026-11-21\r\n# more\r\nname\tcompany\tnote\r\n\r\na.com\tx\r\n";
        assert_eq!(read(text), (vec![vec!["a.com".into(), "x".into(), String::new()]], vec![]));
    }

    #[test]
    fn a_wrong_head_is_told() {
        for head in [
            "",
            "# hello\n",
            "# edition: soon\n",
            "# edition: 2026-13-01\n",
            "#\n# edition: 2026-11-21\n",
        ] {
            let (lines, told) = read(&format!("{head}name\tcompany\tnote\na.com\tx\n"));
            assert_eq!(lines.len(), 1);
            assert_eq!(told, ["1:1: the first comment does not tell the edition"], "{head:?}");
        }
        let (lines, told) = read("# edition: 2026-11-21\nname\tnote\na.com\tx\n");
        assert!(lines.is_empty());
        assert_eq!(told, ["2:1: this is not the header of this table"]);
        assert_eq!(
            read("# edition: 2026-11-21\n").1,
            ["1:1: the table has no header and no lines"]
        );
    }

    #[test]
    fn lines_with_too_many_values_or_control_characters_are_left_out_and_told() {
        let (lines, told) =
            read(&format!("{HEAD}a.com\tx\ty\tz\nb.com\t\u{1b}[31m\nc.com\tx\u{202e}\n"));
        assert!(lines.is_empty());
        assert_eq!(
            told,
            [
                "3:11: there are more values than columns",
                "4:7: the value has a control character",
                "5:7: the value has a control character",
            ]
        );
    }

    #[test]
    fn problems_are_bounded() {
        assert_eq!(read(&format!("{HEAD}{}", "a\t\t\t\n".repeat(500))).1.len(), MAX_PROBLEMS);
    }

    #[test]
    fn values_are_checked_at_their_places() {
        let text = format!("{HEAD}a..b\tx\n\tx\na.com\ny.com\tx\ny.com\tx\n");
        let mut sheet = Sheet::new("t.tsv", &text, COLUMNS);
        let mut names = Vec::new();
        for line in sheet.lines() {
            names.extend(sheet.name(&line, 0));
            sheet.required(&line, 1);
            sheet.is_new(&line);
        }
        assert_eq!(names.len(), 3);
        let problems = sheet.finish().1;
        let told: Vec<_> = problems.iter().map(|p| (p.line, p.column, p.width)).collect();
        assert_eq!(told, [(3, 1, 4), (4, 1, 1), (5, 7, 1), (7, 1, 5)]);
        assert_eq!(problems[3].message, "`y.com` stands in line 6 already");
    }
}
