//! What holds for every route.

use std::future::pending;
use std::os::unix::fs::PermissionsExt;

use axum::body::{Body as HttpBody, to_bytes};
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;

use super::*;
use crate::api::{LogParams, PauseChange};

/// Routes that use what the real ones use, and none of the daemon's parts.
fn toy() -> Router {
    let routes = Router::new()
        .route("/pause", post(async |Body(pause): Body<PauseChange>| pause.seconds.to_string()))
        .route("/log", get(async |Params(log): Params<LogParams>| format!("{:?}", log.limit)))
        .route("/one/{name}", get(async |Segment(name): Segment| name))
        .route("/actor", get(async |Actor(actor): Actor| actor));
    shell(routes)
}

async fn ask(method: &str, path: &str, body: Option<String>) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path);
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(HttpBody::empty, HttpBody::from);
    let request = request.body(body).expect("a request");
    let service = toy().into_service::<HttpBody>();
    let response = hyper::service::Service::call(
        &hyper_util::service::TowerToHyperService::new(service),
        request,
    );
    let response = response.await.expect("routers do not fail");
    let status = response.status();
    let octets = to_bytes(response.into_body(), 1 << 20).await.expect("a short body");
    (status, String::from_utf8(octets.to_vec()).expect("text"))
}

async fn problem(method: &str, path: &str, body: Option<String>) -> (u16, ProblemKind) {
    let (status, text) = ask(method, path, body).await;
    let document: ProblemDocument = serde_json::from_str(&text).expect("a problem document");
    assert_eq!(status.as_u16(), document.status, "{text}");
    (document.status, document.kind)
}

#[tokio::test]
async fn what_cannot_be_served_is_a_problem_document() {
    assert_eq!(problem("GET", "/nowhere", None).await, (404, ProblemKind::NotFound));
    assert_eq!(problem("DELETE", "/log", None).await, (405, ProblemKind::MethodNotAllowed));
    assert_eq!(problem("GET", "/log?limit=x", None).await, (400, ProblemKind::BadRequest));
    assert_eq!(problem("GET", "/log?limt=3", None).await, (400, ProblemKind::BadRequest));
    let bad = |text: &str| Some(text.to_string());
    assert_eq!(problem("POST", "/pause", bad("{")).await, (400, ProblemKind::BadRequest));
    assert_eq!(problem("POST", "/pause", bad("{}")).await, (422, ProblemKind::InvalidInput));
    assert_eq!(problem("POST", "/pause", None).await.0, 400, "no JSON");
}

#[tokio::test]
async fn a_body_has_at_most_64_kib() {
    let padded = |octets: usize| {
        let body = r#"{"scope":"everyone","seconds":60}"#;
        Some(format!("{body}{}", " ".repeat(octets - body.len())))
    };
    assert_eq!(ask("POST", "/pause", padded(BODY_LIMIT)).await.1, "60");
    let refused = problem("POST", "/pause", padded(BODY_LIMIT + 1)).await;
    assert_eq!(refused, (413, ProblemKind::TooLarge));
}

#[tokio::test]
async fn a_path_segment_is_decoded_and_bounded() {
    let name = "Living room/TV é";
    let path = crate::api::paths::encode(name);
    assert_eq!(ask("GET", &format!("/one/{path}"), None).await.1, name);
    let long = format!("/one/{}", "x".repeat(301));
    assert_eq!(problem("GET", &long, None).await, (422, ProblemKind::InvalidInput));
}

#[test]
fn spans_that_cannot_be_meant_are_refused() {
    let now = Moment { wall: 5_000_000, monotonic: 0 };
    assert_eq!(seconds_from_now(now, 60), Ok(65));
    assert!(seconds_from_now(now, 0).is_err());
    assert!(seconds_from_now(now, u64::MAX).is_err());
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_names_who_asks() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let door = bind_unix(&path).expect("a free path");
    let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let serving = tokio::spawn(door.serve(toy(), pending()));
    let stream = tokio::net::UnixStream::connect(&path).await.expect("it is served");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    let driving = tokio::spawn(connection);
    let request = Request::get("/actor").header("host", "x").body(Empty::<Bytes>::new());
    let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(body, format!("cli uid {}", nix::unistd::getuid()));
    driving.abort();
    serving.abort();
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    drop(bind_unix(&path).expect("a free path"));
    assert!(path.exists(), "left behind as by a crash");
    let living = bind_unix(&path).expect("nobody answers there");
    let refused = bind_unix(&path).err().expect("somebody answers there");
    assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
    living.serve(toy(), async {}).await.expect("it stops");
    assert!(!path.exists(), "gone after an orderly stop");
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    std::fs::write(&path, "precious").expect("a file");
    assert!(bind_unix(&path).is_err());
    assert_eq!(std::fs::read(&path).expect("still there"), b"precious");
}
