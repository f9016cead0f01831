//! Bytes to a request head, once (RFC 9112 sections 2 to 5).
//!
//! The first line is cut by `request_line` and the others by `field_lines`; what the fields mean for the server is noted by `facts`; how
//! long a body is, is decided by `framing`; which targets and hosts there are, by `target`. Here they are put together.

mod facts;
mod request_line;

use gateway_spec::{Field, FieldBlock, Headers};
use http::{Method, Uri, Version};

use crate::error::PeerError;
use crate::field_lines::{FieldLines, Fields, Found, Plain};
use crate::framing::BodyFraming;
use crate::limits::Limits;
use crate::state::MethodKind;
use crate::target::{self, Host};

use facts::{Facts, may_matter};
use request_line::RequestLine;

pub use request_line::METHOD_BYTES;

/// The head of a request, and what it implies.
///
/// Keep one for each connection and pass it to every [`next_event`](crate::Connection::next_event). Or pass the places of its parts as [`HeadParts`].
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target: a path and query, a whole URI, a host and port for CONNECT, or `*` for OPTIONS.
    pub uri: Uri,
    /// The fields in wire order, spelt as they came.
    pub headers: Headers,
    /// All else.
    pub facts: HeadFacts,
}

/// What a connection knows of the head before, whose fields are nearly always those of the next: a client that keeps its connection says the
/// same of itself with each request. Bytes that were found right are right again, and mean the same.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    /// All of the section, its empty line too.
    fields: FieldBlock,
    facts: Facts,
    /// Whether a GET by HTTP/1.1 with these fields is as [`HeadFacts::PLAIN`] says, and its connection goes on.
    is_plain: bool,
}

/// Longer sections are forgotten with their request: those of browsers are shorter, with all their cookies.
const LONGEST_KEPT: usize = 4 * 1024;

impl Last {
    pub(crate) const fn new() -> Self {
        Self {
            fields: FieldBlock::new(),
            facts: Facts::NONE,
            is_plain: false,
        }
    }

    /// How long the head is that the input begins with, if it is a GET of the path that `uri` has, with the fields of the head before, and says nothing
    /// special.
    #[inline(always)]
    fn repeats(&self, input: &[u8], uri: &Uri, limits: &Limits) -> Option<usize> {
        const VERSION: &[u8] = b" HTTP/1.1\r\n";
        let fields = self.fields.bytes().filter(|_| self.is_plain)?;
        let behind_method = input.strip_prefix(b"GET /")?;
        // What lies in a scope was found right when it came, as this would be.
        let path = target::held(uri)?.strip_prefix(b"/")?;
        let behind_path = match path {
            b"" => behind_method,
            path => behind_method.strip_prefix(path)?,
        };
        let section = behind_path.strip_prefix(VERSION)?;
        let length = input.len() - section.len() + fields.len();
        let fits = path.len() < limits.target_bytes && length <= limits.head_bytes;
        (fits && section.starts_with(fields)).then_some(length)
    }

    /// The same where the fields are those before already.
    #[inline(always)]
    pub(crate) fn same(
        &self,
        input: &[u8],
        uri: &Uri,
        headers: &Headers,
        limits: &Limits,
    ) -> Option<usize> {
        if !headers.is_block(&self.fields) {
            return None;
        }
        self.repeats(input, uri, limits)
    }

    /// Whether a section begins with all of the one before: then it ends there.
    #[inline(always)]
    fn begins(&self, section: &[u8]) -> Option<usize> {
        let known = self.fields.bytes()?;
        section.starts_with(known).then_some(known.len())
    }
}

/// Where the parts of a head are to be put: a [`RequestHead`]'s own, or others', for a server that has places for them and would
/// move them there.
///
/// # Examples
///
/// ```
/// use bytes::BytesMut;
/// use gateway_spec::Headers;
/// use http::{Method, Uri, Version};
/// use http1::{Connection, HeadFacts, HeadParts, Limits};
///
/// let (mut method, mut uri, mut headers) = (Method::PUT, Uri::default(), Headers::new());
/// let mut facts = HeadFacts::default();
/// let head = HeadParts { method: &mut method, uri: &mut uri, headers: &mut headers, facts: &mut facts };
/// let mut input = BytesMut::from("GET /a HTTP/1.1\r\nHost: b\r\n\r\n");
/// Connection::new(Limits::default()).next_event(&mut input, head)?;
/// assert_eq!((method, uri.path(), facts.version), (Method::GET, "/a", Version::HTTP_11));
/// # Ok::<(), http1::PeerError>(())
/// ```
#[derive(Debug)]
pub struct HeadParts<'a> {
    /// The method.
    pub method: &'a mut Method,
    /// The target.
    pub uri: &'a mut Uri,
    /// The fields.
    pub headers: &'a mut Headers,
    /// All else.
    pub facts: &'a mut HeadFacts,
}

impl<'a> From<&'a mut RequestHead> for HeadParts<'a> {
    fn from(head: &'a mut RequestHead) -> Self {
        Self {
            method: &mut head.method,
            uri: &mut head.uri,
            headers: &mut head.headers,
            facts: &mut head.facts,
        }
    }
}

/// What a head says beside its method, its target and its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadFacts {
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// How long the body is.
    pub framing: BodyFraming,
    /// Whether the client waits for a 100 before it sends the body.
    pub expectation: Expectation,
    /// Whether the client offers to switch protocols.
    pub upgrade: Upgrade,
    /// Whether the client wants trailers.
    pub trailers: Trailers,
}

impl HeadFacts {
    /// HTTP/1.1, without a body or anything that is asked of the server beside the reply.
    pub(crate) const PLAIN: Self = Self {
        version: Version::HTTP_11,
        framing: BodyFraming::Empty,
        expectation: Expectation::None,
        upgrade: Upgrade::None,
        trailers: Trailers::Unasked,
    };
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
    /// No, but there are `Upgrade` fields, which `Connection` does not list.
    Unlisted,
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

/// Whether the client wants the connection to go on after an exchange (RFC 9112 section 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It does.
    KeepOpen,
    /// It does not.
    Close,
}

/// How far a head was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Within the request line, or the empty line before it. Up to `scanned`, nothing ends it.
    RequestLine { scanned: usize },
    /// Behind the request line.
    Fields(Behind),
}

/// What was read of a head whose request line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    line: RequestLine,
    lines: FieldLines,
    facts: Facts,
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
    pub(crate) facts: HeadFacts,
}

/// Reads a head that is as the one before it, and says how long it is: what most are where a client asks for the same again, and the least work that
/// finds it right. `None` is no verdict.
#[inline(always)]
pub(crate) fn read_repeated(
    input: &[u8],
    last: &Last,
    limits: &Limits,
    head: &mut HeadParts<'_>,
) -> Option<usize> {
    let length = last.repeats(input, head.uri, limits)?;
    *head.method = Method::GET;
    *head.facts = HeadFacts::PLAIN;
    head.headers.set_block(&last.fields);
    Some(length)
}

/// Reads on, and writes the head into `head` when it is complete.
///
/// `input` begins where it began at the last call, and is not consumed. `index` is empty when a head begins.
#[inline]
pub(crate) fn read(
    input: &[u8],
    progress: &mut Progress,
    index: &mut Vec<Field>,
    last: &mut Last,
    limits: &Limits,
    head: &mut HeadParts<'_>,
) -> Result<Option<Finished>, PeerError> {
    let known = |section: &[u8]| Some((last.begins(section)?, last.facts));
    let end = find_end(input, progress, limits, index, known)?;
    let Some(End {
        line,
        head: bytes,
        section,
        facts,
        seen,
    }) = end
    else {
        return Ok(None);
    };
    line.fill(bytes, section, facts.host, head.method, head.uri)?;
    let finished = facts.decide(bytes, &line)?;
    *head.facts = finished.facts;
    if seen == Seen::New {
        last.facts = facts;
        last.is_plain =
            finished.facts == HeadFacts::PLAIN && finished.persistence == Persistence::KeepOpen;
        // So that the memory of the fields before can be used again, if nobody else has them.
        *head.headers = Headers::new();
        last.fields.refill_validated(section, index);
    }
    head.headers.set_block(&last.fields);
    if section.len() > LONGEST_KEPT {
        last.fields = FieldBlock::new();
    }
    Ok(Some(finished))
}

/// The method of the request that this begins with, whatever else is wrong with it.
pub(crate) fn method_of(input: &[u8]) -> MethodKind {
    let line = input.strip_prefix(b"\r\n").unwrap_or(input);
    let method = line.split(|&byte| byte == b' ').next();
    method.map_or(MethodKind::Other, MethodKind::of)
}

/// A head that was read to its end.
struct End<'a> {
    line: RequestLine,
    /// All of it.
    head: &'a [u8],
    /// The part behind the request line.
    section: &'a [u8],
    /// What the section says.
    facts: Facts,
    seen: Seen,
}

/// Whether the section of a head was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It is that of the head before, whose facts these are.
    Before,
    New,
}

/// Reads on, notes each field, and finds the end of the head. `known` gives length and facts of a section that begins like this, if one is
/// known.
#[inline(always)]
fn find_end<'a>(
    input: &'a [u8],
    progress: &mut Progress,
    limits: &Limits,
    index: &mut Vec<Field>,
    known: impl FnOnce(&[u8]) -> Option<(usize, Facts)>,
) -> Result<Option<End<'a>>, PeerError> {
    let window = &input[..input.len().min(limits.head_bytes)];
    let mut behind = match progress {
        Progress::Fields(behind) => *behind,
        Progress::RequestLine { scanned } => {
            let Some(line) = RequestLine::read(window, scanned, limits)? else {
                return incomplete(window, limits);
            };
            let section = &window[line.end()..];
            if let Some((length, facts)) = known(section) {
                return Ok(Some(End {
                    line,
                    head: &window[..line.end() + length],
                    section: &section[..length],
                    facts,
                    seen: Seen::Before,
                }));
            }
            let mut facts = Facts::default();
            let mut start = 0;
            if limits.fields > 0
                && let Some((host, place)) = Host::plain_line(section, 0)
            {
                facts.host = host;
                index.push(place);
                start = place.value().end + 2;
            }
            Behind {
                line,
                lines: FieldLines::new(start),
                facts,
            }
        }
    };
    let section = &window[behind.line.end()..];
    let end = behind.lines.read(
        section,
        &mut Noted {
            facts: &mut behind.facts,
            index,
            limit: limits.fields,
        },
    )?;
    let Some(length) = end else {
        *progress = Progress::Fields(behind);
        return incomplete(window, limits);
    };
    Ok(Some(End {
        head: &window[..behind.line.end() + length],
        section: &section[..length],
        line: behind.line,
        facts: behind.facts,
        seen: Seen::New,
    }))
}

fn incomplete<T>(window: &[u8], limits: &Limits) -> Result<Option<T>, PeerError> {
    if window.len() >= limits.head_bytes {
        return Err(PeerError::HeadTooLarge);
    }
    Ok(None)
}

/// Notes what each field says that the server itself needs.
struct Noted<'a> {
    facts: &'a mut Facts,
    index: &'a mut Vec<Field>,
    limit: usize,
}

impl Fields for Noted<'_> {
    #[inline(always)]
    fn room(&self) -> usize {
        // Without moving those that are there.
        let capacity = self.index.capacity();
        capacity.min(self.limit).saturating_sub(self.index.len())
    }

    #[inline(always)]
    fn takes(&mut self, line: &Plain<'_>) -> bool {
        if may_matter(line) {
            return false;
        }
        let Some(place) = line.place() else {
            return false;
        };
        self.index.push(place);
        true
    }

    fn note(&mut self, field: Found<'_>) -> Result<(), PeerError> {
        if self.index.len() >= self.limit {
            return Err(PeerError::TooManyFields);
        }
        self.facts.note(field.name, field.value, field.place);
        self.index.push(field.place);
        Ok(())
    }
}
