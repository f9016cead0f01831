//! The exchange, driven along the tables of the contract's own model: what the application may send, what ends it, what the wire
//! gets for it; and what the application receives.

use std::sync::Arc;
use std::task::Waker;

use gateway_spec::{Abort, AppError, BodyLength, Gone, HttpTransport, SendError};

use super::{
    BodyAllowed, Exchange, Facts, Informational, Outgoing, TrailersTaken, Turn, UpgradeAsked,
};

use crate::model::Subject;
use crate::model::http::{EVENTS, Event, State, walk};

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
            return self.exchange.send(event);
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
        Outgoing::End(_) => "e",
        Outgoing::Upgrade(_) => "u",
        Outgoing::Shutdown => "s",
        Outgoing::Close => "c",
        Outgoing::Abort => "a",
    }
}
