//! What testers that others wrote expect of a server's application, on every path that is not a case's.

use gateway_spec::types::{Method, StatusCode};
use gateway_spec::{AppError, BodyLength, Done, Http, RequestBody, Responder, Scope};

/// `/echo` shows the fields as they came, `/cookie` the cookies; a body comes back as the server's framing delivered it;
/// `GET /` is `OK`, and so is its HEAD; and all else is a greeting: `OPTIONS *` too, and TRACE, which shows nothing of its
/// request. Only CONNECT is declined.
pub(super) async fn http(http: Http) -> Result<Done, AppError> {
    let Http {
        scope,
        body,
        responder,
    } = http;
    match (scope.path(), scope.body) {
        // A success would begin a tunnel (RFC 9110 section 9.3.6), and this is no proxy (section 15.6.2).
        _ if scope.method == Method::CONNECT => {
            responder.respond(StatusCode::NOT_IMPLEMENTED).await
        }
        ("/echo", _) => responder.respond(fields(&scope)).await,
        ("/cookie", _) => responder.respond(cookies(&scope)).await,
        (_, BodyLength::Known(1..) | BodyLength::Unknown) => echo(body, responder).await,
        ("/", _) if matches!(scope.method, Method::GET | Method::HEAD) => {
            responder.respond("OK").await
        }
        _ => responder.respond("Hello, world!").await,
    }
}

/// Bytes of a body that are read before it is answered. Testers see what became of all of it, and a fault in it gets its own
/// answer; what is larger could not be held for every peer.
const READ_FIRST: usize = 1024 * 1024;

/// The body whole, or what was read first and then as it comes.
async fn echo(mut body: RequestBody, responder: Responder) -> Result<Done, AppError> {
    let mut first = Vec::new();
    while first.len() <= READ_FIRST {
        match body.chunk().await? {
            Some(chunk) => first.extend_from_slice(&chunk),
            None => return responder.respond(first).await,
        }
    }
    let mut writer = responder.start(StatusCode::OK).await?;
    writer.write(first).await?;
    while let Some(chunk) = body.chunk().await? {
        writer.write(chunk).await?;
    }
    writer.finish().await
}

/// `Name: value` lines, with the names as the server holds them.
fn fields(scope: &Scope) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in &scope.headers {
        lines.extend_from_slice(name.as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value);
        lines.push(b'\n');
    }
    lines
}

/// `name=value` lines, of all the `cookie` fields.
fn cookies(scope: &Scope) -> Vec<u8> {
    let mut lines = Vec::new();
    for field in scope.headers.get_all("cookie") {
        for cookie in field.split(|&byte| byte == b';') {
            lines.extend_from_slice(cookie.trim_ascii());
            lines.push(b'\n');
        }
    }
    lines
}
