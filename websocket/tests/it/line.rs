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
use proptest::prelude::*;
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

    fn short_frame(&mut self, header: [u8; 2], payload: &[u8]) {
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(payload);
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
    /// Where messages are copied to, if what the wire reads is not the socket's.
    copies: Option<BytesMut>,
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
            copies: None,
            wire: Arc::default(),
            client: Session::new(role, &Agreement::default(), Limits::default()),
            arrived: BytesMut::new(),
        }
    }

    /// Of a wire that reads into memory which is not the socket's.
    fn copying() -> Self {
        Self {
            copies: Some(BytesMut::new()),
            ..Self::open()
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
        let line = Arc::clone(&self.line);
        let taken = match &mut self.copies {
            Some(copies) if self.input.is_empty() && !came.is_empty() => {
                line.enter_by_copy(&Waker::from(Arc::clone(&self.wire)), came, copies)
            }
            _ => 0,
        };
        self.input.extend_from_slice(&came[taken..]);
        if taken == 0 || taken < came.len() {
            let came = match came {
                [] => Came::Nothing,
                _ => Came::Bytes,
            };
            line.enter(&self.waker(), &mut self.input, came);
        }
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
    for pair in [Pair::open(), Pair::copying()] {
        answers_by_one_write(pair);
    }
}

fn answers_by_one_write(mut pair: Pair) {
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
    counts_what_is_left(Pair::open(), 6);
    // Of what was copied, the payload alone.
    counts_what_is_left(Pair::copying(), 0);
}

fn counts_what_is_left(mut pair: Pair, header: usize) {
    let came = pair.client_says("first");
    let ((), seen) = pair.turn(&came, Turn::Pending, |_| ());
    assert_eq!(seen.input, Input::Unread(header + "first".len()));
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
    for pair in [Pair::open(), Pair::copying()] {
        wakes_others(pair);
    }
}

fn wakes_others(mut pair: Pair) {
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
    for pair in [Pair::open(), Pair::copying()] {
        fails_for_text(pair);
    }
}

fn fails_for_text(mut pair: Pair) {
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
fn a_copy_keeps_nothing_of_what_was_read_and_shares_the_memory_of_others() {
    let mut pair = Pair::copying();
    let mut kept = Vec::new();
    for n in 0..3 {
        let came = pair.client_says(vec![n; 100]);
        kept.push(pair.turn(&came, Turn::Pending, Pair::receive).0);
    }
    let places = kept.iter().map(|received| match received {
        Incoming::Message(Message::Binary(bytes)) => bytes.as_ptr() as usize,
        other => panic!("{other:?}"),
    });
    let places: Vec<_> = places.collect();
    assert_eq!([places[0] + 100, places[0] + 200], places[1..]);
    for (n, received) in kept.iter().enumerate() {
        assert_eq!(*received, Incoming::Message(vec![n as u8; 100].into()));
    }
    // Once nobody has a share, it is used again.
    drop(kept);
    for n in 0..100 {
        let came = pair.client_says(vec![n; 100]);
        let (received, _) = pair.turn(&came, Turn::Pending, Pair::receive);
        let Incoming::Message(Message::Binary(bytes)) = received else {
            panic!("it is open");
        };
        let place = bytes.as_ptr() as usize;
        assert!((places[0]..places[0] + 4096).contains(&place), "{n}");
    }
}

#[test]
fn a_message_that_was_left_means_nothing_after_our_close_frame() {
    for mut pair in [Pair::open(), Pair::copying()] {
        let came = pair.client_says("never read");
        let _ = pair.turn(&came, Turn::Pending, |pair| {
            let (sender, _) = pair.socket().halves();
            sender.close_now(CloseCode::NORMAL, "").expect("it is open");
            assert!(poll_by(Waker::noop(), pair.socket().receive()).is_pending());
        });
        pair.write();
        assert!(poll_by(Waker::noop(), pair.socket().receive()).is_pending());
    }
}

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [7, 77, 177, 0];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&KEY);
    frame.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// All that an application hears which takes so many events a turn and sends messages back, and all that is written.
fn conversation(mut pair: Pair, pieces: &[&[u8]], takes: &[usize]) -> (Vec<Incoming>, Vec<u8>) {
    let mut heard = Vec::new();
    let turns = pieces.iter().copied().chain([&[][..]; 40]);
    for (came, take) in turns.zip(takes.iter().cycle()) {
        let (received, _) = pair.turn(came, Turn::Pending, |pair| {
            let mut received = Vec::new();
            while received.len() < *take
                && let Poll::Ready(event) = poll_by(Waker::noop(), pair.socket().receive())
            {
                if let Incoming::Message(message) = &event {
                    let _ = now(pair.socket().send(message.clone()));
                }
                let is_over = matches!(event, Incoming::Closed(_));
                received.push(event);
                if is_over {
                    break;
                }
            }
            received
        });
        pair.arrived.extend_from_slice(&pair.output.0);
        pair.output.0.clear();
        pair.line.unsent(0);
        heard.extend(received);
        if let Some(Incoming::Closed(_)) = heard.last() {
            break;
        }
    }
    (heard, pair.arrived.to_vec())
}

proptest! {
    #[test]
    fn a_copy_says_what_the_input_says(
        frames in prop::collection::vec((0_u8..9, prop_oneof![0_usize..140, 1000_usize..1100]), 1..12),
        cuts in prop::collection::vec(1_usize..400, 1..12),
        takes in prop::collection::vec(1_usize..5, 1..4),
    ) {
        let mut wire = Vec::new();
        for (kind, length) in frames {
            let text: Vec<u8> = (0..length).map(|n| b'a' + (n % 26) as u8).collect();
            wire.extend(match kind {
                0 | 1 => frame(0x81, &text),
                2 | 3 => frame(0x82, &text),
                4 => frame(0x89, &text[..length.min(125)]),
                // A text in two pieces.
                5 => [frame(0x01, &text), frame(0x80, &text)].concat(),
                6 => frame(0x8a, &[]),
                // No text, or no frame, or the end.
                7 if length % 5 == 0 => frame(0x81, &[&text[..], &[0xff]].concat()),
                7 if length % 5 == 1 => vec![0x81, 5, 0, 0],
                7 if length % 5 == 2 => frame(0x88, &[3, 232]),
                // A length that is written longer than it is.
                7 if length % 5 == 3 => [&[0x82, 0x80 | 126, 0, 5, 0, 0, 0, 0][..], b"short"].concat(),
                _ => frame(0x81, "ß κόσμε 🦀".as_bytes()),
            });
        }
        let mut pieces = Vec::new();
        let mut rest = &wire[..];
        for cut in cuts.iter().cycle() {
            let (piece, left) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        let plain = conversation(Pair::open(), &pieces, &takes);
        let copied = conversation(Pair::copying(), &pieces, &takes);
        prop_assert_eq!(plain, copied);
    }
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
