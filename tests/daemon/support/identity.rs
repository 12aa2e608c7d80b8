//! Certificates of the tests' own, each its own authority.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A certificate that is its own authority, and the folder with its PEM file.
pub struct Identity {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
    folder: tempfile::TempDir,
}

impl Identity {
    /// Makes an authority of this name with a certificate for `host`.
    pub fn of(authority: &str, host: &str) -> Identity {
        let mut parameters = rcgen::CertificateParams::new(vec![host.into()]).expect("a name");
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

    /// Returns what speaks TLS under it, and these protocols inside.
    pub fn acceptor(&self, protocols: &[&str]) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .expect("a certificate");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}
