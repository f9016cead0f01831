//! Heads become scopes. Of HTTP/1, hyper sees only what was checked; requests of HTTP/2 are checked by `server-host`.

use gateway_spec::{BodyLength, HttpScope};
use http::header::{CONNECTION, EXPECT, TE, UPGRADE};
use http::{HeaderMap, Method, Request, Version};
use http1::PeerError;
use hyper::body::{Body, Incoming};
use hyper::ext::Protocol;
use server_host::{BodyAllowed, Facts, Informational, Limits, TrailersTaken, UpgradeAsked, lists};

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
            BodyLength::Empty if has_upgrade(request) => {
                if lists(request.headers(), CONNECTION, b"upgrade") {
                    UpgradeAsked::Yes
                } else {
                    UpgradeAsked::Unlisted
                }
            }
            _ => UpgradeAsked::No,
        },
        informational: Informational::Dropped,
        trailers: match request.version() {
            Version::HTTP_11 if rare.te && lists(request.headers(), TE, b"trailers") => {
                TrailersTaken::Announced
            }
            _ => TrailersTaken::None,
        },
    }
}

fn has_upgrade<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        // Hyper has put something here only if there is an Upgrade field.
        && !request.extensions().is_empty()
        && request.headers().contains_key(UPGRADE)
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

/// Says whether the peer waits to be asked for its body. All else of a request of HTTP/1 was checked before hyper saw it.
pub(crate) fn check<B>(
    request: &Request<B>,
    rare: Rare,
    body: BodyLength,
) -> Result<Continue, PeerError> {
    if !rare.expect || request.version() == Version::HTTP_10 {
        return Ok(Continue::NotExpected);
    }
    expectation(request.headers(), body)
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
        check(request, rare, body)
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
