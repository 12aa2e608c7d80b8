//! What no single section can say by its types alone.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::Config;
use crate::diagnostic::Reader;
use crate::lists::fetch::Trust;
use crate::policy_file::Zone;
use crate::upstream;

pub(super) fn check<'t>(config: &Config, root: &DeTable<'t>, reader: &mut Reader<'t>) {
    let dns = key_span(root, "dns");
    if let Err(message) = config.dns.check() {
        reader.problem(dns, &message, None);
    }
    if let Err(message) = config.devices.check() {
        reader.problem(key_span(root, "devices"), &message, None);
    }
    let span = key_span(root, "upstream");
    if config.upstream.servers.is_empty() {
        let help = "leave `servers` out to use the default ones";
        reader.problem(span.clone(), "`servers` is empty: nobody to ask", Some(help.into()));
    }
    for message in upstream::check(&config.upstream).err().unwrap_or_default() {
        reader.problem(span.clone(), &message, None);
    }
    if let Err((message, help)) = Zone::of(&config.policy) {
        reader.problem(value_span(root, "policy", "time_zone"), &message, help);
    }
    if let Err(message) = Trust::with_own(config.lists.ca.as_deref()) {
        reader.problem(key_span(root, "lists"), &message, None);
    }
}

fn key_span(root: &DeTable<'_>, key: &str) -> Range<usize> {
    let found = root.keys().find(|name| name.get_ref() == key);
    found.map_or(0..0, |name| name.span())
}

/// Returns the place of a value in a section, or of the section.
fn value_span(root: &DeTable<'_>, section: &str, key: &str) -> Range<usize> {
    let found = root.iter().find(|(name, _)| name.get_ref() == section);
    let value = found.and_then(|(_, value)| match value.get_ref() {
        DeValue::Table(table) => table.iter().find(|(name, _)| name.get_ref() == key),
        _ => None,
    });
    value.map_or_else(|| key_span(root, section), |(_, value)| value.span())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_time_zone_that_does_not_exist_is_told_at_its_place_with_its_mend() {
        let text = "[policy]\n# ours\ntime_zone = \"Europe/Berlni\"\n";
        let problems = Config::read(None, text).expect_err("no zone").0;
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!((problem.line, problem.column), (3, 13));
        assert_eq!(problem.message, "there is no time zone `Europe/Berlni`");
        assert_eq!(problem.help.as_deref(), Some("did you mean `Europe/Berlin`?"));
        assert!(Config::read(None, &text.replace("lni", "lin")).is_ok());
    }
}
