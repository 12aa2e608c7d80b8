//! How a query ended, and the event that tells of it.

use std::sync::Arc;

use crate::model::{AnsweredBy, DomainName, Moment, NameRef, Outcome, QueryEvent, Reason};
use crate::wire::ResponseCode;

use super::{Asked, Element, Inspection, Lead};

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
    /// What of the answer a rule matched by.
    pub alias: Option<Alias>,
}

/// A place in an inspected answer, held without copying it.
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
    /// Refers to what stands at `place`.
    pub fn new(inspection: &Arc<Inspection>, place: usize) -> Alias {
        Alias { inspection: Arc::clone(inspection), place }
    }

    /// Returns what stands there.
    pub fn element(&self) -> Option<&Element> {
        self.inspection.elements().get(self.place)
    }

    /// Returns the name there, with its hashes; for an address, the last name on the way to it.
    pub fn target(&self) -> Option<(NameRef<'_>, &[u64])> {
        let upto = self.inspection.elements().get(..=self.place)?;
        upto.iter().rev().find_map(|element| match &element.lead {
            Lead::Name(name) => Some((name.as_ref(), &*element.known.hashes)),
            Lead::Address(_) => None,
        })
    }
}

impl Ending {
    /// Returns the ending of a query that the sinkhole answered.
    pub fn by_sinkhole(code: ResponseCode) -> Ending {
        Ending::new(Outcome::Blocked, AnsweredBy::Sinkhole, code)
    }

    /// Returns the ending of a query that a rewrite answered.
    pub fn rewritten(code: ResponseCode) -> Ending {
        Ending::new(Outcome::Allowed, AnsweredBy::Local, code)
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
        event.alias = self.alias.as_ref().and_then(Alias::target).map(|(name, _)| name);
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
        let led_to = ending.alias.as_ref().and_then(Alias::element);
        let duration = end.monotonic.saturating_sub(self.arrival.now.monotonic);
        let event = QueryEvent {
            at: self.arrival.now.wall,
            client: self.arrival.client,
            device: self.binding.part,
            binding: self.binding.id,
            name: no_name(),
            query_type: self.query.query_type(),
            outcome: ending.outcome,
            would_block: ending.would_block,
            reason: ending.reason,
            lists: led_to.map_or(self.lists, |led_to| self.lists.union(self.holding(led_to))),
            alias: None,
            company: self.row_behind(ending.alias.as_ref()).map(|row| row.company),
            tracking: self.is_tracking(self.row, self.lists)
                || led_to.is_some_and(|led_to| led_to.known.tracking),
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
