//! Every setting in force, with its origin.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::Config;

/// Returns the settings as TOML; a comment behind each says where it comes from.
pub(super) fn show(config: &Config) -> String {
    let text = config.file.as_deref().and_then(|file| std::fs::read_to_string(file).ok());
    let given: Table = text.and_then(|text| text.parse().ok()).unwrap_or_default();
    let file = config.file.as_ref().map_or("config.toml".into(), |file| file.display().to_string());
    let mut out = String::new();
    for (section, table) in sections(config) {
        let _ = writeln!(out, "[{section}]");
        let in_file = given.get(section).and_then(Value::as_table);
        for (key, value) in &table {
            let from_file = in_file.is_some_and(|table| table.contains_key(key));
            let origin = if from_file { &file } else { "default" };
            let _ = writeln!(out, "{key} = {value}  # {origin}");
        }
        out.push('\n');
    }
    for forward in &config.upstream.forward {
        let _ = writeln!(out, "[[forward]]  # {file}");
        for (key, value) in &table(forward) {
            let _ = writeln!(out, "{key} = {value}");
        }
    }
    out
}

fn sections(config: &Config) -> [(&'static str, Table); 6] {
    [
        ("dns", table(&config.dns)),
        ("resolver", table(&config.resolver)),
        ("upstream", table(&config.upstream)),
        ("lists", table(&config.lists)),
        ("log", table(&config.log)),
        ("storage", table(&config.storage)),
    ]
}

fn table(section: &impl serde::Serialize) -> Table {
    Table::try_from(section).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_a_configuration_again() {
        let text = "[dns]\nworkers = 3\n[[forward]]\nzone = \"lan\"\nservers = [{ url = \"udp://192.168.1.1\" }]\n";
        let config = Config::read(None, text).unwrap_or_else(|problems| panic!("{problems}"));
        let shown = show(&config);
        let again = Config::read(None, &shown).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(again, config, "{shown}");
    }
}
