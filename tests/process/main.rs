//! The real binary as a process.

mod faults;
mod life;
mod network;
mod support;
