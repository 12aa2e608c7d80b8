//! Calls the API of a running daemon over its local socket.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::Failure;
use crate::api::{ProblemDocument, paths};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it may say nothing while something is at work: a download ends within 10 minutes.
const LONG_PATIENCE: Duration = Duration::from_secs(660);

/// Octets that one line of an answer may have.
const LONGEST_LINE: usize = 1 << 20;

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

    /// Asks for something that takes its time, and passes on each line of the answer as it comes.
    pub async fn follow<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        mut take: impl FnMut(T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let body = serde_json::to_vec(body).map_err(|why| Failure::Failed(why.to_string()))?;
        let mut answer = self.open(Method::POST, path, body.into()).await?;
        if !answer.good {
            return Err(problem(&answer.whole().await?));
        }
        let mut begun = Vec::new();
        while let Some(piece) = answer.next().await? {
            begun.extend_from_slice(&piece);
            while let Some(end) = begun.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = begun.drain(..=end).collect();
                take(serde_json::from_slice(&line).map_err(|why| unread(&why))?)?;
            }
            if begun.len() > LONGEST_LINE {
                return Err(Failure::Failed("the daemon's answer has no end of line".into()));
            }
        }
        Ok(())
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
        match good {
            true => serde_json::from_slice(&answer).map_err(|why| unread(&why)),
            false => Err(problem(&answer)),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(bool, Bytes), Failure> {
        let answer = self.open(method, path, body).await?;
        Ok((answer.good, answer.whole().await?))
    }

    /// Sends a request and returns the answer, its body still to come.
    async fn open(&self, method: Method, path: &str, body: Bytes) -> Result<Opened, Failure> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| unreachable(&self.socket, error.kind()))?;
        let broken = |why: hyper::Error| Failure::Failed(format!("the daemon hung up: {why}"));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What goes wrong is told by the answer or its body.
            let _ = connection.await;
        });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "deadpixel.internal")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|why| Failure::Failed(why.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let good = response.status().is_success();
        Ok(Opened { good, body: response.into_body(), _driver: driver })
    }
}

/// An answer whose body is still to come.
struct Opened {
    good: bool,
    body: Incoming,
    /// What moves the connection's octets; it ends when dropped.
    _driver: JoinSet<()>,
}

impl Opened {
    async fn whole(self) -> Result<Bytes, Failure> {
        let body = Limited::new(self.body, LONGEST_ANSWER).collect().await;
        let body = body.map_err(|why| Failure::Failed(format!("the answer broke off: {why}")))?;
        Ok(body.to_bytes())
    }

    /// Returns the next piece of the body, or none at its end.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let frame = tokio::time::timeout(LONG_PATIENCE, self.body.frame()).await;
        let silent = |_| Failure::Unreachable("the daemon has fallen silent".into());
        match frame.map_err(silent)? {
            None => Ok(None),
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
            Some(Err(why)) => Err(Failure::Failed(format!("the answer broke off: {why}"))),
        }
    }
}

fn unread(why: &serde_json::Error) -> Failure {
    Failure::Failed(format!("the daemon's answer cannot be read: {why}"))
}

fn problem(answer: &[u8]) -> Failure {
    match serde_json::from_slice::<ProblemDocument>(answer) {
        Ok(problem) => problem.into(),
        Err(_) => Failure::Failed("the daemon refused and did not say why".into()),
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
