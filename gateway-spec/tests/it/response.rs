//! HTTP-16 to HTTP-35 as the handles have it: the response.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gateway_spec::{
    Abort, AppError, FileRegion, Gone, Http, Responder, Response, ResponseHead, SendError, Writer,
};
use http::header::{self, ETAG, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::support::{Script, Task, assert_done, assert_gone, exchange, now};

fn responder() -> (Responder, Arc<Script>) {
    let (
        Http {
            responder, body, ..
        },
        script,
    ) = exchange([]);
    drop(body);
    script.calls();
    (responder, script)
}

fn writer() -> (Writer, Arc<Script>) {
    let (responder, script) = responder();
    let writer = now(responder.start(StatusCode::OK)).unwrap();
    script.calls();
    (writer, script)
}

#[test]
fn a_whole_answer_is_one_event() {
    let answers: [(Response, &str); 6] = [
        ("text".into(), "start 200 \"text\""),
        (String::from("text").into(), "start 200 \"text\""),
        (b"bytes".to_vec().into(), "start 200 \"bytes\""),
        (StatusCode::NO_CONTENT.into(), "start 204 \"\""),
        (
            ResponseHead::new(StatusCode::FOUND).into(),
            "start 302 \"\"",
        ),
        (
            Response::html("<p>").with_status(StatusCode::CREATED),
            "start 201 \"<p>\"",
        ),
    ];
    for (answer, expected) in answers {
        let (responder, script) = responder();
        assert_done(now(responder.respond(answer)));
        assert_eq!(script.calls(), expected);
    }
    let types = |response: Response| {
        response
            .head
            .headers
            .get_str("content-type")
            .map(str::to_owned)
    };
    assert_eq!(
        types("x".into()).as_deref(),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        types(Response::html("x")).as_deref(),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(types(Response::new("x")), None);
}

#[test]
fn a_streamed_answer_is_its_events_in_order() {
    let (mut responder, script) = responder();
    now(responder.inform(StatusCode::EARLY_HINTS)).unwrap();
    now(responder.ready()).unwrap();
    let mut writer = now(responder.start(StatusCode::OK)).unwrap();
    now(writer.write("one")).unwrap();
    now(writer.ready()).unwrap();
    writer.send("two").unwrap();
    now(writer.flush()).unwrap();
    assert_done(now(writer.finish()));
    assert_eq!(
        script.calls(),
        "inform 103; start 200 \"\" …; body \"one\" …; body \"two\" …; flush; body \"\""
    );
}

#[test]
fn a_writer_can_be_polled() {
    let (mut writer, script) = writer();
    let mut cx = Context::from_waker(Waker::noop());
    script.block();
    assert!(writer.poll_ready(&mut cx).is_pending());
    assert!(writer.poll_write(&mut cx, b"x").is_pending());
    assert!(writer.poll_flush(&mut cx).is_pending());
    assert_eq!(
        writer.poll_write(&mut cx, b""),
        Poll::Ready(Ok(0)),
        "nothing needs no credit"
    );
    script.unblock();
    assert_eq!(writer.poll_ready(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(writer.poll_write(&mut cx, b"12345"), Poll::Ready(Ok(4)));
    assert_eq!(writer.poll_flush(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(script.calls(), "write \"1234\"; flush");
    script.refuse(SendError::TooMuch { declared: 4 });
    let too_much = Err(SendError::TooMuch { declared: 4 });
    assert_eq!(writer.poll_write(&mut cx, b"5"), Poll::Ready(too_much));
    script.leave(Gone::PeerReset);
    let gone = Poll::Ready(Err(Gone::PeerReset));
    assert_eq!(writer.poll_ready(&mut cx), gone);
    assert_eq!(writer.poll_flush(&mut cx), gone);
}

#[test]
fn trailers_are_planned_at_the_start() {
    let names = [ETAG];
    for (plan, shown) in [(Some(&names[..]), "Announced([\"etag\"])"), (None, "Maybe")] {
        for with_trailers in [true, false] {
            let (responder, script) = responder();
            let writer = now(responder.start_with_trailers(StatusCode::OK, plan)).unwrap();
            assert_eq!(script.calls(), format!("start 200 \"\" … {shown}"));
            let (finished, expected) = if with_trailers {
                let trailers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("x"))]);
                (writer.finish_with_trailers(trailers), "trailers 1")
            } else {
                (writer.finish(), "body \"\"")
            };
            assert_done(now(finished));
            assert_eq!(script.calls(), expected);
        }
    }
}

#[test]
fn a_file_is_an_event_of_its_own() {
    let (mut writer, script) = writer();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SPEC.md");
    let region = FileRegion {
        file: Arc::new(std::fs::File::open(path).unwrap()),
        offset: 2,
        length: 12,
    };
    now(writer.write_file(region)).unwrap();
    assert_done(now(writer.finish()));
    assert_eq!(script.calls(), "file 2+12; body \"\"");
}

#[test]
fn a_handle_dropped_without_a_terminal_call_is_an_abort() {
    let (responder, script) = responder();
    drop(responder);
    assert_eq!(script.calls(), "abort Dropped");

    let (writer, script) = writer();
    drop(writer);
    assert_eq!(script.calls(), "abort Dropped");
}

#[test]
fn giving_up_on_purpose_is_another_abort() {
    let deliberate = format!("abort {:?}", Abort::Deliberate);
    let (responder, script) = responder();
    drop(responder.abort());
    assert_eq!(script.calls(), deliberate);

    let (writer, script) = writer();
    drop(writer.abort());
    assert_eq!(script.calls(), deliberate);
}

#[test]
fn terminal_calls_wait_for_credit_and_send_once() {
    let (responder, script) = responder();
    script.block();
    let mut task = Task::new(responder.respond("later"));
    assert!(task.poll().is_pending());
    assert!(task.poll().is_pending());
    assert_eq!(script.calls(), "");
    script.unblock();
    assert!(task.wakes() > 0);
    assert!(matches!(task.poll(), Poll::Ready(Ok(_))));
    drop(task);
    assert_eq!(script.calls(), "start 200 \"later\"");
}

#[test]
fn terminal_calls_that_are_dropped_have_sent_nothing_and_abort() {
    let (responder, script) = responder();
    script.block();
    let mut task = Task::new(responder.respond("never"));
    assert!(task.poll().is_pending());
    drop(task);
    assert_eq!(script.calls(), "abort Dropped");

    let (responder, script) = self::responder();
    drop(responder.start(StatusCode::OK));
    assert_eq!(script.calls(), "abort Dropped", "also if never polled");

    let (writer, script) = writer();
    drop(writer.finish());
    assert_eq!(script.calls(), "abort Dropped");
}

#[test]
fn a_write_that_is_dropped_loses_its_part_and_nothing_else() {
    let (mut writer, script) = writer();
    script.block();
    {
        let mut cx = Context::from_waker(Waker::noop());
        let waiting = std::pin::pin!(writer.write("lost"));
        assert!(waiting.poll(&mut cx).is_pending());
    }
    script.unblock();
    now(writer.write("kept")).unwrap();
    assert_done(now(writer.finish()));
    assert_eq!(script.calls(), "body \"kept\" …; body \"\"");
}

#[test]
fn a_refused_event_is_the_applications_error_and_the_exchange_is_aborted() {
    let (responder, script) = responder();
    script.refuse(SendError::BadHead);
    let error = now(responder.respond("x")).unwrap_err();
    assert!(error.source().unwrap().is::<SendError>());
    assert_eq!(
        (error.gone(), script.calls().as_str()),
        (None, "abort Dropped")
    );

    let (mut writer, script) = writer();
    script.refuse(SendError::TooMuch { declared: 1 });
    assert_eq!(
        now(writer.write("xx")),
        Err(SendError::TooMuch { declared: 1 })
    );
    script.refuse(SendError::TooLittle { missing: 1 });
    now(writer.finish()).unwrap_err();
    assert_eq!(script.calls(), "abort Dropped");
}

#[test]
fn every_handle_says_why_the_client_is_gone() {
    let gone = Gone::WriteTimeout;
    let left = |script: &Arc<Script>| script.leave(gone);

    let (responder, script) = responder();
    left(&script);
    assert_gone(now(responder.respond("x")), gone);
    let (responder, script) = self::responder();
    left(&script);
    assert_gone(now(responder.start(StatusCode::OK)), gone);
    let (mut responder, script) = self::responder();
    left(&script);
    assert_gone(now(responder.inform(StatusCode::PROCESSING)), gone);
    assert_gone(now(responder.ready()), gone);

    let (mut writer, script) = writer();
    left(&script);
    assert_gone(now(writer.write("x")), gone);
    assert_gone(now(writer.flush()), gone);
    assert_gone(now(writer.ready()), gone);
    assert_gone(now(writer.finish()), gone);
}

#[test]
fn half_closed_does_not_stop_the_answer() {
    let (responder, script) = responder();
    script.leave(Gone::HalfClosed);
    assert_done(now(responder.respond("x")));
}

#[test]
fn the_parts_work_in_different_tasks() {
    fn sendable<T: Send + Sync + 'static>(_: &T) {}
    let (
        Http {
            scope,
            body,
            responder,
        },
        script,
    ) = exchange([crate::support::last("in")]);
    sendable(&scope);
    sendable(&body);
    sendable(&responder);
    let reading = std::thread::spawn(move || {
        let mut body = body;
        now(body.collect(10)).unwrap()
    });
    let writing = std::thread::spawn(move || now(responder.respond("out")).map(drop));
    assert_eq!(reading.join().unwrap(), "in");
    writing.join().unwrap().unwrap();
    assert_eq!(script.calls(), "start 200 \"out\"");
}

#[test]
fn map_head_changes_the_head_alone() {
    let (responder, script) = responder();
    let responder = responder.map_head(|head| {
        head.status = StatusCode::ACCEPTED;
        head.headers
            .insert(header::VARY, HeaderValue::from_static("accept"));
    });
    let mut writer = now(responder.start(StatusCode::OK)).unwrap();
    now(writer.write("body")).unwrap();
    assert_done(now(writer.finish()));
    assert_eq!(
        script.calls(),
        "start 202 \"\" …; body \"body\" …; body \"\""
    );

    let (responder, script) = self::responder();
    drop(responder.map_head(|_| ()));
    assert_eq!(script.calls(), "abort Dropped", "the owner is told, once");
}

#[test]
fn work_after_a_lost_answer_is_done_if_the_error_is_kept() {
    let (responder, script) = responder();
    script.leave(Gone::PeerReset);
    let app = async {
        let answered = responder.respond("x").await;
        (true, answered)
    };
    let (worked, answered): (bool, Result<_, AppError>) = now(app);
    assert!(worked && answered.is_err());
}
