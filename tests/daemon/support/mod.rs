//! The tests' own vocabulary: a real daemon, a real upstream on loopback, real clients.

mod ask;
mod encrypted;
mod identity;
mod list_server;
mod replies;
mod test_daemon;
mod upstream;

pub use ask::{
    Client, Wanted, ask, ask_at_once, ask_from_anywhere, ask_tcp, ask_tcp_from, read_framed,
    write_framed,
};
pub use encrypted::{EncryptedUpstream, UPSTREAM_HOST};
pub use identity::Identity;
pub use list_server::{LIST_HOST, ListServer, Step, answer, head, list, redirect, status};
pub use replies::Reply;
pub use test_daemon::{Setup, TestDaemon};
pub use upstream::{FakeUpstream, Mood};

use std::net::IpAddr;
use std::path::PathBuf;

/// Reads an address.
pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Reads a packed text of `tests/data`.
pub fn test_data(file: &str) -> String {
    use std::io::Read;
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("packed text");
    text
}
