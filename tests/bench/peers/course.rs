//! The course of the benchmark: who is started, asked what, in which order.

use std::io;
use std::time::{Duration, Instant};

use crate::arguments::Scale;
use crate::book::{Book, Sample, Who, Work, process};
use crate::kinds::Kind;
use crate::load::{Load, Pace, Questions, Transport, Wanted};
use crate::names::{Names, Random};
use crate::process::Memory;
use crate::server::{Ground, Server, all_of};

/// Sockets of the generator, and queries under way on each.
const SOCKETS: usize = 8;
const WINDOW: usize = 16;
/// The same over TCP; some servers take ten on a connection at once.
const CONNECTIONS: usize = 4;
const PIPELINE: usize = 8;
/// Different names of the list that are asked for.
const BLOCKED_NAMES: usize = 100_000;
/// Rounds at half load and over TCP.
const FEWER_ROUNDS: usize = 3;
/// After so much time since the begin no further round of a part is begun: one worker, TCP, two workers.
const UNTIL: [Duration; 3] =
    [Duration::from_secs(720), Duration::from_secs(900), Duration::from_secs(1_140)];

/// What is asked.
pub struct Asked {
    /// Names that every list has.
    pub blocked: Questions,
    /// Popular names that no list has.
    pub cached: Questions,
    /// The first ones: of a list, and of none.
    blocked_first: String,
    cached_first: String,
}

/// Everything that a part of the benchmark needs.
pub struct Course<'a> {
    /// How much is measured.
    pub scale: &'a Scale,
    /// What servers stand on.
    pub ground: &'a Ground<'a>,
    /// The names.
    pub names: &'a Names,
    /// What is asked of them.
    pub asked: Asked,
    /// Who is held against us.
    pub peers: Vec<Kind>,
    /// What was measured.
    pub book: Book,
    /// When the benchmark began.
    pub begin: Instant,
    /// Memory and time to start, of servers with one worker.
    pub standing: Vec<(Who, Memory, Duration)>,
}

impl Asked {
    /// Chooses the questions, in random order that is the same in every run.
    pub fn choose(names: &Names, scale: &Scale) -> Asked {
        let mut random = Random(2);
        // The smallest list must have them all.
        let listed = names.listed.get(..scale.domains[1]).unwrap_or(&names.listed);
        let mut blocked: Vec<&str> = listed.iter().map(String::as_str).collect();
        random.shuffle(&mut blocked);
        blocked.truncate(BLOCKED_NAMES);
        let mut cached: Vec<&str> = names.popular.iter().map(String::as_str).collect();
        cached.truncate(scale.names);
        random.shuffle(&mut cached);
        Asked {
            blocked_first: blocked[0].to_owned(),
            cached_first: cached[0].to_owned(),
            blocked: Questions::new(blocked.into_iter().map(|name| (name, Wanted::Blocked))),
            cached: Questions::allowed(cached),
        }
    }

    /// Returns what a server must answer right to be ready; the blocked name comes first.
    pub fn first_of(&self, kind: &Kind, domains: usize) -> Questions {
        let mut first = Questions::default();
        if domains > 0 || *kind == Kind::Echo {
            first.push(&self.blocked_first, kind.blocked());
        }
        if *kind != Kind::Echo {
            first.append(&Questions::allowed([self.cached_first.as_str()]));
        }
        first
    }
}

impl Course<'_> {
    /// Starts a server, or notes why that cannot be.
    pub fn start(&mut self, kind: &Kind, domains: usize, workers: usize) -> Option<Server> {
        let listed = &self.names.listed[..domains];
        let first = self.asked.first_of(kind, domains);
        match self.ground.start(kind, listed, workers, &first) {
            Ok(server) => Some(server),
            Err(error) => {
                let name = kind.name();
                self.book.notes.push(format!("{name} with {domains} domains is left out: {error}"));
                None
            }
        }
    }

    /// Measures everything that needs one worker.
    pub fn one_worker(&mut self) -> io::Result<()> {
        let servers = self.start_all()?;
        let rounds = self.scale.rounds;
        for round in 0..rounds {
            if !self.is_time_for(round, UNTIL[0], "one worker") {
                break;
            }
            self.say(&format!("one worker, round {} of {rounds}", round + 1));
            for work in [Work::Blocked, Work::Cached, Work::Missed] {
                self.round(&servers, round, (work, Transport::Udp))?;
            }
        }
        servers.iter().for_each(|server| self.note_lost_events(server));
        let many = self.scale.domains[2];
        let largest = |server: &&Server| server.domains == many || server.kind == Kind::Echo;
        let largest: Vec<&Server> = servers.iter().filter(largest).collect();
        for round in 0..rounds.min(FEWER_ROUNDS) {
            if !self.is_time_for(round, UNTIL[1], "half load and TCP") {
                break;
            }
            self.say(&format!("half load and TCP, round {}", round + 1));
            for server in &largest {
                self.measure(server, round, (Work::HalfLoad, Transport::Udp))?;
                if server.kind.no_tcp().is_none() {
                    self.measure(server, round, (Work::Blocked, Transport::Tcp))?;
                    self.measure(server, round, (Work::Cached, Transport::Tcp))?;
                }
            }
        }
        Ok(())
    }

    /// Starts every server with every size of list, and fills their caches.
    fn start_all(&mut self) -> io::Result<Vec<Server>> {
        let mut servers: Vec<Server> = self.start(&Kind::Echo, 0, 1).into_iter().collect();
        for domains in self.scale.domains {
            let mut kinds = vec![Kind::Deadpixel { log: true }];
            if domains == self.scale.domains[2] {
                kinds.push(Kind::Deadpixel { log: false });
            }
            kinds.extend(self.peers.clone());
            for kind in kinds {
                self.say(&format!("starting {} with {domains} domains", kind.name()));
                let Some(mut server) = self.start(&kind, domains, 1) else { continue };
                if matches!(kind, Kind::Deadpixel { .. }) {
                    // As after any boot: the compiled lists are at hand.
                    self.ground.restart(&mut server, &self.asked.first_of(&kind, domains))?;
                }
                self.warm_up(&server)?;
                let standing = (Who::of(&server), server.process.memory()?, server.started);
                self.standing.push(standing);
                servers.push(server);
            }
        }
        Ok(servers)
    }

    fn warm_up(&mut self, server: &Server) -> io::Result<()> {
        let load = Load { server: server.address, ..all_of(&self.asked.cached, WINDOW) };
        let outcome = load.run()?;
        self.book.judge(&format!("{} while warming up", server.kind.name()), &outcome);
        Ok(())
    }

    /// Lets every server do a work once, one after the other.
    pub fn round(
        &mut self,
        servers: &[Server],
        round: usize,
        work: (Work, Transport),
    ) -> io::Result<()> {
        for server in servers {
            let fits = match (work.0, &server.kind) {
                (Work::Blocked, kind) => server.domains > 0 || *kind == Kind::Echo,
                (Work::Missed, kind) => *kind != Kind::Echo,
                _ => true,
            };
            if fits {
                self.measure(server, round, work)?;
            }
        }
        Ok(())
    }

    fn measure(
        &mut self,
        server: &Server,
        round: usize,
        work: (Work, Transport),
    ) -> io::Result<()> {
        let questions = self.questions(server, round, work.0);
        let cached = self.asked.cached.wanting_of(&server.kind);
        if matches!(work.0, Work::Cached | Work::HalfLoad) {
            // What fell out of the cache by the misses before comes in again.
            Load { server: server.address, ..all_of(&cached, WINDOW) }.run()?;
        } else if round == 0 && work == (Work::Blocked, Transport::Udp) {
            Load { server: server.address, ..all_of(&questions, WINDOW) }.run()?;
        }
        let load = self.load(server, round, work, &questions);
        let who = Who::of(server);
        match server.measure(&load) {
            Ok((outcome, cost)) => {
                self.book.enter(Sample { round, who, work, cost, outcome });
            }
            Err(error) => {
                let (name, (work, way)) = (who.name, work);
                self.book
                    .notes
                    .push(format!("{name}, {work:?} over {way:?}: not measured: {error}"));
            }
        }
        Ok(())
    }

    fn load<'q>(
        &self,
        server: &Server,
        round: usize,
        (work, transport): (Work, Transport),
        questions: &'q Questions,
    ) -> Load<'q> {
        let (sockets, pace) = match (work, transport) {
            (Work::HalfLoad, _) => {
                let can = (Work::Cached, Transport::Udp);
                let can = self.book.figure(can, &Who::of(server), |sample| sample.outcome.rate());
                (SOCKETS, Pace::Rate(can.map_or(1_000.0, |can| can.median / 2.0)))
            }
            (_, Transport::Udp) => (SOCKETS, Pace::Window(WINDOW)),
            (_, Transport::Tcp) => (CONNECTIONS, Pace::Window(PIPELINE)),
        };
        let count = match (work, transport, pace) {
            (_, _, Pace::Rate(rate)) => (rate * self.scale.seconds) as usize,
            (Work::Missed, ..) => self.scale.misses,
            (_, Transport::Tcp, _) => self.scale.queries / 2,
            _ => self.scale.queries,
        };
        let (first, stop, server) = (round * 7_919, None, server.address);
        Load { server, transport, sockets, pace, questions, first, count, stop }
    }

    fn questions(&self, server: &Server, round: usize, work: Work) -> Questions {
        let asked = &self.asked;
        match work {
            Work::Blocked => asked.blocked.wanting(server.kind.blocked()),
            Work::Cached => asked.cached.wanting_of(&server.kind),
            Work::Missed => {
                let names = self.names.unheard_of(round, self.scale.misses);
                Questions::allowed(names.iter().map(String::as_str))
            }
            Work::HalfLoad => self.mixed(&server.kind),
        }
    }

    /// Returns blocked and cached names in turn.
    pub fn mixed(&self, kind: &Kind) -> Questions {
        let blocked = self.asked.blocked.wanting(kind.blocked());
        blocked.in_turn(&self.asked.cached.wanting_of(kind))
    }

    /// Measures what a second worker costs a query.
    pub fn two_workers(&mut self) -> io::Result<()> {
        let domains = self.scale.domains[1];
        let mut servers = Vec::new();
        for kind in [vec![Kind::Deadpixel { log: true }], self.peers.clone()].concat() {
            if let Some(why) = kind.only_one_worker() {
                self.book.notes.push(format!("{} with two workers: {why}", kind.name()));
                continue;
            }
            self.say(&format!("starting {} with one and two workers", kind.name()));
            for workers in [1, 2] {
                let Some(server) = self.start(&kind, domains, workers) else { continue };
                self.warm_up(&server)?;
                servers.push(server);
            }
        }
        for round in 0..self.scale.rounds {
            if !self.is_time_for(round, UNTIL[2], "two workers") {
                break;
            }
            self.say(&format!("two workers, round {} of {}", round + 1, self.scale.rounds));
            // Samples of one worker are told apart from those before by their rounds.
            let round = self.scale.rounds + round;
            self.round(&servers, round, (Work::Blocked, Transport::Udp))?;
            self.round(&servers, round, (Work::Cached, Transport::Udp))?;
        }
        Ok(())
    }

    /// Returns two workers' cost by one worker's, of the rounds that have both.
    pub fn two_by_one(&self, work: Work, name: &str) -> Option<crate::book::Cell> {
        let one = Who::new(name, self.scale.domains[1]);
        let two = Who { workers: 2, ..one.clone() };
        self.book.ratio((work, Transport::Udp), (&two, process), (&one, process))
    }

    /// Returns whether a round may begin; the first always may. Where not, that is noted.
    fn is_time_for(&mut self, round: usize, until: Duration, what: &str) -> bool {
        let is_time = round == 0 || self.begin.elapsed() < until;
        if !is_time {
            self.book.notes.push(format!("{what}: only {round} rounds, for want of time"));
        }
        is_time
    }

    /// Tells how far it is.
    pub fn say(&self, what: &str) {
        eprintln!("  {what}");
    }
}

impl Questions {
    /// Returns the same questions, as the echo answers them if that is asked.
    fn wanting_of(&self, kind: &Kind) -> Questions {
        if *kind == Kind::Echo { self.wanting(Wanted::Echo) } else { self.clone() }
    }
}
