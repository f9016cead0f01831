//! The wire by hand
#![forbid(unsafe_code)]
