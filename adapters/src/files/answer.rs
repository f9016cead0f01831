//! What a request for a file is answered with. It may block: see [`Lookup`].

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use gateway_spec::{AppError, HttpScope, ResponseHead};
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION, RANGE, VARY,
};
use http::{HeaderValue, Method, StatusCode};

use super::content_type::ContentTypes;
use super::multipart::Multipart;
use super::path::{Hidden, Target, with_slash};
use super::range::{ByteRange, Part, part};
use super::root::{Entry, Lookup, Root};
use super::validator::{Validators, Verdict};
use crate::ContentCoding;
use crate::coding::{Acceptable, Choice};
use crate::middleware::only;

/// Bytes up to which a body is read at once with the file's opening, and sent with its head. As much as a server buffers: more
/// would be read ahead of a client that does not take it.
const SMALL: u64 = 64 * 1024;

/// Says what caches may do with a file.
pub(super) type CacheControl = Arc<dyn Fn(&Path) -> Option<HeaderValue> + Send + Sync>;

/// Which files are served, and how.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) root: Arc<Root>,
    pub(super) index: Option<OsString>,
    pub(super) page: Option<Target>,
    pub(super) hidden: Hidden,
    pub(super) codings: Vec<ContentCoding>,
    pub(super) types: ContentTypes,
    pub(super) cache_control: Option<CacheControl>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    pub(super) body: Body,
}

/// What follows a head.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it, or nothing.
    Ready(Bytes),
    /// Bytes of a file, not empty.
    Region {
        file: File,
        range: ByteRange,
    },
    Multipart {
        file: File,
        parts: Multipart,
    },
}

/// A file that is to be served.
struct Chosen {
    file: File,
    length: u64,
    modified: SystemTime,
    coding: Option<ContentCoding>,
    /// Whether there are variants to choose from.
    varies: bool,
}

impl Rules {
    /// Looks for what a scope asks for: `None` if there is nothing.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] for what is not to be had by this lookup; [`io::ErrorKind::UnexpectedEof`] if a file was cut
    /// short while it was read; whatever the system says.
    pub(super) fn answer(&self, scope: &HttpScope, lookup: Lookup) -> io::Result<Option<Answer>> {
        let Some(target) = Target::of(scope.path(), self.hidden) else {
            return Ok(None);
        };
        let Some((target, file)) = (match self.root.find(target.path(), lookup)? {
            Entry::Directory if !scope.uri.path().ends_with('/') => {
                // Relative links in its index would lead beside it.
                let index = self.index_of(&target, lookup)?;
                return Ok(index.and_then(|_| redirect(scope)));
            }
            Entry::Directory => self.index_of(&target, lookup)?,
            Entry::File(file) if !target.ends_with_slash => Some((target, file)),
            Entry::File(_) | Entry::Missing => None,
        }) else {
            return self.page(scope, lookup);
        };
        self.serve(scope, &target, file, lookup).map(Some)
    }

    /// The one page that an application in the browser has for all of its paths.
    fn page(&self, scope: &HttpScope, lookup: Lookup) -> io::Result<Option<Answer>> {
        let Some(page) = &self.page else {
            return Ok(None);
        };
        if !is_read(scope) || !wants_page(scope) {
            return Ok(None);
        }
        let Entry::File(file) = self.root.find(page.path(), lookup)? else {
            return Ok(None);
        };
        let mut answer = self.serve(scope, page, file, lookup)?;
        let headers = &mut answer.head.headers;
        headers.append(VARY, HeaderValue::from_static("accept"));
        Ok(Some(answer))
    }

    fn index_of(&self, directory: &Target, lookup: Lookup) -> io::Result<Option<(Target, File)>> {
        let Some(index) = &self.index else {
            return Ok(None);
        };
        let target = directory.join(index);
        Ok(match self.root.find(target.path(), lookup)? {
            Entry::File(file) => Some((target, file)),
            Entry::Directory | Entry::Missing => None,
        })
    }

    fn serve(
        &self,
        scope: &HttpScope,
        target: &Target,
        file: File,
        lookup: Lookup,
    ) -> io::Result<Answer> {
        if !is_read(scope) {
            return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, |head| {
                head.with_header(ALLOW, HeaderValue::from_static("GET, HEAD"))
            }));
        }
        let chosen = self.choose(scope, target, file, lookup)?;
        let Chosen {
            length,
            modified,
            coding,
            varies,
            ..
        } = chosen;
        let validators = Validators::of(modified, length, coding, SystemTime::now());
        let verdict = validators.check(&scope.headers);
        if verdict == Verdict::Failed {
            return Ok(plain(StatusCode::PRECONDITION_FAILED, |head| head));
        }
        // What a cache needs to know, of every state of it (RFC 9110 section 15.4.5).
        let mut head = ResponseHead::new(StatusCode::OK).with_header(ETAG, validators.etag());
        let cache_control = self.cache_control.as_ref();
        if let Some(value) = cache_control.and_then(|decide| decide(target.path())) {
            head = head.with_header(CACHE_CONTROL, value);
        }
        if varies {
            head = head.with_header(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if verdict == Verdict::NotModified {
            head.status = StatusCode::NOT_MODIFIED;
            return Ok(found(head, Body::Ready(Bytes::new())));
        }
        if let Some(value) = validators.last_modified() {
            head = head.with_header(LAST_MODIFIED, value);
        }
        if let Some(coding) = coding {
            head = head.with_header(CONTENT_ENCODING, coding.value());
        }
        head = head.with_header(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let content_type = self.types.of(target.extension());
        let part = asked_part(scope, &validators, length);
        send(head, part, content_type, chosen, scope, lookup)
    }

    /// The file, or what lies beside it in a coding that the client would rather have.
    fn choose(
        &self,
        scope: &HttpScope,
        target: &Target,
        file: File,
        lookup: Lookup,
    ) -> io::Result<Chosen> {
        let acceptable = Acceptable::of(&scope.headers);
        let mut variants = Vec::new();
        for &coding in &self.codings {
            let beside = target.with_suffix(suffix(coding));
            if let Entry::File(file) = self.root.find(beside.path(), lookup)? {
                variants.push((coding, file));
            }
        }
        let varies = !variants.is_empty();
        let choice = acceptable.choose(variants.iter().map(|(coding, _)| *coding));
        let (file, coding) = match choice {
            Choice::Coded(coding) => {
                let variant = variants.into_iter().find(|(of, _)| *of == coding);
                let (_, variant) = variant.expect("what was chosen was offered");
                (variant, Some(coding))
            }
            // A client that takes none of what there is may still make something of it (RFC 9110 section 12.5.3), and whatever
            // stands before this may code it.
            Choice::Identity | Choice::Nothing => (file, None),
        };
        let seen = file.metadata()?;
        Ok(Chosen {
            length: seen.len(),
            modified: seen.modified()?,
            file,
            coding,
            varies,
        })
    }
}

/// Only GET has ranges (RFC 9110 section 14.2).
fn asked_part(scope: &HttpScope, validators: &Validators, length: u64) -> Part {
    match only(&scope.headers, &RANGE) {
        Some(range) if scope.method == Method::GET && validators.allow_range(&scope.headers) => {
            part(range, length)
        }
        _ => Part::Whole,
    }
}

fn send(
    mut head: ResponseHead,
    part: Part,
    content_type: HeaderValue,
    chosen: Chosen,
    scope: &HttpScope,
    lookup: Lookup,
) -> io::Result<Answer> {
    let Chosen { file, length, .. } = chosen;
    let range = match part {
        Part::Whole => ByteRange::all(length),
        Part::One(range) => {
            head.status = StatusCode::PARTIAL_CONTENT;
            head = head.with_header(CONTENT_RANGE, content_range(range, length));
            Some(range)
        }
        Part::Several(ranges) => {
            head.status = StatusCode::PARTIAL_CONTENT;
            let parts = Multipart::new(&ranges, length, &content_type);
            head = head
                .with_header(CONTENT_TYPE, parts.content_type())
                .with_header(CONTENT_LENGTH, parts.length().into());
            return Ok(found(head, Body::Multipart { file, parts }));
        }
        Part::Unsatisfiable => {
            return Ok(plain(StatusCode::RANGE_NOT_SATISFIABLE, |head| {
                let value = HeaderValue::try_from(format!("bytes */{length}"));
                head.with_header(CONTENT_RANGE, value.expect("digits are a value"))
            }));
        }
    };
    let bytes = range.map_or(0, ByteRange::length);
    head = head
        .with_header(CONTENT_TYPE, content_type)
        .with_header(CONTENT_LENGTH, bytes.into());
    let body = match range {
        Some(range) if scope.method == Method::GET => {
            if bytes > SMALL {
                Body::Region { file, range }
            } else {
                read_small(file, range, lookup)?
            }
        }
        _ => Body::Ready(Bytes::new()),
    };
    Ok(found(head, body))
}

/// Reads what goes out with the head.
fn read_small(file: File, range: ByteRange, lookup: Lookup) -> io::Result<Body> {
    let length = usize::try_from(range.length()).expect("little fits in memory");
    let mut bytes = vec![0; length];
    match lookup {
        Lookup::Whole => file.read_exact_at(&mut bytes, range.first)?,
        #[cfg(target_os = "linux")]
        Lookup::Cached => {
            use rustix::io::{ReadWriteFlags, preadv2};
            let buffer = &mut [io::IoSliceMut::new(&mut bytes)];
            let read = preadv2(&file, buffer, range.first, ReadWriteFlags::NOWAIT);
            if read != Ok(length) {
                // Not in memory, not all of it, or of a file system that cannot say: the server reads it off this thread.
                return Ok(Body::Region { file, range });
            }
        }
        #[cfg(not(target_os = "linux"))]
        Lookup::Cached => return Ok(Body::Region { file, range }),
    }
    Ok(Body::Ready(bytes.into()))
}

/// Whether the client is a browser that goes to a page, and not one that fetches a picture or a script for it.
fn wants_page(scope: &HttpScope) -> bool {
    let accepted = scope.headers.get_all(http::header::ACCEPT);
    let mut ranges = accepted.flat_map(|value| value.split(|&byte| byte == b','));
    ranges.any(|range| {
        let name = range.split(|&byte| byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"text/html")
    })
}

pub(super) fn content_range(range: ByteRange, length: u64) -> HeaderValue {
    let ByteRange { first, last } = range;
    let value = HeaderValue::try_from(format!("bytes {first}-{last}/{length}"));
    value.expect("digits are a value")
}

/// Where the files with a coding lie.
const fn suffix(coding: ContentCoding) -> &'static str {
    match coding {
        ContentCoding::Brotli => ".br",
        ContentCoding::Zstd => ".zst",
        ContentCoding::Gzip => ".gz",
    }
}

/// Not for ever: what is a directory today may be a file tomorrow.
fn redirect(scope: &HttpScope) -> Option<Answer> {
    let location = with_slash(scope.uri.path(), scope.query());
    let location = HeaderValue::try_from(location).ok()?;
    Some(plain(StatusCode::TEMPORARY_REDIRECT, |head| {
        head.with_header(LOCATION, location)
    }))
}

fn is_read(scope: &HttpScope) -> bool {
    matches!(scope.method, Method::GET | Method::HEAD)
}

/// An answer that looks like those that servers give by themselves.
fn plain(status: StatusCode, change: impl FnOnce(ResponseHead) -> ResponseHead) -> Answer {
    let answer = AppError::status(status).response();
    found(change(answer.head), Body::Ready(answer.body))
}

const fn found(head: ResponseHead, body: Body) -> Answer {
    Answer { head, body }
}

/// The name of an index, as it was given.
pub(super) fn index_name(name: &str) -> Option<OsString> {
    let name = OsStr::new(name);
    super::path::is_file_name(name).then(|| name.to_owned())
}
