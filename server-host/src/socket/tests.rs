//! The keeper on a clock that the tests turn, between an exchange and a client that are both in memory.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Accept, Capabilities, Cause, CloseCode, ConnectionInfo, Gone, Http, HttpScope, Incoming, Scope,
    Socket,
};
use http::{HeaderName, HeaderValue};
use websocket::{Agreement, Event, Limits, Role, Session, Settings, Step, Upgrade, upgrade};

use super::*;
use crate::{Facts, INBOUND_BYTES, OUTBOUND_BYTES, Outgoing, TICK, UpgradeAsked};

/// 20 seconds of silence, 10 for an answer to a ping, 5 for a close frame.
fn ten_for_a_ping() -> Times {
    Times::default().with_ping_timeout(Some(secs(10)))
}

/// An open socket with all that is around it.
struct Stage {
    clock: Arc<Clock>,
    ticks: u32,
    exchange: Arc<Exchange>,
    counts: Arc<Counts>,
    keeper: Keeper,
    socket: Option<Socket>,
    client: Session,
    input: BytesMut,
}

fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Stage {
    fn open(times: Times) -> Self {
        let mut scope = HttpScope::new(Arc::new(ConnectionInfo::new(Capabilities::new("test"))));
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            scope.headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let mut exchange = Exchange::new();
        let facts = Facts {
            upgrade: UpgradeAsked::Yes,
            ..Facts::default()
        };
        exchange.begin(facts, scope.body, 0);
        let exchange = Arc::new(exchange);
        let http = Http::new(Scope::new(scope), Arc::clone(&exchange) as _);
        let Upgrade::WebSocket(socket, watch) = upgrade(http, &Settings::default()) else {
            panic!("no handshake");
        };
        let clock = Arc::new(Clock::new());
        let counts = Arc::new(Counts::new(&Arc::default()));
        let mut keeper = Keeper::new(watch, Arc::clone(&exchange), &clock, &counts, times);
        assert!(now(poll_fn(|cx| keeper.poll(cx))).is_some());
        let socket = now(socket.handshake.accept(Accept::new()))
            .expect("it need not wait")
            .expect("it fits");
        assert!(matches!(exchange.next_output(), Some(Outgoing::Upgrade(_))));
        let role = Role::Client { seed: 7 };
        let mut stage = Self {
            clock,
            ticks: 0,
            exchange,
            counts,
            keeper,
            socket: Some(socket),
            client: Session::new(role, &Agreement::default(), Limits::default()),
            input: BytesMut::new(),
        };
        let _ = stage.turn();
        stage
    }

    /// One turn of the connection's task.
    fn turn(&mut self) -> Poll<()> {
        self.keeper.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Lets so much time pass, and gives the keeper the turn that the alarm asks for, if it does.
    fn pass(&mut self, time: Duration) {
        self.ticks += u32::try_from(time.as_millis() / TICK.as_millis()).expect("few");
        self.clock.tick(self.ticks);
        if self.keeper.keeper.timer().is_due() {
            let _ = self.turn();
        }
    }

    /// What the client is sent next, if anything; all that was sent is then on its way.
    fn sent(&mut self) -> Option<Event> {
        while let Some(outgoing) = self.exchange.next_output() {
            match outgoing {
                Outgoing::Data(bytes) => self.input.extend_from_slice(&bytes),
                Outgoing::Close => assert!(self.exchange.next_output().is_none()),
                other => panic!("{other:?}"),
            }
        }
        self.exchange.unsent(0);
        match self.client.next_event(&mut self.input) {
            Ok(Step::Event(event)) => Some(event),
            Ok(_) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The wire brings bytes of the client.
    fn bring(&mut self, bytes: impl Into<Bytes>) {
        self.exchange.push_body(bytes.into());
        let _ = self.turn();
    }

    fn bring_message(&mut self, length: usize) {
        let mut out = BytesMut::new();
        let message = vec![0_u8; length].into();
        self.client.send(&message, &mut out).expect("it is open");
        self.bring(out.freeze());
    }

    /// How often a timer has run out.
    fn count(&self, name: &str) -> u64 {
        let mut timers = self.counts.timers();
        let (_, count) = timers.find(|(timer, _)| *timer == name).expect("it is one");
        count
    }

    fn is_given_up(&mut self) -> bool {
        matches!(self.sent(), Some(Event::Close(Some(frame))) if frame.code == CloseCode::INTERNAL_ERROR)
    }
}

impl Keeper {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.keeper.poll(|| life(&self.exchange), cx)
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ping() -> Option<Event> {
    Some(Event::Ping(Bytes::new()))
}

#[test]
fn a_silent_client_is_pinged_and_then_given_up() {
    let mut stage = Stage::open(ten_for_a_ping());
    stage.pass(secs(20));
    assert_eq!(stage.sent(), None, "not before the time");
    stage.pass(TICK);
    assert_eq!(stage.sent(), ping());
    let _ = stage.turn();
    stage.pass(secs(10));
    assert_eq!(stage.sent(), None, "not before the time");
    assert_eq!(stage.count("ws-ping"), 0);
    stage.pass(TICK);
    assert!(stage.is_given_up());
    let _ = stage.turn();
    assert_eq!((stage.count("ws-ping"), stage.count("ws-close")), (1, 0));
    let mut socket = stage.socket.take().expect("it is the application's");
    let told = now(socket.receive()).expect("it is told");
    let Incoming::Closed(told) = told else {
        panic!("{told:?}");
    };
    assert_eq!((told.code, told.cause), (1006, Cause::Timeout));
    assert!(stage.turn().is_ready());
    assert!(
        !stage.keeper.keeper.timer().is_due(),
        "nothing is waited for any more"
    );
}

#[test]
fn any_byte_is_life_received_or_not() {
    let mut stage = Stage::open(ten_for_a_ping());
    for _ in 0..10 {
        stage.pass(secs(15));
        // The beginning of a frame is nothing that an application could receive.
        stage.bring(&b"\x82"[..]);
        assert_eq!(stage.sent(), None);
    }
    stage.pass(secs(21));
    assert_eq!(stage.sent(), ping());
    stage.pass(secs(9));
    stage.bring(&b"\x80"[..]);
    stage.pass(secs(19));
    assert_eq!(stage.sent(), None, "the ping was answered by what came");
    stage.pass(secs(2));
    assert_eq!(stage.sent(), ping());
}

#[test]
fn a_client_that_is_not_read_is_pinged_and_not_timed() {
    let mut stage = Stage::open(ten_for_a_ping());
    stage.bring_message(INBOUND_BYTES);
    assert_eq!(stage.exchange.wanted().room(), 0);
    stage.pass(secs(21));
    assert_eq!(stage.sent(), ping(), "so that its kernel has to answer");
    for _ in 0..20 {
        stage.pass(secs(11));
        assert_eq!(stage.sent(), None);
    }
    // From when it is read again, it has its time.
    stage.pass(secs(9));
    let mut socket = stage.socket.take().expect("it is the application's");
    assert!(matches!(now(socket.receive()), Some(Incoming::Message(_))));
    let _ = stage.turn();
    stage.pass(secs(9));
    assert_eq!(stage.sent(), None);
    stage.pass(secs(2));
    assert!(stage.is_given_up());
}

#[test]
fn a_client_that_has_not_all_that_was_sent_is_not_timed() {
    let mut stage = Stage::open(ten_for_a_ping());
    stage.pass(secs(21));
    assert_eq!(stage.sent(), ping());
    stage.exchange.unsent(1);
    let _ = stage.turn();
    for _ in 0..20 {
        stage.pass(secs(11));
    }
    stage.pass(secs(9));
    stage.exchange.unsent(0);
    let _ = stage.turn();
    stage.pass(secs(9));
    assert_eq!(stage.sent(), None);
    stage.pass(secs(2));
    assert!(stage.is_given_up());
}

#[test]
fn a_ping_that_was_not_sent_is_not_waited_for() {
    let mut stage = Stage::open(ten_for_a_ping());
    stage.exchange.unsent(OUTBOUND_BYTES);
    stage.pass(secs(21));
    stage.exchange.unsent(0);
    stage.pass(secs(11));
    assert_eq!(stage.sent(), None);
    stage.pass(secs(10));
    assert_eq!(stage.sent(), ping());
}

#[test]
fn both_can_be_turned_off() {
    let mut stage = Stage::open(ten_for_a_ping().with_ping_interval(None));
    stage.pass(secs(100_000));
    assert_eq!(stage.sent(), None);
    let mut stage = Stage::open(ten_for_a_ping().with_ping_timeout(None));
    stage.pass(secs(21));
    assert_eq!(stage.sent(), ping());
    stage.pass(secs(100_000));
    assert_eq!(stage.sent(), None);
}

#[test]
fn the_client_s_close_frame_is_waited_for_but_not_for_ever() {
    for answers in [true, false] {
        let mut stage = Stage::open(ten_for_a_ping());
        // The other half lives on, as in an application that has more to do.
        let (sender, mut receiver) = stage.socket.take().expect("it is open").split();
        let closed = now(sender.close(CloseCode::NORMAL, "")).expect("there is credit");
        let _done = closed.expect("it is open");
        assert!(stage.turn().is_pending());
        stage.pass(secs(60));
        assert!(stage.turn().is_pending(), "the client has no frame yet");
        assert!(matches!(stage.sent(), Some(Event::Close(Some(_)))));
        assert!(stage.turn().is_pending());
        stage.pass(secs(5));
        assert!(stage.turn().is_pending());
        if answers {
            let mut out = BytesMut::new();
            stage.client.close(None, &mut out).expect("it is open");
            stage.bring(out.freeze());
        } else {
            stage.pass(TICK);
        }
        assert!(stage.turn().is_ready(), "answers: {answers}");
        let _ = stage.turn();
        assert_eq!(stage.count("ws-close"), u64::from(!answers));
        let told = now(receiver.receive()).expect("it is told");
        let Incoming::Closed(told) = told else {
            panic!("{told:?}");
        };
        let code = if answers { 1005 } else { 1006 };
        assert_eq!((told.code, told.cause), (code, Cause::Local));
        assert!(matches!(
            stage.exchange.next_output(),
            Some(Outgoing::Close)
        ));
    }
}

#[test]
fn a_client_that_left_is_not_taken_for_a_silent_one() {
    for half in [true, false] {
        let mut stage = Stage::open(ten_for_a_ping());
        stage.pass(secs(21));
        assert_eq!(stage.sent(), ping());
        if half {
            stage.exchange.end_body(None);
        } else {
            stage.exchange.set_gone(Gone::PeerReset);
        }
        let _ = stage.turn();
        for _ in 0..10 {
            stage.pass(secs(11));
        }
        let mut socket = stage.socket.take().expect("it is the application's");
        let Some(Incoming::Closed(told)) = now(socket.receive()) else {
            panic!("it is not told");
        };
        assert_eq!((told.code, told.cause), (1006, Cause::Lost), "half: {half}");
    }
}
