//! Every setting in force, with its origin.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::Config;

/// Returns the settings as TOML; a comment behind each says where it comes from.
pub(super) fn show(config: &Config) -> String {
    let mut out = String::new();
    for (section, settings) in settings(config) {
        let _ = writeln!(out, "[{section}]");
        for Setting { key, value, origin } in settings {
            let _ = writeln!(out, "{key} = {value}  # {origin}");
        }
        out.push('\n');
    }
    for forward in &config.upstream.forward {
        let _ = writeln!(out, "[[forward]]  # {}", file(config));
        for (key, value) in &table(forward) {
            let _ = writeln!(out, "{key} = {value}");
        }
    }
    out
}

/// Returns the settings for programs: by section and key, each with its origin.
pub(super) fn values(config: &Config) -> serde_json::Value {
    let mut all = serde_json::Map::new();
    for (section, settings) in settings(config) {
        let settings = settings.into_iter().map(|setting| {
            let Setting { key, value, origin } = setting;
            (key, serde_json::json!({ "value": value, "origin": origin }))
        });
        all.insert(section.into(), settings.collect::<serde_json::Map<_, _>>().into());
    }
    let forwards: Vec<Table> = config.upstream.forward.iter().map(table).collect();
    all.insert("forward".into(), serde_json::json!(forwards));
    all.into()
}

/// One setting and where it comes from.
struct Setting {
    key: String,
    value: Value,
    origin: String,
}

fn settings(config: &Config) -> Vec<(&'static str, Vec<Setting>)> {
    let text = config.file.as_deref().and_then(|file| std::fs::read_to_string(file).ok());
    let given: Table = text.and_then(|text| text.parse().ok()).unwrap_or_default();
    let of_section = |(section, table): (&'static str, Table)| {
        let in_file = given.get(section).and_then(Value::as_table);
        let settings = table.into_iter().map(|(key, value)| {
            let from_file = in_file.is_some_and(|table| table.contains_key(&key));
            let origin = if from_file { file(config) } else { "default".into() };
            Setting { key, value, origin }
        });
        (section, settings.collect())
    };
    sections(config).into_iter().map(of_section).collect()
}

fn file(config: &Config) -> String {
    config.file.as_ref().map_or("config.toml".into(), |file| file.display().to_string())
}

fn sections(config: &Config) -> [(&'static str, Table); 9] {
    [
        ("dns", table(&config.dns)),
        ("resolver", table(&config.resolver)),
        ("upstream", table(&config.upstream)),
        ("devices", table(&config.devices)),
        ("discovery", table(&config.discovery)),
        ("policy", table(&config.policy)),
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
        let values = values(&config);
        assert_eq!(values["dns"]["workers"]["value"], 3);
        assert_eq!(values["log"]["days"]["origin"], "default");
        assert_eq!(values["forward"][0]["zone"], "lan");
    }
}
