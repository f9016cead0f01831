//! The application that is served, and the stack around it.

use std::ffi::OsString;
use std::future::pending;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use adapters::middleware::{
    BuildError, Cors, Hosts, Mount, Panic, RequestId, Tracing, cancel_on_disconnect, catch_panic,
    cors, fallback, limit_body, log_events, request_id, timeout,
};
use gateway_spec::{
    Accept, AppError, Application, CloseCode, Connection, Done, Http, Response, ResponseHead,
    State, WebSocket, application_fn,
};
use http::{HeaderValue, StatusCode, header};
use server_host::{Listening, Settings};
use server_hyper::Hyper;
use server_raw::Raw;
use tokio::sync::watch;

/// The host that is served.
pub(crate) const HOST: &str = "site.example";

/// The origin whose pages may use it.
pub(crate) const ORIGIN: &str = "https://app.example";

/// Bytes that a body may have.
const LIMIT: u64 = 10;

/// No test waits for so long.
const LONG: Duration = Duration::from_secs(600);

/// What is waited for in vain: nothing that a busy machine could still do in time is measured by it.
const SHORT: Duration = Duration::from_millis(500);

/// `SERVER [--bind ADDRESS]`
pub(crate) fn serve(arguments: &[OsString]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let [server, "--bind", address] = words[..] else {
        eprintln!("error: there is `serve SERVER --bind ADDRESS`");
        return ExitCode::from(2);
    };
    tracing_subscriber::fmt()
        .with_env_filter("info,adapters::events=debug")
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let mut settings = Settings::default();
    let address: SocketAddr = address.parse().expect("an address");
    settings.bind = vec![address.into()];
    let announce = |listening: Listening| {
        println!("listening on {listening} ({})", listening.server);
    };
    let app = stack().expect("the rules are right");
    let served = match server {
        "raw" => server_host::serve(Raw, app, settings, announce),
        _ => server_host::serve(Hyper, app, settings, announce),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All of it, the innermost first.
fn stack() -> Result<impl Application, BuildError> {
    let (app, report) = watched();
    let app = cancel_on_disconnect(app);
    let app = limit_body(app, LIMIT);
    let app = timeout(app, LONG).whole(LONG).upgraded(LONG);
    let app = fallback(app, application_fn(second));

    let never = timeout(application_fn(never), SHORT).whole(SHORT);
    let sockets = timeout(application_fn(never_closes), LONG).upgraded(SHORT);
    let app = Mount::new()
        .at("/app", app)
        .at("/never", never)
        .at("/sockets", sockets)
        .at("/report", report)
        .build()?;
    let app = Hosts::new().host(HOST, app).build()?;
    let page = |panic: Panic| {
        let text = format!("<h1>{}</h1>", panic.text());
        Response::html(text).with_status(StatusCode::INTERNAL_SERVER_ERROR)
    };
    let app = catch_panic(app, page);
    let rules = Cors::new()
        .origins([ORIGIN])
        .credentials()
        .check_websockets();
    let app = cors(app, rules)?;
    let app = request_id(app);
    Ok(log_events(app, Tracing))
}

/// How often work was begun, and how often dropped before its end.
#[derive(Clone, Copy, Default)]
struct Counts {
    begun: usize,
    dropped: usize,
}

/// The application, and one that answers once so much work was begun (`/begun/1`) or dropped (`/dropped/1`).
fn watched() -> (impl Application, impl Application) {
    let (counts, seen) = watch::channel(Counts::default());
    let app = application_fn(move |connection: Connection| routes(connection, counts.clone()));
    let report = application_fn(move |connection: Connection| {
        let mut seen = seen.clone();
        async move {
            let Connection::Http(http) = connection else {
                return connection.refuse().await;
            };
            let path = http.scope.path().to_owned();
            let Some((what, count)) = path.rsplit_once('/') else {
                return Connection::Http(http).refuse().await;
            };
            let count: usize = count.parse()?;
            let reached = |counts: &Counts| match what {
                "/begun" => counts.begun >= count,
                _ => counts.dropped >= count,
            };
            seen.wait_for(reached).await?;
            http.responder.respond("so it is").await
        }
    });
    (app, report)
}

/// Counts its end.
struct Work(watch::Sender<Counts>);

impl Work {
    fn begin(counts: watch::Sender<Counts>) -> Self {
        counts.send_modify(|counts| counts.begun += 1);
        Self(counts)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.dropped += 1);
    }
}

async fn routes(connection: Connection, counts: watch::Sender<Counts>) -> Result<Done, AppError> {
    let mut http = match connection {
        Connection::Http(http) => http,
        Connection::WebSocket(socket) if socket.scope.path() == "/echo" => {
            return echo(socket).await;
        }
        Connection::Lifespan(lifespan) => {
            let running = lifespan.started(State::new().with("made at startup"));
            running.shutdown_requested().await;
            eprintln!("stopped in order");
            return Ok(running.stopped());
        }
        other => return other.refuse().await,
    };
    match http.scope.path() {
        "/see" => see(http).await,
        "/upload" => {
            let body = http.body.collect(1_000_000).await?;
            http.responder.respond(body.len().to_string()).await
        }
        "/panic" => panic!("oops"),
        "/fail" => Err(AppError::message("it broke")),
        "/watch" => {
            let _work = Work::begin(counts);
            pending().await
        }
        "/watch-stream" => {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer.write("begun").await?;
            let _work = Work::begin(counts);
            pending().await
        }
        "/tunnel" => {
            let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
                .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
            let mut tunnel = http.responder.upgrade(head, http.body).await?;
            while let Some(bytes) = tunnel.read().await? {
                tunnel.write(bytes).await?;
            }
            tunnel.write("bye").await?;
            tunnel.finish().await
        }
        _ => Connection::Http(http).refuse().await,
    }
}

/// Says what the application sees of a request.
async fn see(http: Http) -> Result<Done, AppError> {
    let scope = &http.scope;
    let id = scope.extensions.get::<RequestId>();
    let id = id.map(ToString::to_string).unwrap_or_default();
    let state = scope.state.get::<&str>().copied().unwrap_or("-");
    let text = format!(
        "{} below {}; {state}; {id}",
        scope.path(),
        scope.root_path()
    );
    http.responder.respond(text).await
}

async fn echo(socket: WebSocket) -> Result<Done, AppError> {
    let mut socket = socket.handshake.accept(Accept::new()).await?;
    while let Some(message) = socket.message().await {
        socket.send(message).await?;
    }
    socket.close(CloseCode::NORMAL, "").await
}

/// Has what the first refuses, and counts what is left of the body.
async fn second(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Http(mut http) => {
            let body = http.body.collect(1_000_000).await?;
            let text = format!("second, {} bytes", body.len());
            http.responder.respond(text).await
        }
        Connection::WebSocket(socket) => echo(socket).await,
        other => other.refuse().await,
    }
}

/// Never answers, or never ends its answer.
async fn never(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Http(http) if http.scope.path() == "/ends" => {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer.write("begun").await?;
            pending().await
        }
        Connection::Lifespan(lifespan) => Ok(lifespan.refuse()),
        _ => pending().await,
    }
}

async fn never_closes(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::WebSocket(socket) => {
            let _socket = socket.handshake.accept(Accept::new()).await?;
            pending().await
        }
        other => other.refuse().await,
    }
}
