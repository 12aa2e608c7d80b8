//! An upstream's reply, taken, cleaned and written to clients.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::upstream_reply(input));
