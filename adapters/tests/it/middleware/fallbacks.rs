//! A second application for what the first has not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapters::middleware::{Mount, fallback};
use gateway_spec::{
    Accept, AppError, Application, Connection, Gone, Http, HttpReceive, Response, State,
    application_fn,
};
use http::StatusCode;
use test_client::{Answerer, Outcome, TestClient};

use super::support::{Work, echo, http_app, named, socket_app};

/// Reads the body, and says how much that was.
fn second() -> impl Application + Clone {
    http_app(async |mut http: Http| {
        let body = http.body.collect(1_000_000).await?;
        let text = format!("second, {} bytes", body.len());
        http.responder.respond(text).await
    })
}

fn refusing() -> impl Application + Clone {
    application_fn(Connection::refuse)
}

#[tokio::test]
async fn what_the_first_has_is_the_first_s_and_what_it_refuses_the_second_s() {
    let first = http_app(async |http: Http| match http.scope.path() {
        "/first" => http.responder.respond("first").await,
        _ => Connection::Http(http).refuse().await,
    });
    let client = TestClient::new(fallback(first, second()));
    let reply = client.post("/first").body("12345").send().await.unwrap();
    assert_eq!(reply.text(), "first");
    for request in [
        client.post("/").body("12345"),
        client.post("/").body_chunks(["12", "345"]),
    ] {
        let reply = request.send().await.unwrap();
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (200, "second, 5 bytes")
        );
        assert!(reply.outcome().await.is_done());
    }
    assert_eq!(
        client.get("/").send().await.unwrap().text(),
        "second, 0 bytes"
    );
    let expecting = client.post("/").header("expect", "100-continue");
    let reply = expecting.body("12345").send().await.unwrap();
    assert_eq!(
        (reply.text(), reply.informational.len()),
        ("second, 5 bytes", 1)
    );
}

#[tokio::test]
async fn however_a_404_is_sent_nothing_of_it_is_seen() {
    async fn check(first: impl Application) {
        let client = TestClient::new(fallback(first, second()));
        let reply = client.post("/").body("12345").send().await.unwrap();
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (200, "second, 5 bytes")
        );
        assert_eq!(
            reply.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(reply.headers.len(), 1);
    }
    check(refusing()).await;
    check(http_app(async |http: Http| {
        let page = Response::html("<h1>Not here</h1>").with_status(StatusCode::NOT_FOUND);
        http.responder.respond(page).await
    }))
    .await;
    check(http_app(async |http: Http| {
        let Http {
            body, responder, ..
        } = http;
        // The second still wants it.
        drop(body);
        let mut writer = responder.start(StatusCode::NOT_FOUND).await?;
        writer.write("not ").await?;
        writer.flush().await?;
        writer.write("here").await?;
        writer.finish().await
    }))
    .await;
    check(http_app(async |http: Http| {
        let writer = http.responder.start(StatusCode::NOT_FOUND).await?;
        Ok(writer.abort())
    }))
    .await;
    // What is received after it is not the second's.
    check(http_app(async |http: Http| {
        let (_, transport) = http.into_transport();
        transport.send(gateway_spec::HttpSend::Start {
            head: StatusCode::NOT_FOUND.into(),
            body: "".into(),
            more: false,
            trailers: gateway_spec::TrailersPlan::None,
        })?;
        let received = std::future::poll_fn(|cx| transport.poll_receive(cx)).await;
        assert!(matches!(received, HttpReceive::Disconnect(Gone::Finished)));
        let (other, _events) = crate::support::get();
        other.refuse().await
    }))
    .await;
}

#[tokio::test]
async fn a_404_stands_once_the_body_was_touched_or_something_was_sent() {
    let reads = http_app(async |mut http: Http| {
        let _ = http.body.chunk().await?;
        http.responder.respond(StatusCode::NOT_FOUND).await
    });
    let client = TestClient::new(fallback(reads, second()));
    let reply = client.post("/").body("12345").send().await.unwrap();
    assert_eq!(reply.status, 404);
    // Without a body there was nothing to touch.
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(reply.text(), "second, 0 bytes");

    let informs = http_app(async |mut http: Http| {
        http.responder.inform(StatusCode::PROCESSING).await?;
        http.responder.respond(StatusCode::NOT_FOUND).await
    });
    let client = TestClient::new(fallback(informs, second()));
    assert_eq!(client.get("/").send().await.unwrap().status, 404);
}

#[tokio::test]
async fn waiting_for_a_body_does_not_touch_it() {
    let waits = http_app(async |http: Http| {
        http.body.buffered(3).await?;
        http.responder.respond(StatusCode::NOT_FOUND).await
    });
    let client = TestClient::new(fallback(waits, second()));
    let reply = client.post("/").body("12345").send().await.unwrap();
    assert_eq!(reply.text(), "second, 5 bytes");
}

#[tokio::test(start_paused = true)]
async fn the_second_is_called_when_the_first_has_returned() {
    let work = Work::default();
    let watched = work.clone();
    let first = http_app(move |http: Http| {
        let work = watched.clone();
        async move {
            let doing = work.begin();
            let done = http.responder.respond(StatusCode::NOT_FOUND).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            doing.done();
            Ok(done)
        }
    });
    let watched = work.clone();
    let second = http_app(move |http: Http| {
        let text = format!("the first is done: {}", watched.is_done());
        http.responder.respond(text)
    });
    let reply = TestClient::new(fallback(first, second))
        .get("/")
        .send()
        .await;
    assert_eq!(reply.unwrap().text(), "the first is done: true");
}

#[tokio::test]
async fn one_that_fails_has_not_merely_nothing() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let second = http_app(move |http: Http| {
        counter.fetch_add(1, Ordering::Relaxed);
        http.responder.respond("second")
    });
    let fails = http_app(async |_: Http| Err(AppError::status(StatusCode::NOT_FOUND)));
    let client = TestClient::new(fallback(fails, second.clone()));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.answerer),
        (404, Answerer::Server)
    );

    let fails_late = http_app(async |http: Http| {
        let _done = http.responder.respond(StatusCode::NOT_FOUND).await?;
        Err(AppError::message("it broke"))
    });
    let client = TestClient::new(fallback(fails_late, second.clone()));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.answerer),
        (500, Answerer::Server)
    );
    assert!(matches!(reply.outcome().await, Outcome::Failed(_)));

    let forgets = http_app(async |http: Http| {
        drop(http);
        std::future::pending().await
    });
    let client = TestClient::new(fallback(forgets, second.clone()));
    assert_eq!(client.get("/").send().await.unwrap().status, 500);

    let gives_up = http_app(async |http: Http| Ok(http.responder.abort()));
    let client = TestClient::new(fallback(gives_up, second));
    assert!(client.get("/").send().await.is_err());
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_the_first_does_not_want_is_thrown_away_once_it_has_answered() {
    let first = http_app(async |http: Http| {
        let Http {
            body, responder, ..
        } = http;
        drop(body);
        let mut writer = responder.start(StatusCode::OK).await?;
        writer.write("first").await?;
        std::future::pending().await
    });
    let client = TestClient::new(fallback(first, second()));
    let mut exchange = client.post("/").body_to_come().open();
    exchange.send("12345").await.unwrap();
    exchange.head().await.unwrap();
    assert_eq!(exchange.unreceived(), 0);
}

#[tokio::test]
async fn a_404_without_end_is_ended() {
    let endless = http_app(async |http: Http| {
        let mut writer = http.responder.start(StatusCode::NOT_FOUND).await?;
        loop {
            writer.write("not here ").await?;
        }
    });
    let unkind = http_app(async |http: Http| {
        let mut writer = http.responder.start(StatusCode::NOT_FOUND).await?;
        match writer.write("not here").await {
            Ok(()) => writer.finish().await,
            Err(_) => Err(AppError::message("an error of its own")),
        }
    });
    async fn check(first: impl Application) {
        let client = TestClient::new(fallback(first, second()));
        let reply = client.post("/").body("12345").send().await.unwrap();
        assert_eq!(reply.text(), "second, 5 bytes");
        assert!(reply.outcome().await.is_done());
    }
    check(endless).await;
    check(unkind).await;
}

#[tokio::test]
async fn what_counts_as_nothing_can_be_said() {
    let first = http_app(async |http: Http| {
        let status = match http.scope.path() {
            "/405" => StatusCode::METHOD_NOT_ALLOWED,
            "/404" => StatusCode::NOT_FOUND,
            _ => StatusCode::OK,
        };
        http.responder.respond(status).await
    });
    let app =
        fallback(first, named("second")).when(|head| head.status == StatusCode::METHOD_NOT_ALLOWED);
    let client = TestClient::new(app);
    for (path, status, text) in [("/405", 200, "second"), ("/404", 404, ""), ("/", 200, "")] {
        let reply = client.get(path).send().await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.text()), (status, text));
    }
}

#[tokio::test]
async fn of_several_the_first_that_has_it_answers() {
    let at = |path: &'static str| {
        http_app(move |http: Http| async move {
            if http.scope.path() == path {
                http.responder.respond(path).await
            } else {
                Connection::Http(http).refuse().await
            }
        })
    };
    let app = fallback(fallback(at("/a"), at("/b")), at("/c"));
    let client = TestClient::new(app);
    for path in ["/a", "/b", "/c"] {
        assert_eq!(client.get(path).send().await.unwrap().text(), path);
    }
    assert_eq!(client.get("/d").send().await.unwrap().status, 404);
}

#[tokio::test]
async fn the_second_has_the_scope_as_it_came() {
    let first = Mount::new().at("/a", refusing()).build().unwrap();
    let second = http_app(async |http: Http| {
        let seen = format!("[{}] [{}]", http.scope.root_path(), http.scope.path());
        http.responder.respond(seen).await
    });
    let client = TestClient::new(fallback(first, second));
    let reply = client.get("/a/b").send().await.unwrap();
    assert_eq!(reply.text(), "[] [/a/b]");
}

#[tokio::test]
async fn a_body_that_middleware_has_begun_to_read_goes_on_in_both() {
    let reading = |second: bool| {
        let inner = fallback(
            http_app(move |mut http: Http| async move {
                if second {
                    return Connection::Http(http).refuse().await;
                }
                let rest = http.body.collect(100).await?;
                http.responder.respond(rest).await
            }),
            http_app(async |mut http: Http| {
                let rest = http.body.collect(100).await?;
                http.responder.respond(rest).await
            }),
        );
        let inner = Arc::new(inner);
        http_app(move |mut http: Http| {
            let inner = Arc::clone(&inner);
            async move {
                let _ = http.body.chunk().await?;
                inner.call(Connection::Http(http)).await
            }
        })
    };
    for second in [false, true] {
        let client = TestClient::new(reading(second));
        let request = client.post("/").body_chunks(["taken ", "left"]);
        assert_eq!(request.send().await.unwrap().text(), "left");
    }
}

#[tokio::test]
async fn a_body_that_middleware_has_read_is_at_its_end_in_the_second() {
    let inner = Arc::new(fallback(
        refusing(),
        http_app(async |http: Http| {
            let left = format!("{:?}", http.scope.body);
            http.responder.respond(left).await
        }),
    ));
    let app = http_app(move |mut http: Http| {
        let inner = Arc::clone(&inner);
        async move {
            let _ = http.body.collect(100).await?;
            inner.call(Connection::Http(http)).await
        }
    });
    let client = TestClient::new(app);
    let reply = client.post("/").body("12345").send().await.unwrap();
    assert_eq!(reply.text(), "Empty");
}

#[tokio::test]
async fn sockets_are_handed_on_when_they_are_denied_with_404() {
    let client = TestClient::new(fallback(refusing(), socket_app(echo)));
    let mut socket = client
        .websocket("/")
        .subprotocols(["chat.v1"])
        .connect()
        .await
        .unwrap();
    socket.send("hi").await.unwrap();
    assert_eq!(socket.text().await.unwrap(), "hi");

    let forbids = socket_app(async |socket| socket.handshake.deny(StatusCode::FORBIDDEN).await);
    let client = TestClient::new(fallback(forbids, socket_app(echo)));
    let denied = client.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 403);

    let client = TestClient::new(fallback(socket_app(echo), named("second")));
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send("hi").await.unwrap();
    assert_eq!(socket.text().await.unwrap(), "hi");

    let client = TestClient::new(fallback(refusing(), refusing()));
    let denied = client.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 404);

    let offers = socket_app(async |socket| {
        let accept = Accept::new().subprotocol(socket.subprotocols[0].clone());
        let socket = socket.handshake.accept(accept).await?;
        Ok(socket.abort())
    });
    let client = TestClient::new(fallback(refusing(), offers));
    let handshake = client.websocket("/").subprotocols(["chat.v1"]);
    let socket = handshake.connect().await.unwrap();
    assert_eq!(socket.subprotocol(), Some("chat.v1"));
}

#[tokio::test]
async fn one_that_takes_the_plain_exchange_of_a_socket_has_decided() {
    let framework = socket_app(async |socket| {
        let http = socket.into_http().unwrap();
        http.responder.respond(StatusCode::NOT_FOUND).await
    });
    let client = TestClient::new(fallback(framework.clone(), socket_app(echo)));
    let denied = client.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 404);
    let client = TestClient::new(fallback(refusing(), framework));
    let denied = client.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().answerer, Answerer::Application);
}

#[tokio::test]
async fn both_lifespans_run_and_each_sees_its_own_state() {
    let stateful = |name: &'static str, path: &'static str| {
        application_fn(move |connection: Connection| async move {
            match connection {
                Connection::Http(http) if http.scope.path() == path => {
                    let state = http.scope.state.get::<&str>().copied();
                    http.responder.respond(state.unwrap_or("-")).await
                }
                Connection::WebSocket(socket) if socket.scope.path() == path => {
                    let state = socket.scope.state.get::<&str>().copied();
                    socket.handshake.deny(state.unwrap_or("-")).await
                }
                Connection::Lifespan(lifespan) => {
                    let running = lifespan.started(State::new().with(name));
                    running.shutdown_requested().await;
                    Ok(running.stopped())
                }
                other => other.refuse().await,
            }
        })
    };
    let app = fallback(stateful("first", "/a"), stateful("second", "/b"));
    let client = TestClient::start(app).await.unwrap();
    for (path, state) in [("/a", "first"), ("/b", "second")] {
        assert_eq!(client.get(path).send().await.unwrap().text(), state);
        let denied = client.websocket(path).connect().await.unwrap_err();
        assert_eq!(denied.reply().unwrap().text(), state);
    }
    client.shutdown().await.unwrap();
}
