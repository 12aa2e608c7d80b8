//! Devices: who asks, and how well that is known.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A device's stable number, the same for as long as `state.db` lives.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct DeviceId(pub u32);

/// The number of one binding: this address was this device's, from a moment until another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BindingId(pub u32);

/// By what evidence an address is held to be a device's, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// The kernel saw its hardware address on our own link.
    Hardware,
    /// A DHCP server leased the address to its hardware address.
    Lease,
    /// A forwarder that config.toml names says so.
    Forwarder,
    /// The address alone.
    Address,
}

/// What kind of thing a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A phone.
    Phone,
    /// A tablet.
    Tablet,
    /// A laptop.
    Laptop,
    /// A computer that stays where it is.
    Computer,
    /// A television, or a box or stick in one.
    Tv,
    /// A loudspeaker with or without an assistant.
    Speaker,
    /// A games console.
    Console,
    /// A printer or scanner.
    Printer,
    /// A camera or doorbell.
    Camera,
    /// A watch.
    Watch,
    /// A plug, lamp, heater, vacuum cleaner and the like.
    Appliance,
    /// A server or network storage.
    Server,
    /// A router, access point or switch.
    Router,
}

impl Grade {
    /// Every grade, best first.
    pub const ALL: [Grade; 4] = [Grade::Hardware, Grade::Lease, Grade::Forwarder, Grade::Address];

    /// Returns its word in files, databases and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Grade::Hardware => "hardware",
            Grade::Lease => "lease",
            Grade::Forwarder => "forwarder",
            Grade::Address => "address",
        }
    }
}

impl DeviceKind {
    /// Every kind.
    pub const ALL: [DeviceKind; 13] = [
        DeviceKind::Phone,
        DeviceKind::Tablet,
        DeviceKind::Laptop,
        DeviceKind::Computer,
        DeviceKind::Tv,
        DeviceKind::Speaker,
        DeviceKind::Console,
        DeviceKind::Printer,
        DeviceKind::Camera,
        DeviceKind::Watch,
        DeviceKind::Appliance,
        DeviceKind::Server,
        DeviceKind::Router,
    ];

    /// Reads its word.
    pub fn of(word: &str) -> Option<DeviceKind> {
        DeviceKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Returns its word in files, databases and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            DeviceKind::Phone => "phone",
            DeviceKind::Tablet => "tablet",
            DeviceKind::Laptop => "laptop",
            DeviceKind::Computer => "computer",
            DeviceKind::Tv => "tv",
            DeviceKind::Speaker => "speaker",
            DeviceKind::Console => "console",
            DeviceKind::Printer => "printer",
            DeviceKind::Camera => "camera",
            DeviceKind::Watch => "watch",
            DeviceKind::Appliance => "appliance",
            DeviceKind::Server => "server",
            DeviceKind::Router => "router",
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What of a device's queries is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDetail {
    /// Every query with its name.
    #[default]
    Full,
    /// Tracking names with every detail, the rest as counts.
    Tracking,
    /// Counts only, no names.
    Counts,
    /// Nothing, not even counts.
    Nothing,
}

/// A device's name as people write it: 1 to 64 characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct DeviceName(Box<str>);

/// A group's name, with the same bounds as a device's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct GroupName(Box<str>);

macro_rules! human_name {
    ($type:ident, $what:literal) => {
        impl $type {
            /// Checks and takes a name; blanks around it are cut.
            pub fn parse(text: &str) -> Result<$type, String> {
                check_human_name(text, $what).map($type)
            }

            /// Returns the name's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$type, D::Error> {
                let text = String::deserialize(deserializer)?;
                $type::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

human_name!(DeviceName, "device");
human_name!(GroupName, "group");

fn check_human_name(text: &str, what: &str) -> Result<Box<str>, String> {
    let trimmed = text.trim();
    // Direction marks could make one name look like another in a table.
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if trimmed.is_empty() || trimmed.chars().count() > 64 || trimmed.chars().any(odd) {
        return Err(format!(
            "{text:?} is no {what} name; write 1 to 64 characters without control characters"
        ));
    }
    Ok(trimmed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_are_bounded_and_plain_text() {
        assert_eq!(
            DeviceName::parse(" Living-room TV ").map(|n| n.to_string()),
            Ok("Living-room TV".into())
        );
        for bad in ["", "  ", "a\u{202e}b", "a\nb"] {
            assert!(DeviceName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(GroupName::parse(&"x".repeat(65)).is_err());
    }
}
