//! Whom encrypted upstreams are believed by, and what it means when they are not.

use std::io;
use std::path::Path;
use std::sync::Arc;

use hickory_resolver::net::NetError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

/// Longest text of a foreign error that is shown.
const MAX_TEXT: usize = 160;

/// Makes the TLS settings that trust the public authorities, or those of `ca_file` alone.
pub(super) fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match ca_file {
        Some(path) => read_roots(path)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("ca_file `{}`: {why}", path.display());
    let text = std::fs::read(path).map_err(|error| wrong(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"it holds no certificate; give the authority's in PEM form"));
    }
    Ok(roots)
}

/// Tells why no connection came about, and what to try.
pub(super) fn explain(error: &NetError, port: u16) -> String {
    match error {
        NetError::Timeout => blocked(port),
        NetError::RustlsError(error) => explain_tls(error, port),
        NetError::Io(error) => explain_io(error, port),
        other => clipped(&other.to_string()),
    }
}

/// Tells why no connection came about by the error of the socket.
pub(super) fn explain_io(error: &io::Error, port: u16) -> String {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return explain_tls(tls, port);
    }
    match error.kind() {
        io::ErrorKind::TimedOut => blocked(port),
        io::ErrorKind::ConnectionRefused => {
            format!("nothing answers on port {port}: is the server running, is the port right?")
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "there is no way to it: is this machine connected to the network?".into()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => format!(
            "the connection was cut: does port {port} speak this protocol, or is it filtered?"
        ),
        _ => clipped(&error.to_string()),
    }
}

/// Tells what a connection that does not come about in time hints at.
pub(super) fn blocked(port: u16) -> String {
    let other = match port {
        853 => "; try an https:// upstream, port 443 is seldom blocked",
        _ => "",
    };
    format!("no connection in time: is port {port} blocked by a firewall{other}?")
}

fn explain_tls(error: &rustls::Error, port: u16) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    let why = match error {
        rustls::Error::InvalidCertificate(why) => why,
        rustls::Error::InvalidMessage(_) => {
            return format!("what answers does not speak TLS: is port {port} right?");
        }
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            return "it does not know the name in the url: is that right?".into();
        }
        other => return clipped(&other.to_string()),
    };
    match why {
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            "its certificate is not valid at this time: is this machine's clock right?".into()
        }
        UnknownIssuer => "its certificate comes from an authority that is not trusted: for a \
            server of your own set `ca_file`; otherwise something on the way intercepts TLS"
            .into(),
        NotValidForName | NotValidForNameContext { .. } => {
            "its certificate is for another name: is the host in the url right?".into()
        }
        other => format!("its certificate is refused: {}", clipped(&format!("{other:?}"))),
    }
}

/// Makes a text from outside fit to be shown: short, without control characters.
pub(super) fn clipped(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_certificates_is_refused_by_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        let refused = |path: &Path| client_config(Some(path)).expect_err("no certificate");
        assert!(refused(&path).contains("ca.pem"), "not there");
        std::fs::write(&path, "no pem").expect("written");
        assert!(refused(&path).contains("holds no certificate"));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, broken).expect("written");
        assert!(refused(&path).contains("ca.pem"));
        assert!(client_config(None).is_ok());
    }

    #[test]
    fn each_failure_says_what_to_try() {
        let certificate = |why| rustls::Error::InvalidCertificate(why);
        let says = |error: NetError, hint: &str| {
            let text = explain(&error, 853);
            assert!(text.contains(hint), "{text}");
        };
        let wrapped = io::Error::other(certificate(CertificateError::Expired));
        says(NetError::from(wrapped), "clock");
        says(NetError::from(certificate(CertificateError::UnknownIssuer)), "ca_file");
        says(NetError::from(certificate(CertificateError::NotValidForName)), "host in the url");
        says(NetError::from(io::Error::from(io::ErrorKind::ConnectionRefused)), "port 853");
        says(NetError::from(io::Error::from(io::ErrorKind::NetworkUnreachable)), "connected");
        says(NetError::Timeout, "try an https:// upstream");
        assert!(!blocked(443).contains("try an https"));
    }

    #[test]
    fn texts_from_outside_are_cut_and_cleaned() {
        let text = clipped(&format!("a\x1b[31m\n{}", "x".repeat(1000)));
        assert!(text.len() <= MAX_TEXT && !text.contains(['\x1b', '\n']));
    }
}
