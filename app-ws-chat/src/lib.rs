//! The chat: rooms, nicknames, who is here, and the last messages on joining.
//!
//! An application over `gateway-spec` that knows no server.
#![forbid(unsafe_code)]

pub mod message;
pub mod name;
pub mod presence;
pub mod protocol;
mod rate;
mod recent;
pub mod refusal;
pub mod ring;
pub mod room;
pub mod store;
