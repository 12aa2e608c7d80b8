//! Path to text to [`Config`].

use std::path::{Path, PathBuf};

use super::{Config, check};
use crate::diagnostic::{Problems, Reader};

/// Where config.toml is looked for when none is named.
const PLACES: [&str; 2] = ["config.toml", "/etc/deadpixel/config.toml"];
/// The tables that config.toml may hold.
const TABLES: [&str; 10] = [
    "dns",
    "resolver",
    "upstream",
    "forward",
    "devices",
    "discovery",
    "policy",
    "lists",
    "log",
    "storage",
];

/// Returns the configuration file in use when none is named.
pub fn find() -> Option<PathBuf> {
    PLACES.into_iter().map(PathBuf::from).find(|place| place.exists())
}

pub(super) fn load(file: Option<&Path>) -> Result<Config, Problems> {
    let Some(file) = file.map(Path::to_path_buf).or_else(find) else {
        return read(None, "");
    };
    match std::fs::read_to_string(&file) {
        Ok(text) => read(Some(&file), &text),
        Err(error) => {
            let help = "name another file with --config FILE";
            Err(Problems::of_file(&file.display().to_string(), &error.to_string(), help))
        }
    }
}

pub(super) fn read(file: Option<&Path>, text: &str) -> Result<Config, Problems> {
    let shown = file.map_or("config.toml".into(), |path| path.display().to_string());
    let mut reader = Reader::new(&shown, text);
    let root = reader.root().unwrap_or_default();
    reader.refuse_unknown(&root, &TABLES);
    let mut config = Config {
        file: file.map(Path::to_path_buf),
        dns: reader.section(&root, "dns"),
        resolver: reader.section(&root, "resolver"),
        upstream: reader.section(&root, "upstream"),
        devices: reader.section(&root, "devices"),
        discovery: reader.section(&root, "discovery"),
        policy: reader.section(&root, "policy"),
        lists: reader.section(&root, "lists"),
        log: reader.section(&root, "log"),
        storage: reader.section(&root, "storage"),
    };
    let forward = reader.array(&root, "forward");
    config.upstream.forward = forward.into_iter().map(|(_, table)| table).collect();
    check::check(&config, &root, &mut reader);
    reader.finish()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_says_what_holds_without_it() {
        let text = include_str!("../../config.toml");
        let shipped = read(None, text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(shipped, read(None, "").expect("defaults are right"));
    }

    #[test]
    fn all_problems_of_a_file_are_told_at_once() {
        let text = "[dns]\nlisten = [\"127.0.0.1\"]\nworker = 2\n[upstrem]\n[log]\ndays = -1\n";
        let problems = read(Some(Path::new("c.toml")), text).expect_err("four problems");
        let lines: Vec<usize> = problems.0.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 4, 6], "{problems}");
        assert!(problems.to_string().contains("did you mean `upstream`?"), "{problems}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let problems = load(Some(Path::new("/nowhere/config.toml"))).expect_err("no such file");
        assert!(problems.to_string().contains("/nowhere/config.toml"), "{problems}");
    }

    #[test]
    fn what_no_section_can_know_is_checked() {
        let text = "[dns]\nlisten = []\n[upstream]\nservers = []\n";
        let problems = read(None, text).expect_err("nothing to listen on, nobody to ask");
        assert_eq!(problems.0.len(), 2, "{problems}");
    }

    #[test]
    fn forwarders_are_addresses_and_never_everybody() {
        let read = |text: &str| read(Some(Path::new("c.toml")), text);
        let right = read("[devices]\nforwarders = [\"127.0.0.1\", \"10.0.0.0/24\"]\n");
        assert_eq!(right.expect("right").devices.forwarders.len(), 2);
        for wrong in ["0.0.0.0/0", "::/0", "router", "10.0.0.0/33"] {
            let text = format!("[dns]\n[devices]\nforwarders = [\"{wrong}\"]\n");
            let problems = read(&text).expect_err(wrong);
            let lines: Vec<usize> = problems.0.iter().map(|problem| problem.line).collect();
            assert!(matches!(lines[..], [2 | 3]), "{problems}");
            assert!(problems.to_string().contains("c.toml:"), "{problems}");
        }
    }

    #[test]
    fn data_lies_beside_the_file() {
        let config = read(Some(Path::new("/etc/deadpixel/config.toml")), "").expect("right");
        assert_eq!(config.socket(), Path::new("/etc/deadpixel/data/deadpixel.sock"));
        let text = "[storage]\npath = \"/var/lib/deadpixel\"\n";
        let config = read(Some(Path::new("/etc/deadpixel/config.toml")), text).expect("right");
        assert_eq!(config.data_folder(), Path::new("/var/lib/deadpixel"));
    }
}
