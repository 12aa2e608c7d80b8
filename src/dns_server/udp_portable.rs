//! UDP, the portable way: receive, begin, send; or a finish of its own.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::model::Moment;
use crate::wire::OUR_PAYLOAD;

use super::counters::Counters;
use super::handler::{Answer, Way};

/// Longest datagram read whole; a longer one is cut, and then does not parse.
pub(super) const LONGEST: usize = 4_096;
/// Datagrams taken before other tasks of the worker have their turn.
pub(super) const BATCH: usize = 32;
/// Pause after an error that is none of a datagram, so that it cannot spin.
pub(super) const PAUSE: Duration = Duration::from_millis(10);
/// Wakes for nothing in a row after which a loop pauses at each: their cause may not go away.
const EMPTY_ROUNDS: u32 = 32;

/// Answers datagrams that are sent to `local`, for ever.
pub(super) async fn serve<A, F>(
    socket: &Arc<UdpSocket>,
    local: IpAddr,
    clock: &Clock,
    counters: &Arc<Counters>,
    mut answer: A,
) where
    A: FnMut(&[u8], Way, Moment, &mut Vec<u8>) -> Answer<F>,
    F: Future<Output = Vec<u8>> + 'static,
{
    let mut packet = vec![0; LONGEST];
    let mut out = Vec::with_capacity(usize::from(OUR_PAYLOAD));
    let mut empty_rounds = 0;
    loop {
        if socket.readable().await.is_err() {
            sleep(PAUSE).await;
        }
        let mut empty = true;
        let drained = drain(socket, &mut packet, |octets, peer| {
            let way = Way { client: peer.ip().to_canonical(), local };
            empty = false;
            // Read for each: a question may be asked only because of a reply to one of this batch.
            match answer(octets, way, clock.now(), &mut out) {
                Answer::Now => send(socket, &out, peer, counters),
                Answer::Later(reply) => finish(reply, socket, peer, counters),
                Answer::Nothing => {}
            }
        });
        match drained {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                empty_rounds = if empty { rest(empty_rounds).await } else { 0 };
            }
            Err(_) => {
                counters.socket_errors.add();
                sleep(PAUSE).await;
            }
        }
    }
}

/// Counts one more round in which nothing was there, and pauses if those are many: a socket that
/// somebody shut down is ready for ever.
pub(super) async fn rest(empty_rounds: u32) -> u32 {
    if empty_rounds < EMPTY_ROUNDS {
        return empty_rounds + 1;
    }
    sleep(PAUSE).await;
    empty_rounds
}

/// Takes a batch of datagrams; `WouldBlock` says that no more are there.
fn drain(
    socket: &UdpSocket,
    packet: &mut [u8],
    mut take: impl FnMut(&[u8], SocketAddr),
) -> io::Result<()> {
    for _ in 0..BATCH {
        let (length, peer) = socket.try_recv_from(packet)?;
        // Nobody listens on port 0; only a forged datagram comes from there.
        if let Some(octets) = packet.get(..length).filter(|_| peer.port() != 0) {
            take(octets, peer);
        }
    }
    Ok(())
}

fn finish<F>(reply: F, socket: &Arc<UdpSocket>, peer: SocketAddr, counters: &Arc<Counters>)
where
    F: Future<Output = Vec<u8>> + 'static,
{
    let (socket, counters) = (Arc::clone(socket), Arc::clone(counters));
    spawn_local(async move { send(&socket, &reply.await, peer, &counters) });
}

/// Sends at once or not at all: a reply that waits would hold up those behind it.
///
/// An empty reply is none.
fn send(socket: &UdpSocket, reply: &[u8], peer: SocketAddr, counters: &Counters) {
    if reply.is_empty() {
        return;
    }
    counters.udp.add();
    if socket.try_send_to(reply, peer).is_err() {
        counters.unsent.add();
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::super::Counts;
    use super::*;

    /// Serves on a loopback address: `now` comes back at once, `later` by a future, the rest never.
    async fn echo() -> (Arc<UdpSocket>, Arc<Counters>) {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a free port"));
        let counters = Arc::new(Counters::default());
        let answer = |octets: &[u8], way: Way, moment: Moment, out: &mut Vec<u8>| {
            out.clear();
            out.extend(format!("{} {}", way.client, moment.wall).as_bytes());
            match octets {
                b"now" => Answer::Now,
                b"later" => Answer::Later(async { b"finished".to_vec() }),
                b"dropped" => {
                    out.clear();
                    Answer::Now
                }
                _ => Answer::Nothing,
            }
        };
        let (served, counted) = (Arc::clone(&socket), Arc::clone(&counters));
        let local = IpAddr::from([127, 0, 0, 1]);
        spawn_local(
            async move { serve(&served, local, &Clock::manual(7), &counted, answer).await },
        );
        (socket, counters)
    }

    async fn receive(client: &UdpSocket) -> String {
        let mut octets = [0; 100];
        let length = client.recv(&mut octets).await.expect("a reply");
        String::from_utf8_lossy(&octets[..length]).into_owned()
    }

    async fn client_of(server: &UdpSocket) -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.2:0").await.expect("a free port");
        client.connect(server.local_addr().expect("bound")).await.expect("loopback");
        client
    }

    #[tokio::test(flavor = "current_thread")]
    async fn replies_come_at_once_later_or_never() {
        let test = async {
            let (server, counters) = echo().await;
            let client = client_of(&server).await;
            for message in [&b"nothing"[..], b"dropped", b"later", b"", b"now"] {
                client.send(message).await.expect("loopback");
            }
            let replies = [receive(&client).await, receive(&client).await];
            assert!(replies.contains(&"127.0.0.2 7".into()), "{replies:?}");
            assert!(replies.contains(&"finished".into()), "{replies:?}");
            let mut counts = Counts::default();
            counters.add_to(&mut counts);
            assert_eq!(counts, Counts { udp: 2, ..Counts::default() });
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_socket_that_wakes_its_loop_for_nothing_holds_up_nobody() {
        let test = async {
            let (server, _) = echo().await;
            // It is not connected, so this is an error; it hangs up all the same.
            let _ = socket2::SockRef::from(&*server).shutdown(std::net::Shutdown::Both);
            // These turns come only if the loop gives way.
            for _ in 0..3 * EMPTY_ROUNDS {
                sleep(Duration::from_millis(1)).await;
            }
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn more_than_a_batch_is_answered() {
        let test = async {
            let (server, _) = echo().await;
            let client = client_of(&server).await;
            for _ in 0..3 * BATCH {
                client.send(b"now").await.expect("loopback");
            }
            for _ in 0..3 * BATCH {
                assert_eq!(receive(&client).await, "127.0.0.2 7");
            }
        };
        LocalSet::new().run_until(test).await;
    }
}
