//! One request: answers, streams, failures, leaving.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::thread;

use bytes::Bytes;
use gateway_spec::{
    Abort, AppError, Application, BodyLength, Connection, Events, Gone, HttpLayer, HttpSend,
    HttpTransport, Layered, ResponseHead, SyncHttp, WorkerThread,
};
use http::StatusCode;

use crate::support::{
    Wakes, app, block_on, both, gate, get, last_part, part, pool, post, request, sent_head, serve,
    turn,
};

#[test]
fn a_whole_answer_is_sent_by_the_future_after_one_wake() {
    let (gate, keeper) = gate();
    let app = app(&pool(1, 0), move |http: SyncHttp| {
        gate.pass();
        http.responder.respond("hello")
    });
    let (connection, mut events) = get();
    let wakes = Arc::new(Wakes::of_this_thread());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let mut call = pin!(app.call(connection));
    assert!(call.as_mut().poll(&mut cx).is_pending());
    assert_eq!(wakes.count(), 0);
    keeper.open();
    while wakes.count() == 0 {
        thread::park();
    }
    assert!(call.as_mut().poll(&mut cx).is_ready());
    assert_eq!(wakes.count(), 1);
    let (head, body) = sent_head(&mut events);
    assert_eq!((head.status, &body[..]), (StatusCode::OK, &b"hello"[..]));
    assert_eq!(events.aborted(), None);
}

#[test]
fn the_application_runs_on_a_named_thread_that_may_block() {
    let app = app(&pool(1, 0), |http: SyncHttp| {
        assert!(!WorkerThread::is_current());
        http.responder
            .respond(thread::current().name().unwrap_or_default().to_owned())
    });
    let mark = WorkerThread::enter();
    // Without a queue: who is woken finds the thread free for the next one.
    for _ in 0..200 {
        let (connection, mut events) = get();
        serve(app.call(connection));
        assert_eq!(sent_head(&mut events).1, "test-0");
    }
    drop(mark);
}

#[test]
fn blocking_handles_panic_on_a_marked_worker_thread() {
    let (connection, _events) = post();
    let Connection::Http(http) = connection else {
        unreachable!()
    };
    let mut http = SyncHttp::new(http);
    let mark = WorkerThread::enter();
    let read = catch_unwind(AssertUnwindSafe(|| http.body.read(&mut [0])));
    drop(mark);
    let text = *read.unwrap_err().downcast::<&str>().unwrap();
    assert!(text.contains("SYNC-1"), "{text}");
}

#[test]
fn a_stream_is_echoed_with_backpressure_in_bytes() {
    const TOTAL: usize = 8 << 20;
    const PIECE: usize = 16 << 10;
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let app = app(&pool(1, 0), move |http: SyncHttp| {
        let SyncHttp {
            mut body,
            responder,
            ..
        } = http;
        let mut writer = responder.start(ResponseHead::new(StatusCode::OK))?;
        let mut piece = [0; PIECE];
        loop {
            match body.read(&mut piece)? {
                0 => return writer.finish(),
                n => writer.write_all(&piece[..n])?,
            }
            count.store(count.load(Ordering::Relaxed) + PIECE, Ordering::Release);
        }
    });
    let (connection, mut events) = post();
    let peer = async {
        let (mut sent, mut read) = (0, 0_usize);
        loop {
            while sent < TOTAL && sent < read + (256 << 10) {
                sent += PIECE;
                let bytes = pattern(sent);
                events.deliver(if sent == TOTAL {
                    last_part(bytes)
                } else {
                    part(bytes)
                });
            }
            match events.sent().await {
                Some(HttpSend::Start { .. }) => {}
                Some(HttpSend::Body { bytes, more: true }) => {
                    assert_eq!(bytes[0], pattern(read + PIECE)[0]);
                    read += bytes.len();
                    // What the exchange in memory takes ahead, and one piece on each side of it.
                    let ahead = written.load(Ordering::Acquire).saturating_sub(read);
                    assert!(ahead <= (64 << 10) + 2 * PIECE, "{ahead} bytes ahead");
                }
                _ => return read,
            }
        }
    };
    let (done, echoed) = block_on(both(app.call(connection), peer));
    drop(done.unwrap());
    assert_eq!(echoed, TOTAL);

    fn pattern(end: usize) -> Bytes {
        vec![(end / PIECE % 251) as u8; PIECE].into()
    }
}

#[test]
fn a_body_that_middleware_has_read_is_at_its_end() {
    let app = app(&pool(1, 0), |mut http: SyncHttp| {
        let mut rest = Vec::new();
        http.body.read_to_end(&mut rest)?;
        http.responder.respond(rest)
    });
    for (length, taken) in [
        (BodyLength::Unknown, 2),
        (BodyLength::Known(2), 2),
        (BodyLength::Known(2), 1),
    ] {
        let (connection, mut events) = request(length);
        events.deliver(part("a"));
        events.deliver(last_part("b"));
        let Connection::Http(mut http) = connection else {
            unreachable!()
        };
        for _ in 0..taken {
            block_on(http.body.chunk()).unwrap().unwrap();
        }
        serve(app.call(Connection::Http(http)));
        assert_eq!(sent_head(&mut events).1, &"ab"[taken..]);
    }
}

#[test]
fn a_panic_is_an_error_of_that_request_and_the_thread_lives() {
    let pool = pool(1, 0);
    let app = app(&pool, |http: SyncHttp| {
        assert!(
            http.scope.method != http::Method::GET,
            "no {}",
            http.scope.method
        );
        http.responder.respond("hello")
    });
    for _ in 0..2 {
        let (connection, events) = get();
        let error = block_on(app.call(connection)).unwrap_err();
        assert_eq!(error.to_string(), "panicked: no GET");
        assert_eq!(error.status_code(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(events.aborted(), Some(Abort::Dropped));
    }
    let (connection, mut events) = get();
    let Connection::Http(mut http) = connection else {
        unreachable!()
    };
    http.scope.edit().method = http::Method::PUT;
    serve(app.call(Connection::Http(http)));
    assert_eq!(sent_head(&mut events).1, "hello");
    assert_eq!(pool.stats().threads, 1);
}

#[test]
fn an_answer_before_a_failure_is_still_sent() {
    let app = app(&pool(1, 0), |http: SyncHttp| {
        let _ = http.responder.respond("hello")?;
        Err(AppError::message("the log is full"))
    });
    let (connection, mut events) = get();
    let error = block_on(app.call(connection)).unwrap_err();
    assert_eq!(error.to_string(), "the log is full");
    assert_eq!(sent_head(&mut events).1, "hello");
    assert_eq!(events.aborted(), None);
}

#[test]
fn a_dropped_handle_is_reported_together_with_the_error() {
    let (gate, keeper) = gate();
    let app = app(&pool(1, 0), move |http: SyncHttp| {
        drop(http);
        gate.pass();
        Err(AppError::status(StatusCode::IM_A_TEAPOT))
    });
    let (connection, events) = get();
    let mut call = pin!(app.call(connection));
    assert!(turn(call.as_mut()).is_pending());
    keeper.wait_for_arrival();
    assert_eq!(events.aborted(), None);
    keeper.open();
    let error = block_on(call).unwrap_err();
    assert_eq!(error.status_code(), StatusCode::IM_A_TEAPOT);
    assert_eq!(events.aborted(), Some(Abort::Dropped));
}

/// Counts what the server is told of dropped handles.
struct CountAborts {
    inner: Arc<dyn HttpTransport>,
    count: Arc<AtomicUsize>,
}

impl HttpLayer for CountAborts {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn abort(&self, why: Abort) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.inner.abort(why);
    }
}

#[test]
fn the_server_hears_of_dropped_handles_once_and_after_a_good_answer_never() {
    let app = app(&pool(1, 0), |http: SyncHttp| match http.scope.body {
        BodyLength::Empty => http.responder.respond("hello"),
        BodyLength::Known(_) => http.responder.start(StatusCode::OK)?.finish(),
        BodyLength::Unknown => Err(AppError::message("no length")),
    });
    for (body, aborts) in [
        (BodyLength::Empty, 0),
        (BodyLength::Known(0), 0),
        (BodyLength::Unknown, 1),
    ] {
        let (connection, events) = request(body);
        let Connection::Http(http) = connection else {
            unreachable!()
        };
        events.deliver(last_part(""));
        let count = Arc::new(AtomicUsize::new(0));
        let http = http.map_transport(|inner| {
            let count = Arc::clone(&count);
            Arc::new(Layered(CountAborts { inner, count }))
        });
        let result = block_on(app.call(Connection::Http(http)));
        assert_eq!(result.is_err(), aborts == 1);
        assert_eq!(count.load(Ordering::Relaxed), aborts, "{body:?}");
    }
}

/// Gives `left` parts, then ends or panics; counts how often it was dropped.
struct Parts {
    left: usize,
    end: End,
    dropped: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
enum End {
    Quiet,
    Panic,
}

impl Iterator for Parts {
    type Item = &'static str;

    fn next(&mut self) -> Option<&'static str> {
        match (self.left, self.end) {
            (0, End::Quiet) => None,
            (0, End::Panic) => panic!("no more parts"),
            _ => {
                self.left -= 1;
                Some("part")
            }
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the call gave, and what was read before the peer stopped reading and left, if it did.
fn stream_parts(
    left: usize,
    end: End,
    leave_after: Option<usize>,
) -> (Option<AppError>, usize, Events) {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let app = app(&pool(1, 0), move |http: SyncHttp| {
        let dropped = Arc::clone(&count);
        http.responder.respond_with(
            ResponseHead::new(StatusCode::OK),
            Parts { left, end, dropped },
        )
    });
    let (connection, mut events) = get();
    let peer = async {
        let mut parts = 0;
        while let Some(event) = events.sent().await {
            // The first part comes with the head.
            if let HttpSend::Start { more: true, .. } | HttpSend::Body { more: true, .. } = event {
                parts += 1;
            }
            if Some(parts) == leave_after {
                events.disconnect(Gone::PeerReset);
                break;
            }
        }
        parts
    };
    let (result, parts) = block_on(both(app.call(connection), peer));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    (result.err(), parts, events)
}

#[test]
fn an_iterator_is_dropped_once_at_its_end() {
    let (error, parts, events) = stream_parts(3, End::Quiet, None);
    assert!(error.is_none());
    assert_eq!((parts, events.aborted()), (3, None));
}

#[test]
fn an_iterator_is_dropped_once_when_it_panics() {
    let (error, parts, events) = stream_parts(3, End::Panic, None);
    assert!(
        error
            .unwrap()
            .to_string()
            .ends_with("panicked: no more parts")
    );
    assert_eq!((parts, events.aborted()), (3, Some(Abort::Dropped)));
}

#[test]
fn an_iterator_is_dropped_once_when_the_client_leaves_midway() {
    let (error, parts, _) = stream_parts(usize::MAX, End::Quiet, Some(2));
    assert_eq!(error.unwrap().gone(), Some(Gone::PeerReset));
    assert_eq!(parts, 2);
}

#[test]
fn a_thread_is_released_when_the_future_is_dropped() {
    let (at_read, is_at_read) = mpsc::channel();
    let (failed, has_failed) = mpsc::channel();
    let app = app(&pool(1, 0), move |mut http: SyncHttp| {
        let mut all = vec![0; 64 << 10];
        http.body.read_exact(&mut all)?;
        at_read.send(())?;
        let error = AppError::from(http.body.read(&mut all).unwrap_err());
        failed.send(error.gone())?;
        Err(error)
    });
    let (connection, events) = post();
    events.deliver(part(vec![0; 64 << 10]));
    {
        let mut call = pin!(app.call(connection));
        assert!(turn(call.as_mut()).is_pending());
        is_at_read.recv().unwrap();
    }
    assert_eq!(has_failed.recv().unwrap(), Some(Gone::Aborted));
    assert_eq!(events.aborted(), Some(Abort::Dropped));
}
