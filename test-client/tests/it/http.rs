//! Requests and answers.

use bytes::Bytes;
use gateway_spec::{
    Abort, AppError, BodyError, FileRegion, Gone, Http, HttpTransport, Response, ResponseHead,
    State, Tunnel,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use test_client::{Answerer, Outcome, Why};

use crate::apps;

#[tokio::test]
async fn the_application_sees_the_request_as_a_server_gives_it() {
    let client = apps::http(async |mut http: Http| {
        let scope = http.scope.clone();
        let body = http.body.collect(100).await?;
        let fields: Vec<_> = scope
            .headers
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            .collect();
        let text = format!(
            "{} {} {:?} {:?} {} {:?} {}",
            scope.method,
            scope.uri,
            scope.version,
            scope.body,
            fields.join(";"),
            scope.state.get::<u8>(),
            body.len()
        );
        http.responder.respond(text).await
    });
    let client = client.with_state(State::new().with(7_u8));
    let plain = client.get("/a?b=c").header("x", "1").send().await.unwrap();
    assert_eq!(
        plain.text(),
        "GET /a?b=c HTTP/1.1 Empty host=testserver;x=1 Some(7) 0"
    );
    let sized = client.put("/").body("abc").send().await.unwrap();
    assert_eq!(
        sized.text(),
        "PUT / HTTP/1.1 Known(3) host=testserver;content-length=3 Some(7) 3"
    );
    let chunked = client.post("/").body_chunks(["ab", "cd"]).send().await;
    assert_eq!(
        chunked.unwrap().text(),
        "POST / HTTP/1.1 Unknown host=testserver;transfer-encoding=chunked Some(7) 4"
    );
    let json = client
        .post("/")
        .without_header("host")
        .version(Version::HTTP_2)
        .state(State::new())
        .json(&[1])
        .send()
        .await;
    assert_eq!(
        json.unwrap().text(),
        "POST / HTTP/2.0 Known(3) content-type=application/json;content-length=3 None 3"
    );
}

#[tokio::test]
async fn an_answer_is_whole_or_in_parts() {
    let client = apps::http(async |http: Http| {
        if http.scope.path() == "/whole" {
            return http.responder.respond("whole").await;
        }
        let mut writer = http.responder.start(StatusCode::ACCEPTED).await?;
        for part in ["a", "b", "c"] {
            writer.write(part).await?;
        }
        writer.finish().await
    });
    let whole = client.get("/whole").send().await.unwrap();
    assert_eq!((whole.text(), whole.content_length), ("whole", Some(5)));
    assert_eq!(whole.answerer, Answerer::Application);
    let parts = client.get("/parts").send().await.unwrap();
    assert_eq!((parts.status.as_u16(), parts.text()), (202, "abc"));
    assert_eq!(parts.content_length, None);

    let mut stream = client.get("/parts").stream().await.unwrap();
    assert_eq!(stream.response().unwrap().status, 202);
    for part in ["a", "b", "c"] {
        assert_eq!(stream.chunk().await.unwrap().unwrap(), part);
    }
    assert_eq!(stream.chunk().await.unwrap(), None);
    assert_eq!(stream.chunk().await.unwrap(), None, "asked again");
}

#[tokio::test]
async fn what_has_no_body_has_none_and_head_has_the_length_of_get() {
    let client = apps::http(async |http: Http| match http.scope.path() {
        "/none" => http.responder.respond(StatusCode::NO_CONTENT).await,
        "/not-modified" => {
            let response = Response::new("hidden").with_status(StatusCode::NOT_MODIFIED);
            http.responder.respond(response).await
        }
        "/long" => {
            let head = ResponseHead::new(StatusCode::OK)
                .with_header(header::CONTENT_LENGTH, HeaderValue::from_static("5"));
            http.responder.start(head).await?.finish().await
        }
        _ => http.responder.respond("12345").await,
    });
    for (request, length) in [
        (client.get("/none"), None),
        (client.get("/not-modified"), None),
        (client.head("/"), Some(5)),
        (client.head("/long"), Some(5)),
    ] {
        let reply = request.send().await.unwrap();
        assert_eq!((reply.text(), reply.content_length), ("", length));
        assert!(reply.outcome().await.is_done());
    }
    let broken = client.get("/long").send().await.unwrap_err();
    assert_eq!(broken.why(), Why::CutOff, "five bytes are missing");
    assert_eq!(broken.partial().unwrap().status, 200);
}

#[tokio::test]
async fn trailers_go_both_ways_and_only_to_those_who_take_them() {
    let name = HeaderName::from_static("x-sum");
    let client = apps::http(async |mut http: Http| {
        let name = HeaderName::from_static("x-sum");
        let trailers = http.body.trailers().await?.unwrap_or_default();
        let start = http
            .responder
            .start_with_trailers(StatusCode::OK, Some(&[name]));
        start.await?.finish_with_trailers(trailers).await
    });
    let mut trailers = HeaderMap::new();
    trailers.append(&name, HeaderValue::from_static("7"));
    let request = || {
        client
            .post("/")
            .body_chunks(["x"])
            .trailers(trailers.clone())
    };
    let taken = request().header("te", "trailers").send().await.unwrap();
    assert_eq!(taken.trailers.unwrap()[&name], "7");
    assert_eq!(taken.headers.get_str("trailer"), Some("x-sum"));
    let dropped = request().send().await.unwrap();
    assert_eq!(dropped.trailers, None, "HTTP-28");
    let http2 = request().version(Version::HTTP_2).send().await.unwrap();
    assert_eq!(http2.trailers.unwrap()[&name], "7");
}

#[tokio::test]
async fn informational_responses_and_100_continue_come_before() {
    let client = apps::http(async |mut http: Http| {
        if http.scope.path() == "/reads" {
            http.body.collect(10).await?;
        }
        http.responder
            .inform(ResponseHead::new(StatusCode::EARLY_HINTS))
            .await?;
        http.responder.respond("").await
    });
    for (path, expected) in [("/reads", &[100, 103][..]), ("/does-not", &[103])] {
        let request = client.post(path).header("expect", "100-continue").body("x");
        let reply = request.send().await.unwrap();
        let statuses: Vec<_> = reply
            .informational
            .iter()
            .map(|head| head.status.as_u16())
            .collect();
        assert_eq!(statuses, expected, "{path}");
    }
    let old = client.post("/").version(Version::HTTP_10).send().await;
    assert!(old.unwrap().informational.is_empty());
}

#[tokio::test]
async fn what_an_application_does_not_answer_the_server_does() {
    async fn serve(http: Http) -> Result<gateway_spec::Done, AppError> {
        match http.scope.path() {
            "/error" => Err(AppError::message("the disk is full")),
            "/status" => Err(AppError::status(StatusCode::CONFLICT)),
            "/limit" => {
                let mut body = http.body;
                drop(body.collect(1).await?);
                http.responder.respond("").await
            }
            "/panic" => panic!("a bug"),
            "/lie" => {
                let (other, _events) = Http::in_memory(http.scope.clone());
                other.responder.respond("elsewhere").await
            }
            "/forgets" => {
                drop(http);
                std::future::pending().await
            }
            "/elsewhere" => {
                tokio::spawn(async move { drop(http) });
                std::future::pending().await
            }
            other => panic!("{other}"),
        }
    }
    let client = apps::http(serve);
    for (path, status, outcome) in [
        ("/error", 500, Some("failed: the disk is full")),
        (
            "/status",
            409,
            Some("failed: the application answers 409 Conflict"),
        ),
        (
            "/limit",
            413,
            Some("failed: the request body is larger than 1 bytes"),
        ),
        ("/panic", 500, Some("panicked: a bug")),
        (
            "/lie",
            500,
            Some("returned without finishing its answer (SRV-12)"),
        ),
        ("/forgets", 500, None),
        ("/elsewhere", 500, None),
    ] {
        let reply = client.post(path).body("body").send().await.unwrap();
        assert_eq!(reply.status.as_u16(), status, "{path}");
        assert_eq!(reply.answerer, Answerer::Server, "{path}");
        assert!(reply.text().starts_with(&status.to_string()), "{path}");
        if let Some(outcome) = outcome {
            assert_eq!(reply.outcome().await.to_string(), outcome);
        }
    }
}

#[tokio::test]
async fn what_was_started_and_not_finished_is_cut_off_after_what_was_sent() {
    let client = apps::http(async |http: Http| {
        let path = http.scope.path().to_owned();
        let mut writer = http.responder.start(StatusCode::OK).await?;
        writer.write("before").await?;
        match &*path {
            "/panics" => panic!("a bug"),
            "/fails" => Err(AppError::message("no more")),
            "/aborts" => Ok(writer.abort()),
            _ => {
                drop(writer);
                std::future::pending().await
            }
        }
    });
    for path in ["/panics", "/fails", "/aborts", "/forgets"] {
        let broken = client.get(path).send().await.unwrap_err();
        assert_eq!(broken.why(), Why::CutOff, "{path}");
        assert_eq!(broken.partial().unwrap().body, "before", "{path}");
    }
    let before = apps::http(async |http: Http| Ok(http.responder.abort()));
    let broken = before.get("/").send().await.unwrap_err();
    assert!(broken.partial().is_none(), "HTTP-29: no answer at all");
    assert!(matches!(broken.outcome().await, Outcome::Done));
}

#[tokio::test]
async fn work_after_the_answer_does_not_hold_it_back() {
    let (go, gate) = tokio::sync::watch::channel(());
    let client = apps::http(move |http: Http| {
        let mut gate = gate.clone();
        async move {
            let done = http.responder.respond("early").await?;
            let _ = gate.changed().await;
            Ok(done)
        }
    });
    let mut exchange = client.get("/").stream().await.unwrap();
    assert_eq!(exchange.chunk().await.unwrap().unwrap(), "early");
    assert!(exchange.outcome_now().is_none());
    go.send(()).unwrap();
    assert!(exchange.outcome().await.is_done());
}

#[tokio::test]
async fn fields_that_are_the_servers_do_not_come_from_the_application() {
    let client = apps::http(async |http: Http| {
        let mut response = Response::new("x");
        for (name, value) in [
            ("connection", "close, x-hop"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-own", "1"),
        ] {
            let name = HeaderName::from_static(name);
            response = response.with_header(name, HeaderValue::from_static(value));
        }
        if http.scope.path() == "/426" {
            response = response.with_status(StatusCode::UPGRADE_REQUIRED);
        }
        http.responder.respond(response).await
    });
    let required = client.get("/426").send().await.unwrap();
    assert_eq!(required.header("upgrade"), Some("h2c"));
    let reply = client.get("/").send().await.unwrap();
    let fields: Vec<_> = reply.headers.iter().collect();
    assert_eq!(
        fields,
        [("x-own", &b"1"[..]), ("connection", &b"close"[..])]
    );
}

#[tokio::test]
async fn a_file_is_read_and_one_that_is_too_short_cuts_off() {
    let client = apps::http(async |http: Http| {
        let file = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))?;
        let length = if http.scope.path() == "/short" {
            u64::from(u32::MAX)
        } else {
            7
        };
        let mut writer = http.responder.start(StatusCode::OK).await?;
        writer.write("> ").await?;
        let region = FileRegion {
            file: file.into(),
            offset: 1,
            length,
        };
        writer.write_file(region).await?;
        writer.finish().await
    });
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(reply.text(), "> package");
    let broken = client.get("/short").send().await.unwrap_err();
    assert_eq!(broken.why(), Why::CutOff);
}

#[tokio::test]
async fn an_upgrade_makes_a_tunnel() {
    let client = apps::http(async |http: Http| {
        let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
            .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
        let mut tunnel: Tunnel = http.responder.upgrade(head, http.body).await?;
        while let Some(bytes) = tunnel.read().await? {
            tunnel.write(bytes).await?;
        }
        tunnel.finish().await
    });
    let asked = |upgrade| {
        client
            .get("/")
            .header("connection", "upgrade")
            .header("upgrade", upgrade)
    };
    let mut tunnel = asked("echo").stream().await.unwrap();
    assert_eq!(tunnel.response().unwrap().status, 101);
    for part in ["one", "two"] {
        tunnel.send(part).await.unwrap();
        assert_eq!(tunnel.chunk().await.unwrap().unwrap(), part);
    }
    tunnel.finish();
    assert_eq!(tunnel.chunk().await.unwrap(), None);
    assert!(tunnel.outcome().await.is_done());

    let not_asked = client.get("/").send().await.unwrap();
    assert_eq!(not_asked.status, 500, "HTTP-30");
    let error = not_asked.outcome().await;
    assert!(error.to_string().contains("HTTP-20"), "{error}");
}

#[tokio::test]
async fn a_body_that_fails_is_told_and_can_be_answered() {
    let client = apps::http(async |mut http: Http| {
        let error = http.body.collect(100).await.unwrap_err();
        http.responder.respond(error.to_string()).await
    });
    let mut exchange = client.post("/").body_to_come().open();
    exchange.send("part").await.unwrap();
    exchange.fail(BodyError::Timeout);
    let reply = exchange.reply().await.unwrap();
    assert_eq!(reply.text(), "the request body did not arrive in time");

    let mut short = client.post("/").body_to_come_of(5).open();
    short.send("four").await.unwrap();
    short.finish();
    let reply = short.reply().await.unwrap();
    assert_eq!(reply.text(), "the request body is malformed or cut off");
}

#[tokio::test]
async fn a_handle_that_outlives_its_exchange_finds_it_over() {
    let (give, taken) = std::sync::mpsc::channel();
    let client = apps::http(move |http: Http| {
        let give = give.clone();
        async move {
            let (scope, transport) = http.into_transport();
            give.send(std::sync::Arc::clone(&transport)).unwrap();
            Http::new(scope, transport).responder.respond("x").await
        }
    });
    client.get("/").send().await.unwrap();
    let transport: std::sync::Arc<dyn HttpTransport> = taken.recv().unwrap();
    transport.abort(Abort::Deliberate);
    let sent = transport.send(gateway_spec::HttpSend::Body {
        bytes: Bytes::new(),
        more: false,
    });
    assert_eq!(sent, Err(gateway_spec::SendError::Gone(Gone::Finished)));
    assert_eq!(transport.gone().await, Gone::Finished);
}
