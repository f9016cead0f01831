//! MW-6 to MW-9: exchanges in memory, alone and between an application and its client.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_spec::{
    Abort, BodyError, BodyLength, Events, Gone, Http, HttpReceive, HttpSend, SendError,
    TrailersPlan,
};
use http::header::{ETAG, HeaderValue, VARY};
use http::{HeaderMap, StatusCode};

use crate::support::{
    Script, Task, assert_done, assert_gone, exchange, exchange_of, last, now, part, scope, summary,
};

fn in_memory() -> (Http, Events) {
    Http::in_memory(scope(BodyLength::Unknown))
}

/// An exchange between a script and an application.
fn intercepted() -> (Http, Events, Arc<Script>) {
    let (outer, script) = exchange([]);
    let (inner, events) = outer.intercept();
    (inner, events, script)
}

fn body(text: &'static str, more: bool) -> HttpSend {
    let bytes = Bytes::from_static(text.as_bytes());
    HttpSend::Body { bytes, more }
}

fn start(more: bool, trailers: TrailersPlan) -> HttpSend {
    HttpSend::Start {
        head: StatusCode::OK.into(),
        body: Bytes::new(),
        more,
        trailers,
    }
}

/// All that was sent, in a few words.
fn sent(events: &mut Events) -> String {
    let mut cx = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    while let Poll::Ready(Some(event)) = events.poll_sent(&mut cx) {
        all.push(summary(&event));
    }
    all.join("; ")
}

#[test]
fn a_whole_exchange_runs_without_a_server() {
    let (mut http, mut events) = in_memory();
    events.deliver(part("ab"));
    events.deliver(last("cd"));
    assert_eq!(now(http.body.collect(9)), Ok("abcd".into()));
    assert_done(now(http.responder.respond("hi")));
    assert_eq!(summary(&now(events.sent()).unwrap()), "start 200 \"hi\"");
    assert!(now(events.sent()).is_none());
    assert!(now(events.sent()).is_none());
    assert_eq!(events.aborted(), None);
    assert!(!events.body_unwanted());
}

#[test]
fn either_side_wakes_the_other() {
    let (mut http, mut events) = in_memory();
    let mut reading = Task::new(async move { http.body.collect(9).await });
    assert!(reading.poll().is_pending());
    events.deliver(last("x"));
    assert_eq!(reading.wakes(), 1);
    assert_eq!(reading.poll(), Poll::Ready(Ok("x".into())));

    let mut taking = Task::new(async move { events.sent().await.map(|event| summary(&event)) });
    assert!(taking.poll().is_pending());
    assert_done(now(http.responder.respond("hi")));
    assert_eq!(taking.wakes(), 1);
    assert_eq!(taking.poll(), Poll::Ready(Some("start 200 \"hi\"".into())));
}

#[test]
fn an_event_out_of_order_is_refused_and_changes_nothing() {
    type Make = fn() -> HttpSend;
    let inform: Make = || HttpSend::Informational(StatusCode::EARLY_HINTS.into());
    let whole: Make = || start(false, TrailersPlan::None);
    let open: Make = || start(true, TrailersPlan::None);
    let part: Make = || body("x", true);
    let end: Make = || body("", false);
    let trailers: Make = || HttpSend::Trailers(HeaderMap::new());
    let upgrade: Make = || HttpSend::Upgrade {
        head: StatusCode::SWITCHING_PROTOCOLS.into(),
    };
    let rows: [(&[Make], &[Make]); 4] = [
        (&[inform], &[part, end, trailers]),
        (&[inform, open, part], &[inform, whole, open, upgrade]),
        (&[upgrade, part], &[inform, whole, open, upgrade, trailers]),
        (&[upgrade, end], &[part, end, trailers]),
    ];
    for (before, wrong) in rows {
        let (http, mut events) = in_memory();
        let (_scope, transport) = http.into_transport();
        for event in before {
            transport.send(event()).unwrap();
        }
        let sent_before = sent(&mut events);
        for event in wrong {
            let said = summary(&event());
            let refused = transport.send(event());
            assert_eq!(
                refused,
                Err(SendError::OutOfOrder),
                "{said} after {sent_before:?}"
            );
        }
        assert_eq!(sent(&mut events), "");
    }
}

#[test]
fn what_is_sent_after_the_end_has_nobody_to_go_to() {
    let (http, _events) = in_memory();
    let (_scope, transport) = http.into_transport();
    transport.send(start(true, TrailersPlan::Maybe)).unwrap();
    transport
        .send(HttpSend::Trailers(HeaderMap::new()))
        .unwrap();
    let late = transport.send(body("late", true));
    assert_eq!(late, Err(SendError::Gone(Gone::Finished)));
}

#[test]
fn trailers_are_those_that_were_announced() {
    let with = |name| HeaderMap::from_iter([(name, HeaderValue::from_static("x"))]);
    for (name, expected) in [(ETAG, Ok(())), (VARY, Err(SendError::BadTrailer))] {
        let (http, _events) = in_memory();
        let writer = http
            .responder
            .start_with_trailers(StatusCode::OK, Some(&[ETAG]));
        let finished = now(now(writer).unwrap().finish_with_trailers(with(name)));
        let finished = finished.map(drop).map_err(|error| {
            let cause = error.source().unwrap().downcast_ref::<SendError>();
            cause.unwrap().clone()
        });
        assert_eq!(finished, expected);
    }
    let (http, _events) = in_memory();
    let (_scope, transport) = http.into_transport();
    transport.send(start(true, TrailersPlan::None)).unwrap();
    let unplanned = transport.send(HttpSend::Trailers(with(ETAG)));
    assert_eq!(unplanned, Err(SendError::BadTrailer));
}

#[test]
fn after_the_response_whoever_receives_is_told_that_it_is_over() {
    let (http, events) = in_memory();
    let Http {
        mut body,
        responder,
        ..
    } = http;
    let mut gone = Task::new(responder.gone());
    let mut reading = Task::new(async move { (body.chunk().await, body.chunk().await) });
    assert!(reading.poll().is_pending());
    assert!(gone.poll().is_pending());
    assert_done(now(responder.respond("early")));
    assert_eq!((reading.wakes(), gone.wakes()), (1, 1));
    events.deliver(part("too late"));
    let (first, second) = now_poll(&mut reading);
    assert_gone(first, Gone::Finished);
    assert_gone(second, Gone::Finished);
    assert_eq!(gone.poll(), Poll::Ready(Gone::Finished));
}

fn now_poll<T>(task: &mut Task<T>) -> T {
    match task.poll() {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn a_client_that_leaves_is_seen_everywhere_and_after_what_it_sent() {
    let (mut http, events) = in_memory();
    let mut writer = now(http.responder.start(StatusCode::OK)).unwrap();
    events.deliver(part("sent before"));
    events.disconnect(Gone::StreamReset);
    events.disconnect(Gone::PeerReset);
    assert_eq!(now(http.body.chunk()), Ok(Some("sent before".into())));
    assert_gone(now(http.body.chunk()), Gone::StreamReset);
    assert_eq!(
        now(http.body.gone()),
        Gone::StreamReset,
        "the first reason stands"
    );
    assert_gone(now(writer.write("x")), Gone::StreamReset);
    assert_eq!(writer.send("x"), Err(SendError::Gone(Gone::StreamReset)));
    assert_gone(now(writer.flush()), Gone::StreamReset);
}

#[test]
fn a_client_that_half_closes_can_still_be_answered() {
    let (http, mut events) = in_memory();
    events.disconnect(Gone::HalfClosed);
    let mut gone = http.responder.gone();
    assert_eq!(now(&mut gone), Gone::HalfClosed);
    assert_done(now(http.responder.respond("hi")));
    assert_eq!(now(gone), Gone::Finished);
    assert_eq!(sent(&mut events), "start 200 \"hi\"");
}

#[test]
fn a_body_that_is_not_wanted_is_thrown_away() {
    let (http, events) = in_memory();
    let (_scope, transport) = http.into_transport();
    events.deliver(part("a"));
    transport.stop_receiving();
    assert!(events.body_unwanted());
    events.deliver(part("b"));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(transport.poll_receive(&mut cx).is_pending());
    events.disconnect(Gone::PeerReset);
    let Poll::Ready(HttpReceive::Disconnect(Gone::PeerReset)) = transport.poll_receive(&mut cx)
    else {
        panic!("leaving is still told")
    };
}

#[test]
fn buffered_counts_without_taking() {
    let (http, events) = in_memory();
    let mut cx = Context::from_waker(Waker::noop());
    let (_scope, transport) = http.into_transport();
    assert!(transport.poll_buffered(&mut cx, 1).is_pending());
    events.deliver(part("abc"));
    assert_eq!(transport.poll_buffered(&mut cx, 3), Poll::Ready(Ok(())));
    assert!(transport.poll_buffered(&mut cx, 4).is_pending());
    events.deliver(last("d"));
    assert_eq!(
        transport.poll_buffered(&mut cx, 9),
        Poll::Ready(Ok(())),
        "that is all of it"
    );

    let (http, events) = in_memory();
    events.disconnect(Gone::PeerReset);
    assert_gone(now(http.body.buffered(1)), Gone::PeerReset);
}

#[test]
fn an_application_runs_ahead_by_a_bound() {
    let (http, mut events) = in_memory();
    let mut writer = now(http.responder.start(StatusCode::OK)).unwrap();
    let mut accepted = 1;
    while is_ready(&mut writer) {
        now(writer.write("x")).unwrap();
        accepted += 1;
    }
    assert_eq!(accepted, 16, "events");
    sent(&mut events);
    now(writer.write(vec![0; 64 * 1024])).unwrap();
    assert!(!is_ready(&mut writer), "bytes");

    let mut waiting = Task::new(async move { writer.write("later").await });
    assert!(waiting.poll().is_pending());
    now(events.sent()).unwrap();
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(waiting.poll(), Poll::Ready(Ok(())));
}

fn is_ready(writer: &mut gateway_spec::Writer) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let ready = std::pin::pin!(writer.ready());
    ready.poll(&mut cx).is_ready()
}

#[test]
fn how_an_application_gave_up_is_known() {
    let (http, events) = in_memory();
    drop(http);
    assert_eq!(events.aborted(), Some(Abort::Dropped));

    let (http, events) = in_memory();
    drop(http.responder.abort());
    assert_eq!(events.aborted(), Some(Abort::Deliberate));
    assert_gone(now(http.body.buffered(1)), Gone::Aborted);
    assert_eq!(now(http.body.gone()), Gone::Aborted);

    let (http, mut events) = in_memory();
    let writer = now(http.responder.start(StatusCode::OK)).unwrap();
    drop(writer);
    assert_eq!(
        sent(&mut events),
        "start 200 \"\" …",
        "what was accepted is still there"
    );
    assert!(now(events.sent()).is_none());
    assert_eq!(events.aborted(), Some(Abort::Dropped));
}

#[test]
fn an_abort_after_the_end_is_nothing() {
    let (http, events) = in_memory();
    let (_scope, transport) = http.into_transport();
    transport.send(start(false, TrailersPlan::None)).unwrap();
    transport.abort(Abort::Dropped);
    transport.close();
    assert_eq!(events.aborted(), None);
}

#[test]
fn a_tunnel_has_two_directions_and_an_end() {
    let (http, mut events) = in_memory();
    let upgrading = http
        .responder
        .upgrade(StatusCode::SWITCHING_PROTOCOLS, http.body);
    let mut tunnel = now(upgrading).unwrap();
    now(tunnel.write("out")).unwrap();
    now(tunnel.shutdown()).unwrap();
    events.deliver(part("in"));
    assert_eq!(
        now(tunnel.read()),
        Ok(Some("in".into())),
        "the other direction is open"
    );
    assert_eq!(sent(&mut events), "upgrade 101; body \"out\" …; body \"\"");
    assert_done(now(tunnel.finish()));
    assert!(now(events.sent()).is_none());
    assert_eq!(events.aborted(), None);
}

#[test]
fn a_flush_that_nobody_will_take_fails() {
    let (http, events) = in_memory();
    let upgrading = http
        .responder
        .upgrade(StatusCode::SWITCHING_PROTOCOLS, http.body);
    let mut tunnel = now(upgrading).unwrap();
    now(tunnel.shutdown()).unwrap();
    let mut finishing = Task::new(tunnel.finish());
    assert!(finishing.poll().is_pending());
    drop(events);
    assert_eq!(finishing.wakes(), 1);
    assert_gone(now_poll(&mut finishing), Gone::Aborted);
}

#[test]
fn a_flush_of_a_whole_answer_fails_too() {
    let (http, events) = in_memory();
    let (_scope, transport) = http.into_transport();
    transport.send(start(false, TrailersPlan::None)).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(transport.poll_flush(&mut cx).is_pending());
    drop(events);
    assert_eq!(
        transport.poll_flush(&mut cx),
        Poll::Ready(Err(Gone::Aborted))
    );
}

#[test]
fn what_was_not_received_before_the_answer_never_is() {
    let (mut http, events) = in_memory();
    events.deliver(part("a"));
    assert_done(now(http.responder.respond("early")));
    assert_gone(now(http.body.chunk()), Gone::Finished);
}

#[test]
fn closing_is_for_tunnels() {
    let (http, mut events) = in_memory();
    let (_scope, transport) = http.into_transport();
    transport.close();
    transport.send(start(true, TrailersPlan::None)).unwrap();
    transport.close();
    transport.send(body("x", false)).unwrap();
    assert_eq!(sent(&mut events), "start 200 \"\" …; body \"x\"");
}

#[test]
fn written_bytes_are_events_of_at_most_sixteen_kib() {
    let (http, mut events) = in_memory();
    let (_scope, transport) = http.into_transport();
    transport.send(start(true, TrailersPlan::None)).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let wrote = transport.poll_write(&mut cx, &[b'x'; 20_000]);
    assert_eq!(wrote, Poll::Ready(Ok(16 * 1024)));
    let Some(HttpSend::Start { .. }) = now(events.sent()) else {
        panic!()
    };
    let Some(HttpSend::Body { bytes, more: true }) = now(events.sent()) else {
        panic!()
    };
    assert_eq!(bytes.len(), 16 * 1024);
}

#[test]
fn dropping_the_events_is_a_client_that_left() {
    let (mut http, events) = in_memory();
    let mut gone = Task::new(http.responder.gone());
    assert!(gone.poll().is_pending());
    drop(events);
    assert_eq!(gone.poll(), Poll::Ready(Gone::Aborted));
    assert_gone(now(http.body.chunk()), Gone::Aborted);
    assert_gone(now(http.responder.respond("x")), Gone::Aborted);
}

#[test]
fn what_is_intercepted_receives_straight_from_the_client() {
    let (mut inner, events, script) = intercepted();
    script.deliver(part("a"));
    assert_eq!(now(inner.body.chunk()), Ok(Some("a".into())));
    assert_eq!(now(inner.body.buffered(3)), Ok(()));
    drop(inner.body);
    assert_eq!(script.calls(), "buffered 3; stop receiving");
    events.deliver(part("nobody sees this"));
    let gone = inner.responder.gone();
    script.leave(Gone::PeerReset);
    assert_eq!(now(gone), Gone::PeerReset);
    assert_gone(now(inner.responder.respond("x")), Gone::PeerReset);
}

#[test]
fn what_is_intercepted_is_forwarded_by_hand() {
    let (inner, mut events, script) = intercepted();
    let mut writer = now(inner.responder.start(StatusCode::OK)).unwrap();
    now(writer.write("one")).unwrap();
    assert_done(now(writer.finish()));
    assert_eq!(script.calls(), "");
    while let Some(event) = now(events.sent()) {
        now(events.forward(event)).unwrap();
    }
    assert_eq!(
        script.calls(),
        "start 200 \"\" …; body \"one\" …; body \"\""
    );
    assert!(events.outer().is_some());

    let (_http, mut alone) = in_memory();
    assert_eq!(
        now(alone.forward(body("x", true))),
        Err(SendError::Unsupported)
    );
    assert!(alone.outer().is_none());
}

#[test]
fn a_flush_reaches_the_client_after_the_middleware() {
    let (inner, mut events, script) = intercepted();
    let mut writer = now(inner.responder.start(StatusCode::OK)).unwrap();
    let mut flushing = Task::new(async move { writer.flush().await });
    assert!(flushing.poll().is_pending());
    let event = now(events.sent()).unwrap();
    assert_eq!(flushing.wakes(), 1);
    now(events.forward(event)).unwrap();
    assert_eq!(flushing.poll(), Poll::Ready(Ok(())));
    assert!(script.calls().ends_with("flush"));
}

#[test]
fn an_interceptor_hands_on_how_the_application_ended() {
    let (inner, events, script) = intercepted();
    drop(inner.responder.abort());
    drop(events);
    assert_eq!(script.calls(), "abort Deliberate");

    let (inner, events, script) = intercepted();
    drop(inner.responder);
    drop(events);
    assert_eq!(script.calls(), "abort Dropped");

    let (inner, mut events, script) = intercepted();
    let upgrading = inner
        .responder
        .upgrade(StatusCode::SWITCHING_PROTOCOLS, inner.body);
    drop(now(upgrading).unwrap());
    while let Some(event) = now(events.sent()) {
        now(events.forward(event)).unwrap();
    }
    drop(events);
    assert_eq!(script.calls(), "upgrade 101; close");
}

#[test]
fn an_interceptor_that_is_dropped_early_aborts_both_sides() {
    let (inner, events, script) = intercepted();
    let mut writer = now(inner.responder.start(StatusCode::OK)).unwrap();
    drop(events);
    assert_eq!(script.calls(), "abort Dropped");
    assert_gone(now(writer.write("x")), Gone::Aborted);

    let (inner, events, script) = intercepted();
    let mut writer = now(inner.responder.start(StatusCode::OK)).unwrap();
    script.gone.raise(Gone::WriteTimeout);
    drop(events);
    assert_gone(now(writer.write("x")), Gone::WriteTimeout);
}

#[test]
fn an_interceptor_may_answer_in_place_of_an_application_that_was_dropped() {
    let (inner, mut events, script) = intercepted();
    drop(inner);
    assert!(now(events.sent()).is_none());
    assert_eq!(events.aborted(), Some(Abort::Dropped));
    now(events.forward(start(false, TrailersPlan::None))).unwrap();
    assert_eq!(script.calls(), "stop receiving; start 200 \"\"");
}

#[test]
fn how_far_a_body_was_read_outlives_a_wrapping() {
    type Wrap = fn(Http) -> (Http, Option<Events>);
    let wraps: [Wrap; 2] = [
        |http| (http.map_transport(|inner| inner), None),
        |http| {
            let (inner, events) = http.intercept();
            (inner, Some(events))
        },
    ];
    for wrap in wraps {
        let (mut http, script) = exchange_of(BodyLength::Known(4), [part("ab"), last("cd")]);
        now(http.body.chunk()).unwrap();
        let (mut http, _events) = wrap(http);
        assert_eq!(http.body.remaining(), BodyLength::Known(2));
        now(http.body.chunk()).unwrap();
        let (mut http, _events) = wrap(http);
        assert_eq!(
            now(http.body.chunk()),
            Ok(None),
            "it does not wait for ever"
        );
        drop(http.body);
        assert_eq!(script.calls(), "", "the end was reached");
        drop(http.responder);

        let (mut http, _script) = exchange([HttpReceive::Failed(BodyError::Timeout)]);
        now(http.body.chunk()).unwrap_err();
        let (mut http, _events) = wrap(http);
        assert_eq!(now(http.body.chunk()), Err(BodyError::Timeout));
    }
}

#[test]
fn middleware_that_changes_a_bodys_length_says_so_by_the_scope() {
    let (mut http, _script) = exchange_of(BodyLength::Known(4), [part("ab"), last("cd")]);
    http.scope.edit().body = BodyLength::Unknown;
    let http = http.map_transport(|inner| inner);
    assert_eq!(http.body.remaining(), BodyLength::Unknown);
    let (scope, transport) = http.into_transport();
    let mut http = Http::new(scope, transport);
    assert_eq!(now(http.body.collect(4)), Ok("abcd".into()));
    let (scope, _transport) = http.into_transport();
    assert_eq!(scope.body, BodyLength::Empty, "nothing is left");
}

#[test]
fn taking_an_exchange_apart_drops_nothing() {
    let (http, script) = exchange([part("a")]);
    let (scope, transport) = http.into_transport();
    assert_eq!(script.calls(), "");
    let mut http = Http::new(scope, transport).map_transport(|inner| inner);
    assert_eq!(now(http.body.chunk()), Ok(Some("a".into())));
    drop(http);
    assert_eq!(script.calls(), "stop receiving; abort Dropped", "once each");
}
