//! The benchmark's load sees wrong, late and missing answers, whichever way they come.

#[expect(dead_code, reason = "the benchmark uses the rest")]
#[path = "bench/load/mod.rs"]
mod load;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use load::{Histogram, Load, Outcome, Pace, Questions, Transport, Wanted};

const NAMES: [&str; 4] = ["example.com", "www.example.org", "a.b.c.example.net", "x.example"];

/// Runs a server of the load's own on a free port; it ends with the test's process.
fn serve(run: impl FnOnce(u16) + Send + 'static) -> SocketAddr {
    let free = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    std::thread::spawn(move || run(address.port()));
    // Its sockets are there once it answers.
    let probe = Questions::allowed(["probe.example"]);
    while ask(address, &probe, 1, Transport::Udp).answered + ask_echo(address, &probe) == 0 {}
    address
}

fn stub() -> SocketAddr {
    serve(|port| load::responder::stub(port, 60).expect("it serves"))
}

fn ask(server: SocketAddr, questions: &Questions, count: usize, transport: Transport) -> Outcome {
    let (sockets, pace, first, stop) = (2, Pace::Window(8), 0, None);
    let load = Load { server, transport, sockets, pace, questions, first, count, stop };
    load.run().expect("loopback")
}

fn ask_echo(server: SocketAddr, questions: &Questions) -> u64 {
    ask(server, &questions.wanting(Wanted::Echo), 1, Transport::Udp).answered
}

#[test]
fn every_right_answer_counts_over_both_transports() {
    let (server, questions) = (stub(), Questions::allowed(NAMES));
    for transport in [Transport::Udp, Transport::Tcp] {
        let outcome = ask(server, &questions, 1_000, transport);
        assert_eq!((outcome.sent, outcome.answered), (1_000, 1_000), "{:?}", outcome.told);
        assert_eq!((outcome.wrong, outcome.lost, outcome.stray), (0, 0, 0));
    }
}

#[test]
fn a_wrong_answer_is_seen_and_told() {
    let server = stub();
    for wanted in [Wanted::Address([11, 1, 1, 1]), Wanted::NoSuchName, Wanted::Blocked] {
        let outcome = ask(server, &Questions::new([(NAMES[0], wanted)]), 3, Transport::Udp);
        assert_eq!((outcome.answered, outcome.wrong), (0, 3), "{wanted:?}");
        assert!(outcome.told[0].contains(NAMES[0]), "{:?}", outcome.told);
    }
}

#[test]
fn the_echo_is_held_to_every_octet() {
    let server = serve(|port| load::responder::echo(port).expect("it serves"));
    let questions = Questions::allowed(NAMES);
    assert_eq!(ask(server, &questions.wanting(Wanted::Echo), 500, Transport::Udp).answered, 500);
    assert_eq!(ask(server, &questions, 5, Transport::Udp).wrong, 5, "it has no addresses");
}

#[test]
fn queries_without_an_answer_are_lost() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let server = silent.local_addr().expect("an address");
    let outcome = ask(server, &Questions::allowed(NAMES), 5, Transport::Udp);
    assert_eq!((outcome.sent, outcome.answered, outcome.lost), (5, 0, 5));
}

#[test]
fn a_connection_that_the_server_closes_is_opened_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            // Each connection answers one query, and only by marking it as a response.
            let mut message = [0; 31];
            if stream.read_exact(&mut message).is_ok() {
                message[4] |= 0x80;
                stream.write_all(&message).expect("it listens");
            }
        }
    });
    let questions = Questions::new([("example.com", Wanted::Echo)]);
    let (transport, pace, first, stop) = (Transport::Tcp, Pace::Window(1), 0, None);
    let load =
        Load { server, transport, sockets: 1, pace, questions: &questions, first, count: 5, stop };
    let outcome = load.run().expect("loopback");
    assert_eq!((outcome.sent, outcome.answered, outcome.lost), (5, 5, 0), "{:?}", outcome.told);
    assert!(outcome.closed >= 4, "{}", outcome.closed);
}

#[test]
fn a_part_of_all_durations_lies_below_a_quantile() {
    let mut histogram = Histogram::default();
    (1..=1_000).for_each(|micros| histogram.add(Duration::from_micros(micros)));
    for (part, micros) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
        let found = histogram.quantile(part).as_secs_f64() * 1e6;
        assert!((micros..=micros * 1.04).contains(&found), "{part}: {found}");
    }
    assert_eq!(histogram.most(), Duration::from_millis(1));
}
