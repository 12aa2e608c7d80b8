//! The one stream connection to an upstream: made by hickory, shared, dropped when it fails.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, ProtocolConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsExchange, FirstAnswer};
use hickory_resolver::net::{DnsHandle, NetError};
use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions, Message};
use hickory_resolver::{ConnectionProvider, PoolContext, TlsConfig};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use crate::clock::Clock;
use crate::wire::{Header, Question};

use super::endpoint::{Endpoint, Speech};
use super::tls::{blocked, client_config, clipped, explain};
use super::{Allowance, Fault, Ground, Heard, Outgoing};

/// Most questions in flight on one connection.
const MAX_IN_FLIGHT: usize = 1_000;
/// hickory queues 32 questions in front of the socket and refuses more until its task has run.
const QUEUE_WAIT: Duration = Duration::from_millis(1);
const QUEUE_WAITS: u32 = 100;
/// After so long hickory forgets a question by itself; ours end before.
const FORGET_AFTER: Duration = Duration::from_secs(6);

/// The connection to one upstream, made when it is needed.
pub(super) struct Connection {
    provider: TokioRuntimeProvider,
    context: PoolContext,
    addresses: Vec<IpAddr>,
    config: ConnectionConfig,
    /// The address that is tried first.
    preferred: AtomicUsize,
    state: Mutex<State>,
    /// Why the last attempt to connect failed, if it did.
    trouble: Mutex<Option<String>>,
    connect_limit: Duration,
    /// The runtime on which it lives, whoever asks for it.
    home: Option<Handle>,
    clock: Clock,
}

enum State {
    Closed,
    Connecting(watch::Receiver<Option<Connected>>),
    Open(Arc<Open>),
}

type Connected = Result<Arc<Open>, Fault>;

struct Open {
    exchange: DnsExchange<TokioRuntimeProvider>,
    free: Semaphore,
    /// When something came in over it, on the monotonic clock.
    heard: AtomicU64,
}

/// Why an exchange over an open connection failed.
enum Broken {
    /// The connection itself is gone.
    Connection(String),
    /// This question failed; the connection may be well.
    Question(Fault),
}

impl Connection {
    /// Prepares the connection; reads the `ca_file` if there is one. Plain endpoints use TCP.
    pub(super) fn new(endpoint: &Endpoint, ground: &Ground<'_>) -> Result<Arc<Connection>, String> {
        let mut config = match &endpoint.speech {
            Speech::Udp | Speech::Tcp => ConnectionConfig::tcp(),
            Speech::Tls { server_name } => ConnectionConfig::tls(server_name.as_str().into()),
            Speech::Https { server_name, path } => {
                ConnectionConfig::https(server_name.as_str().into(), Some(path.as_str().into()))
            }
        };
        config.port = endpoint.port;
        let tls = TlsConfig { config: client_config(endpoint.ca_file.as_deref())? };
        let mut options = ResolverOpts::default();
        options.timeout = FORGET_AFTER;
        options.max_active_requests = 2 * MAX_IN_FLIGHT;
        Ok(Arc::new(Connection {
            provider: TokioRuntimeProvider::new(),
            context: PoolContext::new(options, tls),
            addresses: endpoint.addresses.clone(),
            config,
            preferred: AtomicUsize::new(0),
            state: Mutex::new(State::Closed),
            trouble: Mutex::new(None),
            connect_limit: ground.limits.connect,
            home: ground.home.cloned(),
            clock: ground.clock.clone(),
        }))
    }

    /// Asks over the connection; one that was closed meanwhile is made anew once.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        query: &Outgoing,
        question: &Question,
        allowance: &Allowance,
    ) -> Result<(Heard, u64), Fault> {
        loop {
            let (open, fresh) = self.open().await?;
            allowance.take()?;
            let sent = self.clock.now().monotonic;
            match open.ask(query).await {
                Ok(reply) => {
                    let now = self.clock.now().monotonic;
                    open.heard.store(now, Ordering::Relaxed);
                    let heard = query.read(&reply, self.number_of(&reply), question);
                    return Ok((heard, now.saturating_sub(sent)));
                }
                Err(Broken::Question(fault)) => {
                    if matches!(fault, Fault::Unusable(_)) {
                        open.heard.store(self.clock.now().monotonic, Ordering::Relaxed);
                    }
                    return Err(fault);
                }
                Err(Broken::Connection(why)) => {
                    self.close(&open);
                    if fresh {
                        return Err(Fault::Connect(why));
                    }
                }
            }
        }
    }

    /// Returns the number that `reply` must bear.
    fn number_of(&self, reply: &[u8]) -> u16 {
        match self.config.protocol {
            // hickory sends 0 (RFC 8484, section 4.1) and does not compare.
            ProtocolConfig::Https { .. } => 0,
            // hickory chose the number, keeps it to itself, and has found the question by it.
            _ => Header::read(reply).map_or(0, |header| header.id),
        }
    }

    /// Drops the connection if nothing came in over it after `since`: it may lead nowhere.
    pub(super) fn close_if_silent(&self, since: u64) {
        let mut state = lock(&self.state);
        if let State::Open(open) = &*state
            && open.heard.load(Ordering::Relaxed) <= since
        {
            *state = State::Closed;
            self.preferred.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns why no connection could be made, if the last attempt failed.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    fn close(&self, broken: &Arc<Open>) {
        let mut state = lock(&self.state);
        if matches!(&*state, State::Open(open) if Arc::ptr_eq(open, broken)) {
            *state = State::Closed;
        }
    }

    /// Returns the connection and whether it was made just now; all who wait share one attempt.
    async fn open(self: &Arc<Self>) -> Result<(Arc<Open>, bool), Fault> {
        let mut coming = match self.begin() {
            Ok(open) => return Ok((open, false)),
            Err(coming) => coming,
        };
        let connected = match coming.wait_for(Option::is_some).await {
            Ok(connected) => connected.clone(),
            Err(_) => None,
        };
        let open = connected.unwrap_or_else(|| Err(Fault::Connect("it was given up".into())))?;
        Ok((open, true))
    }

    /// Returns the open connection, or where the one that is being made will be told.
    fn begin(self: &Arc<Self>) -> Result<Arc<Open>, watch::Receiver<Option<Connected>>> {
        let mut state = lock(&self.state);
        match &*state {
            State::Open(open) => return Ok(open.clone()),
            // A sender that is gone without a word was cut off with its runtime.
            State::Connecting(coming) if coming.has_changed().is_ok() => return Err(coming.clone()),
            State::Connecting(_) | State::Closed => {}
        }
        let (told, coming) = watch::channel(None);
        *state = State::Connecting(coming.clone());
        let connection = self.clone();
        let connecting = async move {
            let connected = connection.connect().await;
            *lock(&connection.trouble) = connected.as_ref().err().map(Fault::to_string);
            *lock(&connection.state) = match &connected {
                Ok(open) => State::Open(open.clone()),
                Err(_) => State::Closed,
            };
            told.send_replace(Some(connected));
        };
        match &self.home {
            Some(home) => drop(home.spawn(connecting)),
            None => drop(tokio::spawn(connecting)),
        }
        Err(coming)
    }

    /// Tries the addresses one after the other, all within the one limit.
    async fn connect(&self) -> Connected {
        let count = self.addresses.len();
        let share = self.connect_limit / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let first = self.preferred.load(Ordering::Relaxed);
        let mut fault = Fault::Connect("it has no address".into());
        for place in first..first + count {
            let address = self.addresses[place % count];
            match self.connect_to(address, share).await {
                Ok(open) => {
                    self.preferred.store(place % count, Ordering::Relaxed);
                    return Ok(open);
                }
                Err(why) => fault = Fault::Connect(format!("{address}: {why}")),
            }
        }
        Err(fault)
    }

    async fn connect_to(&self, address: IpAddr, limit: Duration) -> Result<Arc<Open>, String> {
        let port = self.config.port;
        let connecting = self
            .provider
            .new_connection(address, &self.config, &self.context)
            .map_err(|error| explain(&error, port))?;
        match tokio::time::timeout(limit, connecting).await {
            Ok(Ok(exchange)) => Ok(Arc::new(Open {
                exchange,
                free: Semaphore::new(MAX_IN_FLIGHT),
                heard: AtomicU64::new(self.clock.now().monotonic),
            })),
            Ok(Err(error)) => Err(explain(&error, port)),
            Err(_) => Err(blocked(port)),
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    async fn ask(&self, query: &Outgoing) -> Result<Vec<u8>, Broken> {
        let Ok(_place) = self.free.try_acquire() else {
            return Err(Broken::Question(Fault::Busy));
        };
        let message = Message::from_vec(query.octets())
            .map_err(|error| Broken::Question(Fault::Unusable(clipped(&error.to_string()))))?;
        for _ in 0..QUEUE_WAITS {
            let request = DnsRequest::new(message.clone(), DnsRequestOptions::default());
            match self.exchange.send(request).first_answer().await {
                Ok(reply) => return Ok(reply.into_buffer()),
                Err(NetError::Msg(why)) if why.contains("channel is full") => {
                    tokio::time::sleep(QUEUE_WAIT).await;
                }
                Err(error) => return Err(broken(&error)),
            }
        }
        Err(Broken::Question(Fault::Busy))
    }
}

/// Tells a connection that is gone from a question that failed.
fn broken(error: &NetError) -> Broken {
    let text = clipped(&error.to_string());
    match error {
        NetError::Timeout => Broken::Question(Fault::Silent),
        NetError::Proto(_) | NetError::RequestTooLarge => {
            Broken::Question(Fault::Unusable("its reply does not parse".into()))
        }
        // What the web server said.
        NetError::Msg(why) if why.starts_with("http") || why.starts_with("ContentType") => {
            Broken::Question(Fault::Unusable(text))
        }
        // hickory says `Busy` when the task that drives the connection has ended.
        _ => Broken::Connection(format!("it closed the connection ({text})")),
    }
}
