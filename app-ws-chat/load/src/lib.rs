//! Load for the chat: thousands of clients in rooms, what they wait for, and whether anything got lost.
//!
//! Each client is a whole one: `chat-client`'s state machine over `chat-link`, with its own connection, key and position.
//! So a storm of reconnects is resumed as people's clients resume, and whatever breaks a rule of the protocol is counted.
//! All clients of a room also compare what they were told: one order for everybody means one message at each offset.
//!
//! # Where to read
//!
//! - [`Plan`] is what is asked for, [`Load`] what follows from it, [`Report`] what was seen.
//! - `run` goes through the phases; `member` is one client; `ledger` is what a room's clients agree on.
#![forbid(unsafe_code)]

mod ledger;
mod member;
mod plan;
mod process;
mod report;
mod run;
mod tally;

pub use plan::{Load, Plan, PlanError};
pub use process::Memory;
pub use report::{Percentiles, Report};
