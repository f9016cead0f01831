//! Forms with files, part by part as they come.

use app_router::{Multipart, Router, route};
use bytes::Bytes;
use gateway_spec::AppError;
use http::StatusCode;
use test_client::TestClient;

use crate::support::{Check, client, issues};

async fn upload(mut form: Multipart) -> Result<String, AppError> {
    let mut said = String::new();
    while let Some(part) = form.next().await? {
        let head = format!(
            "{} {:?} {:?}",
            part.name(),
            part.file_name(),
            part.content_type()
        );
        let text = part.text(20).await?;
        said += &format!("{head}: {text}\n");
    }
    Ok(said)
}

const FORM: &str = "--XX\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\none\r\n--XX\r\n\
    content-disposition: form-data; name=\"f\"; filename=\"n.txt\"\r\ncontent-type: text/plain\r\n\r\ntwo\r\n--XX--\r\n";

fn uploads() -> TestClient {
    client(Router::new().post("/", route(upload).body_limit(300)))
}

/// As it comes from a slow client.
fn cut(body: &str, size: usize) -> Vec<Bytes> {
    let pieces = body.as_bytes().chunks(size);
    pieces.map(Bytes::copy_from_slice).collect()
}

#[tokio::test]
async fn forms_with_files_are_read_part_by_part_however_they_are_cut() {
    let app = uploads();
    for size in [1, 7, 64, FORM.len()] {
        app.post("/")
            .header("content-type", "multipart/form-data; boundary=XX")
            .body_chunks(cut(FORM, size))
            .send()
            .await
            .unwrap()
            .check(
                200,
                "a None None: one\nf Some(\"n.txt\") Some(\"text/plain\"): two\n",
            );
    }
}

#[tokio::test]
async fn broken_forms_with_files_have_their_4xx() {
    let app = uploads();
    let long = FORM.replace("two", &"x".repeat(21));
    let endless = format!("--XX\r\nx-long: {}", "x".repeat(1000));
    let binary = FORM.replace("one", "\u{1}").into_bytes();
    let binary: Vec<u8> = binary
        .into_iter()
        .map(|byte| if byte == 1 { 0xff } else { byte })
        .collect();
    for (content_type, body, status, expected) in [
        (
            "text/plain",
            FORM.as_bytes(),
            415,
            "header.content-type: is not multipart/form-data (content-type)",
        ),
        (
            "multipart/form-data",
            FORM.as_bytes(),
            400,
            "body: its content type has no boundary (multipart)",
        ),
        (
            "multipart/form-data; boundary=XX",
            &FORM.as_bytes()[..FORM.len() - 10],
            400,
            "body: field \"f\" received with incomplete data (multipart)",
        ),
        (
            "multipart/form-data; boundary=XX",
            b"hello",
            400,
            "body: incomplete multipart stream (multipart)",
        ),
        (
            "multipart/form-data; boundary=XX",
            long.as_bytes(),
            413,
            "body.f: is larger than 20 bytes (size)",
        ),
        (
            "multipart/form-data; boundary=XX",
            &binary,
            422,
            "body.a: is not UTF-8 (encoding)",
        ),
    ] {
        let answer = app
            .post("/")
            .header("content-type", content_type)
            .body(body.to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(issues(&answer), [expected]);
        assert_eq!(answer.status.as_u16(), status, "{expected}");
    }
    // A head without an end is not collected for ever.
    let answer = app
        .post("/")
        .header("content-type", "multipart/form-data; boundary=XX")
        .body_chunks(cut(&endless, 50))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        issues(&answer),
        ["body: the body is larger than 300 bytes (size)"]
    );
}

#[tokio::test]
async fn a_part_may_be_as_long_as_its_reader_takes_and_no_longer() {
    let app = uploads();
    for (length, status) in [(19, 200), (20, 200), (21, 413)] {
        let form = FORM.replace("two", &"x".repeat(length));
        let answer = app
            .post("/")
            .header("content-type", "Multipart/Form-Data; Boundary=\"XX\"")
            .body(form)
            .send();
        assert_eq!(answer.await.unwrap().status.as_u16(), status, "{length}");
    }
}

/// What is held is bounded, not what comes: all of it is ready here, and each part is looked at before the next is taken in.
#[tokio::test]
async fn a_form_may_be_longer_than_what_is_held_of_it() {
    let parts = FORM.strip_suffix("--\r\n").unwrap();
    let form = format!("{}--XX--\r\n", format!("{parts}\r\n").repeat(20));
    assert!(form.len() > 300 * 10);
    let form = form.replace("--XX\r\n--XX", "--XX");
    let answer = uploads()
        .post("/")
        .header("content-type", "multipart/form-data; boundary=XX")
        .body_chunks(cut(&form, 50))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.text().lines().count(), 40);
}
