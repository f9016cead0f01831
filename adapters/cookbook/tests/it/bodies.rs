//! Bodies that stream, and what becomes of them when their client leaves.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode};
use cookbook::axum::COUNT_BYTES;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::{Answer, Client, Wire};
use crate::host::Kind;
use crate::site::{Site, on_every_host};

on_every_host!(over both:
    what_comes_goes_back,
    each_part_goes_back_before_the_next_comes,
    a_body_over_the_limit_of_a_layer_is_refused,
    a_stream_has_all_its_lines,
    a_stream_ends_when_its_client_leaves,
    a_handler_that_waits_ends_when_its_client_leaves,
    an_upload_that_is_cut_short_ends_its_handler,
    a_client_that_does_not_read_is_not_read,
    requests_of_one_connection_do_not_meet,
);
on_every_host!(over http2:
    trailers_go_both_ways,
    a_stream_that_is_reset_ends_alone,
);

/// A body whose parts are sent by hand.
fn by_hand() -> (mpsc::Sender<Result<Frame<Bytes>, Infallible>>, Body) {
    let (parts, stream) = mpsc::channel(1);
    let body = Body::new(StreamBody::new(ReceiverStream::new(stream)));
    (parts, body)
}

fn part(bytes: impl Into<Bytes>) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(bytes.into()))
}

fn echo(client: &Client, body: Body) -> axum::http::Request<Body> {
    client.request(Method::POST, "/echo").body(body).unwrap()
}

async fn what_comes_goes_back(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    for length in [0, 1, 1000, 65_536, 5_000_000] {
        let body: Bytes = (0..length).map(|at| (at % 251) as u8).collect();
        let back = client.post("/echo", "text/plain", body.clone()).await;
        assert!(
            back.body == body,
            "of {length} bytes came {}",
            back.body.len()
        );
        let parts: Vec<_> = body.chunks(10_000).map(Bytes::copy_from_slice).collect();
        let parts = stream::iter(parts.into_iter().map(Ok::<_, Infallible>));
        let back = client.post("/echo", "text/plain", Body::from_stream(parts));
        assert!(back.await.body == body, "{length} bytes in parts");
    }
}

async fn each_part_goes_back_before_the_next_comes(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let (parts, body) = by_hand();
    let mut back = client.send(echo(&client, body)).await.into_body();
    for round in 0..20 {
        let sent = Bytes::from(format!("part {round}"));
        parts.send(part(sent.clone())).await.unwrap();
        let frame = back.frame().await.expect("more comes").unwrap();
        assert_eq!(frame.into_data().unwrap(), sent);
    }
    drop(parts);
    let rest = back.collect().await.expect("it ends in order");
    assert!(rest.to_bytes().is_empty());
}

async fn trailers_go_both_ways(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let (parts, body) = by_hand();
    let back = client.send(echo(&client, body)).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "17".parse().unwrap());
    parts.send(part("all of it")).await.unwrap();
    parts
        .send(Ok(Frame::trailers(trailers.clone())))
        .await
        .unwrap();
    drop(parts);
    let back = Answer::read(back).await;
    assert_eq!(back.body, "all of it");
    assert_eq!(back.trailers, Some(trailers));
}

async fn a_body_over_the_limit_of_a_layer_is_refused(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let fits = client
        .post("/count", "text/plain", vec![b'x'; COUNT_BYTES])
        .await;
    assert_eq!(fits.text(), COUNT_BYTES.to_string());
    // Announced: refused before any of it is sent.
    let announced = client.request(Method::POST, "/count");
    let announced = announced.header("content-length", COUNT_BYTES + 1);
    let (_unsent, body) = by_hand();
    let refused = client.ask(announced.body(body).unwrap()).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Not announced: the handler sees it while it reads. One byte, as in `notes`.
    let mut client = site.connect().await;
    let parts = [vec![b'x'; COUNT_BYTES], vec![b'x']].map(Ok::<_, Infallible>);
    let parts = Body::from_stream(stream::iter(parts));
    let refused = client.post("/count", "text/plain", parts).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.text(), "length limit exceeded");
}

async fn a_stream_has_all_its_lines(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let answer = client.get("/lines?count=100000").await;
    let lines: String = (0..100_000).map(|line| format!("line {line}\n")).collect();
    assert!(answer.text() == lines, "{} bytes", answer.body.len());
    assert_eq!(answer.field("content-length"), None);
    site.watched_by(0).await;
}

async fn a_stream_ends_when_its_client_leaves(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    for bytes in [0, 3_000_000] {
        let mut client = site.connect().await;
        let request = client.request(Method::GET, "/lines").body(Body::empty());
        let mut lines = client.send(request.unwrap()).await.into_body();
        let mut read = 0;
        while read < bytes {
            let frame = lines.frame().await.expect("it never ends").unwrap();
            read += frame.into_data().unwrap().len();
        }
        site.watched_by(1).await;
        drop((client, lines));
        site.watched_by(0).await;
    }
}

async fn a_handler_that_waits_ends_when_its_client_leaves(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let next = client
        .request(Method::GET, "/api/notes/next")
        .body(Body::empty());
    tokio::select! {
        _ = client.ask(next.unwrap()) => panic!("nothing was posted"),
        () = site.watched_by(1) => {}
    }
    drop(client);
    site.watched_by(0).await;
}

async fn a_stream_that_is_reset_ends_alone(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let lines = client.request(Method::GET, "/lines").body(Body::empty());
    let lines = client.send(lines.unwrap()).await;
    let next = client
        .request(Method::GET, "/api/notes/next")
        .body(Body::empty());
    tokio::select! {
        _ = client.ask(next.unwrap()) => panic!("nothing was posted"),
        () = site.watched_by(2) => {}
    }
    // The future of `next` is gone, and its stream with it.
    site.watched_by(1).await;
    drop(lines);
    site.watched_by(0).await;
    assert_eq!(client.get("/release").await.status, StatusCode::OK);
}

async fn an_upload_that_is_cut_short_ends_its_handler(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let (parts, body) = by_hand();
    let count = client.request(Method::POST, "/count").body(body).unwrap();
    tokio::select! {
        _ = client.ask(count) => panic!("the body has no end yet"),
        () = async {
            parts.send(part("some of it")).await.unwrap();
            site.watched_by(1).await;
        } => {}
    }
    drop((client, parts));
    site.watched_by(0).await;
}

async fn a_client_that_does_not_read_is_not_read(kind: Kind, wire: Wire) {
    const PART: usize = 64 * 1024;
    const PARTS: usize = 1024;
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let parts = stream::repeat(Bytes::from(vec![b'x'; PART]))
        .take(PARTS)
        .map(move |part| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(part)
        });
    let back = client.send(echo(&client, Body::from_stream(parts))).await;
    // Until nothing was sent for a while. A busy machine sends less, and that is right too.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = sent.load(Ordering::Relaxed);
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
    assert!(before < PARTS / 2, "{before} parts of {PARTS} were taken");
    let back = Answer::read(back).await;
    assert_eq!(back.body.len(), PART * PARTS);
}

async fn requests_of_one_connection_do_not_meet(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    for round in 0..200 {
        let body = format!("body {round}");
        // Whether its body is read or not, the next request is one of its own.
        let path = if round % 3 == 0 { "/panic" } else { "/echo" };
        let answer = client.post(path, "text/plain", body.clone()).await;
        match path {
            "/echo" => assert_eq!(answer.text(), body),
            _ => assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED),
        }
    }
}
