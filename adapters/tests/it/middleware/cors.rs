//! CORS by the Fetch Standard, and the mistakes that others have made with it.

use std::time::Duration;

use adapters::middleware::{Cors, WithCors, cors};
use gateway_spec::{AppError, Application, Http, Response};
use http::header::{self, HeaderName};
use http::{HeaderValue, Method, StatusCode};
use test_client::{Answerer, Reply, TestClient};

use super::support::{Work, echo, http_app, named, socket_app};

const OURS: &str = "https://app.example";

fn listed() -> Cors {
    Cors::new().origins([OURS, "http://localhost:5173"])
}

fn client(rules: Cors) -> TestClient {
    TestClient::new(cors(named("answer"), rules).unwrap())
}

/// What a page of this origin gets for a GET.
async fn page(client: &TestClient, origin: &str) -> Reply {
    let request = client.get("/").header("origin", origin);
    request.send().await.unwrap()
}

/// What a browser gets before a request of this method with these fields.
async fn preflight(client: &TestClient, origin: &str, method: &str, fields: &str) -> Reply {
    let mut request = client
        .options("/some/path")
        .header("origin", origin)
        .header("access-control-request-method", method);
    if !fields.is_empty() {
        request = request.header("access-control-request-headers", fields);
    }
    request.send().await.unwrap()
}

/// All fields of CORS and caching in an answer, in order of their names.
fn fields(reply: &Reply) -> Vec<String> {
    let is_of_cors = |name: &str| name.starts_with("access-control-") || name == "vary";
    let fields = reply.headers.iter().filter(|(name, _)| is_of_cors(name));
    let mut fields: Vec<_> = fields
        .map(|(name, value)| format!("{name}: {}", value.escape_ascii()))
        .collect();
    fields.sort();
    fields
}

fn allowed(reply: &Reply) -> Option<&str> {
    reply.header("access-control-allow-origin")
}

#[tokio::test]
async fn a_listed_origin_may_read_and_no_other() {
    let client = client(listed());
    let reply = page(&client, OURS).await;
    assert_eq!(reply.text(), "answer");
    let expected = [
        "access-control-allow-origin: https://app.example",
        "vary: origin",
    ];
    assert_eq!(fields(&reply), expected);
    for origin in [
        // Begins or ends like one, or is one with something beside it.
        "https://app.example.evil.example",
        "https://evil-app.example",
        "https://evilapp.example",
        "https://sub.app.example",
        "https://app.example:8443",
        "https://app.exampl",
        "https://app.example/",
        "https://app.example ",
        "http://app.example",
        "https://APP.example",
        "HTTPS://app.example",
        "https://app_example",
        "https://app.example,https://evil.example",
        "null",
        "*",
        "",
    ] {
        let reply = page(&client, origin).await;
        // It is served: only reading the answer is refused, and by the browser.
        assert_eq!((reply.status.as_u16(), reply.text()), (200, "answer"));
        // Whoever caches it must know that another origin gets another answer.
        assert_eq!(fields(&reply), ["vary: origin"], "{origin}");
    }
    let twice = client
        .get("/")
        .header("origin", OURS)
        .header("origin", OURS);
    assert_eq!(allowed(&twice.send().await.unwrap()), None);
}

#[tokio::test]
async fn an_answer_that_depends_on_the_origin_says_so_also_without_one() {
    let by_function = Cors::new().origins_by(|origin| origin == OURS);
    for rules in [listed(), by_function, Cors::new().mirror_origin()] {
        let reply = client(rules).get("/").send().await.unwrap();
        assert_eq!(fields(&reply), ["vary: origin"]);
    }
}

#[tokio::test]
async fn what_the_application_says_of_caching_is_kept() {
    for (said, expected) in [
        (&["accept-encoding"][..], &["accept-encoding", "origin"][..]),
        (
            &["accept-encoding, accept", "cookie"],
            &["accept-encoding, accept", "cookie", "origin"],
        ),
        (&["Origin"], &["Origin"]),
        (&["accept, ORIGIN"], &["accept, ORIGIN"]),
        (&["*"], &["*"]),
        (&["x-origin"], &["x-origin", "origin"]),
    ] {
        let app = http_app(move |http: Http| {
            let vary = |response: Response, value: &&'static str| {
                response.with_header(header::VARY, HeaderValue::from_static(value))
            };
            let response = said.iter().fold(Response::text("x"), vary);
            http.responder.respond(response)
        });
        let client = TestClient::new(cors(app, listed()).unwrap());
        let reply = page(&client, OURS).await;
        let vary: Vec<_> = reply.headers.get_all("vary").collect();
        let expected: Vec<_> = expected.iter().map(|value| value.as_bytes()).collect();
        assert_eq!(vary, expected);
    }
}

#[tokio::test]
async fn any_origin_is_a_star_the_same_for_all_and_nothing_varies() {
    let rules = || Cors::new().any_origin().expose([header::ETAG]);
    let client = client(rules());
    let star = [
        "access-control-allow-origin: *",
        "access-control-expose-headers: etag",
    ];
    assert_eq!(
        fields(&page(&client, "https://anybody.example").await),
        star
    );
    assert_eq!(fields(&page(&client, "null").await), star);
    assert_eq!(fields(&client.get("/").send().await.unwrap()), star);
    let reply = preflight(&client, "https://anybody.example", "GET", "").await;
    assert_eq!(fields(&reply), ["access-control-allow-origin: *"]);
}

#[tokio::test]
async fn a_mirrored_origin_is_said_back() {
    let client = client(Cors::new().mirror_origin());
    for origin in ["https://anybody.example", "null"] {
        let reply = page(&client, origin).await;
        let expected = [
            format!("access-control-allow-origin: {origin}"),
            "vary: origin".to_owned(),
        ];
        assert_eq!(fields(&reply), expected);
    }
}

#[tokio::test]
async fn a_function_decides_by_the_origin_alone() {
    let rules = Cors::new().origins_by(|origin| {
        let host = origin.strip_prefix("https://");
        host.is_some_and(|host| host.ends_with(".app.example"))
    });
    let client = client(rules.credentials());
    let reply = page(&client, "https://customer.app.example").await;
    let expected = [
        "access-control-allow-credentials: true",
        "access-control-allow-origin: https://customer.app.example",
        "vary: origin",
    ];
    assert_eq!(fields(&reply), expected);
    for origin in ["https://app.example", "https://evilapp.example", "null"] {
        assert_eq!(allowed(&page(&client, origin).await), None, "{origin}");
    }
    let not_text = client
        .get("/")
        .header("origin", b"https://\xff.app.example");
    assert_eq!(allowed(&not_text.send().await.unwrap()), None);
}

#[tokio::test]
async fn a_preflight_is_answered_without_the_application() {
    let work = Work::default();
    let watched = work.clone();
    let app = http_app(move |http: Http| {
        watched.begin().done();
        http.responder.respond("called")
    });
    let rules = listed()
        .methods([Method::PUT, Method::PATCH, Method::PUT])
        .headers([
            header::CONTENT_TYPE,
            HeaderName::from_static("x-csrf-token"),
        ])
        .expose([header::ETAG])
        .credentials()
        .max_age(Duration::from_millis(600_999));
    let client = TestClient::new(cors(app, rules).unwrap());
    let reply = preflight(&client, OURS, "PATCH", "content-type,x-other").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (204, ""));
    let expected = [
        "access-control-allow-credentials: true",
        "access-control-allow-headers: content-type, x-csrf-token",
        "access-control-allow-methods: PUT, PATCH",
        "access-control-allow-origin: https://app.example",
        "access-control-max-age: 600",
        "vary: origin",
    ];
    assert_eq!(fields(&reply), expected);

    let reply = preflight(&client, "https://evil.example", "PATCH", "").await;
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (403, "403 Forbidden\n")
    );
    assert_eq!(fields(&reply), ["vary: origin"]);
    assert!(!work.is_done());
}

#[tokio::test]
async fn a_preflight_s_body_is_not_waited_for() {
    let client = client(listed());
    let request = client
        .options("/")
        .header("origin", OURS)
        .header("access-control-request-method", "PUT")
        .body_to_come();
    assert_eq!(request.send().await.unwrap().status, 204);
}

#[tokio::test]
async fn only_a_preflight_is_one() {
    let client = client(listed());
    let is_preflight = async |request: test_client::Request| {
        let reply = request.send().await.unwrap();
        reply.text() != "answer"
    };
    let asking = "access-control-request-method";
    let plain = client.options("/").header("origin", OURS);
    assert!(!is_preflight(plain).await);
    let of_nobody = client.options("/").header(asking, "PUT");
    assert!(!is_preflight(of_nobody).await);
    let other_method = client
        .post("/")
        .header("origin", OURS)
        .header(asking, "PUT");
    assert!(!is_preflight(other_method).await);
    let of_the_server = client
        .options("*")
        .header("origin", OURS)
        .header(asking, "PUT");
    assert!(is_preflight(of_the_server).await);
}

#[tokio::test]
async fn stars_in_preflights() {
    let rules = Cors::new().any_origin().any_method().any_header();
    let reply = preflight(&client(rules), OURS, "PUT", "x-any").await;
    let expected = [
        "access-control-allow-headers: *",
        "access-control-allow-methods: *",
        "access-control-allow-origin: *",
    ];
    assert_eq!(fields(&reply), expected);
    // The star does not stand for it.
    let rules = Cors::new()
        .any_origin()
        .any_header()
        .headers([header::AUTHORIZATION])
        .expose_any();
    let client = client(rules);
    let reply = preflight(&client, OURS, "GET", "authorization").await;
    assert_eq!(
        reply.header("access-control-allow-headers"),
        Some("*, authorization")
    );
    let reply = page(&client, OURS).await;
    assert_eq!(reply.header("access-control-expose-headers"), Some("*"));
}

#[tokio::test]
async fn what_is_mirrored_is_said_back_and_varies() {
    let rules = listed().mirror_method().mirror_headers().credentials();
    let client = client(rules);
    let reply = preflight(&client, OURS, "PURGE", "x-one,x-two").await;
    let expected = [
        "access-control-allow-credentials: true",
        "access-control-allow-headers: x-one,x-two",
        "access-control-allow-methods: PURGE",
        "access-control-allow-origin: https://app.example",
        "vary: origin, access-control-request-method, access-control-request-headers",
    ];
    assert_eq!(fields(&reply), expected);
    let reply = preflight(&client, OURS, "GET", "").await;
    assert_eq!(reply.header("access-control-allow-headers"), None);
    for odd in ["x-one;q=1", "<script>", "x-\u{e9}", "a\"b"] {
        let reply = preflight(&client, OURS, "GET", odd).await;
        assert_eq!(reply.header("access-control-allow-headers"), None, "{odd}");
        let reply = preflight(&client, OURS, odd, "").await;
        assert_eq!(reply.header("access-control-allow-methods"), None, "{odd}");
    }
    // One that is refused varies as well.
    let reply = preflight(&client, "null", "GET", "").await;
    let vary = "origin, access-control-request-method, access-control-request-headers";
    assert_eq!(reply.header("vary"), Some(vary));
}

#[tokio::test]
async fn a_private_network_is_opened_where_it_is_asked_for() {
    let asking = "access-control-request-private-network";
    let ask = |client: &TestClient, value: &str| {
        client
            .options("/")
            .header("origin", OURS)
            .header("access-control-request-method", "GET")
            .header(asking, value)
    };
    let open = client(listed().private_network());
    let reply = ask(&open, "true").send().await.unwrap();
    let field = "access-control-allow-private-network";
    assert_eq!(reply.header(field), Some("true"));
    let vary = "origin, access-control-request-private-network";
    assert_eq!(reply.header("vary"), Some(vary));
    let reply = ask(&open, "false").send().await.unwrap();
    assert_eq!(reply.header(field), None);
    let reply = preflight(&open, OURS, "GET", "").await;
    assert_eq!(
        (reply.header(field), reply.header("vary")),
        (None, Some(vary))
    );
    let closed = client(listed());
    let reply = ask(&closed, "true").send().await.unwrap();
    assert_eq!(reply.header(field), None);
}

#[tokio::test]
async fn errors_can_be_read_by_pages() {
    async fn check(app: impl Application, status: u16) {
        let client = TestClient::new(cors(app, listed().credentials()).unwrap());
        let reply = page(&client, OURS).await;
        assert_eq!(reply.status, status);
        let expected = [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: https://app.example",
            "vary: origin",
        ];
        assert_eq!(fields(&reply), expected);
        assert_eq!(reply.answerer, Answerer::Application);
    }
    let fails = http_app(async |http: Http| {
        let _http = http;
        Err(AppError::message("it broke"))
    });
    check(fails, 500).await;
    let panics = http_app(async |http: Http| {
        let _http = http;
        panic!("at the disco")
    });
    check(panics, 500).await;
    let refuses = http_app(async |http: Http| http.responder.respond(StatusCode::NOT_FOUND).await);
    check(refuses, 404).await;
    let unmodified = http_app(async |http: Http| {
        let response = StatusCode::NOT_MODIFIED;
        http.responder.respond(response).await
    });
    check(unmodified, 304).await;
}

#[tokio::test]
async fn what_the_application_says_of_cors_is_replaced() {
    let app = http_app(async |http: Http| {
        let response = Response::text("x")
            .with_header(
                header::ACCESS_CONTROL_ALLOW_ORIGIN,
                HeaderValue::from_static("*"),
            )
            .with_header(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            )
            .with_header(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("set-cookie"),
            );
        let of_preflights = [
            "access-control-allow-methods",
            "access-control-allow-headers",
            "access-control-max-age",
            "access-control-allow-private-network",
        ];
        let response = of_preflights.into_iter().fold(response, |response, name| {
            response.with_header(HeaderName::from_static(name), HeaderValue::from_static("1"))
        });
        http.responder.respond(response).await
    });
    let client = TestClient::new(cors(app, listed()).unwrap());
    let reply = page(&client, OURS).await;
    let expected = [
        "access-control-allow-origin: https://app.example",
        "vary: origin",
    ];
    assert_eq!(fields(&reply), expected);
    let reply = page(&client, "https://evil.example").await;
    assert_eq!(fields(&reply), ["vary: origin"]);
}

#[tokio::test]
async fn of_two_the_outer_one_decides() {
    let inner = cors(named("x"), Cors::new().any_origin()).unwrap();
    let client = TestClient::new(cors(inner, listed()).unwrap());
    let reply = page(&client, OURS).await;
    let expected = [
        "access-control-allow-origin: https://app.example",
        "vary: origin",
    ];
    assert_eq!(fields(&reply), expected);
}

#[tokio::test]
async fn sockets_pass_unless_they_are_to_be_checked() {
    fn with(rules: Cors) -> WithCors<impl Application> {
        cors(socket_app(echo), rules).unwrap()
    }
    async fn is_open(client: &TestClient, host: &str, origin: Option<&str>) -> bool {
        let mut handshake = client
            .websocket("/")
            .request(|request| request.without_header("host").header("host", host));
        if let Some(origin) = origin {
            handshake = handshake.header("origin", origin);
        }
        match handshake.connect().await {
            Ok(mut socket) => {
                assert_eq!(socket.accepted().headers.get_str("vary"), None);
                socket.send("hi").await.unwrap();
                socket.text().await.unwrap() == "hi"
            }
            Err(denied) => {
                let reply = denied.reply().unwrap();
                assert_eq!(
                    (reply.status.as_u16(), fields(reply)),
                    (403, vec!["vary: origin".into()])
                );
                false
            }
        }
    }
    let passing = TestClient::new(with(listed()));
    assert!(is_open(&passing, "site.example", Some("https://evil.example")).await);

    let checking = TestClient::new(with(listed().check_websockets()));
    for (host, origin, expected) in [
        ("site.example", Some(OURS), true),
        ("site.example", None, true),
        ("site.example", Some("https://evil.example"), false),
        ("site.example", Some("null"), false),
        // Its own pages, which CORS does not know of.
        ("site.example", Some("https://site.example"), true),
        ("site.example", Some("http://site.example"), true),
        ("Site.Example", Some("https://site.example"), true),
        ("site.example:443", Some("https://site.example"), true),
        ("site.example:8000", Some("http://site.example:8000"), true),
        ("site.example:8000", Some("http://site.example:9000"), false),
        ("site.example", Some("http://site.example:9000"), false),
        ("site.example:443", Some("http://site.example"), false),
        ("site.example", Some("https://evil-site.example"), false),
        (
            "site.example",
            Some("https://site.example.evil.example"),
            false,
        ),
        ("[::1]:8000", Some("http://[::1]:8000"), true),
        ("[::1]", Some("http://[::1]"), true),
        ("[::1]", Some("http://[::2]"), false),
        ("site.example", Some("site.example"), false),
    ] {
        let open = is_open(&checking, host, origin).await;
        assert_eq!(open, expected, "{origin:?} to {host}");
    }
    let twice = checking
        .websocket("/")
        .header("origin", OURS)
        .header("origin", OURS);
    assert!(twice.connect().await.is_err());
}

#[test]
fn rules_that_would_not_do_what_they_say_are_refused() {
    for (rules, why) in [
        (Cors::new(), "no origin is allowed: list some by `origins`"),
        (
            Cors::new().any_origin().credentials(),
            "credentials for every origin",
        ),
        (
            Cors::new().mirror_origin().credentials(),
            "credentials for every origin",
        ),
        (
            listed().any_method().credentials(),
            "`any_method` means nothing with credentials",
        ),
        (
            listed().any_header().credentials(),
            "`any_header` means nothing with credentials",
        ),
        (
            listed().expose_any().credentials(),
            "`expose_any` means nothing with credentials",
        ),
        (
            Cors::new().any_origin().private_network(),
            "a private network that is open to every origin",
        ),
    ] {
        let error = cors(named("x"), rules).unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }
    // What was said before of origins does not count.
    let rules = Cors::new().any_origin().origins([OURS]).credentials();
    assert!(cors(named("x"), rules).is_ok());
}

#[test]
fn origins_that_no_browser_sends_are_refused_with_what_to_write() {
    for (origin, why) in [
        ("*", "say `any_origin`"),
        ("null", "every page can have it"),
        ("app.example", "write `scheme://host`"),
        ("https://", "write `scheme://host`"),
        ("://app.example", "write `scheme://host`"),
        ("https://app.example/", "without a slash"),
        ("https://app.example/path", "without a slash"),
        ("https://user@app.example", "without a slash"),
        ("https://App.example", "lower case"),
        ("https://*.app.example", "`origins_by`"),
        ("https://app.example:443", "a default port"),
        ("http://app.example:80", "a default port"),
        ("https://app.example:0443", "from 1 to 65535"),
        ("https://app.example:0", "from 1 to 65535"),
        ("https://app.example:65536", "from 1 to 65535"),
        ("https://app.example:", "from 1 to 65535"),
        ("https://münchen.example", "`xn--…`"),
        ("https://app example", "write `scheme://host`"),
    ] {
        let rules = Cors::new().origins([origin]);
        let error = cors(named("x"), rules).unwrap_err().to_string();
        assert!(
            error.contains(why) && error.contains(origin),
            "{origin}: {error}"
        );
    }
    let good = [
        "https://app.example:8443",
        "http://127.0.0.1:8000",
        "http://[::1]:5173",
        "http://[::1]",
        "https://xn--mnchen-3ya.example",
        "capacitor://localhost",
        "chrome-extension://abcdefghijklmnop",
        "http://app.example:443",
    ];
    assert!(cors(named("x"), Cors::new().origins(good)).is_ok());
}
