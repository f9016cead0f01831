//! The application that the cases talk to: each route shows one behaviour of a server, or misbehaves in one way.
//!
//! What the application sees cannot always be told to the client that it happens to: a client that does not read learns
//! nothing. So the application keeps [`Reports`] that a second connection asks for, and waits at gates that a second
//! connection opens; no case has to guess how long something takes.

mod describe;
mod faults;
mod flow;
mod http;
mod lifespan;
mod reports;
mod websocket;

use std::sync::Arc;

use gateway_spec::{AppError, Application, Connection, Done, Http, Scope};

use reports::Reports;

pub use lifespan::LIFESPAN;

/// The application under test's server: knows no server.
///
/// ```
/// # fn serve(_app: impl gateway_spec::Application) {}
/// serve(conformance::Peer::new());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Peer {
    reports: Arc<Reports>,
}

impl Peer {
    /// The application with nothing reported yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Application for Peer {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => self.http(http).await,
            Connection::WebSocket(socket) => self.websocket(socket).await,
            Connection::Lifespan(lifespan) => lifespan::run(lifespan).await,
            other => other.refuse().await,
        }
    }
}

/// A `Done` that proves nothing: what an application lies with.
fn false_done(scope: &Scope) -> Done {
    let (elsewhere, _) = Http::in_memory(scope.clone());
    elsewhere.responder.abort()
}
