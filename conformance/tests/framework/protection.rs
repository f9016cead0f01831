//! Sessions, and protection from other sites and from too many requests.

use conformance::{Client, Response, Subject};

use crate::{asked, chapter};

chapter! {
    a_session_goes_on_by_its_cookie,
    a_cookie_of_another_s_is_no_session,
    other_sites_cannot_post,
    too_many_requests_are_429,
}

#[track_caller]
fn visit(client: &mut Client, cookie: &str) -> Response {
    let response = asked(
        client,
        "GET",
        "/site/visits",
        &format!("cookie: {cookie}\r\n"),
    );
    assert_eq!(response.status, 200);
    response
}

/// The pair that a browser sends back.
#[track_caller]
fn cookie(response: &Response) -> String {
    let set = response.field("set-cookie").expect("the session changed");
    assert!(set.contains("HttpOnly"), "{set}");
    let pair = set.split(';').next();
    pair.unwrap_or_default().to_owned()
}

fn a_session_goes_on_by_its_cookie(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let first = client.get("/site/visits");
    assert_eq!(first.text(), "1");
    let second = visit(&mut client, &cookie(&first));
    assert_eq!(second.text(), "2");
    // Over another connection as well: it is the browser that keeps it.
    assert_eq!(visit(&mut server.connect(), &cookie(&second)).text(), "3");
    assert_eq!(visit(&mut client, &cookie(&first)).text(), "2");
}

fn a_cookie_of_another_s_is_no_session(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let cookie = cookie(&client.get("/site/visits"));
    let (said, signature) = cookie.rsplit_once('.').expect("it is signed");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let changed = format!("{said}.{other}{}", &signature[1..]);
    assert_eq!(visit(&mut client, &changed).text(), "1");
    assert_eq!(visit(&mut client, &cookie).text(), "2");
}

fn other_sites_cannot_post(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for (fields, status) in [
        ("origin: https://evil.example\r\n", 403),
        ("sec-fetch-site: cross-site\r\n", 403),
        ("origin: http://test\r\n", 200),
        ("sec-fetch-site: same-origin\r\n", 200),
        ("", 200),
    ] {
        let response = asked(&mut client, "POST", "/site/transfer", fields);
        assert_eq!(response.status, status, "{fields}");
    }
}

fn too_many_requests_are_429(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for _ in 0..2 {
        assert_eq!(client.get("/rate").text(), "in time");
    }
    let refused = client.get("/rate");
    assert_eq!(refused.status, 429);
    let wait = refused
        .field("retry-after")
        .and_then(|wait| wait.parse().ok());
    assert!(
        wait.is_some_and(|wait: u32| (1..=60).contains(&wait)),
        "{wait:?}"
    );
    // The connection is no worse for it.
    assert_eq!(client.get("/hello").text(), "hello");
}
