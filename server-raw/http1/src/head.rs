//! Bytes to a request head, once (RFC 9112 sections 2 to 5).
//!
//! The lines are cut by `field_lines`; how long a body is, is decided by `framing`; which targets and hosts there are, by
//! `target`. Here they are put together.

use std::ops::Range;

use gateway_spec::{Field, Headers};
use http::{Method, Uri, Version};

use crate::error::PeerError;
use crate::field_lines::{self, FieldLines, Found};
use crate::framing::{BodyFraming, Lengths};
use crate::limits::Limits;
use crate::scan;
use crate::state::MethodKind;
use crate::target::{self, Host};

/// The head of a request, and what it implies.
///
/// Keep one for each connection and pass it to every [`next_event`](crate::Connection::next_event): its memory is used
/// again.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target: a path and query, a whole URI, a host and port for CONNECT, or `*` for OPTIONS.
    pub uri: Uri,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The fields in wire order, spelt as they came.
    pub headers: Headers,
    /// How long the body is.
    pub framing: BodyFraming,
    /// Whether the client waits for a 100 before it sends the body.
    pub expectation: Expectation,
    /// Whether the client offers to switch protocols.
    pub upgrade: Upgrade,
    /// Whether the client wants trailers.
    pub trailers: Trailers,
}

/// Whether the client waits for [100 Continue](crate::Connection::send_informational) (RFC 9110 section 10.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expectation {
    /// It sends the body, if there is one, unasked.
    #[default]
    None,
    /// It waits, for a while.
    Continue,
}

/// Whether the client offers to go on with another protocol (RFC 9110 section 7.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// No, or in HTTP/1.0, where such an offer has no meaning.
    #[default]
    None,
    /// It does: the `Upgrade` fields say to which, and `Connection` lists them.
    Offered,
}

/// Whether the client says that it does not discard trailers: `TE: trailers` (RFC 9110 section 10.1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trailers {
    /// It does not say.
    #[default]
    Unasked,
    /// It does.
    Wanted,
}

/// Whether the connection goes on after an exchange (RFC 9112 section 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    KeepOpen,
    Close,
}

/// How far a head was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Within the request line, or the empty line before it. Up to `scanned`, nothing ends it.
    RequestLine { scanned: usize },
    /// Behind the request line.
    Fields {
        line: RequestLine,
        lines: FieldLines,
        facts: Facts,
    },
}

impl Progress {
    pub(crate) const START: Self = Self::RequestLine { scanned: 0 };
}

/// What was decided of a head that was read to its end.
pub(crate) struct Finished {
    /// How many bytes it has, with the empty line before it if there was one.
    pub(crate) length: usize,
    pub(crate) method: MethodKind,
    pub(crate) persistence: Persistence,
    pub(crate) framing: BodyFraming,
    pub(crate) upgrade: Upgrade,
    expectation: Expectation,
    trailers: Trailers,
}

/// Reads on, and writes the head into `head` when it is complete.
///
/// `input` begins where it began at the last call, and is not consumed. `index` is empty when a head begins.
pub(crate) fn read(
    input: &[u8],
    progress: &mut Progress,
    index: &mut Vec<Field>,
    limits: &Limits,
    head: &mut RequestHead,
) -> Result<Option<Finished>, PeerError> {
    let finished = find_end(input, progress, limits, index, |bytes, line, facts| {
        let method = line.method(bytes)?;
        target::fill(line.target(bytes, facts)?, &mut head.uri)?;
        let finished = facts.decide(bytes, line)?;
        head.method = method;
        head.version = line.version;
        head.framing = finished.framing;
        head.expectation = finished.expectation;
        head.upgrade = finished.upgrade;
        head.trailers = finished.trailers;
        Ok(finished)
    })?;
    if let Some(finished) = &finished {
        head.headers
            .refill_validated(&input[..finished.length], index);
    }
    Ok(finished)
}

/// As `read`, for one who wants the verdict alone. `count` is nothing when a head begins.
pub(crate) fn check(
    input: &[u8],
    progress: &mut Progress,
    count: &mut Count,
    limits: &Limits,
) -> Result<Option<Finished>, PeerError> {
    find_end(input, progress, limits, count, |bytes, line, facts| {
        target::check(line.target(bytes, facts)?)?;
        facts.decide(bytes, line)
    })
}

/// The method of the request that this begins with, whatever else is wrong with it.
pub(crate) fn method_of(input: &[u8]) -> MethodKind {
    let line = input.strip_prefix(b"\r\n").unwrap_or(input);
    let method = line.split(|&byte| byte == b' ').next();
    method.map_or(MethodKind::Other, MethodKind::of)
}

/// What becomes of the places of the fields.
trait Index {
    fn length(&self) -> usize;
    fn push(&mut self, place: Field);
}

impl Index for Vec<Field> {
    #[inline(always)]
    fn length(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn push(&mut self, place: Field) {
        self.push(place);
    }
}

/// How many there are.
#[derive(Clone, Debug)]
pub(crate) struct Count(usize);

impl Count {
    pub(crate) const NONE: Self = Self(0);
}

impl Index for Count {
    #[inline(always)]
    fn length(&self) -> usize {
        self.0
    }

    #[inline(always)]
    fn push(&mut self, _: Field) {
        self.0 += 1;
    }
}

/// Reads on, notes each field, and at the end of the head has it finished.
#[inline(always)]
fn find_end(
    input: &[u8],
    progress: &mut Progress,
    limits: &Limits,
    index: &mut impl Index,
    finish: impl FnOnce(&[u8], &RequestLine, &Facts) -> Result<Finished, PeerError>,
) -> Result<Option<Finished>, PeerError> {
    let window = &input[..input.len().min(limits.head_bytes)];
    let (line, mut lines, mut facts) = match *progress {
        Progress::Fields { line, lines, facts } => (line, lines, facts),
        Progress::RequestLine { mut scanned } => {
            match RequestLine::read(window, &mut scanned, limits)? {
                Some(line) => (line, FieldLines::new(line.end), Facts::default()),
                None => {
                    *progress = Progress::RequestLine { scanned };
                    return incomplete(window, limits);
                }
            }
        }
    };
    let end = lines.read(window, |field| {
        if index.length() >= limits.fields {
            return Err(PeerError::TooManyFields);
        }
        facts.note(&field);
        index.push(field.place);
        Ok(())
    })?;
    let Some(length) = end else {
        *progress = Progress::Fields { line, lines, facts };
        return incomplete(window, limits);
    };
    finish(&window[..length], &line, &facts).map(Some)
}

fn incomplete<T>(window: &[u8], limits: &Limits) -> Result<Option<T>, PeerError> {
    if window.len() >= limits.head_bytes {
        return Err(PeerError::HeadTooLarge);
    }
    Ok(None)
}

/// Where the parts of a request line lie (RFC 9112 section 3). Single spaces stand between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestLine {
    method: Span,
    target: Span,
    version: Version,
    /// Where the line behind it begins.
    end: usize,
}

impl RequestLine {
    /// `None` when the line is not complete; `scanned` then says how far it has no end.
    #[inline(always)]
    fn read(bytes: &[u8], scanned: &mut usize, limits: &Limits) -> Result<Option<Self>, PeerError> {
        // RFC 9112 section 2.2 asks servers to ignore at least one empty line here.
        let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
        let found = scan::line_end(bytes, start.max(*scanned));
        let (Ok(end) | Err(end)) = found;
        let longest = METHOD_BYTES + limits.target_bytes + b"  HTTP/1.1".len();
        if end - start > longest {
            return Err(Self::too_long(&bytes[start..start + longest]));
        }
        if found.is_err() {
            *scanned = end;
            return field_lines::unfinished(bytes, end).map(|()| None);
        }
        Self::cut(bytes, start..end, limits).map(Some)
    }

    /// What to say of a line that is longer than any may be, and begins so: that its target is too long, if one begins where it
    /// may.
    #[cold]
    fn too_long(beginning: &[u8]) -> PeerError {
        match memchr::memchr(b' ', beginning) {
            Some(1..=METHOD_BYTES) => PeerError::TargetTooLong,
            Some(1..) => PeerError::MethodTooLong,
            Some(0) | None => PeerError::RequestLine,
        }
    }

    /// What to say of a line that has no version of HTTP in its place.
    #[cold]
    fn stranger(behind_method: &[u8]) -> PeerError {
        let mut words = behind_method.split(|&byte| byte == b' ');
        match (words.next(), words.next(), words.next()) {
            (Some([first, target @ ..]), Some(version), None)
                if first.is_ascii_alphabetic()
                    && !target.iter().any(|byte| b"/:.*".contains(byte))
                    && !version.is_empty()
                    && !version.contains(&b'/') =>
            {
                PeerError::NotHttp
            }
            _ => PeerError::RequestLine,
        }
    }

    fn cut(bytes: &[u8], line: Range<usize>, limits: &Limits) -> Result<Self, PeerError> {
        let method_end = if bytes[line.start..].starts_with(b"GET ") {
            line.start + 3
        } else {
            scan::token_end(bytes, line.start)
        };
        match bytes.get(method_end) {
            Some(b' ') if method_end > line.start => {}
            Some(b' ' | b'\r') => return Err(PeerError::RequestLine),
            Some(_) | None => return Err(PeerError::Method),
        }
        if method_end - line.start > METHOD_BYTES {
            return Err(PeerError::MethodTooLong);
        }
        let (target, version) = bytes[method_end + 1..line.end]
            .split_last_chunk::<{ b" HTTP/1.1".len() }>()
            .ok_or(PeerError::RequestLine)?;
        let version = match version {
            _ if version == b" HTTP/1.1" => Version::HTTP_11,
            b" HTTP/1.0" => Version::HTTP_10,
            [
                b' ',
                b'H',
                b'T',
                b'T',
                b'P',
                b'/',
                b'0'..=b'9',
                b'.',
                b'0'..=b'9',
            ] => return Err(PeerError::Version),
            _ => return Err(Self::stranger(&bytes[method_end + 1..line.end])),
        };
        if target.is_empty() {
            return Err(PeerError::RequestLine);
        }
        if target.len() > limits.target_bytes {
            return Err(PeerError::TargetTooLong);
        }
        Ok(Self {
            method: Span {
                start: line.start,
                end: method_end,
            },
            target: Span {
                start: method_end + 1,
                end: method_end + 1 + target.len(),
            },
            version,
            end: line.end + 2,
        })
    }

    #[inline(always)]
    fn method_name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[Range::from(self.method)]
    }

    #[inline(always)]
    fn target<'a>(&self, bytes: &'a [u8], facts: &Facts) -> Result<&'a [u8], PeerError> {
        target::read(
            self.method_name(bytes),
            self.version,
            bytes,
            self.target.into(),
            facts.host,
        )
    }

    #[inline]
    fn method(&self, bytes: &[u8]) -> Result<Method, PeerError> {
        match self.method_name(bytes) {
            b"GET" => Ok(Method::GET),
            other => Method::from_bytes(other).map_err(|_| PeerError::Method),
        }
    }
}

/// Bytes in a method, at the most: the longest registered, `UPDATEREDIRECTREF`, has 17.
pub const METHOD_BYTES: usize = 32;

/// A range that is `Copy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        span.start..span.end
    }
}

/// What the fields said that the server itself needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    host: Host,
    lengths: Lengths,
    connection: Options,
    expect: Expect,
    upgrade: UpgradeField,
    trailers: Trailers,
}

/// Whether a field may be one of those that are noted, by its length and first letter: most are not, and need no second look.
#[inline(always)]
fn may_matter(name: &[u8]) -> bool {
    const LENGTHS: u32 = 1 << 2 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 14 | 1 << 17;
    const LETTERS: u32 = 1 << (b'c' & 31)
        | 1 << (b'e' & 31)
        | 1 << (b'h' & 31)
        | 1 << (b't' & 31)
        | 1 << (b'u' & 31);
    match name {
        [first, ..] if name.len() < 32 => {
            LENGTHS >> name.len() & 1 == 1 && LETTERS >> (first & 31) & 1 == 1
        }
        _ => false,
    }
}

/// The options that `Connection` listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expect {
    #[default]
    Absent,
    Continue,
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum UpgradeField {
    #[default]
    Absent,
    Present,
}

impl Facts {
    #[inline(always)]
    fn note(&mut self, field: &Found<'_>) {
        if may_matter(field.name) {
            self.note_one(field.name, field.value, field.place);
        }
    }

    #[cold]
    fn note_one(&mut self, name: &[u8], value: &[u8], place: Field) {
        let Some(first) = name.first() else { return };
        match (name.len(), first | 0x20) {
            (2, b't') if scan::is(name, b"te") => self.note_te(value),
            (4, b'h') if scan::is(name, b"host") => self.host.note(place.value()),
            (6, b'e') if scan::is(name, b"expect") => self.note_expect(value),
            (7, b'u') if scan::is(name, b"upgrade") => self.upgrade = UpgradeField::Present,
            (10, b'c') if scan::is(name, b"connection") => self.connection.note(value),
            (14, b'c') if scan::is(name, b"content-length") => {
                self.lengths.note_content_length(value)
            }
            (17, b't') if scan::is(name, b"transfer-encoding") => {
                self.lengths.note_transfer_encoding(value)
            }
            _ => {}
        }
    }

    /// Decides what only the whole head can tell.
    #[inline(always)]
    fn decide(&self, bytes: &[u8], line: &RequestLine) -> Result<Finished, PeerError> {
        let method = MethodKind::of(line.method_name(bytes));
        let length = bytes.len();
        let framing = self.lengths.framing(line.version)?;
        if line.version == Version::HTTP_10 {
            return Ok(self.decide_in_http10(length, method, framing));
        }
        Ok(Finished {
            length,
            method,
            persistence: if self.connection.close {
                Persistence::Close
            } else {
                Persistence::KeepOpen
            },
            framing,
            upgrade: match (self.connection.upgrade, self.upgrade) {
                (true, UpgradeField::Present) => Upgrade::Offered,
                (false, UpgradeField::Present) | (_, UpgradeField::Absent) => Upgrade::None,
            },
            expectation: match self.expect {
                Expect::Absent => Expectation::None,
                // There is nothing to wait for without a body.
                Expect::Continue if framing == BodyFraming::Empty => Expectation::None,
                Expect::Continue => Expectation::Continue,
                Expect::Unknown => return Err(PeerError::Expectation),
            },
            trailers: self.trailers,
        })
    }

    /// HTTP/1.0 knows neither upgrades nor expectations nor trailers; what such a request says of them was meant for
    /// another hop.
    fn decide_in_http10(
        &self,
        length: usize,
        method: MethodKind,
        framing: BodyFraming,
    ) -> Finished {
        Finished {
            length,
            method,
            persistence: match self.connection {
                Options {
                    close: false,
                    keep_alive: true,
                    ..
                } => Persistence::KeepOpen,
                Options { .. } => Persistence::Close,
            },
            framing,
            upgrade: Upgrade::None,
            expectation: Expectation::None,
            trailers: Trailers::Unasked,
        }
    }

    fn note_te(&mut self, value: &[u8]) {
        if value
            .split(|&byte| byte == b',')
            .any(|member| scan::is(scan::trim(member), b"trailers"))
        {
            self.trailers = Trailers::Wanted;
        }
    }

    fn note_expect(&mut self, value: &[u8]) {
        self.expect = match self.expect {
            Expect::Absent | Expect::Continue if value.eq_ignore_ascii_case(b"100-continue") => {
                Expect::Continue
            }
            Expect::Absent | Expect::Continue | Expect::Unknown => Expect::Unknown,
        };
    }
}

impl Options {
    #[inline]
    fn note(&mut self, value: &[u8]) {
        if scan::is(value, b"keep-alive") {
            self.keep_alive = true;
            return;
        }
        for option in value.split(|&byte| byte == b',').map(scan::trim) {
            self.close |= scan::is(option, b"close");
            self.keep_alive |= scan::is(option, b"keep-alive");
            self.upgrade |= scan::is(option, b"upgrade");
        }
    }
}
