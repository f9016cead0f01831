//! RFC 9112 without I/O
#![forbid(unsafe_code)]
