//! With tower-http's layers around it, and the whole on a server of the contract again.

use std::sync::Arc;
use std::time::Duration;

use adapters::tower::{from_service, into_service};
use bytes::Bytes;
use gateway_spec::{
    Accept, Address, AppError, Application, CloseCode, Connection, Done, Gone, State,
    application_fn,
};
use http::{StatusCode, Version};
use http_body_util::BodyExt as _;
use test_client::TestClient;
use tokio::sync::mpsc;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use super::support::{get, http_app, soon};
use crate::from_service::support::{Count, fields};

/// An application that does a little of everything.
fn app() -> impl Application {
    application_fn(async |connection: Connection| -> Result<Done, AppError> {
        match connection {
            Connection::Http(mut http) => match http.scope.path() {
                "/large" => http.responder.respond("words ".repeat(10_000)).await,
                "/slow" => {
                    http.body.gone().await;
                    http.responder.respond("too late").await
                }
                "/scope" => {
                    http.scope.label.set("scope");
                    let scope = &http.scope;
                    let info = &scope.connection;
                    let text = format!(
                        "{} {} {} {:?} {:?} {:?} {}",
                        scope.root_path(),
                        scope.path(),
                        info.scheme,
                        info.client,
                        scope.state.get::<u8>(),
                        scope.draining().is_some(),
                        info.capabilities.server(),
                    );
                    http.responder.respond(text).await
                }
                "/echo" => {
                    let mut writer = http
                        .responder
                        .start_with_trailers(StatusCode::OK, None)
                        .await?;
                    while let Some(part) = http.body.chunk().await? {
                        writer.write(part).await?;
                    }
                    let trailers = http.body.trailers().await?.unwrap_or_default();
                    writer.finish_with_trailers(trailers).await
                }
                "/abort" => Ok(http.responder.abort()),
                "/cut" => {
                    let mut writer = http.responder.start(StatusCode::OK).await?;
                    writer.write("abc").await?;
                    Err(AppError::message("it broke"))
                }
                _ => http.responder.respond(StatusCode::NOT_FOUND).await,
            },
            Connection::WebSocket(websocket) => {
                let client = format!("{:?}", websocket.scope.connection.client);
                let chosen = websocket.subprotocols.first().cloned();
                let accept =
                    chosen.map_or_else(Accept::new, |name| Accept::new().subprotocol(name));
                let mut socket = websocket.handshake.accept(accept).await?;
                socket.send(client).await?;
                while let Some(message) = socket.message().await {
                    socket.send(message).await?;
                }
                Err(AppError::message("it is closed"))
            }
            Connection::Lifespan(lifespan) => {
                let running = lifespan.started(State::new().with(7_u8));
                running.shutdown_requested().await;
                Ok(running.stopped())
            }
            other => other.refuse().await,
        }
    })
}

/// The application, within layers, on a server of the contract.
async fn client() -> TestClient {
    let app = Arc::new(app());
    let layers = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_secs(5),
        ))
        .layer(CorsLayer::permissive())
        .layer(CompressionLayer::new());
    let service = layers.service(into_service(Arc::clone(&app)));
    TestClient::start(from_service(service).with_lifespan(app))
        .await
        .unwrap()
}

#[tokio::test]
async fn layers_wrap_an_application() {
    let client = client().await;
    let reply = client
        .get("/large")
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert!(reply.body.starts_with(&[0x1f, 0x8b]) && reply.body.len() < 1_000);
    let reply = client.get("/large").send().await.unwrap();
    assert_eq!(
        (reply.body.len(), reply.content_length),
        (60_000, Some(60_000))
    );
    let reply = client.head("/large").send().await.unwrap();
    assert_eq!((reply.body.len(), reply.content_length), (0, Some(60_000)));
    // What a layer answers by itself.
    let preflight = client
        .options("/large")
        .header("origin", "http://b.example");
    let preflight = preflight
        .header("access-control-request-method", "GET")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_layer_answers_for_an_application_that_runs_on() {
    let ends = Count::default();
    let count = ends.clone();
    let app = http_app(move |http| {
        let count = count.clone();
        async move {
            let gone = http.body.gone().await;
            assert!(gone.is_final());
            count.add();
            http.responder.respond("too late").await
        }
    });
    let layer = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(5));
    let response = soon(layer.layer(into_service(app)).oneshot(get("/")))
        .await
        .unwrap();
    assert_eq!(response.status(), 504);
    soon(ends.reach(1)).await;
}

#[tokio::test]
async fn what_a_server_knows_goes_through() {
    let client = client()
        .await
        .with_https()
        .with_address(Address::Unix(None));
    let request = || {
        client
            .get("/api/scope")
            .scope(|scope| scope.mount("/api".len()))
    };
    let reply = request().send().await.unwrap();
    assert_eq!(
        reply.text(),
        "/api /scope https Some(Unix(None)) Some(7) false into_service"
    );
    assert_eq!(reply.label(), Some("scope"));
    client.drain(Duration::from_secs(5));
    let reply = request().send().await.unwrap();
    assert!(reply.text().contains("true"), "{}", reply.text());
    client.shutdown().await.unwrap();
}

#[tokio::test]
async fn bodies_stream_through_and_end_in_their_trailers() {
    let client = client().await;
    let request = client.post("/echo").version(Version::HTTP_2).body_to_come();
    let mut exchange = request.stream().await.unwrap();
    for part in ["one", "two"] {
        exchange.send(part).await.unwrap();
        assert_eq!(exchange.chunk().await.unwrap().unwrap(), part);
    }
    exchange.finish_with_trailers(fields([("x-sum", "7")]));
    assert_eq!(exchange.chunk().await.unwrap(), None);
    assert_eq!(exchange.trailers(), Some(&fields([("x-sum", "7")])));
}

#[tokio::test]
async fn ends_that_are_not_clean_go_through() {
    let client = client().await;
    let broken = client.get("/abort").send().await.unwrap_err();
    assert!(broken.partial().is_none(), "{broken:?}");
    let broken = client.get("/cut").send().await.unwrap_err();
    assert_eq!(broken.partial().unwrap().body, "abc");
}

#[tokio::test]
async fn sockets_go_through() {
    let client = client().await.with_address(Address::Unix(None));
    let handshake = client.websocket("/").subprotocols(["chat.v1"]);
    let mut socket = handshake.connect().await.unwrap();
    assert_eq!(socket.subprotocol(), Some("chat.v1"));
    assert_eq!(&*socket.text().await.unwrap(), "Some(Unix(None))");
    let bytes = Bytes::from(vec![7; 1 << 20]);
    socket.send_now(bytes.clone()).unwrap();
    assert_eq!(socket.message().await, Some(bytes.into()));
    let closed = socket.close(CloseCode::NORMAL, "enough").await;
    assert_eq!(closed.code, 1000);
}

#[tokio::test]
async fn why_a_client_is_gone_goes_through() {
    let (gones, mut told) = mpsc::unbounded_channel();
    let app = http_app(move |http| {
        let gones = gones.clone();
        async move {
            let mut gone = http.body.gone();
            loop {
                let reason = (&mut gone).await;
                gones.send(reason)?;
                if reason.is_final() {
                    return Ok(http.responder.abort());
                }
            }
        }
    });
    let client = TestClient::new(from_service(into_service(app)));
    let mut exchange = client.get("/").open();
    exchange.half_close();
    assert_eq!(soon(told.recv()).await, Some(Gone::HalfClosed));
    drop(exchange.leave(Gone::WriteTimeout));
    assert_eq!(soon(told.recv()).await, Some(Gone::WriteTimeout));
}

#[tokio::test]
async fn a_body_that_a_layer_has_wrapped_may_hide_that_there_is_none() {
    use tower_http::timeout::RequestBodyTimeoutLayer;

    let app = http_app(async |mut http| {
        let body = gateway_spec::RequestBody::collect(&mut http.body, 10).await?;
        http.responder.respond(body).await
    });
    let layer = RequestBodyTimeoutLayer::new(Duration::from_secs(30));
    let service = layer.layer(into_service(app));
    let response = soon(service.oneshot(get("/"))).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = soon(response.into_body().collect()).await.unwrap();
    assert!(body.to_bytes().is_empty());
}
