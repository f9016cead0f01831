//! A notice board as axum users write it: nothing in here knows that there is a gateway.
//!
//! | route | shows |
//! |---|---|
//! | `/api/notes`, `/api/notes/{id}` | JSON, path and query parameters, state, and what axum says to wrong ones |
//! | `POST /api/notes/form`, `/api/notes/upload` | forms, and files in a multipart form |
//! | `GET /api/notes/next` | a request that waits: a long poll |
//! | `GET /events` | server-sent events that go on after a reconnect |
//! | `/socket` | a WebSocket with subprotocols, split in two halves, over HTTP/1.1 and HTTP/2 |
//! | `POST /echo`, `POST /count`, `GET /lines` | bodies that stream, up, down and both |
//! | `/asked`, `/asked/{*rest}` | what a handler sees of its request |
//! | `/files/…` | files of a folder, ranges and validators included |
//!
//! Around them are the layers that most services wear.

mod asked;
mod board;
mod events;
mod notes;
mod socket;
mod streams;

use std::path::PathBuf;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, StatusCode, Uri};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use tower::ServiceBuilder;
use tower_http::ServiceBuilderExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::MakeRequestUuid;
use tower_http::services::ServeDir;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

pub use board::{Board, Note};

/// The largest note, form or file, in bytes.
pub const NOTE_BYTES: usize = 64 * 1024;

/// The largest body that `/count` takes, in bytes.
pub const COUNT_BYTES: usize = 1024 * 1024;

/// The largest message of a socket, in bytes.
pub const MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that `/files` shows.
    pub files: PathBuf,
    /// How long a request may take until its answer begins. 408 after it.
    pub patience: Duration,
    /// How often a silent event stream says that it lives.
    pub heartbeat: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            files: PathBuf::from("."),
            patience: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// The version of the application, as handlers get it from the request's extensions.
#[derive(Debug, Clone, Copy)]
struct Release(&'static str);

/// The application.
///
/// # Examples
///
/// On the server that it was written for:
///
/// ```no_run
/// use cookbook::axum::{Board, Settings, app};
///
/// #[tokio::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
///     axum::serve(listener, app(Board::new(), &Settings::default())).await
/// }
/// ```
pub fn app(board: Board, settings: &Settings) -> Router {
    let layers = ServiceBuilder::new()
        .set_x_request_id(MakeRequestUuid)
        .layer(TraceLayer::new_for_http())
        .propagate_x_request_id()
        .layer(
            CorsLayer::new()
                .allow_origin(Any)
                .expose_headers([HeaderName::from_static("x-request-id")]),
        )
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            settings.patience,
        ))
        .layer(CatchPanicLayer::new())
        .layer(Extension(Release(env!("CARGO_PKG_VERSION"))));
    Router::new()
        .nest("/api", api())
        .merge(streams())
        .route("/socket", any(socket::upgrade))
        .route("/events", get(events::stream))
        .layer(Extension(events::Heartbeat(settings.heartbeat)))
        .nest_service("/files", ServeDir::new(&settings.files))
        .route("/asked", any(asked::describe))
        .route("/asked/{*rest}", any(asked::describe))
        .route(
            "/release",
            get(async |Extension(release): Extension<Release>| release.0),
        )
        .route("/panic", get(panics))
        .fallback(nothing_here)
        .layer(layers)
        .with_state(board)
}

fn api() -> Router<Board> {
    Router::new()
        .route("/notes", get(notes::list).post(notes::create))
        .route("/notes/next", get(notes::next))
        .route("/notes/form", post(notes::create_from_form))
        .route("/notes/upload", post(notes::upload))
        .route(
            "/notes/{id}",
            get(notes::show).put(notes::replace).delete(notes::remove),
        )
        .layer(DefaultBodyLimit::max(NOTE_BYTES))
}

fn streams() -> Router<Board> {
    let counted = post(streams::count).layer(RequestBodyLimitLayer::new(COUNT_BYTES));
    Router::new()
        .route("/echo", post(streams::echo))
        .route("/count", counted)
        .route("/lines", get(streams::lines))
}

async fn panics() {
    panic!("this handler always does");
}

async fn nothing_here(uri: Uri) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("nothing at {uri}"))
}
