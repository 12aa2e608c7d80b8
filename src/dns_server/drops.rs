//! Datagrams that the kernel dropped at our sockets, as its tables tell.

use std::collections::HashMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::stat::fstat;

use super::sockets::Door;

/// The kernel's tables of sockets for datagrams.
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// What was dropped at sockets that are open, and at those that were.
#[derive(Default)]
pub(super) struct Drops(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By the sockets' numbers.
    open: HashMap<u64, u64>,
    closed: u64,
}

impl Drops {
    /// Begins to count at these sockets; returns their numbers.
    pub(super) fn watch(&self, doors: &[Door]) -> Vec<u64> {
        let sockets = doors.iter().filter_map(|door| door.udp.as_ref());
        let numbers = sockets.filter_map(|udp| fstat(udp).ok()).map(|told| told.st_ino);
        let numbers: Vec<u64> = numbers.collect();
        self.lock().open.extend(numbers.iter().map(|number| (*number, 0)));
        numbers
    }

    /// Looks a last time: these sockets are about to be closed.
    pub(super) fn forget(&self, numbers: &[u64]) {
        let mut known = self.lock();
        known.read();
        let last: u64 = numbers.iter().filter_map(|number| known.open.remove(number)).sum();
        known.closed += last;
    }

    /// Asks the kernel; returns how many were dropped in all.
    pub(super) fn total(&self) -> u64 {
        let mut known = self.lock();
        known.read();
        known.closed + known.open.values().sum::<u64>()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn read(&mut self) {
        // Where there are no such tables, the last that was known stands.
        let tables = TABLES.iter().filter_map(|table| fs::read_to_string(table).ok());
        tables.for_each(|table| self.take(&table));
    }

    fn take(&mut self, table: &str) {
        for line in table.lines().skip(1) {
            let Some((number, drops)) = read_row(line) else { continue };
            if let Some(known) = self.open.get_mut(&number) {
                *known = drops.max(*known);
            }
        }
    }
}

/// Reads the number of a socket and what was dropped at it.
fn read_row(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let number = words.nth(9)?.parse().ok()?;
    Some((number, words.nth(2)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn door(udp: UdpSocket) -> Door {
        Door { address: udp.local_addr().expect("bound"), udp: Some(udp), tcp: None }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_the_count_outlives_the_socket() {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket2::SockRef::from(&udp).set_recv_buffer_size(1).expect("the least there is");
        let (to, drops) = (udp.local_addr().expect("bound"), Drops::default());
        let doors = [door(udp)];
        let numbers = drops.watch(&doors);
        assert_eq!((numbers.len(), drops.total()), (1, 0));
        let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        for _ in 0..64 {
            client.send_to(&[0; 1_000], to).expect("sent");
        }
        let dropped = drops.total();
        assert!((1..=64).contains(&dropped), "{dropped}");
        drops.forget(&numbers);
        drop(doors);
        assert_eq!(drops.total(), dropped);
    }

    #[test]
    fn rows_of_other_sockets_and_of_no_sense_are_passed_over() {
        let row = "  10: 0100007F:14D7 00000000:0000 07 00000000:00000000 00:00000000 00000000 \
                   0 0 4711 2 0000000000000000 12";
        assert_eq!(read_row(row), Some((4_711, 12)));
        let mut known = Known { open: HashMap::from([(4_711, 0), (9, 3)]), closed: 0 };
        known.take(&format!("header\n{row}\n{}\ngarbage\n\n", row.replace("4711", "815")));
        assert_eq!(known.open, HashMap::from([(4_711, 12), (9, 3)]));
    }
}
