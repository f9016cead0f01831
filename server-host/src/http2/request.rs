//! Which requests are refused, and what of a request decides about its reply.

use std::fmt;

use gateway_spec::BodyLength;
use hosting::{BodyAllowed, Facts, Informational, TrailersTaken, UpgradeAsked};
use http::header::{CONTENT_LENGTH, EXPECT, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};

use super::authority::Authority;
use crate::settings::Limits;

/// Bytes in a method, at the most, as in HTTP/1: the longest registered, `UPDATEREDIRECTREF`, has 17.
const METHOD_BYTES: usize = 32;

/// Why a request of HTTP/2 is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A method longer than any that is known.
    MethodTooLong,
    /// A `:path` that does not begin with a slash and is no `*` of OPTIONS, or that has a byte which no target may have; a
    /// CONNECT without a port; a scheme that is not HTTP's; user information in `:authority`.
    Target,
    /// A `:path` over [`Limits::target_bytes`].
    TargetTooLong,
    /// More fields than [`Limits::header_fields`].
    TooManyFields,
    /// Neither `:authority` nor Host.
    MissingHost,
    /// More than one Host.
    RepeatedHost,
    /// A Host that is not a host with an optional port.
    Host,
    /// A Host that is not `:authority`.
    HostDiffers,
    /// More than one Content-Length.
    RepeatedContentLength,
    /// A value that begins or ends with a space or a tab.
    FieldValue,
    /// An Expect other than `100-continue`.
    Expectation,
}

impl Refusal {
    /// The status to answer with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::MethodTooLong => StatusCode::NOT_IMPLEMENTED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Target
            | Self::MissingHost
            | Self::RepeatedHost
            | Self::Host
            | Self::HostDiffers
            | Self::RepeatedContentLength
            | Self::FieldValue => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MethodTooLong => "the method is too long",
            Self::Target => "the request target is malformed (RFC 9113 section 8.3.1)",
            Self::TargetTooLong => "the request target is too long",
            Self::TooManyFields => "there are too many fields",
            Self::MissingHost => "there is neither `:authority` nor Host (RFC 9113 section 8.3.1)",
            Self::RepeatedHost => "there is more than one Host (RFC 9110 section 7.2)",
            Self::Host => "Host is not a host with an optional port (RFC 9110 section 7.2)",
            Self::HostDiffers => "Host differs from `:authority` (RFC 9113 section 8.3.1)",
            Self::RepeatedContentLength => "there is more than one Content-Length",
            Self::FieldValue => "a value begins or ends with white space (RFC 9113 section 8.2.1)",
            Self::Expectation => "the expectation is not known (RFC 9110 section 10.1.1)",
        })
    }
}

impl std::error::Error for Refusal {}

/// Whether a peer waits for `100 Continue` before it sends its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// It does.
    Continue,
    /// It does not.
    Nothing,
}

/// Checks a request as the `h2` crate gives it, and names its `:authority` as Host (SCOPE-7).
///
/// # Errors
///
/// Why the request is refused, and with which status.
pub fn check<B>(
    request: &mut Request<B>,
    body: BodyLength,
    limits: &Limits,
) -> Result<Expectation, Refusal> {
    if request.method().as_str().len() > METHOD_BYTES {
        return Err(Refusal::MethodTooLong);
    }
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > limits.target_bytes) {
        return Err(Refusal::TargetTooLong);
    }
    if request.headers().len() > limits.header_fields {
        return Err(Refusal::TooManyFields);
    }
    check_target(request.method(), request.uri())?;
    let noted = Noted::among(request.headers());
    let expectation = noted.check(body)?;
    if check_host(&noted, request.uri())? == Named::ByAuthority {
        name_host(request)?;
    }
    Ok(expectation)
}

fn check_target(method: &Method, uri: &Uri) -> Result<(), Refusal> {
    if !matches!(uri.scheme_str(), None | Some("http" | "https")) {
        return Err(Refusal::Target);
    }
    match uri.path_and_query().map(|target| target.as_str()) {
        // A plain CONNECT has no `:path` (RFC 9113 section 8.5), and needs a port.
        None if method == Method::CONNECT => match uri.port_u16() {
            Some(_) => Ok(()),
            None => Err(Refusal::Target),
        },
        Some(path) if path.starts_with('/') && has_right_bytes(path) => Ok(()),
        Some("*") if method == Method::OPTIONS => Ok(()),
        Some(_) | None => Err(Refusal::Target),
    }
}

/// What `http1` takes in a path and in a query, which says why: what a URI may have (RFC 3986 sections 3.3 and 3.4), and the
/// few other marks that browsers send as they are.
fn has_right_bytes(target: &str) -> bool {
    let end = target.find('?').unwrap_or(target.len());
    let (path, query) = target.as_bytes().split_at(end);
    let mut path = path;
    while let Some((&byte, rest)) = path.split_first() {
        path = match (byte, rest) {
            (b'%', [a, b, rest @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest,
            (b'!' | b'$' | b'&'..=b';' | b'=' | b'@'..=b'[' | b']' | b'_' | b'a'..=b'z', _)
            | (b'|' | b'~', _) => rest,
            _ => return false,
        };
    }
    query
        .iter()
        .all(|byte| matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'~'))
}

/// What the fields say that matters here: noted in one walk, which is cheaper than a look-up for each name.
#[derive(Default)]
struct Noted<'a> {
    hosts: Times<'a>,
    lengths: Times<'a>,
    expects: Expects,
    is_padded: bool,
}

/// How often there is a field, and its first value.
#[derive(Default)]
enum Times<'a> {
    #[default]
    Never,
    Once(&'a HeaderValue),
    Repeated,
}

/// What is expected.
#[derive(Default, PartialEq)]
enum Expects {
    #[default]
    Nothing,
    Continue,
    Unknown,
}

impl<'a> Noted<'a> {
    fn among(headers: &'a HeaderMap) -> Self {
        let mut noted = Self::default();
        for (name, value) in headers {
            noted.is_padded |= is_padded(value);
            match name.as_str().len() {
                4 if *name == HOST => noted.hosts.note(value),
                6 if *name == EXPECT => noted.expects.note(value),
                14 if *name == CONTENT_LENGTH => noted.lengths.note(value),
                _ => {}
            }
        }
        noted
    }

    fn check(&self, body: BodyLength) -> Result<Expectation, Refusal> {
        if let Times::Repeated = self.lengths {
            return Err(Refusal::RepeatedContentLength);
        }
        if self.is_padded {
            return Err(Refusal::FieldValue);
        }
        match (&self.expects, body) {
            (Expects::Unknown, _) => Err(Refusal::Expectation),
            // There is nothing to wait for without a body.
            (Expects::Nothing, _) | (Expects::Continue, BodyLength::Empty) => {
                Ok(Expectation::Nothing)
            }
            (Expects::Continue, BodyLength::Known(_) | BodyLength::Unknown) => {
                Ok(Expectation::Continue)
            }
        }
    }
}

impl<'a> Times<'a> {
    fn note(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::Never => Self::Once(value),
            Self::Once(_) | Self::Repeated => Self::Repeated,
        };
    }
}

impl Expects {
    fn note(&mut self, value: &HeaderValue) {
        if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
            *self = Self::Unknown;
        } else if *self == Self::Nothing {
            *self = Self::Continue;
        }
    }
}

/// Whether a value begins or ends with white space (RFC 9113 section 8.2.1).
pub(super) fn is_padded(value: &HeaderValue) -> bool {
    let padded = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let value = value.as_bytes();
    padded(value.first()) || padded(value.last())
}

/// What names where a request goes.
#[derive(PartialEq)]
enum Named {
    ByHost,
    /// By `:authority` alone.
    ByAuthority,
}

/// At most one Host, which says the same as `:authority`; one of the two.
fn check_host(noted: &Noted<'_>, uri: &Uri) -> Result<Named, Refusal> {
    let host = match noted.hosts {
        Times::Never => None,
        Times::Once(host) => Some(Authority::read(host.as_bytes()).ok_or(Refusal::Host)?),
        Times::Repeated => return Err(Refusal::RepeatedHost),
    };
    let authority = match uri.authority() {
        Some(authority) => {
            let text = authority.as_str().as_bytes();
            Some(Authority::read(text).ok_or(Refusal::Target)?)
        }
        None => None,
    };
    let default_port = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    match (host, authority) {
        (None, None) => Err(Refusal::MissingHost),
        (Some(_), None) => Ok(Named::ByHost),
        (Some(host), Some(authority)) if host.agrees_with(authority, default_port) => {
            Ok(Named::ByHost)
        }
        (Some(_), Some(_)) => Err(Refusal::HostDiffers),
        (None, Some(_)) => Ok(Named::ByAuthority),
    }
}

/// Names `:authority` as Host.
fn name_host<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    let authority = request.uri().authority().ok_or(Refusal::MissingHost)?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Target)?;
    request.headers_mut().append(HOST, host);
    Ok(())
}

/// What of a request decides about its reply.
#[must_use]
pub fn facts(method: &Method, informational: Informational) -> Facts {
    Facts {
        body: if method == Method::HEAD {
            BodyAllowed::Head
        } else {
            BodyAllowed::Yes
        },
        upgrade: if method == Method::CONNECT {
            UpgradeAsked::Yes
        } else {
            UpgradeAsked::No
        },
        informational,
        trailers: TrailersTaken::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request as `h2` gives it: `GET http://a/path`, and its fields one a line.
    fn request(line: &str, fields: &str) -> Request<()> {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        let mut request = Request::builder().method(method).uri(target);
        for field in fields.lines() {
            let (name, value) = field.split_once(": ").expect("a name and a value");
            request = request.header(name, value);
        }
        request.body(()).expect("what h2 lets pass")
    }

    #[track_caller]
    fn check_head(line: &str, fields: &str, expected: Result<(), Refusal>) {
        let mut request = request(line, fields);
        let checked = check(&mut request, BodyLength::Empty, &Limits::default());
        assert_eq!(checked.map(drop), expected, "{line} {fields}");
    }

    #[test]
    fn a_request_names_where_it_goes_once() {
        use Refusal::{Host, HostDiffers, MissingHost, RepeatedHost, Target};
        for (line, fields, expected) in [
            ("GET http://a/", "", Ok(())),
            ("GET http://a/", "host: a:80", Ok(())),
            ("GET https://A/", "host: a:443", Ok(())),
            ("GET http://a/", "host: b", Err(HostDiffers)),
            ("GET http://a/", "host: a:81", Err(HostDiffers)),
            ("GET http://a/", "host: a\nhost: a", Err(RepeatedHost)),
            ("GET http://a/", "host: a b", Err(Host)),
            ("GET http://u@a/", "", Err(Target)),
            ("GET ftp://a/", "", Err(Target)),
            ("GET /", "host: a", Ok(())),
            ("GET /", "", Err(MissingHost)),
            ("CONNECT a:80", "", Ok(())),
            ("CONNECT a", "", Err(Target)),
            ("CONNECT http://a/chat", "", Ok(())),
            ("OPTIONS *", "host: a", Ok(())),
            ("GET *", "host: a", Err(Target)),
        ] {
            check_head(line, fields, expected);
        }
    }

    #[test]
    fn a_path_has_the_bytes_that_http_1_takes() {
        for target in ["/-._~!$&'()*+,;=:@[]|%fF", "/?[]{}|^\\`%zz?", "/a/../b"] {
            check_head(&format!("GET http://a{target}"), "", Ok(()));
        }
        for target in [
            "/\"", "/{", "/}", "/^", "/\\", "/%", "/%4", "/%4g", "/%?41", "/\u{e9}", "/?\u{e9}",
        ] {
            check_head(&format!("GET http://a{target}"), "", Err(Refusal::Target));
        }
    }

    #[test]
    fn the_authority_is_given_as_host() {
        let mut request = request("GET http://a:81/", "accept: */*");
        let limits = Limits::default();
        assert!(check(&mut request, BodyLength::Empty, &limits).is_ok());
        assert_eq!(request.headers()[HOST], "a:81");
    }

    #[test]
    fn fields_have_bounds_and_no_padding() {
        let many = vec!["x: y"; Limits::default().header_fields];
        check_head("GET http://a/", &many.join("\n"), Ok(()));
        let more = format!("{}\nx: y", many.join("\n"));
        check_head("GET http://a/", &more, Err(Refusal::TooManyFields));
        check_head("GET http://a/", "x:  y", Err(Refusal::FieldValue));
        check_head("GET http://a/", "x: y\t", Err(Refusal::FieldValue));
        check_head("GET http://a/", "x: ", Ok(()));
        let twice = "content-length: 1\ncontent-length: 1";
        check_head("POST http://a/", twice, Err(Refusal::RepeatedContentLength));
    }

    #[test]
    fn methods_and_targets_have_bounds() {
        let method = "M".repeat(METHOD_BYTES);
        check_head(&format!("{method} http://a/"), "", Ok(()));
        check_head(
            &format!("{method}M http://a/"),
            "",
            Err(Refusal::MethodTooLong),
        );
        let target = "/".repeat(Limits::default().target_bytes);
        check_head(&format!("GET http://a{target}"), "", Ok(()));
        check_head(
            &format!("GET http://a{target}/"),
            "",
            Err(Refusal::TargetTooLong),
        );
    }

    #[test]
    fn only_a_continue_is_expected_and_only_for_a_body() {
        use Expectation::{Continue, Nothing};
        let (some, none) = (BodyLength::Known(1), BodyLength::Empty);
        for (expect, body, expected) in [
            ("expect: 100-Continue", some, Ok(Continue)),
            ("expect: 100-continue", none, Ok(Nothing)),
            ("accept: */*", some, Ok(Nothing)),
            ("expect: magic", none, Err(Refusal::Expectation)),
            (
                "expect: 100-continue\nexpect: x",
                some,
                Err(Refusal::Expectation),
            ),
        ] {
            let mut request = request("POST http://a/", expect);
            let checked = check(&mut request, body, &Limits::default());
            assert_eq!(checked, expected, "{expect}");
        }
    }

    #[test]
    fn facts_follow_the_method() {
        let head = facts(&Method::HEAD, Informational::Sent);
        assert_eq!(head.body, BodyAllowed::Head);
        let connect = facts(&Method::CONNECT, Informational::Dropped);
        assert_eq!(connect.upgrade, UpgradeAsked::Yes);
        assert_eq!(
            facts(&Method::GET, Informational::Sent).upgrade,
            UpgradeAsked::No
        );
    }
}
