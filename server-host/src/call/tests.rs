//! What of a request is still there when another comes.

use gateway_spec::{Application, Capabilities, Connection, Field, FieldBlock, Signal, State};
use tokio::sync::Notify;

use super::*;
use crate::Settings;
use crate::app::App;
use crate::clock::Clock;
use crate::metrics::Counts;
use crate::stall::{Stalls, Turns};
use crate::worker::{Equipment, Observing, WhenFull};

struct Unused;

impl Application for Unused {
    async fn call(&self, _: Connection) -> Result<Done, AppError> {
        Err(AppError::message("nobody calls it"))
    }
}

fn worker() -> Arc<Worker> {
    worker_with(Observing::off(0))
}

/// Answers with the body.
struct Echo;

impl Application for Echo {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        let Connection::Http(mut http) = connection else {
            return connection.refuse().await;
        };
        let body = http.body.collect(1_000).await?;
        http.responder.respond(body).await
    }
}

fn worker_with(observing: Observing) -> Arc<Worker> {
    worker_of(Unused, observing)
}

fn worker_of(app: impl Application, observing: Observing) -> Arc<Worker> {
    let settings = Settings::default();
    let (forced, clock) = (Signal::new(), Arc::new(Clock::new()));
    let counts = Arc::new(Counts::new(&Arc::default()));
    Arc::new(Worker::new(Equipment {
        number: 0,
        app: App::new(Arc::new(app), &settings, &forced, &clock, &counts),
        state: State::new(),
        settings: Arc::new(settings),
        capabilities: Capabilities::new("test"),
        forced,
        clock,
        closed: Arc::new(Notify::new()),
        counts,
        turns: Arc::new(Turns::default()),
        stalls: Arc::new(Stalls::default()),
        access_log: None,
        observing,
        when_full: WhenFull::NewWait,
    }))
}

fn connection(worker: &Arc<Worker>) -> Call {
    let info = Arc::new(ConnectionInfo::new(worker.capabilities));
    Call::new(Arc::clone(worker), info)
}

/// A connection that has had a request with a field.
fn served(worker: &Arc<Worker>) -> Call {
    let mut call = connection(worker);
    let mut fields = FieldBlock::new();
    fields.refill_validated(
        b"Host: a\r\n\r\n",
        &mut Vec::from_iter(Field::new(0..4, 6..7)),
    );
    call.vacant().headers.set_block(&fields);
    call
}

#[test]
fn a_request_is_kept_for_its_own_connection_until_the_next_tick() {
    let worker = worker();
    let mut call = served(&worker);
    assert!(call.kept().is_some());
    call.rest();
    let kept = call.kept().map(|scope| scope.headers.len());
    assert_eq!(kept, Some(1), "it may come again");
    call.rest();
    worker.tick(1);
    assert!(call.kept().is_none());
    assert_eq!(call.vacant().headers.len(), 0);
}

#[test]
fn a_request_is_not_kept_by_another_connection_that_begins_one() {
    let worker = worker();
    served(&worker).rest();
    let mut other = connection(&worker);
    assert!(other.kept().is_none());
    // And waits for the rest of a head, beyond any tick.
    assert_eq!(other.vacant().headers.len(), 0);
    assert!(other.kept().is_some(), "it is the other's now");
}

#[test]
fn what_an_application_can_still_reach_is_not_kept() {
    let worker = worker();
    let mut call = served(&worker);
    let scope = call.scope().clone();
    assert!(call.kept().is_none());
    let label = scope.label.clone();
    drop(scope);
    assert!(call.kept().is_none(), "its label may be set");
    call.vacant();
    label.set("/late");
    let scope = call.kept().expect("nobody else has it");
    assert_eq!(scope.label.get(), None);
}

#[test]
fn a_label_that_lives_as_long_as_the_program_keeps_no_request_from_being_kept() {
    let worker = worker();
    let mut call = served(&worker);
    call.scope().label.set("/user/{id}");
    let scope = call.kept().expect("nobody else has it");
    assert_eq!(scope.label.get(), None, "the next has none yet");
    call.scope().label.set(String::from("/user/7"));
    assert!(call.kept().is_none());
    assert_eq!(call.vacant().label.get(), None);
}

const FACTS: Facts = Facts {
    body: hosting::BodyAllowed::Yes,
    upgrade: UpgradeAsked::No,
    informational: hosting::Informational::Sent,
    trailers: hosting::TrailersTaken::None,
};

#[test]
fn a_body_that_is_here_is_there_at_the_first_poll() {
    let observing = Observing {
        counts: true,
        ..Observing::off(0)
    };
    // An exchange that is watched ends by another way.
    for (observing, is_whole) in [(Observing::off(0), true), (observing, false)] {
        let worker = worker_of(Echo, observing);
        let mut call = connection(&worker);
        for _ in 0..2 {
            call.vacant().body = BodyLength::Known(4);
            let mut cx = Context::from_waker(Waker::noop());
            let mut written = None;
            let body = Bytes::from_static(b"body");
            let served = call.serve_with_body(FACTS, body, &mut cx, |_, body| {
                written = Some(body);
                Ok::<_, ()>(())
            });
            if is_whole {
                assert!(matches!(served, Served::Whole(Ok(()))));
                assert_eq!(written.as_deref(), Some(&b"body"[..]));
                assert!(!call.is_active());
                continue;
            }
            assert!(matches!(served, Served::Goes(progress) if progress.output));
            let began = call.kit.as_ref().and_then(|kit| kit.began.as_ref());
            let before = began.expect("it is observed").received;
            assert_eq!(call.exchange().received().wrapping_sub(before), 4);
            call.end(Gone::Finished);
        }
    }
}

#[test]
fn bytes_are_counted_of_the_exchange_that_brings_them() {
    let worker = worker_with(Observing {
        counts: true,
        ..Observing::off(0)
    });
    let mut call = connection(&worker);
    let mut kept = Vec::new();
    for _ in 0..2 {
        call.vacant().body = BodyLength::Unknown;
        call.begin(FACTS);
        call.exchange().push_body(Bytes::from_static(b"body"));
        // An application keeps it beyond its answer: the next request has another.
        kept.push(Arc::clone(call.exchange()));
        let before = call.kit.as_ref().and_then(|kit| kit.began.as_ref());
        let before = before.expect("it is observed").received;
        assert_eq!(call.exchange().received().wrapping_sub(before), 4);
        call.phase = Phase::Returned;
        call.end(Gone::Finished);
    }
}
