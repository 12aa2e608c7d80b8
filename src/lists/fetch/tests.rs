//! Fetching from a server on loopback that misbehaves, its name resolved by an upstream of ours.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::packed::{brotli_bomb, gzip, zstd};
use super::*;
use crate::clock::Clock;
use crate::upstream::{Settings, UpstreamSettings};

#[path = "../../../tests/daemon/support/identity.rs"]
mod identity;
#[path = "../../../tests/daemon/support/list_server.rs"]
mod list_server;

use identity::Identity;
use list_server::{LIST_HOST, ListServer, Step, answer, head, list, redirect, status};

/// Small, so that what is too large is soon made.
const SMALL: Limits = Limits { wire: 1 << 20, unpacked: 4 << 20, ..LIMITS };
const LIST: &[u8] = b"a.example\nb.example\n";

/// An upstream that knows the addresses of [`LIST_HOST`] and of nobody else.
struct Names {
    address: SocketAddr,
    given: Arc<Mutex<Vec<Ipv4Addr>>>,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Names {
    fn start() -> Names {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let given = Arc::new(Mutex::new(vec![Ipv4Addr::LOCALHOST]));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (to_give, to_tell) = (Arc::clone(&given), Arc::clone(&asked));
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let query = &buffer[..length];
                to_tell.lock().expect("whole").push(query.to_vec());
                let reply = reply(query, &to_give.lock().expect("whole"));
                let _ = socket.send_to(&reply, client);
            }
        });
        Names { address, given, asked }
    }

    fn give(&self, addresses: &[Ipv4Addr]) {
        *self.given.lock().expect("whole") = addresses.into();
    }

    fn upstreams(&self) -> Upstreams {
        let url = format!("udp://{}", self.address);
        let server = UpstreamSettings { url, addresses: Vec::new(), ca_file: None };
        let settings = Settings { servers: vec![server], ..Settings::default() };
        Upstreams::new(&settings, Clock::system()).expect("it is right")
    }
}

/// Answers type A of the host behind an alias; everything else has no data.
fn reply(query: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let name_end = 12 + query[12..].iter().position(|&octet| octet == 0).expect("a name") + 1;
    let text = query[13..name_end].to_ascii_lowercase();
    let known = text.starts_with(b"lists\x07example\x00");
    let wants_v4 = query[name_end..name_end + 2] == [0, 1];
    let count = if known && wants_v4 { addresses.len() as u8 + 1 } else { 0 };
    let code = if known { 0x80 } else { 0x83 };
    let mut reply = query[..name_end + 4].to_vec();
    reply[2..12].copy_from_slice(&[0x81, code, 0, 1, 0, count, 0, 0, 0, 0]);
    if count == 0 {
        return reply;
    }
    // lists.example is an alias of `x.example`, which has the addresses.
    reply.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, b'x', 0xc0, 18]);
    let target = [0xc0, (reply.len() - 4) as u8];
    for address in addresses {
        reply.extend(target);
        reply.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address.octets());
    }
    reply
}

/// A server, its names, and a fetcher that trusts it.
struct Scene {
    server: ListServer,
    names: Names,
    fetcher: Fetcher,
}

impl Scene {
    fn https() -> Scene {
        let identity = Identity::of("ours", LIST_HOST);
        Scene::with(ListServer::https(&identity), &identity)
    }

    fn http() -> Scene {
        Scene::with(ListServer::http(), &Identity::of("ours", LIST_HOST))
    }

    fn with(server: ListServer, trusted: &Identity) -> Scene {
        let names = Names::start();
        let trust = Trust::with_own(Some(&trusted.ca_file())).expect("a certificate");
        let fetcher = Fetcher::within(SMALL, reach::is_public, names.upstreams(), &trust);
        Scene { server, names, fetcher: fetcher.expect("TLS") }
    }

    /// Takes addresses of 127.0.0.0/24 for public ones, and the test's authority for a public one.
    fn as_if_public(identity: &Identity, server: ListServer) -> Scene {
        let names = Names::start();
        let trust = Trust::with_own(Some(&identity.ca_file())).expect("a certificate");
        let trust = Trust { public: Arc::clone(&trust.local), ..trust };
        let is_public =
            |ip: IpAddr| matches!(ip, IpAddr::V4(v4) if v4.octets()[..3] == [127, 0, 0]);
        let fetcher = Fetcher::within(SMALL, is_public, names.upstreams(), &trust);
        Scene { server, names, fetcher: fetcher.expect("TLS") }
    }

    async fn fetch(&self) -> Result<Fetched, FetchError> {
        self.fetch_at(&self.server.url("/list.txt"), true).await
    }

    async fn fetch_at(&self, address: &str, local: bool) -> Result<Fetched, FetchError> {
        let address = Url::parse(address).expect("an address");
        let wanted = Wanted { address: &address, local, etag: None, last_modified: None };
        self.fetcher.fetch(&wanted, &|_| ()).await
    }

    async fn octets(&self) -> Result<Vec<u8>, FetchError> {
        self.fetch().await.map(|fetched| match fetched {
            Fetched::New(download) => download.octets,
            Fetched::Unchanged => panic!("nothing was there"),
        })
    }

    /// Returns the reason for which the server's answer is not taken.
    async fn refusal(&self, steps: Vec<Step>) -> FetchError {
        self.server.does(steps);
        self.fetch().await.expect_err("it is refused")
    }
}

#[tokio::test]
async fn a_list_is_fetched_by_a_name_that_our_upstream_resolves() {
    let scene = Scene::https();
    let fields = [("ETag", "\"v1\""), ("Last-Modified", "Sat, 21 Nov 2026 10:00:00 GMT")];
    scene.server.does(answer(200, &fields, LIST));
    let expected = Download {
        octets: LIST.into(),
        etag: Some("\"v1\"".into()),
        last_modified: Some("Sat, 21 Nov 2026 10:00:00 GMT".into()),
        address: Url::parse(&scene.server.url("/list.txt")).expect("an address"),
    };
    assert_eq!(scene.fetch().await, Ok(Fetched::New(expected)));
    assert!(!scene.names.asked.lock().expect("whole").is_empty());
    let heads = scene.server.heads();
    let lower = heads[0].to_ascii_lowercase();
    assert!(heads[0].starts_with("GET /list.txt HTTP/1.1\r\n"), "{heads:?}");
    for field in [
        format!("host: {LIST_HOST}:{}\r\n", scene.server.port()),
        format!("user-agent: deadpixel/{}\r\n", env!("CARGO_PKG_VERSION")),
        "accept-encoding: gzip, br, zstd\r\n".into(),
    ] {
        assert!(lower.contains(&field), "{field} {lower}");
    }
    for absent in ["cookie", "referer", "if-none-match", "if-modified-since", "authorization"] {
        assert!(!lower.contains(absent), "{absent}");
    }
}

#[tokio::test]
async fn what_is_there_already_is_named_and_not_sent_again() {
    let scene = Scene::https();
    scene.server.answers(|head| match head.contains("\"v1\"") {
        true => status(304),
        false => answer(200, &[("ETag", "\"v2\"")], LIST),
    });
    let address = Url::parse(&scene.server.url("/")).expect("an address");
    let time = Some("Sat, 21 Nov 2026 10:00:00 GMT");
    let wanted =
        |etag| Wanted { address: &address, local: true, etag: Some(etag), last_modified: time };
    let same = scene.fetcher.fetch(&wanted("\"v1\""), &|_| ()).await;
    assert_eq!(same, Ok(Fetched::Unchanged));
    let sent = scene.server.heads()[0].to_ascii_lowercase();
    assert!(sent.contains("if-modified-since: sat, 21 nov 2026 10:00:00 gmt"), "{sent}");
    let other = scene.fetcher.fetch(&wanted("\"v0\""), &|_| ()).await;
    let Ok(Fetched::New(download)) = other else { panic!("{other:?}") };
    assert_eq!((download.octets.as_slice(), download.etag.as_deref()), (LIST, Some("\"v2\"")));
    // Who asked for the whole and hears that it is unchanged has nothing.
    assert_eq!(scene.refusal(status(304)).await, FetchError::Status(304));
}

#[tokio::test]
async fn packed_bodies_are_unpacked_and_progress_is_told() {
    let scene = Scene::https();
    let packed = gzip(LIST);
    for (packing, body) in [("gzip", &packed), ("zstd", &zstd(LIST)), ("identity", &packed)] {
        scene.server.does(answer(200, &[("Content-Encoding", packing)], body));
        assert_eq!(scene.octets().await.as_deref(), Ok(LIST), "{packing}");
    }
    let chunked =
        [&head(200, &[("Transfer-Encoding", "chunked")])[..], b"14\r\n", LIST, b"\r\n0\r\n\r\n"];
    scene.server.does(vec![Step::Send(chunked.concat())]);
    assert_eq!(scene.octets().await.as_deref(), Ok(LIST), "chunked");
    scene.server.does(list(LIST));
    let told = Mutex::new(Vec::new());
    let address = Url::parse(&scene.server.url("/")).expect("an address");
    let wanted = Wanted { address: &address, local: true, etag: None, last_modified: None };
    let tell = |progress: Progress| told.lock().expect("whole").push(progress);
    scene.fetcher.fetch(&wanted, &tell).await.expect("it is there");
    let expected = Some(LIST.len() as u64);
    let told = told.into_inner().expect("whole");
    assert_eq!(told.first(), Some(&Progress { received: 0, expected }));
    assert_eq!(told.last(), Some(&Progress { received: LIST.len() as u64, expected }));
}

#[tokio::test]
async fn bombs_are_stopped_in_each_packing() {
    let scene = Scene::https();
    let large = vec![b'\n'; SMALL.unpacked as usize + 1];
    let too_large = |error| assert!(matches!(error, FetchError::TooLarge(_)), "{error:?}");
    let bombs = [
        ("gzip", gzip(&large)),
        ("gzip", gzip(&gzip(&large))),
        ("zstd", zstd(&large)),
        ("br", brotli_bomb()),
    ];
    for (packing, body) in bombs {
        assert!((body.len() as u64) < SMALL.wire / 8, "{packing}: {} octets", body.len());
        let steps = answer(200, &[("Content-Encoding", packing)], &body);
        too_large(scene.refusal(steps).await);
    }
    // A gzip file whose packed octets never end either.
    let endless = vec![Step::Send(head(200, &[])), Step::Forever(gzip(&large))];
    too_large(scene.refusal(endless).await);
}

#[tokio::test]
async fn endless_and_oversized_bodies_are_stopped_on_the_wire() {
    let scene = Scene::https();
    let on_the_wire = FetchError::TooLarge("64 MiB on the wire");
    let endless = vec![Step::Send(head(200, &[])), Step::Forever(b"a.example\n".repeat(999))];
    assert_eq!(scene.refusal(endless).await, on_the_wire);
    let chunk = [&b"2710\r\n"[..], &b"a.example\n".repeat(1000), b"\r\n"].concat();
    let chunked = head(200, &[("Transfer-Encoding", "chunked")]);
    let endless = vec![Step::Send(chunked), Step::Forever(chunk)];
    assert_eq!(scene.refusal(endless).await, on_the_wire);
    let announced = head(200, &[("Content-Length", "1048577")]);
    let before_any_octet = vec![Step::Send(announced), Step::Stall];
    assert_eq!(scene.refusal(before_any_octet).await, on_the_wire);
}

#[tokio::test]
async fn what_breaks_off_or_is_no_http_is_not_taken() {
    let scene = Scene::https();
    let length = head(200, &[("Content-Length", "1000")]);
    let chunked = head(200, &[("Transfer-Encoding", "chunked")]);
    let send = |parts: &[&[u8]]| Step::Send(parts.concat());
    let cut = FetchError::CutShort;
    for steps in [
        vec![send(&[&length, LIST])],
        vec![send(&[&length, LIST]), Step::Cut],
        vec![send(&[&chunked, b"14\r\n", LIST])],
        vec![send(&[&chunked, b"14\r\n", LIST]), Step::Cut],
        // Neither a length nor the goodbye of TLS: where it ends, nobody knows.
        vec![send(&[&head(200, &[]), LIST]), Step::Cut],
        vec![send(&[b"HTTP/1.1 200 OK\r\nContent-Le"])],
        vec![],
        vec![Step::Cut],
    ] {
        assert_eq!(scene.refusal(steps.clone()).await, cut, "{steps:?}");
    }
    let fields = "X-Field: y\r\n".repeat(500);
    let long = format!("X-Field: {}\r\n", "y".repeat(1 << 20));
    for garbage in [
        send(&[&chunked, b"not a number\r\n", LIST]),
        send(&[&chunked, b"14\r\n", LIST, b"no end of line"]),
        send(&[b"220 mail.example ESMTP ready\r\n\r\n"]),
        send(&[b"HTTP/1.1 200 OK\r\n", fields.as_bytes(), b"\r\n"]),
        send(&[b"HTTP/1.1 200 OK\r\n", long.as_bytes(), b"\r\n"]),
        send(&[b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"]),
        send(&[b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"]),
    ] {
        let error = scene.refusal(vec![garbage.clone()]).await;
        assert!(
            matches!(error, FetchError::NotHttp | FetchError::CutShort),
            "{error:?} {garbage:?}"
        );
    }
    let endless_head =
        vec![Step::Send(b"HTTP/1.1 200 OK\r\n".into()), Step::Forever(b"A: b\r\n".into())];
    assert_eq!(scene.refusal(endless_head).await, FetchError::NotHttp);
}

#[tokio::test]
async fn a_status_that_carries_no_list_is_told_in_our_own_words() {
    let scene = Scene::https();
    for (code, words) in [
        (204, "204 (No Content)"),
        (206, "206 (Partial Content)"),
        (300, "300 (Multiple Choices)"),
        (404, "404 (Not Found)"),
        (429, "429 (Too Many Requests)"),
        (500, "500 (Internal Server Error)"),
        (599, "599"),
    ] {
        let body = if code == 204 { &b""[..] } else { b"<html>secret of the server</html>" };
        let text = scene.refusal(answer(code, &[], body)).await.to_string();
        assert_eq!(text, format!("the server answers {words}"));
    }
}

#[tokio::test]
async fn empty_bodies_and_web_pages_are_for_the_guard_to_judge() {
    let scene = Scene::https();
    for body in [&b""[..], b"<!doctype html><html></html>"] {
        scene.server.does(list(body));
        assert_eq!(scene.octets().await.as_deref(), Ok(body));
    }
}

#[tokio::test]
async fn redirects_are_followed_and_not_for_ever() {
    let scene = Scene::https();
    let (host, port) = (LIST_HOST, scene.server.port());
    scene.server.answers(move |head| match head.split(' ').nth(1) {
        Some("/list.txt") => redirect("/1"),
        Some("/1") => redirect(&format!("https://{host}:{port}/2?a=b")),
        Some("/2?a=b") => list(LIST),
        _ => status(404),
    });
    let fetched = scene.fetch().await;
    let Ok(Fetched::New(download)) = fetched else { panic!("{fetched:?}") };
    assert_eq!(download.address.as_str(), scene.server.url("/2?a=b"));
    scene.server.does(redirect("/list.txt"));
    let before = scene.server.heads().len();
    let error = scene.fetch().await.expect_err("a loop");
    assert_eq!(error, FetchError::Redirect("it redirects more than 5 times"));
    assert_eq!(scene.server.heads().len() - before, 6);
    let nowhere = scene.refusal(status(302)).await;
    assert!(nowhere.to_string().contains("does not say where"), "{nowhere}");
    let down = scene.refusal(redirect(&format!("http://{host}:{port}/"))).await;
    assert_eq!(down, FetchError::Redirect("it redirects from https to http"));
    for odd in ["file:///etc/passwd", "ftp://lists.example/", "https://u:secret@lists.example/"] {
        let error = scene.refusal(redirect(odd)).await;
        assert!(matches!(error, FetchError::Redirect(_)), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn no_hop_leads_to_a_private_address_unless_the_list_is_local() {
    let identity = Identity::of("ours", LIST_HOST);
    let scene = Scene::as_if_public(&identity, ListServer::https(&identity));
    let elsewhere = ListServer::http();
    elsewhere.does(list(b"secret.example\n"));
    let port = elsewhere.port();
    let address = scene.server.url("/list.txt");
    scene.server.does(list(LIST));
    assert!(scene.fetch_at(&address, false).await.is_ok());
    for place in [
        format!("https://127.9.9.9:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.9.9.9]:{port}/"),
        format!("https://2131298569:{port}/"), // 127.9.9.9 in other letters
        format!("https://0x7f.9.9.9:{port}/"),
        "https://10.0.0.1/".into(),
        "https://169.254.169.254/latest/meta-data/".into(),
    ] {
        scene.server.does(redirect(&place));
        let error = scene.fetch_at(&address, false).await.expect_err(&place);
        assert!(matches!(error, FetchError::NotPublic(_)), "{place}: {error}");
    }
    // A name that leads to a public address at the first look, and to a private one at the next.
    scene.server.does(redirect("/again"));
    scene.names.give(&[Ipv4Addr::LOCALHOST]);
    let turns = Arc::new(AtomicU64::new(0));
    let (given, counted) = (Arc::clone(&scene.names.given), Arc::clone(&turns));
    scene.server.answers(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        *given.lock().expect("whole") = vec![Ipv4Addr::new(127, 9, 9, 9)];
        redirect("/again")
    });
    let error = scene.fetch_at(&address, false).await.expect_err("it leads inside");
    assert_eq!(error, FetchError::NotPublic(Ipv4Addr::new(127, 9, 9, 9).into()));
    assert_eq!((turns.load(Ordering::SeqCst), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn public_addresses_of_a_host_are_tried_and_its_private_ones_are_not() {
    let identity = Identity::of("ours", LIST_HOST);
    let scene = Scene::as_if_public(&identity, ListServer::https(&identity));
    scene.server.does(list(LIST));
    // Nobody listens on the first of the public ones.
    scene.names.give(&[
        Ipv4Addr::new(127, 9, 9, 9),
        Ipv4Addr::new(127, 0, 0, 99),
        Ipv4Addr::LOCALHOST,
    ]);
    assert!(scene.fetch_at(&scene.server.url("/"), false).await.is_ok());
}

#[tokio::test]
async fn an_address_inside_is_refused_before_anybody_is_contacted() {
    let scene = Scene::https();
    scene.server.does(list(LIST));
    let port = scene.server.port();
    for address in [
        scene.server.url("/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://x.localhost:{port}/"),
        format!("https://[::1]:{port}/"),
    ] {
        let error = scene.fetch_at(&address, false).await.expect_err(&address);
        assert!(matches!(error, FetchError::NotPublic(_)), "{address}: {error}");
        assert!(error.to_string().contains("`local = true`"), "{error}");
    }
    let plain = scene.fetch_at(&format!("http://{LIST_HOST}:{port}/"), false).await;
    assert!(matches!(plain, Err(FetchError::Address(_))), "{plain:?}");
    assert_eq!(scene.server.connections(), 0);
}

#[tokio::test]
async fn a_local_list_may_come_over_http() {
    let scene = Scene::http();
    scene.server.does(list(LIST));
    assert_eq!(scene.octets().await.as_deref(), Ok(LIST));
    let by_address = format!("http://127.0.0.1:{}/", scene.server.port());
    assert!(scene.fetch_at(&by_address, true).await.is_ok());
}

#[tokio::test]
async fn only_the_server_that_the_address_names_is_believed() {
    let (ours, theirs) = (Identity::of("ours", LIST_HOST), Identity::of("theirs", LIST_HOST));
    let scene = Scene::with(ListServer::https(&theirs), &ours);
    scene.server.does(list(LIST));
    let error = scene.fetch().await.expect_err("another authority");
    assert!(error.to_string().contains("authority that is not trusted"), "{error}");
    let scene = Scene::with(ListServer::https(&ours), &ours);
    scene.server.does(list(LIST));
    let by_address = format!("https://127.0.0.1:{}/", scene.server.port());
    let error = scene.fetch_at(&by_address, true).await.expect_err("another name");
    assert!(error.to_string().contains("for another name"), "{error}");
    let plain = ListServer::http();
    plain.does(list(LIST));
    let no_tls = format!("https://{LIST_HOST}:{}/", plain.port());
    let error = scene.fetch_at(&no_tls, true).await.expect_err("no TLS");
    assert!(matches!(error, FetchError::Insecure(_) | FetchError::Unreachable(_)), "{error:?}");
    assert!(scene.server.heads().is_empty() && plain.heads().is_empty(), "nothing was asked");
}

#[tokio::test]
async fn own_authorities_do_not_vouch_for_servers_out_there() {
    let identity = Identity::of("ours", LIST_HOST);
    let server = ListServer::https(&identity);
    server.does(list(LIST));
    let names = Names::start();
    let trust = Trust::with_own(Some(&identity.ca_file())).expect("a certificate");
    let fetcher = Fetcher::within(SMALL, |_| true, names.upstreams(), &trust).expect("TLS");
    let scene = Scene { server, names, fetcher };
    let error = scene.fetch_at(&scene.server.url("/"), false).await.expect_err("not public");
    assert!(matches!(error, FetchError::Insecure(_)), "{error:?}");
    assert!(scene.fetch().await.is_ok(), "local");
}

#[tokio::test]
async fn names_that_lead_nowhere_and_ports_nobody_listens_on_are_told() {
    let scene = Scene::https();
    let unknown = scene.fetch_at("https://unknown.example/", true).await;
    assert_eq!(unknown, Err(FetchError::Unresolved("there is no such name")));
    scene.names.give(&[]);
    let empty = scene.fetch().await;
    assert_eq!(empty, Err(FetchError::Unresolved("it has no address")));
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = free.expect("a port").port();
    let nobody = scene.fetch_at(&format!("https://127.0.0.1:{port}/"), true).await;
    assert_eq!(nobody, Err(FetchError::Unreachable("nothing answers on that port")));
}

/// Fetches while the time stands still, and lets it pass once `begun`.
async fn fetch_late(scene: &Scene, begun: impl Fn() -> bool) -> Result<Fetched, FetchError> {
    let (fetcher, address) = (scene.fetcher.clone(), scene.server.url("/"));
    let fetching = tokio::spawn(async move {
        let address = Url::parse(&address).expect("an address");
        let wanted = Wanted { address: &address, local: true, etag: None, last_modified: None };
        fetcher.fetch(&wanted, &|_| ()).await
    });
    while !begun() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::pause();
    // The thread that unpacks keeps a paused clock from running ahead by itself.
    while !fetching.is_finished() {
        // Sockets and that thread live in real time, of which each second here must leave some.
        std::thread::sleep(Duration::from_millis(2));
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    fetching.await.expect("no panic")
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_after_a_while() {
    let scene = Scene::https();
    scene.server.does(vec![Step::Stall]);
    let silent = fetch_late(&scene, || scene.server.heads().len() == 1).await;
    assert_eq!(silent, Err(FetchError::Stalled), "no head");
}

#[tokio::test]
async fn a_body_that_stalls_is_left_after_a_while() {
    let scene = Scene::https();
    let begin = [&head(200, &[("Content-Length", "1000")])[..], LIST].concat();
    scene.server.does(vec![Step::Send(begin), Step::Stall]);
    let stalled = fetch_late(&scene, || scene.server.heads().len() == 1).await;
    assert_eq!(stalled, Err(FetchError::Stalled));
}

#[tokio::test]
async fn a_server_that_never_secures_the_connection_is_left_after_a_while() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let scene = Scene::https();
    let address = format!("https://127.0.0.1:{}/", listener.local_addr().expect("bound").port());
    let fetcher = scene.fetcher.clone();
    let fetching = tokio::spawn(async move {
        let address = Url::parse(&address).expect("an address");
        let wanted = Wanted { address: &address, local: true, etag: None, last_modified: None };
        fetcher.fetch(&wanted, &|_| ()).await
    });
    let accepted = tokio::task::spawn_blocking(move || listener.accept()).await;
    tokio::time::pause();
    let ended = fetching.await.expect("no panic");
    assert_eq!(ended, Err(FetchError::Unreachable("nobody answered in time")));
    drop(accepted);
}

#[tokio::test]
async fn the_whole_has_an_end_even_where_something_keeps_coming() {
    let names = Names::start();
    let trust = Trust::with_own(None).expect("public ones");
    let limits = Limits { whole: Duration::from_secs(20), ..SMALL };
    let fetcher = Fetcher::within(limits, reach::is_public, names.upstreams(), &trust);
    let scene = Scene { server: ListServer::http(), names, fetcher: fetcher.expect("TLS") };
    scene.server.does(vec![Step::Send(head(200, &[])), Step::Stall]);
    let ended = fetch_late(&scene, || scene.server.heads().len() == 1).await;
    assert_eq!(ended, Err(FetchError::TooSlow));
}
