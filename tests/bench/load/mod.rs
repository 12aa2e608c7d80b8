//! A load of DNS queries whose every answer is verified, and servers to hold others against.

mod flights;
mod histogram;
mod lane;
mod packets;
mod questions;
pub mod responder;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use flights::Flights;
pub use histogram::Histogram;
use lane::Lane;
use packets::{Packets, Unsent};
pub use questions::{Questions, Wanted};

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// How many of the wrong answers are told in words.
const TOLD: usize = 5;
/// The longest sleep between two looks at the sockets.
const NAP: Duration = Duration::from_millis(5);

/// By which way the queries go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections, with several queries under way on each.
    Tcp,
}

/// How fast the queries go.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// As fast as answers come, with so many unanswered on each socket.
    Window(usize),
    /// So many a second, whatever comes back.
    Rate(f64),
}

/// What is asked of whom, and how.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    /// Who is asked.
    pub server: SocketAddr,
    /// By which way.
    pub transport: Transport,
    /// From how many sockets or connections.
    pub sockets: usize,
    /// How fast.
    pub pace: Pace,
    /// What: in this order, from the beginning again where it ends.
    pub questions: &'a Questions,
    /// The first question.
    pub first: usize,
    /// How many queries.
    pub count: usize,
    /// Ends it before, once it is true.
    pub stop: Option<&'a AtomicBool>,
}

/// What became of a load.
#[derive(Clone, Default)]
pub struct Outcome {
    /// Queries sent.
    pub sent: u64,
    /// Right answers in time.
    pub answered: u64,
    /// Queries without an answer in time.
    pub lost: u64,
    /// Answers that are not what they should be.
    pub wrong: u64,
    /// The first of these, in words.
    pub told: Vec<String>,
    /// Answers that came too late or were not asked for.
    pub stray: u64,
    /// Connections that the server closed.
    pub closed: u64,
    /// From the first query to the last answer.
    pub took: Duration,
    /// The longest time without any answer.
    pub silence: Duration,
    /// How long answers took.
    pub latency: Histogram,
}

impl Outcome {
    /// Returns the answers a second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.took.as_secs_f64().max(1e-9)
    }

    fn refuse(&mut self, why: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.told.len() < TOLD {
            self.told.push(why());
        }
    }
}

impl Load<'_> {
    /// Asks, and returns what came back.
    pub fn run(&self) -> io::Result<Outcome> {
        let lanes: io::Result<Vec<Lane>> = (0..self.sockets).map(|_| Lane::open(self)).collect();
        let begin = Instant::now();
        let outcome = Outcome::default();
        let mut run = Run { load: self, lanes: lanes?, begin, heard: begin, next: 0, outcome };
        while !run.is_over() {
            if !run.turn()? {
                run.wait()?;
            }
        }
        let mut outcome = run.outcome;
        outcome.took = run.heard - begin;
        if outcome.lost > 0 {
            outcome.silence = outcome.silence.max(run.heard.elapsed());
        }
        Ok(outcome)
    }
}

/// A load under way.
struct Run<'a> {
    load: &'a Load<'a>,
    lanes: Vec<Lane>,
    begin: Instant,
    /// When the last answer came.
    heard: Instant,
    /// How many queries went out.
    next: usize,
    outcome: Outcome,
}

impl Run<'_> {
    fn is_stopped(&self) -> bool {
        let told = self.load.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        told || self.next >= self.load.count
    }

    fn is_over(&self) -> bool {
        self.is_stopped() && self.lanes.iter().all(|lane| lane.flights.under_way() == 0)
    }

    /// Reads and writes every socket once; returns whether anything moved.
    fn turn(&mut self) -> io::Result<bool> {
        let mut moved = false;
        for number in 0..self.lanes.len() {
            let now = Instant::now();
            let (load, outcome) = (self.load, &mut self.outcome);
            let Some(lane) = self.lanes.get_mut(number) else { break };
            if lane.receive(load.questions, now, outcome)? > 0 {
                outcome.silence = outcome.silence.max(now - self.heard);
                self.heard = now;
                moved = true;
            }
            outcome.lost += lane.flights.expire(now);
            moved |= self.fill(number, now)? > 0;
        }
        Ok(moved)
    }

    /// Sends what is due on a lane; returns how much that was.
    fn fill(&mut self, number: usize, now: Instant) -> io::Result<usize> {
        let due = self.due(number, now);
        let load = self.load;
        let Some(lane) = self.lanes.get_mut(number).filter(|_| due > 0) else { return Ok(0) };
        let first = load.first + self.next;
        let sent = lane.send(load, first..first + due, now, &mut self.outcome)?;
        self.next += sent;
        self.outcome.sent += sent as u64;
        Ok(sent)
    }

    fn due(&self, number: usize, now: Instant) -> usize {
        if self.is_stopped() {
            return 0;
        }
        let left = self.load.count - self.next;
        let due = match (self.load.pace, self.lanes.get(number)) {
            (Pace::Window(window), Some(lane)) => window.saturating_sub(lane.flights.under_way()),
            (Pace::Rate(rate), _) => {
                let all = ((now - self.begin).as_secs_f64() * rate) as usize + 1;
                // What is due at once goes out by one socket after the other.
                all.saturating_sub(self.next).min(lane::BATCH)
            }
            _ => 0,
        };
        due.min(left).min(lane::BATCH)
    }

    /// Sleeps until something comes or is due.
    fn wait(&self) -> io::Result<()> {
        let nap = match self.load.pace {
            Pace::Rate(rate) if !self.is_stopped() => {
                let due = Duration::from_secs_f64(self.next as f64 / rate);
                due.saturating_sub(self.begin.elapsed()).min(NAP)
            }
            _ => NAP,
        };
        let mut sockets: Vec<PollFd> =
            self.lanes.iter().map(|lane| PollFd::new(lane.as_fd(), PollFlags::POLLIN)).collect();
        match ppoll(&mut sockets, Some(TimeSpec::from_duration(nap)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
