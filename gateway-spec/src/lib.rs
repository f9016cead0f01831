//! The contract between servers and applications
#![forbid(unsafe_code)]
