//! Names of requests.

use std::collections::HashSet;
use std::future::pending;
use std::thread;

use adapters::middleware::{Incoming, RequestId, request_id};
use gateway_spec::{
    Accept, AppError, Application, CloseCode, Connection, Http, Response, ResponseHead,
    application_fn,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use test_client::{Answerer, Outcome, TestClient};

use super::support::{http_app, socket_app};

const FIELD: &str = "x-request-id";

/// Answers with the id in its scope.
fn telling() -> impl Application + Clone {
    http_app(async |http: Http| {
        let id = http.scope.extensions.get::<RequestId>().cloned();
        http.responder.respond(id.unwrap().to_string()).await
    })
}

#[tokio::test]
async fn scope_and_answer_have_the_same_new_id() {
    let client = TestClient::new(request_id(telling()));
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let reply = client.get("/").send().await.unwrap();
        let id = reply.text();
        assert_eq!(reply.header(FIELD), Some(id));
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(id.len() == 32 && id.bytes().all(is_hex), "{id}");
        assert!(seen.insert(id.to_owned()), "{id} twice");
    }
}

#[test]
fn threads_make_ids_of_their_own() {
    let made = (0..8).map(|_| {
        thread::spawn(|| {
            (0..1000)
                .map(|_| RequestId::random())
                .collect::<Vec<RequestId>>()
        })
    });
    let made: Vec<_> = made.collect();
    let ids: HashSet<RequestId> = made
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(ids.len(), 8000);
}

#[tokio::test]
async fn an_id_of_the_client_s_is_ignored_unless_clients_are_trusted() {
    let theirs = "from-the-client";
    let distrusting = TestClient::new(request_id(telling()));
    let reply = distrusting
        .get("/")
        .header(FIELD, theirs)
        .send()
        .await
        .unwrap();
    assert_ne!(reply.text(), theirs);
    assert_eq!(reply.header(FIELD), Some(reply.text()));

    let trusting = TestClient::new(request_id(telling()).incoming(Incoming::Trust));
    let reply = trusting
        .get("/")
        .header(FIELD, theirs)
        .send()
        .await
        .unwrap();
    assert_eq!((reply.text(), reply.header(FIELD)), (theirs, Some(theirs)));
    let reply = trusting.get("/").send().await.unwrap();
    assert_eq!(reply.text().len(), 32);
}

#[tokio::test]
async fn what_is_no_id_is_not_taken_from_anybody() {
    let client = TestClient::new(request_id(telling()).incoming(Incoming::Trust));
    let longest = "a".repeat(RequestId::MAX_LEN);
    let reply = client
        .get("/")
        .header(FIELD, &longest)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.text(), longest);
    for bad in [
        "",
        " ",
        "a b",
        "7\tlevel=error",
        "\"quoted\"",
        "a,b",
        "a;b",
        "<script>",
        "%0d%0aset-cookie",
        "\u{1b}[31mred",
        "ünïcode",
        &format!("{longest}a"),
    ] {
        let Ok(value) = HeaderValue::from_bytes(bad.as_bytes()) else {
            // No server lets it through, and it is no id either.
            assert_eq!(RequestId::parse(bad.as_bytes()), None);
            continue;
        };
        let request = client.get("/").header(FIELD, value);
        let reply = request.send().await.unwrap();
        assert_eq!(reply.text().len(), 32, "{bad:?} was taken");
    }
    assert_eq!(RequestId::parse(b"7\r\nlevel=error"), None);
    let doubled = client.get("/").header(FIELD, "one").header(FIELD, "two");
    let reply = doubled.send().await.unwrap();
    assert_eq!(reply.text().len(), 32, "nobody knows which");
}

#[tokio::test]
async fn errors_panics_and_forgotten_answers_have_it_and_are_logged_all_the_same() {
    async fn check(app: impl Application, status: u16, outcome: &str) {
        let client = TestClient::new(request_id(app));
        let reply = client.get("/").send().await.unwrap();
        assert_eq!(reply.status, status, "{outcome}");
        assert!(reply.header(FIELD).is_some(), "{outcome}");
        assert_eq!(reply.headers.get_all(FIELD).count(), 1);
        assert_eq!(reply.answerer, Answerer::Application, "{outcome}");
        if !outcome.is_empty() {
            assert_eq!(reply.outcome().await.to_string(), outcome);
        }
    }
    let fails = http_app(async |http: Http| {
        let _http = http;
        Err(AppError::message("it broke"))
    });
    check(fails, 500, "failed: it broke").await;
    let refuses = http_app(async |mut http: Http| {
        http.body.collect(1).await?;
        Err(AppError::status(StatusCode::IM_A_TEAPOT).with_source("on purpose"))
    });
    check(refuses, 418, "failed: on purpose").await;
    let panics = http_app(async |http: Http| {
        let _http = http;
        panic!("at the disco")
    });
    check(panics, 500, "panicked: at the disco").await;
    let forgets = http_app(async |http: Http| {
        drop(http);
        pending().await
    });
    check(forgets, 500, "").await;
    let forgets_elsewhere = http_app(async |http: Http| {
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            drop(http);
        });
        pending().await
    });
    check(forgets_elsewhere, 500, "").await;
    let lies = http_app(async |http: Http| {
        let (other, _events) = crate::support::get();
        let Connection::Http(other) = other else {
            return Connection::Http(http).refuse().await;
        };
        Ok(other.responder.abort())
    });
    let text = "failed: the application returned `Done` without an answer (SRV-12)";
    check(lies, 500, text).await;
    let bad_head = http_app(async |http: Http| {
        let twice = Response::text("x")
            .with_header(header::CONTENT_LENGTH, HeaderValue::from_static("1"))
            .with_header(header::CONTENT_LENGTH, HeaderValue::from_static("1"));
        http.responder.respond(twice).await
    });
    check(
        bad_head,
        500,
        "failed: the response head cannot be sent (HTTP-22)",
    )
    .await;
}

#[tokio::test]
async fn what_the_application_gave_up_on_purpose_is_not_answered() {
    let app = http_app(async |http: Http| Ok(http.responder.abort()));
    let client = TestClient::new(request_id(app));
    let broken = client.get("/").send().await.unwrap_err();
    assert!(broken.outcome().await.is_done());
}

#[tokio::test]
async fn the_error_of_a_client_that_left_is_handed_on() {
    let app = http_app(async |mut http: Http| {
        http.body.collect(1000).await?;
        http.responder.respond("never").await
    });
    let client = TestClient::new(request_id(app));
    let exchange = client.post("/").body_to_come().open();
    let outcome = exchange.reset().outcome().await;
    assert!(matches!(outcome, Outcome::Failed(_)) && outcome.gone().is_some());
}

#[tokio::test]
async fn an_id_of_the_application_s_is_replaced_and_one_of_another_field_stays() {
    let app = http_app(async |http: Http| {
        let id = HeaderValue::from_static("mine");
        let field = HeaderName::from_static("x-request-id");
        let response = Response::text("x").with_header(field, id);
        http.responder.respond(response).await
    });
    let client = TestClient::new(request_id(app.clone()));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(reply.headers.get_all(FIELD).count(), 1);
    assert_ne!(reply.header(FIELD), Some("mine"));

    let field = HeaderName::from_static("x-correlation-id");
    let app = request_id(app).header(field).incoming(Incoming::Trust);
    let reply = TestClient::new(app)
        .get("/")
        .header("x-correlation-id", "theirs")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.header(FIELD), Some("mine"));
    assert_eq!(reply.header("x-correlation-id"), Some("theirs"));
}

#[tokio::test]
async fn streams_and_upgrades_have_it_and_informational_answers_do_not() {
    let app = http_app(async |mut http: Http| {
        http.responder.inform(StatusCode::PROCESSING).await?;
        let mut writer = http.responder.start(StatusCode::OK).await?;
        writer.write("one ").await?;
        writer.write("two").await?;
        writer.finish().await
    });
    let reply = TestClient::new(request_id(app))
        .get("/")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.text(), "one two");
    assert!(reply.header(FIELD).is_some());
    assert!(!reply.informational[0].headers.contains(FIELD));

    let app = http_app(async |http: Http| {
        let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
            .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
        let tunnel = http.responder.upgrade(head, http.body).await?;
        tunnel.finish().await
    });
    let client = TestClient::new(request_id(app));
    let request = client
        .get("/")
        .header("connection", "upgrade")
        .header("upgrade", "echo");
    let mut exchange = request.stream().await.unwrap();
    assert!(exchange.head().await.unwrap().headers.contains(FIELD));
}

#[tokio::test]
async fn the_handshake_of_a_socket_has_it_however_it_is_answered() {
    let accepts = socket_app(async |socket| {
        let id = socket.scope.extensions.get::<RequestId>().cloned();
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        socket.send(id.unwrap().to_string()).await?;
        socket.close(CloseCode::NORMAL, "").await
    });
    let client = TestClient::new(request_id(accepts));
    let mut socket = client.websocket("/").connect().await.unwrap();
    let id = socket.text().await.unwrap();
    assert_eq!(socket.accepted().headers.get_str(FIELD), Some(&*id));

    async fn denied(app: impl Application, status: u16) {
        let client = TestClient::new(request_id(app));
        let denied = client.websocket("/").connect().await.unwrap_err();
        let reply = denied.reply().unwrap();
        assert_eq!(reply.status, status);
        assert!(reply.header(FIELD).is_some());
    }
    denied(
        socket_app(async |socket| socket.handshake.deny(StatusCode::FORBIDDEN).await),
        403,
    )
    .await;
    denied(
        socket_app(async |_socket| Err(AppError::status(StatusCode::IM_A_TEAPOT))),
        418,
    )
    .await;
    denied(
        socket_app(async |socket| {
            drop(socket);
            pending().await
        }),
        500,
    )
    .await;
    denied(
        socket_app(async |socket| {
            let _socket = socket;
            panic!("in the handshake")
        }),
        500,
    )
    .await;
    // Taken back as a request, as frameworks do.
    let as_request = |answer: fn(Http) -> Result<Http, AppError>| {
        socket_app(move |socket| async move {
            let http = answer(socket.into_http().unwrap())?;
            assert!(http.scope.extensions.get::<RequestId>().is_some());
            http.responder.respond(StatusCode::UPGRADE_REQUIRED).await
        })
    };
    denied(as_request(Ok), 426).await;
    let fails = |http| {
        drop(http);
        Err(AppError::status(StatusCode::IM_A_TEAPOT))
    };
    denied(as_request(fails), 418).await;
}

#[tokio::test]
async fn the_scope_above_does_not_change() {
    let above = application_fn(async |connection: Connection| {
        let Connection::Http(http) = connection else {
            return connection.refuse().await;
        };
        let scope = http.scope.clone();
        let done = request_id(telling()).call(Connection::Http(http)).await?;
        assert!(scope.extensions.get::<RequestId>().is_none());
        Ok(done)
    });
    let reply = TestClient::new(above).get("/").send().await.unwrap();
    assert!(reply.outcome().await.is_done());
}
