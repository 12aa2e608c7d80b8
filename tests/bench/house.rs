//! The parts behind a door, and an upstream of their own.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use deadpixel::model::Moment;
use deadpixel::resolver::{Arrival, Begun, Behalf, Transport};
use deadpixel::wire::Query;

use super::parts::House;
use super::stub_upstream::upstream;

/// The address that is asked.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The first label of names that the upstream knows as two aliases.
pub const ALIASED: &str = "aliased";

/// Puts the parts together over a data folder, which may hold a policy and its lists.
pub fn house(data: &Path) -> House {
    let servers = format!("[upstream]\nservers = [{{ url = \"{}\" }}]\n", upstream(reply));
    House::new(data, &format!("{servers}[lists]\nsubscribe_defaults = false\n"))
}

impl House {
    /// Answers by both halves, without recording; returns whether the first half was enough.
    pub fn answer(&mut self, client: IpAddr, packet: &[u8]) -> bool {
        let query = Query::parse(packet).unwrap_or_else(|_| panic!("a query"));
        match self.resolver.begin(&query, &arrival(client, self.clock.now()), &mut self.out) {
            Begun::Replied(_) => true,
            Begun::Unfinished(unfinished) => {
                let finish = self.resolver.finish(&unfinished, &mut self.out);
                self.runtime.block_on(finish);
                false
            }
        }
    }

    /// Answers until the first half is enough, for at most five seconds.
    pub fn warm_up(&mut self, client: IpAddr, packet: &[u8]) {
        for _ in 0..200 {
            if self.answer(client, packet) {
                return;
            }
            // New bindings are published some time after they are made.
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("it is never answered at once");
    }
}

/// Returns how a query came in.
pub fn arrival(client: IpAddr, now: Moment) -> Arrival {
    Arrival { client, local: LOCAL, transport: Transport::Udp, now, behalf: Behalf::Unsaid }
}

/// Writes a query with EDNS, so that extended errors are written too.
pub fn query(name: &str, query_type: u8) -> Vec<u8> {
    let mut packet = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend(label.bytes());
    }
    packet.extend([0, 0, query_type, 0, 1]);
    packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}

/// Answers a question with an address: behind two aliases if the name says so.
fn reply(question: &[u8]) -> Vec<u8> {
    let mut reply = question.to_vec();
    reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    let mut owner = 12;
    let aliased = question.get(13..13 + ALIASED.len());
    if aliased.is_some_and(|label| label.eq_ignore_ascii_case(ALIASED.as_bytes())) {
        reply[7] = 3;
        // An alias beside the name, and one at somebody else's.
        for target in [&b"\x04edge\xc0\x0c"[..], b"\x04e123\x01a\x0aakamaiedge\x03net\0"] {
            record(&mut reply, owner, 5, target);
            owner = reply.len() - target.len();
        }
    }
    record(&mut reply, owner, 1, &[203, 0, 113, 7]);
    reply
}

/// Adds a record, owned by the name at a place of the reply.
fn record(reply: &mut Vec<u8>, owner: usize, record_type: u8, data: &[u8]) {
    reply.extend((owner as u16 | 0xc000).to_be_bytes());
    reply.extend([0, record_type, 0, 1, 0, 0, 0x0e, 0x10, 0, data.len() as u8]);
    reply.extend(data);
}
