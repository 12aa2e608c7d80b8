//! Why a list could not be fetched, in words of ours: nothing that a server sent is ever shown.

use std::io;
use std::net::IpAddr;

use hyper::StatusCode;
use rustls::CertificateError;

/// Why a list could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The address is not one that may be fetched.
    #[error("{0}")]
    Address(&'static str),
    /// The host's name leads to no address.
    #[error("the host's name cannot be resolved: {0}")]
    Unresolved(&'static str),
    /// The host stands where no public server does.
    #[error(
        "its host is at {0}, which is no public address; for a server of your own network give \
         the list `local = true`"
    )]
    NotPublic(IpAddr),
    /// No connection came about.
    #[error("no connection: {0}")]
    Unreachable(&'static str),
    /// A connection came about, but not with whom the address names.
    #[error("no secure connection: {0}")]
    Insecure(&'static str),
    /// A redirect that is not followed.
    #[error("{0}")]
    Redirect(&'static str),
    /// The server answers with a status that carries no list.
    #[error("the server answers {}", status_words(*.0))]
    Status(u16),
    /// What answers does not speak HTTP.
    #[error("what answers does not speak HTTP as it should")]
    NotHttp,
    /// The end of the body is missing.
    #[error("the download broke off before its end")]
    CutShort,
    /// More octets than a list may have.
    #[error("it is larger than a list may be: {0}")]
    TooLarge(&'static str),
    /// The body is not packed as the server says, or in a way nobody asked for.
    #[error("it cannot be unpacked: {0}")]
    Packing(&'static str),
    /// Nothing came for too long.
    #[error("nothing came for 30 seconds")]
    Stalled,
    /// The whole took too long.
    #[error("it was not there within 10 minutes")]
    TooSlow,
    /// The program itself failed.
    #[error("the fetch ended in an error of the program")]
    Broken,
}

impl FetchError {
    /// Returns the error of a connection that did not come about.
    pub(super) fn of_connect(error: &io::Error) -> FetchError {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return FetchError::of_tls(tls);
        }
        FetchError::Unreachable(match error.kind() {
            io::ErrorKind::ConnectionRefused => "nothing answers on that port",
            io::ErrorKind::TimedOut => "nobody answered in time",
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                "there is no way to the host: is this machine connected to the network?"
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
                "the host hung up at once"
            }
            io::ErrorKind::PermissionDenied => "this machine does not allow it",
            _ => "the network failed",
        })
    }

    fn of_tls(error: &rustls::Error) -> FetchError {
        use CertificateError::{
            Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
            NotValidYetContext, UnknownIssuer,
        };
        FetchError::Insecure(match error {
            rustls::Error::InvalidCertificate(why) => match why {
                Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
                    "the server's certificate is not valid at this time: is this machine's clock \
                     right?"
                }
                UnknownIssuer => {
                    "the server's certificate comes from an authority that is not trusted; for a \
                     server of your own set `ca` in [lists] of config.toml and `local = true`"
                }
                NotValidForName | NotValidForNameContext { .. } => {
                    "the server's certificate is for another name"
                }
                _ => "the server's certificate is refused",
            },
            rustls::Error::InvalidMessage(_) => "what answers does not speak TLS",
            rustls::Error::AlertReceived(_) => "the server refuses the connection",
            _ => "the server does not keep to the protocol",
        })
    }

    /// Returns the error of an exchange that went wrong.
    pub(super) fn of_exchange(error: &hyper::Error) -> FetchError {
        match error.is_parse() {
            true => FetchError::NotHttp,
            false => FetchError::CutShort,
        }
    }
}

fn status_words(code: u16) -> String {
    // The words of the standard: those that the server sent are not shown.
    let words = StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    words.map_or_else(|| code.to_string(), |words| format!("{code} ({words})"))
}
