//! The line that a request begins with (RFC 9112 section 3).

use std::ops::Range;

use http::{Method, Uri, Version};

use crate::error::PeerError;
use crate::field_lines;
use crate::limits::Limits;
use crate::scan;
use crate::state::MethodKind;
use crate::target::{self, Host};

/// Where the parts of a request line lie. Single spaces stand between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestLine {
    start: u32,
    method_end: u32,
    target_end: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A GET of a path that has none but plain bytes, by HTTP/1.1: nothing of it is left to be looked at.
    Plain,
    Http11,
    Http10,
}

/// Bytes in a method, at the most: the longest registered, `UPDATEREDIRECTREF`, has 17.
pub const METHOD_BYTES: usize = 32;

impl RequestLine {
    /// `None` when the line is not complete; `scanned` then says how far it has no end.
    #[inline(always)]
    pub(crate) fn read(
        bytes: &[u8],
        scanned: &mut usize,
        limits: &Limits,
    ) -> Result<Option<Self>, PeerError> {
        // A line that comes in pieces is not looked at from its beginning again.
        if *scanned == 0
            && let Some(line) = Self::plain(bytes, limits)
        {
            return Ok(Some(line));
        }
        Self::read_any(bytes, scanned, limits)
    }

    #[inline(always)]
    fn plain(bytes: &[u8], limits: &Limits) -> Option<Self> {
        let behind = bytes.strip_prefix(b"GET ")?;
        let version = scan::behind_plain_target(behind)?;
        let target = behind.len() - version.len();
        let is_plain = behind.first() == Some(&b'/')
            && target <= limits.target_bytes
            && version.starts_with(b" HTTP/1.1\r\n");
        is_plain.then_some(Self {
            start: 0,
            method_end: 3,
            target_end: 4 + target as u32,
            kind: Kind::Plain,
        })
    }

    fn read_any(
        bytes: &[u8],
        scanned: &mut usize,
        limits: &Limits,
    ) -> Result<Option<Self>, PeerError> {
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
        let kind = match version {
            b" HTTP/1.1" => Kind::Http11,
            b" HTTP/1.0" => Kind::Http10,
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
            start: line.start as u32,
            method_end: method_end as u32,
            target_end: (method_end + 1 + target.len()) as u32,
            kind,
        })
    }

    /// Where the line behind it begins.
    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        self.target_end as usize + b" HTTP/1.1\r\n".len()
    }

    #[inline(always)]
    pub(crate) const fn version(&self) -> Version {
        match self.kind {
            Kind::Plain | Kind::Http11 => Version::HTTP_11,
            Kind::Http10 => Version::HTTP_10,
        }
    }

    #[inline(always)]
    pub(crate) fn method_kind(&self, bytes: &[u8]) -> MethodKind {
        match self.kind {
            Kind::Plain => MethodKind::Other,
            Kind::Http11 | Kind::Http10 => MethodKind::of(self.method_name(bytes)),
        }
    }

    /// Writes the method and the target, which `host` must agree with; that lies in the section behind the line.
    #[inline(always)]
    pub(crate) fn fill(
        &self,
        bytes: &[u8],
        section: &[u8],
        host: Host,
        method: &mut Method,
        uri: &mut Uri,
    ) -> Result<(), PeerError> {
        if self.kind == Kind::Plain {
            host.check(section)?;
            *method = Method::GET;
            return target::fill(&bytes[self.target()], uri);
        }
        let name = self.method_name(bytes);
        *method = Method::from_bytes(name).map_err(|_| PeerError::Method)?;
        let host = host.read(section, self.version())?;
        target::read(name, bytes, self.target(), host)?;
        target::fill(&bytes[self.target()], uri)
    }

    #[inline(always)]
    fn method_name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..self.method_end as usize]
    }

    #[inline(always)]
    fn target(&self) -> Range<usize> {
        self.method_end as usize + 1..self.target_end as usize
    }
}
