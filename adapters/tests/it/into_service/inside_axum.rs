//! Inside of axum, by `axum::serve`: nested, as a fallback, with sockets, and with synchronous applications.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use adapters::tower::into_service;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use gateway_spec::{
    Accept, AppError, Application, Connection, Done, ResponseHead, SyncHttp, application_fn,
    sync_application_fn,
};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::support::{BOTH, Client, soon};

/// Serves a router as its authors do.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Says where it is and who asks; a socket says it too.
fn places() -> impl Application {
    application_fn(async |connection: Connection| -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => {
                let scope = &http.scope;
                let client = scope.connection.client.as_ref();
                let known = client.is_some_and(|client| client.tcp().is_some());
                let text = format!(
                    "{:?} {:?} {:?} {known}",
                    scope.root_path(),
                    scope.path(),
                    scope.query()
                );
                http.responder.respond(text).await
            }
            Connection::WebSocket(websocket) => {
                let text = format!("{:?}", websocket.scope.root_path());
                let mut socket = websocket.handshake.accept(Accept::new()).await?;
                socket.send(text).await?;
                while let Some(message) = socket.message().await {
                    socket.send(message).await?;
                }
                Err(AppError::message("it is closed"))
            }
            other => other.refuse().await,
        }
    })
}

async fn ask(
    client: &mut Client<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> (StatusCode, Bytes) {
    let response = soon(client.send(request)).await.unwrap();
    let status = response.status();
    (
        status,
        soon(response.into_body().collect())
            .await
            .unwrap()
            .to_bytes(),
    )
}

#[tokio::test]
async fn it_is_nested_and_a_fallback() {
    let inner = Router::new().nest_service("/deep", into_service(places()));
    let router = Router::new()
        .route("/own", get(async || "axum"))
        .nest_service("/api", into_service(places()))
        .route_service("/exact", into_service(places()))
        .nest("/{tenant}", inner)
        .fallback_service(into_service(places()));
    let address = serve(router).await;
    for speaks in BOTH {
        let mut client = Client::connect(address, speaks).await;
        for (path, expected) in [
            ("/own", "axum"),
            ("/api/users?x=%2F", r#""/api" "/users" Some("x=%2F") true"#),
            ("/api", r#""/api" "/" None true"#),
            ("/api/", r#""/api" "/" None true"#),
            ("/exact", r#""" "/exact" None true"#),
            ("/seven/deep/down", r#""/seven/deep" "/down" None true"#),
            ("/else/where", r#""" "/else/where" None true"#),
        ] {
            let request = Request::get(path).body(Full::default()).unwrap();
            let (status, body) = ask(&mut client, request).await;
            assert_eq!(
                (status, &body[..]),
                (StatusCode::OK, expected.as_bytes()),
                "{speaks:?} {path}"
            );
        }
    }
}

#[tokio::test]
async fn the_length_of_what_head_is_not_given_is_not_made_up() {
    let router = Router::new().fallback_service(super::support::service(async |http| {
        let (path, responder) = (http.scope.path().to_owned(), http.responder);
        match path.as_str() {
            "/stream" => responder.start(StatusCode::OK).await?.finish().await,
            "/none" => responder.respond(StatusCode::NO_CONTENT).await,
            _ => responder.respond("whole").await,
        }
    }));
    let address = serve(router).await;
    for speaks in BOTH {
        let mut client = Client::connect(address, speaks).await;
        for (method, path, expected) in [
            (Method::HEAD, "/", Some("5")),
            (Method::HEAD, "/stream", None),
            (Method::GET, "/none", None),
        ] {
            let request = Request::builder().method(&method).uri(path);
            let sent = client.send(request.body(Full::<Bytes>::default()).unwrap());
            let response = soon(sent).await.unwrap();
            let length = response.headers().get("content-length");
            let length = length.map(|length| length.to_str().unwrap());
            assert_eq!(length, expected, "{speaks:?} {method} {path}");
            assert!(
                soon(response.into_body().collect())
                    .await
                    .unwrap()
                    .to_bytes()
                    .is_empty()
            );
        }
    }
}

#[tokio::test]
async fn its_sockets_are_axum_s() {
    let router = Router::new().nest_service("/ws", into_service(places()));
    let address = serve(router).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let connected = tokio_tungstenite::client_async("ws://a.example/ws/room", stream);
    let (mut socket, _) = soon(connected).await.unwrap();
    assert_eq!(
        soon(socket.next()).await.unwrap().unwrap(),
        Frame::text(r#""/ws""#)
    );
    let message = Frame::binary(vec![b'x'; 100_000]);
    socket.send(message.clone()).await.unwrap();
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), message);
    socket.close(None).await.unwrap();
    assert!(matches!(
        soon(socket.next()).await,
        Some(Ok(Frame::Close(_)))
    ));
}

#[tokio::test]
async fn a_synchronous_application_reads_and_writes_in_its_threads() {
    let app = adapters::sync(sync_application_fn(|http: SyncHttp| {
        let SyncHttp {
            scope,
            mut body,
            responder,
        } = http;
        if scope.path() == "/text" {
            let mut text = String::new();
            body.read_to_string(&mut text)?;
            return responder.respond(text.to_uppercase());
        }
        let mut writer = responder.start(ResponseHead::new(StatusCode::OK))?;
        let mut piece = [0; 10_000];
        loop {
            match body.read(&mut piece)? {
                0 => return writer.finish(),
                length => writer.write_all(&piece[..length])?,
            }
        }
    }));
    let address = serve(Router::new().nest_service("/sync", into_service(app))).await;
    for speaks in BOTH {
        let mut client = Client::connect(address, speaks).await;
        let request = Request::post("/sync/text")
            .body(Full::from("shout"))
            .unwrap();
        assert_eq!(ask(&mut client, request).await.1, "SHOUT");
        // More than a thread waits for, and than is kept on the way back.
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let request = Request::post("/sync/echo")
            .body(Full::from(sent.clone()))
            .unwrap();
        let (status, back) = ask(&mut client, request).await;
        assert_eq!(status, 200);
        assert!(back == sent, "{speaks:?}: {} bytes", back.len());
    }
}
