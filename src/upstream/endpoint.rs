//! Where an upstream is and how it is spoken to, read from its url.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use crate::model::DomainName;

use super::UpstreamSettings;

/// Longest path of an https url.
const MAX_PATH: usize = 256;

/// An upstream as it can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The url as it was written.
    pub(super) name: String,
    /// How it is spoken to.
    pub(super) speech: Speech,
    /// Where it is; at least one.
    pub(super) addresses: Vec<IpAddr>,
    /// The port on each.
    pub(super) port: u16,
    /// Authorities trusted instead of the public ones.
    pub(super) ca_file: Option<PathBuf>,
}

/// The transport, with what its certificate is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    Udp,
    Tcp,
    Tls { server_name: String },
    Https { server_name: String, path: String },
}

impl Speech {
    /// Returns whether questions go out in clear, so that their letters guard them.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Speech::Udp | Speech::Tcp)
    }

    /// Returns its word in urls.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Speech::Udp => "udp",
            Speech::Tcp => "tcp",
            Speech::Tls { .. } => "tls",
            Speech::Https { .. } => "https",
        }
    }
}

/// The parts of `scheme://host:port/path`.
struct Parts<'u> {
    scheme: &'u str,
    host: &'u str,
    port: Option<u16>,
    path: &'u str,
}

impl Endpoint {
    /// Reads one upstream; errors name the url and the mend.
    pub(super) fn read(settings: &UpstreamSettings) -> Result<Endpoint, String> {
        read(settings).map_err(|why| format!("`{}`: {why}", settings.url))
    }
}

fn read(settings: &UpstreamSettings) -> Result<Endpoint, String> {
    let parts = split(&settings.url)?;
    let speech = speech(&parts)?;
    if speech.is_plain() && settings.ca_file.is_some() {
        return Err("`ca_file` is for tls:// and https://; remove it".into());
    }
    let addresses = addresses(&parts, &speech, &settings.addresses)?;
    let default = match speech {
        Speech::Udp | Speech::Tcp => 53,
        Speech::Tls { .. } => 853,
        Speech::Https { .. } => 443,
    };
    Ok(Endpoint {
        name: settings.url.clone(),
        speech,
        addresses,
        port: parts.port.unwrap_or(default),
        ca_file: settings.ca_file.clone(),
    })
}

fn split(url: &str) -> Result<Parts<'_>, String> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or("write udp://, tcp://, tls:// or https:// in front, as in `tls://dns.example`")?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if let Some(odd) = rest.chars().find(|&c| !c.is_ascii_graphic() || "@?#{}\\".contains(c)) {
        let odd = odd.escape_default();
        return Err(format!("`{odd}` has no place in it: write scheme://host:port/path"));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("the bracket `[` is not closed")?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    Ok(Parts { scheme, host, port: read_port(port)?, path })
}

fn read_port(text: &str) -> Result<Option<u16>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.strip_prefix(':').and_then(|digits| digits.parse::<u16>().ok());
    match number {
        Some(port) if port > 0 => Ok(Some(port)),
        _ if text.matches(':').count() > 1 => Err("write IPv6 addresses in brackets: [::1]".into()),
        _ => Err(format!("`{text}` is no port: write `:53`, or leave it out")),
    }
}

fn speech(parts: &Parts<'_>) -> Result<Speech, String> {
    let has_path = !matches!(parts.path, "" | "/");
    match parts.scheme {
        "udp" | "tcp" | "tls" if has_path => Err("a path is for https:// only; remove it".into()),
        "udp" => Ok(Speech::Udp),
        "tcp" => Ok(Speech::Tcp),
        "tls" => Ok(Speech::Tls { server_name: server_name(parts.host)? }),
        "https" if parts.path.len() > MAX_PATH => Err("its path is too long".into()),
        "https" if parts.host.parse::<Ipv6Addr>().is_ok() => {
            Err("give an https:// server by its name, and its IPv6 address under `addresses`"
                .into())
        }
        "https" => {
            let path = if has_path { parts.path } else { "/dns-query" };
            Ok(Speech::Https { server_name: server_name(parts.host)?, path: path.into() })
        }
        other => Err(format!("`{other}://` is not spoken: write udp, tcp, tls or https")),
    }
}

/// Returns the name that the certificate must be for: a host name or an address.
fn server_name(host: &str) -> Result<String, String> {
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => DomainName::parse(host).map(|name| name.to_string()).map_err(host_problem(host)),
    }
}

fn host_problem<E: Display>(host: &str) -> impl FnOnce(E) -> String {
    let host = host.to_owned();
    move |error| format!("host `{host}`: {error}")
}

fn addresses(parts: &Parts<'_>, speech: &Speech, given: &[IpAddr]) -> Result<Vec<IpAddr>, String> {
    let found = match parts.host.parse::<IpAddr>() {
        Ok(_) if !given.is_empty() => {
            return Err("its host is an address already: remove `addresses`".into());
        }
        Ok(address) => vec![address],
        Err(_) if speech.is_plain() => {
            return Err(format!(
                "`{}` is no address: {}:// needs one, as in `{1}://192.168.1.1`",
                parts.host, parts.scheme
            ));
        }
        Err(_) if given.is_empty() => {
            return Err("say where it is: addresses = [\"192.0.2.1\"]".into());
        }
        Err(_) => given.to_vec(),
    };
    match found.iter().find(|address| address.is_unspecified() || address.is_multicast()) {
        Some(odd) => Err(format!("nobody can be asked at {odd}: write the server's own address")),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, addresses: &[&str]) -> UpstreamSettings {
        let addresses = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        UpstreamSettings { url: url.into(), addresses, ca_file: None }
    }

    fn good(url: &str, addresses: &[&str]) -> Endpoint {
        Endpoint::read(&settings(url, addresses)).expect(url)
    }

    #[test]
    fn each_scheme_has_its_port() {
        assert_eq!(good("udp://192.0.2.1", &[]).port, 53);
        assert_eq!(good("tcp://[2001:db8::1]", &[]).port, 53);
        assert_eq!(good("tls://dns.example", &["192.0.2.1"]).port, 853);
        assert_eq!(good("https://dns.example", &["192.0.2.1"]).port, 443);
        assert_eq!(good("udp://[::1]:5353/", &[]).port, 5353);
    }

    #[test]
    fn names_and_paths_are_kept_for_the_certificate_and_the_request() {
        let https = good("https://Dns.Example/q", &["192.0.2.1", "2001:db8::1"]);
        let speech = Speech::Https { server_name: "dns.example".into(), path: "/q".into() };
        assert_eq!((https.speech, https.addresses.len()), (speech, 2));
        let literal = good("tls://192.0.2.1:8853", &[]);
        assert_eq!(literal.speech, Speech::Tls { server_name: "192.0.2.1".into() });
        let bare = good("https://dns.example/", &["192.0.2.1"]);
        assert!(matches!(bare.speech, Speech::Https { path, .. } if path == "/dns-query"));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_url_and_the_mend() {
        let cases: [(&str, &[&str], &str); 17] = [
            ("192.0.2.1", &[], "write udp://"),
            ("quic://dns.example", &["192.0.2.1"], "write udp, tcp, tls or https"),
            ("udp://dns.example", &[], "`udp://192.168.1.1`"),
            ("tls://dns.example", &[], "addresses = ["),
            ("tls://192.0.2.1", &["192.0.2.1"], "remove `addresses`"),
            ("udp://192.0.2.1", &["192.0.2.1"], "remove `addresses`"),
            ("udp://192.0.2.1/x", &[], "remove it"),
            ("udp://::1", &[], "in brackets"),
            ("udp://[::1", &[], "not closed"),
            ("udp://192.0.2.1:0", &[], "is no port"),
            ("udp://192.0.2.1:99999", &[], "is no port"),
            ("udp://0.0.0.0", &[], "own address"),
            ("tls://dns.example", &["224.0.0.1"], "own address"),
            ("https://[2001:db8::1]", &[], "by its name"),
            ("https://me@dns.example", &["192.0.2.1"], "`@`"),
            ("https://dns.example/dns-query{?dns}", &["192.0.2.1"], "`{`"),
            ("tls://dns_ ex", &["192.0.2.1"], "has no place"),
        ];
        for (url, addresses, mend) in cases {
            let error = Endpoint::read(&settings(url, addresses)).expect_err(url);
            assert!(error.contains(url) && error.contains(mend), "{error}");
        }
    }

    #[test]
    fn a_ca_file_is_for_encrypted_upstreams() {
        let mut plain = settings("udp://192.0.2.1", &[]);
        plain.ca_file = Some("ca.pem".into());
        assert!(Endpoint::read(&plain).expect_err("plain").contains("remove it"));
        let mut tls = settings("tls://192.0.2.1", &[]);
        tls.ca_file = Some("ca.pem".into());
        assert!(Endpoint::read(&tls).is_ok());
    }
}
