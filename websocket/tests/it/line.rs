//! The socket whose bytes are at hand, with a wire that the tests turn.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Accept, Capabilities, Cause, CloseCode, CloseFrame, ConnectionInfo, Disconnect, Events, Gone,
    Http, HttpScope, HttpSend, Incoming, Message, Response, Scope, SendError, Socket, WebSocket,
};
use http::{HeaderName, HeaderValue, StatusCode};
use websocket::{
    Agreement, Event, Limits, Line, Outbox, Role, Session, Settings, Standing, Step, Upgrade,
    Watch,
    line::{Came, End, INBOUND_BYTES, Input, Left, OUTBOUND_BYTES, Seen, Turn},
    upgrade_line,
};

#[derive(Default)]
struct Sent(Vec<u8>);

impl Outbox for Sent {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn frame(&mut self, header: &[u8], payload: Bytes) {
        self.0.extend_from_slice(header);
        self.0.extend_from_slice(&payload);
    }
}

/// Counts how often it is woken.
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

fn poll_by<F: Future>(waker: &Waker, future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

#[track_caller]
fn now<F: Future>(future: F) -> F::Output {
    match poll_by(Waker::noop(), future) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// A handshake that waits for its answer.
fn shaking() -> (WebSocket, Watch, Arc<Line<Sent>>, Events) {
    let mut scope = HttpScope::new(Arc::new(ConnectionInfo::new(Capabilities::new("test"))));
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        let name = HeaderName::from_static(name);
        scope.headers.append(name, HeaderValue::from_static(value));
    }
    let (http, events) = Http::in_memory(Scope::new(scope));
    match upgrade_line(http, &Settings::default()) {
        (Upgrade::WebSocket(socket, watch), Some(line)) => (socket, watch, line, events),
        _ => panic!("no handshake"),
    }
}

/// An open socket, its wire, and a client that speaks with it.
struct Pair {
    socket: Option<Socket>,
    watch: Watch,
    line: Arc<Line<Sent>>,
    /// What the wire has read, and what it has to write.
    input: BytesMut,
    output: Sent,
    wire: Arc<Count>,
    client: Session,
    arrived: BytesMut,
}

impl Pair {
    fn open() -> Self {
        let (socket, watch, line, mut events) = shaking();
        assert!(!line.is_open());
        let socket = now(socket.handshake.accept(Accept::new())).expect("it fits");
        assert!(matches!(now(events.sent()), Some(HttpSend::Upgrade { .. })));
        assert!(line.is_open());
        assert!(line.attach(None).is_some());
        let role = Role::Client { seed: 9 };
        Self {
            socket: Some(socket),
            watch,
            line,
            input: BytesMut::new(),
            output: Sent::default(),
            wire: Arc::default(),
            client: Session::new(role, &Agreement::default(), Limits::default()),
            arrived: BytesMut::new(),
        }
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.wire))
    }

    fn socket(&mut self) -> &mut Socket {
        self.socket.as_mut().expect("it is there")
    }

    /// Reads what the client sends, and has the application do something.
    fn turn<R>(&mut self, came: &[u8], turn: Turn, app: impl FnOnce(&mut Self) -> R) -> (R, Seen) {
        self.input.extend_from_slice(came);
        let came = match came {
            [] => Came::Nothing,
            _ => Came::Bytes,
        };
        let line = Arc::clone(&self.line);
        line.enter(&self.waker(), &mut self.input, came);
        let result = app(self);
        let seen = line.leave(turn, &mut self.output, &mut self.input);
        (result, seen)
    }

    /// Writes all that there is.
    fn write(&mut self) {
        self.arrived.extend_from_slice(&self.output.0);
        self.output.0.clear();
        self.line.unsent(0);
    }

    fn client_says(&mut self, message: impl Into<Message>) -> BytesMut {
        let mut out = BytesMut::new();
        let sent = self.client.send(&message.into(), &mut out);
        sent.expect("it is open");
        out
    }

    fn client_hears(&mut self) -> Option<Event> {
        match self.client.next_event(&mut self.arrived) {
            Ok(Step::Event(event)) => Some(event),
            Ok(_) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn receive(&mut self) -> Incoming {
        now(self.socket().receive())
    }
}

fn text(text: &'static str) -> Incoming {
    Incoming::Message(text.into())
}

#[test]
fn all_that_one_read_brought_is_answered_by_one_write() {
    let mut pair = Pair::open();
    let mut came = BytesMut::new();
    for n in 0..16 {
        let length = if n == 7 { 300 } else { n };
        came.extend_from_slice(&pair.client_says(vec![b'x'; length]));
    }
    let (count, seen) = pair.turn(&came, Turn::Pending, |pair| {
        let mut count = 0;
        while let Poll::Ready(Some(message)) = poll_by(
            Waker::noop(),
            pair.socket.as_mut().expect("it is there").message(),
        ) {
            now(pair.socket().send(message)).expect("there is credit");
            count += 1;
        }
        count
    });
    assert_eq!((count, seen.left, seen.end), (16, Left::Nothing, None));
    assert_eq!(
        (seen.input, seen.standing),
        (Input::Wanted(2), Standing::Open)
    );
    pair.write();
    for n in 0..16 {
        let length = if n == 7 { 300 } else { n };
        let expected = Event::Message(vec![b'x'; length].into());
        assert_eq!(pair.client_hears(), Some(expected));
    }
    assert_eq!(pair.wire.take(), 0, "it looks by itself");
}

#[test]
fn a_message_in_pieces_is_read_where_its_beginning_lies() {
    let mut pair = Pair::open();
    let came = pair.client_says("a text of some length");
    let (first, rest) = came.split_at(9);
    let (polled, seen) = pair.turn(first, Turn::Pending, |pair| {
        poll_by(Waker::noop(), pair.socket().receive())
    });
    assert_eq!(polled, Poll::Pending);
    assert_eq!(seen.input, Input::Wanted(rest.len()));
    assert_eq!(pair.input.len(), 3, "what is behind the header");
    // Meanwhile another task may ask.
    assert_eq!(
        poll_by(Waker::noop(), pair.socket().receive()),
        Poll::Pending
    );
    let (received, _) = pair.turn(rest, Turn::Pending, Pair::receive);
    assert_eq!(received, text("a text of some length"));
}

#[test]
fn what_the_application_leaves_is_counted() {
    let mut pair = Pair::open();
    let came = pair.client_says("first");
    let ((), seen) = pair.turn(&came, Turn::Pending, |_| ());
    assert_eq!(seen.input, Input::Unread(came.len()));
    assert!(seen.input != Input::Unread(INBOUND_BYTES));
    let came = pair.client_says("second");
    let ((), _) = pair.turn(&came, Turn::Pending, |_| ());
    assert_eq!(
        [pair.receive(), pair.receive()],
        [text("first"), text("second")]
    );
}

#[test]
fn who_waits_in_the_wires_own_task_is_not_woken_for_what_came_and_others_are() {
    let mut pair = Pair::open();
    let own = pair.waker();
    let other = Arc::new(Count::default());
    let _ = pair.turn(&[], Turn::Pending, |pair| {
        assert!(poll_by(&own, pair.socket().receive()).is_pending());
    });
    let came = pair.client_says("one");
    let (received, _) = pair.turn(&came, Turn::Pending, Pair::receive);
    assert_eq!((received, pair.wire.take()), (text("one"), 0));
    assert!(poll_by(&Waker::from(Arc::clone(&other)), pair.socket().receive()).is_pending());
    let came = pair.client_says("two");
    let _ = pair.turn(&came, Turn::Pending, |_| ());
    assert_eq!((other.take(), pair.wire.take()), (1, 0));
}

#[test]
fn a_message_from_elsewhere_wakes_the_wire() {
    let mut pair = Pair::open();
    let _ = pair.turn(&[], Turn::Pending, |_| ());
    now(pair.socket().send("news")).expect("there is credit");
    assert_eq!(pair.wire.take(), 1);
    let _ = pair.turn(&[], Turn::Pending, |_| ());
    pair.write();
    assert_eq!(pair.client_hears(), Some(Event::Message("news".into())));
}

#[test]
fn a_slow_client_stops_the_sender_and_holds_back_its_pongs() {
    let mut pair = Pair::open();
    let waker = Arc::new(Count::default());
    let task = Waker::from(Arc::clone(&waker));
    let long = vec![0_u8; OUTBOUND_BYTES];
    let _ = pair.turn(&[], Turn::Pending, |pair| {
        now(pair.socket().send(long)).expect("there is credit");
        assert!(poll_by(&task, pair.socket().send("more")).is_pending());
        assert!(poll_by(&task, pair.socket().flush()).is_pending());
    });
    let mut ping = BytesMut::new();
    let sent = pair.client.ping("still there?".into(), &mut ping);
    sent.expect("it is open");
    let (polled, seen) = pair.turn(&ping, Turn::Pending, |pair| {
        poll_by(&task, pair.socket().receive())
    });
    // What is behind a ping that is not answered is not read.
    assert_eq!((polled, seen.input), (Poll::Pending, Input::Unread(0)));
    assert_eq!(waker.take(), 0);
    pair.write();
    assert_eq!(waker.take(), 2, "the sender, and the receiver for its pong");
    let ping = Incoming::Ping("still there?".into());
    assert_eq!(pair.receive(), ping);
    assert!(poll_by(&task, pair.socket().flush()).is_pending());
    let _ = pair.turn(&[], Turn::Pending, |_| ());
    pair.write();
    assert_eq!(now(pair.socket().flush()), Ok(()));
    assert!(matches!(pair.client_hears(), Some(Event::Message(_))));
    assert!(matches!(pair.client_hears(), Some(Event::Pong(_))));
}

#[test]
fn what_does_not_fit_the_wires_outbox_waits_for_it() {
    let mut pair = Pair::open();
    let send = |pair: &mut Pair, text: &'static str| {
        let (_, seen) = pair.turn(&[], Turn::Pending, |pair| {
            now(pair.socket().send(text)).expect("there is credit");
        });
        seen.left
    };
    assert_eq!(send(&mut pair, "one"), Left::Nothing);
    assert_eq!(send(&mut pair, "two"), Left::Some);
    pair.write();
    let ((), seen) = pair.turn(&[], Turn::Pending, |_| ());
    assert_eq!(seen.left, Left::Nothing);
    pair.write();
    for text in ["one", "two"] {
        assert_eq!(pair.client_hears(), Some(Event::Message(text.into())));
    }
}

#[test]
fn the_closing_handshake_is_read_by_the_wire_whoever_receives() {
    let mut pair = Pair::open();
    let socket = pair.socket.take().expect("it is there");
    let (done, seen) = pair.turn(&[], Turn::Done, |_| {
        now(socket.close(CloseCode::NORMAL, "bye"))
    });
    assert!(done.is_ok());
    // The call has returned, and the client's close frame is waited for.
    assert_eq!((seen.standing, seen.end), (Standing::Closing, None));
    let mut answer = pair.client_says("skipped");
    pair.write();
    let Some(Event::Close(Some(frame))) = pair.client_hears() else {
        panic!("no close frame");
    };
    let closed = pair.client.close(Some(&frame), &mut answer);
    closed.expect("it was not sent");
    let ((), seen) = pair.turn(&answer, Turn::Done, |_| ());
    assert_eq!(
        (seen.standing, seen.end),
        (Standing::Over, Some(End::Closed))
    );
}

#[test]
fn a_client_that_does_not_answer_our_close_frame_is_given_up() {
    let mut pair = Pair::open();
    now(pair.socket().halves().0.ready()).expect("there is credit");
    let closed = pair.socket().halves().0.close_now(CloseCode::NORMAL, "");
    closed.expect("it is open");
    let ((), seen) = pair.turn(&[], Turn::Pending, |_| ());
    assert_eq!(seen.standing, Standing::Closing);
    pair.watch.give_up();
    let (end, seen) = pair.turn(&[], Turn::Pending, Pair::receive);
    assert_eq!(
        end,
        Incoming::Closed(Disconnect::new(1006, "", Cause::Local))
    );
    assert_eq!(seen.end, Some(End::Closed));
}

#[test]
fn a_call_that_returns_without_a_word_is_told_apart() {
    for (turn, end) in [(Turn::Done, End::Closed), (Turn::Failed, End::CutOff)] {
        let mut pair = Pair::open();
        let ((), seen) = pair.turn(&[], turn, |_| ());
        assert_eq!(seen.end, Some(end), "{turn:?}");
    }
    let mut pair = Pair::open();
    drop(pair.socket.take());
    let ((), seen) = pair.turn(&[], Turn::Failed, |_| ());
    assert_eq!(seen.end, Some(End::Closed), "it was dropped before");
    pair.write();
    let internal = CloseFrame::new(CloseCode::INTERNAL_ERROR, "");
    assert_eq!(pair.client_hears(), Some(Event::Close(Some(internal))));
}

#[test]
fn a_client_that_is_gone_is_told_to_all_who_wait() {
    let mut pair = Pair::open();
    let waker = Arc::new(Count::default());
    let task = Waker::from(Arc::clone(&waker));
    let mut gone = pair.socket().gone();
    assert!(poll_by(&task, &mut gone).is_pending());
    assert!(poll_by(&task, pair.socket().receive()).is_pending());
    pair.line.half_close();
    assert_eq!(poll_by(&task, &mut gone), Poll::Ready(Gone::HalfClosed));
    assert!(poll_by(&task, &mut gone).is_pending());
    waker.take();
    pair.line.set_gone(Gone::PeerReset);
    assert_eq!(waker.take(), 1);
    assert_eq!(poll_by(&task, &mut gone), Poll::Ready(Gone::PeerReset));
    let sent = now(pair.socket().send("too late"));
    assert_eq!(sent, Err(SendError::Gone(Gone::PeerReset)));
    let lost = Incoming::Closed(Disconnect::new(1006, "", Cause::Lost));
    assert_eq!(pair.receive(), lost);
}

#[test]
fn a_text_that_is_none_fails_the_socket_in_a_short_frame_too() {
    let mut pair = Pair::open();
    // A text frame with the key 0, of one byte that no text has.
    let (end, seen) = pair.turn(
        &[0x81, 0x81, 0, 0, 0, 0, 0xff],
        Turn::Pending,
        Pair::receive,
    );
    let Incoming::Closed(end) = end else {
        panic!("it is open");
    };
    assert_eq!((end.code, end.cause), (1006, Cause::Protocol));
    assert_eq!(seen.end, Some(End::Closed));
    pair.write();
    let Some(Event::Close(Some(frame))) = pair.client_hears() else {
        panic!("no close frame");
    };
    assert_eq!(frame.code.get(), 1007);
}

#[test]
fn a_denial_is_the_exchanges() {
    let (socket, _watch, line, mut events) = shaking();
    let denied = now(socket
        .handshake
        .deny(Response::text("no").with_status(StatusCode::FORBIDDEN)));
    assert!(denied.is_ok());
    let Some(HttpSend::Start { head, .. }) = now(events.sent()) else {
        panic!("no answer");
    };
    assert_eq!(
        (head.status, line.is_open()),
        (StatusCode::FORBIDDEN, false)
    );
}

#[test]
fn a_thread_may_send_while_the_wire_turns() {
    const MESSAGES: usize = 500;
    let mut pair = Pair::open();
    let socket = pair.socket.take().expect("it is there");
    let (mut sender, receiver) = socket.split();
    let thread = thread::spawn(move || {
        for n in 0..MESSAGES {
            while sender.send_now(n.to_string()).is_err() {
                thread::yield_now();
            }
        }
        sender
    });
    let mut heard = 0;
    while heard < MESSAGES {
        let _ = pair.turn(&[], Turn::Pending, |_| ());
        pair.write();
        while let Some(event) = pair.client_hears() {
            assert_eq!(event, Event::Message(heard.to_string().into()));
            heard += 1;
        }
    }
    drop((thread.join().expect("it does not panic"), receiver));
}
