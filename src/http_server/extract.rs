//! What handlers take out of a request: bodies and parameters, checked; and who asks.

use axum::Json;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::serve::IncomingStream;
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;

use crate::api::{MAX_TEXT, ProblemDocument, ProblemKind};

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

fn refused(status: StatusCode, detail: String) -> ProblemDocument {
    let kind = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ProblemKind::TooLarge,
        StatusCode::UNPROCESSABLE_ENTITY => ProblemKind::InvalidInput,
        _ => ProblemKind::BadRequest,
    };
    ProblemDocument::new(kind, detail)
}
