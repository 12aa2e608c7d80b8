//! The check of devices: what they are called, and by which addresses they are known.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::str::FromStr;

use toml::Spanned;
use toml::de::DeTable;

use super::{Checker, DeviceForm, PartForm, Text, has_key, names_of};
use crate::model::{DeviceKind, DeviceName, HardwareAddress, Prefix};
use crate::policy::DevicePart;

/// What devices before this one are known by: the owner and the place in the text.
#[derive(Default)]
struct Owners {
    addresses: HashMap<Prefix, (String, usize)>,
    hardware: HashMap<HardwareAddress, (String, usize)>,
}

impl<'t> Checker<'t, '_> {
    pub(super) fn devices(&mut self, root: &DeTable<'t>) -> Vec<DevicePart> {
        let forms: Vec<(_, DeviceForm)> = self.reader.array(root, "device");
        let groups = names_of(root, "group");
        let mut owners = Owners::default();
        let mut devices = Vec::new();
        for (place, form) in forms {
            if !has_key(root, "device", &place, &["addresses", "hardware"]) || is_bare(&form) {
                self.needs_something(&form);
            }
            let addresses = self.own(&form, &form.addresses, ("address", &mut owners.addresses));
            let hardware =
                self.own(&form, &form.hardware, ("hardware address", &mut owners.hardware));
            let kind = self.kind(&form);
            let groups = self.groups_of(&form.groups, &groups);
            let tags = form.tags.iter().filter_map(|tag| self.parsed(tag, parse_tag)).collect();
            let DeviceForm { name, level, lists, companies, log, only_listed, .. } = form;
            let part = self.part(&PartForm { level, lists, companies, log, only_listed });
            let parsed = self.parsed(&name, DeviceName::parse);
            let Some(device) = parsed.filter(|device| self.is_free(device.as_str(), &name)) else {
                continue;
            };
            if self.once(&format!("device {device}"), name.span()) {
                let name = device;
                devices.push(DevicePart { name, addresses, hardware, kind, groups, tags, part });
            }
        }
        devices
    }

    fn needs_something(&mut self, form: &DeviceForm) {
        let written = form.addresses.as_ref().or(form.hardware.as_ref());
        let span = written.map_or(form.name.span(), |texts| texts.span());
        let message = "a device needs an address or a hardware address";
        let help = "write hardware = [\"3c:5a:b4:01:02:03\"] or addresses = [\"192.168.1.40\"]";
        self.problem(span, message, Some(help));
    }

    /// Reads what a device alone is known by; `owners` has what those before it are.
    fn own<T>(
        &mut self,
        form: &DeviceForm,
        texts: &Option<Spanned<Vec<Text>>>,
        (what, owners): (&str, &mut HashMap<T, (String, usize)>),
    ) -> Vec<T>
    where
        T: FromStr<Err: Display> + Eq + Hash + Copy + Display,
    {
        let mut own = Vec::new();
        for text in texts.iter().flat_map(|texts| texts.get_ref()) {
            let Some(value) = self.parsed(text, |text| text.trim().parse::<T>()) else { continue };
            if let Some((owner, place)) = owners.get(&value) {
                let line = self.line_of(*place);
                let message = format!("{value} is an {what} of `{owner}` already, in line {line}");
                let message = message.replace("an hardware", "a hardware");
                self.problem(text.span(), &message, Some("leave it at one of the two"));
                continue;
            }
            owners.insert(value, (form.name.get_ref().trim().to_string(), text.span().start));
            own.push(value);
        }
        own
    }

    fn kind(&mut self, form: &DeviceForm) -> Option<DeviceKind> {
        let text = form.kind.as_ref()?;
        let words = DeviceKind::ALL.map(|kind| (kind.as_str(), kind));
        self.word(text.get_ref().trim(), text.span(), "kind of device", &words)
    }
}

/// Returns whether what is written of a device's addresses is empty.
fn is_bare(form: &DeviceForm) -> bool {
    let mut written = form.addresses.iter().chain(&form.hardware).peekable();
    written.peek().is_some() && written.all(|texts| texts.get_ref().is_empty())
}

fn parse_tag(text: &str) -> Result<Box<str>, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
        return Err(format!("`{text}` is no tag; write 1 to 64 of a-z, 0-9 and _, as user_child"));
    }
    Ok(text.into())
}
