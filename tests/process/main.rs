//! The real binary as a process.

mod doors;
mod faults;
mod life;
mod network;
#[path = "../shared/question.rs"]
mod question;
#[path = "../shared/stub_upstream.rs"]
mod stub_upstream;
mod support;
