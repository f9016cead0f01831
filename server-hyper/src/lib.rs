//! The wire by hyper
#![forbid(unsafe_code)]
