//! The check of names of ours, and of how blocked queries are answered.

use std::net::IpAddr;
use std::path::PathBuf;

use toml::de::DeTable;

use super::{BlockingForm, Checker, LocalForm, Text, ZoneForm};
use crate::model::DomainName;
use crate::policy::Standing;
use crate::sinkhole::BlockingMode;
use crate::zones::{LocalName, LocalNames};

/// Longest time a blocked answer may be kept: a day.
const LONGEST_TTL: u32 = 86_400;

#[derive(Clone, Copy)]
enum Mode {
    Null,
    NxDomain,
    NoData,
    Refused,
    Drop,
    Addresses,
}

const MODES: [(&str, Mode); 6] = [
    ("null", Mode::Null),
    ("nxdomain", Mode::NxDomain),
    ("nodata", Mode::NoData),
    ("refused", Mode::Refused),
    ("drop", Mode::Drop),
    ("addresses", Mode::Addresses),
];

impl<'t> Checker<'t, '_> {
    /// Reads one word of a few, if there is one.
    pub(super) fn choice<T: Copy>(
        &mut self,
        text: Option<&Text>,
        what: &str,
        words: &[(&str, T)],
        otherwise: T,
    ) -> T {
        let chosen = text.and_then(|text| self.word(text.get_ref(), text.span(), what, words));
        chosen.unwrap_or(otherwise)
    }

    pub(super) fn blocking(&mut self, root: &DeTable<'t>) -> (BlockingMode, u32) {
        let form: BlockingForm = self.reader.section(root, "blocking");
        let mode = self.choice(form.mode.as_ref(), "blocking mode", &MODES, Mode::Null);
        let texts = form.addresses.as_ref().map_or(&[][..], |texts| texts.get_ref());
        let addresses: Vec<IpAddr> =
            texts.iter().filter_map(|text| self.parsed(text, parse_address)).collect();
        let place = form.addresses.as_ref().map(|texts| texts.span());
        let named = form.mode.as_ref().map(|mode| mode.span());
        let given = !texts.is_empty();
        match (mode, place, named) {
            (Mode::Addresses, _, Some(span)) if !given => {
                let help = "write addresses = [\"192.168.1.2\", \"fd00::2\"]";
                self.problem(span, "mode \"addresses\" needs addresses", Some(help));
            }
            (Mode::Addresses, ..) | (_, None, _) => {}
            (_, Some(span), _) => {
                let help = "write mode = \"addresses\"";
                self.problem(span, "addresses count only in mode \"addresses\"", Some(help));
            }
        }
        (blocking_mode(mode, &addresses), self.ttl(&form))
    }

    fn ttl(&mut self, form: &BlockingForm) -> u32 {
        let Some(ttl) = &form.ttl else { return Standing::default().blocked_ttl };
        if *ttl.get_ref() > LONGEST_TTL {
            let message = format!("a blocked answer is kept {LONGEST_TTL} s (a day) at most");
            self.problem(ttl.span(), &message, None);
        }
        *ttl.get_ref()
    }

    pub(super) fn local(&mut self, root: &DeTable<'t>) -> LocalNames {
        let names: Vec<(_, LocalForm)> = self.reader.array(root, "local");
        let zones: Vec<(_, ZoneForm)> = self.reader.array(root, "zone");
        LocalNames {
            names: names.iter().filter_map(|(_, form)| self.local_name(form)).collect(),
            zone_files: zones.iter().filter_map(|(_, form)| self.zone(form)).collect(),
        }
    }

    fn local_name(&mut self, form: &LocalForm) -> Option<LocalName> {
        let written = form.name.get_ref().trim();
        let (name, wildcard) = match written.strip_prefix("*.") {
            Some(parent) => (parent, true),
            None => (written, false),
        };
        let name = self.domain(&Text::new(form.name.span(), name.to_string()));
        let addresses: Vec<IpAddr> =
            form.addresses.iter().filter_map(|text| self.parsed(text, parse_address)).collect();
        let alias = form.alias.as_ref().map(|alias| self.domain(alias));
        if form.addresses.is_empty() == alias.is_none() {
            let message = format!("`{written}` needs either addresses or an alias");
            let help = "write addresses = [\"192.168.1.9\"] or alias = \"nas.lan\"";
            self.problem(form.name.span(), &message, Some(help));
        }
        let alias = match alias {
            Some(alias) => Some(alias?),
            None => None,
        };
        let name = name?;
        let once = self.once(&format!("local name {written}"), form.name.span());
        once.then_some(LocalName { name, wildcard, addresses, alias })
    }

    fn zone(&mut self, form: &ZoneForm) -> Option<(DomainName, PathBuf)> {
        let name = self.domain(&form.name);
        let file = self.path_below(&form.file, "the data folder");
        let (name, file) = (name?, file?);
        self.once(&format!("zone {name}"), form.name.span()).then_some((name, file))
    }
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no address; write 192.168.1.9 or fd00::9"))
}

fn blocking_mode(mode: Mode, addresses: &[IpAddr]) -> BlockingMode {
    match mode {
        Mode::Null => BlockingMode::NullAddress,
        Mode::NxDomain => BlockingMode::NxDomain,
        Mode::NoData => BlockingMode::NoData,
        Mode::Refused => BlockingMode::Refused,
        Mode::Drop => BlockingMode::Drop,
        Mode::Addresses => {
            let v4 = addresses.iter().filter_map(|a| match a {
                IpAddr::V4(v4) => Some(*v4),
                IpAddr::V6(_) => None,
            });
            let v6 = addresses.iter().filter_map(|a| match a {
                IpAddr::V6(v6) => Some(*v6),
                IpAddr::V4(_) => None,
            });
            BlockingMode::Addresses { v4: v4.collect(), v6: v6.collect() }
        }
    }
}
