//! A real upstream of our own on loopback, with moods.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::txt::Parser;

use super::ask::{read_framed, write_framed};

/// How the upstream behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Answers.
    Well,
    /// Answers after a third of a second.
    Slow,
    /// Says nothing.
    Silent,
    /// Fails every question.
    Failing,
    /// Sends datagrams that do not fit, then the right one.
    LiesFirst,
    /// Truncates over UDP, answers over TCP.
    Truncates,
}

/// A real upstream: UDP and TCP on one port.
pub struct FakeUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

struct Shared {
    records: Mutex<Vec<Record>>,
    any_name: AtomicBool,
    mood: Mutex<Mood>,
    unanswered: Mutex<Option<String>>,
    asked: Mutex<HashMap<(String, RecordType), usize>>,
    packets: Mutex<Vec<Vec<u8>>>,
    stop: AtomicBool,
}

impl FakeUpstream {
    /// Starts an upstream that knows these records, as in a zone file with absolute names.
    pub fn with(zone: &str) -> FakeUpstream {
        let shared = Arc::new(Shared {
            records: Mutex::new(parse(zone)),
            any_name: AtomicBool::new(false),
            mood: Mutex::new(Mood::Well),
            unanswered: Mutex::default(),
            asked: Mutex::default(),
            packets: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let (udp, tcp) = bind_both();
        let address = udp.local_addr().expect("an address");
        udp.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        tcp.set_nonblocking(true).expect("non-blocking");
        let (for_udp, for_tcp) = (shared.clone(), shared.clone());
        let threads = vec![
            thread::spawn(move || serve_udp(&udp, &for_udp)),
            thread::spawn(move || serve_tcp(&tcp, &for_tcp)),
        ];
        FakeUpstream { address, shared, threads }
    }

    /// Starts an upstream that has an address for every name: see [`FakeUpstream::address_of`].
    pub fn for_any_name() -> FakeUpstream {
        let upstream = FakeUpstream::with("");
        upstream.shared.any_name.store(true, Ordering::SeqCst);
        upstream
    }

    /// Returns the address that an upstream for any name gives.
    pub fn address_of(name: &str) -> Ipv4Addr {
        let mut hasher = DefaultHasher::new();
        name.trim_end_matches('.').to_ascii_lowercase().hash(&mut hasher);
        Ipv4Addr::from(0x5000_0000 | hasher.finish() as u32 & 0x00ff_ffff)
    }

    /// Returns where it listens, UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its line in config.toml.
    pub fn url(&self) -> String {
        format!("udp://{}", self.address)
    }

    /// Changes how it behaves.
    pub fn set_mood(&self, mood: Mood) {
        *self.shared.mood.lock().expect("no panic") = mood;
    }

    /// Leaves every name below `zone` without an answer, whatever its mood.
    pub fn never_answer_below(&self, zone: &str) {
        *self.shared.unanswered.lock().expect("no panic") = Some(format!(".{zone}"));
    }

    /// Replaces its records.
    pub fn set_records(&self, zone: &str) {
        *self.shared.records.lock().expect("no panic") = parse(zone);
    }

    /// Adds a record of a type that nobody knows.
    pub fn add_unknown(&self, name: &str, code: u16, data: &[u8]) {
        let data = RData::Unknown { code: code.into(), rdata: NULL::with(data.to_vec()) };
        let name = Name::from_str(name).expect("a name");
        self.shared.records.lock().expect("no panic").push(Record::from_rdata(name, 300, data));
    }

    /// Returns how often a question came.
    pub fn times_asked(&self, name: &str, query_type: RecordType) -> usize {
        let asked = self.shared.asked.lock().expect("no panic");
        asked.get(&(name.to_ascii_lowercase(), query_type)).copied().unwrap_or(0)
    }

    /// Returns whether any packet held these octets.
    pub fn saw_octets(&self, octets: &[u8]) -> bool {
        let packets = self.shared.packets.lock().expect("no panic");
        packets.iter().any(|packet| packet.windows(octets.len()).any(|part| part == octets))
    }

    /// Returns every name that was asked.
    pub fn names_asked(&self) -> Vec<String> {
        let asked = self.shared.asked.lock().expect("no panic");
        asked.keys().map(|(name, _)| name.clone()).collect()
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn bind_both() -> (UdpSocket, TcpListener) {
    for _ in 0..50 {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("an address")) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn parse(zone: &str) -> Vec<Record> {
    let text = format!("$ORIGIN .\n$TTL 300\n{zone}\n");
    let (_, sets) = Parser::new(text, None, Some(Name::root())).parse().expect("a zone");
    let mut records: Vec<Record> =
        sets.values().flat_map(|set| set.records_without_rrsigs().cloned()).collect();
    records.sort_by_key(|record| record.name.to_string());
    records
}

fn serve_udp(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = [0; 4096];
    while !shared.stop.load(Ordering::SeqCst) {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
        let mood = *shared.mood.lock().expect("no panic");
        let Some(reply) = shared.reply(&buffer[..length], mood) else { continue };
        if mood == Mood::Slow {
            thread::sleep(Duration::from_millis(330));
        }
        if mood == Mood::LiesFirst {
            lies(&reply).iter().for_each(|lie| {
                let _ = socket.send_to(lie, client);
            });
        }
        let _ = socket.send_to(&reply, client);
    }
}

fn serve_tcp(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.stop.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((mut stream, _)) => {
                let shared = shared.clone();
                thread::spawn(move || {
                    stream.set_nonblocking(false).expect("blocking");
                    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
                    while let Some(packet) = read_framed(&mut stream) {
                        let mood = match *shared.mood.lock().expect("no panic") {
                            Mood::Truncates => Mood::Well,
                            mood => mood,
                        };
                        if let Some(reply) = shared.reply(&packet, mood) {
                            write_framed(&mut stream, &reply);
                        }
                    }
                });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(_) => return,
        }
    }
}

/// Datagrams that must not be believed: another ID, another question, noise.
fn lies(reply: &[u8]) -> Vec<Vec<u8>> {
    let mut other_id = reply.to_vec();
    other_id[0] ^= 0xff;
    let mut other_question = reply.to_vec();
    other_question[13] ^= 0x01;
    vec![other_id, other_question, b"noise".to_vec()]
}

impl Shared {
    fn reply(&self, packet: &[u8], mood: Mood) -> Option<Vec<u8>> {
        self.packets.lock().expect("no panic").push(packet.to_vec());
        let query = Message::from_vec(packet).ok()?;
        let question = query.queries.first()?.clone();
        let name = question.name().to_string().trim_end_matches('.').to_ascii_lowercase();
        *self
            .asked
            .lock()
            .expect("no panic")
            .entry((name.clone(), question.query_type()))
            .or_default() += 1;
        let unanswered = self.unanswered.lock().expect("no panic");
        if mood == Mood::Silent || unanswered.as_ref().is_some_and(|zone| name.ends_with(zone)) {
            return None;
        }
        drop(unanswered);
        let mut reply = Message::response(query.metadata.id, OpCode::Query);
        reply.metadata.recursion_available = true;
        reply.metadata.recursion_desired = true;
        reply.add_query(question.clone());
        match mood {
            Mood::Failing => reply.metadata.response_code = ResponseCode::ServFail,
            Mood::Truncates => reply.metadata.truncation = true,
            _ => self.fill(&mut reply, question.name(), question.query_type(), &name),
        }
        reply.to_vec().ok()
    }

    fn fill(&self, reply: &mut Message, name: &Name, query_type: RecordType, text: &str) {
        if self.any_name.load(Ordering::SeqCst) {
            if query_type == RecordType::A {
                let data = RData::A(FakeUpstream::address_of(text).into());
                reply.add_answer(Record::from_rdata(name.clone(), 60, data));
            }
            return;
        }
        let records = self.records.lock().expect("no panic");
        let mut owner = name.clone();
        let mut known = false;
        for _ in 0..20 {
            let here: Vec<&Record> = records.iter().filter(|record| record.name == owner).collect();
            known |= !here.is_empty();
            let alias = here.iter().find_map(|record| match &record.data {
                RData::CNAME(target) if query_type != RecordType::CNAME => Some(target.0.clone()),
                _ => None,
            });
            let fits = |record: &&&Record| {
                record.record_type() == query_type
                    || alias.is_some() && record.record_type() == RecordType::CNAME
            };
            here.iter().filter(fits).for_each(|record| {
                reply.add_answer((*record).clone());
            });
            match alias {
                Some(target) => owner = target,
                None => break,
            }
        }
        if !known {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        if reply.answers.iter().all(|record| record.record_type() != query_type) {
            let soa = "ns.example. admin.example. 1 7200 3600 86400 60";
            let data = RData::try_from_str(RecordType::SOA, soa).expect("an SOA");
            let zone = Name::from_str(owner.to_string().rsplit('.').nth(1).unwrap_or("."))
                .expect("a name");
            let mut zone = zone;
            zone.set_fqdn(true);
            reply.add_authority(Record::from_rdata(zone, 60, data));
        }
    }
}
