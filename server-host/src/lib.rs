//! Hosts an application for any server
#![forbid(unsafe_code)]
