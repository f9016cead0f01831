//! What heads say of coded answers.

use adapters::middleware::compress;
use gateway_spec::{Application, Http, Response, ResponseHead};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use test_client::{Reply, TestClient};

use super::text;
use crate::middleware::support::http_app;

/// Answers with these fields.
fn with(fields: &'static [(&'static str, &'static str)]) -> impl Application + Clone {
    http_app(move |http: Http| async move {
        let mut answer = Response::text(text(5000));
        for (name, value) in fields {
            let name = HeaderName::from_static(name);
            answer = answer.with_header(name, HeaderValue::from_static(value));
        }
        http.responder.respond(answer).await
    })
}

async fn coded(app: impl Application) -> Reply {
    let client = TestClient::new(compress(app));
    let reply = client
        .get("/")
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    reply
}

#[tokio::test]
async fn what_is_said_is_true_of_the_coded_answer() {
    let reply = coded(with(&[
        ("etag", "\"a\""),
        ("accept-ranges", "bytes"),
        ("content-length", "5000"),
        ("vary", "origin"),
    ]))
    .await;
    assert_eq!(reply.header("etag"), Some("W/\"a\""));
    assert_eq!(reply.header("accept-ranges"), None);
    assert_eq!(reply.content_length, Some(reply.body.len() as u64));
    let vary: Vec<_> = reply.headers.get_all("vary").collect();
    assert_eq!(vary, [&b"origin"[..], b"accept-encoding"]);
    assert_eq!(
        coded(with(&[("etag", "W/\"a\"")])).await.header("etag"),
        Some("W/\"a\"")
    );
    assert_eq!(
        coded(with(&[("etag", "odd")])).await.header("etag"),
        Some("odd")
    );
    assert_eq!(
        coded(with(&[("vary", "*")])).await.header("vary"),
        Some("*")
    );
    let once = coded(with(&[("vary", "Accept-Encoding, x")])).await;
    assert_eq!(once.header("vary"), Some("Accept-Encoding, x"));
}

#[tokio::test]
async fn an_answer_that_stays_as_it_is_keeps_its_fields() {
    let fields = &[("etag", "\"a\""), ("accept-ranges", "bytes")];
    let client = TestClient::new(compress(with(fields)));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(reply.header("etag"), Some("\"a\""));
    assert_eq!(reply.header("accept-ranges"), Some("bytes"));
    assert_eq!(
        (reply.content_length, reply.header("vary")),
        (Some(5000), Some("accept-encoding"))
    );
}

#[tokio::test]
async fn head_is_the_head_of_get() {
    let as_get = with(&[("etag", "\"a\"")]);
    let alone = http_app(async |http: Http| {
        let head = ResponseHead::new(StatusCode::OK)
            .with_header(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))
            .with_header(header::ETAG, HeaderValue::from_static("\"a\""))
            .with_header(header::CONTENT_LENGTH, HeaderValue::from_static("5000"));
        if http.scope.method == Method::HEAD {
            return http.responder.respond(head).await;
        }
        let mut writer = http.responder.start(head).await?;
        writer.write(text(5000)).await?;
        writer.finish().await
    });
    let streamed = http_app(async |http: Http| {
        let head = ResponseHead::new(StatusCode::OK)
            .with_header(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))
            .with_header(header::ETAG, HeaderValue::from_static("\"a\""));
        let mut writer = http.responder.start(head).await?;
        writer.write(text(5000)).await?;
        writer.finish().await
    });
    let clients = [
        TestClient::new(compress(as_get)),
        TestClient::new(compress(alone)),
        TestClient::new(compress(streamed)),
    ];
    for client in clients {
        for accepted in ["gzip", ""] {
            let get = client
                .get("/")
                .header("accept-encoding", accepted)
                .send()
                .await
                .unwrap();
            let head = client
                .head("/")
                .header("accept-encoding", accepted)
                .send()
                .await
                .unwrap();
            assert!(head.outcome().await.is_done());
            assert!(head.body.is_empty());
            for name in ["content-encoding", "etag", "vary", "content-type"] {
                assert_eq!(
                    head.header(name),
                    get.header(name),
                    "{name} for {accepted:?}"
                );
            }
            if accepted == "gzip" {
                assert_eq!(head.content_length, None, "nobody has coded it");
            } else {
                assert_eq!(head.content_length, get.content_length);
            }
        }
    }
}

#[tokio::test]
async fn not_modified_confirms_what_the_client_holds() {
    let app = http_app(async |http: Http| {
        let answer = Response::from(StatusCode::NOT_MODIFIED);
        let answer = answer.with_header(header::ETAG, HeaderValue::from_static("\"a\""));
        http.responder.respond(answer).await
    });
    let client = TestClient::new(compress(app));
    for (accepted, held, etag) in [
        ("gzip", "W/\"a\"", "W/\"a\""),
        ("gzip", "\"a\"", "\"a\""),
        ("", "W/\"a\"", "\"a\""),
    ] {
        let request = client.get("/").header("accept-encoding", accepted);
        let reply = request.header("if-none-match", held).send().await.unwrap();
        assert_eq!(
            (reply.status.as_u16(), reply.header("etag")),
            (304, Some(etag))
        );
        assert_eq!(
            (reply.header("vary"), reply.header("content-encoding")),
            (Some("accept-encoding"), None)
        );
    }
}
