//! Bytes in and bytes out by what tokio has for them: an echo, a count, and a proxy to anything that speaks TCP.
//!
//! Nothing here knows how much there is or holds more than a few kilobytes of it. A client that reads slowly is written to slowly and
//! read from slowly; of a million bytes of an upload, those that the other end has not taken are still in the client.

use std::net::SocketAddr;

use adapters::io::{BodyReader, BodyWriter, TunnelIo};
use gateway::types::{HeaderValue, Method, StatusCode, header};
use gateway::{
    AppError, Application, Connection, Done, Http, Response, ResponseHead, application_fn,
};
use tokio::net::TcpStream;

/// The application, and the server that its proxy leads to.
///
/// | request | answer |
/// |---|---|
/// | `POST /echo` | the body, while it comes |
/// | `POST /count` | how many bytes it had |
/// | `GET /proxy`, `Upgrade: tcp` | 101, and then whatever the other server says |
///
/// # Examples
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     let database = ([127, 0, 0, 1], 5432).into();
///     gateway::run(cookbook::pipes::app(database))
/// }
/// ```
pub fn app(origin: SocketAddr) -> impl Application {
    application_fn(move |connection| async move {
        match connection {
            Connection::Http(http) => route(http, origin).await,
            other => other.refuse().await,
        }
    })
}

async fn route(http: Http, origin: SocketAddr) -> Result<Done, AppError> {
    match (&http.scope.method, http.scope.path()) {
        (&Method::POST, "/echo") => echo(http).await,
        (&Method::POST, "/count") => count(http).await,
        (&Method::GET, "/proxy") if asks_for_tcp(&http) => proxy(http, origin).await,
        (_, "/proxy") => http.responder.respond(upgrade_required()).await,
        _ => Connection::Http(http).refuse().await,
    }
}

async fn echo(http: Http) -> Result<Done, AppError> {
    let mut out = BodyWriter::new(http.responder.start(StatusCode::OK).await?);
    tokio::io::copy(&mut BodyReader::new(http.body), &mut out).await?;
    out.into_inner().finish().await
}

async fn count(http: Http) -> Result<Done, AppError> {
    let mut nowhere = tokio::io::sink();
    let count = tokio::io::copy(&mut BodyReader::new(http.body), &mut nowhere).await?;
    http.responder.respond(format!("{count} bytes\n")).await
}

/// Connects first: a server that cannot be reached is still answered for by a status.
async fn proxy(http: Http, origin: SocketAddr) -> Result<Done, AppError> {
    let mut server = TcpStream::connect(origin)
        .await
        .map_err(|error| AppError::status(StatusCode::BAD_GATEWAY).with_source(error))?;
    let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS).with_header(header::UPGRADE, TCP);
    let mut client = TunnelIo::new(http.responder.upgrade(head, http.body).await?);
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    client.finish().await
}

const TCP: HeaderValue = HeaderValue::from_static("tcp");

fn asks_for_tcp(http: &Http) -> bool {
    let headers = &http.scope.headers;
    headers.contains_token(header::CONNECTION, "upgrade")
        && headers.contains_token(header::UPGRADE, "tcp")
}

/// RFC 9110 section 15.5.22. Which protocol is said in words: the field is the server's (HTTP-23).
fn upgrade_required() -> Response {
    Response::text("this is a tunnel: ask for `Upgrade: tcp`\n")
        .with_status(StatusCode::UPGRADE_REQUIRED)
}
