//! SYNC: the blocking handles.

use std::io::{self, BufRead, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use gateway_spec::{
    AppError, BodyError, BodyLength, Gone, Http, HttpReceive, HttpSend, SendError, State,
    SyncApplication, SyncHttp, SyncWriter, WorkerThread, sync_application_fn,
};
use http::{HeaderMap, StatusCode};

use crate::support::{
    Script, assert_done, assert_gone, exchange, exchange_of, last, now, part, scope, summary,
};

fn blocking<const N: usize>(events: [HttpReceive; N]) -> (SyncHttp, Arc<Script>) {
    let (http, script) = exchange(events);
    (SyncHttp::new(http), script)
}

fn writer() -> (SyncWriter, Arc<Script>) {
    let (http, script) = blocking([]);
    let writer = http.responder.start(StatusCode::OK).unwrap();
    drop(http.body);
    script.calls();
    (writer, script)
}

#[test]
fn a_body_reads_as_any_file_does() {
    let (mut http, _script) = blocking([part("one\ntw"), part(""), last("o\nthree")]);
    let mut line = String::new();
    http.body.read_line(&mut line).unwrap();
    http.body.read_line(&mut line).unwrap();
    assert_eq!(line, "one\ntwo\n");
    let mut few = [0; 3];
    assert_eq!(http.body.read(&mut few).unwrap(), 3);
    http.body.read_to_string(&mut line).unwrap();
    assert_eq!((&few, line.as_str()), (b"thr", "one\ntwo\nee"));
    for _ in 0..2 {
        assert_eq!(http.body.read(&mut few).unwrap(), 0);
    }
}

#[test]
fn what_was_read_ahead_is_not_lost_to_chunk_and_collect() {
    let read_one = |limit: Option<usize>| {
        let (mut http, _script) = blocking([part("abc"), last("def")]);
        http.body.read_exact(&mut [0]).unwrap();
        match limit {
            Some(limit) => http.body.collect(limit),
            None => http.body.chunk().map(Option::unwrap),
        }
    };
    assert_eq!(read_one(None), Ok("bc".into()));
    assert_eq!(read_one(Some(5)), Ok("bcdef".into()));
    assert_eq!(read_one(Some(4)), Err(BodyError::TooLarge { limit: 4 }));

    let (http, _script) = exchange_of(BodyLength::Known(6), [part("abc"), last("def")]);
    let mut known = SyncHttp::new(http);
    known.body.read_exact(&mut [0]).unwrap();
    assert_eq!(known.body.collect(4), Err(BodyError::TooLarge { limit: 4 }));
}

#[test]
fn trailers_come_after_what_was_read_ahead() {
    let (mut http, _script) = blocking([part("abc"), HttpReceive::Trailers(HeaderMap::new())]);
    http.body.read_exact(&mut [0]).unwrap();
    assert_eq!(http.body.trailers(), Ok(Some(HeaderMap::new())));
    assert_eq!(http.body.chunk(), Ok(None));
}

#[test]
fn an_asynchronous_application_takes_over_where_the_blocking_one_was() {
    // `peeked` bytes are looked at and `used` of them consumed; then the rest is read by the other handles.
    let rest = |events: [HttpReceive; 2], used: Option<usize>| {
        let (mut http, _script) = blocking(events);
        if let Some(used) = used {
            http.body.fill_buf().unwrap();
            http.body.consume(used);
        }
        let mut http = http.into_http();
        let mut seen = Vec::new();
        loop {
            match now(http.body.chunk()) {
                Ok(Some(part)) => seen.push(String::from_utf8(part.to_vec()).unwrap()),
                Ok(None) => break seen.push(format!("{:?}", now(http.body.trailers()))),
                Err(error) => break seen.push(format!("{error:?}")),
            }
        }
        seen
    };
    let whole = || [part("abc"), last("def")];
    assert_eq!(rest(whole(), None), ["abc", "def", "Ok(None)"]);
    assert_eq!(rest(whole(), Some(0)), ["abc", "def", "Ok(None)"]);
    assert_eq!(rest(whole(), Some(2)), ["c", "def", "Ok(None)"]);
    assert_eq!(rest(whole(), Some(3)), ["def", "Ok(None)"]);
    // The end of the body was known already.
    assert_eq!(rest([last("abc"), last("")], Some(1)), ["bc", "Ok(None)"]);
    let trailers = || HttpReceive::Trailers(HeaderMap::new());
    assert_eq!(
        rest([part("abc"), trailers()], Some(1)),
        ["bc", "Ok(Some({}))"]
    );
    let failed = || HttpReceive::Failed(BodyError::Timeout);
    assert_eq!(rest([part("abc"), failed()], Some(1)), ["bc", "Timeout"]);
}

#[test]
fn what_was_put_back_counts_as_buffered_and_is_let_go_with_the_rest() {
    let (mut http, script) = blocking([part("abc")]);
    http.body.fill_buf().unwrap();
    let http = http.into_http();
    script.calls();
    assert_eq!(now(http.body.buffered(3)), Ok(()));
    assert_eq!(script.calls(), "", "the server has nothing to do with it");
    assert_eq!(http.body.remaining(), BodyLength::Unknown);
    drop(http.body);
    assert_eq!(script.calls(), "stop receiving");
    drop(http.responder);

    let (http, _script) = exchange_of(BodyLength::Known(3), [last("abc")]);
    let mut http = SyncHttp::new(http);
    http.body.fill_buf().unwrap();
    http.body.consume(1);
    let http = http.into_http();
    assert_eq!(http.body.remaining(), BodyLength::Known(2));
    assert_eq!(now(http.body.buffered(9)), Ok(()), "it is complete");
}

#[test]
fn an_asynchronous_application_answers_in_place_of_the_blocking_one() {
    let (http, script) = exchange([part("abc")]);
    let (mut http, handoff) = SyncHttp::with_handoff(http);
    http.body.fill_buf().unwrap();
    assert_done(now(http.into_http().responder.respond("hi")));
    assert!(handoff.take().is_none());
    assert!(script.calls().contains("hi"));
}

#[test]
fn failures_keep_their_meaning_through_io_errors() {
    let read = |event| {
        let (mut http, _script) = blocking([event]);
        http.body.read(&mut [0]).unwrap_err()
    };
    let table = [
        (
            BodyError::TooLarge { limit: 1 },
            io::ErrorKind::FileTooLarge,
            413,
        ),
        (BodyError::Timeout, io::ErrorKind::TimedOut, 408),
        (BodyError::Malformed, io::ErrorKind::InvalidData, 400),
    ];
    for (failure, kind, status) in table {
        let error = read(HttpReceive::Failed(failure));
        assert_eq!(error.kind(), kind);
        assert_eq!(AppError::from(error).status_code().as_u16(), status);
    }
    let gone = read(HttpReceive::Disconnect(Gone::StreamReset));
    assert_eq!(gone.kind(), io::ErrorKind::ConnectionReset);
    assert_gone::<()>(Err(gone), Gone::StreamReset);
}

#[test]
fn a_writer_writes_as_any_file_does() {
    let (mut writer, script) = writer();
    assert_eq!(writer.write(b"").unwrap(), 0);
    writer.write_all(b"eightbytes").unwrap();
    writer.flush().unwrap();
    writer.write_bytes("part").unwrap();
    assert_done(writer.finish());
    assert_eq!(
        script.calls(),
        "write \"eigh\"; write \"tbyt\"; write \"es\"; flush; body \"part\" …; body \"\""
    );
}

#[test]
fn handles_that_are_dropped_or_given_up_abort() {
    let (http, script) = blocking([]);
    drop(http);
    assert_eq!(script.calls(), "stop receiving; abort Dropped");
    let (http, script) = blocking([]);
    drop(http.responder.abort());
    assert_eq!(script.calls(), "abort Deliberate");
    let (dropped, script) = writer();
    drop(dropped);
    assert_eq!(script.calls(), "abort Dropped");
    let (aborted, script) = writer();
    drop(aborted.abort());
    assert_eq!(script.calls(), "abort Deliberate");
}

#[test]
fn every_handle_says_why_the_client_is_gone() {
    let gone = Gone::PeerReset;
    let (http, script) = blocking([]);
    script.leave(gone);
    assert_gone(http.responder.respond("x"), gone);
    let (http, script) = blocking([]);
    script.leave(gone);
    assert_gone(http.responder.start(StatusCode::OK), gone);

    let (mut writer, script) = writer();
    script.leave(gone);
    assert_gone(writer.write_bytes("x"), gone);
    let error = writer.write(b"x").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_gone::<()>(Err(error), gone);
    assert_gone(writer.flush(), gone);
    assert_gone(writer.finish(), gone);
}

#[test]
fn a_refused_write_is_invalid_input() {
    let (mut writer, script) = writer();
    script.refuse(SendError::TooMuch { declared: 1 });
    assert_eq!(
        writer.write(b"xx").unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
}

/// Parts that count how often they are dropped.
struct Parts {
    left: std::slice::Iter<'static, &'static str>,
    dropped: Arc<AtomicUsize>,
    end: fn(),
}

impl Iterator for Parts {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let part = self.left.next();
        if part.is_none() {
            (self.end)();
        }
        part.map(|part| Bytes::from_static(part.as_bytes()))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn parts(texts: &'static [&'static str], end: fn()) -> (Parts, Arc<AtomicUsize>) {
    let dropped = Arc::default();
    let parts = Parts {
        left: texts.iter(),
        dropped: Arc::clone(&dropped),
        end,
    };
    (parts, dropped)
}

#[test]
fn an_iterator_is_an_answer_whose_first_part_comes_with_the_head() {
    let (http, script) = blocking([]);
    let (parts, dropped) = parts(&["one", "two", ""], || ());
    assert_done(http.responder.respond_with(StatusCode::OK, parts));
    assert_eq!(
        script.calls(),
        "start 200 \"one\" …; body \"two\" …; body \"\" …; body \"\""
    );
    assert_eq!(dropped.load(Ordering::Relaxed), 1);

    let (http, script) = blocking([]);
    assert_done(
        http.responder
            .respond_with(StatusCode::OK, Vec::<Bytes>::new()),
    );
    assert_eq!(script.calls(), "start 200 \"\" …; body \"\"");
}

#[test]
fn an_iterator_is_dropped_once_when_the_client_leaves() {
    let (http, script) = blocking([]);
    script.leave(Gone::PeerReset);
    let (left, dropped) = parts(&["one", "two"], || ());
    assert_gone(
        http.responder.respond_with(StatusCode::OK, left),
        Gone::PeerReset,
    );
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn an_iterator_is_dropped_once_when_it_panics_and_nothing_was_started_if_at_once() {
    for (texts, calls) in [
        (&[][..], "abort Dropped"),
        (&["one"][..], "start 200 \"one\" …; abort Dropped"),
    ] {
        let (http, script) = blocking([]);
        let (parts, dropped) = parts(texts, || panic!("it failed"));
        let answering = || http.responder.respond_with(StatusCode::OK, parts).map(drop);
        assert!(catch_unwind(AssertUnwindSafe(answering)).is_err());
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        assert_eq!(script.calls(), calls);
    }
}

#[test]
fn a_handoff_leaves_the_answer_to_the_caller() {
    let (http, script) = exchange([]);
    let (http, handoff) = SyncHttp::with_handoff(http);
    assert!(handoff.take().is_none());
    script.block();
    let app = sync_application_fn(|http| http.responder.respond("later"));
    assert_done(app.call(http));
    script.unblock();
    assert_eq!(
        script.calls(),
        "stop receiving",
        "nothing was sent nor aborted"
    );
    let (responder, response) = handoff.take().unwrap();
    assert!(handoff.take().is_none());
    assert_done(now(responder.respond(response)));
    assert_eq!(script.calls(), "start 200 \"later\"");

    let (http, script) = exchange([]);
    let (http, handoff) = SyncHttp::with_handoff(http);
    assert_done(http.responder.respond("nobody takes it"));
    drop(handoff);
    assert_eq!(script.calls(), "abort Dropped");

    let (http, script) = exchange([]);
    let (http, handoff) = SyncHttp::with_handoff(http);
    drop(http.responder.start(StatusCode::OK).unwrap());
    assert!(
        handoff.take().is_none(),
        "a stream is sent by the thread itself"
    );
    assert_eq!(script.calls(), "start 200 \"\" …; abort Dropped");
}

#[test]
fn blocking_on_a_worker_panics_with_the_clause() {
    let (mut http, script) = blocking([]);
    let mark = WorkerThread::enter();
    let reading = catch_unwind(AssertUnwindSafe(|| http.body.read(&mut [0])));
    let text = *reading.unwrap_err().downcast::<&str>().unwrap();
    assert!(text.contains("(SYNC-1)"), "{text}");
    drop(mark);
    script.deliver(last("x"));
    assert_eq!(http.body.read(&mut [0]).unwrap(), 1);
}

#[test]
fn a_mark_within_a_mark_changes_nothing_and_is_of_one_thread() {
    let outer = WorkerThread::enter();
    drop(WorkerThread::enter());
    assert!(WorkerThread::is_current());
    assert!(!std::thread::spawn(WorkerThread::is_current).join().unwrap());
    drop(outer);
    assert!(!WorkerThread::is_current());
}

#[test]
fn a_thread_waits_for_its_client_both_ways() {
    let (http, mut events) = Http::in_memory(scope(BodyLength::Unknown));
    let (read, was_read) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let SyncHttp {
            mut body,
            responder,
            ..
        } = SyncHttp::new(http);
        while let Some(chunk) = body.chunk()? {
            read.send(chunk).unwrap();
        }
        drop(read);
        let mut writer = responder.start(StatusCode::OK)?;
        // More than the client is ahead of, so that it has to wait.
        for _ in 0..10 {
            writer.write_all(&[b'x'; 16 * 1024])?;
        }
        writer.finish().map(drop)
    });
    for event in [part("one"), part("two"), last("")] {
        events.deliver(event);
    }
    assert_eq!(was_read.iter().collect::<Vec<_>>(), ["one", "two"]);
    let mut bytes = 0;
    let taking = async {
        while let Some(event) = events.sent().await {
            if let HttpSend::Body { bytes: part, .. } = &event {
                bytes += part.len();
            } else {
                assert_eq!(summary(&event), "start 200 \"\" …");
            }
        }
    };
    park_on(taking);
    thread.join().unwrap().unwrap();
    assert_eq!(bytes, 160 * 1024);
}

/// Drives a future on this thread.
fn park_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = std::pin::pin!(future);
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::park();
    }
}

#[test]
fn startup_and_shutdown_do_nothing_unless_written() {
    let app = sync_application_fn(|http| http.responder.respond("x"));
    assert!(app.startup().unwrap().is_empty());
    app.shutdown().unwrap();

    struct WithState;
    impl SyncApplication for WithState {
        fn call(&self, http: SyncHttp) -> Result<gateway_spec::Done, AppError> {
            let name = http.scope.state.get::<&str>().copied();
            http.responder.respond(name.unwrap_or("none"))
        }
        fn startup(&self) -> Result<State, AppError> {
            Ok(State::new().with("made at startup"))
        }
    }
    let (mut http, script) = exchange([]);
    http.scope.edit().state = WithState.startup().unwrap();
    assert_done(WithState.call(SyncHttp::new(http)));
    assert!(script.calls().starts_with("start 200 \"made at startup\""));
}
