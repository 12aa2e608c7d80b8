//! Encryption in front of an upstream of ours: TLS and HTTPS, with a certificate of the test's own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

use super::FakeUpstream;

/// The host in the url and in the certificate.
const HOST: &str = "dns.example";

/// A certificate that is its own authority, and the folder with its PEM file.
pub struct Identity {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
    folder: tempfile::TempDir,
}

/// An encrypted upstream; what it decrypts is asked of the upstream behind it.
pub struct EncryptedUpstream {
    scheme: &'static str,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Identity {
    /// Makes an authority of this name with a certificate for `dns.example`.
    pub fn of(authority: &str) -> Identity {
        let mut parameters = rcgen::CertificateParams::new(vec![HOST.into()]).expect("a name");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, authority);
        parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2999, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("ca.pem");
        Identity { certificate, key, folder }
    }

    /// Returns the PEM file by which it is believed.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn acceptor(&self, scheme: &str) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .expect("a certificate");
        let protocol = if scheme == "https" { "h2" } else { "dot" };
        config.alpn_protocols = vec![protocol.into()];
        TlsAcceptor::from(Arc::new(config))
    }
}

impl EncryptedUpstream {
    /// Starts `tls` or `https` in front of an upstream.
    pub fn start(scheme: &'static str, identity: &Identity, behind: &FakeUpstream) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (acceptor, behind) = (identity.acceptor(scheme), behind.address());
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
        format!("{}://{HOST}:{}{path}", self.scheme, self.address.port())
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
