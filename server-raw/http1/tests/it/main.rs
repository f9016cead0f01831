//! What the peer sends and what the caller sees, in the order of RFC 9112's chapters.
#![forbid(unsafe_code)]

mod support;

mod invariants;
mod seeds;

mod attacks;
mod body;
mod check;
mod connection;
mod fields;
mod limits;
mod message;
mod properties;
mod reply;
mod request_line;
mod upgrade;
