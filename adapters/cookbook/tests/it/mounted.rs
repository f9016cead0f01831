//! An application of the contract inside of axum: under axum::serve, and with axum around it on both servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters::tower::{from_service, into_service};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use cookbook::axum::Board;
use cookbook::mounted::{router, serve, serve_for};
use cookbook::native::Native;
use futures_util::{SinkExt, StreamExt};
use gateway::{AppError, Application, Connection, Done, State, application_fn};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use crate::bodies::{by_hand, part};
use crate::client::{Client, Wire};
use crate::host::{Kind, Service};
use crate::site::{Site, on_every_host};
use crate::sockets::{self, Socket};

on_every_host!(over both:
    it_knows_where_it_is,
    bodies_stream_through_both_ways,
    it_learns_that_its_client_left,
    its_sockets_are_sockets,
    what_is_open_ends_with_the_server,
);

struct Mounted(Native);

impl Service for Mounted {
    async fn serve_at_home(
        self,
        listener: TcpListener,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) {
        let served = serve(self.0, listener, stopped).await;
        served.expect("it ended in order");
    }

    fn into_application(self) -> impl Application {
        let router: Router = router(into_service(self.0.clone()));
        from_service(router).with_lifespan(self.0)
    }
}

fn start(kind: Kind, wire: Wire) -> Site {
    let board = Board::new();
    let mounted = Mounted(Native::new(board.clone()));
    Site::serve(board, kind, wire, mounted, |_| {})
}

/// A socket at this path.
async fn open(site: &Site, client: &mut Client, path: &str) -> Socket {
    sockets::shake_hands_at(client, site.wire, path, "").await.1
}

async fn it_knows_where_it_is(kind: Kind, wire: Wire) {
    let site = start(kind, wire);
    let mut client = site.connect().await;
    assert_eq!(client.get("/axum").await.text(), "axum's own");
    for (path, seen) in [
        ("/native/?a=b", "/ below \"/native\""),
        ("/", "/ below \"\""),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::OK);
        let expected = format!("good day, {}: {seen}", client.address);
        assert_eq!(answer.text(), expected);
    }
    for path in ["/native/nowhere", "/nowhere"] {
        assert_eq!(client.get(path).await.status, StatusCode::NOT_FOUND);
    }
}

async fn bodies_stream_through_both_ways(kind: Kind, wire: Wire) {
    let site = start(kind, wire);
    let mut client = site.connect().await;
    let (parts, body) = by_hand();
    let request = client.request(Method::POST, "/native/shout").body(body);
    let mut back = client.send(request.unwrap()).await.into_body();
    for round in 0..20 {
        parts.send(part(format!("part {round}"))).await.unwrap();
        let frame = back.frame().await.expect("more comes").unwrap();
        assert_eq!(frame.into_data().unwrap(), format!("PART {round}"));
    }
    drop(parts);
    let rest = back.collect().await.expect("it ends in order");
    assert!(rest.to_bytes().is_empty());
    let much = Bytes::from("much ".repeat(1_000_000));
    let back = client.post("/shout", "text/plain", much.clone()).await;
    assert!(back.body == much.to_ascii_uppercase());
}

async fn it_learns_that_its_client_left(kind: Kind, wire: Wire) {
    let site = start(kind, wire);
    let mut client = site.connect().await;
    let request = client
        .request(Method::GET, "/native/notes")
        .body(Body::empty());
    let mut notes = client.send(request.unwrap()).await.into_body();
    site.watched_by(1).await;
    site.board.post("x");
    let frame = notes.frame().await.expect("more comes").unwrap();
    assert_eq!(frame.into_data().unwrap(), "1: x\n");
    drop((client, notes));
    site.watched_by(0).await;
}

async fn its_sockets_are_sockets(kind: Kind, wire: Wire) {
    let site = start(kind, wire);
    for path in ["/native/socket", "/socket"] {
        let mut client = site.connect().await;
        let mut socket = open(&site, &mut client, path).await;
        site.watched_by(1).await;
        socket.send(Message::text("hello ✓")).await.unwrap();
        let shown = sockets::next(&mut socket).await;
        assert!(shown.to_text().unwrap().ends_with(": hello ✓\n"), "{shown}");
        socket.send(Message::Ping("a".into())).await.unwrap();
        assert_eq!(sockets::next(&mut socket).await, Message::Pong("a".into()));
        let big = "x".repeat(100_000);
        socket.send(Message::text(big.clone())).await.unwrap();
        let shown = sockets::next(&mut socket).await;
        assert!(shown.to_text().unwrap().ends_with(&format!(": {big}\n")));
        socket.close(None).await.unwrap();
        while socket.next().await.is_some() {}
        site.watched_by(0).await;
        // And one that leaves without a word.
        let socket = open(&site, &mut site.connect().await, path).await;
        site.watched_by(1).await;
        drop(socket);
        site.watched_by(0).await;
    }
}

async fn what_is_open_ends_with_the_server(kind: Kind, wire: Wire) {
    let site = start(kind, wire);
    let (mut reading, mut talking) = (site.connect().await, site.connect().await);
    let request = reading
        .request(Method::GET, "/native/notes")
        .body(Body::empty());
    let notes = reading.send(request.unwrap()).await;
    let mut socket = open(&site, &mut talking, "/socket").await;
    site.watched_by(2).await;
    site.host.stop();
    let notes = crate::client::Answer::read(notes).await;
    assert_eq!(notes.text(), "the server stops\n");
    sockets::expect_close(&mut socket, 1001, "the server stops").await;
    site.host.ended().await;
}

/// Answers without end, whoever wants it to stop.
async fn endless(connection: Connection, stopped: Arc<AtomicBool>) -> Result<Done, AppError> {
    match connection {
        Connection::Http(http) => {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer.write("x").await?;
            std::future::pending().await
        }
        Connection::Lifespan(lifespan) => {
            let running = lifespan.started(State::new());
            running.shutdown_requested().await;
            stopped.store(true, Ordering::Relaxed);
            Ok(running.stopped())
        }
        other => other.refuse().await,
    }
}

#[tokio::test]
async fn a_client_that_does_not_go_does_not_keep_the_server() {
    let stopped = Arc::new(AtomicBool::new(false));
    let stops = Arc::clone(&stopped);
    let app = application_fn(move |connection| endless(connection, Arc::clone(&stops)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let stopping = async { drop(stopping.await) };
    let grace = Duration::from_millis(100);
    let served = tokio::spawn(serve_for(app, listener, stopping, grace));
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    client.write_all(request).await.unwrap();
    client.read_u8().await.unwrap();
    drop(stop);
    let ended = tokio::time::timeout(Duration::from_secs(30), served).await;
    ended.expect("it ends in time").unwrap().unwrap();
    assert!(stopped.load(Ordering::Relaxed));
}
