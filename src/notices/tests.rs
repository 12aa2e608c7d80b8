//! Notices as a whole.
