//! Who is limited, who is not, and what a flood of addresses changes.

use std::collections::HashSet;
use std::mem::size_of_val;

use super::*;
use crate::model::{HardwareAddress, Moment};

const SECOND: u64 = 1_000_000;
/// Some time after the start.
const LATER: u64 = 77 * SECOND;

fn rates(limit: u32, burst: u32) -> Rates {
    Rates::new(&Settings { rate_limit: limit, rate_burst: burst, ..Settings::default() })
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn arrival(client: IpAddr, transport: Transport, monotonic: u64) -> Arrival {
    let now = Moment { wall: 0, monotonic };
    Arrival { client, local: client, transport, now, behalf: Behalf::Unsaid }
}

/// Asks once over UDP, from a network of ours.
fn ask(rates: &Rates, client: IpAddr, at: u64) -> Option<Excess> {
    rates.excess(&arrival(client, Transport::Udp, at), |_| true)
}

fn ask_tcp(rates: &Rates, client: IpAddr, at: u64) -> Option<Excess> {
    rates.excess(&arrival(client, Transport::Tcp, at), |_| true)
}

/// Returns how many of `count` queries at one time were within the limit, truncated, refused.
fn burst(rates: &Rates, client: IpAddr, at: u64, count: usize) -> [usize; 3] {
    let told: Vec<Option<Excess>> = (0..count).map(|_| ask(rates, client, at)).collect();
    [None, Some(Excess::Truncated), Some(Excess::Refused)]
        .map(|wanted| told.iter().filter(|told| **told == wanted).count())
}

fn one_of_many(number: u32) -> IpAddr {
    IpAddr::from((0x0a00_0000 + number).to_be_bytes())
}

#[test]
fn a_burst_is_answered_then_truncated_then_refused() {
    let rates = rates(100, 40);
    let client = address("192.168.1.7");
    assert_eq!(burst(&rates, client, LATER, 100), [40, 40, 20]);
    assert_eq!(burst(&rates, address("192.168.1.8"), LATER, 100), [40, 40, 20], "others' own");
}

#[test]
fn whoever_asks_too_much_for_long_gets_the_rate_and_all_of_it_afterwards() {
    let rates = rates(100, 40);
    let client = address("192.168.1.7");
    burst(&rates, client, LATER, 200);
    let mut answered = 0;
    for millisecond in 1..=10_000 {
        answered += usize::from(ask(&rates, client, LATER + millisecond * 1_000).is_none());
    }
    assert_eq!(answered, 1_000, "ten seconds of a hundred");
    assert_eq!(burst(&rates, client, LATER + 11 * SECOND, 100), [40, 40, 20]);
}

#[test]
fn whoever_stays_below_is_never_limited() {
    let rates = rates(1_000, 1);
    let client = address("192.168.1.7");
    assert!((0..10_000).all(|n| ask(&rates, client, LATER + n * 1_000).is_none()));
    assert_eq!(ask(&rates, client, LATER + 9_999 * 1_000), Some(Excess::Truncated));
}

#[test]
fn over_tcp_there_is_as_much_again_and_refusals_beyond() {
    let rates = rates(100, 40);
    let client = address("192.168.1.7");
    assert_eq!(burst(&rates, client, LATER, 100), [40, 40, 20]);
    assert!((0..40).all(|_| ask_tcp(&rates, client, LATER).is_none()));
    assert!((0..9).all(|_| ask_tcp(&rates, client, LATER) == Some(Excess::Refused)));
}

#[test]
fn this_machine_is_not_limited_nor_local_networks_where_that_is_switched_off() {
    let narrow = rates(1, 1);
    for client in ["127.0.0.1", "::1"] {
        assert_eq!(burst(&narrow, address(client), LATER, 9), [9, 0, 0], "{client}");
    }
    assert_eq!(burst(&narrow, address("127.0.0.2"), LATER, 9), [1, 1, 7]);
    let settings =
        Settings { rate_limit: 1, rate_burst: 1, rate_limit_local: false, ..Settings::default() };
    let rates = Rates::new(&settings);
    assert_eq!(burst(&rates, address("192.168.1.7"), LATER, 9), [9, 0, 0]);
    let stranger = arrival(address("203.0.113.9"), Transport::Udp, LATER);
    assert_eq!(rates.excess(&stranger, |_| false), None);
    assert_eq!(rates.excess(&stranger, |_| false), Some(Excess::Truncated));
}

#[test]
fn without_a_limit_nothing_is_counted() {
    let rates = rates(0, 1);
    assert_eq!(burst(&rates, address("192.168.1.7"), LATER, 1_000), [1_000, 0, 0]);
    assert!(rates.sets.is_empty());
}

#[test]
fn neighbours_share_a_prefix_and_strangers_are_one() {
    let rates = rates(1, 1);
    let ask = |client: &str, local: bool| {
        rates.excess(&arrival(address(client), Transport::Udp, LATER), |_| local).is_none()
    };
    assert!(ask("2001:db8::1", true) && ask("2001:db8::2", true), "two devices of one link");
    assert!(ask("2001:db8:9::1", false) && !ask("2001:db8:9::2", false), "one client's /64");
    assert!(ask("2001:db8:9:1::1", false));
}

#[test]
fn a_client_named_by_hardware_counts_by_it() {
    let rates = rates(1, 1);
    let forwarder = address("192.168.1.1");
    let ask = |last| {
        let claim = Claim::Hardware(HardwareAddress([0x3c, 0x5a, 0xb4, 1, 2, last]));
        let behalf = Behalf::Claimed { forwarder, claim };
        let arrival = Arrival { behalf, ..arrival(forwarder, Transport::Udp, LATER) };
        rates.excess(&arrival, |_| true).is_none()
    };
    assert!(ask(3) && ask(4) && !ask(3) && !ask(4));
}

#[test]
fn a_million_addresses_limit_nobody_and_take_no_memory() {
    let rates = rates(100, 40);
    let (honest, flooder) = (address("192.168.1.7"), address("192.168.1.66"));
    let before = size_of_val(&*rates.sets);
    let mut limited = 0;
    let mut now = LATER;
    for n in 0..1_000_000 {
        // 100,000 queries a second, each from an address of its own.
        now += 10;
        limited += usize::from(ask(&rates, one_of_many(n), now).is_some());
        if n % 2_000 == 0 {
            assert_eq!(ask(&rates, honest, now), None, "fifty a second, after {n} others");
        }
        if n % 100 == 0 {
            ask(&rates, flooder, now);
        }
    }
    // One may by chance share the bucket of who is over the limit, by one in 268 million each.
    assert!(limited <= 2, "a forged address limits no other: {limited}");
    assert_eq!((before, size_of_val(&*rates.sets)), (256 * 1024, 256 * 1024));
}

#[test]
fn who_is_over_the_limit_stays_so_while_ten_thousand_others_come() {
    let rates = rates(100, 4_000);
    let flooder = address("192.168.1.66");
    assert_eq!(burst(&rates, flooder, LATER, 4_001), [4_000, 1, 0]);
    for n in 0..10_000 {
        ask(&rates, one_of_many(n), LATER);
    }
    assert_eq!(ask(&rates, flooder, LATER), Some(Excess::Truncated));
}

#[test]
fn in_a_full_set_the_newcomer_takes_the_emptiest_bucket() {
    let rates = rates(1_000, 100);
    let pace = rates.pace.expect("a limit");
    let place = |who: u128| rates.hash(who, Purpose::Datagrams);
    let set = |who: u128| place(who) as usize % SETS;
    let mut tags = HashSet::new();
    let mut together = (1..).filter(|&who| set(who) == set(0) && tags.insert(place(who) & !TIME));
    let crowd: Vec<u128> = together.by_ref().take(BUCKETS).collect();
    let fill = |who| rates.fill(who, Purpose::Datagrams, LATER, pace);
    for (place, &who) in crowd.iter().enumerate() {
        (0..100 - 10 * place).for_each(|_| assert!(fill(who)));
    }
    let newcomer = together.next().expect("there are many");
    (0..100).for_each(|_| assert!(fill(newcomer)));
    assert!(!fill(newcomer) && !fill(crowd[0]), "the fullest are remembered");
    (0..10).for_each(|_| assert!(fill(crowd[1])));
    assert!(!fill(crowd[1]));
}

#[test]
fn workers_that_count_at_once_lose_no_query() {
    let rates = rates(1, 10_000);
    let client = address("192.168.1.7");
    let within = |_| (0..5_000).filter(|_| ask(&rates, client, LATER).is_none()).count();
    let answered: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|n| scope.spawn(move || within(n))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).sum()
    });
    assert_eq!(answered, 10_000, "of 20,000");
}

#[test]
fn replies_beyond_the_limit_are_hardly_longer_than_the_query() {
    const PLAIN: &[u8] = b"\xab\xcd\x01\x10\0\x01\0\0\0\0\0\0\x03wWw\x02eX\0\0\x01\0\x01";
    const WITH_EDNS: &[u8] = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\x01\x03wWw\x02eX\0\0\x01\0\x01\
        \0\0\x29\x10\0\0\0\x80\0\0\0";
    for packet in [PLAIN, WITH_EDNS] {
        let query = Query::parse(packet).expect("a query");
        let mut out = Vec::new();
        Excess::Truncated.write(&query, &mut out);
        assert_eq!((out[2] & 0x02, out[3] & 0x0f, out.len()), (2, 0, packet.len()));
        Excess::Refused.write(&query, &mut out);
        assert_eq!((out[2] & 0x02, out[3] & 0x0f), (0, 5));
        assert!(out.len() <= packet.len() + 6, "{} octets", out.len());
        assert_eq!(out[6..10], [0; 4], "no record");
    }
}
