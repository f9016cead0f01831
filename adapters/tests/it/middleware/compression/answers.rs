//! Which answers are coded, and that they are the same.

use adapters::ContentCoding::{Brotli, Gzip, Zstd};
use adapters::middleware::compress;
use gateway_spec::{Application, Http, Response, ResponseHead, SendError};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use test_client::{Reply, TestClient};

use super::{decoded, text};
use crate::middleware::support::http_app;

/// Answers with so much text, as the path says.
fn texts() -> impl Application + Clone {
    http_app(async |http: Http| {
        let length = http.scope.path()[1..].parse().unwrap();
        http.responder.respond(Response::text(text(length))).await
    })
}

async fn get(client: &TestClient, path: &str, accepted: &str) -> Reply {
    let reply = client
        .get(path)
        .header("accept-encoding", accepted)
        .send()
        .await
        .unwrap();
    assert!(reply.outcome().await.is_done(), "{path}");
    reply
}

#[tokio::test]
async fn whole_answers_of_all_lengths_are_the_same() {
    let client = TestClient::new(compress(texts()));
    for length in [1024, 8 * 1024, 8 * 1024 + 1, 20_000, 100_000, 1_000_000] {
        for coding in ["br", "zstd", "gzip"] {
            let reply = get(&client, &format!("/{length}"), coding).await;
            assert_eq!(reply.header("content-encoding"), Some(coding));
            assert_eq!(reply.header("vary"), Some("accept-encoding"));
            assert!(decoded(&reply) == text(length), "{length} in {coding}");
            // The length is known unless the coded body is long.
            let known = (length <= 100_000).then_some(reply.body.len() as u64);
            assert_eq!(reply.content_length, known, "{length} in {coding}");
        }
    }
}

#[tokio::test]
async fn the_client_says_which() {
    let client = TestClient::new(compress(texts()));
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip, deflate, br", Some("br")),
        ("gzip, zstd", Some("zstd")),
        ("gzip", Some("gzip")),
        ("br;q=0.1, gzip;q=0.2", Some("gzip")),
        ("*;q=0.1", Some("zstd")),
        ("identity, gzip;q=0.5", None),
        ("deflate", None),
        ("", None),
    ] {
        let reply = get(&client, "/2000", accepted).await;
        assert_eq!(reply.header("content-encoding"), coding, "{accepted}");
        assert_eq!(reply.header("vary"), Some("accept-encoding"), "{accepted}");
        assert!(decoded(&reply) == text(2000));
    }
    let reply = client.get("/2000").send().await.unwrap();
    assert_eq!(
        (reply.header("content-encoding"), reply.header("vary")),
        (None, Some("accept-encoding"))
    );
    assert_eq!(reply.content_length, Some(2000));
}

#[tokio::test]
async fn what_is_little_stays_as_it_is() {
    let client = TestClient::new(compress(texts()));
    for length in ["/0", "/1", "/1023"] {
        let reply = get(&client, length, "gzip").await;
        assert_eq!(
            (reply.header("content-encoding"), reply.header("vary")),
            (None, None)
        );
        assert!(reply.content_length.is_some());
    }
    // Unless the client takes nothing else; nothing is nothing in every coding.
    assert_eq!(
        get(&client, "/1", "gzip, identity;q=0")
            .await
            .header("content-encoding"),
        Some("gzip")
    );
    assert_eq!(
        get(&client, "/0", "gzip, identity;q=0")
            .await
            .header("content-encoding"),
        None
    );
    assert_eq!(get(&client, "/1", "identity;q=0").await.body, text(1));
    let all = TestClient::new(compress(texts()).min_length(0));
    assert_eq!(
        get(&all, "/1", "gzip").await.header("content-encoding"),
        Some("gzip")
    );
}

#[tokio::test]
async fn what_is_coded_or_must_not_be_stays_as_it_is() {
    let app = http_app(async |http: Http| {
        let (name, value) = http.scope.query().unwrap().split_once('=').unwrap();
        let field = (HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        let status = http.scope.path()[1..].parse::<StatusCode>()?;
        let answer = Response::text(text(5000)).with_status(status);
        http.responder
            .respond(answer.with_header(field.0, field.1))
            .await
    });
    let client = TestClient::new(compress(app));
    for path in [
        "/200?content-encoding=x",
        "/200?content-range=bytes",
        "/206?x=y",
        "/204?x=y",
        "/205?x=y",
        "/200?cache-control=max-age=1,no-transform",
        "/200?content-digest=x",
        "/200?repr-digest=x",
        "/200?digest=x",
    ] {
        for accepted in ["gzip", "gzip, identity;q=0"] {
            let reply = get(&client, path, accepted).await;
            assert_ne!(reply.header("content-encoding"), Some("gzip"), "{path}");
            assert_eq!(reply.header("vary"), None, "{path}");
        }
    }
    for path in [
        "/200?x=y",
        "/404?x=y",
        "/500?x=y",
        "/200?cache-control=public",
    ] {
        let reply = get(&client, path, "gzip").await;
        assert_eq!(reply.header("content-encoding"), Some("gzip"), "{path}");
    }
}

#[tokio::test]
async fn pictures_stay_as_they_are_unless_something_else_is_said() {
    let app = http_app(async |http: Http| {
        http.responder
            .respond(Response::typed("image/png", text(5000)))
            .await
    });
    let client = TestClient::new(compress(app.clone()));
    let reply = get(&client, "/", "gzip").await;
    assert_eq!(
        (reply.header("content-encoding"), reply.header("vary")),
        (None, None)
    );
    assert_eq!(
        get(&client, "/", "gzip, identity;q=0")
            .await
            .header("content-encoding"),
        Some("gzip")
    );
    let all = TestClient::new(compress(app).when(|head| head.status == StatusCode::OK));
    assert_eq!(
        get(&all, "/", "gzip").await.header("content-encoding"),
        Some("gzip")
    );
    let untyped =
        http_app(async |http: Http| http.responder.respond(Response::new(text(5000))).await);
    let client = TestClient::new(compress(untyped));
    assert_eq!(
        get(&client, "/", "gzip").await.header("content-encoding"),
        None
    );
}

#[tokio::test]
async fn what_is_made_can_be_said() {
    let app = compress(texts()).codings([Gzip]).level(Gzip, 9).unwrap();
    let client = TestClient::new(app);
    assert_eq!(
        get(&client, "/5000", "br, gzip")
            .await
            .header("content-encoding"),
        Some("gzip")
    );
    assert_eq!(
        get(&client, "/5000", "br").await.header("content-encoding"),
        None
    );
    let none = TestClient::new(compress(texts()).codings([]));
    assert_eq!(
        get(&none, "/5000", "br, gzip")
            .await
            .header("content-encoding"),
        None
    );
    for (coding, level, text) in [
        (
            Brotli,
            10,
            "br has no level 10 for answers: write one from 0 to 9",
        ),
        (
            Zstd,
            20,
            "zstd has no level 20 for answers: write one from 1 to 19",
        ),
        (
            Gzip,
            0,
            "gzip has no level 0 for answers: write one from 1 to 9",
        ),
    ] {
        let error = compress(texts()).level(coding, level).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
    for level in 0..=9 {
        let client = TestClient::new(compress(texts()).level(Brotli, level).unwrap());
        assert!(decoded(&get(&client, "/30000", "br").await) == text(30_000));
    }
    for level in [1, 19] {
        let client = TestClient::new(compress(texts()).level(Zstd, level).unwrap());
        assert!(decoded(&get(&client, "/30000", "zstd").await) == text(30_000));
    }
}

#[tokio::test]
async fn declared_lengths_are_kept_though_the_server_does_not_see_them() {
    let app = http_app(async |http: Http| {
        let head = ResponseHead::new(StatusCode::OK)
            .with_header(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))
            .with_header(header::CONTENT_LENGTH, HeaderValue::from_static("2000"));
        let path = http.scope.path().to_owned();
        let mut writer = http.responder.start(head).await?;
        writer.write(text(1500)).await?;
        match &*path {
            "/right" => writer.write(text(500)).await?,
            "/long" => {
                let error = writer.write(text(501)).await.unwrap_err();
                assert_eq!(error, SendError::TooMuch { declared: 2000 });
                writer.write(text(500)).await?;
            }
            _ => {
                let error = writer.finish().await.unwrap_err();
                assert!(error.to_string().contains("500 bytes before"), "{error}");
                return Err(error);
            }
        }
        writer.finish().await
    });
    let client = TestClient::new(compress(app));
    for path in ["/right", "/long"] {
        let reply = get(&client, path, "gzip").await;
        assert_eq!(decoded(&reply), [text(1500), text(500)].concat());
    }
    let request = client.get("/short").header("accept-encoding", "gzip");
    assert!(request.send().await.is_err());
}

#[tokio::test]
async fn a_wrong_length_is_refused_as_ever() {
    for (length, body) in [("9", 2000), ("x", 2000), ("3000", 2000)] {
        let app = http_app(move |http: Http| async move {
            let answer = Response::text(text(body));
            let answer =
                answer.with_header(header::CONTENT_LENGTH, HeaderValue::from_static(length));
            http.responder.respond(answer).await
        });
        let client = TestClient::new(compress(app));
        let request = client.get("/").header("accept-encoding", "gzip");
        assert_eq!(request.send().await.unwrap().status, 500, "{length}");
    }
}

#[tokio::test]
async fn trailers_follow_a_coded_body() {
    let app = http_app(async |http: Http| {
        let head = ResponseHead::new(StatusCode::OK)
            .with_header(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let sum = HeaderName::from_static("x-sum");
        let mut writer = http
            .responder
            .start_with_trailers(head, Some(std::slice::from_ref(&sum)))
            .await?;
        writer.write(text(3000)).await?;
        let trailers = HeaderMap::from_iter([(sum, HeaderValue::from_static("7"))]);
        writer.finish_with_trailers(trailers).await
    });
    let client = TestClient::new(compress(app));
    let request = client
        .get("/")
        .header("accept-encoding", "zstd")
        .header("te", "trailers");
    let reply = request.send().await.unwrap();
    assert!(decoded(&reply) == text(3000));
    assert_eq!(reply.trailers.unwrap()["x-sum"], "7");
}
