//! Against requests that other sites make in a visitor's name, without tokens.

use std::fmt;

use gateway_spec::{AppError, Application, Connection, Done, HttpScope};
use http::header::ORIGIN;
use http::{Method, StatusCode};

use crate::Rejection;

/// Refuses what browsers send in a visitor's name for another site: 403, before the application sees it.
///
/// - `GET`, `HEAD` and `OPTIONS` pass: they must not change anything.
/// - Of other methods, and of the handshake of a WebSocket, browsers say where they come from. `Sec-Fetch-Site` decides:
///   `same-origin` and `none` pass. Without it `Origin` does: its host is the one that the request names.
/// - A request with neither is from no browser that is in use, and passes: it has nobody's cookies.
///
/// No form needs a token, and no page is bound to a session. What Go's `CrossOriginProtection` and tower-http's `CsrfLayer`
/// are.
///
/// # Examples
///
/// ```
/// use app_router::Router;
/// use app_router::middleware::csrf;
///
/// let app = Router::new().post("/transfer", async || "done").build().unwrap();
/// let app = csrf(app).trusting("https://partner.example");
/// # let _ = app;
/// ```
pub const fn csrf<A: Application>(app: A) -> Csrf<A> {
    Csrf {
        app,
        trusted: Vec::new(),
    }
}

/// The application that [`csrf`] makes.
pub struct Csrf<A> {
    app: A,
    trusted: Vec<String>,
}

impl<A> Csrf<A> {
    /// Lets another origin in too: scheme, host and, if it is not the scheme's own, port, as browsers write it.
    #[must_use]
    pub fn trusting(mut self, origin: impl Into<String>) -> Self {
        self.trusted.push(origin.into().to_ascii_lowercase());
        self
    }

    fn lets_in(&self, scope: &HttpScope) -> bool {
        let headers = &scope.headers;
        let origin = headers.get_str(ORIGIN).map(str::to_ascii_lowercase);
        if origin
            .as_ref()
            .is_some_and(|origin| self.trusted.contains(origin))
        {
            return true;
        }
        // A field that is no text, or that came twice, is no browser's.
        let site = headers.get("sec-fetch-site");
        let has_origin = headers.contains(ORIGIN);
        match (site, origin) {
            (Some(site), _) => matches!(site, b"same-origin" | b"none"),
            (None, Some(origin)) => {
                let host = origin.split_once("://").map(|(_, host)| host);
                let named = scope.authority().map(str::to_ascii_lowercase);
                host.is_some() && host == named.as_deref()
            }
            (None, None) => !has_origin,
        }
    }
}

fn refusal() -> Rejection {
    Rejection::new(StatusCode::FORBIDDEN, "the request comes from another site")
}

impl<A: Application> Application for Csrf<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http)
                if !matches!(
                    http.scope.method,
                    Method::GET | Method::HEAD | Method::OPTIONS
                ) && !self.lets_in(&http.scope) =>
            {
                http.responder.respond(refusal().into_response()).await
            }
            Connection::WebSocket(socket) if !self.lets_in(&socket.scope) => {
                socket.handshake.deny(refusal().into_response()).await
            }
            other => self.app.call(other).await,
        }
    }
}

impl<A> fmt::Debug for Csrf<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Csrf")
            .field("trusted", &self.trusted)
            .finish_non_exhaustive()
    }
}
