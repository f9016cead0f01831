//! The application: which connection gets what.

use std::sync::Arc;

use gateway_spec::{
    Accept, AppError, Application, Connection, Done, DrainSignal, Response, Scope, Socket, State,
    WebSocket,
};
use http::StatusCode;
use http::header::ORIGIN;

use crate::admin;
use crate::bus::{Bus, LocalBus};
use crate::hub::Hub;
use crate::key::Keys;
use crate::page::Page;
use crate::protocol::SUBPROTOCOL;
use crate::session::Session;
use crate::store::{MemoryStore, Store};

/// Where the page finds the socket.
const SOCKET_PATH: &str = "/ws";

/// The chat: a page, a socket at `/ws`, and the host's routes below `/admin/`.
///
/// # Examples
///
/// ```
/// use app_ws_chat::{Chat, store::MemoryStore};
///
/// let chat = Chat::with_store(MemoryStore::default());
/// # let _ = chat;
/// ```
#[derive(Debug)]
pub struct Chat {
    hub: Arc<Hub>,
    keys: Arc<Keys>,
    page: Page,
}

impl Chat {
    /// A chat whose history lives as long as the process.
    #[must_use]
    pub fn new() -> Self {
        Self::with_store(MemoryStore::default())
    }

    /// A chat whose history is in `store`, and which is alone.
    pub fn with_store(store: impl Store) -> Self {
        Self::with_bus(Arc::new(LocalBus::new(store)))
    }

    /// A chat that shares its rooms with others on the same bus.
    pub fn with_bus(bus: Arc<dyn Bus>) -> Self {
        Self {
            hub: Arc::new(Hub::new(bus)),
            keys: Arc::default(),
            page: Page::new(),
        }
    }

    /// With moderators, or a host.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        let keys = Arc::new(keys);
        Self { keys, ..self }
    }

    /// Answers a connection, or makes a session of it.
    async fn greet(&self, connection: Connection) -> Result<Greeted, AppError> {
        let done = match connection {
            Connection::Http(http) if admin::is_here(http.scope.path()) => {
                admin::answer(&self.hub, &self.keys, http).await?
            }
            Connection::Http(http) => {
                let response = self.page.answer(&http.scope);
                http.responder.respond(response).await?
            }
            Connection::WebSocket(socket) => return Self::accept(socket).await,
            Connection::Lifespan(lifespan) => {
                // The hub is the application's own, so there is nothing to share; sessions end by the drain.
                let running = lifespan.started(State::new());
                running.shutdown_requested().await;
                self.hub.shut_down().await;
                running.stopped()
            }
            other => other.refuse().await?,
        };
        Ok(Greeted::Done(done))
    }

    async fn accept(socket: WebSocket) -> Result<Greeted, AppError> {
        let WebSocket {
            scope,
            subprotocols,
            handshake,
        } = socket;
        if let Err(denial) = admit(&scope, &subprotocols) {
            return Ok(Greeted::Done(handshake.deny(denial.response()).await?));
        }
        scope.label.set(SOCKET_PATH);
        let accept = Accept::new().subprotocol(SUBPROTOCOL);
        let socket = handshake.accept(accept).await?;
        Ok(Greeted::Session(socket, scope.drain()))
    }
}

/// What has become of a connection.
enum Greeted {
    Done(Done),
    Session(Socket, DrainSignal),
}

impl Default for Chat {
    fn default() -> Self {
        Self::new()
    }
}

impl Application for Chat {
    fn call(&self, connection: Connection) -> impl Future<Output = Result<Done, AppError>> + Send {
        // In a box of its own, so that a session, which lasts, holds no room for the request that it came from.
        let greeting = Box::pin(self.greet(connection));
        async move {
            let greeted = greeting.await?;
            match greeted {
                Greeted::Done(done) => Ok(done),
                Greeted::Session(socket, drain) => {
                    Session::new(&self.hub, &self.keys, socket, drain)
                        .serve()
                        .await
                }
            }
        }
    }
}

/// Why a handshake is denied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Denial {
    /// There is no socket.
    NotFound,
    /// The page that asks is another site's, and would speak in its visitor's name.
    Origin,
    /// The client does not offer our subprotocol.
    Subprotocol,
}

impl Denial {
    fn response(self) -> Response {
        let (status, text) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "no socket here\n"),
            Self::Origin => (StatusCode::FORBIDDEN, "the Origin is not this host\n"),
            Self::Subprotocol => (StatusCode::BAD_REQUEST, "offer the subprotocol chat.v1\n"),
        };
        Response::text(text).with_status(status)
    }
}

fn admit(scope: &Scope, subprotocols: &[gateway_spec::Text]) -> Result<(), Denial> {
    if scope.path() != SOCKET_PATH {
        return Err(Denial::NotFound);
    }
    let mut origins = scope.headers.get_all(ORIGIN);
    match (origins.next(), origins.next()) {
        // Not a browser: those always send one.
        (None, _) => {}
        (Some(origin), None) if is_own(origin, scope.authority()) => {}
        _ => return Err(Denial::Origin),
    }
    if !subprotocols.iter().any(|offered| *offered == SUBPROTOCOL) {
        return Err(Denial::Subprotocol);
    }
    Ok(())
}

/// Whether an `Origin` (RFC 6454 section 6.1: `scheme://host[:port]`, or `null`) is the host that was asked. The scheme
/// is not compared: behind a proxy that ends TLS it differs.
fn is_own(origin: &[u8], authority: Option<&str>) -> bool {
    let Some((scheme, host)) = std::str::from_utf8(origin)
        .ok()
        .and_then(|o| o.split_once("://"))
    else {
        return false;
    };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |host: &str| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
    authority.is_some_and(|authority| bare(authority) == bare(host))
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn an_origin_is_own_if_it_names_the_host_that_was_asked() {
        let rows = [
            ("http://chat.example", "chat.example", true),
            ("https://chat.example", "chat.example", true),
            ("https://Chat.Example", "chat.example:443", true),
            ("http://localhost:8000", "localhost:8000", true),
            ("http://[::1]:8000", "[::1]:8000", true),
            ("http://localhost:8001", "localhost:8000", false),
            ("https://evil.example", "chat.example", false),
            ("https://chat.example.evil.example", "chat.example", false),
            ("https://chat.example:80", "chat.example", false),
            ("file://chat.example", "chat.example", false),
            ("null", "null", false),
            ("", "", false),
        ];
        for (origin, host, expected) in rows {
            assert_eq!(
                is_own(origin.as_bytes(), Some(host)),
                expected,
                "{origin} at {host}"
            );
        }
        assert!(!is_own(b"http://chat.example", None));
        assert!(!is_own(b"http://\xff", Some("\u{fffd}")));
    }
}
