//! A fault, and where it can sit.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use conformance::Peer;
use gateway_spec::{AppError, Application, Connection, Done, HttpScope, WebSocket};
use server_host::{ServeError, Settings};
use tokio::runtime::Builder;
use tokio::task;

use crate::exchange::Exchange;
use crate::lifespan::Life;
use crate::relay::Wire;
use crate::socket::Socket;

/// A row of the catalogue: one way to break a clause.
pub(crate) struct Fault {
    /// The clause that it breaks.
    pub(crate) clause: &'static str,
    /// What such a server does, and who did.
    pub(crate) what: &'static str,
    /// The case that must notice.
    pub(crate) red: &'static str,
    pub(crate) how: How,
}

impl Fault {
    pub(crate) fn name(&self) -> String {
        format!("{}: {}", self.clause, self.what)
    }
}

/// What a call of the application gives.
pub(crate) type Called = Result<Done, AppError>;

/// A call of the application, as it runs.
pub(crate) type Calling = Pin<Box<dyn Future<Output = Called> + Send>>;

/// Where the fault sits. All but the last few stand between the application and a right server, and play a wrong one.
pub(crate) enum How {
    /// The scope is not what was sent.
    Scope(fn(&mut HttpScope)),
    /// The same of a stream: on a server that speaks HTTP/2.
    StreamScope(fn(&mut HttpScope)),
    /// The events of an exchange go wrong.
    Exchange(Exchange),
    /// A handshake is not what was sent.
    Handshake(fn(&mut WebSocket)),
    /// The events of a WebSocket go wrong.
    Socket(Socket),
    /// The lifespan goes wrong.
    Life(Life),
    /// The application is called in a wrong way.
    Call(fn(Peer, Connection) -> Calling),
    /// What the application returns is taken for something else.
    Returned(fn(Called) -> Called),
    /// The bytes go wrong.
    Wire(Wire),
    /// What bounds the server is not set.
    Settings(fn(&mut Settings)),
    /// The process ends in a wrong way.
    Exit(fn(Result<(), ServeError>) -> ExitCode),
}

/// The name of the set-up in which nothing goes wrong, with all layers around the application.
pub(crate) const NO_FAULT: &str = "layers";

/// The same, on a server that speaks HTTP/2.
pub(crate) const NO_FAULT_OF_STREAMS: &str = "streams";

/// The same as the first, with a relay in front.
pub(crate) const NO_FAULT_ON_THE_WIRE: &str = "relay";

impl How {
    /// The name of the same set-up without the fault.
    pub(crate) const fn control(&self) -> &'static str {
        match self {
            Self::Wire(_) => NO_FAULT_ON_THE_WIRE,
            Self::StreamScope(_) => NO_FAULT_OF_STREAMS,
            _ => NO_FAULT,
        }
    }
}

/// Runs a call on a thread of its own, in this runtime.
pub(crate) fn elsewhere(peer: Peer, connection: Connection, mut runtime: Builder) -> Calling {
    Box::pin(async move {
        let call = task::spawn_blocking(move || {
            let runtime = runtime.build().map_err(AppError::from)?;
            runtime.block_on(peer.call(connection))
        });
        call.await?
    })
}
