//! The loop over real sockets: batches, wildcards, late replies, faults.

mod links;

use std::net::UdpSocket as Client;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::timeout;

use super::super::Counts;
use super::*;

/// A loop that is being tested.
struct Loop {
    socket: Arc<UdpSocket>,
    counters: Arc<Counters>,
    clock: Clock,
    /// Lets the replies to `held` go.
    release: Rc<Notify>,
    task: JoinHandle<()>,
}

impl Loop {
    /// Serves `address`: each message has its own fate, and most come back with what is known of
    /// them. Each moves the clock on.
    fn on(address: &str) -> Loop {
        Loop::of(Client::bind(address).expect("a free port"))
    }

    fn of(socket: Client) -> Loop {
        Loop::by(Calls::Batched, socket)
    }

    fn by(calls: Calls, socket: Client) -> Loop {
        socket.set_nonblocking(true).expect("a flag");
        let socket = Arc::new(UdpSocket::from_std(socket).expect("a runtime"));
        let counters = Arc::new(Counters::default());
        let (clock, release) = (Clock::manual(7), Rc::new(Notify::new()));
        let answer = answerer(clock.clone(), Rc::clone(&release));
        let (served, counted, read) = (Arc::clone(&socket), Arc::clone(&counters), clock.clone());
        let task = spawn_local(async move {
            let local = served.local_addr().expect("bound").ip();
            let (socket, clock, counters) = (&served, &read, &counted);
            serve(Door { socket, local, clock, counters, calls }, answer).await;
        });
        Loop { socket, counters, clock, release, task }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().expect("bound").port()
    }

    /// Returns a client that takes replies of this address only.
    fn client(&self, server: &str) -> Client {
        let any = if server.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
        let client = Client::bind(any).expect("a free port");
        client.connect((server, self.port())).expect("loopback");
        client.set_nonblocking(true).expect("a flag");
        client
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.counters.add_to(&mut counts);
        counts
    }
}

type Late = std::pin::Pin<Box<dyn Future<Output = Vec<u8>>>>;

fn answerer(
    clock: Clock,
    release: Rc<Notify>,
) -> impl FnMut(&[u8], Way, Moment, &mut Vec<u8>) -> Answer<Late> {
    move |octets, way, moment, out| {
        assert!(out.is_empty(), "a slot has nothing of its last reply");
        clock.advance(1);
        let release = Rc::clone(&release);
        match octets {
            b"panic" => panic!("this panic is wanted"),
            b"nothing" => return Answer::Nothing,
            b"dropped" => {}
            b"dropped later" => return Answer::Later(Box::pin(async { Vec::new() })),
            b"later" => return Answer::Later(Box::pin(async { b"finished".to_vec() })),
            b"held" => {
                return Answer::Later(Box::pin(async move {
                    release.notified().await;
                    b"released".to_vec()
                }));
            }
            // No datagram can be that long.
            b"huge" => out.resize(70_000, 0),
            b"where" => out.extend(way.local.to_string().as_bytes()),
            b"when" => out.extend(moment.wall.to_string().as_bytes()),
            b"who" => out.extend(way.client.to_string().as_bytes()),
            long if long.len() > 1_000 => out.extend(long.len().to_string().as_bytes()),
            other => out.extend(other),
        }
        Answer::Now
    }
}

fn ask(client: &Client, message: &str) {
    assert_eq!(client.send(message.as_bytes()).expect("loopback"), message.len());
}

async fn receive(client: &Client) -> String {
    let mut octets = [0; 2_000];
    let reply = async {
        loop {
            match client.recv(&mut octets) {
                Ok(length) => return length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    let length = timeout(Duration::from_secs(20), reply).await.expect("a reply");
    String::from_utf8_lossy(&octets[..length]).into_owned()
}

async fn receive_many(client: &Client, count: usize) -> Vec<String> {
    let mut replies = Vec::new();
    while replies.len() < count {
        replies.push(receive(client).await);
    }
    replies
}

/// Runs a test as a worker runs its loops.
fn run_local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), test);
}

#[test]
fn replies_come_in_the_order_of_the_questions_however_many() {
    run_local(async {
        let tested = Loop::on("127.0.0.1:0");
        let client = tested.client("127.0.0.1");
        let questions: Vec<String> = (0..3 * BATCH + 5).map(|n| format!("question {n}")).collect();
        questions.iter().for_each(|question| ask(&client, question));
        assert_eq!(receive_many(&client, questions.len()).await, questions);
        ask(&client, "one more");
        assert_eq!(receive(&client).await, "one more");
        assert_eq!(tested.counts(), Counts { udp: 3 * BATCH as u64 + 6, ..Counts::default() });
    });
}

#[test]
fn exactly_a_batch_is_answered_and_what_follows_too() {
    run_local(async {
        let tested = Loop::on("127.0.0.1:0");
        let client = tested.client("127.0.0.1");
        for round in 0..3 {
            (0..BATCH).for_each(|number| ask(&client, &format!("{round} {number}")));
            for number in 0..BATCH {
                assert_eq!(receive(&client).await, format!("{round} {number}"));
            }
        }
    });
}

#[test]
fn replies_come_at_once_later_or_never() {
    run_local(async {
        let tested = Loop::on("127.0.0.1:0");
        let client = tested.client("127.0.0.1");
        ["nothing", "dropped", "dropped later", "later", "", "who"]
            .iter()
            .for_each(|message| ask(&client, message));
        assert_eq!(receive_many(&client, 2).await, ["127.0.0.1", "finished"]);
        assert_eq!(tested.counts(), Counts { udp: 2, ..Counts::default() });
    });
}

#[test]
fn a_batch_has_one_reading_of_the_clock() {
    run_local(async {
        let tested = Loop::on("127.0.0.1:0");
        let client = tested.client("127.0.0.1");
        for _ in 0..5 {
            ask(&client, "when");
        }
        assert_eq!(receive_many(&client, 5).await, ["7"; 5]);
        ask(&client, "when");
        assert_eq!(receive(&client).await, "12");
        assert_eq!(tested.clock.now().wall, 13);
    });
}

#[test]
fn a_wildcard_answers_from_the_address_that_was_asked() {
    run_local(async {
        let tested = Loop::on("0.0.0.0:0");
        let locals: Vec<String> = (2..9).map(|last| format!("127.0.0.{last}")).collect();
        let clients: Vec<Client> = locals.iter().map(|local| tested.client(local)).collect();
        // Several batches, and in each of them several addresses in turn.
        for _ in 0..12 {
            clients.iter().for_each(|client| ask(client, "where"));
        }
        clients.iter().for_each(|client| ask(client, "later"));
        for (client, local) in clients.iter().zip(&locals) {
            assert_eq!(receive_many(client, 12).await, vec![local.as_str(); 12]);
            assert_eq!(receive(client).await, "finished");
        }
        assert_eq!(tested.counts(), Counts { udp: 7 * 13, ..Counts::default() });
    });
}

#[test]
fn a_wildcard_is_answered_alike_without_calls_for_batches() {
    run_local(async {
        for (address, server) in [("0.0.0.0:0", "127.0.0.9"), ("[::]:0", "::1")] {
            let Ok(socket) = Client::bind(address) else {
                println!("{address} is skipped: this machine has no IPv6");
                continue;
            };
            let tested = Loop::by(Calls::Single, socket);
            let client = tested.client(server);
            for _ in 0..2 * BATCH {
                ask(&client, "where");
            }
            ["huge", "later"].iter().for_each(|text| ask(&client, text));
            assert_eq!(receive_many(&client, 2 * BATCH).await, vec![server; 2 * BATCH]);
            assert_eq!(receive(&client).await, "finished");
            let udp = 2 * BATCH as u64 + 2;
            assert_eq!(tested.counts(), Counts { udp, unsent: 1, ..Counts::default() });
        }
    });
}

#[test]
fn a_socket_that_wakes_its_loop_for_nothing_holds_up_nobody() {
    run_local(async {
        let tested = Loop::on("127.0.0.1:0");
        // It is not connected, so this is an error; it hangs up all the same.
        let _ = SockRef::from(&*tested.socket).shutdown(std::net::Shutdown::Both);
        // These turns come only if the loop gives way.
        for _ in 0..100 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(!tested.task.is_finished());
    });
}

#[test]
fn ipv6_is_answered_on_an_address_and_on_the_wildcard() {
    if Client::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    run_local(async {
        for address in ["[::1]:0", "[::]:0"] {
            let tested = Loop::on(address);
            let client = tested.client("::1");
            for _ in 0..2 * BATCH {
                ask(&client, "where");
            }
            ask(&client, "who");
            ask(&client, "later");
            assert_eq!(receive_many(&client, 2 * BATCH).await, vec!["::1"; 2 * BATCH]);
            assert_eq!(receive_many(&client, 2).await, ["::1", "finished"]);
        }
    });
}

#[test]
fn a_wildcard_of_both_families_answers_ipv4_from_the_address_that_was_asked() {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None).expect("a socket");
    let address: SocketAddr = "[::]:0".parse().expect("an address");
    if socket.set_only_v6(false).and_then(|()| socket.bind(&address.into())).is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    run_local(async {
        let tested = Loop::of(socket.into());
        let [four, six] = [tested.client("127.0.0.5"), tested.client("::1")];
        for _ in 0..3 {
            ask(&four, "where");
            ask(&four, "who");
            ask(&six, "where");
        }
        let client = four.local_addr().expect("bound").ip().to_string();
        let expected = ["127.0.0.5", &client].repeat(3);
        assert_eq!(receive_many(&four, 6).await, expected);
        assert_eq!(receive_many(&six, 3).await, ["::1"; 3]);
    });
}

#[test]
fn a_reply_that_cannot_be_sent_costs_no_other_its_own() {
    run_local(async {
        for (address, server) in [("127.0.0.1:0", "127.0.0.1"), ("0.0.0.0:0", "127.0.0.2")] {
            let tested = Loop::on(address);
            let client = tested.client(server);
            ["huge", "a", "huge", "huge", "b", "huge"].iter().for_each(|text| ask(&client, text));
            assert_eq!(receive_many(&client, 2).await, ["a", "b"]);
            ask(&client, "c");
            assert_eq!(receive(&client).await, "c");
            assert_eq!(tested.counts(), Counts { udp: 7, unsent: 4, ..Counts::default() });
        }
    });
}

#[test]
fn a_panic_costs_no_other_of_the_batch_its_reply() {
    run_local(async {
        let tested = Loop::on("127.0.0.1:0");
        let client = tested.client("127.0.0.1");
        ["a", "panic", "b", "panic", "later"].iter().for_each(|text| ask(&client, text));
        assert_eq!(receive_many(&client, 3).await, ["a", "b", "finished"]);
        assert!(!tested.task.is_finished());
    });
}

#[test]
fn a_reply_that_nobody_takes_stops_nothing() {
    run_local(async {
        let tested = Loop::on("127.0.0.1:0");
        let gone = tested.client("127.0.0.1");
        ["held", "held", "a", "b"].iter().for_each(|text| ask(&gone, text));
        drop(gone);
        let client = tested.client("127.0.0.1");
        ask(&client, "c");
        assert_eq!(receive(&client).await, "c");
        tested.release.notify_waiters();
        ask(&client, "d");
        assert_eq!(receive(&client).await, "d");
        assert_eq!(tested.counts(), Counts { udp: 6, ..Counts::default() });
    });
}

#[test]
fn late_replies_are_sent_though_nothing_else_is_and_none_twice() {
    run_local(async {
        let tested = Loop::on("127.0.0.1:0");
        let client = tested.client("127.0.0.1");
        let many = 2 * BATCH + 3;
        (0..many).for_each(|_| ask(&client, "held"));
        ask(&client, "at once");
        assert_eq!(receive(&client).await, "at once");
        tested.release.notify_waiters();
        assert_eq!(receive_many(&client, many).await, vec!["released"; many]);
        ask(&client, "more");
        assert_eq!(receive(&client).await, "more");
        assert_eq!(tested.counts().udp, many as u64 + 2);
    });
}

#[test]
fn late_replies_are_sent_when_the_loop_has_ended() {
    run_local(async {
        let tested = Loop::on("127.0.0.1:0");
        let client = tested.client("127.0.0.1");
        ask(&client, "held");
        ask(&client, "at once");
        assert_eq!(receive(&client).await, "at once");
        tested.task.abort();
        assert!(tested.task.await.is_err_and(|error| error.is_cancelled()));
        tested.release.notify_waiters();
        assert_eq!(receive(&client).await, "released");
    });
}

#[test]
fn a_datagram_that_is_too_long_is_cut() {
    run_local(async {
        let tested = Loop::on("127.0.0.1:0");
        let client = tested.client("127.0.0.1");
        for length in [LONGEST, LONGEST + 1, 60_000, 1_001] {
            ask(&client, &"x".repeat(length));
        }
        assert_eq!(receive_many(&client, 4).await, ["4096", "4096", "4096", "1001"]);
    });
}

#[test]
fn what_a_system_without_the_calls_says_is_understood() {
    for (code, missing) in
        [(Errno::ENOSYS, true), (Errno::EPERM, true), (Errno::ENOBUFS, false), (Errno::EIO, false)]
    {
        assert_eq!(is_missing(code), missing, "{code}");
    }
}
