//! HTTP/2 over real sockets: what the conformance suite, which speaks HTTP/1, cannot ask.
#![forbid(unsafe_code)]

mod http2;
mod support;
