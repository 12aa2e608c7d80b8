//! deadpixel: a DNS server for a network that blocks trackers and shows who asked for them.
//!
//! The modules stand in layers, ground first. A module imports only from layers above its own in
//! this list, and from those of its own layer that `tests/layers.rs` names.

// 1 · words: plain values; no I/O, no clock, no lock
pub mod model;

// 2 · ground: the clocks, threads that stand back, packets, texts that people write, databases
pub mod background;
pub mod clock;
pub mod diagnostic;
pub mod storage;
pub mod wire;

// 3 · crafts: each knows the words, the ground and its own subject
pub mod api;
pub mod catalogue;
pub mod devices;
pub mod query_log;
pub mod rules;
pub mod sinkhole;
pub mod upstream;
pub mod zones;

// 4 · judgement: where rules come from, and whom they bind
pub mod discovery;
pub mod lists;

pub mod policy;

// 5 · keeping: the policy as people write it, and what they should know
pub mod notices;
pub mod policy_file;

// 6 · the line every query walks
pub mod resolver;

// 7 · doors
pub mod dns_server;
pub mod http_server;

// 8 · settings, whole
pub mod config;

// 9 · the whole, wired
pub mod daemon;

// 10 · the terminal
pub mod cli;
