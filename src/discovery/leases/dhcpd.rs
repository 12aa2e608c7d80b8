//! Lease files of ISC dhcpd: blocks, added at the end; the last one of an address counts.

use std::iter::Peekable;
use std::net::{IpAddr, Ipv4Addr};
use std::str::Chars;

use super::Table;
use crate::devices::Lease;
use crate::model::HardwareAddress;

/// Words with which a file of dhcpd's may begin.
const STARTS: [&str; 7] =
    ["lease", "authoring-byte-order", "server-duid", "ia-na", "ia-ta", "ia-pd", "failover"];

/// Most words of a statement that are looked at.
const MAX_WORDS: usize = 8;

/// Returns whether a line can begin a file of dhcpd's.
pub(super) fn is_start(line: &str) -> bool {
    line.split_ascii_whitespace().next().is_some_and(|word| STARTS.contains(&word))
}

/// Reads the blocks `lease ADDRESS { … }`. The blocks of IPv6 tell neither hardware nor name.
pub(super) fn read(text: &str, table: &mut Table) {
    let mut statement = Vec::new();
    let mut depth = 0_usize;
    let mut block = Block::default();
    for word in Words(text.chars().peekable()) {
        match word {
            Word::Text(text) if statement.len() < MAX_WORDS => statement.push(text),
            Word::Text(_) => {}
            Word::Open => {
                if depth == 0 {
                    block = Block::begun(&statement);
                }
                depth += 1;
                statement.clear();
            }
            Word::End if depth == 1 => {
                block.take(&statement);
                statement.clear();
            }
            Word::End => statement.clear(),
            Word::Close => {
                if depth == 1 {
                    std::mem::take(&mut block).settle(table);
                }
                depth = depth.saturating_sub(1);
                statement.clear();
            }
        }
    }
    table.cut |= depth > 0 || !statement.is_empty();
}

/// A block as it is read.
#[derive(Default)]
struct Block {
    is_lease: bool,
    address: Option<Ipv4Addr>,
    active: bool,
    hardware: Option<HardwareAddress>,
    host_name: Option<String>,
    /// `Some(None)`: it never ends.
    ends: Option<Option<i64>>,
}

impl Block {
    fn begun(statement: &[String]) -> Block {
        let mut words = statement.iter().map(String::as_str);
        let is_lease = words.next() == Some("lease");
        let address = words.next().and_then(|word| word.parse().ok());
        Block { is_lease, address, ..Block::default() }
    }

    fn take(&mut self, statement: &[String]) {
        let words: Vec<&str> = statement.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["binding", "state", state] => self.active = *state == "active",
            ["hardware", "ethernet", address] => self.hardware = address.parse().ok(),
            ["client-hostname", name] => self.host_name = Some((*name).to_owned()),
            ["ends", "never"] => self.ends = Some(None),
            ["ends", "epoch", seconds] => self.ends = seconds.parse().ok().map(Some),
            ["ends", _weekday, day, time] => self.ends = seconds(day, time).map(Some),
            _ => {}
        }
    }

    fn settle(self, table: &mut Table) {
        if !self.is_lease {
            return;
        }
        let Some(address) = self.address.map(IpAddr::V4) else {
            return table.refuse();
        };
        if !self.active {
            return table.end(address);
        }
        let lease = self.ends.map(|until| Lease {
            address,
            hardware: self.hardware,
            host_name: self.host_name,
            until,
        });
        table.add_or_refuse(lease);
    }
}

/// Reads `2026/11/22` and `01:51:51`, in UTC.
fn seconds(day: &str, time: &str) -> Option<i64> {
    let mut day = day.split('/').map(str::parse::<i16>);
    let mut time = time.split(':').map(str::parse::<i8>);
    let (year, month, date) = (day.next()?.ok()?, day.next()?.ok()?, day.next()?.ok()?);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    let (month, date) = (i8::try_from(month).ok()?, i8::try_from(date).ok()?);
    let moment = jiff::civil::DateTime::new(year, month, date, hour, minute, second, 0).ok()?;
    Some(moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

enum Word {
    Text(String),
    Open,
    Close,
    End,
}

/// Takes a text apart; strings lose their quotes and escapes, comments are skipped.
struct Words<'t>(Peekable<Chars<'t>>);

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        loop {
            match self.0.next()? {
                '{' => return Some(Word::Open),
                '}' => return Some(Word::Close),
                ';' => return Some(Word::End),
                '"' => return Some(Word::Text(self.string())),
                '#' => while self.0.next_if(|&c| c != '\n').is_some() {},
                blank if blank.is_whitespace() => {}
                first => return Some(Word::Text(self.bare(first))),
            }
        }
    }
}

impl Words<'_> {
    fn bare(&mut self, first: char) -> String {
        let mut word = String::from(first);
        let goes_on = |c: &char| !c.is_whitespace() && !matches!(c, '{' | '}' | ';' | '"');
        while let Some(next) = self.0.next_if(goes_on) {
            word.push(next);
        }
        word
    }

    fn string(&mut self) -> String {
        let mut octets = Vec::new();
        while let Some(next) = self.0.next() {
            match next {
                '"' => break,
                '\\' => octets.extend(self.escaped()),
                other => octets.extend(other.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// Reads what follows a backslash: three octal digits, or one character as it is.
    fn escaped(&mut self) -> Option<u8> {
        let mut octet = 0_u32;
        let mut digits = 0;
        while digits < 3
            && let Some(digit) = self.0.next_if(|c| c.is_digit(8)).and_then(|c| c.to_digit(8))
        {
            octet = octet * 8 + digit;
            digits += 1;
        }
        match digits {
            0 => self.0.next().and_then(|c| u8::try_from(c).ok()),
            _ => u8::try_from(octet).ok(),
        }
    }
}
