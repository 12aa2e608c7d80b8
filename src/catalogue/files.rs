//! The six tables as text: compiled into the program, or read from a folder.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::diagnostic::{Problem, Problems};

/// Largest table that is read from a folder; the shipped ones together are not a tenth of it.
const MAX_OCTETS: u64 = 16 << 20;

/// One table: what people call it, and its text.
pub(super) struct Text {
    /// The file's name, or its path in a folder.
    pub file: String,
    /// What it holds.
    pub text: Cow<'static, str>,
}

impl Text {
    /// Makes a problem with the table as a whole.
    pub fn problem(&self, message: String, help: Option<String>) -> Problem {
        let text = self.text.lines().next().unwrap_or("").into();
        Problem { file: self.file.clone(), line: 1, column: 1, width: 1, text, message, help }
    }
}

/// All tables.
pub(super) struct Texts {
    /// `companies.tsv`
    pub companies: Text,
    /// `names.tsv`
    pub names: Text,
    /// `patterns.tsv`
    pub patterns: Text,
    /// `cname-cloaking.tsv`
    pub aliases: Text,
    /// `encrypted-dns.tsv`
    pub encrypted_dns: Text,
    /// `essential.tsv`
    pub essential: Text,
}

macro_rules! compiled_in {
    ($file:literal) => {
        Text {
            file: concat!("blocklists/", $file).into(),
            text: Cow::Borrowed(include_str!(concat!("../../blocklists/", $file))),
        }
    };
}

impl Texts {
    /// Returns the tables that the program carries.
    pub fn shipped() -> Texts {
        Texts {
            companies: compiled_in!("companies.tsv"),
            names: compiled_in!("names.tsv"),
            patterns: compiled_in!("patterns.tsv"),
            aliases: compiled_in!("cname-cloaking.tsv"),
            encrypted_dns: compiled_in!("encrypted-dns.tsv"),
            essential: compiled_in!("essential.tsv"),
        }
    }

    /// Returns each table.
    pub fn all(&self) -> [&Text; 6] {
        let Texts { companies, names, patterns, aliases, encrypted_dns, essential } = self;
        [companies, names, patterns, aliases, encrypted_dns, essential]
    }

    /// Reads the tables of a folder, which must have all six.
    pub fn from_folder(folder: &Path) -> Result<Texts, Problems> {
        let mut problems = Vec::new();
        let mut text = |name| read(&folder.join(name), &mut problems);
        let texts = Texts {
            companies: text("companies.tsv"),
            names: text("names.tsv"),
            patterns: text("patterns.tsv"),
            aliases: text("cname-cloaking.tsv"),
            encrypted_dns: text("encrypted-dns.tsv"),
            essential: text("essential.tsv"),
        };
        if problems.is_empty() { Ok(texts) } else { Err(Problems(problems)) }
    }
}

fn read(path: &Path, problems: &mut Vec<Problem>) -> Text {
    let file = path.display().to_string();
    match read_bounded(path) {
        Ok(text) => Text { file, text: Cow::Owned(text) },
        Err(error) => {
            let nothing = Text { file, text: Cow::Borrowed("") };
            let help = "the folder must have all six tables of blocklists/";
            let message = format!("the table cannot be read: {error}");
            problems.push(nothing.problem(message, Some(help.into())));
            nothing
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_OCTETS + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_OCTETS {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(text)
}
