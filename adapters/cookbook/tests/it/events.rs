//! Server-sent events.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::client::{Client, Wire};
use crate::host::Kind;
use crate::site::{Site, on_every_host};

on_every_host!(over both:
    each_event_comes_when_it_happens,
    a_client_that_comes_back_goes_on_where_it_was,
    a_silent_stream_says_that_it_lives,
    a_stream_of_events_ends_when_its_client_leaves,
);

/// A stream of events, as its client reads it.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) body: Incoming,
    unread: String,
}

impl Events {
    pub(crate) async fn open(client: &mut Client) -> Self {
        let request = client.request(Method::GET, "/events");
        Self::of(client, request.body(Body::empty()).unwrap()).await
    }

    async fn of(client: &mut Client, request: Request<Body>) -> Self {
        let response = client.send(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers().get("content-encoding"), None);
        assert_eq!(response.headers().get("content-length"), None);
        Self {
            body: response.into_body(),
            unread: String::new(),
        }
    }

    /// The lines of the next event or comment; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, unread)) = self.unread.split_once("\n\n") {
                let event = event.to_owned();
                self.unread = unread.to_owned();
                return Some(event);
            }
            let frame = self.body.frame().await?.expect("the stream is whole");
            let data = frame.into_data().expect("events have no trailers");
            self.unread += str::from_utf8(&data).expect("events are text");
        }
    }
}

async fn each_event_comes_when_it_happens(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let request = client.request(Method::GET, "/events");
    // Compressed, it would come when the compressor likes.
    let request = request.header("accept-encoding", "gzip");
    let mut events = Events::of(&mut client, request.body(Body::empty()).unwrap()).await;
    for id in 1..=20 {
        site.board.post(format!("note {id}"));
        let event = events.next().await;
        let expected = format!("event: note\nid: {id}\ndata: note {id}");
        assert_eq!(event, Some(expected));
    }
}

async fn a_client_that_comes_back_goes_on_where_it_was(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    for id in 1..=4 {
        site.board.post(format!("note {id}"));
    }
    let mut client = site.connect().await;
    let request = client.request(Method::GET, "/events");
    let request = request.header("last-event-id", "2");
    let mut events = Events::of(&mut client, request.body(Body::empty()).unwrap()).await;
    site.board.post("two\nlines");
    for expected in [
        "event: note\nid: 3\ndata: note 3",
        "event: note\nid: 4\ndata: note 4",
        "event: note\nid: 5\ndata: two\ndata: lines",
    ] {
        assert_eq!(events.next().await.as_deref(), Some(expected));
    }
}

async fn a_silent_stream_says_that_it_lives(kind: Kind, wire: Wire) {
    let site = Site::start_with(kind, wire, |settings| {
        settings.heartbeat = Duration::from_millis(10);
    });
    let mut client = site.connect().await;
    let mut events = Events::open(&mut client).await;
    for _ in 0..3 {
        assert_eq!(events.next().await.as_deref(), Some(": still here"));
    }
}

async fn a_stream_of_events_ends_when_its_client_leaves(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = site.connect().await;
        let events = Events::open(&mut client).await;
        clients.push((client, events));
    }
    site.watched_by(5).await;
    clients.truncate(2);
    site.watched_by(2).await;
    drop(clients);
    site.watched_by(0).await;
}
