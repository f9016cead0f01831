//! Answers that few handlers give, to the letter as axum::serve sends them; but for what is listed here.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use axum::routing::get;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::client::{Client, Wire};
use crate::host::{Host, Kind};
use crate::site::run;

type Make = fn() -> Response<Body>;

fn with<const N: usize>(
    status: u16,
    fields: [(&'static str, &'static [u8]); N],
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in fields {
        response
            .headers_mut()
            .append(name, HeaderValue::from_bytes(value).unwrap());
    }
    response
}

fn parts<const N: usize>(parts: [Result<&'static str, io::Error>; N]) -> Body {
    Body::from_stream(stream::iter(parts.map(|part| part.map(Bytes::from))))
}

fn trailers() -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("3"));
    trailers.insert("x-other", HeaderValue::from_static("4"));
    let frames = [Frame::data(Bytes::from("abc")), Frame::trailers(trailers)];
    Body::new(StreamBody::new(stream::iter(
        frames.map(Ok::<_, Infallible>),
    )))
}

const ANSWERS: &[(&str, Make)] = &[
    ("cookies", || {
        with(
            200,
            [
                ("set-cookie", b"a=1"),
                ("set-cookie", b"b=2"),
                ("set-cookie", b"a=3"),
            ],
            "x",
        )
    }),
    ("bytes", || {
        with(200, [("x-name", b"Zo\xeb"), ("x-empty", b"")], "x")
    }),
    ("teapot", || with(418, [], "x")),
    ("unknown", || with(299, [], "x")),
    ("no-content", || with(204, [], "")),
    ("no-content-body", || with(204, [], "x")),
    ("reset-content", || with(205, [], "")),
    ("not-modified", || with(304, [("etag", b"\"1\"")], "")),
    ("empty-parts", || {
        with(200, [], parts([Ok("a"), Ok(""), Ok("b"), Ok("")]))
    }),
    ("only-empty-parts", || {
        with(200, [], parts([Ok(""), Ok("")]))
    }),
    ("declared", || {
        with(200, [("content-length", b"2")], parts([Ok("a"), Ok("b")]))
    }),
    ("fails-at-once", || {
        with(200, [], parts([Err(io::Error::other("x"))]))
    }),
    ("fails-later", || {
        with(200, [], parts([Ok("a"), Err(io::Error::other("x"))]))
    }),
    ("too-long", || {
        with(200, [("content-length", b"1")], parts([Ok("a"), Ok("b")]))
    }),
    ("too-short", || {
        with(200, [("content-length", b"3")], parts([Ok("a"), Ok("b")]))
    }),
    ("whole-too-long", || {
        with(200, [("content-length", b"1")], "ab")
    }),
    ("whole-too-short", || {
        with(200, [("content-length", b"3")], "ab")
    }),
    ("closes", || with(200, [("connection", b"close")], "x")),
    ("keeps", || {
        with(
            200,
            [("connection", b"keep-alive"), ("keep-alive", b"timeout=5")],
            "x",
        )
    }),
    ("chunked", || {
        with(200, [("transfer-encoding", b"chunked")], "x")
    }),
    ("continue", || with(100, [], "")),
    ("early-hints", || with(103, [], "")),
    ("switch", || {
        with(101, [("connection", b"upgrade"), ("upgrade", b"x")], "")
    }),
    ("trailers", || with(200, [], trailers())),
    ("named-trailers", || {
        with(200, [("trailer", b"x-sum")], trailers())
    }),
    ("dated", || {
        with(200, [("date", b"Thu, 01 Jan 1970 00:00:00 GMT")], "x")
    }),
    ("served", || with(200, [("server", b"mine")], "x")),
];

/// Whose answers differ from those of axum::serve, on either wire, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "no-content",
        "RFC 9110 section 8.6: 204 has no length, which axum::serve sends",
    ),
    (
        "no-content-body",
        "the same; and SRV-6: nor a body, which axum::serve sends over HTTP/2",
    ),
    (
        "not-modified",
        "the same of 304, where it would speak of what was not sent; axum::serve sends it over HTTP/2",
    ),
    (
        "fails-at-once",
        "APP-6: nothing was sent, so there is room for a 500",
    ),
    (
        "fails-later",
        "HTTP-17: what was accepted is sent before the response is cut off",
    ),
    (
        "too-long",
        "HTTP-24: more than was declared is an error, and ends the connection",
    ),
    ("too-short", "HTTP-24, HTTP-17: the same of less"),
    (
        "whole-too-long",
        "HTTP-22: a head that cannot be true is a 500; hyper panics in debug builds",
    ),
    ("whole-too-short", "the same"),
    (
        "closes",
        "HTTP-23: `connection: close` ends a connection of HTTP/2 too",
    ),
    ("keeps", "HTTP-23: the connection is the server's"),
    (
        "chunked",
        "HTTP-23: and so is the framing; hyper frames by it and gives no length",
    ),
    (
        "continue",
        "HTTP-22: 1xx is no answer; the 500 for it does not end the connection",
    ),
    ("early-hints", "the same"),
    ("switch", "HTTP-30: nobody asked for it"),
    (
        "named-trailers",
        "HTTP-27: the head of a HEAD is that of a GET",
    ),
];

#[test]
fn odd_answers_are_those_of_axum_serve() {
    run(async {
        let mut wrong = Vec::new();
        for (name, make) in ANSWERS {
            let mut is_other = false;
            for (wire, method) in [
                (Wire::Http1, Method::GET),
                (Wire::Http1, Method::HEAD),
                (Wire::Http2, Method::GET),
                (Wire::Http2, Method::HEAD),
            ] {
                let seen = |kind| look(kind, wire, method.clone(), *make);
                let (home, raw, hyper) =
                    tokio::join!(seen(Kind::Home), seen(Kind::Raw), seen(Kind::Hyper));
                is_other |= home != raw;
                let is_known = DIFFERENCES.iter().any(|(known, _)| known == name);
                let may_differ = BY_SERVER.iter().any(|(known, _)| known == name);
                if home != raw && !is_known || raw != hyper && !may_differ {
                    wrong.push(format!(
                        "{method} {name} over {wire:?}: raw {raw:?}, hyper {hyper:?}, home {home:?}"
                    ));
                }
            }
            if let Some((_, why)) = DIFFERENCES
                .iter()
                .find(|known| known.0 == *name && !is_other)
            {
                wrong.push(format!("{name} does not differ ({why})"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// Whose answers may differ between the two servers, and why.
const BY_SERVER: &[(&str, &str)] = &[
    (
        "fails-later",
        "SRV-7: over HTTP/2 a reset may overtake the head",
    ),
    ("too-long", "the same"),
    ("too-short", "the same"),
    (
        "named-trailers",
        "hyper takes `trailer` out of a head that no chunks follow",
    ),
];

async fn look(kind: Kind, wire: Wire, method: Method, make: Make) -> BTreeSet<String> {
    let app = Router::new()
        .route("/", get(move || async move { make() }))
        .route("/next", get(async || "next"));
    let host = Host::start(kind, app, |_| {});
    let mut client = Client::connect(host.address, wire).await;
    let request = client
        .request(method, "/")
        .header("te", "trailers")
        .body(Body::empty());
    let mut lines = BTreeSet::new();
    match client.try_send(request.unwrap()).await {
        Ok(response) => {
            let (head, body) = response.into_parts();
            lines.insert(head.status.to_string());
            for (name, value) in &head.headers {
                if name != "date" || value.as_bytes().starts_with(b"Thu, 01 Jan 1970") {
                    lines.insert(format!("{name}: {}", value.as_bytes().escape_ascii()));
                }
            }
            match body.collect().await {
                Ok(body) => {
                    lines.extend(body.trailers().map(|trailers| format!("{trailers:?}")));
                    lines.insert(format!("{:?}", body.to_bytes()));
                }
                Err(_) => {
                    lines.insert("the body is cut off".to_owned());
                }
            }
        }
        Err(_) => {
            lines.insert("no answer".to_owned());
        }
    }
    let request = client.request(Method::GET, "/next").body(Body::empty());
    match client.try_send(request.unwrap()).await {
        Ok(_) => lines.insert("the connection goes on".to_owned()),
        Err(_) => lines.insert("the connection ends".to_owned()),
    };
    lines
}
