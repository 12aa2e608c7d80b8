//! Calls the API of a running daemon over its local socket.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use super::Failure;
use crate::api::{ProblemDocument, paths};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Octets that an answer may have.
const LONGEST_ANSWER: usize = 256 << 20;

/// A caller of the API.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Makes a caller; connects to nobody yet.
    pub fn new(socket: PathBuf) -> Client {
        Client { socket }
    }

    /// Reads; `params` go behind the question mark, save those that are null.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &impl Serialize,
    ) -> Result<T, Failure> {
        let query = query_string(params)?;
        self.call(Method::GET, &format!("{path}{query}"), Bytes::new()).await
    }

    /// Changes something.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|why| Failure::Failed(why.to_string()))?;
        self.call(method, path, body.into()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, Failure> {
        let exchange = tokio::time::timeout(PATIENCE, self.exchange(method, path, body));
        let (good, answer) = exchange.await.map_err(|_| {
            Failure::Unreachable("the daemon did not answer within a minute".into())
        })??;
        if good {
            let unread =
                |why| Failure::Failed(format!("the daemon's answer cannot be read: {why}"));
            return serde_json::from_slice(&answer).map_err(unread);
        }
        Err(match serde_json::from_slice::<ProblemDocument>(&answer) {
            Ok(problem) => problem.into(),
            Err(_) => Failure::Failed("the daemon refused and did not say why".into()),
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(bool, Bytes), Failure> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| unreachable(&self.socket, error.kind()))?;
        let broken = |why: hyper::Error| Failure::Failed(format!("the daemon hung up: {why}"));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "deadpixel.internal")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|why| Failure::Failed(why.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let good = response.status().is_success();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        driver.abort();
        let body = body.map_err(|why| Failure::Failed(format!("the answer broke off: {why}")))?;
        Ok((good, body.to_bytes()))
    }
}

fn unreachable(socket: &Path, kind: ErrorKind) -> Failure {
    let socket = socket.display();
    match kind {
        ErrorKind::PermissionDenied => Failure::NotPermitted(format!(
            "{socket} is only for the daemon's user and group\n\
             help: become a member of that group, or use sudo"
        )),
        _ => Failure::Unreachable(format!(
            "no daemon answers at {socket}\n\
             help: start it with `deadpixel run`, or name its socket with --socket"
        )),
    }
}

fn query_string(params: &impl Serialize) -> Result<String, Failure> {
    let value = serde_json::to_value(params).map_err(|why| Failure::Failed(why.to_string()))?;
    let Value::Object(fields) = value else { return Ok(String::new()) };
    let pairs = fields.iter().filter_map(|(key, value)| {
        let text = match value {
            Value::Null => return None,
            Value::String(text) => paths::encode(text),
            other => other.to_string(),
        };
        Some(format!("{key}={text}"))
    });
    let pairs: Vec<String> = pairs.collect();
    Ok(if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LogParams;

    #[test]
    fn parameters_are_escaped_and_empty_ones_left_out() {
        let params = LogParams {
            text: Some("a&b=c é".into()),
            limit: Some(5),
            tracking: Some(true),
            ..LogParams::default()
        };
        let query = query_string(&params).ok();
        assert_eq!(query.as_deref(), Some("?limit=5&text=a%26b%3Dc%20%C3%A9&tracking=true"));
        assert_eq!(query_string(&()).ok().as_deref(), Some(""));
    }

    #[tokio::test]
    async fn nobody_at_the_socket_is_exit_code_4_and_says_how_to_start_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let client = Client::new(folder.path().join("socket"));
        let failure = client.get::<Value>(paths::STATUS, &()).await.expect_err("nobody is there");
        assert_eq!(failure.code(), 4);
        let text = failure.text().unwrap_or_default();
        assert!(text.contains("deadpixel run"), "{text}");
    }

    #[test]
    fn a_socket_of_others_is_exit_code_5() {
        assert_eq!(unreachable(Path::new("/x"), ErrorKind::PermissionDenied).code(), 5);
    }
}
