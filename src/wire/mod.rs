//! DNS messages as they lie in the packet: queries read in place, replies written into a buffer.

mod answer;
mod claims;
mod header;
mod name;
mod presentation;
mod query;
mod records;
mod reply;

pub use answer::{AnswerError, Question, STALE_TTL, StoredAnswer};
pub use claims::Claims;
pub use header::{CLASS_CHAOS, CLASS_IN, HEADER_OCTETS, Header, ResponseCode, flags};
pub use name::read_name;
pub use presentation::data_text;
pub use query::{Edns, Query, Unreadable};
pub use records::{BadMessage, Message, RecordView, Section};
pub use reply::{ExtendedError, OUR_PAYLOAD, Reply, bare_error};
