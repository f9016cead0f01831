//! A router for gateway applications
#![forbid(unsafe_code)]
