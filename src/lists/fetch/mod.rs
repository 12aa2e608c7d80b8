//! A list's octets by https: its host resolved by our own upstreams, everything bounded.

mod body;
mod client;
mod error;
mod lookup;
#[cfg(test)]
mod packed;
mod reach;
mod redirect;
#[cfg(test)]
mod tests;
mod trust;
mod unpack;
mod zstd;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Response, StatusCode, header};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::rules::parse::MAX_LIST_OCTETS;
use crate::upstream::Upstreams;

pub use error::FetchError;
pub use trust::Trust;

use client::Answered;
use unpack::{ACCEPTED, Packing, unpack};
use zstd::ZstdFrames;

/// Redirects that are followed.
const MOST_REDIRECTS: usize = 5;
/// Octets that a version's tag or time may have to be kept.
const LONGEST_VALIDATOR: usize = 1024;

/// What is to be fetched.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Where.
    pub address: &'a Url,
    /// Whether the server may stand in a network of one's own, and speak plain http.
    pub local: bool,
    /// The ETag that came with what is there already.
    pub etag: Option<&'a str>,
    /// The Last-Modified that came with it.
    pub last_modified: Option<&'a str>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The server says that what is there already is the newest.
    Unchanged,
    /// A body came.
    New(Download),
}

/// A body and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The list, unpacked.
    pub octets: Vec<u8>,
    /// Its ETag.
    pub etag: Option<String>,
    /// Its Last-Modified.
    pub last_modified: Option<String>,
    /// Where it was in the end, redirects followed.
    pub address: Url,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Octets received.
    pub received: u64,
    /// Octets that the server promises, if it does.
    pub expected: Option<u64>,
}

/// Who is told how far a download is.
pub type OnProgress<'p> = &'p (dyn Fn(Progress) + Send + Sync);

/// How much, and how long.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connecting to one address, TLS included.
    connect: Duration,
    /// Without progress.
    idle: Duration,
    /// All of it.
    whole: Duration,
    /// Octets on the wire.
    wire: u64,
    /// Octets unpacked.
    unpacked: u64,
}

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    idle: Duration::from_secs(30),
    whole: Duration::from_secs(600),
    wire: 64 << 20,
    unpacked: MAX_LIST_OCTETS as u64,
};

/// Fetches lists: a handle that is cheap to clone.
#[derive(Clone)]
pub struct Fetcher(Arc<Parts>);

struct Parts {
    upstreams: Upstreams,
    public: TlsConnector,
    local: TlsConnector,
    limits: Limits,
    is_public: fn(IpAddr) -> bool,
}

impl Fetcher {
    /// Makes a fetcher; contacts nobody yet.
    pub fn new(upstreams: Upstreams, trust: &Trust) -> Result<Fetcher, String> {
        Fetcher::within(LIMITS, reach::is_public, upstreams, trust)
    }

    fn within(
        limits: Limits,
        is_public: fn(IpAddr) -> bool,
        upstreams: Upstreams,
        trust: &Trust,
    ) -> Result<Fetcher, String> {
        let public = client::connector(Arc::clone(&trust.public))?;
        let local = client::connector(Arc::clone(&trust.local))?;
        Ok(Fetcher(Arc::new(Parts { upstreams, public, local, limits, is_public })))
    }

    /// Fetches; ends within 10 minutes, whatever the server does.
    pub async fn fetch(
        &self,
        wanted: &Wanted<'_>,
        progress: OnProgress<'_>,
    ) -> Result<Fetched, FetchError> {
        let fetching = self.0.fetch(wanted, progress);
        timeout(self.0.limits.whole, fetching).await.unwrap_or(Err(FetchError::TooSlow))
    }
}

impl Parts {
    async fn fetch(
        &self,
        wanted: &Wanted<'_>,
        progress: OnProgress<'_>,
    ) -> Result<Fetched, FetchError> {
        redirect::check(wanted.address, wanted.local)?;
        let mut address = wanted.address.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answered = self.ask(wanted, &address).await?;
            match answered.response.status() {
                StatusCode::OK => return self.take(answered, address, progress).await,
                StatusCode::NOT_MODIFIED if wanted.has_condition() => {
                    return Ok(Fetched::Unchanged);
                }
                status if leads_on(status) => {
                    let place = answered.response.headers().get(header::LOCATION);
                    let place = place
                        .ok_or(FetchError::Redirect("it redirects and does not say where to"))?;
                    address = redirect::next(&address, place.as_bytes(), wanted.local)?;
                }
                status => return Err(FetchError::Status(status.as_u16())),
            }
        }
        Err(FetchError::Redirect("it redirects more than 5 times"))
    }

    /// Asks one host, at those of its addresses that may be contacted.
    async fn ask(&self, wanted: &Wanted<'_>, address: &Url) -> Result<Answered, FetchError> {
        let host = address.host().ok_or(FetchError::Address("the address names no host"))?;
        let mut at = lookup::addresses(&self.upstreams, host).await?;
        if !wanted.local {
            let refused = at.iter().copied().find(|&ip| !(self.is_public)(ip));
            at.retain(|&ip| (self.is_public)(ip));
            if let (Some(ip), true) = (refused, at.is_empty()) {
                return Err(FetchError::NotPublic(ip));
            }
        }
        let tls = if wanted.local { &self.local } else { &self.public };
        client::ask(wanted, address, &at, tls, &self.limits).await
    }

    async fn take(
        &self,
        answered: Answered,
        address: Url,
        progress: OnProgress<'_>,
    ) -> Result<Fetched, FetchError> {
        let Answered { response, driver: _driver } = answered;
        let validator = |field| validator(&response, field);
        let (etag, last_modified) = (validator(header::ETAG), validator(header::LAST_MODIFIED));
        let packings = response.headers().get_all(header::CONTENT_ENCODING).iter();
        let packing = Packing::read(packings.map(|value| value.as_bytes()))?;
        let expected = promised(&response);
        let body = response.into_body();
        let octets = body::receive(body, expected, packing, &self.limits, progress).await?;
        Ok(Fetched::New(Download { octets, etag, last_modified, address }))
    }
}

impl Wanted<'_> {
    fn has_condition(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }
}

fn leads_on(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Returns a field that tells versions apart, if it can be sent back as it is.
fn validator<B>(response: &Response<B>, field: header::HeaderName) -> Option<String> {
    let value = response.headers().get(field)?.to_str().ok()?;
    (!value.is_empty() && value.len() <= LONGEST_VALIDATOR).then(|| value.into())
}

fn promised<B>(response: &Response<B>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
