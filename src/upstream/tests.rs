//! Upstreams asked over real sockets: a stub on loopback that answers, errs, stays silent, dies.

use std::collections::HashSet;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;
use axum::http;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::model::RecordType;
use crate::wire::{Query, ResponseCode};

/// Short, so that what fails does so soon; long enough for a machine under load.
const SHORT: Limits = Limits {
    question: Duration::from_millis(2_000),
    connect: Duration::from_millis(600),
    least_patience: Duration::from_millis(100),
    most_patience: Duration::from_millis(250),
};
/// For tests in which nobody may be asked twice.
const PATIENT: Limits = Limits {
    question: Duration::from_secs(20),
    connect: Duration::from_secs(10),
    least_patience: Duration::from_secs(15),
    most_patience: Duration::from_secs(15),
};
const SECOND: u64 = 1_000_000;

/// A query as the stub got it.
struct Heard {
    packet: Vec<u8>,
    /// How many came before it, over all transports.
    before: usize,
    over_stream: bool,
    /// Connections made until now.
    connections: usize,
}

/// What the stub sends back; nothing, one message or several.
type Script = dyn Fn(&Heard) -> Vec<Vec<u8>> + Send + Sync;

/// An upstream of the test's own. Dropped, it closes its sockets.
struct Stub {
    address: SocketAddr,
    inner: Arc<Inner>,
    tasks: JoinSet<()>,
}

struct Inner {
    script: Mutex<Arc<Script>>,
    heard: Mutex<Vec<(Vec<u8>, bool)>>,
    /// Where datagrams came from.
    peers: Mutex<Vec<SocketAddr>>,
    connections: AtomicUsize,
    delay: Mutex<fn(&str) -> u64>,
}

/// How the stub is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// UDP and TCP on one port.
    Plain,
    Tls,
    Https,
}

impl Stub {
    async fn plain(script: impl Fn(&Heard) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Stub {
        Stub::start(Door::Plain, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None, script).await
    }

    async fn start(
        door: Door,
        address: SocketAddr,
        identity: Option<&Identity>,
        script: impl Fn(&Heard) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Stub {
        let (listener, datagrams) = bind(address).await;
        let address = listener.local_addr().expect("it is bound");
        let inner = Arc::new(Inner {
            script: Mutex::new(Arc::new(script)),
            heard: Mutex::new(Vec::new()),
            peers: Mutex::new(Vec::new()),
            connections: AtomicUsize::new(0),
            delay: Mutex::new(|_| 0),
        });
        let mut tasks = JoinSet::new();
        if door == Door::Plain {
            tasks.spawn(serve_datagrams(datagrams, inner.clone()));
        }
        let acceptor = identity.map(|identity| identity.acceptor(door == Door::Https));
        tasks.spawn(accept(listener, door, acceptor, inner.clone()));
        Stub { address, inner, tasks }
    }

    /// Closes its sockets before it returns.
    async fn close(mut self) {
        self.tasks.shutdown().await;
    }

    fn now_does(&self, script: impl Fn(&Heard) -> Vec<Vec<u8>> + Send + Sync + 'static) {
        *self.inner.script.lock().expect("whole") = Arc::new(script);
    }

    fn delays(&self, delay: fn(&str) -> u64) {
        *self.inner.delay.lock().expect("whole") = delay;
    }

    fn heard(&self) -> Vec<(Vec<u8>, bool)> {
        self.inner.heard.lock().expect("whole").clone()
    }

    fn peers(&self) -> Vec<SocketAddr> {
        self.inner.peers.lock().expect("whole").clone()
    }

    fn count(&self) -> usize {
        self.heard().len()
    }

    fn streamed(&self) -> usize {
        self.heard().iter().filter(|(_, over_stream)| *over_stream).count()
    }

    fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::SeqCst)
    }

    fn at(&self, scheme: &str) -> UpstreamSettings {
        let url = format!("{scheme}://{}", self.address);
        UpstreamSettings { url, addresses: Vec::new(), ca_file: None }
    }

    fn encrypted(&self, scheme: &str, ca_file: Option<PathBuf>) -> UpstreamSettings {
        let url = format!("{scheme}://localhost:{}", self.address.port());
        UpstreamSettings { url, addresses: vec![self.address.ip()], ca_file }
    }
}

impl Inner {
    /// Hears a query and returns what to send, after how many milliseconds.
    fn hear(&self, packet: &[u8], over_stream: bool) -> (u64, Vec<Vec<u8>>) {
        let before = {
            let mut heard = self.heard.lock().expect("whole");
            heard.push((packet.to_vec(), over_stream));
            heard.len() - 1
        };
        let script = self.script.lock().expect("whole").clone();
        let connections = self.connections.load(Ordering::SeqCst);
        let packet_too = packet.to_vec();
        let replies = script(&Heard { packet: packet_too, before, over_stream, connections });
        let delay = *self.delay.lock().expect("whole");
        (delay(&name_of(packet)), replies)
    }
}

async fn bind(address: SocketAddr) -> (TcpListener, UdpSocket) {
    for _ in 0..50 {
        let Ok(listener) = TcpListener::bind(address).await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let taken = listener.local_addr().expect("it is bound");
        if let Ok(datagrams) = UdpSocket::bind(taken).await {
            return (listener, datagrams);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

async fn serve_datagrams(socket: UdpSocket, inner: Arc<Inner>) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        inner.peers.lock().expect("whole").push(peer);
        let (delay, replies) = inner.hear(&buffer[..length], false);
        let socket = socket.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(delay)).await;
            for reply in replies {
                let _ = socket.send_to(&reply, peer).await;
            }
        });
    }
}

async fn accept(
    listener: TcpListener,
    door: Door,
    acceptor: Option<TlsAcceptor>,
    inner: Arc<Inner>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        inner.connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, inner) = (acceptor.clone(), inner.clone());
        connections.spawn(async move {
            match (door, acceptor) {
                (Door::Plain, _) => serve_stream(stream, inner).await,
                (_, None) => sleep(Duration::from_secs(60)).await,
                (_, Some(acceptor)) => {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    match door {
                        Door::Https => serve_https(stream, inner).await,
                        _ => serve_stream(stream, inner).await,
                    }
                }
            }
        });
    }
}

/// Messages with their length in front; an empty reply closes the connection.
async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    inner: Arc<Inner>,
) {
    let (mut reader, writer) = tokio::io::split(stream);
    let writer = Arc::new(tokio::sync::Mutex::new(writer));
    let mut replying = JoinSet::new();
    while let Ok(length) = reader.read_u16().await {
        let mut packet = vec![0; usize::from(length)];
        if reader.read_exact(&mut packet).await.is_err() {
            return;
        }
        let (delay, replies) = inner.hear(&packet, true);
        if replies.iter().any(Vec::is_empty) {
            return;
        }
        let writer = writer.clone();
        replying.spawn(async move {
            sleep(Duration::from_millis(delay)).await;
            let mut writer = writer.lock().await;
            for reply in replies {
                let framed = [&(reply.len() as u16).to_be_bytes()[..], &reply].concat();
                let _ = writer.write_all(&framed).await;
            }
            let _ = writer.flush().await;
        });
    }
}

/// DNS over HTTP/2; an empty reply is status 500.
async fn serve_https(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    inner: Arc<Inner>,
) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut replying = JoinSet::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let inner = inner.clone();
        replying.spawn(async move {
            let asked = (request.uri().path() == "/dns-query").then_some(());
            let mut body = request.into_body();
            let mut packet = Vec::new();
            while let Some(Ok(part)) = body.data().await {
                packet.extend_from_slice(&part);
            }
            let (delay, replies) = inner.hear(&packet, true);
            sleep(Duration::from_millis(delay)).await;
            let reply = replies.into_iter().next().filter(|_| asked.is_some()).unwrap_or_default();
            let status = if reply.is_empty() { 500 } else { 200 };
            let head = http::Response::builder()
                .status(status)
                .header("content-type", "application/dns-message")
                .body(());
            if let Ok(mut sending) = respond.send_response(head.expect("a response"), false) {
                let _ = sending.send_data(Bytes::from(reply), true);
            }
        });
    }
}

/// A certificate of the test's own and the folder that its PEM file lies in.
struct Identity {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
    folder: tempfile::TempDir,
}

impl Identity {
    fn new(name: &str, last_year: i32) -> Identity {
        let mut parameters = rcgen::CertificateParams::new(vec![name.into()]).expect("a name");
        parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("written");
        Identity { certificate, key, folder }
    }

    fn good() -> Identity {
        Identity::new("localhost", 2999)
    }

    fn ca_file(&self) -> Option<PathBuf> {
        Some(self.folder.path().join("ca.pem"))
    }

    fn acceptor(&self, h2: bool) -> TlsAcceptor {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .expect("a certificate");
        if h2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        TlsAcceptor::from(Arc::new(config))
    }
}

fn name_of(packet: &[u8]) -> String {
    Query::parse(packet).map(|query| query.name().to_string()).unwrap_or_default()
}

/// Returns the end of the question of a query.
fn question_end(packet: &[u8]) -> usize {
    Query::parse(packet).map_or(packet.len(), |query| 12 + query.question_octets().len())
}

/// The reply to a query with these flags and, behind the question, these records.
fn reply(packet: &[u8], flags: u16, answers: &[&[u8]], additional: &[&[u8]]) -> Vec<u8> {
    let mut reply = packet[..question_end(packet)].to_vec();
    reply[2..4].copy_from_slice(&flags.to_be_bytes());
    reply[6..12].copy_from_slice(&[0, answers.len() as u8, 0, 0, 0, additional.len() as u8]);
    answers.iter().chain(additional).for_each(|record| reply.extend(*record));
    reply
}

/// An A record of the name asked for.
fn address(last: u8) -> [u8; 16] {
    [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, last]
}

fn answers(heard: &Heard) -> Vec<Vec<u8>> {
    answers_with(1)(heard)
}

fn answers_with(last: u8) -> impl Fn(&Heard) -> Vec<Vec<u8>> + Send + Sync {
    move |heard| vec![reply(&heard.packet, 0x8180, &[&address(last)], &[])]
}

fn silence(_: &Heard) -> Vec<Vec<u8>> {
    Vec::new()
}

fn with_code(code: u16) -> impl Fn(&Heard) -> Vec<Vec<u8>> + Send + Sync {
    move |heard| vec![reply(&heard.packet, 0x8180 | code, &[], &[])]
}

fn question(name: &str) -> Question {
    Question {
        name: DomainName::parse(name).expect("a name"),
        query_type: RecordType::A,
        dnssec_ok: false,
        checking_disabled: false,
    }
}

fn settings(servers: Vec<UpstreamSettings>) -> Settings {
    Settings { servers, ..Settings::default() }
}

fn upstreams(limits: Limits, servers: Vec<UpstreamSettings>) -> (Upstreams, Clock) {
    let clock = Clock::manual(0);
    let upstreams = Upstreams::within(limits, &settings(servers), clock.clone());
    (upstreams.expect("the settings are right"), clock)
}

/// Returns the last octet of the address that was answered.
fn last_octet(answer: &Answer) -> u8 {
    answer.stored.octets().last().copied().expect("octets")
}

async fn ask(upstreams: &Upstreams, name: &str) -> Answer {
    upstreams.ask(question(name)).await.expect("an answer")
}

/// Waits until `done`.
async fn until(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.expect("it never came so far");
}

/// Asks new names until `done`; the clock passes a second each time, so that who rests is probed.
async fn ask_until(upstreams: &Upstreams, clock: &Clock, done: impl Fn(&[UpstreamStatus]) -> bool) {
    let asking = async {
        for number in 0.. {
            if done(&upstreams.status()) {
                return;
            }
            let _ = upstreams.ask(question(&format!("until{number}.ex"))).await;
            clock.advance(SECOND);
            sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = timeout(Duration::from_secs(20), asking).await;
    assert!(waited.is_ok(), "it never came so far: {:?}", upstreams.status());
}

/// Runs many at once and returns what they gave.
async fn together<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    futures.into_iter().collect::<JoinSet<_>>().join_all().await
}

// UDP, and what makes a reply believable.

#[tokio::test]
async fn an_answer_over_udp_is_kept_whole() {
    let opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\x09\0\x0f\0\x05\0\x03old";
    let unknown = b"\xc0\x0c\xff\x10\0\x01\0\0\0\x3c\0\x02\xde\xad";
    let stub = Stub::plain(move |heard| {
        vec![reply(&heard.packet, 0x81a0, &[&address(7), unknown], &[opt])]
    })
    .await;
    let (upstreams, _) = upstreams(PATIENT, vec![stub.at("udp")]);
    let answer = ask(&upstreams, "www.ex").await;
    assert!(answer.stored.octets().ends_with(unknown), "a type nobody knows");
    assert_eq!(answer.stored.extended_errors().collect::<Vec<_>>(), [3]);
    assert_eq!((answer.upstream, answer.forwarded_zone), (UpstreamId(0), false));
    assert_eq!((stub.count(), stub.streamed()), (1, 0));
    let status = upstreams.status().swap_remove(0);
    assert_eq!((status.asked, status.answered, status.failed, status.up), (1, 1, 0, true));
    assert_eq!((status.transport, status.timeouts, status.moved), ("udp", 0, 0));
    assert!(status.percentiles_micros.is_some());
}

#[tokio::test]
async fn each_query_has_its_own_number_and_letters_and_ports_change() {
    let stub = Stub::plain(answers).await;
    let (upstreams, clock) = upstreams(PATIENT, vec![stub.at("udp")]);
    for number in 0..12 {
        ask(&upstreams, &format!("a-name-of-many-letters{number}.example")).await;
        clock.advance(3 * SECOND);
    }
    let heard = stub.heard();
    let ids: HashSet<&[u8]> = heard.iter().map(|(packet, _)| &packet[..2]).collect();
    let letters: HashSet<&[u8]> = heard.iter().map(|(packet, _)| &packet[12..34]).collect();
    let ports: HashSet<u16> = stub.peers().iter().map(SocketAddr::port).collect();
    let distinct = [ids.len(), letters.len(), ports.len()];
    assert!(distinct.iter().all(|&count| count > 9), "{distinct:?}");
}

#[tokio::test]
async fn queries_in_flight_at_once_have_each_a_port_of_its_own() {
    let stub = Stub::plain(answers).await;
    stub.delays(|_| 150);
    let (upstreams, _) = upstreams(PATIENT, vec![stub.at("udp")]);
    let asked = together((0..30).map(|number| {
        let upstreams = upstreams.clone();
        async move { upstreams.ask(question(&format!("n{number}.ex"))).await }
    }));
    assert!(asked.await.iter().all(Result::is_ok));
    let ports: HashSet<u16> = stub.peers().iter().map(SocketAddr::port).collect();
    assert_eq!((stub.count(), ports.len()), (30, 30));
}

#[tokio::test]
async fn a_reply_that_comes_again_is_not_taken_for_the_next_one() {
    let stub = Stub::plain(|heard| {
        let number = name_of(&heard.packet)[1..].trim_end_matches(".ex").parse();
        let reply = reply(&heard.packet, 0x8180, &[&address(number.expect("a number"))], &[]);
        vec![reply; 3]
    })
    .await;
    let (upstreams, _) = upstreams(PATIENT, vec![stub.at("udp")]);
    for number in 0..20 {
        assert_eq!(last_octet(&ask(&upstreams, &format!("n{number}.ex")).await), number);
    }
    assert_eq!((stub.count(), stub.streamed()), (20, 0));
}

#[tokio::test]
async fn what_does_not_fit_is_dropped_and_the_wait_goes_on() {
    let stub = Stub::plain(|heard| {
        let good = reply(&heard.packet, 0x8180, &[&address(1)], &[]);
        let forged = reply(&heard.packet, 0x8180, &[&address(66)], &[]);
        let changed = |place: usize, bits: u8| {
            let mut octets = forged.clone();
            octets[place] ^= bits;
            octets
        };
        let garbage = b"garbage that is longer than a header".to_vec();
        let wrong = [changed(0, 1), changed(1, 0x80), changed(13, 1), changed(2, 0x80)];
        [vec![garbage, vec![0; 3], Vec::new()], wrong.to_vec(), vec![good]].concat()
    })
    .await;
    let (upstreams, _) = upstreams(PATIENT, vec![stub.at("udp")]);
    assert_eq!(last_octet(&ask(&upstreams, "www.ex").await), 1);
    assert_eq!((stub.count(), stub.streamed()), (1, 0));
}

#[tokio::test]
async fn a_datagram_from_another_port_is_not_heard() {
    let stub = Stub::plain(silence).await;
    let (upstreams, _) = upstreams(SHORT, vec![stub.at("udp")]);
    let asking = tokio::spawn(async move { upstreams.ask(question("www.ex")).await });
    until(|| stub.count() > 0).await;
    let packet = stub.heard().swap_remove(0).0;
    let forged = reply(&packet, 0x8180, &[&address(66)], &[]);
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    stranger.send_to(&forged, stub.peers()[0]).expect("it was sent");
    let outcome = asking.await.expect("no panic");
    assert!(matches!(outcome, Err(Failure::NoReachableAuthority)), "{outcome:?}");
}

#[tokio::test]
async fn other_letters_or_a_broken_reply_or_a_cut_one_send_the_question_over_tcp() {
    let lower: fn(Vec<u8>) -> Vec<u8> = |mut reply| {
        reply[12..18].make_ascii_lowercase();
        reply
    };
    let upper: fn(Vec<u8>) -> Vec<u8> = |mut reply| {
        let end = reply.len() - 20;
        reply[12..end].make_ascii_uppercase();
        reply
    };
    let broken: fn(Vec<u8>) -> Vec<u8> = |mut reply| {
        reply.pop();
        reply
    };
    let cut: fn(Vec<u8>) -> Vec<u8> = |mut reply| {
        reply[2] |= 0x02;
        reply
    };
    for (what, change) in [("upper", upper), ("broken", broken), ("cut", cut)] {
        let stub = Stub::plain(move |heard| {
            let good = reply(&heard.packet, 0x8180, &[&address(1)], &[]);
            vec![if heard.over_stream { good } else { change(good) }]
        })
        .await;
        let (upstreams, _) = upstreams(PATIENT, vec![stub.at("udp")]);
        let answer = ask(&upstreams, "a-name-of-many-letters.example").await;
        assert_eq!(last_octet(&answer), 1, "{what}");
        assert_eq!((stub.count(), stub.streamed()), (2, 1), "{what}");
        assert_eq!(upstreams.status()[0].moved, 1, "{what}");
    }
    // An upstream that always folds the letters is still of use.
    let folding =
        Stub::plain(move |heard| vec![lower(reply(&heard.packet, 0x8180, &[&address(1)], &[]))])
            .await;
    let (upstreams, _) = self::upstreams(PATIENT, vec![folding.at("tcp")]);
    assert_eq!(last_octet(&ask(&upstreams, "letters.example").await), 1);
}

#[tokio::test]
async fn a_server_from_before_edns_is_asked_without() {
    let stub = Stub::plain(|heard| {
        if heard.packet[11] == 0 {
            return answers(heard);
        }
        let mut bare = heard.packet[..12].to_vec();
        bare[2..12].copy_from_slice(&[0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]);
        vec![bare]
    })
    .await;
    let (upstreams, _) = upstreams(PATIENT, vec![stub.at("udp")]);
    assert_eq!(last_octet(&ask(&upstreams, "www.ex").await), 1);
    assert_eq!(stub.count(), 2);
}

#[tokio::test]
async fn half_of_all_datagrams_may_get_lost() {
    let stub =
        Stub::plain(|heard| if heard.before % 2 == 0 { Vec::new() } else { answers(heard) }).await;
    let (upstreams, _) = upstreams(SHORT, vec![stub.at("udp")]);
    let names = (0..20).map(|number| format!("n{number}.ex"));
    let asked = together(names.map(|name| {
        let upstreams = upstreams.clone();
        async move { upstreams.ask(question(&name)).await }
    }));
    assert!(asked.await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn one_question_causes_at_most_sixteen_queries() {
    let spoiling = |heard: &Heard| vec![reply(&heard.packet, 0x8380, &[], &[])];
    let first = Stub::plain(spoiling).await;
    let second = Stub::plain(silence).await;
    let (upstreams, _) = upstreams(SHORT, vec![first.at("udp"), second.at("udp")]);
    assert!(upstreams.ask(question("www.ex")).await.is_err());
    let sent = first.count() + second.count();
    assert!((4..=16).contains(&sent), "{sent}");
}

// Two upstreams of which one fails; all fail.

/// Asks 20 names of a bad upstream and a good one; returns how often the bad one was asked.
async fn beside_a_good_one(bad: &Stub, scheme: &str) -> (Upstreams, Clock, Stub, u64) {
    let good = Stub::plain(answers_with(2)).await;
    let (upstreams, clock) = upstreams(SHORT, vec![bad.at(scheme), good.at("udp")]);
    for number in 0..20 {
        let answer = ask(&upstreams, &format!("n{number}.ex")).await;
        assert_eq!((last_octet(&answer), answer.upstream), (2, UpstreamId(1)));
    }
    let status = upstreams.status();
    assert!(!status[0].up && status[1].up, "{status:?}");
    assert!(status[0].last_error.is_some() && status[1].last_error.is_none(), "{status:?}");
    (upstreams, clock, good, status[0].asked)
}

#[tokio::test]
async fn a_silent_upstream_is_put_aside_and_taken_back_when_it_answers() {
    let bad = Stub::plain(silence).await;
    let (upstreams, clock, _good, asked) = beside_a_good_one(&bad, "udp").await;
    assert!(asked <= 8, "it was asked {asked} times of 20");
    bad.now_does(answers_with(1));
    ask_until(&upstreams, &clock, |status| status[0].up).await;
}

#[tokio::test]
async fn an_upstream_that_errs_where_others_answer_is_put_aside() {
    for code in [2, 5] {
        let bad = Stub::plain(with_code(code)).await;
        let (_, _, _, asked) = beside_a_good_one(&bad, "udp").await;
        assert!(asked <= 8, "it was asked {asked} times of 20");
    }
}

#[tokio::test]
async fn a_dead_port_is_put_aside_at_once_and_found_again_when_it_lives() {
    for scheme in ["udp", "tcp"] {
        let bad = Stub::plain(answers).await;
        let address = bad.address;
        let settings = bad.at(scheme);
        bad.close().await;
        let good = Stub::plain(answers_with(2)).await;
        let (upstreams, clock) = upstreams(SHORT, vec![settings, good.at("udp")]);
        for number in 0..10 {
            assert_eq!(last_octet(&ask(&upstreams, &format!("n{number}.ex")).await), 2);
        }
        let dead = upstreams.status().swap_remove(0);
        assert!(!dead.up && dead.asked <= 2, "{dead:?}");
        assert!(dead.last_error.is_some_and(|error| error.contains("is the server running")));
        let _alive = Stub::start(Door::Plain, address, None, answers_with(1)).await;
        ask_until(&upstreams, &clock, |status| status[0].up).await;
    }
}

#[tokio::test]
async fn the_faster_upstream_is_asked_and_the_other_looked_at_now_and_then() {
    let (slow, fast) = (Stub::plain(answers_with(1)).await, Stub::plain(answers_with(2)).await);
    slow.delays(|_| 60);
    let servers = settings(vec![slow.at("udp"), fast.at("udp")]);
    let upstreams = Upstreams::within(PATIENT, &servers, Clock::system()).expect("right");
    let known = || upstreams.status().iter().all(|one| one.latency_micros.is_some());
    ask(&upstreams, "first.ex").await;
    until(known).await;
    for number in 0..130 {
        assert_eq!(last_octet(&ask(&upstreams, &format!("n{number}.ex")).await), 2);
    }
    let looks = slow.count();
    assert!((2..=4).contains(&looks), "{looks}");
}

#[tokio::test]
async fn as_listed_the_first_is_asked_however_slow_and_the_others_only_while_it_fails() {
    let (slow, fast) = (Stub::plain(answers_with(1)).await, Stub::plain(answers_with(2)).await);
    slow.delays(|_| 20);
    let servers =
        Settings { order: Order::AsListed, ..settings(vec![slow.at("udp"), fast.at("udp")]) };
    let clock = Clock::manual(0);
    let upstreams = Upstreams::within(PATIENT, &servers, clock.clone()).expect("right");
    for number in 0..70 {
        assert_eq!(last_octet(&ask(&upstreams, &format!("n{number}.ex")).await), 1);
    }
    assert_eq!(fast.count(), 0, "nobody looks at it without need");
    slow.now_does(with_code(2));
    for number in 0..4 {
        assert_eq!(last_octet(&ask(&upstreams, &format!("m{number}.ex")).await), 2);
    }
    assert!(!upstreams.status()[0].up, "it rests");
    slow.now_does(answers_with(1));
    ask_until(&upstreams, &clock, |status| status[0].up).await;
    assert_eq!(last_octet(&ask(&upstreams, "back.ex").await), 1);
}

#[tokio::test]
async fn if_all_refuse_the_last_refusal_is_the_answer_and_nobody_is_blamed() {
    let ede = b"\0\0\x29\x04\xd0\0\0\0\0\0\x08\0\x0f\0\x04\0\x06no";
    let bogus = move |heard: &Heard| vec![reply(&heard.packet, 0x8182, &[], &[ede])];
    let (first, second) = (Stub::plain(bogus).await, Stub::plain(bogus).await);
    let (upstreams, _) = upstreams(PATIENT, vec![first.at("udp"), second.at("tcp")]);
    for number in 0..6 {
        let answer = ask(&upstreams, &format!("n{number}.ex")).await;
        assert_eq!(answer.stored.response_code(), ResponseCode::SERVFAIL);
        assert_eq!(answer.stored.extended_errors().collect::<Vec<_>>(), [6]);
    }
    assert!(upstreams.status().iter().all(|one| one.up), "{:?}", upstreams.status());
    assert!(first.count() + second.count() <= 6 * 2 + 1, "each is asked once, one was probed");
}

#[tokio::test]
async fn all_dead_is_a_failure_that_says_which_and_ends_when_they_return() {
    let (first, second) = (Stub::plain(silence).await, Stub::plain(silence).await);
    let (upstreams, clock) = upstreams(SHORT, vec![first.at("udp"), second.at("tcp")]);
    let outcome = upstreams.ask(question("www.ex")).await;
    assert!(matches!(outcome, Err(Failure::NoReachableAuthority)), "{outcome:?}");
    first.now_does(answers);
    second.now_does(answers);
    clock.advance(2 * SECOND);
    assert_eq!(last_octet(&ask(&upstreams, "www.ex").await), 1);
    let addresses = [first.address, second.address];
    first.close().await;
    second.close().await;
    let outcome = upstreams.ask(question("other.ex")).await;
    assert!(matches!(outcome, Err(Failure::NetworkError)), "{outcome:?}");
    assert!(upstreams.status().iter().all(|one| !one.up && one.last_error.is_some()));
    let _alive = Stub::start(Door::Plain, addresses[1], None, answers).await;
    assert_eq!(last_octet(&ask(&upstreams, "third.ex").await), 1, "at once");
}

#[tokio::test]
async fn without_upstreams_every_question_fails() {
    let (upstreams, _) = upstreams(SHORT, Vec::new());
    let outcome = upstreams.ask(question("www.ex")).await;
    assert!(matches!(outcome, Err(Failure::NetworkError)), "{outcome:?}");
    assert!(upstreams.status().is_empty());
}

// Zones of `[[forward]]`.

#[tokio::test]
async fn a_mapped_zone_is_asked_of_its_own_servers_only_even_when_they_are_dead() {
    let everything = Stub::plain(answers_with(1)).await;
    let lan = Stub::plain(answers_with(2)).await;
    let inner = Stub::plain(answers_with(3)).await;
    let forward = |zone: &str, stub: &Stub| ForwardSettings {
        zone: zone.into(),
        servers: vec![stub.at("udp")],
    };
    let settings = Settings {
        servers: vec![everything.at("udp")],
        forward: vec![forward("lan", &lan), forward("corp.lan", &inner)],
        ..Settings::default()
    };
    let upstreams = Upstreams::within(SHORT, &settings, Clock::manual(0)).expect("right");
    for (name, last, zone) in
        [("www.ex", 1, false), ("lan", 2, true), ("a.LAN", 2, true), ("x.corp.lan", 3, true)]
    {
        let answer = ask(&upstreams, name).await;
        assert_eq!((last_octet(&answer), answer.forwarded_zone), (last, zone), "{name}");
        let name = DomainName::parse(name).expect("a name");
        assert_eq!(upstreams.is_forwarded(name.as_ref()), zone);
    }
    let before = (everything.count(), lan.count());
    inner.close().await;
    assert!(upstreams.ask(question("y.corp.lan")).await.is_err());
    assert_eq!((everything.count(), lan.count()), before);
    let zones: Vec<_> = upstreams.status().into_iter().map(|one| one.zone).collect();
    assert_eq!(zones, [None, Some("lan".into()), Some("corp.lan".into())]);
}

// Identical questions.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_questions_in_flight_are_asked_once_from_whatever_runtime() {
    let stub = Stub::plain(answers).await;
    stub.delays(|_| 150);
    let (upstreams, _) = upstreams(PATIENT, vec![stub.at("udp")]);
    let elsewhere = upstreams.clone();
    let thread = std::thread::spawn(move || {
        let builder = &mut tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        runtime.block_on(elsewhere.ask(question("www.ex")))
    });
    let asked = together((0..50).map(|_| {
        let upstreams = upstreams.clone();
        async move { upstreams.ask(question("www.ex")).await }
    }));
    assert!(asked.await.iter().all(Result::is_ok));
    let joined = tokio::task::spawn_blocking(move || thread.join());
    assert!(joined.await.expect("no panic").expect("no panic").is_ok());
    assert!(stub.count() <= 2, "one, or two if the thread came late: {}", stub.count());
}

#[tokio::test]
async fn who_asks_may_go_away_and_the_question_is_still_answered_for_others() {
    let stub = Stub::plain(answers).await;
    stub.delays(|_| 100);
    let (upstreams, _) = upstreams(PATIENT, vec![stub.at("udp")]);
    let impatient = timeout(Duration::from_millis(20), upstreams.ask(question("www.ex"))).await;
    assert!(impatient.is_err());
    assert_eq!(last_octet(&ask(&upstreams, "www.ex").await), 1);
    assert_eq!(stub.count(), 1);
}

// Streams.

#[tokio::test]
async fn a_stream_carries_many_questions_at_once_and_slow_names_hold_up_nobody() {
    let stub = Stub::plain(answers).await;
    stub.delays(|name| if name.starts_with("slow") { 400 } else { 0 });
    let (upstreams, _) = upstreams(PATIENT, vec![stub.at("tcp")]);
    let slow = tokio::spawn({
        let upstreams = upstreams.clone();
        async move { upstreams.ask(question("slow.ex")).await }
    });
    let quick = together((0..300).map(|number| {
        let upstreams = upstreams.clone();
        async move { upstreams.ask(question(&format!("n{number}.ex"))).await }
    }));
    assert!(quick.await.iter().all(Result::is_ok));
    assert!(!slow.is_finished(), "it took longer than 300 others");
    assert!(slow.await.expect("no panic").is_ok());
    assert_eq!((stub.connections(), stub.count()), (1, 301));
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_made_anew_without_a_failure() {
    let stub = Stub::plain(|heard| {
        let end = heard.before == 1;
        if end { vec![Vec::new()] } else { answers(heard) }
    })
    .await;
    let (upstreams, _) = upstreams(PATIENT, vec![stub.at("tcp")]);
    ask(&upstreams, "one.ex").await;
    ask(&upstreams, "two.ex").await;
    let status = upstreams.status().swap_remove(0);
    assert_eq!((stub.connections(), status.failed, status.up), (2, 0, true));
}

#[tokio::test]
async fn a_connection_that_leads_nowhere_is_replaced_within_the_question() {
    let stub = Stub::plain(|heard| {
        let lost = heard.connections == 1 && heard.before > 0;
        if lost { Vec::new() } else { answers(heard) }
    })
    .await;
    let (upstreams, _) = upstreams(SHORT, vec![stub.at("tcp")]);
    ask(&upstreams, "one.ex").await;
    assert_eq!(last_octet(&ask(&upstreams, "two.ex").await), 1);
    assert_eq!(stub.connections(), 2);
}

#[tokio::test]
async fn a_reply_to_another_question_is_not_believed_on_a_stream_either() {
    let stub = Stub::plain(|heard| {
        let mut forged = reply(&heard.packet, 0x8180, &[&address(66)], &[]);
        forged[13] ^= 1;
        vec![forged]
    })
    .await;
    let good = Stub::plain(answers_with(2)).await;
    let (upstreams, _) = upstreams(SHORT, vec![stub.at("tcp"), good.at("tcp")]);
    assert_eq!(last_octet(&ask(&upstreams, "www.ex").await), 2);
}

#[tokio::test]
async fn tls_and_https_are_verified_by_the_ca_file_and_share_one_connection() {
    let identity = Identity::good();
    for (door, scheme) in [(Door::Tls, "tls"), (Door::Https, "https")] {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let stub = Stub::start(door, any, Some(&identity), answers).await;
        let (upstreams, _) = upstreams(PATIENT, vec![stub.encrypted(scheme, identity.ca_file())]);
        let asked = together((0..100).map(|number| {
            let upstreams = upstreams.clone();
            async move { upstreams.ask(question(&format!("n{number}.ex"))).await }
        }));
        assert!(asked.await.iter().all(Result::is_ok), "{scheme}: {:?}", upstreams.status());
        assert_eq!((stub.connections(), stub.count()), (1, 100), "{scheme}");
        let plain = stub.heard().iter().all(|(packet, _)| {
            packet[12..question_end(packet) - 4].iter().all(|octet| !octet.is_ascii_uppercase())
        });
        assert!(plain, "letters guard plain upstreams only");
    }
}

/// Asks a TLS upstream in vain and returns what `status` says of it.
async fn refused(identity: Option<&Identity>, ca_file: Option<PathBuf>) -> String {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let stub = Stub::start(Door::Tls, any, identity, answers).await;
    let (upstreams, _) = upstreams(SHORT, vec![stub.encrypted("tls", ca_file)]);
    let outcome = upstreams.ask(question("www.ex")).await;
    assert!(matches!(outcome, Err(Failure::NetworkError)), "{outcome:?}");
    assert_eq!(stub.count(), 0, "no question went out");
    let status = upstreams.status().swap_remove(0);
    assert!(!status.up);
    status.last_error.expect("an error")
}

#[tokio::test]
async fn a_tls_upstream_that_cannot_be_verified_is_not_asked_and_status_says_what_to_try() {
    let good = Identity::good();
    let error = refused(Some(&good), None).await;
    assert!(error.contains("set `ca_file`"), "{error}");
    let other = Identity::good();
    let error = refused(Some(&good), other.ca_file()).await;
    assert!(error.contains("no connection"), "{error}");
    let expired = Identity::new("localhost", 2001);
    let error = refused(Some(&expired), expired.ca_file()).await;
    assert!(error.contains("clock"), "{error}");
    let misnamed = Identity::new("dns.example", 2999);
    let error = refused(Some(&misnamed), misnamed.ca_file()).await;
    assert!(error.contains("host in the url"), "{error}");
    let error = refused(None, good.ca_file()).await;
    assert!(error.contains("blocked by a firewall"), "{error}");
}

#[tokio::test]
async fn a_web_server_that_errs_is_passed_over_and_its_connection_kept() {
    let identity = Identity::good();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let web = Stub::start(Door::Https, any, Some(&identity), |_| vec![Vec::new()]).await;
    let good = Stub::plain(answers_with(2)).await;
    let servers = vec![web.encrypted("https", identity.ca_file()), good.at("udp")];
    let (upstreams, _) = upstreams(PATIENT, servers);
    for name in ["one.ex", "two.ex", "three.ex", "four.ex"] {
        assert_eq!(last_octet(&ask(&upstreams, name).await), 2);
    }
    let status = upstreams.status().swap_remove(0);
    assert!(status.last_error.is_some_and(|error| error.contains("500")));
    assert_eq!(web.connections(), 1);
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_passed_over_for_the_next() {
    let identity = Identity::good();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let stub = Stub::start(Door::Tls, any, Some(&identity), answers).await;
    let mut settings = stub.encrypted("tls", identity.ca_file());
    settings.addresses.insert(0, "127.0.0.99".parse().expect("an address"));
    let (upstreams, _) = upstreams(PATIENT, vec![settings]);
    assert_eq!(last_octet(&ask(&upstreams, "www.ex").await), 1);
    assert_eq!(upstreams.status()[0].failed, 0);
}

#[tokio::test]
async fn an_outcome_is_kept_once_for_all_who_wait_and_also_when_nobody_does() {
    let stub = Stub::plain(answers).await;
    let (upstreams, _) = upstreams(PATIENT, vec![stub.at("udp")]);
    let kept = Arc::new(AtomicUsize::new(0));
    let asked = |name: &str| {
        let (kept, upstreams, question) = (Arc::clone(&kept), upstreams.clone(), question(name));
        let keep = move |outcome: &Result<Answer, Failure>| {
            assert!(outcome.is_ok());
            kept.fetch_add(1, Ordering::SeqCst);
        };
        async move { upstreams.ask_and_keep(question, keep).await.is_ok() }
    };
    let all = together((0..8).map(|_| asked("www.ex"))).await;
    assert!(all.into_iter().all(|answered| answered));
    assert_eq!(kept.load(Ordering::SeqCst), 1);
    stub.delays(|_| 200);
    let impatient = timeout(Duration::from_millis(20), asked("slow.ex")).await;
    assert!(impatient.is_err(), "the client is gone");
    until(|| kept.load(Ordering::SeqCst) == 2).await;
}

// Settings.

#[tokio::test]
async fn all_problems_of_the_settings_are_told_at_once() {
    let server =
        |url: &str| UpstreamSettings { url: url.into(), addresses: Vec::new(), ca_file: None };
    let forward = |zone: &str, servers: &[&str]| ForwardSettings {
        zone: zone.into(),
        servers: servers.iter().map(|url| server(url)).collect(),
    };
    let mut missing = server("tls://192.0.2.1");
    missing.ca_file = Some("not-there.pem".into());
    let settings = Settings {
        servers: vec![server("udp://dns.example"), missing],
        forward: vec![
            forward("lan", &["udp://192.0.2.1"]),
            forward("LAN.", &["udp://192.0.2.1"]),
            forward("empty", &[]),
            forward("192.168.0.0/20", &["udp://192.0.2.1"]),
        ],
        ..Settings::default()
    };
    let problems = check(&settings).expect_err("five problems");
    let hints = ["udp://dns.example", "not-there.pem", "mapped twice", "no server", "/8, /16"];
    assert_eq!(problems.len(), hints.len(), "{problems:#?}");
    for (problem, hint) in problems.iter().zip(hints) {
        assert!(problem.contains(hint), "{problem}");
    }
    let told = Upstreams::new(&settings, Clock::manual(0)).err().expect("five problems");
    assert_eq!(told.lines().count(), hints.len());
}
