//! The chat
#![forbid(unsafe_code)]
