//! Which rows there are.

use crate::book::{Cell, Figure, Sample, Who, Work, path, process};
use crate::course::Course;
use crate::events::{LogRow, Replaced};
use crate::load::Transport;
use crate::report::{Row, Table};

const OURS: &str = "deadpixel";
const ECHO: &str = "echo";
const WITHOUT_LOG: &str = "deadpixel, log off";
const UDP: Transport = Transport::Udp;

/// What the rows are made of.
struct Source<'a> {
    course: &'a Course<'a>,
    /// Every server that is no echo, ours first.
    names: Vec<String>,
    some: usize,
    many: usize,
}

/// Returns all tables.
pub fn all(
    course: &Course,
    starts: Option<Cell>,
    replaced: &[Replaced],
    log_row: Option<&LogRow>,
) -> Vec<Table> {
    let peers = course.peers.iter().map(|peer| peer.name().to_owned());
    let names = std::iter::once(OURS.to_owned()).chain(peers).collect();
    let [_, some, many] = course.scale.domains;
    let source = Source { course, names, some, many };
    vec![
        source.bounds(starts, replaced, log_row),
        source.costs(),
        source.latency(),
        source.standing(),
        source.replacing(replaced),
    ]
}

impl Source<'_> {
    /// Returns the table of what must hold.
    fn bounds(
        &self,
        starts: Option<Cell>,
        replaced: &[Replaced],
        log_row: Option<&LogRow>,
    ) -> Table {
        let many = thousands(self.many);
        let (blocked, cached, missed) =
            ((Work::Blocked, UDP), (Work::Cached, UDP), (Work::Missed, UDP));
        let mut rows = vec![
            self.by_echo("blocked / echo, query path", Work::Blocked, OURS, path)
                .within(1.30, 1.10),
            self.by_echo("  the same, whole process", Work::Blocked, OURS, process)
                .within(1.30, 1.10),
            self.by_echo("  the same, log off", Work::Blocked, WITHOUT_LOG, process),
            self.by_echo("cached / echo, query path", Work::Cached, OURS, path).within(1.40, 1.15),
            self.by_echo("  the same, whole process", Work::Cached, OURS, process)
                .within(1.40, 1.15),
            self.by_echo("  the same, log off", Work::Cached, WITHOUT_LOG, process),
            self.with_and_without(&format!("cached, {many} domains / none"), cached)
                .within(1.15, 1.05),
            self.row("missed / dnsmasq with no list", |name| {
                let by = Who::new("dnsmasq", 0);
                self.course.book.ratio(missed, (&Who::new(name, 0), process), (&by, process))
            })
            .within(1.2, 0.65),
            self.with_and_without(&format!("missed, {many} domains / none"), missed)
                .within(1.15, 1.05),
            self.row("memory a domain, octets", |name| self.octets_a_domain(name))
                .within(20.0, 12.0),
            self.row("MB with 10k cached answers", |name| self.megabytes(name, self.many))
                .within(60.0, 30.0),
            self.row("start to a blocked answer, s", |name| match (name, starts) {
                (OURS, Some(starts)) => Some(starts),
                _ => self.started(name, self.many),
            })
            .within(0.5, 0.05),
            self.row("silence, list replaced, ms", |name| {
                replacement(replaced, name, |replaced| replaced.outcome.silence.as_secs_f64() * 1e3)
            })
            .within(50.0, 10.0),
            self.row("lost while it was replaced", |name| {
                replacement(replaced, name, |replaced| replaced.outcome.lost as f64)
            })
            .within(0.0, 0.0),
            Row::of("log on / off, query path", &[OURS.to_owned()], |_| {
                let (on, off) = (Who::new(OURS, self.many), Who::new(WITHOUT_LOG, self.many));
                self.course.book.ratio(blocked, (&on, path), (&off, path))
            })
            .within(1.08, 1.03),
        ];
        let ours = [OURS.to_owned()];
        let of_row = |figure: fn(&LogRow) -> f64| log_row.and_then(|row| one(figure(row)));
        rows.push(
            Row::of("one row of the log, us", &ours, |_| of_row(|row| row.nanoseconds / 1e3))
                .within(3.0, 1.5),
        );
        rows.push(Row::of("  and octets", &ours, |_| of_row(|row| row.octets)).within(40.0, 26.0));
        for (what, work) in [("blocked", Work::Blocked), ("cached", Work::Cached)] {
            let what = format!("two workers / one, {what}");
            let row = self.row(&what, |name| self.course.two_by_one(work, name));
            rows.push(row.within(1.4, 1.2));
        }
        let title = format!(
            "CPU time a query over UDP with {many} domains, and what else must hold. Others: whole process."
        );
        Table { title, rows }
    }

    /// Returns the CPU time of everything.
    fn costs(&self) -> Table {
        let mut rows = Vec::new();
        for (what, work, sizes) in [
            ("blocked", Work::Blocked, &[self.some, self.many][..]),
            ("cached", Work::Cached, &[0, self.some, self.many]),
            ("missed", Work::Missed, &[0, self.some, self.many]),
        ] {
            for domains in sizes {
                let title = format!("{what}, {} domains", thousands(*domains));
                rows.push(self.figure(&title, (work, UDP), *domains, process_micros));
            }
            let title = format!("  {what}: query path, {}", thousands(self.many));
            rows.push(self.ours(&title, (work, UDP), |sample| path(sample) / 1e3));
            rows.push(
                self.ours("  and the log's thread", (work, UDP), |sample| sample.cost.log / 1e3),
            );
        }
        for (what, work) in [("blocked", Work::Blocked), ("cached", Work::Cached)] {
            let title = format!("{what} over TCP, {}", thousands(self.many));
            rows.push(self.figure(&title, (work, Transport::Tcp), self.many, process_micros));
        }
        let title = "CPU time of the whole process, microseconds a query".to_owned();
        Table { title, rows }
    }

    /// Returns how fast answers come.
    fn latency(&self) -> Table {
        let half = (Work::HalfLoad, UDP);
        let mut rows = Vec::new();
        for (what, work) in [("blocked", Work::Blocked), ("cached", Work::Cached)] {
            let what = format!("{what}, thousand a second");
            let figure: Figure = |sample| sample.outcome.rate() / 1e3;
            rows.push(self.figure(&what, (work, UDP), self.many, figure));
            // Where this is far below 1, the generator was the limit, and waking up costs more.
            rows.push(self.figure("  part of a core", (work, UDP), self.many, |s| s.cost.busy));
        }
        let figure: Figure = |sample| sample.outcome.rate() / 1e3;
        rows.push(self.figure("half load, thousand a second", half, self.many, figure));
        let p50: Figure = |sample| micros(sample, 0.5);
        let p99: Figure = |sample| micros(sample, 0.99);
        rows.push(self.figure("  p50, us", half, self.many, p50));
        rows.push(self.figure("  p99, us", half, self.many, p99));
        let many = thousands(self.many);
        let title =
            format!("Answers a second, and how long they take at half of it; {many} domains");
        Table { title, rows }
    }

    /// Returns memory and starts.
    fn standing(&self) -> Table {
        let mut rows = Vec::new();
        for domains in [0, self.some, self.many] {
            let what = format!("resident MB, {} domains", thousands(domains));
            rows.push(self.row(&what, |name| self.megabytes(name, domains)));
        }
        for domains in [0, self.some, self.many] {
            let what = format!("start, s, {} domains", thousands(domains));
            rows.push(self.row(&what, |name| self.started(name, domains)));
        }
        Table { title: "Memory with cached answers, and time to the first answer".to_owned(), rows }
    }

    /// Returns what a replacement cost.
    fn replacing(&self, replaced: &[Replaced]) -> Table {
        type Of = fn(&Replaced) -> f64;
        let figures: [(&str, Of); 7] = [
            ("until it is in force, s", |one| one.took.map_or(f64::NAN, |took| took.as_secs_f64())),
            ("longest silence, ms", |one| one.outcome.silence.as_secs_f64() * 1e3),
            ("p99 meanwhile, ms", |one| one.outcome.latency.quantile(0.99).as_secs_f64() * 1e3),
            ("lost", |one| one.outcome.lost as f64),
            ("wrong", |one| one.outcome.wrong as f64),
            ("most resident / before", |one| one.memory[1] as f64 / one.memory[0] as f64),
            ("resident after / before", |one| one.memory[2] as f64 / one.memory[0] as f64),
        ];
        let row =
            |(what, figure): (&str, Of)| self.row(what, |name| replacement(replaced, name, figure));
        let many = thousands(self.many);
        let title = {
            let rate = self.course.scale.replacing.0;
            format!("{many} domains replaced at {rate} queries a second; the server has one core")
        };
        Table { title, rows: figures.into_iter().map(row).collect() }
    }

    fn row(&self, what: &str, figure: impl Fn(&str) -> Option<Cell>) -> Row {
        Row::of(what, &self.names, figure)
    }

    /// Returns what a figure is for every server with so many domains, and for the echo.
    fn figure(&self, what: &str, work: (Work, Transport), domains: usize, figure: Figure) -> Row {
        let mut names = self.names.clone();
        names.push(ECHO.to_owned());
        Row::of(what, &names, |name| {
            let domains = if name == ECHO { 0 } else { domains };
            self.course.book.figure(work, &Who::new(name, domains), figure)
        })
    }

    fn ours(&self, what: &str, work: (Work, Transport), figure: Figure) -> Row {
        let who = Who::new(OURS, self.many);
        Row::of(what, &[OURS.to_owned()], |_| self.course.book.figure(work, &who, figure))
    }

    /// Returns costs by the echo's of the same rounds; ours are those of `of`.
    fn by_echo(&self, what: &str, work: Work, of: &str, figure: Figure) -> Row {
        let echo = Who::new(ECHO, 0);
        self.row(what, |name| {
            let name = if name == OURS { of } else { name };
            let who = Who::new(name, self.many);
            self.course.book.ratio((work, UDP), (&who, figure), (&echo, process))
        })
    }

    fn with_and_without(&self, what: &str, work: (Work, Transport)) -> Row {
        self.row(what, |name| {
            let (with, without) = (Who::new(name, self.many), Who::new(name, 0));
            let book = &self.course.book;
            let samples = book.samples.iter().filter(|sample| sample.work == work);
            let ratios = samples.filter(|sample| sample.who == with).filter_map(|sample| {
                let same = |other: &&Sample| {
                    other.work == work && other.who == without && other.round == sample.round
                };
                let other = book.samples.iter().find(same)?;
                Some(path(sample) / path(other))
            });
            Cell::of(ratios.collect())
        })
    }

    fn standing_of(&self, name: &str, domains: usize) -> Option<(crate::process::Memory, f64)> {
        let who = Who::new(name, domains);
        let found = self.course.standing.iter().find(|(of, ..)| *of == who)?;
        Some((found.1, found.2.as_secs_f64()))
    }

    fn megabytes(&self, name: &str, domains: usize) -> Option<Cell> {
        one(self.standing_of(name, domains)?.0.resident as f64 * 1024.0 / 1e6)
    }

    fn started(&self, name: &str, domains: usize) -> Option<Cell> {
        one(self.standing_of(name, domains)?.1)
    }

    fn octets_a_domain(&self, name: &str) -> Option<Cell> {
        let with = self.standing_of(name, self.many)?.0.resident as f64;
        let without = self.standing_of(name, 0)?.0.resident as f64;
        one((with - without) * 1024.0 / self.many as f64)
    }
}

fn replacement(replaced: &[Replaced], name: &str, figure: fn(&Replaced) -> f64) -> Option<Cell> {
    one(figure(replaced.iter().find(|replaced| replaced.name == name)?))
}

fn one(figure: f64) -> Option<Cell> {
    let cell = Cell { median: figure, least: figure, most: figure };
    Some(cell).filter(|_| figure.is_finite())
}

fn process_micros(sample: &Sample) -> f64 {
    process(sample) / 1e3
}

fn micros(sample: &Sample, part: f64) -> f64 {
    sample.outcome.latency.quantile(part).as_nanos() as f64 / 1e3
}

fn thousands(count: usize) -> String {
    match count {
        0 => "no".to_owned(),
        _ if count.is_multiple_of(1_000_000) => format!("{}M", count / 1_000_000),
        _ => format!("{}k", count / 1_000),
    }
}
