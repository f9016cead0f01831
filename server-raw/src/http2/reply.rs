//! What the application sends becomes heads as `h2` takes them.

use bytes::Bytes;
use gateway_spec::{Headers, ResponseHead};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Version};
use server_host::http2::Refusal;
use server_host::{CONNECTION_FIELDS, ReplyLength, is_bodiless, is_connection_field, lists};

/// What becomes of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// It follows the head.
    Follows,
    /// There is none, whatever the application writes.
    Suppressed,
}

/// Whether the application asks for the connection's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    Stays,
    Ends,
}

/// The head of a response; what becomes of its body, and of the connection. `spare` is a map whose fields are not used any more.
pub(super) fn head(
    head: ResponseHead,
    length: ReplyLength,
    first: &Bytes,
    method: &Method,
    date: HeaderValue,
    spare: HeaderMap,
) -> (Response<()>, Framing, Connection) {
    let status = head.status;
    let (mut response, connection) = response(head, date, spare);
    let fields = response.headers_mut();
    let bodiless = is_bodiless(status);
    match status {
        StatusCode::NO_CONTENT => {
            fields.remove(CONTENT_LENGTH);
        }
        StatusCode::RESET_CONTENT => {
            // It may say that there is nothing, and nothing else (RFC 9110 section 15.3.6).
            fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        _ => {}
    }
    let is_head = method == Method::HEAD;
    // To a HEAD without a body, the length of the other answer is not known.
    let known = length == ReplyLength::Whole && !(is_head && first.is_empty());
    if known && !bodiless {
        let length = || HeaderValue::from(first.len());
        fields.entry(CONTENT_LENGTH).or_insert_with(length);
    }
    let framing = if bodiless || is_head {
        Framing::Suppressed
    } else {
        Framing::Follows
    };
    (response, framing, connection)
}

/// The head that makes the stream a tunnel.
pub(super) fn tunnel(head: ResponseHead, date: HeaderValue) -> Response<()> {
    let (mut response, _) = response(head, date, HeaderMap::new());
    response.headers_mut().remove(CONTENT_LENGTH);
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // HTTP/2 has none (RFC 9113 section 8.6): an application need not know by which version it was asked.
        *response.status_mut() = StatusCode::OK;
    }
    response
}

/// A head before the response.
pub(super) fn informational(head: ResponseHead) -> Response<()> {
    let mut response = bare(head.status);
    *response.headers_mut() = head.headers.into_map();
    own(response.headers_mut());
    response
}

/// Tells a peer that waits for it to send its body.
pub(super) fn go_on() -> Response<()> {
    bare(StatusCode::CONTINUE)
}

/// The answer to a request that is none, what becomes of its body, and that.
pub(super) fn refusal(
    refusal: Refusal,
    method: &Method,
    date: HeaderValue,
) -> (Response<()>, Framing, Bytes) {
    let text = Bytes::from(format!("{refusal}\n"));
    let mut fields = Headers::new();
    fields.append(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    let mut of_text = ResponseHead::new(refusal.status());
    of_text.headers = fields;
    let spare = HeaderMap::new();
    let (response, framing, _) = head(of_text, ReplyLength::Whole, &text, method, date, spare);
    (response, framing, text)
}

fn response(
    mut head: ResponseHead,
    date: HeaderValue,
    spare: HeaderMap,
) -> (Response<()>, Connection) {
    let mut response = bare(head.status);
    let fields = response.headers_mut();
    *fields = spare;
    head.headers.move_into(fields);
    let connection = own(fields);
    fields.entry(DATE).or_insert(date);
    (response, connection)
}

fn bare(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = Version::HTTP_2;
    response
}

/// Drops the fields that say how the connection goes on, which is not the application's to say and in HTTP/2 nobody's
/// (RFC 9113 section 8.2.2).
fn own(fields: &mut HeaderMap) -> Connection {
    if !fields.keys().any(is_connection_field) {
        return Connection::Stays;
    }
    let connection = if lists(fields, CONNECTION, b"close") {
        Connection::Ends
    } else {
        Connection::Stays
    };
    for name in &CONNECTION_FIELDS {
        fields.remove(name);
    }
    connection
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: HeaderValue = HeaderValue::from_static("7");

    fn answer(
        head: ResponseHead,
        length: ReplyLength,
        method: Method,
    ) -> (Vec<String>, Framing, Connection) {
        let first = Bytes::from_static(b"abc");
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        // What is in the map that is used again, must not come back.
        let spare = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("old"))]);
        let (response, framing, connection) =
            super::head(head, length, &first, &method, date, spare);
        let fields = response.headers().iter();
        let fields = fields
            .filter(|(name, _)| *name != DATE)
            .map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii()))
            .collect();
        (fields, framing, connection)
    }

    #[test]
    fn a_body_says_how_long_it_is_where_it_may() {
        use Framing::{Follows, Suppressed};
        let head = |status: u16| ResponseHead::new(StatusCode::from_u16(status).expect("one"));
        let declared = |status| head(status).with_header(CONTENT_LENGTH, VALUE);
        for (head, length, method, field, framing) in [
            (
                head(200),
                ReplyLength::Whole,
                Method::GET,
                Some("3"),
                Follows,
            ),
            (head(200), ReplyLength::Unknown, Method::GET, None, Follows),
            (
                declared(200),
                ReplyLength::Known(7),
                Method::GET,
                Some("7"),
                Follows,
            ),
            (
                head(200),
                ReplyLength::Whole,
                Method::HEAD,
                Some("3"),
                Suppressed,
            ),
            (
                declared(200),
                ReplyLength::Whole,
                Method::HEAD,
                Some("7"),
                Suppressed,
            ),
            (
                declared(204),
                ReplyLength::Whole,
                Method::GET,
                None,
                Suppressed,
            ),
            (
                head(205),
                ReplyLength::Unknown,
                Method::GET,
                Some("0"),
                Suppressed,
            ),
            (
                declared(205),
                ReplyLength::Whole,
                Method::GET,
                Some("0"),
                Suppressed,
            ),
            (
                declared(304),
                ReplyLength::Whole,
                Method::GET,
                Some("7"),
                Suppressed,
            ),
            (head(304), ReplyLength::Whole, Method::GET, None, Suppressed),
        ] {
            let status = head.status;
            let (fields, framed, _) = answer(head, length, method.clone());
            let expected: Vec<_> = field
                .map(|field| format!("content-length: {field}"))
                .into_iter()
                .collect();
            assert_eq!(
                (fields, framed),
                (expected, framing),
                "{status} {length:?} {method}"
            );
        }
    }

    #[test]
    fn the_connection_is_not_the_application_s() {
        let mut head = ResponseHead::new(StatusCode::OK);
        for name in &CONNECTION_FIELDS {
            head = head.with_header(name.clone(), VALUE);
        }
        let (fields, _, connection) = answer(head, ReplyLength::Unknown, Method::GET);
        assert_eq!((fields, connection), (vec![], Connection::Stays));
        let close = HeaderValue::from_static("x, Close");
        let head = ResponseHead::new(StatusCode::OK).with_header(CONNECTION, close);
        let (_, _, connection) = answer(head, ReplyLength::Unknown, Method::GET);
        assert_eq!(connection, Connection::Ends);
    }
}
