//! Whole networks: hosts, a bridge and the real binary, each in a network namespace of its own.
//!
//! They need root and iproute2; elsewhere each test prints why it is skipped.

mod addresses;
mod by_hardware;
mod claims;
mod faults;
mod hints;
mod identity;
mod impostors;
mod notices;
#[path = "../shared/question.rs"]
mod question;
#[path = "../shared/stub_upstream.rs"]
mod stub_upstream;
mod support;
