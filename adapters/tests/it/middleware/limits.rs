//! Bodies that are too large.

use std::io::Read;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use adapters::middleware::limit_body;
use adapters::sync;
use gateway_spec::{
    AppError, Application, BodyError, BodyLength, Connection, Gone, Http, HttpReceive,
    ResponseHead, SyncHttp, sync_application_fn,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use test_client::TestClient;

use super::support::{Silent, http_app, scope};
use crate::support::{part, request, turn};

const LIMIT: u64 = 10;

/// Reads all of a body by `collect`, and answers with its length.
fn collecting() -> impl Application + Clone {
    http_app(async |mut http: Http| {
        let body = http.body.collect(1_000_000).await?;
        http.responder.respond(body.len().to_string()).await
    })
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_before_anything_is_asked_for() {
    let called = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&called);
    let app = http_app(move |http: Http| {
        counter.fetch_add(1, Ordering::Relaxed);
        http.responder.respond("called")
    });
    let client = TestClient::new(limit_body(app, LIMIT));
    let request = client
        .post("/")
        .header("expect", "100-continue")
        .body_to_come_of(11);
    let reply = request.send().await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (413, "413 Payload Too Large\n")
    );
    assert!(reply.informational.is_empty(), "no 100 before a 413");
    assert_eq!(called.load(Ordering::Relaxed), 0);
    assert!(reply.outcome().await.is_done());
}

#[tokio::test]
async fn up_to_the_limit_all_is_as_without_one() {
    let client = TestClient::new(limit_body(collecting(), LIMIT));
    let whole = client.post("/").body("0123456789");
    assert_eq!(whole.send().await.unwrap().text(), "10");
    let chunked = client.post("/").body_chunks(["01234", "", "56789"]);
    assert_eq!(chunked.send().await.unwrap().text(), "10");
    assert_eq!(client.get("/").send().await.unwrap().text(), "0");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("45"));
    let with_trailers = client
        .post("/")
        .body_chunks(["0123456789"])
        .trailers(trailers);
    assert_eq!(with_trailers.send().await.unwrap().text(), "10");
    let expecting = client
        .post("/")
        .header("expect", "100-continue")
        .body("0123456789");
    let reply = expecting.send().await.unwrap();
    assert_eq!((reply.text(), reply.informational.len()), ("10", 1));
}

#[tokio::test]
async fn a_body_without_a_length_fails_at_the_limit_however_it_is_read() {
    type Outcome = Result<usize, BodyError>;
    type Way = fn(Http) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;
    let seen = Arc::new(Mutex::new(Vec::<Outcome>::new()));
    let ways: [Way; 4] = [
        |mut http| {
            Box::pin(async move {
                let mut length = 0;
                while let Some(part) = http.body.chunk().await? {
                    length += part.len();
                }
                Ok(length)
            })
        },
        |mut http| Box::pin(async move { Ok(http.body.collect(1_000_000).await?.len()) }),
        |mut http| {
            Box::pin(async move {
                let mut length = 0;
                while let Some(part) = futures_util::StreamExt::next(&mut http.body).await {
                    length += part?.len();
                }
                Ok(length)
            })
        },
        |http| {
            Box::pin(async move {
                let whole = http_body_util::BodyExt::collect(http.body).await?;
                Ok(whole.to_bytes().len())
            })
        },
    ];
    for way in ways {
        let seen = Arc::clone(&seen);
        let app = http_app(move |http: Http| {
            let seen = Arc::clone(&seen);
            async move {
                let outcome = way(http).await;
                seen.lock().unwrap().push(outcome);
                Err(AppError::from(outcome.unwrap_err()))
            }
        });
        let client = TestClient::new(limit_body(app, LIMIT));
        let request = client.post("/").body_chunks(["01234", "5678", "9+"]);
        assert_eq!(request.send().await.unwrap().status, 413);
    }
    let expected = [Err(BodyError::TooLarge { limit: LIMIT }); 4];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_synchronous_application_is_told_too() {
    let app = sync(sync_application_fn(|http: SyncHttp| {
        let SyncHttp {
            mut body,
            responder,
            ..
        } = http;
        let mut all = Vec::new();
        body.read_to_end(&mut all)?;
        responder.respond(all)
    }));
    let client = TestClient::new(limit_body(app, LIMIT));
    let request = client.post("/").body_chunks(["01234", "56789+"]);
    assert_eq!(request.send().await.unwrap().status, 413);
    let request = client.post("/").body_chunks(["01234", "56789"]);
    assert_eq!(request.send().await.unwrap().text(), "0123456789");
}

#[test]
fn waiting_for_more_than_the_limit_ends_at_one_byte_over_it() {
    let server = Arc::new(Silent::default());
    let mut of_unknown_length = scope("/");
    of_unknown_length.body = BodyLength::Unknown;
    let app = limit_body(
        http_app(async |http: Http| {
            http.body.buffered(64 * 1024).await?;
            http.responder.respond("").await
        }),
        LIMIT,
    );
    let mut call = pin!(app.call(Connection::Http(server.exchange(of_unknown_length))));
    assert!(turn(call.as_mut()).is_pending());
    assert_eq!(server.calls(), "buffered 11");
}

#[test]
fn after_the_failure_nothing_comes_but_the_client_s_leaving() {
    let (connection, events) = request(BodyLength::Unknown);
    let app = limit_body(
        http_app(async |http: Http| {
            let (_, transport) = http.into_transport();
            let mut received = Vec::new();
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(event) = transport.poll_receive(&mut cx) {
                let is_last = matches!(event, HttpReceive::Disconnect(gone) if gone.is_final());
                received.push(match event {
                    HttpReceive::Body { bytes, .. } => format!("{} bytes", bytes.len()),
                    other => format!("{other:?}"),
                });
                if is_last {
                    break;
                }
            }
            Err(AppError::message(received.join("; ")))
        }),
        LIMIT,
    );
    for bytes in ["0123", "4567", "89+", "and more"] {
        events.deliver(part(bytes));
    }
    events.disconnect(Gone::HalfClosed);
    events.disconnect(Gone::PeerReset);
    let error = crate::support::block_on(app.call(connection)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "4 bytes; 4 bytes; Failed(TooLarge { limit: 10 }); Disconnect(HalfClosed); Disconnect(PeerReset)"
    );
    assert!(events.body_unwanted(), "the rest is thrown away");
}

#[tokio::test]
async fn an_application_may_answer_by_itself_what_was_too_large() {
    let app = http_app(async |mut http: Http| match http.body.collect(100).await {
        Err(BodyError::TooLarge { limit }) => {
            let text = format!("at most {limit} bytes, please");
            http.responder.respond(text).await
        }
        other => http.responder.respond(other?).await,
    });
    let client = TestClient::new(limit_body(app, LIMIT));
    let reply = client
        .post("/")
        .body_chunks(["0123456789+"])
        .send()
        .await
        .unwrap();
    assert_eq!(reply.text(), "at most 10 bytes, please");
}

#[tokio::test]
async fn of_two_limits_the_smaller_holds_in_either_order() {
    let larger_outside = TestClient::new(limit_body(limit_body(collecting(), LIMIT), 1000));
    let larger_inside = TestClient::new(limit_body(limit_body(collecting(), 1000), LIMIT));
    for client in [larger_outside, larger_inside] {
        for (parts, status) in [(["01234", "56789"], 200), (["01234", "56789+"], 413)] {
            let whole = client.post("/").body(parts.concat());
            assert_eq!(whole.send().await.unwrap().status, status);
            let chunked = client.post("/").body_chunks(parts);
            assert_eq!(chunked.send().await.unwrap().status, status);
        }
    }
}

#[tokio::test]
async fn no_bytes_at_all_may_be_the_limit() {
    let client = TestClient::new(limit_body(collecting(), 0));
    assert_eq!(client.get("/").send().await.unwrap().status, 200);
    let nothing = client.post("/").body("");
    assert_eq!(nothing.send().await.unwrap().status, 200);
    let nothing = client.post("/").body_chunks(["", ""]);
    assert_eq!(nothing.send().await.unwrap().status, 200);
    let something = client.post("/").body_chunks(["", "1"]);
    assert_eq!(something.send().await.unwrap().status, 413);
}

#[tokio::test]
async fn the_bytes_of_a_tunnel_are_no_body() {
    let app = http_app(async |http: Http| {
        let head = ResponseHead::new(StatusCode::OK);
        let mut tunnel = http.responder.upgrade(head, http.body).await?;
        let mut length = 0;
        while let Some(bytes) = tunnel.read().await? {
            length += bytes.len();
        }
        tunnel.write(length.to_string()).await?;
        tunnel.finish().await
    });
    let client = TestClient::new(limit_body(app, LIMIT));
    let request = client
        .request(Method::CONNECT, "example.org:443")
        .version(Version::HTTP_2)
        .body_to_come();
    let mut tunnel = request.stream().await.unwrap();
    tunnel.send("more than ten bytes").await.unwrap();
    tunnel.finish();
    assert_eq!(tunnel.chunk().await.unwrap().unwrap(), "19");
}

#[tokio::test]
async fn what_is_written_by_polling_is_not_copied_into_events() {
    let server = Arc::new(Silent::default());
    let mut of_unknown_length = scope("/");
    of_unknown_length.body = BodyLength::Unknown;
    of_unknown_length.method = Method::CONNECT;
    let app = limit_body(
        http_app(async |http: Http| {
            let head = ResponseHead::new(StatusCode::OK)
                .with_header(header::SERVER, HeaderValue::from_static("test"));
            let mut tunnel = http.responder.upgrade(head, http.body).await?;
            std::future::poll_fn(|cx| tunnel.poll_write(cx, b"12345")).await?;
            Ok(tunnel.abort())
        }),
        LIMIT,
    );
    let call = app.call(Connection::Http(server.exchange(of_unknown_length)));
    drop(call.await.unwrap());
    assert_eq!(server.calls(), "upgrade 200; write 5; abort Deliberate");
}

#[test]
fn a_body_that_is_absent_or_declared_costs_no_allocation() {
    let cost = |app: &dyn Fn(Connection), body: BodyLength| {
        let (connection, _events) = request(body);
        let counted = allocation_counter::measure(|| app(connection));
        counted.count_total
    };
    let plain = http_app(async |http: Http| Ok(http.responder.abort()));
    let limited = limit_body(plain.clone(), LIMIT);
    let call_plain = |connection| {
        let _ = turn(pin!(plain.call(connection)));
    };
    let call_limited = |connection| {
        let _ = turn(pin!(limited.call(connection)));
    };
    for (body, more) in [
        (BodyLength::Empty, 0),
        (BodyLength::Known(10), 0),
        (BodyLength::Unknown, 1),
    ] {
        let difference = cost(&call_limited, body) - cost(&call_plain, body);
        assert_eq!(difference, more, "{body:?}");
    }
}
