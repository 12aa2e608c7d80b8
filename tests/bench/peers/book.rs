//! What was measured, and the ratios that follow from it.

use crate::load::{Outcome, Transport};
use crate::server::{Cost, Server};

/// Which work a server did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Names of the list.
    Blocked,
    /// Names whose answers are at hand.
    Cached,
    /// Names that nobody asked for yet.
    Missed,
    /// Blocked and cached ones in turn, at half of what the server can do.
    HalfLoad,
}

/// One measurement of one server in one round.
pub struct Sample {
    /// Its round.
    pub round: usize,
    /// The server.
    pub who: Who,
    /// What it did, and by which way it was asked.
    pub work: (Work, Transport),
    /// What that cost.
    pub cost: Cost,
    /// What came back.
    pub outcome: Outcome,
}

/// A server: its name, its domains, its workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its name in the tables.
    pub name: String,
    /// How many domains it blocks.
    pub domains: usize,
    /// How many workers it has.
    pub workers: usize,
}

/// One figure of a sample.
pub type Figure = fn(&Sample) -> f64;

/// CPU time of the whole process, nanoseconds a query.
pub fn process(sample: &Sample) -> f64 {
    sample.cost.process
}

/// CPU time of the threads that answer, nanoseconds a query.
pub fn path(sample: &Sample) -> f64 {
    sample.cost.path
}

/// A figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The one in the middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

/// All samples, and what went wrong.
#[derive(Default)]
pub struct Book {
    /// What was measured.
    pub samples: Vec<Sample>,
    /// Wrong answers, of all servers.
    pub wrong: u64,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Who {
    /// Returns who a server is.
    pub fn of(server: &Server) -> Who {
        Who {
            name: server.kind.name().to_owned(),
            domains: server.domains,
            workers: server.workers,
        }
    }

    /// Names a server with one worker.
    pub fn new(name: &str, domains: usize) -> Who {
        Who { name: name.to_owned(), domains, workers: 1 }
    }
}

impl Cell {
    /// Returns the middle, the least and the most, if there is any.
    pub fn of(mut figures: Vec<f64>) -> Option<Cell> {
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let median = match figures.len() % 2 {
            0 => (figures.get(middle.checked_sub(1)?)? + figures.get(middle)?) / 2.0,
            _ => *figures.get(middle)?,
        };
        Some(Cell { median, least: *figures.first()?, most: *figures.last()? })
    }
}

impl Book {
    /// Enters a sample; what is wrong with it becomes a note.
    pub fn enter(&mut self, sample: Sample) {
        let Sample { who, outcome, work: (work, way), .. } = &sample;
        self.judge(
            &format!("{} ({} domains), {work:?} over {way:?}", who.name, who.domains),
            outcome,
        );
        self.samples.push(sample);
    }

    /// Notes what is wrong with answers.
    pub fn judge(&mut self, what: &str, outcome: &Outcome) {
        self.wrong += outcome.wrong;
        if outcome.wrong > 0 {
            let told = outcome.told.join("; ");
            self.notes.push(format!("{what}: {} WRONG ANSWERS, as {told}", outcome.wrong));
        }
        if outcome.lost > 0 {
            self.notes.push(format!("{what}: {} of {} lost", outcome.lost, outcome.sent));
        }
    }

    /// Returns a figure of a server in one kind of work over all rounds.
    pub fn figure(&self, work: (Work, Transport), who: &Who, figure: Figure) -> Option<Cell> {
        Cell::of(self.of(work, who).map(figure).collect())
    }

    /// Returns one server's figure by another's, round by round.
    pub fn ratio(
        &self,
        work: (Work, Transport),
        (who, figure): (&Who, Figure),
        (by_who, by_figure): (&Who, Figure),
    ) -> Option<Cell> {
        let ratio = |sample: &Sample| {
            let by = self.of(work, by_who).find(|by| by.round == sample.round)?;
            Some(figure(sample) / by_figure(by))
        };
        Cell::of(self.of(work, who).filter_map(ratio).collect())
    }

    fn of<'a>(
        &'a self,
        work: (Work, Transport),
        who: &'a Who,
    ) -> impl Iterator<Item = &'a Sample> + 'a {
        self.samples.iter().filter(move |sample| sample.work == work && sample.who == *who)
    }
}
