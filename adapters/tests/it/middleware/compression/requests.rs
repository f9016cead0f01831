//! Requests that come coded.

use std::future::poll_fn;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use adapters::middleware::{decompress, limit_body};
use bytes::Bytes;
use gateway_spec::{Application, BodyLength, Http};
use http::{HeaderMap, HeaderValue};
use test_client::TestClient;

use super::text;
use crate::middleware::support::http_app;

fn code(coding: &str, plain: &[u8]) -> Bytes {
    match coding {
        "br" => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
            writer.write_all(plain).unwrap();
            writer.into_inner()
        }
        "zstd" => zstd::encode_all(plain, 3).unwrap(),
        _ => {
            let level = flate2::Compression::default();
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
            writer.write_all(plain).unwrap();
            writer.finish().unwrap()
        }
    }
    .into()
}

/// Says what it sees, and gives the body back.
fn echo() -> impl Application + Clone {
    http_app(async |mut http: Http| {
        let headers = &http.scope.headers;
        assert!(!headers.contains("content-encoding") && !headers.contains("content-length"));
        assert_eq!(http.scope.body, BodyLength::Unknown);
        let body = http.body.collect(10_000_000).await?;
        http.responder.respond(body).await
    })
}

#[tokio::test]
async fn the_application_sees_the_plain_body() {
    let client = TestClient::new(decompress(echo(), 1_000_000));
    for coding in ["br", "zstd", "gzip", "GZIP", "x-gzip"] {
        for length in [1, 1000, 300_000] {
            let body = code(coding, &text(length));
            let whole = client
                .post("/")
                .header("content-encoding", coding)
                .body(body.clone());
            assert!(
                whole.send().await.unwrap().body == text(length),
                "{length} in {coding}"
            );
            let parts = body.chunks(1000).map(Bytes::copy_from_slice);
            let parts = client
                .post("/")
                .header("content-encoding", coding)
                .body_chunks(parts);
            assert!(
                parts.send().await.unwrap().body == text(length),
                "{length} in {coding}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_coded_passes() {
    let app = http_app(async |mut http: Http| {
        let length = http.scope.body;
        let body = http.body.collect(10_000).await?;
        http.responder
            .respond(format!("{length:?} {}", body.len()))
            .await
    });
    let client = TestClient::new(decompress(app, 10));
    let plain = client.post("/").body("0123456789ab");
    assert_eq!(plain.send().await.unwrap().text(), "Known(12) 12");
    let identity = client
        .post("/")
        .header("content-encoding", "identity")
        .body("x");
    assert_eq!(identity.send().await.unwrap().text(), "Known(1) 1");
    let nothing = client.get("/").header("content-encoding", "gzip");
    assert_eq!(nothing.send().await.unwrap().text(), "Empty 0");
}

#[tokio::test]
async fn another_coding_is_415_before_the_body_is_asked_for() {
    let client = TestClient::new(decompress(echo(), 1000));
    for codings in [
        &["deflate"][..],
        &["gzip, br"],
        &["gzip", "gzip"],
        &[""],
        &["aes128gcm"],
    ] {
        let mut request = client.post("/").header("expect", "100-continue").body("x");
        for coding in codings {
            request = request.header("content-encoding", coding);
        }
        let reply = request.send().await.unwrap();
        assert_eq!(
            (reply.status.as_u16(), reply.header("accept-encoding")),
            (415, Some("br, zstd, gzip"))
        );
        assert!(reply.informational.is_empty(), "{codings:?}");
    }
}

#[tokio::test]
async fn bombs_do_not_go_off() {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let app = http_app(move |mut http: Http| {
        let seen = Arc::clone(&seen);
        async move {
            let mut length = 0;
            while let Some(part) = http.body.chunk().await? {
                length += part.len();
                seen.fetch_max(length, Ordering::Relaxed);
            }
            http.responder.respond(length.to_string()).await
        }
    });
    let zeros = vec![0; 20_000_000];
    let by_ratio = TestClient::new(decompress(app.clone(), u64::MAX));
    let by_size = TestClient::new(decompress(app.clone(), 100_000).ratio(u64::MAX));
    for coding in ["br", "zstd", "gzip"] {
        let bomb = code(coding, &zeros);
        let allowed = (bomb.len() * 100).max(64 * 1024);
        for (client, bound) in [(&by_ratio, allowed), (&by_size, 100_000)] {
            most.store(0, Ordering::Relaxed);
            let request = client
                .post("/")
                .header("content-encoding", coding)
                .body(bomb.clone());
            assert_eq!(request.send().await.unwrap().status, 413, "{coding}");
            assert!(most.load(Ordering::Relaxed) <= bound, "{coding}");
        }
    }
    // A little may be a repetition.
    let little = client_body(&by_ratio, &code("gzip", &[0; 60_000])).await;
    assert_eq!(little, "60000");
    let exact = client_body(&by_size, &code("gzip", &text(100_000))).await;
    assert_eq!(exact, "100000");
}

async fn client_body(client: &TestClient, body: &Bytes) -> String {
    let request = client
        .post("/")
        .header("content-encoding", "gzip")
        .body(body.clone());
    request.send().await.unwrap().text().to_owned()
}

#[tokio::test]
async fn what_is_broken_is_malformed() {
    let client = TestClient::new(decompress(echo(), 1_000_000));
    for coding in ["br", "zstd", "gzip"] {
        let whole = code(coding, &text(5000));
        let cut = whole.slice(..whole.len() - 1);
        let more = Bytes::from([&whole[..], b"\x01and more"].concat());
        for body in [cut, more, Bytes::from("nonsense")] {
            let request = client
                .post("/")
                .header("content-encoding", coding)
                .body(body);
            assert_eq!(request.send().await.unwrap().status, 400, "{coding}");
        }
    }
}

#[tokio::test]
async fn trailers_follow_the_decoded_body() {
    let app = http_app(async |mut http: Http| {
        let body = http.body.collect(10_000).await?;
        let trailers = http.body.trailers().await?;
        let sum = trailers.unwrap()["x-sum"].to_str()?.to_owned();
        http.responder
            .respond(format!("{} {sum}", body.len()))
            .await
    });
    let client = TestClient::new(decompress(app, 10_000));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    let request = client.post("/").header("content-encoding", "gzip");
    let request = request
        .body_chunks([code("gzip", &text(3000))])
        .trailers(trailers);
    assert_eq!(request.send().await.unwrap().text(), "3000 7");
}

#[tokio::test]
async fn limits_outside_count_what_comes_and_inside_what_is_decoded() {
    let body = code("gzip", &vec![b'x'; 60_000]);
    let length = body.len() as u64;
    let post = |client: &TestClient| {
        let request = client.post("/").header("content-encoding", "gzip");
        request.body(body.clone()).send()
    };
    let outside = TestClient::new(limit_body(decompress(echo(), 100_000), length));
    assert_eq!(post(&outside).await.unwrap().status, 200);
    let outside = TestClient::new(limit_body(decompress(echo(), 100_000), length - 1));
    assert_eq!(post(&outside).await.unwrap().status, 413);
    let inside = TestClient::new(decompress(limit_body(echo(), 59_999), 100_000));
    assert_eq!(post(&inside).await.unwrap().status, 413);
}

#[tokio::test]
async fn a_synchronous_application_gets_its_thread() {
    let app = adapters::sync(gateway_spec::sync_application_fn(
        |mut http: gateway_spec::SyncHttp| {
            let mut length = Vec::new();
            std::io::Read::read_to_end(&mut http.body, &mut length)?;
            http.responder.respond(length.len().to_string())
        },
    ));
    let client = TestClient::new(decompress(app, 1_000_000));
    assert_eq!(
        client_body(&client, &code("gzip", &text(400_000))).await,
        "400000"
    );
    assert_eq!(client_body(&client, &code("gzip", b"")).await, "0");
}

#[tokio::test]
async fn others_have_their_turn_while_much_comes_out_of_little() {
    const LENGTH: usize = 4_000_000;
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let app = http_app(move |mut http: Http| {
        let turns = Arc::clone(&counted);
        async move {
            let before = turns.load(Ordering::Relaxed);
            http.body.collect(LENGTH).await?;
            let during = turns.load(Ordering::Relaxed) - before;
            http.responder.respond(during.to_string()).await
        }
    });
    let client = TestClient::new(decompress(app, LENGTH as u64).ratio(10_000));
    let other = tokio::spawn(poll_fn(move |cx| {
        turns.fetch_add(1, Ordering::Relaxed);
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    let body = code("gzip", &[0; LENGTH]);
    let answer = client.post("/").header("content-encoding", "gzip");
    let answer = answer.body(body).send().await.unwrap();
    other.abort();
    let turns: usize = answer.text().parse().unwrap();
    assert!(turns >= LENGTH / (256 * 1024), "{turns}");
}
