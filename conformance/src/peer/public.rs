//! What testers that others wrote expect of a server's application, on every path that is not a case's.

use gateway_spec::{AppError, BodyLength, Done, Http, Scope};

use super::http::echo;

/// `/echo` shows the fields as they came, `/cookie` the cookies; a body comes back as the server's framing delivered it;
/// and all else is fine.
pub(super) async fn http(http: Http) -> Result<Done, AppError> {
    let Http {
        scope,
        body,
        responder,
    } = http;
    match (scope.path(), scope.body) {
        ("/echo", _) => responder.respond(fields(&scope)).await,
        ("/cookie", _) => responder.respond(cookies(&scope)).await,
        (_, BodyLength::Known(1..) | BodyLength::Unknown) => echo(body, responder).await,
        ("/", _) => responder.respond("OK").await,
        _ => responder.respond("Hello, world!").await,
    }
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
