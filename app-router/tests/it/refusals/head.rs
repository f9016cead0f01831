//! Paths, methods, queries, fields and cookies.

use super::{Wrong, app};
use crate::support::Check;

#[tokio::test]
async fn each_wrong_path_and_method_has_its_status() {
    let (app, mut wrong) = (app(), Wrong::default());
    for (method, path, status, said) in [
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", "/path", 404, "Not Found"),
        ("GET", "/path/", 404, "Not Found"),
        ("GET", "/path/1/", 404, "Not Found"),
        ("GET", "/json", 405, "Method Not Allowed"),
        ("BREW", "/json", 405, "Method Not Allowed"),
        // UTF-8 is what text is; what is none is no path of ours.
        ("GET", "/text/%FF", 400, "Bad Request"),
        ("GET", "/text/%C3%28", 400, "Bad Request"),
        ("GET", "/text/%ED%A0%80", 400, "Bad Request"),
    ] {
        let answer = app
            .request(method.parse().unwrap(), path)
            .send()
            .await
            .unwrap();
        answer.check(status, said);
        let allow = answer.header("allow");
        assert_eq!(allow, (status == 405).then_some("POST, OPTIONS"), "{path}");
    }
    // A `%` that encodes nothing is a `%`.
    for (path, text) in [
        ("/text/100%", "100%"),
        ("/text/%zz", "%zz"),
        ("/text/%C3%A9", "é"),
    ] {
        app.get(path).send().await.unwrap().check(200, text);
    }
    for (path, expected) in [
        ("/path/x", "path.count: is not an integer (type)"),
        ("/path/256", "path.count: is not within 0 and 255 (range)"),
        ("/path/1%2F2", "path.count: is not an integer (type)"),
        ("/path/%31x", "path.count: is not an integer (type)"),
    ] {
        wrong.check(path, &app.get(path).send().await.unwrap(), 422, &[expected]);
    }
}

#[tokio::test]
async fn each_wrong_value_of_the_head_has_its_place() {
    let (app, mut wrong) = (app(), Wrong::default());
    for (query, expected) in [
        (
            "",
            &[
                "query.name: is missing (missing)",
                "query.count: is missing (missing)",
            ][..],
        ),
        ("name=a&count=", &["query.count: is not an integer (type)"]),
        (
            "name=a&count=1&count=2",
            &["query.count: is not an integer (type)"],
        ),
        (
            "name=a&count=1&flag=maybe",
            &["query.flag: is not a boolean (type)"],
        ),
        (
            "name=a&count=1&more=1",
            &["query.more: is not known (unknown)"],
        ),
        (
            "name=a&count=%ZZ",
            &["query.count: is not an integer (type)"],
        ),
        (
            "&&=&name",
            &[
                "query.count: is missing (missing)",
                "query.: is not known (unknown)",
            ],
        ),
    ] {
        let answer = app.get(&format!("/query?{query}")).send().await.unwrap();
        wrong.check(query, &answer, 422, expected);
    }
    for (path, field, value, expected) in [
        (
            "/head",
            "x",
            &b""[..],
            "header.x-count: is missing (missing)",
        ),
        (
            "/head",
            "x-count",
            b"one",
            "header.x-count: is not an integer (type)",
        ),
        // What is no text is not there.
        (
            "/head",
            "x-count",
            b"\xff",
            "header.x-count: is missing (missing)",
        ),
        ("/jar", "cookie", b"", "cookie.count: is missing (missing)"),
        (
            "/jar",
            "cookie",
            b"count=x",
            "cookie.count: is not an integer (type)",
        ),
        (
            "/jar",
            "cookie",
            b"count",
            "cookie.count: is missing (missing)",
        ),
        (
            "/jar",
            "cookie",
            b"\xff=1; count=1",
            "cookie.count: is missing (missing)",
        ),
    ] {
        let answer = app.get(path).header(field, value).send().await.unwrap();
        wrong.check(expected, &answer, 422, &[expected]);
    }
}
