//! Heads become scopes, if they are requests: what hyper lets pass of HTTP/2 and `server-raw` would not take, is checked here,
//! with the same answers. Of HTTP/1 it sees only what was checked.

use gateway_spec::{BodyLength, HttpScope};
use http::header::{CONNECTION, EXPECT, HOST, TE, UPGRADE};
use http::{HeaderMap, HeaderName, Method, Request, Uri, Version};
use http1::{METHOD_BYTES, PeerError};
use hyper::body::{Body, Incoming};
use hyper::ext::Protocol;
use server_host::{BodyAllowed, Facts, Informational, Limits, TrailersTaken, UpgradeAsked};

use crate::body::Continue;

/// The limits of the operator, as the protocol package has them.
pub(crate) fn limits(limits: &Limits) -> http1::Limits {
    http1::Limits::default()
        .with_head_bytes(limits.head_bytes)
        .with_target_bytes(limits.target_bytes)
        .with_fields(limits.header_fields)
        .with_chunked_body_bytes(limits.body_bytes)
}

/// Which of the fields that few requests have are there: one walk along the names is cheaper than a look-up for each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rare {
    expect: bool,
    te: bool,
}

impl Rare {
    pub(crate) fn among(headers: &HeaderMap) -> Self {
        let mut found = Self {
            expect: false,
            te: false,
        };
        for name in headers.keys() {
            found.expect |= *name == EXPECT;
            found.te |= *name == TE;
        }
        found
    }
}

/// What of a request decides about its reply.
pub(crate) fn facts<B>(request: &Request<B>, rare: Rare, body: BodyLength) -> Facts {
    Facts {
        body: if request.method() == Method::HEAD {
            BodyAllowed::Head
        } else {
            BodyAllowed::Yes
        },
        upgrade: match body {
            _ if request.method() == Method::CONNECT => UpgradeAsked::Yes,
            BodyLength::Empty if offers_upgrade(request) => UpgradeAsked::Yes,
            _ => UpgradeAsked::No,
        },
        informational: Informational::Dropped,
        trailers: match request.version() {
            Version::HTTP_11 if rare.te && lists(request.headers(), TE, b"trailers") => {
                TrailersTaken::Announced
            }
            Version::HTTP_2 => TrailersTaken::All,
            _ => TrailersTaken::None,
        },
    }
}

/// Whether one of the fields of this name lists this option.
pub(crate) fn lists(headers: &HeaderMap, name: HeaderName, option: &[u8]) -> bool {
    let mut options = headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    options.any(|listed| listed.trim_ascii().eq_ignore_ascii_case(option))
}

fn offers_upgrade<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        // Hyper has put something here only if there is an Upgrade field.
        && !request.extensions().is_empty()
        && request.headers().contains_key(UPGRADE)
        && lists(request.headers(), CONNECTION, b"upgrade")
}

/// Moves a head into a scope, part by part: as a whole it would be copied several times.
pub(crate) fn fill<B>(scope: &mut HttpScope, request: &mut Request<B>, body: BodyLength) {
    std::mem::swap(&mut scope.method, request.method_mut());
    std::mem::swap(&mut scope.uri, request.uri_mut());
    scope.version = request.version();
    scope.headers = std::mem::take(request.headers_mut()).into();
    scope.body = body;
    if !request.extensions().is_empty() {
        let protocol = request.extensions_mut().remove::<Protocol>();
        scope.protocol = protocol.map(|protocol| protocol.as_str().into());
    }
}

/// How long the body is.
pub(crate) fn length(body: &Incoming) -> BodyLength {
    if body.is_end_stream() {
        return BodyLength::Empty;
    }
    match body.size_hint().exact() {
        Some(length) => BodyLength::Known(length),
        None => BodyLength::Unknown,
    }
}

/// Refuses what `server-raw` refuses, and says whether the peer waits to be asked for its body.
///
/// A request of HTTP/1 was checked before hyper saw it.
pub(crate) fn check<B>(
    request: &Request<B>,
    rare: Rare,
    body: BodyLength,
    limits: &Limits,
) -> Result<Continue, PeerError> {
    if request.version() == Version::HTTP_2 {
        check_http2(request, limits)?;
    }
    if !rare.expect || request.version() == Version::HTTP_10 {
        return Ok(Continue::NotExpected);
    }
    expectation(request.headers(), body)
}

fn check_http2<B>(request: &Request<B>, limits: &Limits) -> Result<(), PeerError> {
    if request.method().as_str().len() > METHOD_BYTES {
        return Err(PeerError::MethodTooLong);
    }
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > limits.target_bytes) {
        return Err(PeerError::TargetTooLong);
    }
    check_authority(request.uri(), host(request.headers())?)
}

/// The one Host that a request may have beside its `:authority`.
fn host(headers: &HeaderMap) -> Result<Option<Authority<'_>>, PeerError> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => Authority::read(host.as_bytes())
            .map(Some)
            .ok_or(PeerError::Host),
        (Some(_), Some(_)) => Err(PeerError::RepeatedHost),
    }
}

/// `:authority` names the host, and Host must say the same (RFC 9113 section 8.3.1).
fn check_authority(uri: &Uri, host: Option<Authority<'_>>) -> Result<(), PeerError> {
    let Some(authority) = uri.authority() else {
        return host.map(drop).ok_or(PeerError::MissingHost);
    };
    let authority = Authority::read(authority.as_str().as_bytes()).ok_or(PeerError::Target)?;
    let port = default_port(uri);
    match host {
        Some(host)
            if !host.has_name_of(authority)
                || host.port.unwrap_or(port) != authority.port.unwrap_or(port) =>
        {
            Err(PeerError::HostDiffers)
        }
        Some(_) | None => Ok(()),
    }
}

fn default_port(uri: &Uri) -> u16 {
    match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    }
}

fn expectation(headers: &HeaderMap, body: BodyLength) -> Result<Continue, PeerError> {
    let mut values = headers.get_all(EXPECT).iter();
    let known = values.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    match (known, body) {
        (false, _) => Err(PeerError::Expectation),
        // There is nothing to wait for without a body.
        (true, BodyLength::Empty) => Ok(Continue::NotExpected),
        (true, _) => Ok(Continue::Expected),
    }
}

/// A host with an optional port; no user information, which no request may have (RFC 9110 section 4.2.4).
#[derive(Clone, Copy, Debug)]
struct Authority<'a> {
    name: &'a [u8],
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let end = name_end(text)?;
        let (name, rest) = text.split_at(end);
        let port = match rest {
            [] | [b':'] => None,
            [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
                Some(str::from_utf8(digits).ok()?.parse().ok()?)
            }
            _ => return None,
        };
        (!name.is_empty()).then_some(Self { name, port })
    }

    fn has_name_of(self, other: Self) -> bool {
        self.name.eq_ignore_ascii_case(other.name)
    }
}

/// The end of an IPv6 address in brackets, an IPv4 address or a registered name (RFC 3986 section 3.2.2).
fn name_end(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'[') {
        let end = text.iter().position(|&byte| byte == b']')?;
        let address = str::from_utf8(&text[1..end]).ok()?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        return Some(end + 1);
    }
    let mut at = 0;
    loop {
        match &text[at..] {
            [] | [b':', ..] => return Some(at),
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => at += 3,
            [byte, ..] if is_name(*byte) => at += 1,
            _ => return None,
        }
    }
}

/// RFC 3986 section 2: `unreserved` and `sub-delims`.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request as hyper gives it: `GET /path`, and its fields one a line.
    fn request(line: &str, version: Version, fields: &str) -> Request<()> {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .version(version);
        for field in fields.lines() {
            let (name, value) = field.split_once(": ").expect("a name and a value");
            request = request.header(name, value);
        }
        request.body(()).expect("what hyper lets pass")
    }

    fn checked(request: &Request<()>, body: BodyLength) -> Result<Continue, PeerError> {
        let rare = Rare::among(request.headers());
        check(request, rare, body, &Limits::default())
    }

    #[track_caller]
    fn check_head(line: &str, version: Version, fields: &str, expected: Result<(), PeerError>) {
        let request = request(line, version, fields);
        assert_eq!(
            checked(&request, BodyLength::Empty).map(drop),
            expected,
            "{line} {fields}"
        );
    }

    #[test]
    fn http_2_has_one_host_at_the_most_and_it_is_one() {
        use PeerError::{Host, RepeatedHost};
        for (fields, expected) in [
            ("host: a", Ok(())),
            ("accept: */*\nhost: a:80", Ok(())),
            ("host: [::1]:8000", Ok(())),
            ("host: a%20b", Ok(())),
            ("host: a:", Ok(())),
            ("host: a\nhost: a", Err(RepeatedHost)),
            ("host: ", Err(Host)),
            ("host: :80", Err(Host)),
            ("host: a b", Err(Host)),
            ("host: u@a", Err(Host)),
            ("host: a:99999", Err(Host)),
            ("host: a:+80", Err(Host)),
            ("host: [::1", Err(Host)),
            ("host: [x]", Err(Host)),
            ("host: a%2", Err(Host)),
            ("host: a/b", Err(Host)),
        ] {
            check_head("GET /", Version::HTTP_2, fields, expected);
        }
    }

    #[test]
    fn http_1_was_checked_before() {
        check_head("GET /", Version::HTTP_11, "host: a b", Ok(()));
    }

    #[test]
    fn http_2_names_its_host_in_the_target_or_in_host() {
        use PeerError::{HostDiffers, MissingHost, Target};
        for (line, fields, expected) in [
            ("GET http://a/", "", Ok(())),
            ("GET http://a/", "host: a:80", Ok(())),
            ("GET http://a/", "host: b", Err(HostDiffers)),
            ("GET http://u@a/", "", Err(Target)),
            ("GET /", "host: a", Ok(())),
            ("GET /", "", Err(MissingHost)),
            ("CONNECT a:80", "", Ok(())),
        ] {
            check_head(line, Version::HTTP_2, fields, expected);
        }
    }

    #[test]
    fn methods_and_targets_of_http_2_have_bounds() {
        let method = "M".repeat(METHOD_BYTES);
        let target = "/".repeat(Limits::default().target_bytes);
        for (line, expected) in [
            (format!("{method} /"), Ok(())),
            (format!("{method}M /"), Err(PeerError::MethodTooLong)),
            (format!("GET {target}"), Ok(())),
            (format!("GET {target}/"), Err(PeerError::TargetTooLong)),
        ] {
            check_head(&line, Version::HTTP_2, "host: a", expected);
        }
    }

    #[test]
    fn only_a_continue_is_expected_and_only_for_a_body() {
        use Continue::{Expected, NotExpected};
        let (some, none) = (BodyLength::Known(1), BodyLength::Empty);
        let continues = "expect: 100-Continue";
        for (version, expect, body, expected) in [
            (Version::HTTP_11, continues, some, Ok(Expected)),
            (Version::HTTP_11, continues, none, Ok(NotExpected)),
            (Version::HTTP_10, continues, some, Ok(NotExpected)),
            (Version::HTTP_10, "expect: magic", some, Ok(NotExpected)),
            (
                Version::HTTP_11,
                "expect: magic",
                none,
                Err(PeerError::Expectation),
            ),
            (
                Version::HTTP_11,
                "expect: 100-continue\nexpect: magic",
                some,
                Err(PeerError::Expectation),
            ),
        ] {
            let request = request("POST /", version, &format!("host: a\n{expect}"));
            assert_eq!(checked(&request, body), expected, "{version:?} {expect}");
        }
    }
}
