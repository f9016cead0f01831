//! The exchange as data: what the application may send when, and what the wire gets for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use gateway_spec::{
    Abort, AppError, BodyError, BodyLength, Gone, HttpReceive, HttpSend, HttpTransport,
    ResponseHead, SendError, TrailersPlan,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    BodyAllowed, Course, Exchange, Facts, INBOUND_BYTES, Informational, OUTBOUND_BYTES, Outgoing,
    ReplyLength, TrailersTaken, Turn, UpgradeAsked, Verdict, Wanted,
};

const HEAD: Facts = Facts {
    body: BodyAllowed::Head,
    upgrade: UpgradeAsked::No,
    informational: Informational::Sent,
    trailers: TrailersTaken::All,
};
const PLAIN: Facts = Facts {
    body: BodyAllowed::Yes,
    ..HEAD
};
const UPGRADE: Facts = Facts {
    upgrade: UpgradeAsked::Yes,
    ..PLAIN
};

fn exchange(facts: Facts, body: BodyLength) -> Arc<Exchange> {
    let mut exchange = Exchange::new();
    exchange.begin(facts, body, 1_000_000);
    Arc::new(exchange)
}

fn head(status: u16, length: Option<&'static str>) -> ResponseHead {
    let head = ResponseHead::new(StatusCode::from_u16(status).expect("a status"));
    match length {
        Some(length) => head.with_header(header::CONTENT_LENGTH, HeaderValue::from_static(length)),
        None => head,
    }
}

fn start(status: u16, length: Option<&'static str>, body: &'static str, more: bool) -> HttpSend {
    HttpSend::Start {
        head: head(status, length),
        body: body.into(),
        more,
        trailers: TrailersPlan::None,
    }
}

fn part(bytes: &'static str, more: bool) -> HttpSend {
    HttpSend::Body {
        bytes: bytes.into(),
        more,
    }
}

/// What the wire gets, in short: `head 200 "first"`, `data "x"`, `end`, `abort` ….
fn taken(exchange: &Arc<Exchange>) -> Vec<String> {
    std::iter::from_fn(|| exchange.next_output())
        .map(|outgoing| match outgoing {
            Outgoing::Head { head, first, .. } => {
                format!("head {} {first:?}", head.status.as_u16())
            }
            Outgoing::Informational(head) => format!("inform {}", head.status.as_u16()),
            Outgoing::Data(bytes) => format!("data {bytes:?}"),
            Outgoing::End(trailers) => format!(
                "end{}",
                if trailers.is_some() {
                    " with trailers"
                } else {
                    ""
                }
            ),
            Outgoing::Upgrade(head) => format!("upgrade {}", head.status.as_u16()),
            other => format!("{other:?}").to_lowercase(),
        })
        .collect()
}

#[track_caller]
fn check(facts: Facts, events: Vec<HttpSend>, last: Result<(), SendError>, wire: &[&str]) {
    let exchange = exchange(facts, BodyLength::Empty);
    let count = events.len();
    for (number, event) in events.into_iter().enumerate() {
        let sent = exchange.send(event);
        assert_eq!(
            sent,
            if number + 1 == count {
                last.clone()
            } else {
                Ok(())
            },
            "event {number}"
        );
    }
    assert_eq!(taken(&exchange), wire);
}

#[test]
fn events_in_order_reach_the_wire_and_others_are_refused() {
    let order = || Err(SendError::OutOfOrder);
    check(
        PLAIN,
        vec![start(200, None, "x", false)],
        Ok(()),
        &["head 200 b\"x\""],
    );
    check(
        PLAIN,
        vec![start(200, None, "", true), part("x", true), part("", false)],
        Ok(()),
        &["head 200 b\"\"", "data b\"x\"", "end"],
    );
    check(PLAIN, vec![part("x", true)], order(), &[]);
    check(
        PLAIN,
        vec![start(200, None, "", false), start(200, None, "", false)],
        order(),
        &["head 200 b\"\""],
    );
    check(
        PLAIN,
        vec![start(200, None, "", false), part("", false)],
        order(),
        &["head 200 b\"\""],
    );
    check(
        PLAIN,
        vec![
            HttpSend::Informational(head(103, None)),
            start(204, None, "", false),
        ],
        Ok(()),
        &["inform 103", "head 204 b\"\""],
    );
    check(
        PLAIN,
        vec![HttpSend::Informational(head(101, None))],
        Err(SendError::BadHead),
        &[],
    );
    check(
        PLAIN,
        vec![start(100, None, "", false)],
        Err(SendError::BadHead),
        &[],
    );
    check(
        PLAIN,
        vec![HttpSend::Upgrade {
            head: head(101, None),
        }],
        order(),
        &[],
    );
    check(
        UPGRADE,
        vec![
            HttpSend::Upgrade {
                head: head(101, None),
            },
            part("x", true),
            part("", false),
            part("y", true),
        ],
        order(),
        &["upgrade 101", "data b\"x\"", "shutdown"],
    );
}

#[test]
fn a_declared_length_is_kept_to_the_byte() {
    check(
        PLAIN,
        vec![start(200, Some("1"), "x", false)],
        Ok(()),
        &["head 200 b\"x\""],
    );
    check(
        PLAIN,
        vec![start(200, Some("1"), "xy", false)],
        Err(SendError::TooMuch { declared: 1 }),
        &[],
    );
    check(
        PLAIN,
        vec![start(200, Some("3"), "x", false)],
        Err(SendError::TooLittle { missing: 2 }),
        &[],
    );
    check(
        PLAIN,
        vec![start(200, Some("2"), "", true), part("xyz", true)],
        Err(SendError::TooMuch { declared: 2 }),
        &["head 200 b\"\""],
    );
    check(
        PLAIN,
        vec![start(200, Some("2"), "x", true), part("", false)],
        Err(SendError::TooLittle { missing: 1 }),
        &["head 200 b\"x\""],
    );
    for wrong in ["", "+1", "1,1", "x", "99999999999999999999"] {
        check(
            PLAIN,
            vec![start(200, Some(wrong), "", false)],
            Err(SendError::BadHead),
            &[],
        );
    }
    let twice =
        head(200, Some("1")).with_header(header::CONTENT_LENGTH, HeaderValue::from_static("1"));
    let event = HttpSend::Start {
        head: twice,
        body: "x".into(),
        more: false,
        trailers: TrailersPlan::None,
    };
    check(PLAIN, vec![event], Err(SendError::BadHead), &[]);
}

#[test]
fn a_last_part_that_is_refused_is_not_counted() {
    let exchange = exchange(PLAIN, BodyLength::Empty);
    exchange
        .send(start(200, Some("2"), "", true))
        .expect("in order");
    for _ in 0..2 {
        let too_short = exchange.send(part("x", false));
        assert_eq!(too_short, Err(SendError::TooLittle { missing: 1 }));
    }
    exchange.send(part("xy", false)).expect("the whole body");
    assert_eq!(taken(&exchange), ["head 200 b\"\"", "data b\"xy\"", "end"]);
}

#[test]
fn where_no_body_may_be_its_length_is_not_held_against_the_application() {
    check(
        HEAD,
        vec![start(200, Some("100"), "", false)],
        Ok(()),
        &["head 200 b\"\""],
    );
    check(
        HEAD,
        vec![
            start(200, None, "", true),
            part("not sent", true),
            part("", false),
        ],
        Ok(()),
        &["head 200 b\"\"", "end"],
    );
    for status in [204, 205, 304] {
        check(
            PLAIN,
            vec![
                start(status, Some("9"), "", true),
                part("x", true),
                part("", false),
            ],
            Ok(()),
            &[&format!("head {status} b\"\""), "end"],
        );
    }
}

#[test]
fn trailers_need_to_be_planned_and_allowed() {
    let name = HeaderName::from_static("x-sum");
    let with = |trailers| HttpSend::Start {
        head: head(200, None),
        body: Bytes::new(),
        more: true,
        trailers,
    };
    let sent = |name: &HeaderName| {
        HttpSend::Trailers(HeaderMap::from_iter([(
            name.clone(),
            HeaderValue::from_static("1"),
        )]))
    };
    let announced = TrailersPlan::Announced([name.clone()].into());
    let bad = || Err(SendError::BadTrailer);
    let (ok, started) = (["head 200 b\"\"", "end with trailers"], ["head 200 b\"\""]);
    check(
        PLAIN,
        vec![with(announced.clone()), sent(&name)],
        Ok(()),
        &ok,
    );
    check(
        PLAIN,
        vec![with(TrailersPlan::Maybe), sent(&name)],
        Ok(()),
        &ok,
    );
    check(
        PLAIN,
        vec![with(TrailersPlan::None), sent(&name)],
        bad(),
        &started,
    );
    check(
        PLAIN,
        vec![with(announced), sent(&HeaderName::from_static("x-other"))],
        bad(),
        &started,
    );
    check(
        PLAIN,
        vec![with(TrailersPlan::Maybe), sent(&header::CONTENT_LENGTH)],
        bad(),
        &started,
    );
}

#[test]
fn trailers_that_the_client_cannot_take_are_dropped() {
    let name = HeaderName::from_static("x-sum");
    for (takes, plan, end) in [
        (
            TrailersTaken::None,
            TrailersPlan::Announced([name.clone()].into()),
            "end",
        ),
        (
            TrailersTaken::Announced,
            TrailersPlan::Announced([name.clone()].into()),
            "end with trailers",
        ),
        (TrailersTaken::Announced, TrailersPlan::Maybe, "end"),
        (TrailersTaken::All, TrailersPlan::Maybe, "end with trailers"),
    ] {
        let exchange = exchange(
            Facts {
                trailers: takes,
                ..PLAIN
            },
            BodyLength::Empty,
        );
        let announced = matches!(plan, TrailersPlan::Announced(_));
        let start = HttpSend::Start {
            head: head(200, None),
            body: Bytes::new(),
            more: true,
            trailers: plan,
        };
        exchange.send(start).expect("in order");
        let Some(Outgoing::Head { head, .. }) = exchange.next_output() else {
            panic!("no head")
        };
        assert_eq!(
            head.headers.get_str(header::TRAILER),
            announced.then_some("x-sum")
        );
        let sent = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("1"))]);
        exchange.send(HttpSend::Trailers(sent)).expect("planned");
        assert_eq!(taken(&exchange), [end]);
    }
}

#[test]
fn a_connection_is_not_kept_for_a_body_that_nobody_will_read() {
    const WORTH: u64 = 1_000;
    let (whole, open) = (ReplyLength::Whole, ReplyLength::Unknown);
    for (name, body, stopped, length, kept) in [
        (
            "a little stays unread",
            BodyLength::Known(WORTH),
            false,
            whole,
            true,
        ),
        (
            "much stays unread",
            BodyLength::Known(WORTH + 1),
            false,
            whole,
            false,
        ),
        (
            "much may still be read",
            BodyLength::Known(WORTH + 1),
            false,
            open,
            true,
        ),
        (
            "much is not wanted",
            BodyLength::Known(WORTH + 1),
            true,
            open,
            false,
        ),
        (
            "nobody knows how much",
            BodyLength::Unknown,
            true,
            whole,
            true,
        ),
        (
            "it is over the limit",
            BodyLength::Known(1_000_001),
            false,
            open,
            false,
        ),
    ] {
        let exchange = exchange(PLAIN, body);
        if stopped {
            exchange.stop_receiving();
        }
        assert_eq!(exchange.can_keep_connection(length, WORTH), kept, "{name}");
    }
}

#[test]
fn what_is_open_at_the_end_of_the_grace_period_is_ended_by_the_server() {
    for (event, wire) in [
        (None, &["head 503 b\"503 Service Unavailable\\n\""][..]),
        (
            Some(start(200, None, "", true)),
            &["head 200 b\"\"", "abort"],
        ),
        (Some(start(200, None, "", false)), &["head 200 b\"\""]),
        (
            Some(HttpSend::Upgrade {
                head: head(101, None),
            }),
            &["upgrade 101", "close"],
        ),
    ] {
        let exchange = exchange(UPGRADE, BodyLength::Empty);
        if let Some(event) = event {
            exchange.send(event).expect("in order");
        }
        exchange.leave(Turn::Forced);
        assert_eq!(taken(&exchange), wire);
    }
}

#[test]
fn what_the_call_leaves_behind_is_answered_or_cut_off() {
    let error = AppError::status(StatusCode::IM_A_TEAPOT);
    let (failed, done) = (Turn::Failed(&error), Turn::Done);
    type Before = fn(&Exchange);
    let nothing: Before = |_| {};
    let dropped: Before = |exchange| exchange.abort(Abort::Dropped);
    let gave_up: Before = |exchange| exchange.abort(Abort::Deliberate);
    let begun: Before = |exchange| exchange.send(start(200, None, "", true)).expect("in order");
    let complete: Before = |exchange| {
        exchange
            .send(start(200, None, "", false))
            .expect("in order")
    };
    let teapot = "head 418 b\"418 I'm a teapot\\n\"";
    let internal = "head 500 b\"500 Internal Server Error\\n\"";
    for (name, before, turn, wire) in [
        ("failed before the start", nothing, failed, &[teapot][..]),
        ("returned without an answer", nothing, done, &[internal]),
        (
            "dropped its responder, then failed",
            dropped,
            failed,
            &[teapot],
        ),
        (
            "dropped its responder and goes on",
            dropped,
            Turn::Pending,
            &[internal],
        ),
        ("gave up before the start", gave_up, done, &["abort"]),
        (
            "failed after the start",
            begun,
            failed,
            &["head 200 b\"\"", "abort"],
        ),
        (
            "returned within its answer",
            begun,
            done,
            &["head 200 b\"\"", "abort"],
        ),
        ("answered and failed", complete, failed, &["head 200 b\"\""]),
        ("answered", complete, done, &["head 200 b\"\""]),
        ("goes on", nothing, Turn::Pending, &[]),
    ] {
        let exchange = exchange(PLAIN, BodyLength::Empty);
        before(&exchange);
        exchange.leave(turn);
        assert_eq!(taken(&exchange), wire, "{name}");
    }
}

#[test]
fn a_flush_behind_the_end_of_a_direction_resolves_when_the_wire_has_taken_it() {
    for (last, unsent) in [("", false), ("last words", true)] {
        let exchange = exchange(UPGRADE, BodyLength::Empty);
        let upgrade = HttpSend::Upgrade {
            head: head(101, None),
        };
        exchange.send(upgrade).expect("asked for");
        taken(&exchange);
        exchange.send(part(last, false)).expect("it is open");
        let task = Task::new();
        let flush = || exchange.poll_flush(&mut Context::from_waker(&task.waker));
        assert!(flush().is_pending());
        assert_eq!(taken(&exchange).last().expect("an end"), "shutdown");
        if unsent {
            assert_eq!(task.wakes(), 0, "the bytes before it have not left");
            exchange.unsent(0);
        }
        assert_eq!(task.wakes(), 1);
        assert_eq!(flush(), Poll::Ready(Ok(())));
    }
}

#[test]
fn a_tunnel_is_closed_when_its_call_returns_and_cut_off_when_it_fails() {
    let error = AppError::message("x");
    for (turn, end) in [(Turn::Done, "close"), (Turn::Failed(&error), "abort")] {
        let exchange = exchange(UPGRADE, BodyLength::Empty);
        exchange
            .send(HttpSend::Upgrade {
                head: head(101, None),
            })
            .expect("asked for");
        exchange.leave(turn);
        assert_eq!(taken(&exchange), ["upgrade 101", end]);
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Task {
    count: Arc<Count>,
    waker: Waker,
}

impl Task {
    fn new() -> Self {
        let count = Arc::new(Count::default());
        Self {
            waker: Waker::from(Arc::clone(&count)),
            count,
        }
    }

    fn wakes(&self) -> usize {
        self.count.0.load(Ordering::Relaxed)
    }

    fn receive(&self, exchange: &Exchange) -> Option<String> {
        match exchange.poll_receive(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(HttpReceive::Body { bytes, more }) => Some(format!("{bytes:?} {more}")),
            Poll::Ready(other) => Some(format!("{other:?}")),
            Poll::Pending => None,
        }
    }

    fn is_ready(&self, exchange: &Exchange) -> Option<Result<(), Gone>> {
        match exchange.poll_ready(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(ready) => Some(ready),
            Poll::Pending => None,
        }
    }
}

#[test]
fn the_body_arrives_in_order_and_its_end_is_told_once() {
    let (exchange, app) = (exchange(PLAIN, BodyLength::Unknown), Task::new());
    assert_eq!(app.receive(&exchange), None);
    exchange.push_body("one".into());
    assert_eq!(app.wakes(), 1);
    exchange.push_body("two".into());
    exchange.end_body(None);
    assert_eq!(app.receive(&exchange).as_deref(), Some("b\"one\" true"));
    assert_eq!(app.receive(&exchange).as_deref(), Some("b\"two\" false"));
    assert_eq!(app.receive(&exchange), None);
    exchange.half_close();
    assert_eq!(
        app.receive(&exchange).as_deref(),
        Some("Disconnect(HalfClosed)")
    );
    assert_eq!(app.receive(&exchange), None);
    exchange.set_gone(Gone::PeerReset);
    assert_eq!(
        app.receive(&exchange).as_deref(),
        Some("Disconnect(PeerReset)")
    );
    assert_eq!(
        app.receive(&exchange).as_deref(),
        Some("Disconnect(PeerReset)")
    );
}

#[test]
fn a_body_that_is_brought_at_once_is_one_event() {
    let exchange = exchange(PLAIN, BodyLength::Known(4));
    let waiter = Task::new();
    assert_eq!(waiter.receive(&exchange), None);
    exchange.push_last_part(Bytes::from_static(b"body"));
    assert_eq!((waiter.wakes(), exchange.received()), (1, 4));
    assert_eq!(exchange.wanted(), Wanted::Complete);
    let mut cx = Context::from_waker(Waker::noop());
    let event = exchange.poll_receive(&mut cx);
    let Poll::Ready(HttpReceive::Body { bytes, more: false }) = event else {
        panic!("{event:?}");
    };
    assert_eq!(bytes, "body");
    assert!(exchange.poll_receive(&mut cx).is_pending());
    // Who does not want it gets nothing of it.
    let unwanted = self::exchange(PLAIN, BodyLength::Known(4));
    unwanted.stop_receiving();
    unwanted.push_last_part(Bytes::from_static(b"body"));
    assert!(unwanted.poll_receive(&mut cx).is_pending());
}

#[test]
fn an_answer_that_is_sent_when_there_is_room_is_the_straight_course() {
    let exchange = exchange(PLAIN, BodyLength::Empty);
    let course = || exchange.state.lock().course;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(exchange.poll_ready(&mut cx).is_ready());
    assert_eq!(exchange.send(start(200, None, "whole", false)), Ok(()));
    assert_eq!(course(), Course::Straight);
    let exchange = self::exchange(PLAIN, BodyLength::Empty);
    let course = || exchange.state.lock().course;
    assert_eq!(exchange.send(start(200, None, "first", true)), Ok(()));
    assert_eq!(course(), Course::Varied);
    // And one that has to wait is none either: who waits is to be forgotten.
    let exchange = self::exchange(PLAIN, BodyLength::Empty);
    let course = || exchange.state.lock().course;
    exchange.state.lock().unsent = OUTBOUND_BYTES;
    assert!(exchange.poll_ready(&mut cx).is_pending());
    assert_eq!(course(), Course::Varied);
}

#[test]
fn a_full_inbound_buffer_holds_the_wire_back_until_the_application_reads() {
    let (exchange, app, wire) = (
        exchange(PLAIN, BodyLength::Unknown),
        Task::new(),
        Task::new(),
    );
    exchange.enter(&wire.waker);
    exchange.leave(Turn::Pending);
    assert_eq!(exchange.wanted(), Wanted::NotYet(INBOUND_BYTES));
    exchange.push_body(vec![0; INBOUND_BYTES].into());
    assert_eq!(exchange.wanted(), Wanted::NotYet(0));
    assert!(app.receive(&exchange).is_some());
    assert_eq!(wire.wakes(), 1);
    assert_eq!(app.receive(&exchange), None);
    assert_eq!(exchange.wanted(), Wanted::Now(INBOUND_BYTES));
    exchange.stop_receiving();
    assert_eq!(exchange.wanted(), Wanted::Never);
}

#[test]
fn the_wire_is_woken_when_half_of_a_window_can_be_given_back() {
    let (exchange, app, wire) = (
        exchange(PLAIN, BodyLength::Unknown),
        Task::new(),
        Task::new(),
    );
    exchange.enter(&wire.waker);
    exchange.leave(Turn::Pending);
    let quarter = INBOUND_BYTES / 4;
    for _ in 0..4 {
        exchange.push_body(vec![0; quarter].into());
    }
    for (left, wakes) in [(3, 1), (2, 2), (1, 2), (0, 2)] {
        assert!(app.receive(&exchange).is_some());
        let room = INBOUND_BYTES - left * quarter;
        assert_eq!(exchange.wanted().room(), room);
        assert_eq!(wire.wakes(), wakes, "with {left} quarters left");
    }
}

#[test]
fn a_body_over_the_limit_fails_and_stays_failed() {
    let (exchange, app) = (exchange(PLAIN, BodyLength::Unknown), Task::new());
    exchange.push_body(vec![0; 1_000_001].into());
    exchange.push_body("more".into());
    let failed = format!(
        "{:?}",
        HttpReceive::Failed(BodyError::TooLarge { limit: 1_000_000 })
    );
    assert_eq!(app.receive(&exchange).as_ref(), Some(&failed));
    assert_eq!(exchange.wanted(), Wanted::Complete);
    let declared = self::exchange(PLAIN, BodyLength::Known(1_000_001));
    assert_eq!(
        declared.wanted(),
        Wanted::Complete,
        "a client that waits is not asked to send it"
    );
    assert_eq!(app.receive(&declared), Some(failed));
}

#[test]
fn credit_is_counted_from_the_application_to_the_kernel() {
    let (exchange, app) = (exchange(PLAIN, BodyLength::Empty), Task::new());
    exchange.send(start(200, None, "", true)).expect("in order");
    assert_eq!(app.is_ready(&exchange), Some(Ok(())));
    let large = HttpSend::Body {
        bytes: vec![0; OUTBOUND_BYTES].into(),
        more: true,
    };
    exchange.send(large).expect("soft by one event");
    assert_eq!(app.is_ready(&exchange), None);
    while exchange.next_output().is_some() {}
    assert_eq!(app.is_ready(&exchange), None, "taken is not written");
    exchange.unsent(OUTBOUND_BYTES);
    assert_eq!(app.wakes(), 0);
    exchange.unsent(1);
    assert_eq!(app.wakes(), 1);
    assert_eq!(app.is_ready(&exchange), Some(Ok(())));
    exchange.set_gone(Gone::WriteTimeout);
    assert_eq!(app.is_ready(&exchange), Some(Err(Gone::WriteTimeout)));
}

#[test]
fn the_wire_is_woken_by_others_and_not_by_the_application_that_it_polls() {
    let (exchange, wire) = (exchange(PLAIN, BodyLength::Empty), Task::new());
    exchange.enter(&wire.waker);
    exchange.send(start(200, None, "", true)).expect("in order");
    assert_eq!(wire.wakes(), 0);
    exchange.leave(Turn::Pending);
    exchange
        .send(part("from another task", true))
        .expect("in order");
    assert_eq!(wire.wakes(), 1);
}

#[test]
fn whoever_waits_learns_that_the_client_left_and_why() {
    let (exchange, app) = (exchange(PLAIN, BodyLength::Empty), Task::new());
    let mut early = exchange.gone();
    let poll = |gone: &mut gateway_spec::GoneSignal| {
        std::pin::Pin::new(gone).poll(&mut Context::from_waker(&app.waker))
    };
    assert!(poll(&mut early).is_pending());
    exchange.half_close();
    assert_eq!(poll(&mut early), Poll::Ready(Gone::HalfClosed));
    exchange.set_gone(Gone::PeerReset);
    exchange.set_gone(Gone::Shutdown);
    assert_eq!(
        poll(&mut early),
        Poll::Ready(Gone::PeerReset),
        "the first final reason counts"
    );
    assert_eq!(poll(&mut exchange.gone()), Poll::Ready(Gone::PeerReset));
}

#[test]
fn a_whole_response_is_written_once_and_after_what_came_before() {
    for is_shared in [true, false] {
        let mut exchange = exchange(PLAIN, BodyLength::Empty);
        let other = is_shared.then(|| Arc::clone(&exchange));
        let write = |exchange: &mut Arc<Exchange>| {
            exchange.write_whole(|head, body| format!("{} {body:?}", head.status.as_u16()))
        };
        assert_eq!(write(&mut exchange), None);
        let hint = HttpSend::Informational(head(103, None));
        assert_eq!(exchange.send(hint), Ok(()));
        assert_eq!(exchange.send(start(200, None, "x", false)), Ok(()));
        // The queue comes first.
        assert_eq!(write(&mut exchange), None);
        assert!(matches!(
            exchange.next_output(),
            Some(Outgoing::Informational(_))
        ));
        assert_eq!(write(&mut exchange).as_deref(), Some("200 b\"x\""));
        assert_eq!(write(&mut exchange), None);
        assert!(exchange.next_output().is_none());

        // It counts as what the wire holds.
        let mut task = Context::from_waker(Waker::noop());
        assert!(exchange.poll_flush(&mut task).is_pending());
        exchange.unsent(0);
        assert_eq!(exchange.poll_flush(&mut task), Poll::Ready(Ok(())));
        exchange.finish(Gone::Finished);
        drop(other);
    }
}

#[test]
fn a_whole_response_of_a_call_that_has_returned_ends_the_exchange() {
    let mut exchange = Exchange::new();
    let mut task = Context::from_waker(Waker::noop());
    // Each begins as new, whatever the one before was like.
    for before in ["nothing", "a whole response", "much", "what is not written"] {
        match before {
            "much" => {
                exchange.begin(PLAIN, BodyLength::Unknown, 1_000);
                exchange.push_body("x".into());
                assert!(exchange.poll_receive(&mut task).is_ready());
                assert!(exchange.poll_receive(&mut task).is_pending());
                exchange.half_close();
                exchange.leave(Turn::Forced);
                exchange.set_gone(Gone::PeerReset);
            }
            "what is not written" => {
                exchange.begin_entered(HEAD, BodyLength::Empty, 1_000, Waker::noop());
                assert_eq!(exchange.send(start(204, None, "", false)), Ok(()));
                let fails = exchange.finish_whole(|_, _| Err("it does not fit"));
                assert_eq!(fails, Some(Err("it does not fit")));
            }
            _ => {}
        }
        let counter = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&counter));
        exchange.begin_entered(PLAIN, BodyLength::Empty, 1_000, &waker);
        let none = exchange.finish_whole(|_, _| Ok::<_, ()>(()));
        assert_eq!(none, None, "after {before}");
        let sent = exchange.poll_send(&mut task, &mut Some(start(200, None, "xy", false)));
        assert_eq!(sent, Poll::Ready(Ok(())), "after {before}");
        assert_eq!(exchange.sent().bytes, 2);
        let mut written = String::new();
        let whole = exchange.finish_whole(|head, body| {
            written = format!("{} {body:?}", head.status.as_u16());
            Ok::<_, ()>(())
        });
        assert_eq!((whole, &*written), (Some(Ok(())), "200 b\"xy\""));
        assert_eq!(
            counter.0.load(Ordering::Relaxed),
            0,
            "the wire polls, and looks afterwards"
        );
        assert!(exchange.finish_whole(|_, _| Ok::<_, ()>(())).is_none());
    }
}

#[test]
fn what_comes_before_a_whole_response_is_not_passed_over() {
    let mut exchange = Exchange::new();
    exchange.begin_entered(PLAIN, BodyLength::Empty, 1_000, Waker::noop());
    assert_eq!(
        exchange.send(HttpSend::Informational(head(103, None))),
        Ok(())
    );
    assert_eq!(exchange.send(start(200, None, "x", false)), Ok(()));
    assert!(exchange.finish_whole(|_, _| Ok::<_, ()>(())).is_none());
    let exchange = Arc::new(exchange);
    assert_eq!(taken(&exchange), ["inform 103", "head 200 b\"x\""]);
}

#[test]
fn an_event_is_taken_when_it_can_be_sent_and_not_before() {
    let exchange = exchange(PLAIN, BodyLength::Empty);
    let mut task = Context::from_waker(Waker::noop());
    let full = "x".repeat(OUTBOUND_BYTES);
    let begin = HttpSend::Start {
        head: head(200, None),
        body: full.into(),
        more: true,
        trailers: TrailersPlan::None,
    };
    let mut event = Some(begin);
    assert_eq!(
        exchange.poll_send(&mut task, &mut event),
        Poll::Ready(Ok(()))
    );
    assert!(event.is_none());
    event = Some(part("y", false));
    assert!(exchange.poll_send(&mut task, &mut event).is_pending());
    assert!(event.is_some());
    assert_eq!(taken(&exchange).len(), 1);
    exchange.unsent(0);
    assert_eq!(
        exchange.poll_send(&mut task, &mut event),
        Poll::Ready(Ok(()))
    );
    let over = exchange.poll_send(&mut task, &mut event);
    assert_eq!(over, Poll::Ready(Err(SendError::Gone(Gone::Finished))));
    event = Some(start(200, None, "x", false));
    let again = exchange.poll_send(&mut task, &mut event);
    assert_eq!(again, Poll::Ready(Err(SendError::OutOfOrder)));
    assert!(event.is_none(), "what is refused is dropped");
}

#[test]
fn an_end_is_told_to_who_holds_nothing_but_the_signal() {
    for (forced, expected) in [(false, Gone::PeerReset), (true, Gone::Shutdown)] {
        let mut exchange = exchange(PLAIN, BodyLength::Empty);
        let mut gone = std::pin::pin!(exchange.gone());
        let mut task = Context::from_waker(Waker::noop());
        assert!(gone.as_mut().poll(&mut task).is_pending());
        if forced {
            exchange.leave(Turn::Forced);
        }
        exchange.finish(Gone::PeerReset);
        assert_eq!(gone.as_mut().poll(&mut task), Poll::Ready(expected));
    }
}

#[test]
fn an_end_is_told_to_who_holds_a_handle() {
    let mut exchange = exchange(PLAIN, BodyLength::Empty);
    let handle = Arc::clone(&exchange);
    exchange.finish(Gone::PeerReset);
    let sent = handle.send(start(200, None, "x", false));
    assert_eq!(sent, Err(SendError::Gone(Gone::PeerReset)));
}

/// What a client made an exchange take is not kept for others.
#[test]
fn a_finished_exchange_keeps_no_memory_of_its_body() {
    let mut exchange = exchange(PLAIN, BodyLength::Unknown);
    for _ in 0..1000 {
        exchange.push_body("x".into());
    }
    exchange.finish(Gone::Finished);
    let capacity = exchange.lock().inbound.capacity();
    assert!(capacity <= super::KEPT_PARTS, "{capacity}");
}

/// The application's values are dropped where its code may use the exchange.
#[test]
fn what_was_sent_is_dropped_without_the_lock() {
    struct Uses(Arc<Exchange>);
    impl AsRef<[u8]> for Uses {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }
    impl Drop for Uses {
        fn drop(&mut self) {
            self.0.stop_receiving();
        }
    }
    let owned = |exchange: &Arc<Exchange>| HttpSend::Start {
        head: head(200, None),
        body: Bytes::from_owner(Uses(Arc::clone(exchange))),
        more: false,
        trailers: TrailersPlan::None,
    };
    let mut written = exchange(PLAIN, BodyLength::Empty);
    assert_eq!(written.send(owned(&written)), Ok(()));
    assert_eq!(written.write_whole(|_, body| drop(body)), Some(()));

    let refused = exchange(PLAIN, BodyLength::Empty);
    assert_eq!(refused.send(start(200, None, "", false)), Ok(()));
    assert_eq!(refused.send(owned(&refused)), Err(SendError::OutOfOrder));

    let gone = exchange(PLAIN, BodyLength::Empty);
    assert_eq!(gone.send(owned(&gone)), Ok(()));
    gone.set_gone(Gone::PeerReset);
}

#[test]
fn nobody_is_answered_who_is_gone() {
    let error = AppError::message("it failed");
    let head = head(200, None);
    for (started, turn) in [
        (None, Turn::Failed(&error)),
        (None, Turn::Done),
        (Some(head), Turn::Failed(&error)),
    ] {
        let exchange = exchange(PLAIN, BodyLength::Known(10));
        if let Some(head) = started {
            let begun = HttpSend::Start {
                head,
                body: Bytes::new(),
                more: true,
                trailers: TrailersPlan::None,
            };
            assert_eq!(exchange.send(begun), Ok(()));
        }
        exchange.set_gone(Gone::PeerReset);
        let (progress, verdict) = exchange.leave(turn);
        assert_eq!((progress.output, verdict), (false, Verdict::Fine));
        assert!(exchange.next_output().is_none());
    }
}

#[test]
fn an_exchange_that_is_over_stays_so() {
    let exchange = Exchange::over();
    exchange.half_close();
    exchange.push_body("x".into());
    exchange.set_gone(Gone::PeerReset);
    let mut task = Context::from_waker(Waker::noop());
    let received = exchange.poll_receive(&mut task);
    assert!(matches!(
        received,
        Poll::Ready(HttpReceive::Disconnect(Gone::Finished))
    ));
    assert_eq!(exchange.wanted(), Wanted::Complete);
}
