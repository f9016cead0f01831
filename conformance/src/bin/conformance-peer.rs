//! The peer application on the servers of this workspace.
#![forbid(unsafe_code)]
fn main() {}
