//! Against requests that other sites make in a visitor's name, without tokens.

use std::fmt;

use gateway_spec::{AppError, Application, Connection, Done, Headers, HttpScope};
use http::header::{HeaderName, ORIGIN};
use http::{Method, StatusCode};

use crate::Rejection;
use crate::request::only;

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
        let Some((site, origin)) = said(&scope.headers) else {
            return false;
        };
        if origin
            .as_ref()
            .is_some_and(|origin| self.trusted.contains(origin))
        {
            return true;
        }
        match (site, origin) {
            (Some(site), _) => matches!(site, "same-origin" | "none"),
            (None, Some(origin)) => {
                let host = origin.split_once("://").map(|(_, host)| host);
                let named = scope.authority().map(str::to_ascii_lowercase);
                host.is_some() && host == named.as_deref()
            }
            (None, None) => true,
        }
    }
}

/// What a request says of where it comes from; `None` if it says what no browser does: a field twice, or one that is no text.
fn said(headers: &Headers) -> Option<(Option<&str>, Option<String>)> {
    let site = only(headers, &SEC_FETCH_SITE)?;
    let origin = only(headers, &ORIGIN)?.map(str::to_ascii_lowercase);
    Some((site, origin))
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

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
