//! Heads become scopes, if they are requests: hyper reads them more kindly than `server-raw`, so what it lets pass and
//! can still be seen is checked here, by the same rules and with the same answers.

use gateway_spec::{BodyLength, HttpScope};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
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

/// Bytes of a Host that is kept: names of the DNS have no more.
const KNOWN_HOST: usize = 255;

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

/// The Host of the last request of a connection, which is nearly always that of the next: checked once.
#[derive(Debug, Default)]
pub(crate) struct KnownHost(Vec<u8>);

/// Refuses what `server-raw` refuses.
pub(crate) fn check<B>(
    request: &Request<B>,
    rare: Rare,
    body: BodyLength,
    limits: &Limits,
    known: &mut KnownHost,
) -> Result<Continue, PeerError> {
    if request.method().as_str().len() > METHOD_BYTES {
        return Err(PeerError::MethodTooLong);
    }
    let headers = request.headers();
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > limits.target_bytes) {
        return Err(PeerError::TargetTooLong);
    }
    let host = host(headers, request.version())?;
    let origin = request.version() != Version::HTTP_2
        && request.uri().authority().is_none()
        && request.method() != Method::CONNECT
        && target.is_some_and(|target| target.as_str().starts_with('/'));
    match host {
        Some(host) if origin && !host.is_empty() && host == known.0 => {}
        host => {
            let authority = match host {
                Some(host) => Some(Authority::read(host).ok_or(PeerError::Host)?),
                None => None,
            };
            if !origin {
                check_target(request, authority, limits)?;
            }
            let kept = host.filter(|host| host.len() <= KNOWN_HOST);
            known.0.clear();
            known.0.extend_from_slice(kept.unwrap_or_default());
        }
    }
    if body == BodyLength::Unknown && request.version() == Version::HTTP_11 {
        check_coding(headers)?;
    }
    if !rare.expect || request.version() == Version::HTTP_10 {
        return Ok(Continue::NotExpected);
    }
    expectation(headers, body)
}

/// Checks a target that is not in origin form (RFC 9112 section 3.2).
fn check_target<B>(
    request: &Request<B>,
    host: Option<Authority<'_>>,
    limits: &Limits,
) -> Result<(), PeerError> {
    let (method, uri) = (request.method(), request.uri());
    match (uri.scheme(), uri.authority()) {
        _ if request.version() == Version::HTTP_2 => check_http2_authority(uri, host),
        (None, Some(authority)) if method == Method::CONNECT && uri.path_and_query().is_none() => {
            check_authority_form(authority.as_str(), host)
        }
        _ if method == Method::CONNECT => Err(PeerError::Target),
        (None, None) if uri.path() == "*" && method == Method::OPTIONS => Ok(()),
        (Some(_), Some(_)) => check_absolute_form(uri, host, limits),
        _ => Err(PeerError::Target),
    }
}

/// The one Host that HTTP/1.1 must have and the other versions may have.
fn host(headers: &HeaderMap, version: Version) -> Result<Option<&[u8]>, PeerError> {
    // Most send it first, and nobody twice.
    let host = match headers.iter().next() {
        Some((name, value)) if name == HOST => Some(value),
        _ => headers.get(HOST),
    };
    let unique =
        || headers.len() == headers.keys_len() || headers.get_all(HOST).iter().count() == 1;
    match host {
        Some(host) if unique() => Ok(Some(host.as_bytes())),
        Some(_) => Err(PeerError::RepeatedHost),
        None if version == Version::HTTP_11 => Err(PeerError::MissingHost),
        None => Ok(None),
    }
}

/// HTTP/2 has `:authority`, beside which Host must say the same (RFC 9113 section 8.3.1).
fn check_http2_authority(uri: &Uri, host: Option<Authority<'_>>) -> Result<(), PeerError> {
    match (uri.authority(), host) {
        (Some(authority), host) => {
            let authority =
                Authority::read(authority.as_str().as_bytes()).ok_or(PeerError::Target)?;
            agree(host, authority, default_port(uri))
        }
        (None, Some(_)) => Ok(()),
        (None, None) => Err(PeerError::MissingHost),
    }
}

fn check_authority_form(target: &str, host: Option<Authority<'_>>) -> Result<(), PeerError> {
    let target = Authority::read(target.as_bytes()).ok_or(PeerError::Target)?;
    match (target.port, host) {
        (None, _) => Err(PeerError::Target),
        // Some clients leave the port out.
        (Some(_), Some(host)) if host.port.is_none() && host.has_name_of(target) => Ok(()),
        (Some(port), host) => agree(host, target, port),
    }
}

fn check_absolute_form(
    uri: &Uri,
    host: Option<Authority<'_>>,
    limits: &Limits,
) -> Result<(), PeerError> {
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(PeerError::Target);
    };
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    if "https://".len() + authority.as_str().len() + path > limits.target_bytes {
        return Err(PeerError::TargetTooLong);
    }
    let authority = Authority::read(authority.as_str().as_bytes()).ok_or(PeerError::Target)?;
    agree(host, authority, default_port(uri))
}

fn default_port(uri: &Uri) -> u16 {
    match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    }
}

fn agree(
    host: Option<Authority<'_>>,
    target: Authority<'_>,
    default_port: u16,
) -> Result<(), PeerError> {
    match host {
        Some(host)
            if !host.has_name_of(target)
                || host.port.unwrap_or(default_port) != target.port.unwrap_or(default_port) =>
        {
            Err(PeerError::HostDiffers)
        }
        Some(_) | None => Ok(()),
    }
}

/// Hyper takes any list that ends in `chunked`, of any number of lines.
fn check_coding(headers: &HeaderMap) -> Result<(), PeerError> {
    let mut values = headers.get_all(TRANSFER_ENCODING).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(PeerError::TransferEncoding);
    };
    if headers.contains_key(CONTENT_LENGTH) {
        return Err(PeerError::TwoLengths);
    }
    coding(value)
}

fn coding(value: &HeaderValue) -> Result<(), PeerError> {
    let members = value.as_bytes().split(|&byte| byte == b',');
    let mut members = members.map(<[u8]>::trim_ascii).rev();
    let last_is_chunked = members
        .next()
        .is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
    let mut others = 0;
    for member in members {
        // A coding is a token, which is also what a method is (RFC 9110 sections 5.6.2 and 9.1).
        if member.eq_ignore_ascii_case(b"chunked") || Method::from_bytes(member).is_err() {
            return Err(PeerError::TransferEncoding);
        }
        others += 1;
    }
    match (last_is_chunked, others) {
        (true, 0) => Ok(()),
        (true, _) => Err(PeerError::UnknownCoding),
        (false, _) => Err(PeerError::TransferEncoding),
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
        check(
            request,
            rare,
            body,
            &Limits::default(),
            &mut KnownHost::default(),
        )
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
    fn a_request_has_one_host_that_is_one() {
        use PeerError::{Host, MissingHost, RepeatedHost};
        for (fields, expected) in [
            ("host: a", Ok(())),
            ("accept: */*\nhost: a:80", Ok(())),
            ("host: [::1]:8000", Ok(())),
            ("host: a%20b", Ok(())),
            ("host: a:", Ok(())),
            ("", Err(MissingHost)),
            ("host: a\nhost: a", Err(RepeatedHost)),
            ("accept: */*\nhost: a\nhost: b", Err(RepeatedHost)),
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
            check_head("GET /", Version::HTTP_11, fields, expected);
        }
        check_head("GET /", Version::HTTP_10, "", Ok(()));
        check_head(
            "GET /",
            Version::HTTP_10,
            "host: a\nhost: a",
            Err(RepeatedHost),
        );
    }

    #[test]
    fn a_target_has_the_form_of_its_method_and_agrees_with_host() {
        use PeerError::{HostDiffers, Target};
        for (line, host, expected) in [
            ("GET /", "a", Ok(())),
            ("GET //b/c?d", "a", Ok(())),
            ("OPTIONS *", "a", Ok(())),
            ("GET *", "a", Err(Target)),
            ("GET a:80", "a", Err(Target)),
            ("GET http://a/b", "a", Ok(())),
            ("GET HTTP://A:80/b", "a", Ok(())),
            ("GET https://a", "a:443", Ok(())),
            ("GET http://a/b", "b", Err(HostDiffers)),
            ("GET http://a:8080/b", "a", Err(HostDiffers)),
            ("GET http://u@a/b", "a", Err(Target)),
            ("GET ftp://a/b", "a", Err(Target)),
            ("CONNECT a:80", "a:80", Ok(())),
            ("CONNECT a:80", "a", Ok(())),
            ("CONNECT a:80", "a:81", Err(HostDiffers)),
            ("CONNECT a:80", "b:80", Err(HostDiffers)),
            ("CONNECT a", "a", Err(Target)),
            ("CONNECT /", "a", Err(Target)),
            ("CONNECT http://a:80/", "a", Err(Target)),
        ] {
            check_head(line, Version::HTTP_11, &format!("host: {host}"), expected);
        }
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
    fn methods_and_targets_have_bounds() {
        let method = "M".repeat(METHOD_BYTES);
        check_head(&format!("{method} /"), Version::HTTP_11, "host: a", Ok(()));
        check_head(
            &format!("{method}M /"),
            Version::HTTP_11,
            "host: a",
            Err(PeerError::MethodTooLong),
        );
        let target = "/".repeat(Limits::default().target_bytes);
        check_head(
            &format!("GET {target}"),
            Version::HTTP_11,
            "host: a",
            Ok(()),
        );
        for target in [format!("{target}/"), format!("http://a{target}")] {
            check_head(
                &format!("GET {target}"),
                Version::HTTP_11,
                "host: a",
                Err(PeerError::TargetTooLong),
            );
        }
    }

    #[test]
    fn a_coding_is_chunked_once() {
        use PeerError::{TransferEncoding, UnknownCoding};
        for (value, expected) in [
            ("chunked", Ok(())),
            ("Chunked", Ok(())),
            ("gzip, chunked", Err(UnknownCoding)),
            ("chunked, chunked", Err(TransferEncoding)),
            ("g zip, chunked", Err(TransferEncoding)),
            (", chunked", Err(TransferEncoding)),
            ("chunked, gzip", Err(TransferEncoding)),
            ("identity", Err(TransferEncoding)),
            ("gzip\ntransfer-encoding: chunked", Err(TransferEncoding)),
        ] {
            let fields = format!("host: a\ntransfer-encoding: {value}");
            let request = request("POST /", Version::HTTP_11, &fields);
            let checked = checked(&request, BodyLength::Unknown).map(drop);
            assert_eq!(checked, expected, "{value}");
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

    #[test]
    fn a_host_that_is_known_is_no_pass_for_another_target() {
        let mut known = KnownHost::default();
        let limits = Limits::default();
        for (line, fields, expected) in [
            ("GET /", "host: a", Ok(Continue::NotExpected)),
            ("GET /", "host: a", Ok(Continue::NotExpected)),
            ("GET http://b/", "host: a", Err(PeerError::HostDiffers)),
            ("CONNECT b:80", "host: a", Err(PeerError::HostDiffers)),
            ("GET /", "host: a b", Err(PeerError::Host)),
            ("GET /", "host: ", Err(PeerError::Host)),
        ] {
            let request = request(line, Version::HTTP_11, fields);
            let rare = Rare::among(request.headers());
            let checked = check(&request, rare, BodyLength::Empty, &limits, &mut known);
            assert_eq!(checked, expected, "{line} {fields}");
        }
    }
}
