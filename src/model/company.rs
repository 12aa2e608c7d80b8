//! Companies, and what their names are for.

use serde::{Deserialize, Serialize};

/// The place of a company in the catalogue in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CompanyId(pub u16);

/// Who runs a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Company {
    /// Short name in lists and commands: `tiktok`.
    pub slug: String,
    /// The name people know: `TikTok`.
    pub name: String,
    /// The slug of the company it belongs to, if any.
    pub parent: Option<String>,
    /// Two letters of the country of the head office, if known.
    pub country: Option<String>,
    /// Its own web site, if known.
    pub website: Option<String>,
}

/// What a name does, as far as a policy acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// A pixel or the collector behind it.
    Pixel,
    /// Audience measurement.
    Analytics,
    /// Advertising.
    Ads,
    /// Reports of devices and programs about their use.
    Telemetry,
    /// Recordings of what people do on a page.
    SessionReplay,
    /// Recognition of a device by its properties.
    Fingerprinting,
    /// Loaders of other tags.
    TagManager,
    /// Links and pixels in mail.
    Email,
    /// Buttons, comments and posts of social networks.
    SocialWidget,
    /// The service itself.
    App,
    /// Shared delivery of content.
    Cdn,
    /// Needed by systems to work.
    Essential,
}

impl Tier {
    /// Returns whether names of this tier are tracking names (`ux.md`, section 1).
    pub fn is_tracking(self) -> bool {
        !matches!(self, Tier::App | Tier::Cdn | Tier::Essential)
    }
}
