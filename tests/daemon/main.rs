//! A real daemon on port 0, real sockets, a real upstream on loopback.

mod aliases;
mod blocking;
mod cache;
mod claims;
mod commands;
mod encrypted;
mod faults;
mod floods;
mod list_versions;
mod local;
mod malformed;
mod notices;
mod only_listed;
mod own_rules;
mod policy;
mod policy_commands;
mod record;
mod reload;
mod replay;
mod shared_answers;
mod sizes;
mod stale;
mod subscriptions;
pub(crate) mod support;
mod tcp;
mod upstreams;
