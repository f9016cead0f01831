//! Inside of hyper, over real sockets, by both versions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_spec::{AppError, Http, Response, ResponseHead};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Frame;
use tokio::sync::{Notify, mpsc};

use super::support::{BOTH, Client, Raw, Speaks, endless, fed, get, part, serve, service, soon};
use crate::from_service::support::{Count, fields};

async fn echo(http: Http) -> Result<gateway_spec::Done, AppError> {
    let Http {
        mut body,
        responder,
        ..
    } = http;
    let name = header::HeaderName::from_static("x-sum");
    let mut writer = responder
        .start_with_trailers(StatusCode::OK, Some(&[name]))
        .await?;
    while let Some(part) = body.chunk().await? {
        writer.write(part).await?;
    }
    match body.trailers().await? {
        Some(trailers) => writer.finish_with_trailers(trailers).await,
        None => writer.finish().await,
    }
}

#[tokio::test]
async fn an_echo_streams_both_ways_and_ends_in_trailers() {
    let address = serve(service(echo)).await;
    for speaks in BOTH {
        let mut client = Client::connect(address, speaks).await;
        let (feed, body) = fed();
        let request = Request::post("/")
            .header("te", "trailers")
            .header("trailer", "x-sum");
        let response = soon(client.send(request.body(body).unwrap()))
            .await
            .unwrap();
        let mut body = response.into_body();
        for text in ["one", "two", "three"] {
            feed.send(Frame::data(text.into())).unwrap();
            assert_eq!(part(&mut body).await, text, "{speaks:?}");
        }
        feed.send(Frame::trailers(fields([("x-sum", "7")])))
            .unwrap();
        drop(feed);
        let rest = soon(body.collect()).await.unwrap();
        assert_eq!(
            rest.trailers(),
            Some(&fields([("x-sum", "7")])),
            "{speaks:?}"
        );
        assert!(rest.to_bytes().is_empty());
    }
}

#[tokio::test]
async fn megabytes_come_back_as_they_were() {
    let address = serve(service(echo)).await;
    for speaks in BOTH {
        let mut client = Client::connect(address, speaks).await;
        let (feed, body) = fed();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        for piece in sent.chunks(100_000) {
            feed.send(Frame::data(Bytes::copy_from_slice(piece)))
                .unwrap();
        }
        drop(feed);
        let response = soon(client.send(Request::post("/").body(body).unwrap()))
            .await
            .unwrap();
        let back = soon(response.into_body().collect())
            .await
            .unwrap()
            .to_bytes();
        assert!(back == sent, "{speaks:?}: {} bytes", back.len());
    }
}

#[tokio::test]
async fn one_connection_serves_many_whatever_they_come_to() {
    let address = serve(service(async |mut http: Http| match http.scope.path() {
        "/panics" => panic!("on purpose"),
        "/fails" => Err(AppError::status(StatusCode::IM_A_TEAPOT)),
        "/streams" => {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer.write("a stream").await?;
            writer.finish().await
        }
        "/length" => {
            let length = HeaderValue::from_static("8");
            let head =
                ResponseHead::new(StatusCode::OK).with_header(header::CONTENT_LENGTH, length);
            let mut writer = http.responder.start(head).await?;
            writer.write("a length").await?;
            // hyper has all that it was told of, and is not to be taken for gone.
            tokio::task::yield_now().await;
            writer.flush().await?;
            writer.finish().await
        }
        "/unchanged" => {
            let length = HeaderValue::from_static("9");
            let head = ResponseHead::new(StatusCode::NOT_MODIFIED);
            http.responder
                .respond(head.with_header(header::CONTENT_LENGTH, length))
                .await
        }
        "/none" => {
            http.responder
                .respond(Response::new("x").with_status(StatusCode::NO_CONTENT))
                .await
        }
        _ => {
            http.responder.inform(StatusCode::EARLY_HINTS).await?;
            http.responder.respond("whole").await
        }
    }))
    .await;
    for speaks in BOTH {
        let mut client = Client::connect(address, speaks).await;
        for (method, path, status, length, body) in [
            ("GET", "/", 200, Some("5"), "whole"),
            ("HEAD", "/", 200, Some("5"), ""),
            ("GET", "/streams", 200, None, "a stream"),
            ("HEAD", "/streams", 200, None, ""),
            ("GET", "/length", 200, Some("8"), "a length"),
            ("HEAD", "/length", 200, Some("8"), ""),
            (
                "GET",
                "/panics",
                500,
                Some("26"),
                "500 Internal Server Error\n",
            ),
            ("GET", "/fails", 418, Some("17"), "418 I'm a teapot\n"),
            ("HEAD", "/fails", 418, Some("17"), ""),
            ("GET", "/unchanged", 304, Some("9"), ""),
            ("GET", "/none", 204, None, ""),
            ("GET", "/", 200, Some("5"), "whole"),
        ] {
            let request = Request::builder().method(method).uri(path);
            let sent = client.send(request.body(Empty::<Bytes>::new()).unwrap());
            let response = soon(sent).await.unwrap();
            let what = format!("{speaks:?} {method} {path}");
            assert_eq!(response.status(), status, "{what}");
            let stated = response.headers().get(header::CONTENT_LENGTH);
            assert_eq!(
                stated.map(|length| length.to_str().unwrap()),
                length,
                "{what}"
            );
            assert!(response.headers().contains_key(header::DATE), "{what}");
            let bytes = soon(response.into_body().collect())
                .await
                .unwrap()
                .to_bytes();
            assert_eq!(bytes, body, "{what}");
        }
    }
}

#[tokio::test]
async fn who_declares_a_length_and_keeps_it_hears_of_no_trouble() {
    let (results, mut told) = mpsc::unbounded_channel();
    let address = serve(service(move |http: Http| {
        let results = results.clone();
        async move {
            let length = HeaderValue::from_static("3");
            let head =
                ResponseHead::new(StatusCode::OK).with_header(header::CONTENT_LENGTH, length);
            let mut writer = http.responder.start(head).await?;
            writer.write("abc").await?;
            // Long enough for hyper to be done with it.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let gone = writer.gone().value();
            let done = writer.finish().await;
            results.send((gone, done.is_ok())).unwrap();
            done
        }
    }))
    .await;
    for speaks in BOTH {
        let mut client = Client::connect(address, speaks).await;
        let response = soon(client.send(get("/"))).await.unwrap();
        assert_eq!(
            soon(response.into_body().collect())
                .await
                .unwrap()
                .to_bytes(),
            "abc"
        );
        assert_eq!(soon(told.recv()).await, Some((None, true)), "{speaks:?}");
    }
}

#[tokio::test]
async fn what_is_given_up_is_cut_off_so_that_the_client_can_tell() {
    let address = serve(service(async |http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        writer.write("abc").await?;
        Ok(writer.abort())
    }))
    .await;
    let mut raw = Raw::connect(address).await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let all = raw.rest().await;
    assert!(all.ends_with("\r\n\r\n3\r\nabc\r\n"), "{all:?}");

    let mut client = Client::connect(address, Speaks::Http2).await;
    // Of HTTP/2 what is queued may be lost.
    if let Ok(response) = soon(client.send(get("/"))).await {
        assert!(soon(response.into_body().collect()).await.is_err());
    }
}

#[tokio::test]
async fn what_is_given_up_before_the_start_is_not_answered() {
    let address = serve(service(async |http: Http| Ok(http.responder.abort()))).await;
    let mut raw = Raw::connect(address).await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(raw.rest().await, "");
    let mut client = Client::connect(address, Speaks::Http2).await;
    assert!(soon(client.send(get("/"))).await.is_err());
}

#[tokio::test]
async fn a_client_that_waits_is_told_to_go_on_when_the_body_is_asked_for() {
    let (called, go) = (Count::default(), Arc::new(Notify::new()));
    let (calls, may_go) = (called.clone(), Arc::clone(&go));
    let address = serve(service(move |mut http: Http| {
        let (calls, may_go) = (calls.clone(), Arc::clone(&may_go));
        async move {
            assert!(http.scope.connection.capabilities.continue_on_read());
            calls.add();
            may_go.notified().await;
            let body = gateway_spec::RequestBody::collect(&mut http.body, 10).await?;
            http.responder.respond(body).await
        }
    }))
    .await;
    let mut raw = Raw::connect(address).await;
    raw.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        .await;
    soon(called.reach(1)).await;
    let early = raw.stream.try_read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
    go.notify_one();
    assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send("abc").await;
    assert!(
        raw.until("\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 200 OK\r\n")
    );
    assert_eq!(raw.until("abc").await, "abc");
}

#[tokio::test]
async fn timers_run_while_the_client_does_not_read() {
    let (waited, mut wait) = mpsc::unbounded_channel();
    let address = serve(service(move |http: Http| {
        let waited = waited.clone();
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            let write = async {
                loop {
                    if let Err(error) = writer.write(vec![b'x'; 16 * 1024]).await {
                        return error;
                    }
                }
            };
            let short = tokio::time::timeout(Duration::from_millis(50), write).await;
            waited.send(short.is_err()).unwrap();
            Ok(writer.abort())
        }
    }))
    .await;
    for speaks in BOTH {
        let mut client = Client::connect(address, speaks).await;
        let response = soon(client.send(get("/"))).await.unwrap();
        assert_eq!(soon(wait.recv()).await, Some(true), "{speaks:?}");
        drop(response);
    }
}

#[tokio::test]
async fn what_a_client_does_not_take_is_bounded() {
    let wrote = Count::default();
    let address = serve(endless(&wrote)).await;
    let mut client = Client::connect(address, Speaks::Http2).await;
    let response = soon(client.send(get("/"))).await.unwrap();
    // The window that the client grants, which is all that hyper takes beside the frame in its hands.
    soon(wrote.reach(64 + 63)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(wrote.get() <= 64 + 64 + 2, "{} KiB", wrote.get());
    drop(response);
}
