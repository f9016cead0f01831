//! What becomes of the response.

use std::convert::Infallible;
use std::io;

use bytes::{Buf as _, Bytes};
use gateway_spec::{Application as _, BodyLength, Gone, HttpSend, RequestBody, TrailersPlan};
use http::{Method, Request, Response, StatusCode, Version, header};
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use test_client::{TestClient, Why};

use super::support::{AnyBody, Count, End, Script, any, client, fields, service, settle};
use crate::support::{block_on, request};

/// A client of a service whose responses `make` makes.
fn answering(make: impl Fn() -> Response<AnyBody> + Clone + Send + Sync + 'static) -> TestClient {
    client(move |_| {
        let response = make();
        async { Ok::<_, Infallible>(response) }
    })
}

/// The events of an answer to a GET, in words.
fn events(make: impl Fn() -> Response<AnyBody> + Clone + Send + Sync + 'static) -> Vec<String> {
    let app = service(move |_: Request<RequestBody>| {
        let response = make();
        async { Ok::<_, Infallible>(response) }
    });
    let (connection, mut events) = request(BodyLength::Empty);
    drop(block_on(app.call(connection)).unwrap());
    let sent = std::iter::from_fn(|| block_on(events.sent()));
    sent.map(|event| match event {
        HttpSend::Start {
            head,
            body,
            more,
            trailers,
        } => {
            let length = head.headers.get_str(header::CONTENT_LENGTH);
            let length = length.map_or(String::new(), |length| format!(" of {length}"));
            let (text, plan) = (body.escape_ascii(), trailers == TrailersPlan::Maybe);
            let end = match (more, plan) {
                (true, true) => "…",
                (false, false) => "",
                odd => panic!("{odd:?}"),
            };
            format!("{}{length} {text}{end}", head.status.as_u16())
        }
        HttpSend::Body { bytes, more } => {
            format!("{}{}", bytes.escape_ascii(), if more { "…" } else { "." })
        }
        HttpSend::Trailers(trailers) => format!("{trailers:?}"),
        other => panic!("{other:?}"),
    })
    .collect()
}

#[test]
fn what_is_whole_is_one_event() {
    let plain = |body: fn() -> AnyBody| events(move || Response::new(body()));
    assert_eq!(plain(|| any(Full::from("whole"))), ["200 whole"]);
    assert_eq!(plain(|| any(Full::default())), ["200 "]);
    assert_eq!(plain(|| any(Script::of([], End::Clean))), ["200 "]);
    assert_eq!(plain(|| any(Script::of(["x"], End::Told))), ["200 x"]);
    let no_content = || {
        let response = Response::builder().status(204).body(any(Full::default()));
        response.unwrap()
    };
    assert_eq!(events(no_content), ["204 "]);
}

#[test]
fn what_is_not_comes_as_it_comes() {
    let plain = |body: fn() -> AnyBody| events(move || Response::new(body()));
    assert_eq!(
        plain(|| any(Script::of(["a", "", "b"], End::Clean))),
        ["200 …", "a…", "…", "b…", "."]
    );
    assert_eq!(
        plain(|| any(Script::of(["a", "b"], End::Clean).sized(2))),
        ["200 of 2 …", "a…", "b…", "."]
    );
    assert_eq!(
        plain(|| any(Script::of(["a"], End::Clean).trailers([("x-t", "1")]))),
        ["200 …", "a…", r#"{"x-t": "1"}"#]
    );
    assert_eq!(
        plain(|| any(Script::of([], End::Clean).trailers([("x-t", "1")]))),
        ["200 …", r#"{"x-t": "1"}"#]
    );
}

#[tokio::test]
async fn a_length_that_the_service_states_stands_beside_no_other() {
    let make = || {
        let body = any(Script::of(["ab", "c"], End::Clean).sized(3));
        let response = Response::builder().header(header::CONTENT_LENGTH, "3");
        response.body(body).unwrap()
    };
    let reply = answering(make).get("/").send().await.unwrap();
    assert_eq!(reply.headers.get_all(header::CONTENT_LENGTH).count(), 1);
    assert_eq!((reply.text(), reply.content_length), ("abc", Some(3)));
}

#[tokio::test]
async fn status_and_fields_are_the_services() {
    let make = || {
        let response = Response::builder()
            .status(418)
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2");
        response.body(any(Full::from("short and stout"))).unwrap()
    };
    let reply = answering(make).get("/").send().await.unwrap();
    assert_eq!(reply.status, StatusCode::IM_A_TEAPOT);
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").collect();
    assert_eq!(cookies, [b"a=1", b"b=2"]);
    assert_eq!(reply.content_length, Some(15));
}

#[tokio::test]
async fn bytes_are_handed_on_and_other_buffers_put_together() {
    let whole = Bytes::from(vec![b'x'; 1000]);
    let given = whole.clone();
    let parts = client(move |_| {
        let frames =
            [given.slice(..400), given.slice(400..)].map(|part| io::Result::Ok(Frame::data(part)));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        async { Ok::<_, Infallible>(Response::new(body)) }
    });
    let mut exchange = parts.get("/").stream().await.unwrap();
    for expected in [whole.slice(..400), whole.slice(400..)] {
        let part = exchange.chunk().await.unwrap().unwrap();
        assert_eq!(part.as_ptr(), expected.as_ptr());
        assert_eq!(part, expected);
    }
    let chained = client(async |_| {
        let data = Bytes::from("not in ").chain(Bytes::from("one piece"));
        Ok::<_, Infallible>(Response::new(Full::new(data)))
    });
    assert_eq!(
        chained.get("/").send().await.unwrap().text(),
        "not in one piece"
    );
}

#[tokio::test]
async fn a_body_that_waits_does_not_hold_back_its_head() {
    let waiting = answering(|| Response::new(any(Script::of([], End::Never))));
    let exchange = waiting.get("/").stream().await.unwrap();
    assert_eq!(exchange.response().unwrap().status, 200);
}

#[tokio::test]
async fn trailers_go_where_they_are_taken() {
    let make = || {
        let body = Script::of(["x"], End::Clean).trailers([("x-a", "1"), ("x-b", "2")]);
        let response = Response::builder().header("trailer", "x-A, x-c");
        response.body(any(body)).unwrap()
    };
    let client = answering(make);
    let both = fields([("x-a", "1"), ("x-b", "2")]);
    let announced = fields([("x-a", "1")]);
    for (version, te, expected) in [
        (Version::HTTP_2, "trailers", Some(both)),
        (Version::HTTP_11, "trailers", Some(announced)),
        (Version::HTTP_11, "gzip", None),
        (Version::HTTP_10, "trailers", None),
    ] {
        let request = client.get("/").version(version).header("te", te);
        let reply = request.send().await.unwrap();
        assert_eq!(reply.trailers, expected, "{version:?} {te}");
        assert_eq!(reply.text(), "x");
        assert!(reply.outcome().await.is_done());
    }
}

#[tokio::test]
async fn fields_that_may_not_be_trailers_do_not_cost_the_others_and_the_end() {
    let make = || {
        let body = Script::of(["x"], End::Clean).trailers([
            ("grpc-status", "7"),
            ("authorization", "metadata"),
            ("content-type", "text/plain"),
        ]);
        let response = Response::builder().header("trailer", "grpc-status, authorization");
        response.body(any(body)).unwrap()
    };
    for version in [Version::HTTP_2, Version::HTTP_11] {
        let request = answering(make).get("/").version(version);
        let reply = request.header("te", "trailers").send().await.unwrap();
        assert_eq!(reply.trailers, Some(fields([("grpc-status", "7")])));
        assert!(reply.outcome().await.is_done());
    }
}

#[tokio::test]
async fn trailers_that_nobody_announced_end_an_answer_of_http1_cleanly() {
    let make = || Response::new(any(Script::of(["x"], End::Clean).trailers([("x-a", "1")])));
    let request = answering(make).get("/").header("te", "trailers");
    let reply = request.send().await.unwrap();
    assert_eq!((reply.text(), &reply.trailers), ("x", &None));
}

#[tokio::test]
async fn a_head_request_has_the_length_and_asks_nothing_of_the_body() {
    let polls = Count::default();
    let counted = polls.clone();
    let client = client(move |request: Request<RequestBody>| {
        let body = || Script::of(["body"], End::Clean).counting_polls(&counted);
        let response = match request.uri().path() {
            "/known" => Response::new(any(body().sized(4))),
            "/stated" => Response::builder()
                .header(header::CONTENT_LENGTH, "100000")
                .body(any(Full::default()))
                .unwrap(),
            "/taken-away" => Response::new(any(Full::default())),
            _ => Response::new(any(body())),
        };
        async { Ok::<_, Infallible>(response) }
    });
    for (target, length) in [
        ("/known", Some(4)),
        ("/stated", Some(100_000)),
        ("/unknown", None),
        ("/taken-away", None),
    ] {
        let reply = client.head(target).send().await.unwrap();
        assert_eq!(reply.content_length, length, "{target}");
        assert!(reply.body.is_empty());
        assert!(reply.outcome().await.is_done());
    }
    assert_eq!(polls.get(), 0);
}

#[test]
fn a_304_does_not_have_the_length_of_its_empty_body() {
    for (stated, sent) in [("0", "304 "), ("100", "304 of 100 ")] {
        let events = events(move || {
            Response::builder()
                .status(StatusCode::NOT_MODIFIED)
                .header(header::CONTENT_LENGTH, stated)
                .body(any(Full::default()))
                .unwrap()
        });
        assert_eq!(events, [sent]);
    }
}

#[tokio::test]
async fn a_service_that_fails_is_500_and_in_the_log() {
    let client = TestClient::new(adapters::tower::from_service(tower::service_fn(
        async |_: Request<RequestBody>| Err::<Response<String>, _>(io::Error::other("no disk")),
    )));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(reply.status, 500);
    assert_eq!(reply.outcome().await.to_string(), "failed: no disk");
}

#[tokio::test]
async fn a_body_that_fails_at_once_is_500_and_later_cuts_the_answer_off() {
    let at_once = answering(|| Response::new(any(Script::of([], End::Failure))));
    let reply = at_once.get("/").send().await.unwrap();
    assert_eq!(reply.status, 500);
    assert_eq!(reply.outcome().await.to_string(), "failed: it broke");

    let later = answering(|| Response::new(any(Script::of(["some"], End::Failure))));
    let broken = later.get("/").send().await.unwrap_err();
    assert_eq!(broken.why(), Why::CutOff);
    assert_eq!(broken.partial().unwrap().text(), "some");
    assert_eq!(broken.outcome().await.to_string(), "failed: it broke");
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_it_says_is_an_error() {
    for size in [1, 3] {
        let make = move || Response::new(any(Script::of(["a", "b"], End::Clean).sized(size)));
        let broken = answering(make).get("/").send().await.unwrap_err();
        assert_eq!(broken.why(), Why::CutOff);
        assert!(broken.outcome().await.error().is_some());
    }
}

#[tokio::test]
async fn a_switch_of_protocols_that_was_not_asked_for_is_an_error() {
    let make = || {
        Response::builder()
            .status(101)
            .body(any(Full::default()))
            .unwrap()
    };
    let reply = answering(make).get("/").send().await.unwrap();
    assert_eq!(reply.status, 500);
}

#[tokio::test]
async fn nothing_is_taken_out_of_a_body_that_the_client_has_no_room_for() {
    let polls = Count::default();
    let counted = polls.clone();
    let client = client(move |_| {
        let polls = counted.clone();
        let endless = futures_util::stream::repeat_with(move || {
            polls.add();
            io::Result::Ok(Frame::data(Bytes::from_static(&[0; 16 * 1024])))
        });
        async { Ok::<_, Infallible>(Response::new(StreamBody::new(endless))) }
    });
    let mut exchange = client.get("/").stream().await.unwrap();
    settle().await;
    let full = polls.get();
    assert!((4..=5).contains(&full), "64 KiB and one event: {full}");
    exchange.chunk().await.unwrap();
    settle().await;
    assert_eq!(polls.get(), full + 1);
}

#[tokio::test]
async fn a_client_that_left_before_the_answer_is_why_there_is_none() {
    let client = client(async |request: Request<RequestBody>| {
        // It has left by the time that its body was read.
        let _ = http_body_util::BodyExt::collect(request.into_body()).await;
        Ok::<_, Infallible>(Response::new(String::from("late")))
    });
    let exchange = client.request(Method::POST, "/").body_to_come().open();
    let left = exchange.reset();
    assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
}
