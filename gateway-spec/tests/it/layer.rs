//! MW-2, MW-3: wrappers around a transport.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_spec::{
    Abort, Accept, CloseCode, CloseFrame, Gone, Http, HttpLayer, HttpReceive, HttpSend,
    HttpTransport, Layered, Message, Responder, SendError, WebSocketLayer, WebSocketReceive,
    WebSocketSend, WebSocketTransport,
};
use http::StatusCode;

use crate::support::{Script, Task, assert_done, exchange, last, now, part, socket, summary};

/// Changes nothing.
struct Plain(Arc<dyn HttpTransport>);

impl HttpLayer for Plain {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.0
    }
}

/// Answers in capitals, and asks in small letters.
struct Shout(Arc<dyn HttpTransport>);

impl HttpLayer for Shout {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.0
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        self.0.poll_receive(cx).map(|event| match event {
            HttpReceive::Body { bytes, more } => HttpReceive::Body {
                bytes: bytes.to_ascii_lowercase().into(),
                more,
            },
            other => other,
        })
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let upper = |bytes: Bytes| bytes.to_ascii_uppercase().into();
        self.0.send(match event {
            HttpSend::Start {
                head,
                body,
                more,
                trailers,
            } => HttpSend::Start {
                head,
                body: upper(body),
                more,
                trailers,
            },
            HttpSend::Body { bytes, more } => HttpSend::Body {
                bytes: upper(bytes),
                more,
            },
            other => other,
        })
    }
}

fn wrapped<L: HttpLayer>(layer: fn(Arc<dyn HttpTransport>) -> L) -> (Http, Arc<Script>) {
    let (http, script) = exchange([]);
    let http = http.map_transport(|inner| Arc::new(Layered(layer(inner))));
    (http, script)
}

#[test]
fn a_layer_that_changes_nothing_forwards_every_call() {
    let (http, script) = wrapped(Plain);
    let (_scope, transport) = http.into_transport();
    let mut cx = Context::from_waker(Waker::noop());
    script.deliver(part("in"));
    assert!(transport.poll_receive(&mut cx).is_ready());
    assert!(transport.poll_receive(&mut cx).is_pending());
    assert_eq!(transport.poll_ready(&mut cx), Poll::Ready(Ok(())));
    transport
        .send(HttpSend::Informational(StatusCode::PROCESSING.into()))
        .unwrap();
    assert_eq!(transport.poll_write(&mut cx, b"bytes"), Poll::Ready(Ok(5)));
    assert_eq!(transport.poll_flush(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(transport.poll_buffered(&mut cx, 3), Poll::Ready(Ok(())));
    transport.stop_receiving();
    transport.close();
    transport.abort(Abort::Deliberate);
    assert_eq!(
        script.calls(),
        "inform 102; body \"bytes\" …; flush; buffered 3; stop receiving; close; abort Deliberate"
    );
    let gone = transport.gone();
    script.leave(Gone::PeerReset);
    assert_eq!(now(gone), Gone::PeerReset);
    assert_eq!(
        transport.poll_ready(&mut cx),
        Poll::Ready(Err(Gone::PeerReset))
    );
}

#[test]
fn a_shared_transport_forwards_every_call_as_it_is() {
    let (http, script) = exchange([]);
    let http = http.map_transport(|inner| Arc::new(inner));
    let (_scope, transport) = http.into_transport();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(transport.poll_receive(&mut cx).is_pending());
    assert_eq!(transport.poll_ready(&mut cx), Poll::Ready(Ok(())));
    transport
        .send(HttpSend::Informational(StatusCode::PROCESSING.into()))
        .unwrap();
    assert_eq!(transport.poll_write(&mut cx, b"bytes"), Poll::Ready(Ok(4)));
    assert_eq!(transport.poll_flush(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(transport.poll_buffered(&mut cx, 3), Poll::Ready(Ok(())));
    transport.stop_receiving();
    transport.close();
    transport.abort(Abort::Dropped);
    assert_eq!(
        script.calls(),
        "inform 102; write \"byte\"; flush; buffered 3; stop receiving; close; abort Dropped"
    );
    assert_eq!(transport.gone().value(), None);
}

#[test]
fn a_layer_sees_every_byte_once() {
    let (mut http, script) = wrapped(Shout);
    script.deliver(last("QUIET"));
    assert_eq!(now(http.body.collect(9)), Ok("quiet".into()));
    script.block();
    let mut answering = Task::new(http.responder.respond("loud"));
    assert!(answering.poll().is_pending());
    assert!(answering.poll().is_pending());
    script.unblock();
    assert!(answering.poll().is_ready());
    assert_eq!(script.calls(), "start 200 \"LOUD\"");
}

#[test]
fn bytes_that_are_written_pass_through_a_layers_send() {
    let (http, script) = wrapped(Shout);
    let (_scope, transport) = http.into_transport();
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(transport.poll_write(&mut cx, b"loud"), Poll::Ready(Ok(4)));
    assert_eq!(script.calls(), "body \"LOUD\" …");
    script.block();
    assert!(transport.poll_write(&mut cx, b"loud").is_pending());
    script.unblock();
    script.refuse(SendError::TooMuch { declared: 1 });
    let refused = transport.poll_write(&mut cx, b"loud");
    assert_eq!(
        refused,
        Poll::Ready(Err(SendError::TooMuch { declared: 1 }))
    );
}

#[test]
fn changing_heads_alone_leaves_written_bytes_where_they_are() {
    let (http, script) = exchange([]);
    let responder = http
        .responder
        .map_head(|head| head.status = StatusCode::ACCEPTED);
    let mut tunnel = now(responder.upgrade(StatusCode::OK, http.body)).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(tunnel.poll_write(&mut cx, b"12345"), Poll::Ready(Ok(4)));
    drop(tunnel);
    assert_eq!(script.calls(), "upgrade 202; write \"1234\"; close");
}

#[test]
fn layers_nest_and_the_outermost_sees_what_the_inner_ones_made() {
    struct Log(Arc<dyn HttpTransport>, Arc<Mutex<Vec<String>>>);
    impl HttpLayer for Log {
        fn inner(&self) -> &dyn HttpTransport {
            &*self.0
        }
        fn send(&self, event: HttpSend) -> Result<(), SendError> {
            self.1.lock().unwrap().push(summary(&event));
            self.0.send(event)
        }
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&log);
    let (http, _script) = exchange([]);
    let http = http
        .map_transport(|inner| Arc::new(Layered(Log(inner, kept))))
        .map_transport(|inner| Arc::new(Layered(Shout(inner))));
    assert_done(now(http.responder.respond("loud")));
    assert_eq!(*log.lock().unwrap(), ["start 200 \"LOUD\""]);
}

/// Changes nothing of a socket.
struct PlainSocket(Arc<dyn WebSocketTransport>);

impl WebSocketLayer for PlainSocket {
    fn inner(&self) -> &dyn WebSocketTransport {
        &*self.0
    }
}

#[test]
fn a_layer_of_a_socket_that_changes_nothing_forwards_every_call() {
    let (_, script) = socket([WebSocketReceive::Message(Message::from("in"))]);
    let (http, outer) = exchange([]);
    script.keep(http);
    let layer = Layered(PlainSocket(Arc::clone(&script) as _));
    let transport: &dyn WebSocketTransport = &layer;
    script.calls();
    let mut cx = Context::from_waker(Waker::noop());
    let taken = transport.take_http().unwrap();
    assert_done(now(taken.responder.respond("plain")));
    assert_eq!(outer.calls(), "start 200 \"plain\"");
    assert_eq!(transport.poll_ready(&mut cx), Poll::Ready(Ok(())));
    transport
        .send(WebSocketSend::Accept(Accept::new()))
        .unwrap();
    let received = transport.poll_receive(&mut cx);
    assert!(
        matches!(received, Poll::Ready(WebSocketReceive::Message(message)) if message == Message::from("in"))
    );
    assert!(transport.poll_receive(&mut cx).is_pending());
    assert_eq!(transport.poll_flush(&mut cx), Poll::Ready(Ok(())));
    let close = CloseFrame::new(CloseCode::NORMAL, "bye");
    transport.send(WebSocketSend::Close(close)).unwrap();
    transport.abort(Abort::Dropped);
    assert_eq!(
        script.calls(),
        "accept None; flush; close 1000 \"bye\"; abort Dropped"
    );
    let gone = transport.gone();
    script.gone.raise(Gone::PeerReset);
    assert_eq!(now(gone), Gone::PeerReset);
    assert_eq!(
        transport.poll_ready(&mut cx),
        Poll::Ready(Err(Gone::PeerReset))
    );
}

#[test]
fn middleware_answers_in_the_place_of_an_application_that_is_gone() {
    let (http, script) = exchange([]);
    let mut kept = None;
    let http = http.map_transport(|inner| {
        kept = Some(Arc::clone(&inner));
        inner
    });
    let (_scope, inner) = (http.scope, kept.unwrap());
    assert_done(now(Responder::over(inner).respond("in its place")));
    assert_eq!(script.calls(), "start 200 \"in its place\"");
    drop(http.responder);
    assert_eq!(script.calls(), "abort Dropped");
}
