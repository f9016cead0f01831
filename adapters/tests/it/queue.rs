//! Many requests and few threads.

use std::io::Read;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapters::{Pool, SyncAdapter};
use gateway_spec::{Abort, Application, Gone, SyncApplication, SyncHttp};
use http::StatusCode;

use crate::support::{
    Keeper, app, block_on, both, gate, get, last_part, part, pool, post, sent_head, serve, turn,
};

#[test]
fn uploads_that_dribble_take_no_thread() {
    let pool = pool(4, 0);
    let app = app(&pool, |mut http: SyncHttp| {
        let mut body = String::new();
        http.body.read_to_string(&mut body)?;
        http.responder.respond(body)
    });
    let mut uploads: Vec<_> = (0..4)
        .map(|_| {
            let (connection, events) = post();
            events.deliver(part("a"));
            (Box::pin(app.call(connection)), events)
        })
        .collect();
    for (call, _) in &mut uploads {
        assert!(turn(call.as_mut()).is_pending());
    }
    assert_eq!(pool.stats().threads, 0);
    let (connection, mut events) = get();
    serve(app.call(connection));
    assert_eq!(sent_head(&mut events).0.status, StatusCode::OK);
    for (call, mut events) in uploads {
        events.deliver(last_part("b"));
        serve(call);
        assert_eq!(sent_head(&mut events).1, "ab");
    }
}

#[test]
fn a_large_upload_takes_a_thread_when_64_kib_are_there() {
    let pool = pool(1, 0);
    let app = app(&pool, move |mut http: SyncHttp| {
        let length = std::io::copy(&mut http.body, &mut std::io::sink())?;
        http.responder.respond(length.to_string())
    });
    let (connection, mut events) = post();
    let mut call = pin!(app.call(connection));
    events.deliver(part(vec![0; (64 << 10) - 1]));
    assert!(turn(call.as_mut()).is_pending());
    assert_eq!(pool.stats().threads, 0);
    events.deliver(part("a"));
    assert!(turn(call.as_mut()).is_pending());
    assert_eq!(pool.stats().threads, 1);
    events.deliver(last_part("b"));
    serve(call);
    assert_eq!(sent_head(&mut events).1, "65537");
}

/// An application on one thread whose first call waits at the gate, and the number of its calls.
fn first_waits(pool: &Pool) -> (SyncAdapter<impl SyncApplication>, Keeper, Arc<AtomicUsize>) {
    let (gate, keeper) = gate();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let app = app(pool, move |http: SyncHttp| {
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            gate.pass();
        }
        http.responder.respond("hello")
    });
    (app, keeper, calls)
}

#[test]
fn a_full_queue_is_answered_503_with_retry_after() {
    let pool = pool(1, 1);
    let (app, keeper, calls) = first_waits(&pool);
    let (connection, mut running) = get();
    let mut first = pin!(app.call(connection));
    assert!(turn(first.as_mut()).is_pending());
    keeper.wait_for_arrival();
    let (connection, mut queued) = get();
    let mut second = pin!(app.call(connection));
    assert!(turn(second.as_mut()).is_pending());

    let (connection, mut refused) = get();
    serve(app.call(connection));
    let (head, _) = sent_head(&mut refused);
    assert_eq!(head.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(head.headers.get_str("retry-after"), Some("10"));
    let stats = pool.stats();
    assert_eq!((stats.running, stats.queued), (1, 1));
    assert_eq!((stats.refused, stats.waited), (1, 1));

    keeper.open();
    drop(block_on(both(first, second)).1.unwrap());
    assert_eq!(sent_head(&mut running).1, "hello");
    assert_eq!(sent_head(&mut queued).1, "hello");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert!(pool.stats().queue_wait_max > Duration::ZERO);
}

#[test]
fn a_queued_request_of_a_client_that_left_is_not_run() {
    let pool = pool(1, 1);
    let (app, keeper, calls) = first_waits(&pool);
    let (connection, _running) = get();
    let mut first = pin!(app.call(connection));
    assert!(turn(first.as_mut()).is_pending());
    keeper.wait_for_arrival();
    let (connection, left) = get();
    let mut second = pin!(app.call(connection));
    assert!(turn(second.as_mut()).is_pending());
    left.disconnect(Gone::PeerReset);
    keeper.open();
    let (first, second) = block_on(both(first, second));
    drop(first.unwrap());
    assert_eq!(second.unwrap_err().gone(), Some(Gone::PeerReset));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!((pool.stats().dropped, pool.stats().refused), (1, 0));
}

#[test]
fn a_client_that_leaves_the_queue_is_gone_from_it_while_every_thread_is_busy() {
    let pool = pool(1, 1);
    let (app, keeper, calls) = first_waits(&pool);
    let (connection, _running) = get();
    let mut first = pin!(app.call(connection));
    assert!(turn(first.as_mut()).is_pending());
    keeper.wait_for_arrival();
    let (connection, left) = get();
    let mut second = pin!(app.call(connection));
    assert!(turn(second.as_mut()).is_pending());
    left.disconnect(Gone::PeerReset);
    let error = block_on(second).unwrap_err();
    assert_eq!(error.gone(), Some(Gone::PeerReset));
    let stats = pool.stats();
    assert_eq!((stats.running, stats.queued, stats.dropped), (1, 0, 1));
    keeper.open();
    serve(first);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_queued_request_whose_future_was_dropped_is_not_run() {
    let pool = pool(1, 1);
    let (app, keeper, calls) = first_waits(&pool);
    let (connection, _running) = get();
    let mut first = pin!(app.call(connection));
    assert!(turn(first.as_mut()).is_pending());
    keeper.wait_for_arrival();
    let (connection, events) = get();
    let mut second = Box::pin(app.call(connection));
    assert!(turn(second.as_mut()).is_pending());
    drop(second);
    assert_eq!(events.aborted(), Some(Abort::Dropped));
    keeper.open();
    serve(first);
    // The one thread comes to this after the one that was dropped.
    let (connection, _events) = get();
    serve(app.call(connection));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!(pool.stats().dropped, 1);
}

#[test]
fn a_queued_request_whose_client_merely_stopped_sending_is_run() {
    let pool = pool(1, 1);
    let (app, keeper, calls) = first_waits(&pool);
    let (connection, _running) = get();
    let mut first = pin!(app.call(connection));
    assert!(turn(first.as_mut()).is_pending());
    keeper.wait_for_arrival();
    let (connection, half_closed) = get();
    let mut second = pin!(app.call(connection));
    assert!(turn(second.as_mut()).is_pending());
    half_closed.disconnect(Gone::HalfClosed);
    keeper.open();
    drop(block_on(both(first, second)).1.unwrap());
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn clients_that_left_give_their_places_in_a_full_queue_to_others() {
    let pool = pool(1, 2);
    let (app, keeper, calls) = first_waits(&pool);
    let (connection, _running) = get();
    let mut first = pin!(app.call(connection));
    assert!(turn(first.as_mut()).is_pending());
    keeper.wait_for_arrival();
    let (connection, left) = get();
    let mut second = pin!(app.call(connection));
    assert!(turn(second.as_mut()).is_pending());
    let (connection, _events) = get();
    let mut third = Box::pin(app.call(connection));
    assert!(turn(third.as_mut()).is_pending());
    drop(third);
    assert_eq!(pool.stats().queued, 1, "its place is free at once");
    // Nobody has polled the other since.
    left.disconnect(Gone::PeerReset);

    let waiting = [get(), get()];
    let mut calls_of_waiting: Vec<_> = Vec::new();
    let mut events_of_waiting: Vec<_> = Vec::new();
    for (connection, events) in waiting {
        let mut call = Box::pin(app.call(connection));
        assert!(turn(call.as_mut()).is_pending());
        calls_of_waiting.push(call);
        events_of_waiting.push(events);
    }
    assert_eq!((pool.stats().dropped, pool.stats().queued), (2, 2));
    assert!(block_on(second).is_err());
    keeper.open();
    serve(first);
    for call in calls_of_waiting {
        serve(call);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert_eq!(pool.stats().refused, 0);
}

#[test]
fn without_a_queue_there_are_as_many_calls_as_threads() {
    let pool = pool(2, 0);
    let (gate, keeper) = gate();
    let app = app(&pool, move |http: SyncHttp| {
        gate.pass();
        http.responder.respond("hello")
    });
    let mut calls: Vec<_> = Vec::new();
    for _ in 0..2 {
        let (connection, events) = get();
        let mut call = Box::pin(app.call(connection));
        assert!(turn(call.as_mut()).is_pending());
        calls.push((call, events));
    }
    let (connection, mut refused) = get();
    serve(app.call(connection));
    assert_eq!(
        sent_head(&mut refused).0.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    keeper.open();
    keeper.open();
    for (call, _events) in calls {
        serve(call);
    }
    assert_eq!(pool.stats().threads, 2);
}
