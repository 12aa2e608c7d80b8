//! Two machines with two links between them, each with the same addresses on both links.

use std::fs::File;
use std::net::SocketAddrV6;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};

use super::*;

const SERVER: &str = "fe80::a";
const CLIENT: &str = "fe80::b";

/// The links; they go away when dropped.
struct Links(String);

impl Links {
    fn new() -> Option<Links> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let links = Links(format!("udp-{}-{count}", std::process::id()));
        let made = ["a", "b"].iter().try_for_each(|side| {
            ip(&format!("netns add {}-{side}", links.0))?;
            ip(&format!("-n {}-{side} link set lo up", links.0))
        });
        if let Err(error) = made.and_then(|()| ["1", "2"].iter().try_for_each(|n| links.link(n))) {
            println!("skipped: networks of the test's own need root and iproute2 ({error})");
            return None;
        }
        Some(links)
    }

    fn link(&self, number: &str) -> Result<(), String> {
        let (a, b) = (format!("{}-a", self.0), format!("{}-b", self.0));
        ip(&format!("-n {a} link add link{number} type veth peer name link{number} netns {b}"))?;
        for (side, address) in [(&a, SERVER), (&b, CLIENT)] {
            ip(&format!("-n {side} address add {address}/64 dev link{number} nodad"))?;
            ip(&format!("-n {side} link set link{number} up"))?;
        }
        Ok(())
    }

    /// Does something on one side, on a thread of its own; sockets stay where they were made.
    fn inside<T: Send>(&self, side: &str, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}-{side}", self.0)).expect("a namespace");
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                setns(file, CloneFlags::CLONE_NEWNET).expect("it may be entered");
                work()
            });
            worker.join().expect("it works")
        })
    }

    fn server(&self, address: &str, link: &str) -> Loop {
        Loop::of(self.inside("a", || Client::bind(on(address, 0, link)).expect("a free port")))
    }

    /// Returns a client that takes replies of the server's address on this link only.
    fn client(&self, server: &Loop, link: &str) -> Client {
        let port = server.port();
        let client = self.inside("b", || {
            let client = Client::bind(on(CLIENT, 0, link)).expect("a free port");
            client.connect(on(SERVER, port, link)).expect("it is on this link");
            client
        });
        client.set_nonblocking(true).expect("a flag");
        client
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for side in ["a", "b"] {
            // What cannot be removed now goes away with the machine's next start.
            let _ = ip(&format!("netns delete {}-{side}", self.0));
        }
    }
}

fn ip(words: &str) -> Result<(), String> {
    let done = Command::new("ip").args(words.split(' ')).output();
    let done = done.map_err(|error| error.to_string())?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into()) }
}

fn on(address: &str, port: u16, link: &str) -> SocketAddrV6 {
    let scope = if address == "::" { 0 } else { if_nametoindex(link).expect("an interface") };
    SocketAddrV6::new(address.parse().expect("an address"), port, 0, scope)
}

#[test]
fn link_local_clients_are_answered_on_their_interface() {
    let Some(links) = Links::new() else { return };
    run_local(async {
        let tested = links.server("::", "");
        let clients = ["link1", "link2"].map(|link| links.client(&tested, link));
        for _ in 0..3 {
            for client in &clients {
                ["where", "who", "later"].iter().for_each(|text| ask(client, text));
            }
        }
        for client in &clients {
            let mut replies = receive_many(client, 9).await;
            replies.sort();
            assert_eq!(replies, [[SERVER; 3], [CLIENT; 3], ["finished"; 3]].concat());
        }
        assert_eq!(tested.counts(), Counts { udp: 18, ..Counts::default() });
    });
}

#[test]
fn a_link_local_address_is_served_on_its_own_link() {
    let Some(links) = Links::new() else { return };
    run_local(async {
        for link in ["link1", "link2"] {
            let tested = links.server(SERVER, link);
            let client = links.client(&tested, link);
            ["where", "later"].iter().for_each(|text| ask(&client, text));
            assert_eq!(receive_many(&client, 2).await, [SERVER, "finished"]);
        }
    });
}

#[test]
fn an_interface_that_vanishes_ends_nobody_elses_service() {
    let Some(links) = Links::new() else { return };
    run_local(async {
        let tested = links.server("::", "");
        let [gone, stays] = ["link1", "link2"].map(|link| links.client(&tested, link));
        ["held", "held", "where"].iter().for_each(|text| ask(&gone, text));
        assert_eq!(receive(&gone).await, SERVER);
        ask(&stays, "held");
        ask(&stays, "where");
        assert_eq!(receive(&stays).await, SERVER);
        ip(&format!("-n {}-a link delete link1", links.0)).expect("it was there");
        tested.release.notify_waiters();
        assert_eq!(receive(&stays).await, "released");
        ask(&stays, "where");
        assert_eq!(receive(&stays).await, SERVER);
        assert_eq!(tested.counts(), Counts { udp: 6, unsent: 2, ..Counts::default() });
    });
}
