//! The opening handshake (RFC 6455 §4, §9.1; RFC 8441).

use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use websocket::{
    Agreement, HandshakeError,
    deflate::Settings,
    handshake::{self, Acceptance, Offer},
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const VALID: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
];

fn request(headers: &[(&str, &str)]) -> Result<Offer, HandshakeError> {
    let headers = headers
        .iter()
        .map(|&(name, value)| (name, value.as_bytes()));
    handshake::request(&Method::GET, Version::HTTP_11, headers)
}

/// The valid handshake with one header changed, and others added.
fn with(changed: &[(&str, &str)]) -> Result<Offer, HandshakeError> {
    let kept = VALID
        .into_iter()
        .filter(|(name, _)| changed.iter().all(|(other, _)| name != other));
    let headers: Vec<_> = kept.chain(changed.iter().copied()).collect();
    request(&headers)
}

fn value<'a>(answer: &'a Acceptance, name: &str) -> Option<&'a str> {
    let (_, value) = answer.headers.iter().find(|(other, _)| other == name)?;
    Some(value.to_str().expect("ASCII"))
}

#[test]
fn the_example_of_the_rfc() {
    let offer = with(&[
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Origin", "http://example.com"),
    ])
    .unwrap();
    assert_eq!(offer.subprotocols(), ["chat", "superchat"]);
    let answer = offer.accept(Some("chat"), None).unwrap();
    assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS);
    let sent: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    assert_eq!(
        sent,
        [
            ("connection", &b"Upgrade"[..]),
            ("upgrade", b"websocket"),
            ("sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("sec-websocket-protocol", b"chat"),
        ]
    );
    assert_eq!(
        answer.agreement,
        Agreement {
            subprotocol: Some("chat".to_owned()),
            deflate: None
        }
    );
}

#[test]
fn what_makes_a_handshake() {
    type Row<'a> = (&'a [(&'a str, &'a str)], Result<(), HandshakeError>);
    let rows: &[Row<'_>] = &[
        (&[("Connection", "keep-alive, UPGRADE")], Ok(())),
        (
            &[("Connection", "keep-alive"), ("connection", "upgrade")],
            Ok(()),
        ),
        (
            &[("Connection", "keep-alive")],
            Err(HandshakeError::Connection),
        ),
        (
            &[("Connection", "upgrades")],
            Err(HandshakeError::Connection),
        ),
        (&[("Upgrade", "WebSocket")], Ok(())),
        (&[("Upgrade", "h2c, websocket")], Ok(())),
        (&[("Upgrade", "h2c")], Err(HandshakeError::Upgrade)),
        (&[("Sec-WebSocket-Version", " 13 ")], Ok(())),
        (
            &[("Sec-WebSocket-Version", "8")],
            Err(HandshakeError::Version),
        ),
        (
            &[("Sec-WebSocket-Version", "13, 8")],
            Err(HandshakeError::Version),
        ),
        (
            &[("Sec-WebSocket-Version", "013")],
            Err(HandshakeError::Version),
        ),
        (
            &[
                ("Sec-WebSocket-Version", "13"),
                ("sec-websocket-version", "13"),
            ],
            Err(HandshakeError::Version),
        ),
        // RFC 6455 §4.1's own example, whose last character has bits to spare.
        (&[("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC==")], Ok(())),
        (&[("Sec-WebSocket-Key", "")], Err(HandshakeError::Key)),
        (
            &[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j")],
            Err(HandshakeError::Key),
        ),
        (
            &[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ")],
            Err(HandshakeError::Key),
        ),
        (
            &[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZWE=")],
            Err(HandshakeError::Key),
        ),
        (
            &[("Sec-WebSocket-Key", "dGhlIHNhbXBs*SBub25jZQ==")],
            Err(HandshakeError::Key),
        ),
        (
            &[("Sec-WebSocket-Key", KEY), ("sec-websocket-key", KEY)],
            Err(HandshakeError::Key),
        ),
        (
            &[
                ("Sec-WebSocket-Protocol", "a"),
                ("Sec-WebSocket-Protocol", "b"),
            ],
            Ok(()),
        ),
        (
            &[("Sec-WebSocket-Protocol", "a, a")],
            Err(HandshakeError::Subprotocols),
        ),
        (
            &[("Sec-WebSocket-Protocol", "a b")],
            Err(HandshakeError::Subprotocols),
        ),
        (
            &[("Sec-WebSocket-Protocol", "a/b")],
            Err(HandshakeError::Subprotocols),
        ),
    ];
    for (changed, expected) in rows {
        assert_eq!(with(changed).map(drop), *expected, "{changed:?}");
    }
    for (missing, error) in [
        ("Connection", HandshakeError::Connection),
        ("Upgrade", HandshakeError::Upgrade),
        ("Sec-WebSocket-Version", HandshakeError::Version),
        ("Sec-WebSocket-Key", HandshakeError::Key),
    ] {
        let headers: Vec<_> = VALID
            .into_iter()
            .filter(|(name, _)| *name != missing)
            .collect();
        assert_eq!(request(&headers).map(drop), Err(error));
    }
}

#[test]
fn the_method_and_the_version_count() {
    let headers = || VALID.map(|(name, value)| (name, value.as_bytes()));
    let read = |method, version| handshake::request(&method, version, headers()).map(drop);
    assert_eq!(
        read(Method::POST, Version::HTTP_11),
        Err(HandshakeError::Method)
    );
    assert_eq!(
        read(Method::GET, Version::HTTP_10),
        Err(HandshakeError::HttpVersion)
    );
    assert_eq!(
        read(Method::GET, Version::HTTP_2),
        Err(HandshakeError::HttpVersion)
    );
}

#[test]
fn a_refusal_knows_its_answer() {
    assert_eq!(HandshakeError::Key.status(), StatusCode::BAD_REQUEST);
    assert_eq!(HandshakeError::Key.headers(), []);
    assert_eq!(
        HandshakeError::Method.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(
        HandshakeError::Version.status(),
        StatusCode::UPGRADE_REQUIRED
    );
    assert!(
        HandshakeError::Version
            .headers()
            .contains(&("sec-websocket-version", "13"))
    );
    for error in [HandshakeError::Version, HandshakeError::Method] {
        for (name, value) in error.headers() {
            assert!(
                HeaderName::from_lowercase(name.as_bytes()).is_ok()
                    && HeaderValue::from_str(value).is_ok()
            );
        }
    }
}

#[test]
fn a_cheap_look_tells_ordinary_requests_apart() {
    let look = |method, headers: &[(&str, &str)]| {
        handshake::is_upgrade(
            &method,
            headers
                .iter()
                .map(|&(name, value)| (name, value.as_bytes())),
        )
    };
    assert!(look(Method::GET, &VALID));
    assert!(look(Method::GET, &[("UPGRADE", "h2c , WebSocket")]));
    assert!(!look(Method::POST, &VALID));
    assert!(!look(Method::GET, &[("host", "a"), ("upgrade", "h2c")]));
    assert!(!look(Method::GET, &[("host", "a")]));
}

#[test]
fn a_subprotocol_must_have_been_offered() {
    let offer = with(&[("Sec-WebSocket-Protocol", "chat, superchat")]).unwrap();
    assert!(offer.accept(Some("other"), None).is_err());
    assert!(offer.accept(Some("CHAT"), None).is_err());
    assert_eq!(
        value(&offer.accept(None, None).unwrap(), "sec-websocket-protocol"),
        None
    );
}

#[test]
fn an_extended_connect_has_no_key() {
    let headers: [(&str, &[u8]); 2] = [
        ("sec-websocket-version", b"13"),
        ("sec-websocket-protocol", b"chat"),
    ];
    let answer = handshake::connect(headers)
        .unwrap()
        .accept(Some("chat"), None)
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let names: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["sec-websocket-protocol"]);
    assert_eq!(
        handshake::connect([]).map(drop),
        Err(HandshakeError::Version)
    );
}

#[test]
fn extensions_follow_their_grammar() {
    for (offer, valid) in [
        ("", true),
        (",, ,", true),
        ("foo", true),
        ("foo; bar", true),
        ("foo;bar=baz;x=\"y\", other", true),
        ("foo ; bar = \"b\\az\" ,permessage-deflate", true),
        ("foo;", false),
        ("foo;;bar", false),
        ("foo; bar=", false),
        ("foo; bar=\"\"", false),
        ("foo; bar=\"a b\"", false),
        ("foo; bar=\"baz", false),
        ("foo; bar=\"baz\\", false),
        ("foo; bar=\"baz\"x", false),
        ("foo bar", false),
        ("=", false),
        ("foo, =", false),
        ("fo\u{f6}", false),
    ] {
        let expected = if valid {
            Ok(())
        } else {
            Err(HandshakeError::Extensions)
        };
        assert_eq!(
            with(&[("Sec-WebSocket-Extensions", offer)]).map(drop),
            expected,
            "{offer}"
        );
    }
}

#[test]
fn the_client_checks_the_answer() {
    let settings = Settings::default();
    let offer = with(&[
        ("Sec-WebSocket-Protocol", "a, b"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ]);
    let answer = offer.unwrap().accept(Some("b"), Some(&settings)).unwrap();
    let read =
        |key, subprotocols: &[&str], deflate, more: Option<(&'static str, &'static [u8])>| {
            let headers = answer
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes()));
            Agreement::from_answer(key, subprotocols, deflate, headers.chain(more))
        };
    assert_eq!(
        read(KEY, &["a", "b"], Some(&settings), None),
        Ok(answer.agreement.clone())
    );
    for wrong in [
        read(
            "AQIDBAUGBwgJCgsMDQ4PEC==",
            &["a", "b"],
            Some(&settings),
            None,
        ),
        read(KEY, &["a"], Some(&settings), None),
        read(KEY, &["a", "b"], None, None),
        read(
            KEY,
            &["a", "b"],
            Some(&settings),
            Some(("sec-websocket-accept", b"again")),
        ),
        read(
            KEY,
            &["a", "b"],
            Some(&settings),
            Some(("sec-websocket-protocol", b"a")),
        ),
        read(
            KEY,
            &["a", "b"],
            Some(&settings),
            Some(("sec-websocket-extensions", b"other")),
        ),
        read(
            KEY,
            &["a", "b"],
            Some(&settings),
            Some(("sec-websocket-extensions", b"permessage-deflate")),
        ),
    ] {
        assert!(wrong.is_err());
    }
}
