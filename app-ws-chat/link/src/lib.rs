//! Carries a [`Client`](chat_client::Client) over TCP, TLS and tokio-tungstenite: one connection after another, as the
//! client wants them.
//!
//! Decides nothing: what is sent, when a link is wanted and what its end means is `chat-client`'s.
//!
//! ```no_run
//! use std::time::Instant;
//! use chat_client::{Client, Event, Settings};
//! use chat_link::{Link, Target};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::new(Settings::new("Ada"), Instant::now());
//! let mut link = Link::new(Target::parse("ws://127.0.0.1:8000")?);
//! client.enter("lobby", None, Instant::now());
//! loop {
//!     link.turn(&mut client).await;
//!     while let Some(event) = client.next_event() {
//!         if let Event::Message { message, .. } = event {
//!             println!("{}: {}", message.from.nick, message.text);
//!         }
//!     }
//! }
//! # }
//! ```
#![forbid(unsafe_code)]

mod connect;
mod link;
mod target;

pub use link::Link;
pub use target::{Target, TargetError};
