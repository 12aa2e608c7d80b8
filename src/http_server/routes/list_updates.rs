//! Lists that are fetched: how that goes, and the same at once, told line by line.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Json;
use axum::body::{Body as ResponseBody, Bytes, HttpBody};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::{Body, Shared};
use crate::api::{ListUpdateView, ProblemDocument, UpdateEvent, UpdateRequest};

/// Answers `GET`.
pub async fn list(State(app): State<Shared>) -> Json<Vec<ListUpdateView>> {
    Json((app.parts.updates.views)())
}

/// Answers `POST`: fetches lists now, and tells each event as it comes.
pub async fn update(
    State(app): State<Shared>,
    Body(request): Body<UpdateRequest>,
) -> Result<Response, ProblemDocument> {
    let events = (app.parts.updates.update)(&request.lists)?;
    let body = ResponseBody::new(Lines(events));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Events as lines of JSON.
struct Lines(mpsc::Receiver<UpdateEvent>);

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = serde_json::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, serde_json::Error>>> {
        let event = std::task::ready!(self.0.poll_recv(context));
        Poll::Ready(event.map(|event| line(&event)))
    }
}

fn line(event: &UpdateEvent) -> Result<Frame<Bytes>, serde_json::Error> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(Frame::data(line.into()))
}
