//! Applications of four worlds on any gateway server.
#![forbid(unsafe_code)]
