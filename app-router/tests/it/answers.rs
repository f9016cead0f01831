//! Replies beyond whole ones: lines of JSON, files, trailers.

use std::fs::File;
use std::io;
use std::time::Duration;

use app_router::{FileReply, JsonLines, Reply, Router};
use gateway_spec::AppError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
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
        Some("attachment; filename*=UTF-8''Bericht%20%22%C3%BC%22.txt")
    );
    assert_eq!(
        app.get("/directory").send().await.unwrap().status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[tokio::test]
async fn trailers_follow_the_body() {
    const SUM: HeaderName = HeaderName::from_static("x-sum");
    let app = TestClient::new(
        Router::new()
            .get("/", async || {
                Reply::stream_with_trailers(
                    StatusCode::OK,
                    Some(vec![SUM]),
                    async |mut writer, _| {
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
    app.head("/").send().await.unwrap().check(200, "");
}
