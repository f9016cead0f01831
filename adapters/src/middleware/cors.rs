//! Lets pages of other origins use an application from a browser: CORS, by the Fetch Standard.

mod origin;
mod policy;
mod rules;

use std::fmt;
use std::sync::Arc;

use gateway_spec::{
    AppError, Application, Connection, Done, Headers, Http, HttpScope, Response, WebSocket,
};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderValue, Method, StatusCode};

use super::BuildError;
use super::stand_in::{HeadKind, OnHead, call_with_heads, plain};

pub use self::rules::Cors;

use self::policy::{Allowed, Policy};

/// Answers preflight requests, and says in the head of every other answer which pages of other origins may read it
/// (Fetch Standard, "CORS protocol").
///
/// - **Preflight** (`OPTIONS` with `Origin` and `Access-Control-Request-Method`): answered here with 204 and what is allowed, or
///   with 403 if the origin is not. The application is not called.
/// - **Other requests** go to the application whatever their origin, and the answers of those that are not allowed merely
///   lack the field without which a browser hides them. So CORS protects what can be read, and is no protection against requests that change
///   something (CSRF).
/// - **Errors** have the fields too, so that a page can tell a 500 from a missing permission: those that the application answers, and those
///   that are answered in its place.
/// - **`Vary: origin`** is added to every answer that could be another one for another origin, also to requests without an
///   `Origin`: else a cache would give a page the answer that was made for another. With [any origin](Cors::any_origin) every answer is the
///   same, and there is none. What the application put into `Vary` stays.
/// - What the application says of CORS by itself is replaced: this is the one place that decides.
/// - **WebSockets** are not under CORS: a browser lets any page open one. [`Cors::check_websockets`] refuses those of other
///   origins; without it they pass through. So does the **lifespan**.
///
/// # Errors
///
/// If the rules cannot do what they say, such as any origin with credentials. The text says what to write instead.
///
/// # Cost
///
/// A preflight costs what a whole answer does. Any other request costs one small allocation, and the fields.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use adapters::middleware::{BuildError, Cors, cors};
/// use gateway_spec::{Application, Connection, application_fn};
/// use http::{Method, header};
///
/// fn app() -> Result<impl Application, BuildError> {
///     let app = application_fn(|connection: Connection| connection.refuse());
///     let rules = Cors::new()
///         .origins(["https://app.example", "http://localhost:5173"])
///         .methods([Method::PUT, Method::DELETE])
///         .headers([header::CONTENT_TYPE])
///         .credentials()
///         .max_age(Duration::from_secs(600));
///     cors(app, rules)
/// }
/// # app().unwrap();
/// ```
pub fn cors<A: Application>(app: A, rules: Cors) -> Result<WithCors<A>, BuildError> {
    Ok(WithCors {
        app,
        policy: Arc::new(Policy::of(rules)?),
    })
}

/// An application that pages of other origins may use: see [`cors`].
///
/// # Examples
///
/// ```
/// use adapters::middleware::{BuildError, Cors, WithCors, cors};
/// use gateway_spec::BoxApplication;
///
/// fn public(app: BoxApplication) -> Result<WithCors<BoxApplication>, BuildError> {
///     cors(app, Cors::new().any_origin())
/// }
/// # let _ = public;
/// ```
#[derive(Clone)]
pub struct WithCors<A> {
    app: A,
    policy: Arc<Policy>,
}

impl<A: Application> WithCors<A> {
    async fn http(&self, http: Http) -> Result<Done, AppError> {
        if is_preflight(&http.scope) {
            let answer = self.policy.preflight(&http.scope.headers);
            let Http {
                body, responder, ..
            } = http;
            drop(body);
            return responder.respond(answer).await;
        }
        let fields = Fields {
            allowed: self.policy.allow(&http.scope.headers),
            policy: Arc::clone(&self.policy),
        };
        call_with_heads(&self.app, http, fields).await
    }

    async fn socket(&self, socket: WebSocket) -> Result<Done, AppError> {
        if self.policy.lets_in(&socket.scope) {
            return self.app.call(Connection::WebSocket(socket)).await;
        }
        let response = self.policy.with_vary(plain(StatusCode::FORBIDDEN));
        socket.handshake.deny(response).await
    }
}

impl<A: Application> Application for WithCors<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => self.http(http).await,
            Connection::WebSocket(socket) => self.socket(socket).await,
            other => self.app.call(other).await,
        }
    }
}

impl<A> fmt::Debug for WithCors<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithCors")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

fn is_preflight(scope: &HttpScope) -> bool {
    scope.method == Method::OPTIONS
        && scope.headers.contains(ORIGIN)
        && scope.headers.contains(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What an answer that is no preflight's says.
#[derive(Clone)]
struct Fields {
    allowed: Option<Allowed>,
    policy: Arc<Policy>,
}

impl OnHead for Fields {
    const CHANGES: bool = true;

    fn change(&self, kind: HeadKind, headers: &mut Headers) {
        // Nobody reads it by CORS.
        if kind == HeadKind::Upgrade {
            return;
        }
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_MAX_AGE,
            policy::ALLOW_PRIVATE_NETWORK,
        ] {
            headers.remove(&name);
        }
        if let Some(allowed) = &self.allowed {
            self.policy.grant(allowed, headers);
            if let Some(exposed) = &self.policy.expose {
                headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
            }
        }
        if self.policy.varies {
            add_vary(headers);
        }
    }
}

/// Says that the answer may be another one for another origin, beside what `Vary` says already.
fn add_vary(headers: &mut Headers) {
    if !headers.contains_token(VARY, "origin") && !headers.contains_token(VARY, "*") {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

impl Policy {
    fn with_vary(&self, mut response: Response) -> Response {
        if self.varies {
            add_vary(&mut response.head.headers);
        }
        response
    }
}
