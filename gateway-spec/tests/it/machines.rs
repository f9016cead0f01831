//! The exchange in memory, driven along the table of an HTTP exchange: MW-9 says which rows bind it.

use std::fmt::Debug;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gateway_spec::{Abort, BodyLength, Events, Gone, Http, HttpSend, HttpTransport, SendError};

use crate::model::http::{Event, State, TABLE, walk};
use crate::model::{Subject, Table, body, lifespan, websocket};
use crate::support::scope;

const SPEC: &str = include_str!("../../SPEC.md");

#[test]
fn the_tables_are_total_and_every_state_can_be_reached() {
    assert_eq!(TABLE.check(SPEC), 17 * 32);
    reaches_all(&TABLE, &[State::Silent, State::Asked]);
    assert_eq!(body::TABLE.check(SPEC), 7 * 8);
    reaches_all(&body::TABLE, &[body::State::Coming]);
    assert_eq!(websocket::TABLE.check(SPEC), 14 * 21);
    reaches_all(&websocket::TABLE, &[websocket::State::Handshake]);
    assert_eq!(lifespan::TABLE.check(SPEC), 13 * 9);
    reaches_all(&lifespan::TABLE, &[lifespan::State::Starting]);
}

#[track_caller]
fn reaches_all<S, E>(table: &Table<S, E>, starts: &[S])
where
    S: Copy + Debug + PartialEq,
    E: Copy + Debug + PartialEq,
{
    let ways = |start: &S| table.ways(*start, table.events);
    let reached: Vec<S> = starts
        .iter()
        .flat_map(ways)
        .map(|(state, _)| state)
        .collect();
    for state in table.states {
        assert!(reached.contains(state), "no way to {state:?}");
    }
}

/// What the exchange in memory decides: it counts no lengths and judges no heads, and no call is polled beside it.
const IN_MEMORY: &[Event] = &[
    Event::Inform,
    Event::Whole,
    Event::Start,
    Event::StartMaybe,
    Event::StartAnnounced,
    Event::Part,
    Event::LongPart,
    Event::LastPart,
    Event::End,
    Event::File,
    Event::Trailers,
    Event::OtherTrailers,
    Event::Upgrade,
    Event::Close,
    Event::Abort,
    Event::Drop,
    Event::HalfCloses,
    Event::Leaves,
];

#[test]
fn an_exchange_in_memory_does_what_the_table_says() {
    let steps = walk(State::Asked, IN_MEMORY, InMemory::new);
    assert!(steps > 10_000, "{steps}");
}

struct InMemory {
    transport: Arc<dyn HttpTransport>,
    events: Events,
    so_far: String,
}

impl InMemory {
    fn new() -> Self {
        let (http, events) = Http::in_memory(scope(BodyLength::Empty));
        let (_scope, transport) = http.into_transport();
        Self {
            transport,
            events,
            so_far: String::new(),
        }
    }

    /// How the client sees that it is over, where no event says so.
    fn end(&self) -> &'static str {
        match self.events.aborted() {
            // Nothing was started: somebody else answers.
            Some(Abort::Dropped) if !self.so_far.contains(['h', 'u']) => "",
            Some(_) => "a",
            None if self.so_far.ends_with(['w', 'e']) => "",
            None => "c",
        }
    }
}

impl Subject<Event> for InMemory {
    fn apply(&mut self, event: Event) -> Result<(), SendError> {
        if let Some(event) = event.to_send() {
            return self.transport.send(event);
        }
        match event {
            Event::Close => self.transport.close(),
            Event::Abort => self.transport.abort(Abort::Deliberate),
            Event::Drop => self.transport.abort(Abort::Dropped),
            Event::HalfCloses => self.events.disconnect(Gone::HalfClosed),
            Event::Leaves => {
                self.events.disconnect(Gone::PeerReset);
                self.so_far.push('!');
            }
            other => panic!("{other:?} is nothing that happens in memory"),
        }
        Ok(())
    }

    fn given(&mut self) -> String {
        let before = self.so_far.len();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = self.events.poll_sent(&mut cx) {
            let Some(event) = event else {
                // Told once, and to nobody who has left.
                if !self.so_far.ends_with(['c', 'a', '!']) {
                    self.so_far += self.end();
                }
                break;
            };
            self.so_far += letters(&event, self.so_far.contains('u'));
        }
        self.so_far[before..].to_owned()
    }
}

fn letters(event: &HttpSend, is_tunnel: bool) -> &'static str {
    match event {
        HttpSend::Informational(_) => "i",
        HttpSend::Start { more: true, .. } => "h",
        HttpSend::Start { more: false, .. } => "w",
        HttpSend::Body { bytes, more } => match (bytes.is_empty(), more, is_tunnel) {
            (false, true, _) => "d",
            (true, true, _) => "",
            (false, false, false) => "de",
            (false, false, true) => "ds",
            (true, false, false) => "e",
            (true, false, true) => "s",
        },
        HttpSend::Trailers(_) => "e",
        HttpSend::Upgrade { .. } => "u",
        _ => "",
    }
}
