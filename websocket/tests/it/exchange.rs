//! The socket over an exchange in memory, with a client of ours at its other end.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Abort, Accept, BodyError, BodyLength, Capabilities, Cause, CloseCode, CloseFrame,
    ConnectionInfo, Disconnect, Events, Gone, Handshake, Http, HttpLayer, HttpReceive, HttpScope,
    HttpSend, HttpTransport, Incoming, Layered, Message, Response, ResponseHead, Scope, SendError,
    Signal, Socket, SocketReceiver, WebSocket,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use websocket::{
    Agreement, Event, Limits, Role, Session, Settings, Standing, Step, Upgrade, Watch, upgrade,
};

/// Polls once.
fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The value of a future that need not wait.
#[track_caller]
fn now<F: Future>(future: F) -> F::Output {
    match poll(future) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn scope(headers: &[(&'static str, &'static str)], drain: &Signal<Instant>) -> HttpScope {
    let info = ConnectionInfo::new(Capabilities::new("test")).with_drain(drain.clone());
    let mut scope = HttpScope::new(Arc::new(info));
    for &(name, value) in headers {
        scope.headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    scope
}

fn handshake_scope(more: &[(&'static str, &'static str)]) -> HttpScope {
    scope(&[&HANDSHAKE, more].concat(), &Signal::new())
}

fn look(scope: HttpScope) -> (Upgrade, Events) {
    let (http, events) = Http::in_memory(Scope::new(scope));
    (upgrade(http, &Settings::default()), events)
}

/// A handshake that waits for its answer.
fn shaking(more: &[(&'static str, &'static str)]) -> (WebSocket, Watch, Events) {
    let (Upgrade::WebSocket(socket, watch), events) = look(handshake_scope(more)) else {
        panic!("no handshake");
    };
    (socket, watch, events)
}

fn accept(handshake: Handshake) -> Socket {
    now(handshake.accept(Accept::new())).expect("an acceptance that fits")
}

/// The server's side of an open socket, and a client that speaks with it.
struct Pair {
    socket: Option<Socket>,
    watch: Option<Watch>,
    client: Client,
}

struct Client {
    session: Session,
    events: Events,
    input: BytesMut,
}

impl Pair {
    fn open() -> Self {
        Self::over(handshake_scope(&[]))
    }

    fn over(scope: HttpScope) -> Self {
        let (Upgrade::WebSocket(socket, watch), mut events) = look(scope) else {
            panic!("no handshake");
        };
        let socket = accept(socket.handshake);
        let Some(HttpSend::Upgrade { .. }) = now(events.sent()) else {
            panic!("no upgrade");
        };
        let session = Session::new(
            Role::Client { seed: 4 },
            &Agreement::default(),
            Limits::default(),
        );
        let client = Client {
            session,
            events,
            input: BytesMut::new(),
        };
        Self {
            socket: Some(socket),
            watch: Some(watch),
            client,
        }
    }

    fn socket(&mut self) -> &mut Socket {
        self.socket.as_mut().expect("still open")
    }

    #[track_caller]
    fn receive(&mut self) -> Incoming {
        now(self.socket().receive())
    }
}

impl Client {
    fn deliver(&self, bytes: impl Into<Bytes>) {
        self.events.deliver(HttpReceive::Body {
            bytes: bytes.into(),
            more: true,
        });
    }

    fn send(&mut self, message: &str) {
        let mut out = BytesMut::new();
        self.session
            .send(&message.to_owned().into(), &mut out)
            .unwrap();
        self.deliver(out.freeze());
    }

    fn ping(&mut self, payload: &'static str) {
        let mut out = BytesMut::new();
        self.session.ping(payload.into(), &mut out).unwrap();
        self.deliver(out.freeze());
    }

    fn close(&mut self, frame: Option<&CloseFrame>) {
        let mut out = BytesMut::new();
        self.session.close(frame, &mut out).unwrap();
        self.deliver(out.freeze());
    }

    /// What the server has sent; `None` at the end of the tunnel.
    fn read(&mut self) -> Option<Event> {
        loop {
            if let Step::Event(event) = self
                .session
                .next_event(&mut self.input)
                .expect("a valid server")
            {
                return Some(event);
            }
            match now(self.events.sent())? {
                HttpSend::Body { bytes, more: true } => self.input.extend_from_slice(&bytes),
                other => panic!("{other:?}"),
            }
        }
    }

    #[track_caller]
    fn assert_silent(&mut self) {
        assert!(poll(self.events.sent()).is_pending());
    }
}

fn message(text: &str) -> Incoming {
    Incoming::Message(text.to_owned().into())
}

fn end(code: u16, reason: &'static str, cause: Cause) -> Incoming {
    Incoming::Closed(Disconnect::new(code, reason, cause))
}

fn close_frame(code: u16, reason: &'static str) -> Event {
    Event::Close(Some(CloseFrame::new(CloseCode::new(code), reason)))
}

// Which exchanges are WebSockets.

#[test]
fn an_ordinary_request_is_left_alone() {
    let mut post = handshake_scope(&[]);
    post.method = Method::POST;
    let mut with_body = handshake_scope(&[]);
    with_body.body = BodyLength::Known(3);
    let mut tunnel = scope(&[], &Signal::new());
    tunnel.method = Method::CONNECT;
    let mut slow = scope(&HANDSHAKE, &Signal::new());
    slow.version = Version::HTTP_10;
    for scope in [
        scope(&[("host", "a")], &Signal::new()),
        scope(&[("upgrade", "h2c")], &Signal::new()),
        post,
        with_body,
        slow,
        tunnel,
    ] {
        let (Upgrade::Http(http), mut events) = look(scope) else {
            panic!("taken for a WebSocket");
        };
        let _done = now(http.responder.respond("hi")).unwrap();
        assert!(matches!(now(events.sent()), Some(HttpSend::Start { .. })));
    }
}

#[test]
fn a_bad_handshake_is_answered_with_its_status() {
    let mut old = scope(&HANDSHAKE, &Signal::new());
    old.headers
        .insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("8"));
    let mut keyless = scope(&HANDSHAKE, &Signal::new());
    keyless.headers.remove(header::SEC_WEBSOCKET_KEY);
    for (scope, status, version) in [
        (old, StatusCode::UPGRADE_REQUIRED, Some("13")),
        (keyless, StatusCode::BAD_REQUEST, None),
    ] {
        let (Upgrade::Refused(http, error), mut events) = look(scope) else {
            panic!("not refused");
        };
        let _done = now(http.responder.respond(error)).unwrap();
        let Some(HttpSend::Start {
            head,
            body,
            more: false,
            ..
        }) = now(events.sent())
        else {
            panic!("no answer");
        };
        assert_eq!(head.status, status);
        assert_eq!(head.headers.get_str("sec-websocket-version"), version);
        assert_eq!(body, error.to_string());
    }
}

// The handshake's three answers.

#[test]
fn accepting_switches_protocols() {
    let (socket, _watch, mut events) = shaking(&[
        ("sec-websocket-protocol", "a, b"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ]);
    assert_eq!(socket.subprotocols, ["a", "b"]);
    let own = Accept::new()
        .subprotocol("b")
        .header(header::SET_COOKIE, HeaderValue::from_static("x=y"));
    let _socket = now(socket.handshake.accept(own)).unwrap();
    let Some(HttpSend::Upgrade { head }) = now(events.sent()) else {
        panic!("no upgrade");
    };
    assert_eq!(head.status, StatusCode::SWITCHING_PROTOCOLS);
    for (name, value) in [
        ("upgrade", Some("websocket")),
        ("sec-websocket-accept", Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        ("sec-websocket-protocol", Some("b")),
        (
            "sec-websocket-extensions",
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ),
        ("set-cookie", Some("x=y")),
        // The server's (HTTP-23).
        ("connection", None),
    ] {
        assert_eq!(head.headers.get_str(name), value);
    }
}

#[test]
fn an_extended_connect_is_accepted_with_200() {
    let mut scope = scope(&[("sec-websocket-version", "13")], &Signal::new());
    scope.method = Method::CONNECT;
    scope.version = Version::HTTP_2;
    scope.protocol = Some("websocket".into());
    scope.body = BodyLength::Unknown;
    let (Upgrade::WebSocket(socket, _watch), mut events) = look(scope) else {
        panic!("no handshake");
    };
    let _socket = accept(socket.handshake);
    let Some(HttpSend::Upgrade { head }) = now(events.sent()) else {
        panic!("no upgrade");
    };
    assert_eq!((head.status, head.headers.len()), (StatusCode::OK, 0));
}

#[test]
fn an_acceptance_that_does_not_fit_is_the_applications_error() {
    let field =
        |name| Accept::new().header(HeaderName::from_static(name), HeaderValue::from_static("x"));
    for wrong in [
        Accept::new().subprotocol("c"),
        field("sec-websocket-protocol"),
        field("sec-websocket-accept"),
        field("connection"),
        field("upgrade"),
    ] {
        let (socket, _watch, mut events) = shaking(&[("sec-websocket-protocol", "a, b")]);
        let refused = now(socket.handshake.accept(wrong));
        assert!(matches!(refused, Err(SendError::BadHandshake)));
        // Nothing was sent, so the server can answer for it.
        assert!(now(events.sent()).is_none());
        assert_eq!(events.aborted(), Some(Abort::Dropped));
    }
}

#[test]
fn denying_is_a_plain_response() {
    let (socket, _watch, mut events) = shaking(&[]);
    let response = Response::text("members only").with_status(StatusCode::FORBIDDEN);
    let _done = now(socket.handshake.deny(response)).unwrap();
    let Some(HttpSend::Start {
        head,
        body,
        more: false,
        ..
    }) = now(events.sent())
    else {
        panic!("no answer");
    };
    assert_eq!(
        (head.status, &body[..]),
        (StatusCode::FORBIDDEN, &b"members only"[..])
    );
    assert_eq!(events.aborted(), None);
}

#[test]
fn the_exchange_can_be_had_back() {
    let (socket, watch, mut events) = shaking(&[]);
    let http = socket.handshake.into_http().expect("nothing was answered");
    now(watch);
    let own = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS);
    let mut tunnel = now(http.responder.upgrade(own, http.body)).unwrap();
    now(tunnel.write("by hand")).unwrap();
    assert!(matches!(now(events.sent()), Some(HttpSend::Upgrade { .. })));
    assert!(matches!(now(events.sent()), Some(HttpSend::Body { bytes, .. }) if bytes == "by hand"));
}

#[test]
fn a_handshake_that_is_dropped_is_left_to_the_server() {
    let (socket, _watch, mut events) = shaking(&[]);
    drop(socket);
    assert!(now(events.sent()).is_none());
    assert_eq!(events.aborted(), Some(Abort::Dropped));
}

// Messages.

#[test]
fn messages_go_both_ways() {
    let mut pair = Pair::open();
    pair.client.send("one");
    pair.client.send("two");
    assert_eq!(pair.receive(), message("one"));
    assert_eq!(pair.receive(), message("two"));
    assert!(poll(pair.socket().receive()).is_pending());

    let long = "x".repeat(70_000);
    for text in ["three", &long] {
        now(pair.socket().send(text.to_owned())).unwrap();
        assert_eq!(
            pair.client.read(),
            Some(Event::Message(text.to_owned().into()))
        );
    }
    pair.client.assert_silent();
}

#[test]
fn a_message_may_come_in_any_pieces() {
    let mut pair = Pair::open();
    let mut wire = BytesMut::new();
    for text in ["one", "", "three"] {
        pair.client
            .session
            .send(&text.to_owned().into(), &mut wire)
            .unwrap();
    }
    for piece in wire.freeze().chunks(1) {
        pair.client.deliver(piece.to_vec());
    }
    assert_eq!(
        [pair.receive(), pair.receive(), pair.receive()],
        [message("one"), message(""), message("three")]
    );
}

#[test]
fn pings_are_answered_and_seen() {
    let mut pair = Pair::open();
    pair.client.ping("?");
    assert_eq!(pair.receive(), Incoming::Ping("?".into()));
    assert_eq!(pair.client.read(), Some(Event::Pong("?".into())));

    now(pair.socket().ping("!")).unwrap();
    assert_eq!(pair.client.read(), Some(Event::Ping("!".into())));
    assert!(matches!(
        now(pair.socket().ping(vec![0; 126])),
        Err(SendError::BadHandshake)
    ));
}

// Ends.

#[test]
fn the_clients_close_is_answered_and_told_for_ever() {
    for (frame, answer, told) in [
        (
            Some((4000, "bored")),
            close_frame(4000, "bored"),
            end(4000, "bored", Cause::Remote),
        ),
        (None, Event::Close(None), end(1005, "", Cause::Remote)),
    ] {
        let mut pair = Pair::open();
        let frame = frame.map(|(code, reason)| CloseFrame::new(CloseCode::new(code), reason));
        pair.client.send("last words");
        pair.client.close(frame.as_ref());
        assert_eq!(pair.receive(), message("last words"));
        assert_eq!(pair.receive(), told);
        assert_eq!(pair.receive(), told);
        assert_eq!(pair.client.read(), Some(answer));
        assert_eq!(pair.client.read(), None);
        assert_eq!(pair.client.events.aborted(), None);

        assert_eq!(
            now(pair.socket().send("late")),
            Err(SendError::Gone(Gone::Finished))
        );
        let socket = pair.socket.take().unwrap();
        assert!(now(socket.close(CloseCode::NORMAL, "")).is_ok());
        now(pair.watch.take().unwrap());
    }
}

#[test]
fn a_client_that_breaks_the_protocol_is_told_why() {
    for (wire, code, reason) in [
        (
            &[0x81, 0x00][..],
            1002,
            "a frame of the client is not masked",
        ),
        (
            &[0x81, 0x81, 0, 0, 0, 0, 0xff],
            1007,
            "the text is not UTF-8",
        ),
        (
            &[0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            1009,
            "the frame is too large",
        ),
    ] {
        let mut pair = Pair::open();
        pair.client.deliver(wire);
        assert_eq!(pair.receive(), end(1006, reason, Cause::Protocol));
        assert_eq!(pair.client.read(), Some(close_frame(code, reason)));
        assert_eq!(pair.client.read(), None);
        assert_eq!(
            now(pair.socket().send("late")),
            Err(SendError::Gone(Gone::Aborted))
        );
    }
}

#[test]
fn a_client_that_is_lost_is_lost_for_a_reason() {
    let gone = HttpReceive::Disconnect;
    for (event, cause) in [
        (gone(Gone::PeerReset), Cause::Lost),
        (gone(Gone::HalfClosed), Cause::Lost),
        (gone(Gone::WriteTimeout), Cause::Timeout),
        (gone(Gone::Shutdown), Cause::Shutdown),
        (HttpReceive::Failed(BodyError::Timeout), Cause::Timeout),
        (HttpReceive::Failed(BodyError::Malformed), Cause::Lost),
        (
            HttpReceive::Body {
                bytes: Bytes::new(),
                more: false,
            },
            Cause::Lost,
        ),
    ] {
        let mut pair = Pair::open();
        pair.client.send("before");
        pair.client.events.deliver(event);
        assert_eq!(pair.receive(), message("before"));
        assert_eq!(pair.receive(), end(1006, "", cause));
        assert_eq!(pair.receive(), end(1006, "", cause));
        assert!(now(pair.socket().send("late")).is_err());
    }
}

#[test]
fn our_close_waits_for_the_clients_if_somebody_polls_it() {
    let mut pair = Pair::open();
    let watch = pair.watch.take().unwrap();
    let closed = || poll(poll_fn(|cx| watch.poll_closed(cx)));
    let socket = pair.socket.take().unwrap();
    let _done = now(socket.close(CloseCode::new(3001), "done")).unwrap();
    assert_eq!(pair.client.read(), Some(close_frame(3001, "done")));
    assert!(closed().is_pending());
    pair.client.assert_silent();

    // What the client had sent before it read our close frame means nothing any more.
    pair.client
        .deliver(crate::support::frame(0x81, b"crossing"));
    pair.client
        .deliver(crate::support::frame(0x89, b"crossing"));
    assert!(closed().is_pending());
    pair.client.close(None);
    assert!(closed().is_ready());
    assert_eq!(pair.client.read(), None);
    assert_eq!(pair.client.events.aborted(), None);
}

#[test]
fn our_close_ends_the_tunnel_where_nobody_waits() {
    let mut pair = Pair::open();
    drop(pair.watch.take());
    let socket = pair.socket.take().unwrap();
    let _done = now(socket.close(CloseCode::NORMAL, "")).unwrap();
    assert_eq!(pair.client.read(), Some(close_frame(1000, "")));
    assert_eq!(pair.client.read(), None);
    assert_eq!(pair.client.events.aborted(), None);
}

#[test]
fn the_receiving_half_learns_how_our_close_went() {
    for (answer, told) in [
        (true, end(4001, "me too", Cause::Local)),
        (false, end(1006, "", Cause::Local)),
    ] {
        let mut pair = Pair::open();
        let (sender, mut receiver) = pair.socket.take().unwrap().split();
        let _done = now(sender.close(CloseCode::NORMAL, "")).unwrap();
        assert!(poll(receiver.receive()).is_pending());
        if answer {
            pair.client
                .close(Some(&CloseFrame::new(CloseCode::new(4001), "me too")));
        } else {
            pair.client.events.disconnect(Gone::PeerReset);
        }
        assert_eq!(now(receiver.receive()), told);
    }
}

#[test]
fn a_socket_that_is_dropped_says_that_the_server_failed_or_goes() {
    for (draining, code) in [(false, 1011), (true, 1012)] {
        let drain = Signal::new();
        let mut pair = Pair::over(scope(&HANDSHAKE, &drain));
        if draining {
            drain.raise(Instant::now());
        }
        drop(pair.socket.take());
        assert_eq!(pair.client.read(), Some(close_frame(code, "")));
        assert_eq!(pair.client.read(), None);
        assert_eq!(pair.client.events.aborted(), None);
    }
}

#[test]
fn what_came_before_the_loss_is_still_received() {
    let mut pair = Pair::open();
    pair.client.send("before");
    pair.client.events.disconnect(Gone::PeerReset);
    // The way out knows first.
    let reset = Err(SendError::Gone(Gone::PeerReset));
    assert_eq!(now(pair.socket().send("late")), reset);
    assert_eq!(pair.receive(), message("before"));
    assert_eq!(pair.receive(), end(1006, "", Cause::Lost));
}

#[test]
fn a_server_may_ping_and_give_up_a_silent_client() {
    let mut pair = Pair::open();
    let watch = pair.watch.take().unwrap();
    assert_eq!(watch.standing(), Standing::Open);
    assert!(watch.ping());
    assert_eq!(pair.client.read(), Some(Event::Ping(Bytes::new())));

    watch.time_out();
    let frame = close_frame(1011, "the client was silent for too long");
    assert_eq!(pair.client.read(), Some(frame));
    assert_eq!(pair.client.read(), None);
    assert_eq!(pair.receive(), end(1006, "", Cause::Timeout));
    assert_eq!(watch.standing(), Standing::Over);
    // Nothing happens to what is over.
    assert!(!watch.ping());
    watch.time_out();
    watch.give_up();
    now(watch);
}

#[test]
fn a_server_may_give_up_a_client_that_does_not_answer_its_close_frame() {
    let mut pair = Pair::open();
    let watch = pair.watch.take().unwrap();
    watch.give_up();
    assert_eq!(watch.standing(), Standing::Open, "nothing is closing");
    let (sender, mut receiver) = pair.socket.take().unwrap().split();
    let _done = now(sender.close(CloseCode::NORMAL, "bye")).unwrap();
    assert_eq!(watch.standing(), Standing::Closing);

    // The application and the server wait for it, and both are woken.
    let (application, server) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let wakers = [&application, &server].map(|count| Waker::from(Arc::clone(count)));
    let mut received = pin!(receiver.receive());
    let [mut application_task, mut server_task] =
        [0, 1].map(|task: usize| Context::from_waker(&wakers[task]));
    assert!(received.as_mut().poll(&mut application_task).is_pending());
    assert!(watch.poll_closed(&mut server_task).is_pending());
    assert!(received.as_mut().poll(&mut application_task).is_pending());
    pair.client.send("too late");
    assert!(application.take() > 0 && server.take() > 0);
    assert!(received.as_mut().poll(&mut application_task).is_pending());
    assert!(watch.poll_closed(&mut server_task).is_pending());

    watch.give_up();
    assert!(application.take() > 0, "the application is told");
    assert!(watch.poll_closed(&mut server_task).is_ready());
    let told = now(received);
    let Incoming::Closed(told) = told else {
        panic!("{told:?}");
    };
    assert_eq!((told.code, told.cause), (1006, Cause::Local));
}

#[test]
fn an_abort_says_nothing() {
    let mut pair = Pair::open();
    let _done = pair.socket.take().unwrap().abort();
    assert_eq!(pair.client.read(), None);
    assert_eq!(pair.client.events.aborted(), Some(Abort::Deliberate));
}

// Waiting.

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn both_halves_wait_for_credit_and_both_are_woken() {
    let mut pair = Pair::open();
    // All the credit there is.
    while let Poll::Ready(sent) = poll(pair.socket().send("x".repeat(20_000))) {
        sent.unwrap();
    }
    let (mut sender, mut receiver) = pair.socket.take().unwrap().split();
    let (sends, receives) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let (sends_waker, receives_waker) = (
        Waker::from(Arc::clone(&sends)),
        Waker::from(Arc::clone(&receives)),
    );

    let mut sending = pin!(sender.send("more"));
    assert!(
        sending
            .as_mut()
            .poll(&mut Context::from_waker(&sends_waker))
            .is_pending()
    );
    // A client that pings but does not read is not read either: its pongs would have no bound.
    pair.client.ping("?");
    pair.client.send("behind the ping");
    let receive = |receiver: &mut SocketReceiver| {
        receiver.poll_receive(&mut Context::from_waker(&receives_waker))
    };
    assert!(receive(&mut receiver).is_pending());

    while let Some(Event::Message(_)) = {
        let waiting = pair
            .client
            .events
            .poll_sent(&mut Context::from_waker(Waker::noop()));
        match waiting {
            Poll::Ready(Some(HttpSend::Body { bytes, .. })) => {
                pair.client.input.extend_from_slice(&bytes);
                pair.client.read()
            }
            _ => None,
        }
    } {}
    assert!(sends.take() > 0 && receives.take() > 0);
    assert_eq!(
        receive(&mut receiver),
        Poll::Ready(Incoming::Ping("?".into()))
    );
    assert_eq!(
        receive(&mut receiver),
        Poll::Ready(message("behind the ping"))
    );
    assert_eq!(
        sending
            .as_mut()
            .poll(&mut Context::from_waker(&sends_waker)),
        Poll::Ready(Ok(()))
    );
    assert_eq!(pair.client.read(), Some(Event::Pong("?".into())));
    assert_eq!(pair.client.read(), Some(Event::Message("more".into())));
}

#[test]
fn who_waits_is_woken_when_the_other_half_ends_the_socket() {
    let mut pair = Pair::open();
    let (sender, mut receiver) = pair.socket.take().unwrap().split();
    let receives = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&receives));
    assert!(
        receiver
            .poll_receive(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let _done = sender.abort();
    assert!(receives.take() > 0);
    let told = receiver.poll_receive(&mut Context::from_waker(&waker));
    assert_eq!(told, Poll::Ready(end(1006, "", Cause::Local)));
}

#[test]
fn a_receiver_is_woken_though_the_server_waits_too() {
    let mut pair = Pair::open();
    let (sender, mut receiver) = pair.socket.take().unwrap().split();
    let receives = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&receives));
    let mut cx = Context::from_waker(&waker);
    assert!(receiver.poll_receive(&mut cx).is_pending());
    let _done = now(sender.close(CloseCode::NORMAL, "")).unwrap();

    // The exchange knows one waker, and this is the last.
    let watch = pair.watch.take().unwrap();
    let closed = || poll(poll_fn(|cx| watch.poll_closed(cx)));
    assert!(closed().is_pending());
    receives.take();
    pair.client.close(None);
    assert!(closed().is_ready());
    assert!(receives.take() > 0);
    let told = receiver.poll_receive(&mut cx);
    assert_eq!(told, Poll::Ready(end(1005, "", Cause::Local)));
}

#[test]
fn who_waits_for_credit_is_woken_when_the_client_closes() {
    let mut pair = Pair::open();
    while let Poll::Ready(sent) = poll(pair.socket().send("x".repeat(20_000))) {
        sent.unwrap();
    }
    let (mut sender, mut receiver) = pair.socket.take().unwrap().split();
    let sends = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&sends));
    let mut cx = Context::from_waker(&waker);
    let mut sending = pin!(sender.send("more"));
    assert!(sending.as_mut().poll(&mut cx).is_pending());
    pair.client.close(None);
    assert_eq!(now(receiver.receive()), end(1005, "", Cause::Remote));
    assert!(sends.take() > 0);
    let refused = Err(SendError::Gone(Gone::Finished));
    assert_eq!(sending.as_mut().poll(&mut cx), Poll::Ready(refused));
}

/// An exchange that, in the middle of a call, polls the socket over it, as a waker that runs its task at once would.
struct Reentrant {
    inner: Arc<dyn HttpTransport>,
    receiver: Mutex<Option<SocketReceiver>>,
    seen: Mutex<Vec<Incoming>>,
}

impl Reentrant {
    fn poll_socket(&self) {
        // Taken out, so that the call below does not come back here.
        let Some(mut receiver) = self.receiver.lock().unwrap().take() else {
            return;
        };
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = receiver.poll_receive(&mut cx) {
            let over = matches!(event, Incoming::Closed(_));
            self.seen.lock().unwrap().push(event);
            if over {
                return;
            }
        }
        *self.receiver.lock().unwrap() = Some(receiver);
    }
}

struct Layer(Arc<Reentrant>);

impl HttpLayer for Layer {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.0.inner
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        self.0.poll_socket();
        self.0.inner.send(event)
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.0.poll_socket();
        self.0.inner.poll_ready(cx)
    }
}

#[test]
fn an_exchange_may_call_back() {
    let (http, mut events) = Http::in_memory(Scope::new(handshake_scope(&[])));
    let mut layer = None;
    let http = http.map_transport(|inner| {
        let reentrant = Arc::new(Reentrant {
            inner,
            receiver: Mutex::new(None),
            seen: Mutex::new(Vec::new()),
        });
        layer = Some(Arc::clone(&reentrant));
        Arc::new(Layered(Layer(reentrant)))
    });
    let layer = layer.unwrap();
    let Upgrade::WebSocket(socket, _watch) = upgrade(http, &Settings::default()) else {
        panic!("no handshake");
    };
    let (mut sender, receiver) = accept(socket.handshake).split();
    *layer.receiver.lock().unwrap() = Some(receiver);
    assert!(matches!(now(events.sent()), Some(HttpSend::Upgrade { .. })));

    let session = Session::new(
        Role::Client { seed: 5 },
        &Agreement::default(),
        Limits::default(),
    );
    let mut client = Client {
        session,
        events,
        input: BytesMut::new(),
    };
    client.ping("?");
    client.send("hello");
    now(sender.send("hello yourself")).unwrap();
    assert_eq!(
        *layer.seen.lock().unwrap(),
        [Incoming::Ping("?".into()), message("hello")]
    );
    let mut answers = [client.read(), client.read()];
    answers.sort_by_key(|answer| matches!(answer, Some(Event::Message(_))));
    assert_eq!(
        answers,
        [
            Some(Event::Pong("?".into())),
            Some(Event::Message("hello yourself".into()))
        ]
    );
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread, which sleeps while it waits.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn two_threads_make_whole_frames_in_order() {
    const MESSAGES: usize = 2000;
    let mut pair = Pair::open();
    let (mut sender, mut receiver) = pair.socket.take().unwrap().split();
    let text = |n: usize| format!("{n} {}", "x".repeat(n * 37 % 9000));

    let mut wire = BytesMut::new();
    for _ in 0..MESSAGES {
        pair.client.session.ping("?".into(), &mut wire).unwrap();
    }
    pair.client.deliver(wire.freeze());

    thread::scope(|threads| {
        threads.spawn(move || {
            block_on(async {
                for n in 0..MESSAGES {
                    sender.send(Message::from(text(n))).await.unwrap();
                }
                // Half a socket owes the client its end.
                let _done = sender.close(CloseCode::NORMAL, "").await.unwrap();
            });
        });
        threads.spawn(move || {
            block_on(async {
                while let Incoming::Ping(_) | Incoming::Pong(_) | Incoming::Message(_) =
                    receiver.receive().await
                {}
            });
        });

        let client = &mut pair.client;
        let (mut messages, mut pongs) = (0, 0);
        block_on(async {
            loop {
                match client
                    .session
                    .next_event(&mut client.input)
                    .expect("a valid server")
                {
                    Step::Event(Event::Message(message)) => {
                        assert_eq!(message.as_text(), Some(&text(messages)[..]));
                        messages += 1;
                    }
                    Step::Event(Event::Pong(_)) => pongs += 1,
                    Step::Event(Event::Close(frame)) => {
                        client.close(frame.as_ref());
                        break;
                    }
                    Step::Event(Event::Ping(_)) => panic!("nobody pings"),
                    _ => match client.events.sent().await {
                        Some(HttpSend::Body { bytes, .. }) => {
                            client.input.extend_from_slice(&bytes)
                        }
                        other => panic!("{other:?}"),
                    },
                }
            }
        });
        assert_eq!(messages, MESSAGES);
        assert!(pongs <= MESSAGES);
    });
}
