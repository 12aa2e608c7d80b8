//! One query and what became of it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{BindingId, CompanyId, DeviceId, ListMask, LogDetail, NameRef, Reason, RecordType};

/// The place of an upstream in `config.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub u8);

/// What people read of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The sinkhole answered.
    Blocked,
    /// The real answer went out, or the name is ours.
    Allowed,
    /// No answer could be had.
    Failed,
}

/// Who gave the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    /// The sinkhole.
    Sinkhole,
    /// A zone of ours.
    Local,
    /// The cache.
    Cache,
    /// The cache, with an answer that had expired, since nobody had a newer one in time.
    Stale,
    /// An upstream.
    Upstream(UpstreamId),
    /// Nobody: the query failed or was shed.
    Nobody,
}

/// One query and what became of it; borrowed, so that recording it allocates nothing.
#[derive(Clone, Debug)]
pub struct QueryEvent<'a> {
    /// When it came in: microseconds since 1970, UTC.
    pub at: i64,
    /// The address it came from.
    pub client: IpAddr,
    /// The device that address is held to be.
    pub device: DeviceId,
    /// The binding by which it is.
    pub binding: BindingId,
    /// The name asked for.
    pub name: NameRef<'a>,
    /// The type asked for.
    pub query_type: RecordType,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether rules would have blocked it, but a pause or the level lifted them.
    pub would_block: bool,
    /// The rule or list that decided (or would have), if any spoke.
    pub reason: Option<Reason>,
    /// Every list in force that matches the name or the alias, in the device's policy or not.
    pub lists: ListMask,
    /// The alias target, or service target, through which a rule matched.
    pub alias: Option<NameRef<'a>>,
    /// Who runs the name, or the alias target that matched.
    pub company: Option<CompanyId>,
    /// Whether it is a tracking name (`ux.md`, section 1).
    pub tracking: bool,
    /// Who answered.
    pub answered_by: AnsweredBy,
    /// The response code sent.
    pub response_code: u16,
    /// Microseconds from the query's arrival to its answer.
    pub duration: u32,
    /// What of it may be kept.
    pub detail: LogDetail,
    /// The edition of rules and policy it was judged by; see [`super::Legend`].
    pub edition: u32,
}
