//! Questions with the answers they must get.

/// What must come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// An address record with this address, and no other.
    Address([u8; 4]),
    /// NXDOMAIN.
    NoSuchName,
    /// The null address or NXDOMAIN.
    Blocked,
    /// As `Blocked`, or this address: whether it is blocked changes just now.
    BlockedOr([u8; 4]),
    /// The query itself, marked as a response.
    Echo,
}

const HEADER: usize = 12;
/// Flags of a query: recursion desired.
const FLAGS: [u8; 10] = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const A_IN: [u8; 4] = [0, 1, 0, 1];

/// Queries for addresses, ready to be sent.
#[derive(Clone, Default)]
pub struct Questions {
    octets: Vec<u8>,
    ends: Vec<u32>,
    wanted: Vec<Wanted>,
}

impl Questions {
    /// Makes a question of each name.
    pub fn new<'a>(asked: impl IntoIterator<Item = (&'a str, Wanted)>) -> Questions {
        let mut questions = Questions::default();
        for (name, wanted) in asked {
            questions.push(name, wanted);
        }
        questions
    }

    /// Makes questions for names that nobody blocks: the stub's addresses must come back.
    pub fn allowed<'a>(names: impl IntoIterator<Item = &'a str>) -> Questions {
        Questions::new(names.into_iter().map(|name| (name, Wanted::Address(address_of(name)))))
    }

    /// Adds a name that is allowed now and blocked then.
    pub fn push_wavering(&mut self, name: &str) {
        self.push(name, Wanted::BlockedOr(address_of(name)));
    }

    /// Adds a name that nobody blocks.
    pub fn push_allowed(&mut self, name: &str) {
        self.push(name, Wanted::Address(address_of(name)));
    }

    /// Adds one more.
    pub fn push(&mut self, name: &str, wanted: Wanted) {
        self.octets.extend([0, 0]);
        self.octets.extend(FLAGS);
        for label in name.split('.') {
            self.octets.push(label.len() as u8);
            self.octets.extend(label.as_bytes());
        }
        self.octets.push(0);
        self.octets.extend(A_IN);
        self.ends.push(u32::try_from(self.octets.len()).expect("less than 4 GiB of questions"));
        self.wanted.push(wanted);
    }

    /// Returns the same questions with one answer wanted to all.
    pub fn wanting(&self, wanted: Wanted) -> Questions {
        Questions { wanted: vec![wanted; self.wanted.len()], ..self.clone() }
    }

    /// Adds all of others.
    pub fn append(&mut self, others: &Questions) {
        (0..others.len()).for_each(|number| self.copy(others, number));
    }

    /// Returns the first ones.
    pub fn head(&self, count: usize) -> Questions {
        let mut head = Questions::default();
        (0..count.min(self.len())).for_each(|number| head.copy(self, number));
        head
    }

    /// Returns these and others in turn, as long as the longer of the two.
    pub fn in_turn(&self, others: &Questions) -> Questions {
        let mut turns = Questions::default();
        for number in 0..self.len().max(others.len()) {
            turns.copy(self, number % self.len());
            turns.copy(others, number % others.len());
        }
        turns
    }

    fn copy(&mut self, other: &Questions, number: usize) {
        self.octets.extend_from_slice(other.octets(number));
        self.ends.push(u32::try_from(self.octets.len()).expect("less than 4 GiB of questions"));
        self.wanted.push(other.wanted[number]);
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the octets of a question; those past the end begin again.
    pub fn octets(&self, number: usize) -> &[u8] {
        let number = number % self.ends.len();
        let begin = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.octets[begin..self.ends[number] as usize]
    }

    /// Holds a reply to a question's number; an error says what is wrong.
    pub fn check(&self, number: usize, reply: &[u8]) -> Result<(), String> {
        let query = self.octets(number);
        let wanted = self.wanted[number % self.wanted.len()];
        let told = |why: &str| format!("{} for {}: {why}", name_of(query), said(wanted));
        let Some((flags, counts)) = flags(reply) else { return Err(told("cut short")) };
        if wanted == Wanted::Echo {
            let same = reply[3..] == query[3..] && reply[2] == query[2] | 0x80;
            return if same { Ok(()) } else { Err(told("not the same octets")) };
        }
        if flags & 0xfa00 != 0x8000 || reply.get(HEADER..query.len()) != query.get(HEADER..) {
            return Err(told(&format!("flags {flags:04x}, or another question")));
        }
        let found = (flags & 0xf, counts.1, address_in(&reply[query.len()..], counts.1));
        let right = match (wanted, found) {
            (Wanted::Address(address) | Wanted::BlockedOr(address), (0, 1.., Some(one)))
                if address == one =>
            {
                true
            }
            (Wanted::NoSuchName | Wanted::Blocked | Wanted::BlockedOr(_), (3, _, _)) => true,
            (Wanted::Blocked | Wanted::BlockedOr(_), (0, 1.., Some([0, 0, 0, 0]))) => true,
            _ => false,
        };
        if right { Ok(()) } else { Err(told(&format!("code, records, address: {found:?}"))) }
    }
}

/// Returns the address by which the stub upstream answers for a name; never a private one.
fn address_of(name: &str) -> [u8; 4] {
    let mut hash = Hash::default();
    for label in name.split('.') {
        hash.add(label.len() as u8);
        label.bytes().for_each(|octet| hash.add(octet));
    }
    hash.address()
}

/// FNV-1a over the labels of a name, whatever their case.
pub(super) struct Hash(u64);

impl Default for Hash {
    fn default() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    pub(super) fn add(&mut self, octet: u8) {
        let octet = octet.to_ascii_lowercase();
        self.0 = (self.0 ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    }

    pub(super) fn address(&self) -> [u8; 4] {
        let octets = (self.0 ^ (self.0 >> 32)).to_be_bytes();
        [11 + octets[4] % 88, octets[5], octets[6], octets[7]]
    }
}

fn flags(reply: &[u8]) -> Option<(u16, (u16, u16))> {
    let word = |at: usize| Some(u16::from_be_bytes([*reply.get(at)?, *reply.get(at + 1)?]));
    reply.get(HEADER)?;
    Some((word(2)?, (word(4)?, word(6)?)))
}

/// Finds the first address among the records; none where two addresses or nonsense are there.
fn address_in(mut records: &[u8], count: u16) -> Option<[u8; 4]> {
    let mut found = None;
    for _ in 0..count {
        let name = name_length(records)?;
        let length =
            usize::from(u16::from_be_bytes(records.get(name + 8..name + 10)?.try_into().ok()?));
        let data = records.get(name + 10..name + 10 + length)?;
        if records.get(name..name + 4)? == A_IN {
            let address = data.try_into().ok()?;
            if found.replace(address).is_some() {
                return None;
            }
        }
        records = records.get(name + 10 + length..)?;
    }
    found
}

fn name_length(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            0xc0.. => return Some(at + 2),
            label => at += 1 + usize::from(label),
        }
    }
}

fn name_of(query: &[u8]) -> String {
    let mut text = String::new();
    let mut at = HEADER;
    while let Some(length) = query.get(at).map(|octet| usize::from(*octet)).filter(|l| *l > 0) {
        let label = query.get(at + 1..at + 1 + length).unwrap_or_default();
        text += &String::from_utf8_lossy(label);
        text.push('.');
        at += 1 + length;
    }
    text
}

fn said(wanted: Wanted) -> String {
    match wanted {
        Wanted::Address(address) => format!("{}", std::net::Ipv4Addr::from(address)),
        other => format!("{other:?}"),
    }
}
