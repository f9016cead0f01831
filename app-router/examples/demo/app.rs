//! The application: it knows no server. Its page, at `/`, tries every route.
//!
//! | route | shows |
//! |---|---|
//! | `GET /` | a page, with a content security policy that allows its own files and nothing else |
//! | `GET /api/user/{id}` | JSON and a typed parameter |
//! | `POST /echo` | an upload sent back while it comes in, no faster than the client reads |
//! | `GET /events` | server-sent events, one a second; a client that comes back goes on where it was |
//! | `GET /sync` | a plain function that blocks a thread of the pool |
//! | `GET /sleep/blocking` | what not to do: an async function that blocks its worker |
//! | `GET /sleep/async` | the same wait, which blocks nobody |
//! | `/ws` | a WebSocket echo |
//! | `GET /docs` | what all of these are, made of the functions that serve them |

use std::thread;
use std::time::Duration;

use app_router::{Event, Json, OpenApi, Request, Router, Routes, Sse};
use gateway_spec::{
    Accept, AppError, CloseCode, Done, Http, Response, ResponseHead, SyncBody, WebSocket,
};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

/// The application, with the length of the naps that its `/sync` and `/sleep` routes take.
pub(crate) fn app(nap: Duration) -> Routes {
    let openapi = OpenApi::new("Demo", env!("CARGO_PKG_VERSION"))
        .description("One route for each thing that a server and a router have to do.");
    Router::new()
        .openapi(openapi)
        .get("/", page)
        .get("/demo.css", async || {
            Response::typed("text/css; charset=utf-8", STYLE)
        })
        .get("/demo.js", async || {
            Response::typed("text/javascript; charset=utf-8", SCRIPT)
        })
        .get("/api/user/{id}", user)
        .post("/echo", echo)
        .get("/events", events)
        .get("/sync", move |_: Request<SyncBody>| sync(nap))
        .get("/sleep/blocking", move || sleep_blocking(nap))
        .get("/sleep/async", move || sleep_async(nap))
        .websocket("/ws", socket_echo)
        .build()
        .expect("these routes do not conflict")
}

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("demo.css");
const SCRIPT: &str = include_str!("demo.js");

/// Nothing but the page's own files, and no frames around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async fn page() -> Response {
    Response::html(PAGE).with_header(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
}

#[derive(Serialize, JsonSchema)]
struct User {
    id: u64,
    name: String,
}

async fn user(request: Request) -> Result<Json<User>, AppError> {
    let id = request.params.get("id")?;
    Ok(Json(User {
        id,
        name: format!("user {id}"),
    }))
}

/// Each part goes back as it comes. `write` waits while the client does not read, and then nothing more is received.
async fn echo(http: Http) -> Result<Done, AppError> {
    let Http {
        mut body,
        responder,
        ..
    } = http;
    // Never the type that the request named: another site could have a page of its own sent back.
    let head = ResponseHead::new(StatusCode::OK)
        .with_header(
            CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        )
        .with_header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let mut writer = responder.start(head).await?;
    while let Some(chunk) = body.chunk().await? {
        writer.write(chunk).await?;
    }
    writer.finish().await
}

/// A client that lost its connection names the last event that it has, and gets those after it.
async fn events(request: Request) -> Sse {
    let last = request.scope.headers.get_str("last-event-id");
    let last: u32 = last.and_then(|id| id.parse().ok()).unwrap_or(0);
    Sse::produce(async move |events| {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        for tick in u64::from(last) + 1.. {
            second.tick().await;
            events
                .send(Event::data(format!("tick {tick}")).with_id(tick))
                .await?;
        }
        Ok(())
    })
}

fn sync(nap: Duration) -> String {
    thread::sleep(nap);
    format!("slept on thread {}, where it may\n", name_of_thread())
}

async fn sleep_blocking(nap: Duration) -> String {
    thread::sleep(nap);
    format!(
        "blocked thread {}, and everybody else on it\n",
        name_of_thread()
    )
}

async fn sleep_async(nap: Duration) -> String {
    tokio::time::sleep(nap).await;
    format!(
        "waited on thread {}, which served others\n",
        name_of_thread()
    )
}

fn name_of_thread() -> String {
    let thread = thread::current();
    thread
        .name()
        .map_or_else(|| format!("{:?}", thread.id()), str::to_owned)
}

async fn socket_echo(socket: WebSocket) -> Result<Done, AppError> {
    let mut socket = socket.handshake.accept(Accept::new()).await?;
    while let Some(message) = socket.message().await {
        socket.send(message).await?;
    }
    socket.close(CloseCode::NORMAL, "").await
}
