//! Encryption in front of an upstream of ours: TLS and HTTPS, with a certificate of the test's own.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::server::TlsStream;

use super::{FakeUpstream, Identity};

/// The host in the url and in the certificate.
pub const UPSTREAM_HOST: &str = "dns.example";

/// An encrypted upstream; what it decrypts is asked of the upstream behind it.
pub struct EncryptedUpstream {
    scheme: &'static str,
    address: SocketAddr,
    _runtime: Runtime,
}

impl EncryptedUpstream {
    /// Starts `tls` or `https` in front of an upstream.
    pub fn start(scheme: &'static str, identity: &Identity, behind: &FakeUpstream) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let protocol = if scheme == "https" { "h2" } else { "dot" };
        let (acceptor, behind) = (identity.acceptor(&[protocol]), behind.address());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    match scheme {
                        "https" => serve_https(stream, behind).await,
                        _ => pass_on(stream, behind).await,
                    }
                });
            }
        });
        EncryptedUpstream { scheme, address, _runtime: runtime }
    }

    /// Returns the url that config.toml names it by.
    pub fn url(&self) -> String {
        let path = if self.scheme == "https" { "/dns-query" } else { "" };
        format!("{}://{UPSTREAM_HOST}:{}{path}", self.scheme, self.address.port())
    }

    /// Returns config.toml with this upstream alone, believed by `authority`.
    pub fn config(&self, authority: &Identity) -> String {
        format!(
            "[discovery]\nleases = []\nmdns = false\nreverse_names = false\n[dns]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[upstream]\nservers = [{{ url = \"{}\", \
             addresses = [\"{}\"], ca_file = \"{}\" }}]\n",
            self.url(),
            self.address.ip(),
            authority.ca_file().display()
        )
    }
}

/// Messages over TLS are framed as over TCP.
async fn pass_on(mut stream: TlsStream<TcpStream>, behind: SocketAddr) {
    let mut plain = TcpStream::connect(behind).await.expect("the upstream");
    let _ = copy_bidirectional(&mut stream, &mut plain).await;
}

async fn serve_https(stream: TlsStream<TcpStream>, behind: SocketAddr) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            assert_eq!(request.uri().path(), "/dns-query");
            let mut body = request.into_body();
            let mut packet = Vec::new();
            while let Some(Ok(part)) = body.data().await {
                packet.extend_from_slice(&part);
            }
            let reply = exchange(behind, &packet).await.expect("a reply");
            let head = Response::builder().header("content-type", "application/dns-message");
            let sending = respond.send_response(head.body(()).expect("a response"), false);
            let _ = sending.and_then(|mut sending| sending.send_data(Bytes::from(reply), true));
        });
    }
}

async fn exchange(behind: SocketAddr, packet: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = TcpStream::connect(behind).await?;
    plain.write_u16(packet.len() as u16).await?;
    plain.write_all(packet).await?;
    let mut reply = vec![0; usize::from(plain.read_u16().await?)];
    plain.read_exact(&mut reply).await?;
    Ok(reply)
}
