//! The forms of a request target (RFC 9112 section 3.2), the bytes that one may have, and the Host field that must agree with it.
//!
//! All bytes are of ASCII: a URI has no others (RFC 3986 section 2), and whoever takes them reads them in an encoding that the
//! next one need not share. Beyond what a URI may have, a target may have what browsers send as it is (the percent-encode sets of
//! the WHATWG URL standard): in the query `[`, `]`, `{`, `}`, `|`, `^`, a backslash, a backtick and a percent sign alone; in the
//! path `[`, `]` and `|`. Nothing else is taken. A path has the three since routers and caches decode paths, but has no percent
//! sign without its two digits (RFC 3986 section 2.1), since they differ in what they make of one; and no backslash, which some
//! take for a slash and browsers turn into one.
//!
//! The rules for the `:path` of HTTP/2 are the same; server-host has them too.

use std::net::Ipv6Addr;
use std::ops::Range;

use bytes::Bytes;
use gateway_spec::Field;
use http::{Uri, Version};

use crate::error::PeerError;
use crate::scan;

/// What the Host fields of a request said, one noted after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Host {
    #[default]
    Absent,
    /// Where the value lies, which is right.
    Plain {
        start: u32,
        end: u32,
    },
    /// Where the value lies.
    Once {
        start: u32,
        end: u32,
    },
    Repeated,
}

impl Host {
    pub(crate) fn note(&mut self, value: Range<usize>) {
        *self = match self {
            Self::Absent => Self::Once {
                start: value.start as u32,
                end: value.end as u32,
            },
            Self::Plain { .. } | Self::Once { .. } | Self::Repeated => Self::Repeated,
        };
    }

    /// The line at `line`, if it is a Host as nearly all requests have it, and have it first: a name of letters, digits, dots and hyphens, and a
    /// port of at most four digits. What is none of these may be right all the same.
    #[inline(always)]
    pub(crate) fn plain_line(bytes: &[u8], line: usize) -> Option<(Self, Field)> {
        let value = bytes.get(line..)?.strip_prefix(b"Host: ")?;
        let behind_name = scan::behind_plain_host(value)?;
        let behind = behind_name.strip_prefix(b":").map_or(behind_name, |port| {
            let digits = port.iter().take(4).take_while(|byte| byte.is_ascii_digit());
            &port[digits.count()..]
        });
        let is_plain = behind.starts_with(b"\r\n") && behind_name.len() < value.len();
        let start = line + b"Host: ".len();
        let length = value.len() - behind.len();
        let host = Self::Plain {
            start: start as u32,
            end: (start + length) as u32,
        };
        let place = Field::from_parts(line as u32, 4, start as u32, length as u32);
        is_plain.then_some((host, place))
    }

    /// Whether there is the one Host that HTTP/1.1 must have.
    #[inline(always)]
    pub(crate) fn check(self, bytes: &[u8]) -> Result<(), PeerError> {
        match self {
            Self::Plain { .. } => Ok(()),
            _ => self.read(bytes, Version::HTTP_11).map(drop),
        }
    }

    /// The one Host that HTTP/1.1 must have and HTTP/1.0 may have.
    pub(crate) fn read(
        self,
        bytes: &[u8],
        version: Version,
    ) -> Result<Option<Authority<'_>>, PeerError> {
        match self {
            Self::Plain { start, end } | Self::Once { start, end } => {
                Authority::read(bytes, start as usize..end as usize)
                    .map(Some)
                    .ok_or(PeerError::Host)
            }
            Self::Repeated => Err(PeerError::RepeatedHost),
            Self::Absent if version == Version::HTTP_10 => Ok(None),
            Self::Absent => Err(PeerError::MissingHost),
        }
    }
}

/// Whether the target at `target` in `bytes` has a form that the method takes, and Host agrees with it.
///
/// What may stand in a path or query is left to `fill`.
pub(crate) fn read(
    method: &[u8],
    bytes: &[u8],
    target: Range<usize>,
    host: Option<Authority<'_>>,
) -> Result<(), PeerError> {
    match &bytes[target.clone()] {
        _ if method == b"CONNECT" => check_authority_form(bytes, target, host),
        [b'/', ..] => Ok(()),
        b"*" if method == b"OPTIONS" => Ok(()),
        _ => check_absolute_form(bytes, target, host),
    }
}

/// Writes a target into `uri`. A URI that already is this target stays as it is, which saves its allocation.
#[inline]
pub(crate) fn fill(text: &[u8], uri: &mut Uri) -> Result<(), PeerError> {
    if !holds(uri, text) {
        *uri = to_uri(text)?;
    }
    Ok(())
}

fn to_uri(text: &[u8]) -> Result<Uri, PeerError> {
    match text {
        b"/" => Ok(Uri::default()),
        _ if text.len() > LONGEST_URI => Err(PeerError::TargetTooLong),
        // `Uri` takes more, and would drop a fragment.
        _ if !has_right_bytes(text) => Err(PeerError::Target),
        _ => Uri::from_maybe_shared(Bytes::copy_from_slice(text)).map_err(|_| PeerError::Target),
    }
}

/// Whether a target has only bytes that its path and its query may have; an authority has no others than a path.
#[inline]
fn has_right_bytes(text: &[u8]) -> bool {
    let plain = scan::plain_target_end(text, 0);
    plain == text.len() || has_right_rare_bytes(text, plain)
}

/// As `has_right_bytes`, of a target which is plain up to `at` only.
fn has_right_rare_bytes(text: &[u8], mut at: usize) -> bool {
    let path_end = memchr::memchr(b'?', text).unwrap_or(text.len());
    while at < text.len() {
        let length = match &text[at..] {
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => 3,
            [b'!' | b'$' | b'@' | b'[' | b']' | b'|' | b'~', ..] => 1,
            [b'%' | b'\\' | b'^' | b'`' | b'{' | b'}', ..] if at > path_end => 1,
            _ => return false,
        };
        at += length;
        // Escapes stand together: those of a letter beyond ASCII do.
        if text.get(at) != Some(&b'%') {
            at = scan::plain_target_end(text, at);
        }
    }
    true
}

/// Bytes that a `Uri` can hold.
const LONGEST_URI: usize = u16::MAX as usize - 1;

/// Whether the URI is this target, in origin form or as an asterisk.
fn holds(uri: &Uri, text: &[u8]) -> bool {
    held(uri).is_some_and(|held| is(held, text))
}

/// The target that the URI is, in origin form or as an asterisk.
#[inline]
pub(crate) fn held(uri: &Uri) -> Option<&[u8]> {
    let target = uri.path_and_query().filter(|_| uri.authority().is_none());
    target.map(|target| target.as_str().as_bytes())
}

/// Whether two targets are the same. The shortest, which is the commonest, is compared in place.
#[inline(always)]
fn is(a: &[u8], b: &[u8]) -> bool {
    match (a, b) {
        ([a], [b]) => a == b,
        _ => a == b,
    }
}

fn check_authority_form(
    bytes: &[u8],
    target: Range<usize>,
    host: Option<Authority<'_>>,
) -> Result<(), PeerError> {
    let authority = Authority::read(bytes, target).ok_or(PeerError::Target)?;
    if authority.port.is_none() {
        return Err(PeerError::Target);
    }
    match host {
        // Some clients leave the port out.
        Some(host) if host.port.is_none() && host.has_name_of(authority) => Ok(()),
        Some(host) if host != authority => Err(PeerError::HostDiffers),
        Some(_) | None => Ok(()),
    }
}

fn check_absolute_form(
    bytes: &[u8],
    target: Range<usize>,
    host: Option<Authority<'_>>,
) -> Result<(), PeerError> {
    let (default_port, scheme) = match &bytes[target.clone()] {
        text if starts_with(text, b"http://") => (80, b"http://".len()),
        text if starts_with(text, b"https://") => (443, b"https://".len()),
        _ => return Err(PeerError::Target),
    };
    let start = target.start + scheme;
    let length = bytes[start..target.end]
        .iter()
        .position(|byte| b"/?#".contains(byte));
    let end = length.map_or(target.end, |length| start + length);
    let authority = Authority::read(bytes, start..end).ok_or(PeerError::Target)?;
    match host {
        Some(host) if host.with_port(default_port) != authority.with_port(default_port) => {
            Err(PeerError::HostDiffers)
        }
        Some(_) | None => Ok(()),
    }
}

fn starts_with(text: &[u8], lower: &[u8]) -> bool {
    text.get(..lower.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

/// A host with an optional port; no user information, which no request may have (RFC 9110 section 4.2.4).
///
/// The host is an IPv6 address in brackets, an IPv4 address or a registered name (RFC 3986 section 3.2.2), and not empty: an
/// `http` URI must have one (RFC 9110 section 4.2.1). Address formats of the future are not known and refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authority<'a> {
    name: &'a [u8],
    port: Option<u16>,
}

impl PartialEq for Authority<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.has_name_of(*other) && self.port == other.port
    }
}

impl<'a> Authority<'a> {
    #[inline]
    fn read(bytes: &'a [u8], place: Range<usize>) -> Option<Self> {
        // Bytes behind the value are looked at too, so that the search need not go byte by byte.
        let mut end = scan::plain_host_end(bytes, place.start).min(place.end);
        if end != place.end {
            end = name_end(bytes, place.clone(), end)?;
        }
        let name = &bytes[place.start..end];
        if name.is_empty() {
            return None;
        }
        let port = match &bytes[end..place.end] {
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(port(digits)?),
            _ => return None,
        };
        Some(Self { name, port })
    }

    fn has_name_of(self, other: Self) -> bool {
        self.name.eq_ignore_ascii_case(other.name)
    }

    fn with_port(self, default: u16) -> Self {
        Self {
            name: self.name,
            port: self.port.or(Some(default)),
        }
    }
}

/// The end of a name which is plain up to `plain` only.
fn name_end(bytes: &[u8], place: Range<usize>, plain: usize) -> Option<usize> {
    let text = &bytes[..place.end];
    if text[place.start] == b'[' {
        let length = text[place.start..].iter().position(|&byte| byte == b']')?;
        let end = place.start + length;
        str::from_utf8(&text[place.start + 1..end])
            .ok()?
            .parse::<Ipv6Addr>()
            .ok()?;
        return Some(end + 1);
    }
    let mut at = plain;
    loop {
        match text.get(at..)? {
            [] | [b':', ..] => return Some(at),
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => at += 3,
            [
                b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';'
                | b'=',
                ..,
            ] => at += 1,
            [b'-' | b'.', ..] => at += 1,
            [byte, ..] if byte.is_ascii_alphanumeric() => at += 1,
            _ => return None,
        }
    }
}

/// Digits alone: `u16::from_str` takes a sign too.
fn port(digits: &[u8]) -> Option<u16> {
    let mut port = 0_u32;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 || port > u16::MAX.into() {
            return None;
        }
        port = port * 10 + u32::from(digit);
    }
    u16::try_from(port).ok()
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::fill;

    #[test]
    fn a_target_is_filled_in_as_it_is() {
        for byte in 0..=u8::MAX {
            for text in [
                [b"/a".as_slice(), &[byte], b"b"].concat(),
                [b"/a?".as_slice(), &[byte]].concat(),
                [b"/", [byte].as_slice(), &[b'x'; 40]].concat(),
                [b"/".as_slice(), &[b'x'; 40], &[byte]].concat(),
                [b"http://a/".as_slice(), &[byte]].concat(),
                [b"/%4".as_slice(), &[byte]].concat(),
                [b"/%".as_slice(), &[byte], b"4"].concat(),
                [b"/?%".as_slice(), &[byte]].concat(),
            ] {
                let mut uri = Uri::default();
                let filled = fill(&text, &mut uri);
                if filled.is_ok() && text[0] == b'/' {
                    let held = uri.path_and_query().map(|held| held.as_str().as_bytes());
                    assert_eq!(held, Some(&*text), "{}", text.escape_ascii());
                }
            }
        }
    }
}
