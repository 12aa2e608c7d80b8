//! Names that are ours, answered with authority by hickory-server's catalog; they never leave.

use crate::model::NameRef;

mod settings;

pub use settings::{LocalName, LocalNames};

/// The zones of one policy; immutable, rebuilt when the policy changes.
pub struct Zones {}

impl Zones {
    /// Builds the zones: special-use names, private reverse zones, and names of the policy.
    ///
    /// Errors name the zone file, its line and what is wrong.
    pub fn build(local: &LocalNames) -> Result<Zones, Vec<String>> {
        let _ = local;
        todo!()
    }

    /// Returns whether a name is ours whatever `[forward]` maps: localhost, invalid, onion,
    /// resolver.arpa, deadpixel.internal.
    pub fn is_always_ours(&self, name: NameRef<'_>) -> bool {
        let _ = name;
        todo!()
    }

    /// Returns whether a name is in any zone of ours. Allocates nothing.
    pub fn is_ours(&self, name: NameRef<'_>) -> bool {
        let _ = name;
        todo!()
    }

    /// Answers a query packet for a name that is ours; `local` is the address it was asked at.
    ///
    /// Writes the whole reply into `out`, cut to `limit` with TC if it does not fit.
    pub async fn answer(
        &self,
        query: &crate::wire::Query<'_>,
        local: std::net::IpAddr,
        limit: usize,
        out: &mut Vec<u8>,
    ) {
        let _ = (query, local, limit, out);
        todo!()
    }
}
