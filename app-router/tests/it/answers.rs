//! Replies beyond whole ones: lines of JSON, files, trailers.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use app_router::{Cookies, FileReply, JsonLines, Redirect, Rejection, Reply, Router, SetCookie};
use gateway_spec::AppError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use test_client::TestClient;

use crate::support::{Check, client};

#[derive(Serialize, JsonSchema)]
struct Row {
    n: u32,
    text: &'static str,
}

#[tokio::test]
async fn lines_of_json_come_one_by_one() {
    async fn rows() -> JsonLines<Row> {
        JsonLines::produce(async |lines| {
            for n in 0..3 {
                lines.send(Row { n, text: "a\nb" }).await?;
            }
            Ok(())
        })
    }
    let app = client(Router::new().get("/", rows));
    let answer = app.get("/").send().await.unwrap();
    assert_eq!(answer.header("content-type"), Some("application/jsonl"));
    answer.check(
        200,
        "{\"n\":0,\"text\":\"a\\nb\"}\n{\"n\":1,\"text\":\"a\\nb\"}\n{\"n\":2,\"text\":\"a\\nb\"}\n",
    );
    app.head("/").send().await.unwrap().check(200, "");
}

#[tokio::test]
async fn an_error_of_the_source_cuts_lines_off_after_what_was_sent() {
    async fn rows() -> JsonLines<u32> {
        JsonLines::produce(async |lines| {
            lines.send(1).await?;
            Err(AppError::message("the table is gone"))
        })
    }
    let app = client(Router::new().get("/", rows));
    let broken = app.get("/").send().await.unwrap_err();
    assert_eq!(broken.partial().unwrap().text(), "1\n");
    assert_eq!(
        broken.outcome().await.to_string(),
        "failed: the table is gone"
    );
}

#[tokio::test]
async fn endless_lines_end_with_the_server() {
    async fn rows() -> JsonLines<u32> {
        JsonLines::produce(async |lines| {
            lines.send(1).await?;
            std::future::pending().await
        })
    }
    let app = client(Router::new().get("/", rows));
    let mut exchange = app.get("/").stream().await.unwrap();
    assert_eq!(exchange.chunk().await.unwrap().unwrap(), "1\n");
    app.drain(Duration::from_secs(30));
    assert_eq!(exchange.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn files_are_sent_whole_and_may_be_saved_under_a_name() {
    fn manifest() -> io::Result<FileReply> {
        FileReply::new(
            File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))?,
            "text/plain",
        )
    }
    fn saved() -> io::Result<FileReply> {
        Ok(manifest()?.as_attachment("Bericht \"ü\".txt"))
    }
    fn directory() -> io::Result<FileReply> {
        FileReply::new(File::open(env!("CARGO_MANIFEST_DIR"))?, "text/plain")
    }
    let app = client(
        Router::new()
            .get("/", manifest)
            .get("/saved", saved)
            .get("/directory", directory),
    );
    let whole = app.get("/").send().await.unwrap();
    whole.check(200, include_str!("../../Cargo.toml"));
    assert_eq!(whole.header("content-type"), Some("text/plain"));
    assert_eq!(whole.content_length, Some(whole.body.len() as u64));
    let head = app.head("/").send().await.unwrap();
    head.check(200, "");
    assert_eq!(head.content_length, Some(whole.body.len() as u64));
    let saved = app.get("/saved").send().await.unwrap();
    let name = saved.header("content-disposition");
    assert_eq!(
        name,
        Some(
            "attachment; filename=\"Bericht ___.txt\"; filename*=UTF-8''Bericht%20%22%C3%BC%22.txt"
        )
    );
    assert_eq!(
        app.get("/directory").send().await.unwrap().status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

/// As clients see it: quoted text for all of them, and the whole name for those that read RFC 8187.
#[tokio::test]
async fn no_name_of_a_file_says_more_than_a_name() {
    for (name, expected) in [
        ("Report 2026.pdf", r#"filename="Report 2026.pdf""#),
        ("a;b='c'.txt", r#"filename="a;b='c'.txt""#),
        (
            "a\r\nset-cookie: x",
            r#"filename="a__set-cookie: x"; filename*=UTF-8''a%0D%0Aset-cookie%3A%20x"#,
        ),
        (
            "../\\\"; filename=evil",
            r#"filename="..___; filename=evil"; filename*=UTF-8''..%2F%5C%22%3B%20filename%3Devil"#,
        ),
        ("100%25", r#"filename="100_25"; filename*=UTF-8''100%2525"#),
        ("", r#"filename="""#),
    ] {
        let saved = move || {
            let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))?;
            Ok::<_, io::Error>(FileReply::new(file, "text/plain")?.as_attachment(name))
        };
        let app = client(Router::new().get("/", saved));
        let answer = app.get("/").send().await.unwrap();
        let expected = format!("attachment; {expected}");
        assert_eq!(answer.header("content-disposition"), Some(&*expected));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn cookies_are_set_and_removed_beside_a_reply() {
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Jar {
        word: Option<String>,
    }
    async fn set() -> Result<(SetCookie, (SetCookie, Redirect)), Rejection> {
        let word = SetCookie::new("word", "é; b=\"1\"");
        Ok((word, (SetCookie::removed("old"), Redirect::to("/"))))
    }
    async fn read(Cookies(jar): Cookies<Jar>) -> String {
        jar.word.unwrap_or_default()
    }
    async fn wrong() -> (SetCookie, &'static str) {
        (SetCookie::new("no name", ""), "never sent")
    }
    let router = Router::new().post("/", set).get("/", read);
    let app = client(router.get("/wrong", wrong));
    let answer = app.post("/").send().await.unwrap();
    answer.check(303, "");
    let fields: Vec<&str> = answer
        .headers
        .get_all("set-cookie")
        .map(|field| std::str::from_utf8(field).unwrap())
        .collect();
    assert_eq!(fields.len(), 2);
    assert!(
        fields[0].starts_with("old=; Path=/; Max-Age=0;"),
        "{fields:?}"
    );
    // As a browser sends it again.
    let pair = fields[1].split(';').next().unwrap();
    let read = app.get("/").header("cookie", pair).send().await.unwrap();
    read.check(200, "é; b=\"1\"");
    let wrong = app.get("/wrong").send().await.unwrap();
    assert_eq!(wrong.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn trailers_follow_the_body() {
    const SUM: HeaderName = HeaderName::from_static("x-sum");
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    let app = TestClient::new(
        Router::new()
            .get("/", async || {
                Reply::stream_with_trailers(
                    StatusCode::OK,
                    Some(vec![SUM]),
                    async |mut writer, _| {
                        WRITTEN.fetch_add(1, Ordering::Relaxed);
                        writer.write("12").await?;
                        let trailers = HeaderMap::from_iter([(SUM, HeaderValue::from(3))]);
                        writer.finish_with_trailers(trailers).await
                    },
                )
                .with_header(
                    HeaderName::from_static("x-kind"),
                    HeaderValue::from_static("sum"),
                )
            })
            .build()
            .unwrap(),
    );
    let answer = app.get("/").header("te", "trailers").send().await.unwrap();
    answer.check(200, "12");
    assert_eq!(answer.header("x-kind"), Some("sum"));
    assert_eq!(answer.trailers.unwrap()["x-sum"], "3");
    let head = app.head("/").send().await.unwrap();
    head.check(200, "");
    assert!(head.outcome().await.is_done());
    // What nobody reads is not written.
    assert_eq!(WRITTEN.load(Ordering::Relaxed), 1);
}
