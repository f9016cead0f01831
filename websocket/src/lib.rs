//! RFC 6455 and RFC 7692 without I/O, and the socket over an upgraded exchange
#![forbid(unsafe_code)]
