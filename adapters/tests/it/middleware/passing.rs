//! What no wrapper is for passes through all of them: sockets, lifespans, tunnels, streams.

use std::time::Duration;

use adapters::middleware::{
    Cors, Hosts, LoggedEvent, Mount, Panic, cancel_on_disconnect, catch_panic, cors, fallback,
    limit_body, log_events, request_id, timeout,
};
use gateway_spec::{Application, CloseCode, Connection, Http, ResponseHead, State, application_fn};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use test_client::TestClient;

use super::support::{echo, named};

/// Serves everything: streams with trailers, tunnels, sockets, a state made at startup.
fn everything() -> impl Application + Clone {
    application_fn(async |connection: Connection| match connection {
        Connection::Http(http) => match http.scope.path() {
            "/state" => {
                let state = http.scope.state.get::<&str>().copied();
                http.responder.respond(state.unwrap_or("-")).await
            }
            "/tunnel" => {
                let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
                    .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
                let mut tunnel = http.responder.upgrade(head, http.body).await?;
                while let Some(bytes) = tunnel.read().await? {
                    tunnel.write(bytes).await?;
                }
                tunnel.finish().await
            }
            _ => stream(http).await,
        },
        Connection::WebSocket(socket) => echo(socket).await,
        Connection::Lifespan(lifespan) => {
            let running = lifespan.started(State::new().with("made at startup"));
            running.shutdown_requested().await;
            Ok(running.stopped())
        }
        other => other.refuse().await,
    })
}

async fn stream(mut http: Http) -> Result<gateway_spec::Done, gateway_spec::AppError> {
    http.responder.inform(StatusCode::PROCESSING).await?;
    let start = http.responder.start_with_trailers(StatusCode::OK, None);
    let mut writer = start.await?;
    while let Some(part) = http.body.chunk().await? {
        writer.write(part).await?;
    }
    writer.flush().await?;
    let trailers = http.body.trailers().await?.unwrap_or_default();
    writer.finish_with_trailers(trailers).await
}

/// That nothing of it is lost below a wrapper.
async fn check(name: &str, app: impl Application) {
    let client = TestClient::start(app).await.unwrap();
    let state = client.get("/state").send().await.unwrap();
    assert_eq!(state.text(), "made at startup", "{name}");

    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("3"));
    let request = client
        .post("/")
        .version(http::Version::HTTP_2)
        .body_chunks(["one ", "two ", "three"])
        .trailers(trailers.clone());
    let reply = request.send().await.unwrap();
    assert_eq!(reply.text(), "one two three", "{name}");
    assert_eq!(reply.trailers, Some(trailers), "{name}");
    assert_eq!(reply.informational.len(), 1, "{name}");
    assert!(reply.outcome().await.is_done(), "{name}");

    let request = client
        .get("/tunnel")
        .header("connection", "upgrade")
        .header("upgrade", "echo");
    let mut tunnel = request.stream().await.unwrap();
    tunnel.send("through the tunnel").await.unwrap();
    let back = tunnel.chunk().await.unwrap().unwrap();
    assert_eq!(back, "through the tunnel", "{name}");
    tunnel.finish();
    assert!(tunnel.outcome().await.is_done(), "{name}");

    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send("through the socket").await.unwrap();
    let back = socket.text().await.unwrap();
    assert_eq!(back, "through the socket", "{name}");
    let closed = socket.close(CloseCode::NORMAL, "").await;
    assert_eq!(closed.code, 1000, "{name}");
    assert!(socket.outcome().await.is_done(), "{name}");

    client.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_wrapper_lets_through_what_it_is_not_for() {
    let app = everything();
    let long = Duration::from_secs(3600);
    check("cancel", cancel_on_disconnect(app.clone())).await;
    check("timeout", timeout(app.clone(), long).whole(long)).await;
    check("limit", limit_body(app.clone(), 100)).await;
    check("ids", request_id(app.clone())).await;
    let rules = Cors::new().any_origin().check_websockets();
    check("cors", cors(app.clone(), rules).unwrap()).await;
    check("panics", catch_panic(app.clone(), Panic::logged)).await;
    check("log", log_events(app.clone(), |_: &LoggedEvent<'_>| ())).await;
    check("first", fallback(app.clone(), named("never"))).await;
    let refusing = application_fn(Connection::refuse);
    check("second", fallback(refusing, app.clone())).await;
    let rest = Mount::new().at("/never", named("never"));
    check("mount", rest.fallback(app.clone()).build().unwrap()).await;
    let host = Hosts::new().host("testserver", app).build().unwrap();
    check("host", host).await;
}
