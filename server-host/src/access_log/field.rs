//! What a line of the access log is made of, and how text of others is made harmless.

use std::fmt::Write as _;
use std::time::Duration;

use gateway_spec::{Address, HttpScope};
use http::Version;

use crate::date::{self, HttpDate};
use crate::observe::{ExchangeId, Observed, Outcome, Refused};

/// One exchange, or what came instead of one.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) scope: Option<&'a HttpScope>,
    pub(super) client: Option<&'a Address>,
    pub(super) id: Option<ExchangeId>,
    pub(super) status: Option<u16>,
    /// Bytes of the response's body.
    pub(super) sent: u64,
    /// Bytes of the request's body.
    pub(super) received: u64,
    pub(super) took: Option<Duration>,
    pub(super) outcome: Outcome,
    /// Why it was refused.
    pub(super) why: Option<String>,
    date: HttpDate,
}

impl<'a> Entry<'a> {
    pub(super) fn of(observed: &Observed<'a>, date: HttpDate) -> Self {
        Self {
            scope: Some(observed.scope),
            client: observed.scope.connection.client.as_ref(),
            id: Some(observed.id),
            status: observed.sent.status.map(|status| status.as_u16()),
            sent: observed.sent.bytes,
            received: observed.received,
            took: Some(observed.took),
            outcome: observed.outcome,
            why: observed.outcome.why().map(str::to_owned),
            date,
        }
    }

    pub(super) fn refused(
        client: Option<&'a Address>,
        refused: &Refused<'_>,
        date: HttpDate,
    ) -> Self {
        Self {
            scope: None,
            client,
            id: None,
            status: Some(refused.status.as_u16()),
            sent: 0,
            received: 0,
            took: None,
            outcome: Outcome::Refused,
            why: Some(refused.why.to_string()),
            date,
        }
    }

    /// The target as it was sent.
    pub(super) fn target(&self) -> Option<String> {
        let uri = &self.scope?.uri;
        Some(
            uri.path_and_query()
                .map_or_else(|| uri.to_string(), ToString::to_string),
        )
    }

    pub(super) fn version(&self) -> Option<&'static str> {
        Some(match self.scope?.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_11 => "HTTP/1.1",
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_3 => "HTTP/3",
            _ => "HTTP/?",
        })
    }

    /// What the application called it; or why it was refused.
    pub(super) fn label(&self) -> Option<&str> {
        let label = self.scope.and_then(|scope| scope.label.get());
        label.or(self.why.as_deref())
    }

    /// `2026-11-30T09:37:03Z`
    pub(super) fn time(&self) -> String {
        date::rfc3339(&self.date)
    }

    /// `30/Nov/2026:09:37:03 +0000`
    pub(super) fn common_time(&self) -> String {
        date::common(&self.date)
    }
}

/// Appends text in which what a terminal or a parser of the log would obey is percent-encoded: control bytes, quotes,
/// backslashes and all that is not ASCII (CVE-2020-7694, CVE-2009-4492).
pub(super) fn escape(line: &mut String, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' | 0..=31 | 127.. => drop(write!(line, "%{byte:02X}")),
            byte => line.push(char::from(byte)),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A refused request, which is the entry with the least in it.
    pub(in super::super) fn refused(why: &str) -> Entry<'static> {
        let refused = Refused {
            status: http::StatusCode::BAD_REQUEST,
            why: &why,
        };
        Entry::refused(None, &refused, *b"Mon, 30 Nov 2026 09:37:03 GMT")
    }

    #[test]
    fn times_are_written_as_each_format_has_them() {
        let entry = refused("");
        assert_eq!(entry.time(), "2026-11-30T09:37:03Z");
        assert_eq!(entry.common_time(), "30/Nov/2026:09:37:03 +0000");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let mut line = String::new();
        escape(&mut line, b"/a\x1b[31m\"\\\r\n\x7f\xff\xc3\xa4%00");
        assert_eq!(line, "/a%1B[31m%22%5C%0D%0A%7F%FF%C3%A4%00");
    }
}
