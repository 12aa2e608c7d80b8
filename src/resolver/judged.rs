//! How a query ended, and the event that tells of it.

use std::sync::Arc;

use crate::model::{AnsweredBy, DomainName, Moment, NameRef, Outcome, QueryEvent, Reason};
use crate::wire::ResponseCode;

use super::{Asked, Inspection, Target};

/// How a query ended.
pub struct Ending {
    /// What became of it.
    pub outcome: Outcome,
    /// Who answered.
    pub answered_by: AnsweredBy,
    /// The response code sent.
    pub code: ResponseCode,
    /// The rule or list that decided, or would have.
    pub reason: Option<Reason>,
    /// Whether a pause or the level lifted a block.
    pub would_block: bool,
    /// The target through which a rule matched.
    pub alias: Option<Alias>,
}

/// A target of an inspected answer, held without copying it.
pub struct Alias {
    inspection: Arc<Inspection>,
    place: usize,
}

/// A query judged, with what its event borrows.
pub struct Judged<'q> {
    /// The event, but for its names.
    event: QueryEvent<'static>,
    name: AskedName<'q>,
    alias: Option<Alias>,
}

enum AskedName<'q> {
    Borrowed(NameRef<'q>),
    Owned(DomainName),
}

impl Alias {
    /// Refers to the target at `place`.
    pub fn new(inspection: &Arc<Inspection>, place: usize) -> Alias {
        Alias { inspection: Arc::clone(inspection), place }
    }

    /// Returns the target.
    pub fn target(&self) -> Option<&Target> {
        self.inspection.targets().get(self.place)
    }
}

impl Ending {
    /// Returns the ending of a query that the sinkhole answered.
    pub fn by_sinkhole(code: ResponseCode) -> Ending {
        Ending::new(Outcome::Blocked, AnsweredBy::Sinkhole, code)
    }

    /// Returns the ending of a query that got SERVFAIL from us.
    pub fn failed() -> Ending {
        Ending::new(Outcome::Failed, AnsweredBy::Nobody, ResponseCode::SERVFAIL)
    }

    /// Returns the ending of a query of which no rule spoke.
    pub fn new(outcome: Outcome, answered_by: AnsweredBy, code: ResponseCode) -> Ending {
        Ending { outcome, answered_by, code, reason: None, would_block: false, alias: None }
    }
}

impl Judged<'_> {
    /// Returns the event to record.
    pub fn event(&self) -> QueryEvent<'_> {
        let mut event: QueryEvent<'_> = self.event.clone();
        event.name = match &self.name {
            AskedName::Borrowed(name) => *name,
            AskedName::Owned(name) => name.as_ref(),
        };
        event.alias = self.alias.as_ref().and_then(Alias::target).map(|t| t.name.as_ref());
        event
    }

    /// Cuts the ties to the packet.
    pub(super) fn into_owned(self) -> Judged<'static> {
        let name = match self.name {
            AskedName::Borrowed(name) => name.to_owned(),
            AskedName::Owned(name) => name,
        };
        Judged { event: self.event, name: AskedName::Owned(name), alias: self.alias }
    }
}

impl<'q> Asked<'q, '_> {
    /// Tells how the query ended at `end`.
    ///
    /// The company is that of the alias target that matched, else that of the name.
    pub fn judged(&self, ending: Ending, end: Moment) -> Judged<'q> {
        let target = ending.alias.as_ref().and_then(Alias::target);
        let duration = end.monotonic.saturating_sub(self.arrival.now.monotonic);
        let event = QueryEvent {
            at: self.arrival.now.wall,
            client: self.arrival.client,
            device: self.binding.device,
            binding: self.binding.id,
            name: no_name(),
            query_type: self.query.query_type(),
            outcome: ending.outcome,
            would_block: ending.would_block,
            reason: ending.reason,
            lists: target.map_or(self.lists, |target| self.lists.union(target.lists)),
            alias: None,
            company: self.row_behind(ending.alias.as_ref()).map(|row| row.company),
            tracking: self.is_tracking(self.row, self.lists)
                || target.is_some_and(|target| target.tracking),
            answered_by: ending.answered_by,
            response_code: ending.code.0,
            duration: u32::try_from(duration).unwrap_or(u32::MAX),
            detail: self.policy.log_detail(),
            edition: self.in_force.edition,
        };
        let name = AskedName::Borrowed(self.query.name());
        Judged { event, name, alias: ending.alias }
    }
}

/// Stands in the event until it is asked for.
fn no_name() -> NameRef<'static> {
    NameRef::from_wire(&[0]).expect("the root is a name")
}
