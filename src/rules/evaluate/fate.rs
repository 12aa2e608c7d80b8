//! What becomes of a rule that covers what is asked.

/// What becomes of a rule; the numbers are places of other candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It decides, alone or as part of the answer.
    Decided,
    /// Its list is not one of the device's.
    NotInPolicy,
    /// Its condition does not hold.
    Unmet(Part),
    /// A `$badfilter` rule cancels it.
    CancelledBy(usize),
    /// It is a `$badfilter` rule, which only cancels.
    Cancels,
    /// Another rule speaks for its list: a longer one, or a hole.
    OutspokenBy(usize),
    /// It only ends what its list says of the names above.
    EndsList,
    /// A rule of an earlier response policy zone fired.
    AfterZone(usize),
    /// An allowlist has a rule that covers the name.
    AllowlistedBy(usize),
    /// An exception takes the rewrite back.
    TakenBackBy(usize),
    /// It is such an exception, which only takes rewrites back.
    TakesBack,
    /// It is an alias of the name for itself, or for a name that would be too long.
    PointsNowhere,
    /// Another rule stands above it.
    LostTo(usize, Because),
    /// It has no say.
    Idle,
}

/// The part of a condition that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is for other types.
    Type,
    /// It is for other devices.
    Client,
    /// It is for devices with other tags.
    Tag,
    /// The name is one of those it spares.
    Except,
}

/// Why a rule stands above another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// A rewrite stands above all but allowlists.
    Rewrite,
    /// Of rewrites a response code stands above an alias, an alias above records, the first first.
    OtherRewrite,
    /// An important exception stands above all blocks.
    ImportantException,
    /// An important block stands above plain exceptions.
    Important,
    /// An exception stands above plain blocks.
    Exception,
    /// A block stands above a truncation.
    Block,
    /// An exception of a subscribed list does not lift what a shipped one blocks.
    Shipped,
    /// It has more modifiers.
    Points,
    /// It is in AdGuard's syntax.
    Syntax,
    /// Its list comes first.
    ListOrder,
    /// It stands further up in the same list.
    Line,
}

impl Fate {
    /// Returns the place of the rule that it owes its fate to.
    pub fn by(self) -> Option<usize> {
        match self {
            Fate::CancelledBy(by)
            | Fate::OutspokenBy(by)
            | Fate::AfterZone(by)
            | Fate::AllowlistedBy(by)
            | Fate::TakenBackBy(by)
            | Fate::LostTo(by, _) => Some(by),
            _ => None,
        }
    }

    /// Returns it in words; `by` are those for the rule that it owes it to.
    pub fn words(self, by: &str) -> String {
        match self {
            Fate::Decided => "decides".into(),
            Fate::NotInPolicy => "its list is not in force here".into(),
            Fate::Unmet(Part::Type) => "it is for other types".into(),
            Fate::Unmet(Part::Client) => "it is for other devices".into(),
            Fate::Unmet(Part::Tag) => "it is for devices with other tags".into(),
            Fate::Unmet(Part::Except) => "it spares this name ($denyallow)".into(),
            Fate::CancelledBy(_) => format!("cancelled by the $badfilter rule {by}"),
            Fate::Cancels => "it only cancels the rules like it".into(),
            Fate::OutspokenBy(_) => format!("in its list the closer rule decides: {by}"),
            Fate::EndsList => "a hole: its list says nothing of the name".into(),
            Fate::AfterZone(_) => format!("an earlier zone fired: {by}"),
            Fate::AllowlistedBy(_) => format!("an allowlist has {by}"),
            Fate::TakenBackBy(_) => format!("the rewrite is taken back by {by}"),
            Fate::TakesBack => "it only takes rewrites back".into(),
            Fate::PointsNowhere => "it would make the name an alias of itself".into(),
            Fate::LostTo(_, because) if because.is_of_order() => because.words().into(),
            Fate::LostTo(_, because) => format!("{}: {by}", because.words()),
            Fate::Idle => "it says nothing here".into(),
        }
    }
}

impl Because {
    /// Returns whether both rules do the same, and it only matters which is told.
    fn is_of_order(self) -> bool {
        matches!(self, Because::Points | Because::Syntax | Because::ListOrder | Because::Line)
    }

    fn words(self) -> &'static str {
        match self {
            Because::Rewrite => "a rewrite stands above it",
            Because::OtherRewrite => "another rewrite stands above it",
            Because::ImportantException => "an important exception stands above it",
            Because::Important => "an important block stands above it",
            Because::Exception => "an exception stands above it",
            Because::Block => "a block stands above it",
            Because::Shipped => "it does not lift what a shipped list blocks",
            Because::Points => "a rule with more modifiers is told first",
            Because::Syntax => "a rule in AdGuard's syntax is told first",
            Because::ListOrder => "an earlier list is told first",
            Because::Line => "an earlier line is told first",
        }
    }
}
