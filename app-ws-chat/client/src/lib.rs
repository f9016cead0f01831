//! A client of `chat.v1` that has no socket and no clock: what to connect, what to send, and what to show.
//!
//! Written from the protocol's page, with nothing of the server's code, so that the two can find each other's mistakes.
//! What breaks a rule of the page is told as a [`Fault`].
//!
//! # Theory of operation
//!
//! A [`Client`] is told three things: what its user wants ([`Client::enter`], [`Client::say`], ...), what happens to its
//! link ([`Client::opened`], [`Client::received`], [`Client::closed`]), and what time it is, with each of them. It answers
//! with frames to send ([`Client::next_frame`]), news for its user ([`Client::next_event`]), the state of its rooms
//! ([`Client::room`]), and the time at which it wants to be called again ([`Client::deadline`], [`Client::expire`]).
//!
//! Rooms outlive links. What a room remembers of a link that broke is the position in its history, which is sent when it
//! is entered again, and its drafts, which are sent again under the same ids: so each message is shown once and kept once.
//!
//! ```
//! use std::time::Instant;
//! use chat_client::{Client, Event, Link, Settings};
//!
//! let now = Instant::now();
//! let mut client = Client::new(Settings::new("Ada"), now);
//! client.enter("lobby", None, now);
//! client.say("lobby", "Hello", now)?;
//!
//! // There is no link, so the message waits.
//! assert_eq!(client.next_frame(), None);
//! assert!(matches!(client.link(), Link::Waiting { .. }));
//!
//! client.connecting();
//! client.opened(now);
//! assert_eq!(client.next_event(), Some(Event::Opened));
//! assert!(client.next_frame().is_some_and(|frame| frame.contains("\"t\":\"join\"")));
//! # Ok::<(), chat_client::TextError>(())
//! ```
//!
//! # Where to read
//!
//! - [`Client`] joins the parts. [`Event`] and [`Fault`] are what it tells.
//! - [`Room`] is one room as the client knows it, [`Log`] what was said there.
//! - [`ServerFrame`] is what the server says, [`Act`] the longest of what a client says; [`verdict`] is what a close code means, [`Backoff`] how long to wait.
#![forbid(unsafe_code)]

mod backoff;
mod client;
mod ending;
mod event;
mod frame;
mod log;
mod request;
mod room;
mod text;

pub use backoff::Backoff;
pub use client::{Client, Link, Settings, Watch};
pub use ending::{Close, Reason, Verdict, verdict};
pub use event::{Arrival, Event, Fault, Recovery, Wanted};
pub use frame::{
    BadFrame, Bye, Message, Moderated, Penalty, Person, Position, Presence, Refusal, Reply,
    SUBPROTOCOL, ServerFrame, Target,
};
pub use log::{Entry, Hole, HoleState, Log, Past};
pub use request::Act;
pub use room::{Draft, Progress, Room, Standing};
pub use text::{TEXT_BYTES, TextError, tidy};
