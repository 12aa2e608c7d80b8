//! One request: a connection to one of the host's addresses, TLS, and the head of the answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

use super::{ACCEPTED, FetchError, Limits, Wanted};

/// Octets that the head of an answer may have, and fields in it.
const LONGEST_HEAD: usize = 64 << 10;
const MOST_FIELDS: usize = 100;

/// Who we are.
const USER_AGENT: &str = concat!("deadpixel/", env!("CARGO_PKG_VERSION"));

/// An answer whose body is still to come.
pub(super) struct Answered {
    pub response: Response<Incoming>,
    /// What moves the connection's octets; it ends when dropped.
    pub driver: JoinSet<()>,
}

/// A connection, secured or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes what secures connections to servers that `roots` vouch for.
pub(super) fn connector(roots: Arc<RootCertStore>) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Asks for an address at the first of the host's addresses that can be connected to.
pub(super) async fn ask(
    wanted: &Wanted<'_>,
    address: &Url,
    at: &[IpAddr],
    tls: &TlsConnector,
    limits: &Limits,
) -> Result<Answered, FetchError> {
    let stream = connect(address, at, tls, limits).await?;
    let request = request(wanted, address)?;
    let exchange = timeout(limits.idle, exchange(stream, request)).await;
    exchange.map_err(|_| FetchError::Stalled)?
}

async fn connect(
    address: &Url,
    at: &[IpAddr],
    tls: &TlsConnector,
    limits: &Limits,
) -> Result<Box<dyn Stream>, FetchError> {
    let port = address.port_or_known_default().unwrap_or(443);
    let mut error = FetchError::Unresolved("it has no address");
    for &ip in at {
        let connecting = connect_one(address, SocketAddr::new(ip, port), tls);
        match timeout(limits.connect, connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(why)) => error = why,
            Err(_) => error = FetchError::Unreachable("nobody answered in time"),
        }
    }
    Err(error)
}

async fn connect_one(
    address: &Url,
    at: SocketAddr,
    tls: &TlsConnector,
) -> Result<Box<dyn Stream>, FetchError> {
    let stream = TcpStream::connect(at).await.map_err(|error| FetchError::of_connect(&error))?;
    if address.scheme() == "http" {
        return Ok(Box::new(stream));
    }
    let secured = tls.connect(server_name(address)?, stream).await;
    Ok(Box::new(secured.map_err(|error| FetchError::of_connect(&error))?))
}

fn server_name(address: &Url) -> Result<ServerName<'static>, FetchError> {
    let no_name = FetchError::Address("its host is no name");
    match address.host() {
        Some(Host::Ipv4(v4)) => Ok(ServerName::IpAddress(IpAddr::V4(v4).into())),
        Some(Host::Ipv6(v6)) => Ok(ServerName::IpAddress(IpAddr::V6(v6).into())),
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            ServerName::try_from(name.to_owned()).map_err(|_| no_name)
        }
        None => Err(no_name),
    }
}

/// Makes a request that tells no more than it must.
fn request(wanted: &Wanted<'_>, address: &Url) -> Result<Request<Empty<Bytes>>, FetchError> {
    let host = &address[Position::BeforeHost..Position::AfterPort];
    let mut request = Request::builder()
        .uri(&address[Position::BeforePath..Position::AfterQuery])
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::ACCEPT_ENCODING, ACCEPTED)
        .header(header::CONNECTION, "close");
    let conditions =
        [(header::IF_NONE_MATCH, wanted.etag), (header::IF_MODIFIED_SINCE, wanted.last_modified)];
    for (field, value) in conditions {
        if let Some(value) = value {
            request = request.header(field, value);
        }
    }
    request.body(Empty::new()).map_err(|_| FetchError::Address("it cannot be asked for"))
}

async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Empty<Bytes>>,
) -> Result<Answered, FetchError> {
    let mut client = http1::Builder::new();
    client.max_buf_size(LONGEST_HEAD).max_headers(MOST_FIELDS);
    let shaken = client.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| FetchError::of_exchange(&error))?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // What goes wrong is told by the answer or its body.
        let _ = connection.await;
    });
    let response = sender.send_request(request).await;
    Ok(Answered { response: response.map_err(|error| FetchError::of_exchange(&error))?, driver })
}
