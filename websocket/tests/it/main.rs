//! The protocol as its peer sees it.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets a surprise should fail"
)]

mod support;

mod peer;

mod invariants;
mod line;

mod seeds;

// RFC 6455: section 4 and RFC 8441; 5.2, 5.3 and 5.7; 5.4 to 5.6 and 8.1; 5.5.1 and 7.
mod handshake;

mod frames;

mod messages;

mod closing;

// RFC 7692, and messages that are compressed once for many.
mod deflate;

mod prepared;

// Inputs that broke other servers, and tungstenite as the other end.
mod hostile;

mod differential;

mod properties;

// The socket over an upgraded exchange.
mod exchange;

mod machine;
