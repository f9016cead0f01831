//! The contract between servers and applications: what WSGI and ASGI are to Python.
//!
//! An application is one async function of a [`Connection`]; it runs unchanged on every server that honours the
//! contract. This crate is the contract and nothing else: no runtime and no I/O. `SPEC.md` beside it is the formal
//! text; documentation and errors cite its clauses by number.
//!
//! ```
//! use gateway_spec::{AppError, Connection, Done};
//!
//! async fn hello(connection: Connection) -> Result<Done, AppError> {
//!     match connection {
//!         Connection::Http(http) => http.responder.respond("Hello, world!").await,
//!         other => other.refuse().await,
//!     }
//! }
//! # let _ = gateway_spec::application_fn(hello);
//! ```
//!
//! # Where to read
//!
//! - To write an application: [`Application`], [`Connection`], then [`Http`], [`WebSocket`] and [`Lifespan`].
//!   Code that blocks: [`SyncApplication`].
//! - To write middleware: [`Http::map_transport`], [`HttpLayer`], [`WebSocketLayer`], [`Responder::map_head`],
//!   [`Http::intercept`].
//! - To write a server: [`HttpTransport`], [`HttpScope`], [`ConnectionInfo`], [`LifespanTransport`]. WebSockets are
//!   made from HTTP by the `websocket` package.
//! - To test an application without a server: [`Http::in_memory`].
//!
//! # What happens to a request
//!
//! ```text
//! client              server                                  application
//!   |                   |                                          |
//!   |  head             |                                          |
//!   |------------------>| reads all of it, and checks it           |
//!   |                   |-- call(Connection::Http) --------------->|  scope, body, responder
//!   |  body             |                                          |
//!   |------------------>| keeps so much of it, and no more ------->|  body.chunk().await?
//!   |                   |                                          |
//!   |                   |<------------------ Start, then Body -----|  responder.start(head).await?
//!   |<------------------| frames it, and sends it at once          |  writer.write(bytes).await?
//!   |                   |<------------------ Body, the last -------|  writer.finish().await
//!   |  the next head    |<------------------ Ok(Done) -------------|
//! ```
//!
//! What a server is, and what an application can build on, are the answers to six questions. The clauses of `SPEC.md` are these
//! answers in full.
//!
//! - **What reaches the application?** A complete head that keeps the rules; what does not is answered by the server (HTTP-1). The
//!   body comes while it is sent, without its framing, and its end is never taken for granted: a body that was cut short is
//!   a failure, and no body (HTTP-8).
//! - **Who waits for whom?** Whoever is faster. An application that does not read stops its client, at a bound in bytes; a client that
//!   does not read stops its application, in `write` (HTTP-11, HTTP-16, SRV-5). Nothing between them grows.
//! - **What if somebody leaves?** The call runs on to its end: it is told, by [`Gone`] and why, and decides (SRV-1, SRV-2). A
//!   client that has said all it wants to say is not gone (SRV-3).
//! - **Who owns the connection?** The server: framing, keep-alive, `Date`, what HEAD and 304 do not have (HTTP-23, HTTP-26, SRV-6). So
//!   no application can make its client take a part of one message for another.
//! - **What if the application fails?** Nobody else notices. Before the start of its answer the client gets a status, after it a cut
//!   that it can see; a panic is the same, and a forgotten answer too (APP-6, SRV-7, SRV-12).
//! - **How does it end?** A server that is to stop takes nothing new, tells all that is open by when they are to be done (SRV-4), and then
//!   tells the application's own life, its [`Lifespan`], which closes what it had opened (LIFE-6).
//!
//! # The two levels
//!
//! Events ([`HttpReceive`], [`HttpSend`] and their siblings) are what a server provides and middleware changes.
//! Handles ([`RequestBody`], [`Responder`], [`Writer`], [`Socket`] …) stand over them, consume themselves as the
//! exchange goes on, and make most wrong orders a compile error.
#![forbid(unsafe_code)]

mod application;
mod capability;
mod connection;
mod error;
mod headers;
mod http;
mod lifespan;
mod signal;
mod state;
mod synchronous;
mod tls;
mod transport;
mod websocket;

pub use application::{Application, ApplicationFn, BoxApplication, Done, application_fn};
pub use capability::Capabilities;
pub use connection::{Address, Connection, ConnectionInfo};
pub use error::{AppError, BodyError, Gone, SendError, Unavailable};
pub use headers::{BadBlock, Field, FieldBlock, GetAll, HeaderKey, Headers, Iter};
pub use http::{
    BodyLength, Buffered, Chunk, Events, FileRegion, Finish, Flush, Http, HttpLayer, HttpReceive,
    HttpScope, HttpSend, Label, LabelBoard, Layered, Plain, Ready, RequestBody, Respond, Responder,
    Response, ResponseHead, Scope, Sending, Start, TrailersPlan, Trailing, Tunnel, Upgrading,
    Writer,
};
pub use lifespan::{Lifespan, LifespanScope, Running};
pub use signal::{DrainSignal, GoneSignal, Signal, Wait};
pub use state::State;
pub use synchronous::{
    Handoff, SyncApplication, SyncApplicationFn, SyncBody, SyncHttp, SyncResponder, SyncWriter,
    WorkerThread, sync_application_fn,
};
pub use tls::TlsInfo;
pub use transport::{Abort, HttpTransport, LifespanTransport, WebSocketTransport};
pub use websocket::{
    Accept, Accepting, BadCloseCode, Cause, CloseCode, CloseFrame, CloseSocket, Deny, Disconnect,
    Handshake, Incoming, Message, NextMessage, SendMessage, Socket, SocketReceiver, SocketSender,
    Text, WebSocket, WebSocketLayer, WebSocketReceive, WebSocketSend,
};

pub use {::bytes, ::http as types};

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
