//! A server of lists on loopback, over TLS or not, whose answers are octets that a test wrote.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::Identity;

/// The host in the server's certificate.
pub const LIST_HOST: &str = "lists.example";

/// What the server does, one after the other.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends octets.
    Send(Vec<u8>),
    /// Sends octets again and again until the client hangs up.
    Forever(Vec<u8>),
    /// Says nothing more, and keeps the connection.
    Stall,
    /// Closes the connection without a word, as a crash would.
    Cut,
}

/// Answers a request, given by its head.
type Script = dyn Fn(&str) -> Vec<Step> + Send + Sync;

/// A server of lists; stops when dropped.
pub struct ListServer {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    /// Its own, so that a test that stops the time does not stop the server's.
    runtime: Option<Runtime>,
}

struct Shared {
    script: Mutex<Arc<Script>>,
    heads: Mutex<Vec<String>>,
    connections: Mutex<usize>,
}

impl ListServer {
    /// Starts an https server.
    pub fn https(identity: &Identity) -> ListServer {
        ListServer::start("https", Ipv4Addr::LOCALHOST.into(), Some(identity.acceptor(&[])))
    }

    /// Starts an http server.
    pub fn http() -> ListServer {
        ListServer::start("http", Ipv4Addr::LOCALHOST.into(), None)
    }

    fn start(scheme: &'static str, ip: IpAddr, acceptor: Option<TlsAcceptor>) -> ListServer {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = std::net::TcpListener::bind((ip, 0)).expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            script: Mutex::new(Arc::new(|_: &str| status(404))),
            heads: Mutex::default(),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("inside the runtime");
            accept(listener, acceptor, accepting).await;
        });
        ListServer { address, scheme, shared, runtime: Some(runtime) }
    }

    /// Answers every request like this from now on.
    pub fn answers(&self, script: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) {
        *self.shared.script.lock().expect("whole") = Arc::new(script);
    }

    /// Answers every request with these steps from now on.
    pub fn does(&self, steps: Vec<Step>) {
        self.answers(move |_| steps.clone());
    }

    /// Returns the address of a path, by the name in the certificate.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{LIST_HOST}:{}{path}", self.scheme, self.port())
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().expect("whole").clone()
    }

    /// Returns how many connections came, whatever became of them.
    pub fn connections(&self) -> usize {
        *self.shared.connections.lock().expect("whole")
    }
}

impl Drop for ListServer {
    fn drop(&mut self) {
        // A runtime may not be dropped inside another one that is at work.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An answer of this status, without a body.
pub fn status(code: u16) -> Vec<Step> {
    answer(code, &[], b"")
}

/// A list and nothing else.
pub fn list(body: &[u8]) -> Vec<Step> {
    answer(200, &[], body)
}

/// A redirect.
pub fn redirect(place: &str) -> Vec<Step> {
    answer(302, &[("Location", place)], b"moved")
}

/// An answer with these fields, its length and its body.
pub fn answer(code: u16, fields: &[(&str, &str)], body: &[u8]) -> Vec<Step> {
    let length = body.len().to_string();
    let fields = [fields, &[("Content-Length", &length)]].concat();
    vec![Step::Send([head(code, &fields), body.to_vec()].concat())]
}

/// The head of an answer.
pub fn head(code: u16, fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {code} Whatever\r\n{fields}\r\n").into_bytes()
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        *shared.connections.lock().expect("whole") += 1;
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            match acceptor {
                None => serve(stream, &shared).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, &shared).await;
                    }
                }
            }
        });
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    let Some(head) = read_head(&mut stream).await else { return };
    let script = Arc::clone(&shared.script.lock().expect("whole"));
    let steps = script(&head);
    shared.heads.lock().expect("whole").push(head);
    for step in steps {
        let done = match step {
            Step::Send(octets) => stream.write_all(&octets).await,
            Step::Forever(octets) => forever(&mut stream, &octets).await,
            Step::Stall => {
                let _ = stream.flush().await;
                std::future::pending().await
            }
            Step::Cut => {
                let _ = stream.flush().await;
                return;
            }
        };
        if done.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

async fn forever(stream: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> std::io::Result<()> {
    loop {
        stream.write_all(octets).await?;
    }
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}
