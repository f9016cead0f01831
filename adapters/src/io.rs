//! Request bodies, response bodies, tunnels and WebSockets as the readers, writers, streams and sinks that the rest of the
//! Rust world is written for.
//!
//! | the contract has | and here it is |
//! |---|---|
//! | [`RequestBody`](gateway_spec::RequestBody) | [`BodyReader`]: `AsyncRead`, `AsyncBufRead`. The body itself is a `Stream` and an [`http_body::Body`] already |
//! | [`Writer`](gateway_spec::Writer) | [`BodyWriter`]: `AsyncWrite`, `Sink<Bytes>` |
//! | [`Tunnel`](gateway_spec::Tunnel) | [`TunnelIo`]: `AsyncRead`, `AsyncBufRead`, `AsyncWrite` |
//! | [`Socket`](gateway_spec::Socket) and its halves | [`Messages`], [`MessageStream`], [`MessageSink`]: `Stream`, `Sink<Message>` |
//!
//! and what others produce is a response: a stream by [`send_stream`], an iterator by [`send_iter`], a reader by
//! [`send_reader`], an [`http_body::Body`] with its trailers by [`send_body`].
//!
//! The reading and writing traits are tokio's with the feature `tokio-io` and those of `futures-io` with the feature
//! `futures-io`, which also brings `Sink`. Both at once are fine: the types are the same.
//!
//! # What holds for all of them
//!
//! - **Nothing is copied but into the caller's buffer, or out of it.** Reading lends the parts that the server has; a write
//!   is copied once, into what the server sends.
//! - **Nothing is buffered here** but the rest of a part that a read took a piece of, and one block of [`send_reader`].
//!   The bounds are the server's (SRV-5): reading stops the client, writing waits for it.
//! - **Nothing is lost when a future is dropped** (`read`, `write`, `next`, `ready` and so on): a byte or message was handed
//!   over, or is still there. Futures that move more than one, such as `write_all`, `send` or `copy`, lose count of what
//!   they moved, as they do with every reader and writer.
//! - **Errors keep their meaning.** An [`io::Error`](std::io::Error) wraps the [`BodyError`](gateway_spec::BodyError) or
//!   [`SendError`](gateway_spec::SendError) that it stands for. Returned by `?`, it is no application's error if the client
//!   is gone ([`AppError::gone`](gateway_spec::AppError::gone)), and a body that is too large is still answered by 413.
//! - **Nothing here ends an exchange.** `shutdown` and `close` take a reference, but the `Done` that an application returns
//!   is had by value: take the handle back by `into_inner`.
//!
//! # With `tokio-util`
//!
//! Its readers, streams, bridges and codecs fit: `StreamReader::new(body)` reads a body directly, `ReaderStream` is a source for
//! [`send_stream`], `SyncIoBridge` lends a body to code that blocks, and `Framed` has a codec speak over a tunnel.
//!
//! ```
//! # #[cfg(all(feature = "tokio-io", feature = "futures-io"))]
//! # mod example {
//! use adapters::io::TunnelIo;
//! use futures_util::{SinkExt, StreamExt};
//! use gateway_spec::{AppError, Done, Tunnel};
//! use tokio_util::codec::{Framed, LinesCodec};
//!
//! async fn shout(tunnel: Tunnel) -> Result<Done, AppError> {
//!     let mut lines = Framed::new(TunnelIo::new(tunnel), LinesCodec::new_with_max_length(1024));
//!     while let Some(line) = lines.next().await {
//!         lines.send(line?.to_uppercase()).await?;
//!     }
//!     lines.into_inner().finish().await
//! }
//! # }
//! ```
//!
//! A library that owns its stream, such as a server of another protocol, gets a tunnel by [`TunnelIo::lend`], and hyper takes
//! either in `hyper_util::rt::TokioIo`.

mod body_reader;
mod body_writer;
mod lent;
#[cfg(feature = "futures-io")]
mod messages;
pub(crate) mod pump;
mod send;
mod tunnel_io;

pub(crate) mod source;
pub(crate) mod target;

#[cfg(feature = "futures-io")]
mod futures;
#[cfg(feature = "tokio-io")]
mod tokio;

pub use body_reader::BodyReader;
pub use body_writer::BodyWriter;
pub use lent::{LentTunnel, Returned};
#[cfg(feature = "futures-io")]
pub use messages::{MessageSink, MessageStream, Messages, SocketError};
#[cfg(feature = "tower")]
pub(crate) use send::keep_trailers;
#[cfg(feature = "tokio-io")]
pub use send::send_reader;
pub use send::{send_body, send_iter, send_stream};
pub use tunnel_io::TunnelIo;
