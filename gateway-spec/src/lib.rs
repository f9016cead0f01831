//! The contract between servers and applications
#![forbid(unsafe_code)]

mod headers;

pub use headers::{BadBlock, Field, GetAll, HeaderKey, Headers, Iter};
