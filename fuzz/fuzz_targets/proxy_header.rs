//! The first octets of a connection, read as a PROXY header.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::proxy_header(input));
