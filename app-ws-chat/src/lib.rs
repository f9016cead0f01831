//! The chat: rooms, nicknames, who is here, the last messages on joining, and messages to everyone in the room at
//! once.
//!
//! An application over `gateway-spec` that knows no server; only its `main` names the launcher. `PROTOCOL.md` beside
//! it is what clients and the chat say to each other.
//!
//! ```
//! use app_ws_chat::Chat;
//! # fn assert(_: impl gateway_spec::Application) {}
//! # assert(
//! Chat::new()
//! # );
//! ```
//!
//! # Where to read
//!
//! - [`Chat`]: which connection gets what. `page` answers with the page's files, `admin` the host, `session` serves a socket.
//! - [`protocol`]: text to commands, replies and notices to text; [`name`], [`message`], [`moderation`] and [`refusal`] are its words.
//! - [`room`]: one room, pure: events in, deliveries out. [`presence`] is who is in it, [`ring`] its last messages.
//! - `hub`: the living rooms of this node; `outbox`: what a slow reader still has to read.
//! - [`bus`]: what joins the rooms of all nodes, and gives their messages one order.
//! - [`store`]: what of a room survives it.
//!
//! Locks are held for pure work alone; nobody who speaks ever waits for somebody who reads.
#![forbid(unsafe_code)]

mod admin;
pub mod bus;
mod chat;
mod heartbeat;
mod hub;
mod key;
pub mod message;
mod metrics;
pub mod moderation;
pub mod name;
pub mod options;
mod outbox;
mod page;
pub mod presence;
pub mod protocol;
mod rate;
mod recent;
pub mod refusal;
pub mod ring;
pub mod room;
mod session;
pub mod store;

pub use chat::Chat;
pub use key::{Keys, ShortToken, TOKEN_BYTES};
