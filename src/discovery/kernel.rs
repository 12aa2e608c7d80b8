//! Follows the kernel's tables: a dump of each, then news; a new dump where news were lost.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Dump, Effect, OnLink, Own, Running, Senses, Sight, Sights, Subscription, Table, Tables,
    messages,
};
use crate::devices::Neighbour;

/// Octets of news that may wait; the system may allow less.
pub(super) const ROOM: usize = 4 << 20;

/// News are handed on this often at most, and this many at once.
const BETWEEN_NEWS: Duration = Duration::from_millis(20);
const NEWS_AT_ONCE: usize = 512;

/// Before a table is read again: routes that change, dumps that changed while they were made, and
/// all tables where news were lost.
const BEFORE_ROUTES: Duration = Duration::from_secs(1);
const BEFORE_RETRY: Duration = Duration::from_millis(50);
const BEFORE_ALL: Duration = Duration::from_millis(100);

/// A dump takes less, and needs fewer attempts.
const LONGEST_DUMP: Duration = Duration::from_secs(10);
const MAX_ATTEMPTS: u32 = 100;

/// Where nothing is told, our addresses are looked up this often.
const BETWEEN_LOOKS: Duration = Duration::from_secs(3);

/// Before the first and the latest new attempt to subscribe.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is told of neighbours and routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    News(Vec<Neighbour>),
    /// All that there are.
    All(Vec<Neighbour>),
    Routers(Vec<IpAddr>),
}

/// Takes what is told; it must not wait.
pub(super) type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// What following the tables works with.
pub(super) struct Kernel {
    pub(super) tell: Tell,
    pub(super) on_link: Arc<ArcSwap<OnLink>>,
    pub(super) own: Own,
    pub(super) sights: Sights,
    /// Octets of news that may wait.
    pub(super) room: usize,
    /// Told once the tables were read, or cannot be.
    pub(super) ready: SyncSender<()>,
}

/// Begins to follow the tables.
pub(super) fn spawn(kernel: Kernel) -> Running {
    let senses = Senses::of(["neighbour tables"]);
    let told = senses.clone();
    Running::new(senses, tokio::spawn(async move { kernel.follow(&told).await }))
}

impl Kernel {
    /// Subscribes, and again whenever that breaks.
    async fn follow(self, senses: &Senses) {
        let (first, latest) = BACKOFF;
        let mut backoff = first;
        loop {
            let mut follower = match Follower::open(&self, senses) {
                Ok(follower) => follower,
                Err(error) => {
                    self.lose(senses, &error);
                    self.wait(backoff).await;
                    backoff = (backoff * 2).min(latest);
                    continue;
                }
            };
            let since = Instant::now();
            let error = follower.run().await;
            if since.elapsed() > latest {
                backoff = first;
            }
            self.lose(senses, &error);
            self.wait(backoff).await;
            backoff = (backoff * 2).min(latest);
        }
    }

    /// Waits that long, and looks our addresses up meanwhile.
    async fn wait(&self, mut rest: Duration) {
        while !rest.is_zero() {
            self.own.read_again();
            let part = rest.min(BETWEEN_LOOKS);
            sleep(part).await;
            rest -= part;
        }
    }

    /// Says that nothing is seen now, and what is used instead.
    fn lose(&self, senses: &Senses, error: &io::Error) {
        let why = format!(
            "the kernel does not tell them here ({error}): devices are told apart by leases, else by \
             addresses alone"
        );
        if senses.lose("neighbour tables", &why) {
            tracing::warn!("neighbour tables: {why}");
        }
        // Whoever waits needs to wait no longer; it may have left long ago.
        let _ = self.ready.try_send(());
    }
}

/// One subscription and what was learnt by it.
struct Follower<'a> {
    kernel: &'a Kernel,
    senses: &'a Senses,
    socket: Subscription,
    tables: Tables,
    /// Tables to be asked for, one after another, the first not before `ask_at`.
    due: VecDeque<Table>,
    ask_at: Instant,
    /// The dump under way, and when it began.
    dump: Option<(Dump, Instant)>,
    attempts: u32,
    /// When the routes are to be read again, if they have changed.
    routes_at: Option<Instant>,
    /// Those last told.
    routers: Vec<IpAddr>,
    /// When news may be handed on.
    tell_at: Instant,
}

impl<'a> Follower<'a> {
    fn open(kernel: &'a Kernel, senses: &'a Senses) -> io::Result<Follower<'a>> {
        let now = Instant::now();
        Ok(Follower {
            kernel,
            senses,
            socket: Subscription::open(kernel.room)?,
            tables: Tables::default(),
            due: Table::ALL.into(),
            ask_at: now,
            dump: None,
            attempts: 0,
            routes_at: None,
            routers: Vec::new(),
            tell_at: now,
        })
    }

    /// Follows until the socket breaks.
    async fn run(&mut self) -> io::Error {
        loop {
            if let Err(error) = self.act(Instant::now()) {
                return error;
            }
            let next = self.next();
            tokio::select! {
                biased;
                datagram = self.socket.receive() => {
                    let effects = match datagram {
                        Ok(Some(octets)) => {
                            let dump = self.dump.map(|(dump, _)| dump);
                            let tables = &mut self.tables;
                            messages(octets).map(|message| tables.take(message, dump)).collect()
                        }
                        Ok(None) => vec![Effect::Doubt],
                        Err(error) => return error,
                    };
                    effects.into_iter().for_each(|effect| self.heed(effect));
                }
                () = sleep_until(next) => {}
            }
        }
    }

    /// Does what is due.
    fn act(&mut self, now: Instant) -> io::Result<()> {
        let waiting = self.tables.waiting();
        if waiting >= NEWS_AT_ONCE || waiting > 0 && now >= self.tell_at {
            self.tell_at = now + BETWEEN_NEWS;
            (self.kernel.tell)(Told::News(self.tables.take_news()));
        }
        if self.dump.is_some_and(|(_, since)| now > since + LONGEST_DUMP) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.routes_at.is_some_and(|at| now >= at) && !self.due.contains(&Table::Routes) {
            self.routes_at = None;
            self.due.push_back(Table::Routes);
        }
        if self.dump.is_none() && now >= self.ask_at {
            self.ask(now)?;
        }
        if self.knows_links()
            && let Some(on_link) = self.tables.take_on_link()
        {
            self.kernel.on_link.store(Arc::new(on_link));
        }
        if !self.is_due(Table::Addresses)
            && let Some(own) = self.tables.take_own()
        {
            self.kernel.own.publish(own);
        }
        Ok(())
    }

    fn ask(&mut self, now: Instant) -> io::Result<()> {
        let Some(table) = self.due.pop_front() else { return Ok(()) };
        if self.attempts > MAX_ATTEMPTS {
            return Err(io::Error::other("the tables change faster than they can be read"));
        }
        self.attempts += 1;
        self.tables.begin(table);
        self.dump = Some((self.socket.ask(table)?, now));
        Ok(())
    }

    /// Returns whether no table but that of neighbours is yet to be read.
    fn knows_links(&self) -> bool {
        let tables = [Table::Links, Table::Addresses, Table::Routes];
        tables.into_iter().all(|table| !self.is_due(table))
    }

    /// Returns whether a table is yet to be read, or to be read to its end.
    fn is_due(&self, table: Table) -> bool {
        self.dump.is_some_and(|(dump, _)| dump.table == table) || self.due.contains(&table)
    }

    /// Returns when something will be due.
    fn next(&self) -> Instant {
        let news = (self.tables.waiting() > 0).then_some(self.tell_at);
        let dump = self.dump.map(|(_, since)| since + LONGEST_DUMP + BEFORE_RETRY);
        let ask = (self.dump.is_none() && !self.due.is_empty()).then_some(self.ask_at);
        let soonest = [news, dump, ask, self.routes_at].into_iter().flatten().min();
        soonest.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600))
    }

    fn heed(&mut self, effect: Effect) {
        let now = Instant::now();
        match effect {
            Effect::Nothing => {}
            Effect::Done => self.complete(),
            Effect::Again => {
                if let Some((dump, _)) = self.dump.take() {
                    self.due.push_front(dump.table);
                    self.ask_at = now + BEFORE_RETRY;
                }
            }
            Effect::Routes => self.routes_at = self.routes_at.or(Some(now + BEFORE_ROUTES)),
            Effect::Doubt => {
                tracing::debug!("news of the kernel's tables were lost: they are read again");
                self.dump = None;
                self.due = Table::ALL.into();
                self.ask_at = now + BEFORE_ALL;
            }
            Effect::Advertised(found) => {
                let (router, servers) = (found.router, found.servers);
                self.kernel.sights.push(Sight::NameServers { router, servers });
            }
        }
    }

    /// Hands on what a dump brought.
    fn complete(&mut self) {
        self.attempts = 0;
        let table = self.dump.take().map(|(dump, _)| dump.table);
        if table == Some(Table::Routes) && self.routers != self.tables.routers() {
            self.routers = self.tables.routers();
            (self.kernel.tell)(Told::Routers(self.routers.clone()));
        }
        if let Some(all) = self.tables.take_dumped().filter(|_| table == Some(Table::Neighbours)) {
            (self.kernel.tell)(Told::All(all));
            self.senses.regain("neighbour tables");
            // Whoever waited may have left.
            let _ = self.kernel.ready.try_send(());
        }
    }
}
