//! What happens seldom: starts, a list replaced under load, rows of the log.

use std::io;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::book::Cell;
use crate::course::Course;
use crate::kinds::{Kind, Reload};
use crate::load::{Load, Outcome, Pace, Questions, Transport};
use crate::process::Process;
use crate::server::{Server, all_of, answers};

/// What is asked before and after it.
const BEFORE: Duration = Duration::from_millis(1_000);
/// Names below a new one by which it is tried whether the new list is in force.
const MARKERS: usize = 10_000;
const LOG_NAMES: usize = 400;

/// What became of a replacement under load.
pub struct Replaced {
    /// The server.
    pub name: String,
    /// From the order to the first answer by the new list; none if that never came.
    pub took: Option<Duration>,
    /// What the load saw.
    pub outcome: Outcome,
    /// Resident memory before, at most, and after, in KiB.
    pub memory: [u64; 3],
}

/// What a row of the log costs.
pub struct LogRow {
    /// Nanoseconds of the log's thread.
    pub nanoseconds: f64,
    /// Octets of the file.
    pub octets: f64,
    /// Rows that this was measured with.
    pub rows: u64,
}

/// How the log of a daemon fares.
struct LogFigures {
    events: u64,
    lost: u64,
}

impl Course<'_> {
    /// Starts our own server several times with its compiled lists at hand, in seconds.
    pub fn starts(&mut self) -> io::Result<Option<Cell>> {
        self.say("starts");
        let (kind, domains) = (Kind::Deadpixel { log: true }, self.scale.domains[2]);
        let Some(mut server) = self.start(&kind, domains, 1) else { return Ok(None) };
        // The answer that counts is the blocked one.
        let first = self.asked.first_of(&kind, domains).head(1);
        let mut took = Vec::new();
        for _ in 0..self.scale.rounds {
            self.ground.restart(&mut server, &first)?;
            took.push(server.started.as_secs_f64());
        }
        Ok(Cell::of(took))
    }

    /// Replaces the largest list of every server that can, under load.
    pub fn replacements(&mut self) -> io::Result<Vec<Replaced>> {
        let mut all = Vec::new();
        for kind in [vec![Kind::Deadpixel { log: true }], self.peers.clone()].concat() {
            let name = kind.name().to_owned();
            if matches!(kind.reload(self.ground.folder), Reload::Never) {
                let why = "takes a new list only by a new start here; not replaced under load";
                self.book.notes.push(format!("{name} {why}"));
                continue;
            }
            self.say(&format!("a list replaced under load: {name}"));
            let Some(server) = self.start(&kind, self.scale.domains[2], 1) else { continue };
            match self.replace(&server) {
                Ok(replaced) => all.push(replaced),
                Err(error) => self.book.notes.push(format!("{name}, list replaced: {error}")),
            }
        }
        Ok(all)
    }

    fn replace(&mut self, server: &Server) -> io::Result<Replaced> {
        let kind = &server.kind;
        let mut listed = self.names.listed[..server.domains].to_vec();
        let fresh = "added-while-it-ran.example";
        // Names at the end go, so that what is asked for stays blocked.
        let (kept, gone) = (listed.len() - listed.len() / 100, listed.len() / 100);
        listed.truncate(kept);
        listed.extend((1..gone).map(|number| format!("new{number}.example")));
        listed.push(fresh.to_owned());
        kind.write_list(&server.folder, &listed, true)?;
        // Each is asked for once only: an answer from before stays in the caches of some.
        let below: Vec<String> = (0..MARKERS).map(|number| format!("p{number}.{fresh}")).collect();
        let markers = Questions::new(below.iter().map(|name| (name.as_str(), kind.blocked())));
        let questions = self.mixed_kept(kind, kept);
        let before = server.process.memory()?.resident;
        server.process.forget_peak()?;
        let stop = AtomicBool::new(false);
        let (outcome, took) = std::thread::scope(|scope| {
            let order = scope.spawn(|| {
                let took = self.order(server, &markers);
                stop.store(true, Ordering::Relaxed);
                took
            });
            let outcome = self.steady(server, &questions, &stop).run();
            stop.store(true, Ordering::Relaxed);
            (outcome, order.join())
        });
        let outcome = outcome?;
        let took = took.map_err(|_| io::Error::other("the order panicked"))??;
        if matches!(kind, Kind::Deadpixel { .. }) {
            self.book.judge("deadpixel while a list was replaced", &outcome);
        } else if outcome.wrong > 0 {
            // What a peer answers meanwhile is measured here, and no fault of ours.
            let (name, told) = (kind.name(), outcome.told.first());
            let told = told.map_or("", String::as_str);
            let wrong = outcome.wrong;
            self.book.notes.push(format!(
                "{name} while a list was replaced: {wrong} wrong answers, as {told}"
            ));
        }
        let after = server.process.memory()?;
        let memory = [before, after.peak, after.resident];
        Ok(Replaced { name: kind.name().to_owned(), took, outcome, memory })
    }

    /// Returns blocked names that stay and cached ones, in turn.
    fn mixed_kept(&self, kind: &Kind, kept: usize) -> Questions {
        let names = self.names.listed.iter().take(self.scale.domains[1].min(kept));
        let names = names.take(self.scale.names).map(String::as_str);
        Questions::new(names.map(|name| (name, kind.blocked()))).in_turn(&self.asked.cached)
    }

    fn steady<'q>(
        &self,
        server: &Server,
        questions: &'q Questions,
        stop: &'q AtomicBool,
    ) -> Load<'q> {
        let (rate, seconds) = self.scale.replacing;
        Load {
            server: server.address,
            transport: Transport::Udp,
            sockets: 4,
            pace: Pace::Rate(rate),
            questions,
            first: 0,
            count: rate as usize * seconds as usize,
            stop: Some(stop),
        }
    }

    /// Puts the new list in place, says so, and waits until it is in force.
    fn order(&self, server: &Server, markers: &Questions) -> io::Result<Option<Duration>> {
        std::thread::sleep(BEFORE);
        server.kind.swap_list(&server.folder)?;
        let begin = Instant::now();
        match server.kind.reload(&server.folder) {
            Reload::Hangup => server.process.signal(Signal::SIGHUP)?,
            Reload::Command(mut command) => {
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                // It may return only when the list is in force.
                command.spawn()?.wait()?;
            }
            Reload::Never => {}
        }
        let limit = Duration::from_secs(self.scale.replacing.1) - BEFORE * 5;
        for number in 0.. {
            if answers(server.address, markers, number)? {
                break;
            }
            if begin.elapsed() > limit {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let took = begin.elapsed();
        std::thread::sleep(BEFORE);
        Ok(Some(took))
    }

    /// Measures what a row of the log costs, with names that the log knows.
    pub fn log_row(&mut self) -> io::Result<Option<LogRow>> {
        self.say("rows of the log");
        let kind = Kind::Deadpixel { log: true };
        let Some(mut server) = self.start(&kind, 0, 1) else { return Ok(None) };
        let names = self.names.popular.iter().take(LOG_NAMES.min(self.scale.names));
        let questions = Questions::allowed(names.map(String::as_str));
        let first = self.asked.first_of(&kind, 0);
        let (seconds, pace) = (5.0 * self.scale.seconds, Pace::Rate(self.scale.log_rate));
        let (outcome, _) =
            server.measure(&Load { count: questions.len() * 10, pace, ..all_of(&questions, 1) })?;
        self.book.judge("rows of the log", &outcome);
        let file = server.folder.join("data/log.db");
        let count = (self.scale.log_rate * seconds) as usize;
        self.ground.restart(&mut server, &first)?;
        let (before, begin) = (std::fs::metadata(&file)?.len(), log_of(&server)?);
        let load = Load { count, pace, ..all_of(&questions, 1) };
        let (outcome, cost) = server.measure(&load)?;
        self.book.judge("rows of the log", &outcome);
        std::thread::sleep(Duration::from_millis(500));
        let end = log_of(&server)?;
        if end.lost > 0 {
            self.book.notes.push(format!("{} rows were lost while counting", end.lost));
        }
        self.ground.restart(&mut server, &first)?;
        let rows = end.events.saturating_sub(begin.events);
        let octets = std::fs::metadata(&file)?.len().saturating_sub(before) as f64;
        let nanoseconds = cost.log * outcome.sent as f64 / rows.max(1) as f64;
        Ok(Some(LogRow { nanoseconds, octets: octets / rows.max(1) as f64, rows }))
    }

    /// Notes how many events the ring could not hold while a server was saturated.
    pub fn note_lost_events(&mut self, server: &Server) {
        if let (Kind::Deadpixel { log: true }, Ok(log)) = (&server.kind, log_of(server)) {
            let (lost, domains) = (log.lost, server.domains);
            if lost > 0 {
                self.book.notes.push(format!(
                    "deadpixel ({domains} domains) was asked faster than its log takes rows: {lost} events \
                     not recorded, counted"
                ));
            }
        }
    }
}

fn log_of(server: &Server) -> io::Result<LogFigures> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_deadpixel"));
    command.args(["status", "--json", "--config"]).arg(server.folder.join("config.toml"));
    let output = command.output()?;
    let status: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let figure = |name: &str| {
        status["log"][name]
            .as_u64()
            .ok_or_else(|| io::Error::other(format!("no log.{name} in its status")))
    };
    Ok(LogFigures { events: figure("events")?, lost: figure("lost")? })
}

/// Ends this program, and with it every server, if the whole takes far too long.
pub fn watch(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("the benchmark takes too long; it is given up");
        std::process::exit(1);
    });
}

/// Starts the upstream.
pub fn start_upstream(
    folder: &std::path::Path,
    cores: &crate::process::Cores,
) -> io::Result<(Process, u16)> {
    let ground = crate::server::Ground { cores, folder, upstream: 0 };
    let first = Questions::allowed(["www.example.com"]);
    let server = ground.start(&Kind::Stub, &[], 1, &first)?;
    Ok((server.process, server.address.port()))
}
