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
