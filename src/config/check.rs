//! What no single section can say by its types alone.

use std::ops::Range;

use toml::de::DeTable;

use super::Config;
use crate::diagnostic::Reader;
use crate::lists::fetch::Trust;
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
    if let Err(message) = Trust::with_own(config.lists.ca.as_deref()) {
        reader.problem(key_span(root, "lists"), &message, None);
    }
}

fn key_span(root: &DeTable<'_>, key: &str) -> Range<usize> {
    let found = root.keys().find(|name| name.get_ref() == key);
    found.map_or(0..0, |name| name.span())
}
