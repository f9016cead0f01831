//! The application that the cases talk to: each route shows one behaviour of a server, or misbehaves in one way.
//!
//! What the application sees cannot always be told to the client that it happens to: a client that does not read learns
//! nothing. So the application keeps [`Reports`] that a second connection asks for, and waits at gates that a second
//! connection opens; no case has to guess how long something takes.
//!
//! The cases' routes lie under [`PREFIX`]; all other paths are for testers that others wrote ([`public`]).

mod describe;
mod faults;
mod flow;
mod http;
mod layers;
mod lifespan;
mod panics;
mod public;
mod reports;
mod scopes;
mod synchronous;
mod trace;
mod transport;
mod websocket;

use std::sync::{Arc, Mutex, PoisonError};

use gateway_spec::{AppError, Application, Connection, Done, Http, Scope};

use reports::Reports;
use synchronous::Mounts;

pub use lifespan::LIFESPAN;
pub(crate) use panics::{AFTER as PANICS_AFTER, BEFORE as PANICS_BEFORE};

/// Where the routes of the cases lie.
const PREFIX: &str = "/conformance/";

/// Forgets all reports and opens all gates: how a case begins on a server that another case has used. With `?traced`, the
/// events of each further exchange are reported too.
pub(crate) const RESET: &str = "/conformance/reset";

/// Says how this server can be started again, a word a line; nothing if nobody knows.
pub(crate) const START: &str = "/conformance/start";

/// The application under test's server: knows no server.
///
/// ```
/// # fn serve(_app: impl gateway_spec::Application) {}
/// serve(conformance::Peer::new());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Peer {
    reports: Arc<Mutex<Arc<Reports>>>,
    start: Arc<[String]>,
    synchronous: Mounts,
}

impl Peer {
    /// The application with nothing reported yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The program and its arguments that start this server once more, but for `--bind`: who checks it by its address can
    /// then run the cases too that need a server of their own.
    #[must_use]
    pub fn started_by(mut self, command: impl IntoIterator<Item = String>) -> Self {
        self.start = command.into_iter().collect();
        self
    }

    /// The reports as they are now: a call that a reset leaves behind cannot write into the next case's.
    fn reports(&self) -> Arc<Reports> {
        Arc::clone(&self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn reset(&self, new: Reports) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let left = std::mem::replace(&mut *reports, Arc::new(new));
        drop(reports);
        left.open_all();
    }
}

impl Application for Peer {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        let routes = Routes {
            reports: self.reports(),
            synchronous: self.synchronous.clone(),
        };
        match connection {
            Connection::Http(http) if http.scope.path() == RESET => {
                let traced = http.scope.query() == Some("traced");
                self.reset(if traced {
                    Reports::traced()
                } else {
                    Reports::default()
                });
                http.responder.respond("reset").await
            }
            Connection::Http(http) if http.scope.path() == START => {
                http.responder.respond(self.start.join("\n")).await
            }
            Connection::Http(http) => routes.http(http).await,
            Connection::WebSocket(socket) => routes.websocket(socket).await,
            Connection::Lifespan(lifespan) => lifespan::run(lifespan, &self.synchronous).await,
            other => other.refuse().await,
        }
    }
}

/// The routes of one call.
struct Routes {
    reports: Arc<Reports>,
    synchronous: Mounts,
}

/// A `Done` that proves nothing: what an application lies with.
fn false_done(scope: &Scope) -> Done {
    let (elsewhere, _) = Http::in_memory(scope.clone());
    elsewhere.responder.abort()
}
