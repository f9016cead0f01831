//! Streams of HTTP/2: bodies both ways, windows, resets, tunnels.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_spec::{AppError, Done, Gone, Http, Response, ResponseHead};
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use tokio::sync::{Notify, mpsc};

use crate::support::{Answer, Client, next, request, send_all, serve};

/// More than any window or buffer between the two ends.
const LARGE: usize = 1_000_000;

async fn echo(http: Http) -> Result<Done, AppError> {
    let Http {
        mut body,
        responder,
        ..
    } = http;
    let mut writer = responder.start(StatusCode::OK).await?;
    while let Some(chunk) = body.chunk().await? {
        writer.write(chunk).await?;
    }
    writer.finish().await
}

#[tokio::test]
async fn bodies_go_both_ways_at_once() {
    let mut client = Client::connect(serve(echo)).await;
    let (response, mut stream) = client.begin(request("POST", "/")).await;
    let sent = Bytes::from_iter((0..LARGE).map(|n| n as u8));
    let (answer, ()) = tokio::join!(Answer::read(response), send_all(&mut stream, sent.clone()));
    let answer = answer.expect("the exchange is whole");
    assert_eq!(answer.head.status(), StatusCode::OK);
    assert!(answer.body == sent, "{} bytes came back", answer.body.len());
}

#[tokio::test]
async fn streams_do_not_wait_for_each_other() {
    let go = Arc::new(Notify::new());
    let app = move |http: Http| {
        let go = Arc::clone(&go);
        async move {
            match http.scope.path() {
                "/waits" => go.notified().await,
                _ => go.notify_one(),
            }
            http.responder.respond(StatusCode::NO_CONTENT).await
        }
    };
    let mut client = Client::connect(serve(app)).await;
    let (first, mut stream) = client.begin(request("GET", "/waits")).await;
    stream.send_data(Bytes::new(), true).expect("the end fits");
    let second = client.get("/goes").await.expect("an answer");
    assert_eq!(second.head.status(), StatusCode::NO_CONTENT);
    let first = Answer::read(first).await.expect("an answer");
    assert_eq!(first.head.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let name = HeaderName::from_static("x-sum");
    let app = |http: Http| async move {
        let Http {
            mut body,
            responder,
            ..
        } = http;
        while body.chunk().await?.is_some() {}
        let trailers = body.trailers().await?.unwrap_or_default();
        let names: Vec<_> = trailers.keys().cloned().collect();
        let writer = responder.start_with_trailers(StatusCode::OK, Some(&names));
        writer.await?.finish_with_trailers(trailers).await
    };
    let mut client = Client::connect(serve(app)).await;
    let (response, mut stream) = client.begin(request("POST", "/")).await;
    let trailers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("7"))]);
    stream
        .send_trailers(trailers.clone())
        .expect("the stream is open");
    let answer = Answer::read(response).await.expect("an answer");
    assert_eq!(answer.head.headers()[header::TRAILER], "x-sum");
    assert_eq!(answer.trailers, Some(trailers));
}

#[tokio::test]
async fn what_has_no_body_ends_with_its_head() {
    let app = |http: Http| async move {
        let status: u16 = http.scope.path()[1..].parse().unwrap_or(200);
        let status = StatusCode::from_u16(status).map_err(|_| AppError::message("a test"))?;
        let mut response = Response::new("").with_status(status);
        if status == StatusCode::NOT_MODIFIED || http.scope.method == Method::HEAD {
            let length = HeaderValue::from_static("77");
            response = response.with_header(header::CONTENT_LENGTH, length);
        }
        http.responder.respond(response).await
    };
    let mut client = Client::connect(serve(app)).await;
    for (method, path, length) in [
        ("GET", "/204", None),
        ("GET", "/304", Some("77")),
        ("HEAD", "/200", Some("77")),
    ] {
        let answer = client.ask(request(method, path)).await.expect("an answer");
        let field = answer.head.headers().get(header::CONTENT_LENGTH);
        let field = field.map(|field| field.to_str().expect("digits"));
        assert_eq!((field, answer.body.len()), (length, 0), "{method} {path}");
    }
}

type Call = Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send>>;

/// An application that waits for its client to leave: why it did, and a word for each call.
fn tells_gone() -> (
    impl Fn(Http) -> Call + Send + Sync + 'static,
    mpsc::Receiver<Gone>,
    mpsc::Receiver<()>,
) {
    let (told, reasons) = mpsc::channel(1);
    let (entered, entries) = mpsc::channel(1);
    let app = move |http: Http| {
        let (told, entered) = (told.clone(), entered.clone());
        Box::pin(async move {
            entered.send(()).await?;
            let gone = http.responder.gone().await;
            told.send(gone).await?;
            http.responder.respond(StatusCode::OK).await
        }) as Call
    };
    (app, reasons, entries)
}

#[tokio::test]
async fn a_reset_ends_its_stream_alone() {
    let (app, mut reasons, mut entries) = tells_gone();
    let mut client = Client::connect(serve(app)).await;
    let (_first, mut stream) = client.begin(request("POST", "/")).await;
    entries.recv().await.expect("the application is called");
    stream.send_reset(Reason::CANCEL);
    assert_eq!(reasons.recv().await, Some(Gone::StreamReset));
    let _other = client.begin(request("POST", "/")).await;
    entries.recv().await.expect("the connection lives on");
}

#[tokio::test]
async fn a_lost_connection_ends_its_streams() {
    let (app, mut reasons, mut entries) = tells_gone();
    let mut client = Client::connect(serve(app)).await;
    let exchange = client.begin(request("POST", "/")).await;
    entries.recv().await.expect("the application is called");
    // Without the connection's task nothing of the stream is said any more.
    client.connection.abort();
    assert_eq!(reasons.recv().await, Some(Gone::PeerReset));
    drop(exchange);
}

#[tokio::test]
async fn an_application_runs_on_while_the_window_is_closed() {
    let (told, mut ticks) = mpsc::channel(1);
    let app = move |http: Http| {
        let told = told.clone();
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            let mut patience = 3;
            while patience > 0 {
                let write = writer.write(vec![b'x'; 16 * 1024]);
                if tokio::time::timeout(Duration::from_millis(20), write)
                    .await
                    .is_err()
                {
                    patience -= 1;
                }
            }
            told.send(()).await?;
            Ok(writer.abort())
        }
    };
    let mut client = Client::connect(serve(app)).await;
    let (response, mut stream) = client.begin(request("GET", "/")).await;
    stream.send_data(Bytes::new(), true).expect("the end fits");
    let mut body = response.await.expect("a head").into_body();
    assert_eq!(ticks.recv().await, Some(()), "its time-outs fire");
    let mut end = Ok(());
    while let Some(bytes) = body.data().await {
        end = bytes.map(drop);
        if end.is_err() {
            break;
        }
    }
    assert!(end.is_err(), "an aborted response does not look whole");
}

#[tokio::test]
async fn a_client_that_keeps_its_window_closed_is_given_up() {
    let (told, mut ends) = mpsc::channel(1);
    let app = move |http: Http| {
        let told = told.clone();
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            let mut taken = 0;
            let gone = loop {
                match writer.write(vec![b'x'; 16 * 1024]).await {
                    Ok(()) => taken += 16 * 1024,
                    Err(error) => break error,
                }
            };
            told.send((taken, AppError::from(gone).gone())).await?;
            Ok(writer.abort())
        }
    };
    let mut client = Client::connect(serve(app)).await;
    let (response, mut stream) = client.begin(request("GET", "/")).await;
    stream.send_data(Bytes::new(), true).expect("the end fits");
    let body = response.await.expect("a head").into_body();
    let (taken, gone) = ends.recv().await.expect("the application tells");
    assert_eq!(gone, Some(Gone::WriteTimeout));
    // The client's window, hyper's buffer and the exchange's, and an event.
    let bound = 65_535 + 2 * server_host::OUTBOUND_BYTES + 2 * 16 * 1024;
    assert!(taken <= bound, "{taken} bytes were accepted");
    drop(body);
}

#[tokio::test]
async fn a_body_that_does_not_come_fails() {
    let app = |http: Http| async move {
        let mut body = http.body;
        body.collect(10).await?;
        http.responder.respond(StatusCode::OK).await
    };
    let mut client = Client::connect(serve(app)).await;
    let (response, stream) = client.begin(request("POST", "/")).await;
    let answer = Answer::read(response).await.expect("an answer");
    assert_eq!(answer.head.status(), StatusCode::REQUEST_TIMEOUT);
    drop(stream);
}

#[tokio::test]
async fn an_exchange_without_an_answer_is_reset() {
    let app = |http: Http| async move {
        match http.scope.path() {
            "/abort" => Ok(http.responder.abort()),
            "/panic" => {
                let mut writer = http.responder.start(StatusCode::OK).await?;
                writer.write("accepted").await?;
                panic!("on purpose");
            }
            _ => http.responder.respond("alive").await,
        }
    };
    let mut client = Client::connect(serve(app)).await;
    for path in ["/abort", "/panic"] {
        let error = client.get(path).await.expect_err("no answer");
        assert!(error.is_reset(), "{path}: {error}");
    }
    assert_eq!(client.get("/").await.expect("an answer").body, b"alive");
}

#[tokio::test]
async fn a_stream_may_become_a_tunnel() {
    let app = |http: Http| async move {
        if http.scope.protocol.as_deref() != Some("echo") {
            return http.responder.respond(StatusCode::BAD_REQUEST).await;
        }
        let head = ResponseHead::new(StatusCode::OK);
        let mut tunnel = http.responder.upgrade(head, http.body).await?;
        while let Some(bytes) = tunnel.read().await? {
            tunnel.write(bytes).await?;
        }
        tunnel.write("bye").await?;
        tunnel.finish().await
    };
    let mut client = Client::connect(serve(app)).await;
    client.ask(request("GET", "/")).await.expect("an answer");
    assert!(client.may_tunnel(), "the settings offer it");
    let mut connect: Request<()> = request("CONNECT", "/");
    let protocol = h2::ext::Protocol::from_static("echo");
    connect.extensions_mut().insert(protocol);
    let (response, mut stream) = client.begin(connect).await;
    let response = response.await.expect("a head");
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let sent = Bytes::from(vec![b'x'; LARGE]);
    let received = async {
        let mut received = Vec::new();
        while let Some(bytes) = next(&mut body).await {
            received.extend_from_slice(&bytes);
        }
        received
    };
    let (received, ()) = tokio::join!(received, send_all(&mut stream, sent.clone()));
    assert!(received.starts_with(&sent), "{} bytes", received.len());
    assert_eq!(&received[LARGE..], b"bye");
}

#[tokio::test]
async fn a_host_that_differs_is_refused() {
    let mut client = Client::connect(serve(echo)).await;
    let mut request = request("GET", "/");
    let host = HeaderValue::from_static("b");
    request.headers_mut().insert(header::HOST, host);
    let answer = client.ask(request).await.expect("an answer");
    assert_eq!(answer.head.status(), StatusCode::BAD_REQUEST);
}
