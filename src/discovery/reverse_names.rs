//! The names that the local router has for addresses of unnamed devices.
//!
//! Only the router is asked, and only for addresses of our own links: elsewhere the question itself
//! would tell who is at home.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::Sense;
use super::links::Links;
use crate::clock::Clock;
use crate::devices::{Device, Devices, Hint, HintSource, HintText};

/// How often devices without a name are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// At least that long between two questions.
const PAUSE: Duration = Duration::from_millis(200);

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(2);

/// After that long an address is asked for again, in microseconds.
const AGAIN: u64 = 6 * 3_600_000_000;

/// How long a router is left alone that does not want to answer.
const REST: u64 = 3_600_000_000;

/// Most addresses that are kept in mind.
const MAX_ADDRESSES: usize = 8_192;

/// Most octets of an answer.
const MAX_ANSWER: usize = 1_500;

/// What all our negative answers name as authority: such a router asks us.
const OURS: &str = "deadpixel.internal.";

/// Asking at work; it ends when dropped.
pub(super) struct ReverseNames {
    blind: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

impl ReverseNames {
    /// Begins to ask; call it inside a runtime.
    pub(super) fn start(devices: Devices, clock: Clock) -> ReverseNames {
        let blind = Arc::new(Mutex::new(None));
        let asker = Asker { devices, clock, port: 53, memory: Memory::default() };
        let task = tokio::spawn(asker.run(Arc::clone(&blind)));
        ReverseNames { blind, task }
    }

    /// Returns how it fares.
    pub(super) fn sense(&self) -> Sense {
        let blind = self.blind.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Sense { name: "reverse names".to_owned(), blind }
    }
}

impl Drop for ReverseNames {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Asker {
    devices: Devices,
    clock: Clock,
    port: u16,
    memory: Memory,
}

impl Asker {
    async fn run(mut self, blind: Arc<Mutex<Option<String>>>) {
        loop {
            let why = self.round(&Links::read()).await;
            *blind.lock().unwrap_or_else(PoisonError::into_inner) = why;
            sleep(LOOK_EVERY).await;
        }
    }

    /// Asks for whatever is due; returns why it could not, if so.
    async fn round(&mut self, links: &Links) -> Option<String> {
        let all = self.devices.list();
        let wanted = all.iter().filter(|device| is_nameless(device)).flat_map(|d| &d.addresses);
        let wanted: Vec<IpAddr> =
            wanted.filter(|address| may_be_asked_for(**address, links)).copied().collect();
        for address in wanted {
            let router = match self.router(links) {
                Ok(router) => router,
                Err(why) => return Some(why),
            };
            if self.memory.is_due(address, self.clock.now().monotonic) {
                self.ask_and_tell(router, address).await;
                sleep(PAUSE).await;
            }
        }
        self.router(links).err()
    }

    fn router(&self, links: &Links) -> Result<IpAddr, String> {
        let now = self.clock.now().monotonic;
        let all = self.devices.routers();
        // A link-local address alone does not say on which link.
        let is_usable = |router: &&IpAddr| {
            let local = matches!(router, IpAddr::V6(v6) if v6.is_unicast_link_local());
            !local && !links.is_ours(**router)
        };
        let mut usable = all.iter().filter(is_usable).peekable();
        if usable.peek().is_none() {
            return Err("no router is known that could be asked".to_owned());
        }
        let awake = usable.find(|router| !self.memory.rests(**router, now));
        awake.copied().ok_or_else(|| "the router does not answer such questions".to_owned())
    }

    async fn ask_and_tell(&mut self, router: IpAddr, address: IpAddr) {
        let answer = timeout(WAIT, ask(SocketAddr::new(router, self.port), address)).await;
        let now = self.clock.now();
        match answer {
            Ok(Ok(Answer::Name(name))) => {
                let text = HintText { name: Some(name), ..HintText::default() };
                let hint = Hint { address, source: HintSource::ReverseName, text };
                self.devices.take_hints(&[hint], now);
            }
            Ok(Ok(Answer::Nothing)) => {}
            Ok(Ok(Answer::Refusal) | Err(_)) | Err(_) => self.memory.rest(router, now.monotonic),
        }
    }
}

fn is_nameless(device: &Device) -> bool {
    let better = |source| matches!(source, HintSource::Maker | HintSource::ReverseName);
    !device.named && device.proposal.name.as_ref().is_none_or(|(_, source)| better(*source))
}

/// Private addresses, and those of our links.
fn may_be_asked_for(address: IpAddr, links: &Links) -> bool {
    let private = match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    !links.is_ours(address) && (private || links.has_on_link(address))
}

/// When what was asked for, and which routers are left alone.
#[derive(Default)]
struct Memory {
    asked: HashMap<IpAddr, u64>,
    resting: HashMap<IpAddr, u64>,
}

impl Memory {
    /// Returns whether to ask for an address now, and notes that it is asked for.
    fn is_due(&mut self, address: IpAddr, now: u64) -> bool {
        if self.asked.len() >= MAX_ADDRESSES {
            self.asked.retain(|_, asked| now.saturating_sub(*asked) < AGAIN);
        }
        let known = self.asked.get(&address);
        let due = known
            .map_or(self.asked.len() < MAX_ADDRESSES, |asked| now.saturating_sub(*asked) >= AGAIN);
        if due {
            self.asked.insert(address, now);
        }
        due
    }

    fn rest(&mut self, router: IpAddr, now: u64) {
        self.resting.retain(|_, began| now.saturating_sub(*began) < REST);
        self.resting.insert(router, now);
    }

    fn rests(&self, router: IpAddr, now: u64) -> bool {
        self.resting.get(&router).is_some_and(|began| now.saturating_sub(*began) < REST)
    }
}

/// What a router says of an address.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Name(String),
    Nothing,
    /// It refuses, fails, or asks us in turn.
    Refusal,
}

async fn ask(router: SocketAddr, address: IpAddr) -> io::Result<Answer> {
    let any = match router {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
    let question = Question { id: u16::from_be_bytes(id), name: reverse(address) };
    // The system takes a random port; connected, only the router's packets come in.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(router).await?;
    socket.send(&question.packet().ok_or(io::ErrorKind::InvalidData)?).await?;
    let mut packet = [0; MAX_ANSWER];
    loop {
        let length = socket.recv(&mut packet).await?;
        if let Some(answer) = question.answer(packet.get(..length).unwrap_or_default()) {
            return Ok(answer);
        }
    }
}

struct Question {
    id: u16,
    name: String,
}

impl Question {
    fn packet(&self) -> Option<Vec<u8>> {
        let mut message = Message::new(self.id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(&self.name).ok()?, RecordType::PTR));
        message.to_vec().ok()
    }

    /// Reads a packet; `None`: it is no answer to this question.
    fn answer(&self, packet: &[u8]) -> Option<Answer> {
        let message = Message::from_vec(packet).ok()?;
        let [asked] = message.queries.as_slice() else { return None };
        let same = message.metadata.id == self.id
            && message.metadata.message_type == MessageType::Response
            && asked.query_type() == RecordType::PTR
            && asked.name().to_ascii().eq_ignore_ascii_case(&self.name);
        if !same {
            return None;
        }
        let is_ours = message.authorities.iter().any(|record| match &record.data {
            RData::SOA(soa) => soa.mname.to_ascii().eq_ignore_ascii_case(OURS),
            _ => false,
        });
        let code = message.metadata.response_code;
        if is_ours || !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
            return Some(Answer::Refusal);
        }
        let name = message.answers.iter().find_map(|record| match &record.data {
            RData::PTR(target) if record.name == *asked.name() => Some(text(&target.0)),
            _ => None,
        });
        Some(name.filter(|name| !name.is_empty()).map_or(Answer::Nothing, Answer::Name))
    }
}

fn text(name: &Name) -> String {
    let labels = name.iter().map(|label| String::from_utf8_lossy(label).into_owned());
    labels.collect::<Vec<_>>().join(".")
}

/// Returns `20.1.168.192.in-addr.arpa.` or the nibbles under `ip6.arpa.`.
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa."
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{PTR, SOA};

    use super::*;

    const HOUR: u64 = 3_600_000_000;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn question() -> Question {
        Question { id: 7, name: reverse(ip("192.168.1.20")) }
    }

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("a name")
    }

    fn reply(change: impl FnOnce(&mut Message)) -> Option<Answer> {
        let packet = question().packet().expect("a query");
        let mut message = Message::from_vec(&packet).expect("it is one");
        message.metadata.message_type = MessageType::Response;
        let target = RData::PTR(PTR(name("anna.lan.")));
        message.add_answer(Record::from_rdata(name(&question().name), 60, target));
        change(&mut message);
        question().answer(&message.to_vec().expect("written"))
    }

    #[test]
    fn names_are_asked_in_reverse() {
        assert_eq!(reverse(ip("192.168.1.20")), "20.1.168.192.in-addr.arpa.");
        let v6 = reverse(ip("fd00::1f"));
        assert!(v6.starts_with("f.1.0.0.") && v6.ends_with("0.0.d.f.ip6.arpa."), "{v6}");
    }

    #[test]
    fn only_the_answer_to_the_question_counts() {
        assert_eq!(reply(|_| {}), Some(Answer::Name("anna.lan".into())));
        assert_eq!(reply(|message| message.metadata.id = 8), None);
        assert_eq!(reply(|message| message.metadata.message_type = MessageType::Query), None);
        let other = |message: &mut Message| {
            message.queries[0].set_name(name("21.1.168.192.in-addr.arpa."));
        };
        assert_eq!(reply(other), None);
        let owner = |message: &mut Message| message.answers[0].name = name("x.example.");
        assert_eq!(reply(owner), Some(Answer::Nothing));
        assert_eq!(question().answer(&[0; 11]), None);
    }

    #[test]
    fn a_router_that_refuses_or_asks_us_is_left_alone() {
        let refused = |message: &mut Message| {
            message.metadata.response_code = ResponseCode::Refused;
        };
        assert_eq!(reply(refused), Some(Answer::Refusal));
        let ours = |message: &mut Message| {
            message.answers.clear();
            message.metadata.response_code = ResponseCode::NXDomain;
            let soa = SOA::new(name(OURS), name(OURS), 1, 2, 3, 4, 5);
            message.add_authority(Record::from_rdata(
                name("168.192.in-addr.arpa."),
                5,
                RData::SOA(soa),
            ));
        };
        assert_eq!(reply(ours), Some(Answer::Refusal));
    }

    #[test]
    fn an_address_is_asked_for_again_after_six_hours_and_memory_is_bounded() {
        let mut memory = Memory::default();
        assert!(memory.is_due(ip("10.0.0.1"), 0));
        assert!(!memory.is_due(ip("10.0.0.1"), 6 * HOUR - 1));
        assert!(memory.is_due(ip("10.0.0.1"), 6 * HOUR));
        for number in 0..20_000_u32 {
            memory.is_due(IpAddr::from(number.to_be_bytes()), 6 * HOUR);
        }
        assert_eq!(memory.asked.len(), MAX_ADDRESSES);
        assert!(memory.is_due(ip("10.9.9.9"), 12 * HOUR), "what is old makes room");
        memory.rest(ip("10.0.0.254"), 0);
        assert!(memory.rests(ip("10.0.0.254"), HOUR - 1) && !memory.rests(ip("10.0.0.254"), HOUR));
    }

    #[test]
    fn far_addresses_are_never_asked_for() {
        let links = Links::default();
        for near in ["192.168.1.20", "10.1.1.1", "fd00::1", "fe80::1"] {
            assert!(may_be_asked_for(ip(near), &links), "{near}");
        }
        for far in ["8.8.8.8", "2001:db8::1", "100.64.0.1", "127.0.0.1"] {
            assert!(!may_be_asked_for(ip(far), &links), "{far}");
        }
    }

    #[tokio::test]
    async fn a_router_that_answers_is_understood() {
        let router = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
        let address = router.local_addr().expect("an address");
        let answering = tokio::spawn(async move {
            let mut packet = [0; 512];
            let (length, from) = router.recv_from(&mut packet).await.expect("a question");
            let mut message = Message::from_vec(&packet[..length]).expect("a query");
            message.metadata.message_type = MessageType::Response;
            let owner = message.queries[0].name().clone();
            let target = RData::PTR(PTR(name("drucker.fritz.box.")));
            message.add_answer(Record::from_rdata(owner, 60, target));
            let reply = message.to_vec().expect("written");
            router.send_to(b"noise", from).await.expect("sent");
            router.send_to(&reply, from).await.expect("sent");
        });
        let answer = ask(address, ip("192.168.1.30")).await.expect("an answer");
        assert_eq!(answer, Answer::Name("drucker.fritz.box".into()));
        answering.await.expect("it answered");
    }
}
