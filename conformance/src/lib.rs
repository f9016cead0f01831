//! The clauses of SPEC.md as tests over real sockets
#![forbid(unsafe_code)]
