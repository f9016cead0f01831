//! What becomes of what is open when the server is told to stop.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use futures_util::StreamExt;
use tokio::net::TcpStream;

use crate::client::{Answer, Client, Wire};
use crate::events::Events;
use crate::host::Kind;
use crate::site::{Site, on_every_host};
use crate::sockets;

on_every_host!(over both:
    what_is_open_ends_in_order,
    an_idle_connection_does_not_hold_the_server_up,
);

/// A request, an event stream and a socket are open, each on a connection of its own: the request gets its answer, the two
/// others say goodbye, nobody new gets in, and the server ends.
async fn what_is_open_ends_in_order(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let (asking, mut listening, mut talking) = (
        site.connect().await,
        site.connect().await,
        site.connect().await,
    );
    let mut events = Events::open(&mut listening).await;
    let mut socket = sockets::open(&mut talking, wire).await;
    let next = asking.request(Method::GET, "/api/notes/next");
    let asked = tokio::spawn(ask(asking, next.body(Body::empty()).unwrap()));
    site.watched_by(3).await;

    site.host.stop();
    until_nobody_listens(&site).await;
    site.board.close();
    let closing = "event: closing\ndata: come back later";
    assert_eq!(events.next().await.as_deref(), Some(closing));
    assert_eq!(events.next().await, None);
    sockets::expect_close(&mut socket, 1001, "the service closes").await;
    assert!(socket.next().await.is_none());

    site.watched_by(1).await;
    site.board.post("the last");
    let answer = asked.await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["text"], "the last");
    site.host.ended().await;
}

async fn ask(mut client: Client, request: axum::http::Request<Body>) -> Answer {
    client.ask(request).await
}

pub(crate) async fn until_nobody_listens(site: &Site) {
    while TcpStream::connect(site.host.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

async fn an_idle_connection_does_not_hold_the_server_up(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    assert_eq!(client.get("/release").await.status, StatusCode::OK);
    // Kept open until the server is gone.
    site.stop();
    site.host.ended().await;
    let request = client.request(Method::GET, "/release").body(Body::empty());
    assert!(client.try_send(request.unwrap()).await.is_err());
}
