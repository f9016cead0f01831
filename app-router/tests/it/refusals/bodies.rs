//! Bodies of the wrong type, too large ones, and those that should be forms or text.

use super::{Case, FORM, JSON, PARTS, Wrong, app, check_all};

#[tokio::test]
async fn each_wrong_type_is_415() {
    let cases: &[Case<'_>] = &[
        (
            "/json",
            "",
            b"{}",
            415,
            &["header.content-type: is not application/json (content-type)"],
        ),
        (
            "/json",
            FORM,
            b"{}",
            415,
            &["header.content-type: is not application/json (content-type)"],
        ),
        (
            "/json",
            "text/json",
            b"{}",
            415,
            &["header.content-type: is not application/json (content-type)"],
        ),
        (
            "/json",
            "application/jsonp",
            b"{}",
            415,
            &["header.content-type: is not application/json (content-type)"],
        ),
        (
            "/form",
            JSON,
            b"name=a",
            415,
            &["header.content-type: is not application/x-www-form-urlencoded (content-type)"],
        ),
        (
            "/upload",
            FORM,
            b"name=a",
            415,
            &["header.content-type: is not multipart/form-data (content-type)"],
        ),
    ];
    check_all(&app(), &mut Wrong::default(), cases).await;
}

#[tokio::test]
async fn what_a_form_lacks_is_422() {
    let cases: &[Case<'_>] = &[
        (
            "/form",
            FORM,
            b"",
            422,
            &[
                "body.name: is missing (missing)",
                "body.count: is missing (missing)",
            ],
        ),
        (
            "/form",
            FORM,
            b"name=a&count=x&flag=7",
            422,
            &[
                "body.count: is not an integer (type)",
                "body.flag: is not a boolean (type)",
            ],
        ),
        (
            "/form",
            FORM,
            b"name=a&name=b&count=1",
            422,
            &["body.name: is not a string (type)"],
        ),
    ];
    check_all(&app(), &mut Wrong::default(), cases).await;
}

#[tokio::test]
async fn what_is_too_large_is_413() {
    let (app, mut wrong) = (app(), Wrong::default());
    let long = "x".repeat(4097);
    let cases: &[Case<'_>] = &[
        (
            "/text",
            "",
            long.as_bytes(),
            413,
            &["body: the body is larger than 4096 bytes (size)"],
        ),
        (
            "/bytes",
            "",
            long.as_bytes(),
            413,
            &["body: the body is larger than 4096 bytes (size)"],
        ),
        (
            "/none",
            "",
            b"x",
            413,
            &["body: the body is larger than 0 bytes (size)"],
        ),
        (
            "/json",
            JSON,
            long.as_bytes(),
            413,
            &["body: the body is larger than 4096 bytes (size)"],
        ),
        (
            "/form",
            FORM,
            long.as_bytes(),
            413,
            &["body: the body is larger than 4096 bytes (size)"],
        ),
    ];
    check_all(&app, &mut wrong, cases).await;
    let part = format!(
        "--B\r\ncontent-disposition: form-data; name=\"f\"\r\n\r\n{}\r\n--B--\r\n",
        "x".repeat(51)
    );
    let answer = app
        .post("/upload")
        .header("content-type", PARTS)
        .body(part)
        .send()
        .await
        .unwrap();
    wrong.check(
        "a large part",
        &answer,
        413,
        &["body.f: is larger than 50 bytes (size)"],
    );
}

#[tokio::test]
async fn what_is_no_text_and_no_form_with_files_is_400() {
    let cases: &[Case<'_>] = &[
        (
            "/text",
            "",
            b"a\xffb",
            400,
            &["body: is not UTF-8 at byte 1 (encoding)"],
        ),
        (
            "/upload",
            "multipart/form-data",
            b"",
            400,
            &["body: its content type has no boundary (multipart)"],
        ),
        (
            "/upload",
            PARTS,
            b"",
            400,
            &["body: incomplete multipart stream (multipart)"],
        ),
        (
            "/upload",
            PARTS,
            b"--B\r\n\r\nx",
            400,
            &["body: incomplete multipart stream (multipart)"],
        ),
    ];
    check_all(&app(), &mut Wrong::default(), cases).await;
}
