//! What a representation is known by, and what a request says of that: RFC 9110 sections 8.8 and 13.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateway_spec::Headers;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderName, HeaderValue};

use crate::ContentCoding;
use crate::middleware::only;

/// How long a file must have been as it is for its validators to be strong: within that time it may be changed again and keep
/// its time stamp, whose grain may be coarse (section 8.8.2.2).
const SETTLED: Duration = Duration::from_secs(1);

/// The first second that HTTP's date format cannot say.
const YEAR_10_000: u64 = 253_402_300_800;

/// What one state of a representation is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    /// With its quotes, and without `W/`.
    tag: String,
    strength: Strength,
    /// In whole seconds; none where HTTP cannot say it.
    modified: Option<SystemTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
    Strong,
    Weak,
}

/// What the conditions of a request come to (section 13.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer as if there were none.
    Go,
    /// 304: the client has it.
    NotModified,
    /// 412: it is not what the client takes it for.
    Failed,
}

impl Validators {
    /// Of a file of this time and length, and of its coded variants each its own. No number of the file itself: the same files on
    /// several machines are the same.
    pub(super) fn of(
        modified: SystemTime,
        length: u64,
        coding: Option<ContentCoding>,
        now: SystemTime,
    ) -> Self {
        let (sign, since) = match modified.duration_since(UNIX_EPOCH) {
            Ok(since) => ("", since),
            Err(before) => ("-", before.duration()),
        };
        let mut tag = format!("\"{sign}{:x}-{length:x}", since.as_nanos());
        if let Some(coding) = coding {
            // Writing to a string cannot fail.
            let _ = write!(tag, "-{coding}");
        }
        tag.push('"');
        let is_settled = now.duration_since(modified).is_ok_and(|age| age >= SETTLED);
        Self {
            tag,
            strength: if is_settled {
                Strength::Strong
            } else {
                Strength::Weak
            },
            modified: whole_seconds(modified.min(now)),
        }
    }

    pub(super) fn etag(&self) -> HeaderValue {
        let text = match self.strength {
            Strength::Strong => HeaderValue::from_str(&self.tag),
            Strength::Weak => HeaderValue::try_from(format!("W/{}", self.tag)),
        };
        text.expect("quotes, digits and letters are a value")
    }

    pub(super) fn last_modified(&self) -> Option<HeaderValue> {
        let text = httpdate::fmt_http_date(self.modified?);
        Some(HeaderValue::try_from(text).expect("a date is a value"))
    }

    /// What the conditions of a GET or HEAD come to, in their order of precedence.
    pub(super) fn check(&self, headers: &Headers) -> Verdict {
        let holds = if headers.contains(IF_MATCH) {
            tags(headers, &IF_MATCH).matches(|tag| self.is_strongly(tag))
        } else {
            let since = date(headers, &IF_UNMODIFIED_SINCE);
            since.is_none_or(|since| self.modified.is_some_and(|modified| modified <= since))
        };
        if !holds {
            return Verdict::Failed;
        }
        let has_it = if headers.contains(IF_NONE_MATCH) {
            tags(headers, &IF_NONE_MATCH).matches(|tag| self.is_weakly(tag))
        } else {
            let since = date(headers, &IF_MODIFIED_SINCE);
            since.is_some_and(|since| self.modified.is_some_and(|modified| modified <= since))
        };
        if has_it {
            Verdict::NotModified
        } else {
            Verdict::Go
        }
    }

    /// Whether a part of this can be put together with what the client has: `If-Range` is not there, or names exactly this (section
    /// 13.1.5).
    pub(super) fn allow_range(&self, headers: &Headers) -> bool {
        if !headers.contains(IF_RANGE) {
            return true;
        }
        if self.strength == Strength::Weak {
            return false;
        }
        let Some(value) = only(headers, &IF_RANGE) else {
            return false;
        };
        if let [tag] = &*Tags::of(value).list {
            return self.is_strongly(tag);
        }
        parse_date(value).is_some_and(|date| self.modified == Some(date))
    }

    fn is_strongly(&self, tag: &Tag<'_>) -> bool {
        self.strength == Strength::Strong && tag.strength == Strength::Strong && self.is_weakly(tag)
    }

    fn is_weakly(&self, tag: &Tag<'_>) -> bool {
        tag.opaque == self.tag.as_bytes()
    }
}

fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds < YEAR_10_000).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

/// A date that is there once and is one; of a field with anything else the condition is ignored.
fn date(headers: &Headers, name: &HeaderName) -> Option<SystemTime> {
    parse_date(only(headers, name)?)
}

fn parse_date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()
}

/// The members of `If-Match` or `If-None-Match`.
#[derive(Debug, Default)]
struct Tags<'a> {
    list: Vec<Tag<'a>>,
    any: bool,
}

#[derive(Debug)]
struct Tag<'a> {
    /// With its quotes.
    opaque: &'a [u8],
    strength: Strength,
}

fn tags<'a>(headers: &'a Headers, name: &HeaderName) -> Tags<'a> {
    let mut all = Tags::default();
    for value in headers.get_all(name) {
        let Tags { list, any } = Tags::of(value);
        all.list.extend(list);
        all.any |= any;
    }
    all
}

impl<'a> Tags<'a> {
    /// A tag may hold a comma, so it is read and not split. What is no tag ends the list.
    fn of(value: &'a [u8]) -> Self {
        let mut tags = Self::default();
        if value.trim_ascii() == b"*" {
            tags.any = true;
            return tags;
        }
        let mut rest = value;
        loop {
            rest = match rest {
                [b' ' | b'\t' | b',', after @ ..] => {
                    rest = after;
                    continue;
                }
                rest => rest,
            };
            let (strength, after) = match rest.strip_prefix(b"W/") {
                Some(after) => (Strength::Weak, after),
                None => (Strength::Strong, rest),
            };
            let Some(length) = quoted(after) else {
                return tags;
            };
            let (opaque, after) = after.split_at(length);
            tags.list.push(Tag { opaque, strength });
            rest = after;
        }
    }

    fn matches(&self, is_same: impl Fn(&Tag<'_>) -> bool) -> bool {
        self.any || self.list.iter().any(is_same)
    }
}

/// How long the quoted tag is with which these bytes begin.
fn quoted(bytes: &[u8]) -> Option<usize> {
    let inner = bytes.strip_prefix(b"\"")?;
    let length = inner.iter().position(|&byte| byte == b'"')?;
    Some(length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: u64 = 1_700_000_000;
    const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const BEFORE: &str = "Tue, 14 Nov 2023 22:13:19 GMT";
    const AFTER: &str = "Tue, 14 Nov 2023 22:13:21 GMT";
    const TAG: &str = "\"17979cfe362a0000-64\"";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn settled() -> Validators {
        Validators::of(at(MODIFIED), 100, None, at(MODIFIED + 1))
    }

    fn headers(fields: &[(&'static str, &str)]) -> Headers {
        let field = |(name, value): &(&'static str, &str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn a_file_is_known_by_its_time_and_its_length() {
        let validators = settled();
        assert_eq!(validators.etag(), TAG);
        assert_eq!(validators.last_modified().unwrap(), DATE);
        let coded = Validators::of(
            at(MODIFIED),
            100,
            Some(ContentCoding::Brotli),
            at(MODIFIED + 1),
        );
        assert_eq!(coded.etag(), "\"17979cfe362a0000-64-br\"");
    }

    #[test]
    fn a_file_that_has_just_changed_is_known_weakly() {
        let fresh = Validators::of(at(MODIFIED), 100, None, at(MODIFIED));
        assert_eq!(fresh.etag(), format!("W/{TAG}").as_str());
        let if_match = headers(&[("if-match", TAG)]);
        assert_eq!(fresh.check(&if_match), Verdict::Failed);
        assert!(!fresh.allow_range(&headers(&[("if-range", TAG)])));
        assert!(!fresh.allow_range(&headers(&[("if-range", DATE)])));
        assert!(fresh.allow_range(&headers(&[])));
    }

    #[test]
    fn no_time_breaks_it() {
        let far = UNIX_EPOCH + Duration::from_secs(YEAR_10_000);
        let last = YEAR_10_000 - 1;
        let ancient = UNIX_EPOCH - Duration::from_millis(1500);
        let now = at(MODIFIED);
        // Of the future is what the clock says.
        let of_future = Validators::of(far, 1, None, now);
        assert_eq!(of_future.last_modified().unwrap(), DATE);
        assert_eq!(of_future.strength, Strength::Weak);
        assert_eq!(Validators::of(ancient, 1, None, now).last_modified(), None);
        assert_eq!(
            Validators::of(ancient, 1, None, now).etag(),
            "\"-59682f00-1\""
        );
        assert_eq!(
            Validators::of(far, 1, None, far + SETTLED).last_modified(),
            None
        );
        assert!(
            Validators::of(at(last), 1, None, far)
                .last_modified()
                .is_some()
        );
    }

    #[test]
    fn conditions_hold_in_their_order() {
        use Verdict::{Failed, Go, NotModified};
        let weak = &*format!("W/{TAG}");
        let list = &*format!("\"a,b\" , W/\"c\",, {TAG}");
        let (same, since) = ("if-match", "if-unmodified-since");
        let (other, after) = ("if-none-match", "if-modified-since");
        for (fields, expected) in [
            (&[][..], Go),
            (&[(same, TAG)], Go),
            (&[(same, "*")], Go),
            (&[(same, list)], Go),
            (&[(same, weak)], Failed),
            (&[(same, "\"x\"")], Failed),
            (&[(same, "nonsense")], Failed),
            (&[(same, "")], Failed),
            (&[(same, "\"x\""), (same, TAG)], Go),
            // If-Match stands before If-Unmodified-Since.
            (&[(same, TAG), (since, BEFORE)], Go),
            (&[(same, "\"x\""), (since, AFTER)], Failed),
            (&[(since, DATE)], Go),
            (&[(since, AFTER)], Go),
            (&[(since, BEFORE)], Failed),
            (&[(since, "yesterday")], Go),
            (&[(since, BEFORE), (since, BEFORE)], Go),
            (&[(other, TAG)], NotModified),
            (&[(other, weak)], NotModified),
            (&[(other, "*")], NotModified),
            (&[(other, list)], NotModified),
            (&[(other, "\"x\"")], Go),
            (&[(other, "\"x\", W/\"17979cfe362a0000-64-br\"")], Go),
            (&[(other, "nonsense")], Go),
            (&[(other, "\"")], Go),
            // If-None-Match stands before If-Modified-Since.
            (&[(other, "\"x\""), (after, AFTER)], Go),
            (&[(other, TAG), (after, BEFORE)], NotModified),
            (&[(after, DATE)], NotModified),
            (&[(after, AFTER)], NotModified),
            (&[(after, BEFORE)], Go),
            (&[(after, "Tuesday, 14-Nov-23 22:13:20 GMT")], NotModified),
            (&[(after, "Tue Nov 14 22:13:20 2023")], NotModified),
            (&[(after, "0")], Go),
            (&[(same, TAG), (other, TAG)], NotModified),
            (&[(same, "\"x\""), (other, TAG)], Failed),
            (&[(since, BEFORE), (after, AFTER)], Failed),
        ] {
            assert_eq!(settled().check(&headers(fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_part_is_given_for_what_is_exactly_this() {
        for (values, expected) in [
            (&[TAG][..], true),
            (&[DATE], true),
            (&[&*format!("W/{TAG}")], false),
            (&["\"x\""], false),
            (&[&*format!("\"x\", {TAG}")], false),
            (&["*"], false),
            (&[BEFORE], false),
            (&[AFTER], false),
            (&[""], false),
            (&[TAG, TAG], false),
        ] {
            let fields: Vec<_> = values.iter().map(|value| ("if-range", *value)).collect();
            assert_eq!(
                settled().allow_range(&headers(&fields)),
                expected,
                "{values:?}"
            );
        }
    }
}
