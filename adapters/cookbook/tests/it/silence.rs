//! Exchanges that are silent for long and are none the worse for it: no deadline of the server is for them.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use cookbook::axum::Settings;
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Wire;
use crate::events::Events;
use crate::host::Kind;
use crate::site::{Site, on_every_host};
use crate::sockets;

on_every_host!(over both:
    a_silent_socket_stays_open,
    a_silent_stream_of_events_stays_open,
    a_request_may_wait_for_its_answer,
);

/// Longer than all deadlines of the servers below, and the ticks of their clocks.
const SILENCE: Duration = Duration::from_secs(2);

fn start(kind: Kind, wire: Wire) -> Site {
    Site::start_on(kind, wire, &Settings::default(), |settings| {
        let short = Duration::from_millis(200);
        // Between two requests of these tests too, on a busy machine.
        settings.timeouts.idle = Duration::from_secs(1);
        settings.timeouts.body = short;
        settings.timeouts.write = short;
        settings.timeouts.ping_interval = Some(short);
        settings.timeouts.ping_timeout = Some(short);
    })
}

async fn a_silent_socket_stays_open(kind: Kind, wire: Wire) {
    let site = start(kind, wire);
    let mut client = site.connect().await;
    let mut socket = sockets::open(&mut client, wire).await;
    for text in ["one", "two"] {
        tokio::time::sleep(SILENCE).await;
        let message = Message::Binary(text.into());
        socket.send(message.clone()).await.unwrap();
        assert_eq!(sockets::next(&mut socket).await, message);
    }
}

async fn a_silent_stream_of_events_stays_open(kind: Kind, wire: Wire) {
    let site = start(kind, wire);
    let mut client = site.connect().await;
    let mut events = Events::open(&mut client).await;
    for id in 1..=2 {
        tokio::time::sleep(SILENCE).await;
        site.board.post("x");
        let event = events.next().await;
        assert_eq!(event, Some(format!("event: note\nid: {id}\ndata: x")));
    }
}

async fn a_request_may_wait_for_its_answer(kind: Kind, wire: Wire) {
    let site = start(kind, wire);
    let mut client = site.connect().await;
    let next = client.request(Method::GET, "/api/notes/next");
    let next = next.body(Body::empty()).unwrap();
    let post = async {
        site.watched_by(1).await;
        tokio::time::sleep(SILENCE).await;
        site.board.post("x");
    };
    let (answer, ()) = tokio::join!(client.ask(next), post);
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["text"], "x");
}
