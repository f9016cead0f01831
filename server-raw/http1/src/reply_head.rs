//! Status and fields to bytes (RFC 9112 sections 4 and 5).
//!
//! The fields that govern the connection are the server's: those that the application gives are read here, and written by
//! nobody. How the body is framed is decided by `framing`.

use gateway_spec::Headers;
use http::header::CONTENT_TYPE;
use http::{StatusCode, Version};

use crate::error::{PeerError, UsageError};
use crate::framing::{self, ReplyBody, ReplyFraming};
use crate::head::Persistence;
use crate::scan;
use crate::state::{MethodKind, Request};

/// The head of a final reply, as asked for.
pub(crate) struct ReplyHead<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a Headers,
    pub(crate) body: ReplyBody,
    /// The value of Date, unless the application gives one.
    pub(crate) date: &'a [u8; 29],
}

/// What a head of a few fields and a small body have.
const USUAL_BYTES: usize = 512;

/// What became of it.
#[derive(Clone, Copy)]
pub(crate) struct Decided {
    pub(crate) framing: ReplyFraming,
    pub(crate) persistence: Persistence,
}

impl ReplyHead<'_> {
    /// Writes the head, and nothing if it fails.
    ///
    /// `persistence` is what the request and the server allow; the application can only make it less.
    #[inline]
    pub(crate) fn write(
        &self,
        request: Request,
        persistence: Persistence,
        out: &mut Vec<u8>,
    ) -> Result<Decided, UsageError> {
        let start = out.len();
        // Room for most heads at once.
        out.reserve(USUAL_BYTES);
        if let (ReplyBody::Whole(length), Persistence::KeepOpen) = (self.body, persistence)
            && is_ordinary(request, self.status)
        {
            if self.write_ordinary(length, out) {
                return Ok(Decided {
                    framing: ReplyFraming::Sized(length),
                    persistence,
                });
            }
            out.truncate(start);
        }
        self.write_any(request, persistence, out)
    }

    /// Writes the head of a reply none of whose fields is the server's, and whose length is plain: what nearly all are. Whether it is one;
    /// else what was written is to be taken back.
    #[inline]
    fn write_ordinary(&self, length: u64, out: &mut Vec<u8>) -> bool {
        put_status(out, self.status);
        let mut lengths = 0;
        let is_ordinary = self
            .headers
            .iter()
            .fold(true, |is_ordinary, (name, value)| {
                match kind(name.as_bytes()) {
                    Kind::Passes => put_field(out, name.as_bytes(), value),
                    Kind::ContentType => put_content_type(out, value),
                    // Written by the server, wherever it stands.
                    Kind::ContentLength => {
                        lengths += 1;
                        return is_ordinary
                            && lengths == 1
                            && framing::decimal(value) == Some(length);
                    }
                    Kind::Date | Kind::Upgrade | Kind::Connection | Kind::Ignored => return false,
                }
                is_ordinary
            });
        if is_ordinary {
            put_length(out, length);
            put_date_and_end(out, self.date);
        }
        is_ordinary
    }

    #[inline(never)]
    fn write_any(
        &self,
        request: Request,
        persistence: Persistence,
        out: &mut Vec<u8>,
    ) -> Result<Decided, UsageError> {
        let start = out.len();
        put_status(out, self.status);
        let upgrade = match self.status {
            // Which protocol is required, must be said (RFC 9110 section 15.5.22).
            StatusCode::UPGRADE_REQUIRED => UpgradeField::Keep,
            _ => UpgradeField::Drop,
        };
        let given = put_fields(out, self.headers, upgrade);
        let decided = self
            .decide(request, persistence, &given)
            .inspect_err(|_| out.truncate(start))?;
        match decided.framing {
            ReplyFraming::Nothing { declared: None } | ReplyFraming::UntilClose => {}
            ReplyFraming::Nothing {
                declared: Some(length),
            }
            | ReplyFraming::Sized(length) => put_length(out, length),
            ReplyFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        match (decided.persistence, request.version) {
            (Persistence::Close, _) => out.extend_from_slice(b"connection: close\r\n"),
            (Persistence::KeepOpen, Version::HTTP_10) => {
                out.extend_from_slice(b"connection: keep-alive\r\n")
            }
            (Persistence::KeepOpen, _) => {}
        }
        if (upgrade, given.upgrade) == (UpgradeField::Keep, Presence::Present) {
            out.extend_from_slice(b"connection: upgrade\r\n");
        }
        end_with_date(out, &given, self.date);
        Ok(decided)
    }

    fn decide(
        &self,
        request: Request,
        persistence: Persistence,
        given: &Given,
    ) -> Result<Decided, UsageError> {
        let declared = match given.content_length {
            Declared::Absent => None,
            Declared::Bytes(bytes) => Some(bytes),
            Declared::Wrong => return Err(UsageError::ContentLength),
        };
        let framing = framing::of_reply(request, self.status, self.body, declared)?;
        let persistence = match (framing, given.connection) {
            (ReplyFraming::UntilClose, _) | (_, Persistence::Close) => Persistence::Close,
            (
                ReplyFraming::Nothing { .. } | ReplyFraming::Sized(_) | ReplyFraming::Chunked,
                Persistence::KeepOpen,
            ) => persistence,
        };
        Ok(Decided {
            framing,
            persistence,
        })
    }
}

/// The content type of a reply that is as usual: a 200 without another field.
#[inline]
pub(crate) fn usual(status: StatusCode, headers: &Headers) -> Option<&[u8]> {
    match (status, headers.only()) {
        (StatusCode::OK, Some((&CONTENT_TYPE, value))) => Some(value.as_bytes()),
        _ => None,
    }
}

/// Writes the head of a reply that is as [`usual`] and has so many bytes: in pieces of known lengths, so that only one is copied by a call.
#[inline]
pub(crate) fn write_usual(content_type: &[u8], length: u64, date: &[u8; 29], out: &mut Vec<u8>) {
    out.reserve(USUAL_BYTES);
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: ");
    put_value(out, content_type);
    put_length(out, length);
    put_date_and_end(out, date);
}

/// Writes an interim reply (1xx).
pub(crate) fn write_informational(status: StatusCode, headers: &Headers, out: &mut Vec<u8>) {
    put_status(out, status);
    put_fields(out, headers, UpgradeField::Drop);
    out.extend_from_slice(b"\r\n");
}

/// Writes a 101, whose fields must say to which protocol the connection switches.
pub(crate) fn write_switch(
    headers: &Headers,
    date: &[u8; 29],
    out: &mut Vec<u8>,
) -> Result<(), UsageError> {
    let start = out.len();
    put_status(out, StatusCode::SWITCHING_PROTOCOLS);
    let given = put_fields(out, headers, UpgradeField::Keep);
    if given.upgrade == Presence::Absent {
        out.truncate(start);
        return Err(UsageError::NotOffered);
    }
    out.extend_from_slice(b"connection: upgrade\r\n");
    end_with_date(out, &given, date);
    Ok(())
}

/// Writes the 2xx to CONNECT that opens a tunnel, which has no framing fields (RFC 9110 section 9.3.6).
pub(crate) fn write_connected(
    status: StatusCode,
    headers: &Headers,
    date: &[u8; 29],
    out: &mut Vec<u8>,
) {
    put_status(out, status);
    let given = put_fields(out, headers, UpgradeField::Drop);
    end_with_date(out, &given, date);
}

/// Writes a whole reply after which the connection closes: a line of text, for the peer's developer.
///
/// For errors of the peer there is [`Connection::error_reply`](crate::Connection::error_reply); this is for what a server
/// decides without having read a request, such as 408 for a head that took too long, or 503.
///
/// # Examples
///
/// ```
/// use http::StatusCode;
///
/// let mut out = Vec::new();
/// http1::write_closing_reply(StatusCode::REQUEST_TIMEOUT, "the head took too long", b"Sun, 06 Nov 1994 08:49:37 GMT", &mut out);
/// assert!(out.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"));
/// assert!(out.ends_with(b"\r\n\r\nthe head took too long\n"));
/// ```
pub fn write_closing_reply(status: StatusCode, text: &str, date: &[u8; 29], out: &mut Vec<u8>) {
    write_closing_head(status, text, date, out);
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

/// Writes the reply to an error of the peer, to HEAD without its text (RFC 9110 section 9.3.2), and to who does not speak
/// HTTP/1.1 none.
pub(crate) fn write_error(
    error: PeerError,
    method: MethodKind,
    date: &[u8; 29],
    out: &mut Vec<u8>,
) {
    if error == PeerError::NotHttp {
        return;
    }
    match method {
        MethodKind::Head => write_closing_head(error.status(), error.text(), date, out),
        MethodKind::Connect | MethodKind::Other => {
            write_closing_reply(error.status(), error.text(), date, out);
        }
    }
}

fn write_closing_head(status: StatusCode, text: &str, date: &[u8; 29], out: &mut Vec<u8>) {
    put_status(out, status);
    out.extend_from_slice(b"content-type: text/plain; charset=utf-8\r\n");
    put_length(out, text.len() as u64 + 1);
    out.extend_from_slice(b"connection: close\r\n");
    end_with_date(out, &Given::default(), date);
}

/// What the application's fields said that the server itself needs.
#[derive(Clone, Copy)]
struct Given {
    content_length: Declared,
    connection: Persistence,
    date: Presence,
    upgrade: Presence,
}

#[derive(Clone, Copy)]
enum Declared {
    Absent,
    Bytes(u64),
    /// Malformed or repeated.
    Wrong,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Absent,
    Present,
}

/// What becomes of the application's Upgrade.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UpgradeField {
    Keep,
    Drop,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            content_length: Declared::Absent,
            connection: Persistence::KeepOpen,
            date: Presence::Absent,
            upgrade: Presence::Absent,
        }
    }
}

/// Writes the application's fields, but for those that are the server's.
#[inline]
fn put_fields(out: &mut Vec<u8>, headers: &Headers, upgrade: UpgradeField) -> Given {
    let mut given = Given::default();
    headers.iter().for_each(|(name, value)| {
        let name = name.as_bytes();
        match kind(name) {
            Kind::Passes => put_field(out, name, value),
            Kind::ContentType => put_content_type(out, value),
            Kind::Date => {
                given.date = Presence::Present;
                put_field(out, name, value);
            }
            Kind::Upgrade => {
                given.upgrade = Presence::Present;
                if upgrade == UpgradeField::Keep {
                    put_field(out, name, value);
                }
            }
            Kind::ContentLength => {
                given.content_length = match (given.content_length, framing::decimal(value)) {
                    (Declared::Absent, Some(bytes)) => Declared::Bytes(bytes),
                    (Declared::Absent, None) | (Declared::Bytes(_) | Declared::Wrong, _) => {
                        Declared::Wrong
                    }
                };
            }
            Kind::Connection => {
                if value
                    .split(|&byte| byte == b',')
                    .any(|option| scan::is(scan::trim(option), b"close"))
                {
                    given.connection = Persistence::Close;
                }
            }
            Kind::Ignored => {}
        }
    });
    given
}

/// Whether a reply to this request, with this status, has a body like any other, and says nothing of the connection.
#[inline]
fn is_ordinary(request: Request, status: StatusCode) -> bool {
    request.method == MethodKind::Other
        && request.version == Version::HTTP_11
        && !matches!(status.as_u16(), 100..200 | 204 | 205 | 304 | 426)
}

enum Kind {
    Passes,
    /// It passes too, and nearly every reply has it.
    ContentType,
    Date,
    Upgrade,
    ContentLength,
    Connection,
    /// The server's alone: Transfer-Encoding, and what HTTP/1.0 knew of connections.
    Ignored,
}

#[inline]
fn kind(name: &[u8]) -> Kind {
    match name.len() {
        4 if scan::is(name, b"date") => Kind::Date,
        7 if scan::is(name, b"upgrade") => Kind::Upgrade,
        10 if scan::is(name, b"connection") => Kind::Connection,
        12 if name == b"content-type" => Kind::ContentType,
        10 if scan::is(name, b"keep-alive") => Kind::Ignored,
        14 if scan::is(name, b"content-length") => Kind::ContentLength,
        16 if scan::is(name, b"proxy-connection") => Kind::Ignored,
        17 if scan::is(name, b"transfer-encoding") => Kind::Ignored,
        _ => Kind::Passes,
    }
}

#[inline]
fn put_status(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    put_other_status(out, status);
}

fn put_other_status(out: &mut Vec<u8>, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    // The reason may be empty, the space before it must stand (RFC 9112 section 4).
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    put_value(out, value);
}

#[inline]
fn put_content_type(out: &mut Vec<u8>, value: &[u8]) {
    // Of a length that is known, so that it is not copied by a call.
    out.extend_from_slice(b"content-type: ");
    put_value(out, value);
}

#[inline]
fn put_value(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// A line of a length that is known, cut where the number ends: nothing of it is copied by a call.
#[inline]
fn put_length(out: &mut Vec<u8>, mut length: u64) {
    const NAME: &[u8] = b"content-length: ";
    let mut line = *b"content-length: 00000000000000000000\r\n";
    let digits = match length {
        0..10 => 1,
        10..100 => 2,
        100..1_000 => 3,
        1_000..10_000 => 4,
        _ => length.ilog10() as usize + 1,
    };
    let end = NAME.len() + digits;
    for place in line[NAME.len()..end].iter_mut().rev() {
        *place = b'0' + (length % 10) as u8;
        length /= 10;
    }
    line[end..end + 2].copy_from_slice(b"\r\n");
    let start = out.len();
    out.extend_from_slice(&line);
    out.truncate(start + end + 2);
}

fn end_with_date(out: &mut Vec<u8>, given: &Given, date: &[u8; 29]) {
    if given.date == Presence::Present {
        return out.extend_from_slice(b"\r\n");
    }
    put_date_and_end(out, date);
}

#[inline]
fn put_date_and_end(out: &mut Vec<u8>, date: &[u8; 29]) {
    let mut end = *b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
    end[b"date: ".len()..][..date.len()].copy_from_slice(date);
    out.extend_from_slice(&end);
}

#[cfg(test)]
mod tests {
    use gateway_spec::Headers;
    use http::{HeaderName, HeaderValue, StatusCode, Version};

    use super::{ReplyBody, ReplyHead};
    use crate::head::{Expectation, Persistence, Upgrade};
    use crate::state::{MethodKind, Request};

    const FIELDS: [(&str, &str); 9] = [
        ("content-type", "text/plain"),
        ("x-a", "b"),
        ("content-length", "13"),
        ("content-length", "14"),
        ("content-length", "x"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("connection", "close"),
        ("upgrade", "x"),
        ("transfer-encoding", "chunked"),
    ];

    /// What is written in one go is what would be written step by step.
    #[test]
    fn an_ordinary_head_is_written_as_any() {
        let (mut ordinary, mut usual) = (0, 0);
        for status in [200, 201, 400, 404, 426, 500] {
            for choice in 0..1_u32 << FIELDS.len() {
                let chosen = FIELDS
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| choice >> n & 1 == 1);
                let headers: Headers = chosen
                    .map(|(_, (name, value))| {
                        (
                            HeaderName::from_static(name),
                            HeaderValue::from_static(value),
                        )
                    })
                    .collect();
                let head = ReplyHead {
                    status: StatusCode::from_u16(status).unwrap(),
                    headers: &headers,
                    body: ReplyBody::Whole(13),
                    date: b"Mon, 07 Nov 1994 08:49:37 GMT",
                };
                let request = Request {
                    method: MethodKind::Other,
                    version: Version::HTTP_11,
                    upgrade: Upgrade::None,
                    expectation: Expectation::None,
                };
                let (mut fast, mut slow) = (Vec::new(), Vec::new());
                if let Some(content_type) = super::usual(head.status, &headers) {
                    let mut written = Vec::new();
                    super::write_usual(content_type, 13, head.date, &mut written);
                    assert!(head.write_ordinary(13, &mut fast));
                    assert_eq!(
                        fast.escape_ascii().to_string(),
                        written.escape_ascii().to_string()
                    );
                    fast.clear();
                    usual += 1;
                }
                if super::is_ordinary(request, head.status) && head.write_ordinary(13, &mut fast) {
                    let decided = head
                        .write_any(request, Persistence::KeepOpen, &mut slow)
                        .unwrap();
                    assert_eq!(decided.persistence, Persistence::KeepOpen);
                    assert_eq!(
                        fast.escape_ascii().to_string(),
                        slow.escape_ascii().to_string()
                    );
                    ordinary += 1;
                }
            }
        }
        assert!(ordinary > 20 && usual == 1, "{ordinary}, {usual}");
    }
}
