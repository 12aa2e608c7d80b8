//! Lease files of systemd-networkd's DHCP server: JSON, replaced whole.

use std::fmt;
use std::net::IpAddr;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Table;
use crate::devices::Lease;
use crate::model::HardwareAddress;

/// The type of hardware that Ethernet is (RFC 826).
const ETHERNET: u64 = 1;

/// Returns whether a line can begin such a file.
pub(super) fn is_start(line: &str) -> bool {
    line.starts_with(['{', '['])
}

/// Reads the object with `Leases`, or the bare list that systemd 256 wrote at first.
pub(super) fn read(text: &str, table: &mut Table) {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = serde_json::Deserializer::from_str(text);
    // What was read before a fault is kept.
    match reader.deserialize_any(File(table)) {
        Err(error) if error.is_eof() => table.cut = true,
        Err(_) => table.refuse(),
        Ok(()) => {}
    }
}

/// Puts leases into the table as they are read, so that a huge file is never held as values.
struct File<'t>(&'t mut Table);

impl<'de> Visitor<'de> for File<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("leases")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "Leases" {
                map.next_value_seed(File(&mut *self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element::<Entry>()? {
            self.0.add_or_refuse(entry.lease());
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for File<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    address: Vec<u8>,
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default)]
    client_id: Vec<u8>,
    #[serde(default)]
    hardware_address_type: Option<u64>,
    #[serde(default)]
    hardware_address: Vec<u8>,
    #[serde(rename = "ExpirationRealtimeUSec", default)]
    expiration: Option<u64>,
}

impl Entry {
    /// `None` where no end by the wall clock is told: the time since some boot tells nothing.
    fn lease(self) -> Option<Lease> {
        let until = match self.expiration? {
            u64::MAX => None,
            micros => Some(i64::try_from(micros / 1_000_000).ok()?),
        };
        let address: [u8; 4] = self.address.as_slice().try_into().ok()?;
        let address = IpAddr::from(address);
        let hardware = self.hardware();
        Some(Lease { address, hardware, host_name: self.hostname, until })
    }

    fn hardware(&self) -> Option<HardwareAddress> {
        let octets = match self.hardware_address_type {
            Some(ETHERNET) => self.hardware_address.as_slice(),
            Some(_) => return None,
            // Its first octet is the type of hardware (RFC 2132, section 9.14).
            None => self.client_id.strip_prefix(&[1])?,
        };
        octets.try_into().ok().map(HardwareAddress)
    }
}
