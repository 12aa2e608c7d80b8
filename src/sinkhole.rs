//! The answer a blocked query gets, per query type and blocking mode.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::wire::{ExtendedError, Query};

/// How blocked queries are answered (`filter-rules.md`, section 2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BlockingMode {
    /// `0.0.0.0` and `::`.
    #[default]
    NullAddress,
    /// The name does not exist.
    NxDomain,
    /// The name has no data.
    NoData,
    /// Refused.
    Refused,
    /// Addresses of the owner's choice; a family without one falls back to the null address.
    Addresses {
        /// For A queries.
        v4: Vec<Ipv4Addr>,
        /// For AAAA queries.
        v6: Vec<Ipv6Addr>,
    },
}

/// Writes the blocked answer to `query`, with EDE when it carried EDNS. Allocates nothing.
pub fn answer(
    query: &Query<'_>,
    mode: &BlockingMode,
    ttl: u32,
    limit: usize,
    error: ExtendedError<'_>,
    out: &mut Vec<u8>,
) {
    let _ = (query, mode, ttl, limit, error, out);
    todo!()
}
