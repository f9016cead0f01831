//! Which answers are coded, and what their heads say then (RFC 9110 sections 8.4 and 12.5.5).

use std::fmt;
use std::sync::Arc;

use gateway_spec::{Headers, HttpScope, ResponseHead};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::encoder::Levels;
use crate::ContentCoding;
use crate::coding::{Acceptable, Choice};
use crate::middleware::only;

/// Fields with which an answer vouches for its bytes as they are (RFC 9530, and what was before it).
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// What was set for all requests.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) codings: Vec<ContentCoding>,
    pub(super) levels: Levels,
    pub(super) min_length: u64,
    pub(super) when: Arc<dyn Fn(&ResponseHead) -> bool + Send + Sync>,
}

/// What a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    acceptable: Acceptable,
    pub(super) body: BodyWanted,
    /// Whether the client holds an answer by a weak tag: one that was coded here, it may be.
    holds_weak: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyWanted {
    Yes,
    /// HEAD.
    No,
}

impl Asked {
    pub(super) fn of(scope: &HttpScope) -> Self {
        let mut tags = scope.headers.get_all(IF_NONE_MATCH);
        Self {
            acceptable: Acceptable::of(&scope.headers),
            body: if scope.method == Method::HEAD {
                BodyWanted::No
            } else {
                BodyWanted::Yes
            },
            holds_weak: tags.any(|value| value.trim_ascii_start().starts_with(b"W/")),
        }
    }
}

impl Settings {
    /// Decides what an answer of this length, if it is known, is coded in; and puts into its head what that means.
    pub(super) fn decide(
        &self,
        asked: &Asked,
        head: &mut ResponseHead,
        length: Option<u64>,
    ) -> Option<ContentCoding> {
        let choice = asked.acceptable.choose(self.codings.iter().copied());
        if head.status == StatusCode::NOT_MODIFIED {
            self.confirm(asked, choice, head);
            return None;
        }
        if !may_be_coded(head) {
            return None;
        }
        // Rather coded for nothing than what the client cannot take.
        let must = !asked.acceptable.takes_identity();
        let is_little = length.is_some_and(|length| length < self.min_length);
        let is_worth_it = !is_little && (self.when)(head);
        if length == Some(0) || !(must || is_worth_it) {
            return None;
        }
        add_vary(&mut head.headers);
        let Choice::Coded(coding) = choice else {
            return None;
        };
        recode(&mut head.headers, coding);
        Some(coding)
    }

    /// 304 says what 200 would (section 15.4.5), and of the answer that the client holds. Of a length and a type it says nothing: rather
    /// `Vary` for nothing than a cache that hands on what its client cannot read.
    fn confirm(&self, asked: &Asked, choice: Choice, head: &mut ResponseHead) {
        if self.codings.is_empty() || !may_be_coded(head) {
            return;
        }
        add_vary(&mut head.headers);
        if asked.holds_weak && matches!(choice, Choice::Coded(_)) {
            weaken(&mut head.headers);
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("codings", &self.codings)
            .field("levels", &self.levels)
            .field("min_length", &self.min_length)
            .finish_non_exhaustive()
    }
}

/// Whether nothing forbids it.
fn may_be_coded(head: &ResponseHead) -> bool {
    let headers = &head.headers;
    let has_body = !matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT
    );
    has_body
        && head.status != StatusCode::PARTIAL_CONTENT
        && !headers.contains(CONTENT_RANGE)
        && !headers.contains(CONTENT_ENCODING)
        && !headers.contains_token(CACHE_CONTROL, "no-transform")
        && !DIGESTS.iter().any(|name| headers.contains(*name))
}

/// What is said of the answer is true of it coded.
fn recode(headers: &mut Headers, coding: ContentCoding) {
    headers.remove(CONTENT_LENGTH);
    // A range is of the coded bytes, which are others each time.
    headers.remove(ACCEPT_RANGES);
    weaken(headers);
    headers.append(CONTENT_ENCODING, coding.value());
}

/// The same content in other bytes is the same weakly (section 8.8.1).
fn weaken(headers: &mut Headers) {
    let weak = match only(headers, &ETAG) {
        Some(tag) if tag.starts_with(b"\"") => HeaderValue::from_bytes(&[b"W/", tag].concat()),
        _ => return,
    };
    if let Ok(weak) = weak {
        headers.insert(ETAG, weak);
    }
}

fn add_vary(headers: &mut Headers) {
    const NAME: &str = "accept-encoding";
    if !headers.contains_token(VARY, NAME) && !headers.contains_token(VARY, "*") {
        headers.append(VARY, HeaderValue::from_static(NAME));
    }
}

/// The length that a head declares.
pub(super) enum Declared {
    Nothing,
    Length(u64),
    /// Nothing that can be sent (HTTP-22).
    Wrong,
}

impl Declared {
    pub(super) fn of(headers: &Headers) -> Self {
        if !headers.contains(CONTENT_LENGTH) {
            return Self::Nothing;
        }
        let value = only(headers, &CONTENT_LENGTH).and_then(|value| str::from_utf8(value).ok());
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        match value.filter(is_number).and_then(|text| text.parse().ok()) {
            Some(length) => Self::Length(length),
            None => Self::Wrong,
        }
    }
}

/// Whether content of this type gets much smaller by coding: text, and what is written in it.
///
/// Pictures, sound, film and archives are coded already.
///
/// # Examples
///
/// ```
/// use adapters::middleware::is_compressible;
///
/// assert!(is_compressible("application/problem+json; charset=utf-8"));
/// assert!(!is_compressible("image/png"));
/// ```
#[must_use]
pub fn is_compressible(content_type: &str) -> bool {
    const OF_TEXT: [&str; 12] = [
        "application/javascript",
        "application/json",
        "application/x-javascript",
        "application/x-ndjson",
        "application/rtf",
        "application/wasm",
        "application/xml",
        "application/sql",
        "font/collection",
        "font/otf",
        "font/ttf",
        "image/bmp",
    ];
    let name = content_type.split(';').next().unwrap_or_default().trim();
    let has = |suffix: &str| {
        let from = name.len().checked_sub(suffix.len());
        let end = from.and_then(|from| name.get(from..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    let is_text = name
        .get(..5)
        .is_some_and(|begin| begin.eq_ignore_ascii_case("text/"));
    let is_icon = has("/x-icon") || has("/vnd.microsoft.icon");
    is_text || has("+json") || has("+xml") || is_icon || OF_TEXT.iter().any(|of_text| has(of_text))
}

/// What is coded unless something else is said.
pub(super) fn by_type(head: &ResponseHead) -> bool {
    let name: HeaderName = CONTENT_TYPE;
    head.headers.get_str(name).is_some_and(is_compressible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_what_is_written_in_it_is_coded() {
        for (content_type, expected) in [
            ("text/html; charset=utf-8", true),
            ("TEXT/PLAIN", true),
            ("text/event-stream", true),
            ("application/json", true),
            ("application/ld+json", true),
            ("Application/Problem+JSON ; charset=utf-8", true),
            ("image/svg+xml", true),
            ("application/xhtml+xml", true),
            ("application/wasm", true),
            ("application/javascript", true),
            ("image/x-icon", true),
            ("image/png", false),
            ("video/mp4", false),
            ("application/zip", false),
            ("application/octet-stream", false),
            ("application/grpc", false),
            ("multipart/form-data", false),
            ("font/woff2", false),
            ("textual", false),
            ("täxt/", false),
            ("", false),
        ] {
            assert_eq!(is_compressible(content_type), expected, "{content_type}");
        }
    }
}
