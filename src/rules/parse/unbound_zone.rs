//! unbound's types of local zones, and what a list's zones and data say of each name.

use crate::model::{DomainName, NameRef, RecordType};

use super::{Answer, NameTable, Refusal, because, escaped};

/// What a local zone does with names in it. Of two types given to one zone the greater one says
/// how data in it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZoneType {
    /// Types that no data has go on.
    TypeTransparent,
    /// One type has no data, the others go on.
    BlockType(RecordType),
    /// Names that have no data go on.
    Transparent,
    /// All names go on, data or not.
    AlwaysTransparent,
    /// The zone's own data answers for all names in it.
    Redirect,
    /// Names that have no data do not exist.
    Static,
    /// What no data answers is blocked so.
    Strict(Answer),
    /// Everything is blocked so, data or not.
    Always(Answer),
}

impl ZoneType {
    /// Reads a type; nothing for those that are not about filtering.
    pub fn read(text: &str) -> Result<Option<ZoneType>, Refusal> {
        Ok(Some(match text.to_ascii_lowercase().as_str() {
            "always_nxdomain" => ZoneType::Always(Answer::NxDomain),
            "always_nodata" => ZoneType::Always(Answer::NoData),
            "always_null" => ZoneType::Always(Answer::Policy),
            "always_refuse" => ZoneType::Always(Answer::Refused),
            "always_deny" => ZoneType::Always(Answer::Drop),
            "refuse" => ZoneType::Strict(Answer::Refused),
            "deny" | "inform_deny" => ZoneType::Strict(Answer::Drop),
            "static" => ZoneType::Static,
            "redirect" | "inform_redirect" => ZoneType::Redirect,
            "always_transparent" => ZoneType::AlwaysTransparent,
            "transparent" | "inform" | "nodefault" => ZoneType::Transparent,
            "typetransparent" => ZoneType::TypeTransparent,
            "block_a" => ZoneType::BlockType(RecordType::A),
            "block_aaaa" => ZoneType::BlockType(RecordType::AAAA),
            "noview" | "ipset" => return Ok(None),
            other => return Err(because(&format!("`{}` is no type of zone", escaped(other)))),
        }))
    }

    fn is_blocking(self) -> bool {
        self >= ZoneType::Redirect || matches!(self, ZoneType::BlockType(_))
    }
}

/// What a list says of one name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spot {
    /// The type of its zone.
    pub zone: Option<ZoneType>,
    /// It has an address that means blocking.
    pub sink: bool,
    /// It has other data.
    pub data: bool,
    /// It exists, if only for the sake of names below.
    pub exists: bool,
    told: bool,
}

/// A list's zones and data, whatever the order of their lines.
pub struct LocalNames {
    spots: NameTable<Spot>,
}

impl LocalNames {
    /// Starts without names.
    pub fn new() -> LocalNames {
        LocalNames { spots: NameTable::new() }
    }

    /// Returns the place to note what is said of a name, or `None` if there is no room.
    pub fn place(&mut self, name: NameRef<'_>) -> Option<&mut Spot> {
        let key = *self.spots.keys(name).first()?;
        self.spots.place(key)
    }

    /// Returns what is said of a name itself, or `None` if there was no room to note it.
    pub fn spot(&self, name: NameRef<'_>) -> Option<Spot> {
        self.spots.get(*self.spots.keys(name).first()?).copied()
    }

    /// Returns the type of the longest zone that a name is in, and whether it is the name itself.
    pub fn zone_of(&self, name: NameRef<'_>) -> Option<(ZoneType, bool)> {
        let keys = self.spots.keys(name);
        let mut zones = keys.iter().enumerate();
        zones.find_map(|(depth, &key)| Some((self.spots.get(key)?.zone?, depth == 0)))
    }

    /// Returns whether a zone that blocks is around that of a name.
    pub fn is_in_blocking_zone(&self, name: NameRef<'_>) -> bool {
        let keys = self.spots.keys(name);
        let mut wider = keys.iter().skip(1).filter_map(|&key| self.spots.get(key)?.zone);
        wider.any(ZoneType::is_blocking)
    }

    /// Marks that the parents of a name exist in its zone, up to the zone itself.
    pub fn exist(&mut self, name: NameRef<'_>) {
        for key in self.spots.keys(name) {
            let Some(spot) = self.spots.place(key) else { return };
            spot.exists = true;
            if spot.zone.is_some() {
                return;
            }
        }
    }

    /// Gives, once each, the names from this up to its zone that exist without data.
    pub fn empty(&mut self, name: NameRef<'_>, mut give: impl FnMut(DomainName)) {
        let keys = self.spots.keys(name);
        for (name, key) in name.walk().zip(keys) {
            let Some(spot) = self.spots.get_mut(key) else { return };
            if !spot.sink && !spot.data && !std::mem::replace(&mut spot.told, true) {
                give(name.to_owned());
            }
            if spot.zone.is_some() {
                return;
            }
        }
    }
}
