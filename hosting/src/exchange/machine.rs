//! The exchange, driven along the tables of the contract's own model: what the application may send, what ends it, what the wire
//! gets for it; and what the application receives.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gateway_spec::{
    Abort, AppError, BodyError, BodyLength, Gone, HttpReceive, HttpTransport, SendError,
};
use http::HeaderMap;

use super::{
    BodyAllowed, Exchange, Facts, Informational, Outgoing, TrailersTaken, Turn, UpgradeAsked,
};

use crate::model::http::{EVENTS, Event, State, walk};
use crate::model::{self, Subject, body};

#[test]
fn an_exchange_does_what_the_table_says() {
    for (start, upgrade) in [
        (State::Silent, UpgradeAsked::No),
        (State::Asked, UpgradeAsked::Yes),
    ] {
        let steps = walk(start, EVENTS, || Driven::new(upgrade));
        assert!(steps > 40_000, "{steps}");
    }
}

/// An exchange whose wire takes everything at once.
struct Driven {
    exchange: Arc<Exchange>,
    has_left: bool,
    sent: usize,
}

impl Driven {
    fn new(upgrade: UpgradeAsked) -> Self {
        let facts = Facts {
            body: BodyAllowed::Yes,
            upgrade,
            informational: Informational::Sent,
            trailers: TrailersTaken::All,
        };
        let mut exchange = Exchange::new();
        exchange.begin(facts, BodyLength::Empty, 1_000);
        Self {
            exchange: Arc::new(exchange),
            has_left: false,
            sent: 0,
        }
    }

    fn turn(&self, turn: Turn<'_>) {
        self.exchange.enter(Waker::noop());
        self.exchange.leave(turn);
    }
}

impl Subject<Event> for Driven {
    fn apply(&mut self, event: Event) -> Result<(), SendError> {
        if let Some(event) = event.to_send() {
            // By both ways in turn.
            self.sent += 1;
            if self.sent.is_multiple_of(2) {
                return self.exchange.send(event);
            }
            let mut task = Context::from_waker(Waker::noop());
            let sent = self.exchange.poll_send(&mut task, &mut Some(event));
            return match sent {
                Poll::Ready(sent) => sent,
                Poll::Pending => panic!("the wire takes everything at once"),
            };
        }
        match event {
            Event::Close => self.exchange.close(),
            Event::Abort => self.exchange.abort(Abort::Deliberate),
            Event::Drop => self.exchange.abort(Abort::Dropped),
            Event::Waits => self.turn(Turn::Pending),
            Event::Returns => self.turn(Turn::Done),
            Event::Fails => self.turn(Turn::Failed(&AppError::message("it failed"))),
            Event::Forced => self.turn(Turn::Forced),
            Event::HalfCloses => self.exchange.half_close(),
            Event::Leaves => {
                self.exchange.set_gone(Gone::PeerReset);
                self.has_left = true;
            }
            other => panic!("{other:?} is sent"),
        }
        Ok(())
    }

    fn given(&mut self) -> String {
        let outgoing = std::iter::from_fn(|| self.exchange.next_output());
        let given: String = outgoing.map(|outgoing| letter(&outgoing)).collect();
        // There is no wire any more.
        if self.has_left { String::new() } else { given }
    }
}

fn letter(outgoing: &Outgoing) -> &'static str {
    match outgoing {
        Outgoing::Informational(_) => "i",
        Outgoing::Head {
            length: super::ReplyLength::Whole,
            ..
        } => "w",
        Outgoing::Head { .. } => "h",
        Outgoing::Data(_) => "d",
        Outgoing::File(_) => "f",
        Outgoing::End(_) => "e",
        Outgoing::Upgrade(_) => "u",
        Outgoing::Shutdown => "s",
        Outgoing::Close => "c",
        Outgoing::Abort => "a",
    }
}

#[test]
fn a_body_comes_as_the_table_says() {
    let steps = model::walk(
        &body::TABLE,
        body::State::Coming,
        body::EVENTS,
        Receiving::new,
        |_, _, given| assert!(body::is_legal(given), "{given}"),
    );
    assert!(steps > 1_000, "{steps}");
}

/// An exchange whose application receives all that there is.
struct Receiving {
    exchange: Arc<Exchange>,
    is_over: bool,
}

impl Receiving {
    fn new() -> Self {
        let mut exchange = Exchange::new();
        exchange.begin(Facts::default(), BodyLength::Unknown, 1_000);
        Self {
            exchange: Arc::new(exchange),
            is_over: false,
        }
    }
}

impl Subject<body::Event> for Receiving {
    fn apply(&mut self, event: body::Event) -> Result<(), SendError> {
        use body::Event::{Answers, End, Failure, HalfCloses, Leaves, Part, Stops, Trailers};
        match event {
            // A wire discards what comes behind the answer, and a connection that is lost brings nothing.
            Part | End | Trailers | Failure if self.is_over => {}
            Part => self.exchange.push_body("x".into()),
            End => self.exchange.end_body(None),
            Trailers => self.exchange.end_body(Some(HeaderMap::new())),
            Failure => self.exchange.fail_body(BodyError::Malformed),
            HalfCloses => self.exchange.half_close(),
            Leaves => {
                self.exchange.set_gone(Gone::PeerReset);
                self.is_over = true;
            }
            Stops => self.exchange.stop_receiving(),
            Answers => {
                let whole = Event::Whole.to_send().expect("it is sent");
                // A second one, or one to nobody, changes nothing.
                let _ = self.exchange.send(whole);
                self.is_over = true;
            }
        }
        Ok(())
    }

    fn given(&mut self) -> String {
        let mut given = String::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = self.exchange.poll_receive(&mut cx) {
            given += match event {
                HttpReceive::Body { more: true, .. } => "p",
                HttpReceive::Body { more: false, .. } => "l",
                HttpReceive::Trailers(_) => "t",
                HttpReceive::Failed(_) => "f",
                HttpReceive::Disconnect(Gone::HalfClosed) => "h",
                HttpReceive::Disconnect(gone) => {
                    let again = self.exchange.poll_receive(&mut cx);
                    assert!(
                        matches!(again, Poll::Ready(HttpReceive::Disconnect(same)) if same == gone)
                    );
                    given.push(if gone == Gone::Finished { 'x' } else { 'g' });
                    break;
                }
                other => panic!("{other:?}"),
            };
        }
        given
    }
}
