//! What handlers take out of a request: bodies and parameters, checked; and who asks.

use std::net::IpAddr;

use axum::Json;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::serve::IncomingStream;
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;

use crate::api::{MAX_TEXT, ProblemDocument, ProblemKind};
use crate::model::DomainName;

/// A JSON body.
pub struct Body<T>(pub T);

/// The parameters behind the question mark.
pub struct Params<T>(pub T);

/// The one part of the path that varies.
pub struct Segment(pub String);

/// Who asks, as the audit log names it.
pub struct Actor(pub String);

/// The user at the other end of the local socket.
#[derive(Clone, Copy, Debug)]
pub struct Peer(Option<u32>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ProblemDocument;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, ProblemDocument> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Body(value)),
            Err(rejection) => Err(refused(rejection.status(), rejection.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ProblemDocument;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> Result<Params<T>, ProblemDocument> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Params(value)),
            Err(rejection) => Err(refused(rejection.status(), rejection.body_text())),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segment, ProblemDocument> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => bounded("path", text).map(Segment),
            Err(rejection) => Err(refused(rejection.status(), rejection.body_text())),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Actor, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().and_then(|info| info.0.0);
        Ok(Actor(peer.map_or_else(|| "api".into(), |uid| format!("cli uid {uid}"))))
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Peer {
        Peer(stream.io().peer_cred().ok().map(|credentials| credentials.uid()))
    }
}

/// Refuses a text that is longer than any name, filter or note may be.
pub fn bounded(field: &str, text: String) -> Result<String, ProblemDocument> {
    if text.chars().count() <= MAX_TEXT {
        return Ok(text);
    }
    let detail = format!("`{field}` has more than {MAX_TEXT} characters");
    Err(ProblemDocument::new(ProblemKind::InvalidInput, detail).field(field))
}

/// Reads a domain name as people write or paste it; says what was meant where that can be told.
pub fn parse_name(text: &str) -> Result<DomainName, ProblemDocument> {
    let problem =
        |detail: String| ProblemDocument::new(ProblemKind::InvalidInput, detail).field("name");
    let text = bounded("name", text.trim().into())?;
    if text.parse::<IpAddr>().is_ok() {
        let detail = format!("`{text}` is an address; rules and lists are about names");
        return Err(problem(detail).hint("`deadpixel who` and `-d` take addresses of devices"));
    }
    DomainName::parse(&text).map_err(|why| {
        let refused = problem(format!("`{text}` is no domain name: {why}"));
        match name_within(&text) {
            Some(name) => refused.hint(format!("did you mean `{name}`?")),
            None => refused,
        }
    })
}

/// Returns the name in what may be a web address, a pattern or a name with a port.
fn name_within(text: &str) -> Option<DomainName> {
    let behind_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = behind_scheme.split(['/', '?', '#']).next()?;
    let host = host.rsplit('@').next()?;
    let host = host.split([':', '^']).next()?;
    let name = DomainName::parse(host.trim_start_matches(['|', '*', '.'])).ok()?;
    (name.as_ref().labels().count() > 1).then_some(name)
}

fn refused(status: StatusCode, detail: String) -> ProblemDocument {
    let kind = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ProblemKind::TooLarge,
        StatusCode::UNPROCESSABLE_ENTITY => ProblemKind::InvalidInput,
        _ => ProblemKind::BadRequest,
    };
    ProblemDocument::new(kind, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_told_with_the_name_that_may_be_meant() {
        let told = |text| {
            let problem = parse_name(text).expect_err("no name");
            assert_eq!(problem.field.as_deref(), Some("name"), "{text}");
            problem.hint.map(String::from).unwrap_or_default()
        };
        let meant = "did you mean `www.tiktok.com`?";
        for pasted in [
            "https://www.tiktok.com/@x?y=1",
            "www.tiktok.com:443",
            "||www.tiktok.com^",
            "*.www.tiktok.com",
        ] {
            assert_eq!(told(pasted), meant, "{pasted}");
        }
        assert!(told("192.168.1.40").contains("-d"));
        for hopeless in ["", "a..b", "my phone", "://", "*"] {
            assert_eq!(told(hopeless), "", "{hopeless:?}");
        }
        assert_eq!(
            parse_name(" TikTok.com. ").map(|name| name.to_string()),
            Ok("tiktok.com".into())
        );
    }
}
