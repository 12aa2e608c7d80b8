//! What comings and goings cost those who stay: `cargo bench --bench churn`.
//!
//! 200 standing hosts are identified again and again, first in quiet, then while 10,000 addresses
//! a minute come, ask and go, then at sixty times that. Prints CPU time an identification, and the
//! memory that the comings and goings took. Asserts nothing about time.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use deadpixel::clock::Clock;
use deadpixel::devices::{Devices, Neighbour, Settings};
use deadpixel::model::HardwareAddress;
use deadpixel::storage::{Database, STATE_MIGRATIONS};

const STANDING: u32 = 200;
const ROUNDS: u32 = 15;
const LOOKS: u32 = 20_000_000;

fn main() {
    let state = Arc::new(Database::memory(STATE_MIGRATIONS).expect("a database"));
    let clock = Clock::system();
    let devices = Devices::open(&Settings::default(), state, clock.clone()).expect("devices");
    let hosts: Vec<IpAddr> =
        (0..STANDING).map(|n| Ipv4Addr::from(0x0a00_0100 + n).into()).collect();
    for (number, &host) in (0..).zip(&hosts) {
        come(&devices, &clock, host, number);
    }
    devices.flush().expect("written");
    println!("addresses a minute  ns an identification  MiB more");
    for a_minute in [0, 10_000, 600_000] {
        let before = resident();
        let stop = Arc::new(AtomicBool::new(false));
        let churn = churn(&devices, &clock, a_minute, &stop);
        let mut times: Vec<f64> = (0..ROUNDS).map(|_| look(&devices, &hosts)).collect();
        stop.store(true, Ordering::Relaxed);
        churn.join().expect("it ends");
        times.sort_by(f64::total_cmp);
        let grown = resident().saturating_sub(before) >> 20;
        println!("{a_minute:>18} {:>21.1} {grown:>9}", times[times.len() / 2]);
    }
}

/// Lets an address be seen and ask.
fn come(devices: &Devices, clock: &Clock, address: IpAddr, number: u32) {
    let [a, b, c, d] = number.to_be_bytes();
    let hardware = Some(HardwareAddress([2, 7, a, b, c, d]));
    let row = Neighbour { address, hardware, interface: 2, reachable: true };
    devices.take_neighbours(&[row], clock.now());
    let binding = devices.admit(address, clock.now());
    devices.seen(&[(binding.id, clock.now().wall, 2)]);
}

/// Lets addresses come and go on a thread of its own, and flushes once a second as the daemon does.
fn churn(
    devices: &Devices,
    clock: &Clock,
    a_minute: u32,
    stop: &Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    let (devices, clock, stop) = (devices.clone(), clock.clone(), Arc::clone(stop));
    thread::spawn(move || {
        let mut number = 1 << 20;
        let mut tenths = 0;
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..a_minute / 600 {
                number += 1;
                let address = Ipv6Addr::from(0xfd00 << 112 | u128::from(number)).into();
                come(&devices, &clock, address, number);
                let gone = Neighbour { address, hardware: None, interface: 2, reachable: false };
                devices.take_neighbours(&[gone], clock.now());
            }
            tenths += 1;
            if tenths % 10 == 0 {
                devices.flush().expect("written");
            }
            thread::sleep(Duration::from_millis(100));
        }
    })
}

/// Returns nanoseconds of this thread's CPU time for one identification.
fn look(devices: &Devices, hosts: &[IpAddr]) -> f64 {
    let begin = cpu_time();
    for turn in 0..LOOKS {
        let host = hosts[(turn % STANDING) as usize];
        assert!(black_box(devices.identify(host)).is_some(), "{host} is known throughout");
    }
    (cpu_time() - begin).as_nanos() as f64 / f64::from(LOOKS)
}

/// Returns how long this thread was on a processor.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds"))
}

/// Returns octets of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    let kib: usize = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("KiB");
    kib * 1024
}
