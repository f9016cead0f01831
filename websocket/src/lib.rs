//! The WebSocket protocol (RFC 6455) and its compression (RFC 7692), without I/O.
//!
//! ```text
//!  request head ──▶ handshake ──▶ Offer ──▶ Acceptance ──▶ answer's head
//!                       │                       │
//!                       ▼                   Agreement
//!                 HandshakeError                │
//!                                               ▼
//!  bytes ─────▶ BytesMut ──▶ next_event ──▶ Session ◀── send, ping, pong, close ◀── application
//!                                               │  │
//!                                 Step, Event ◀─┘  └──▶ BytesMut ──▶ bytes
//! ```
//!
//! [`handshake`] reads a request and says how to answer it. [`Session`] is the socket after that: it takes bytes from a buffer and
//! gives [`Event`]s, takes [`Message`](gateway_spec::Message)s and appends frames to another buffer. [`Prepared`] is a message for many of them.
//!
//! [`upgrade()`] is what a server calls: it makes a WebSocket of the contract of an exchange that asks for one, with a session behind it.
//! [`upgrade_line`] does so for a server that gives the socket its connection: [`Line`].
//!
//! A session's state, with what moves it on ([`State`]):
//!
//! ```text
//!                 ┌────────────────────── Open ──────────────────────┐
//!   close()       │                        │ close frame came        │ a rule was broken
//!                 ▼                        ▼                         ▼
//!             CloseSent              CloseReceived                 Failed
//!                 │ close frame came,      │ close()                 │ close()
//!                 │ or a rule was broken   │                         │
//!                 └──────────────────▶  Closed  ◀────────────────────┘
//! ```
//!
//! Whose rules: those of one frame are in [`frame`], those between frames in [`session`], those between bytes of a text in `utf8`,
//! sizes in [`limits`], what may be agreed about compression in [`deflate`].
//!
//! What is not here: sockets, clocks and tasks. [`Keeper`] knows when to ping, how long to wait for a close frame and when to give up,
//! by a [`Timer`] that is the caller's. Masking keys that nobody can foretell, as a client on a network needs them, are not here either: this is a server's
//! package, whose client role is for tests and clients in the same process.

#![forbid(unsafe_code)]

mod close;
pub mod deflate;
pub mod error;
mod exchange;
pub mod frame;
pub mod handshake;
mod keeper;
pub mod limits;
pub mod line;
pub mod mask;
mod message;
pub mod prepared;
pub mod session;
mod socket;
pub mod state;
mod upgrade;
mod utf8;
mod waiting;
mod watch;

pub use error::{NotSent, ProtocolError};
pub use handshake::{Agreement, HandshakeError};
pub use keeper::{Keeper, Life, Missed, Timer, Times};
pub use limits::Limits;
pub use line::{Line, Outbox};

pub use prepared::Prepared;
pub use session::{Event, Role, Session, Step};
pub use state::State;
pub use upgrade::{Settings, Upgrade, may_upgrade, upgrade, upgrade_line};
pub use watch::{Standing, Watch};
