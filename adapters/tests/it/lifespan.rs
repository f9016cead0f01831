//! Startup, shutdown, and what becomes of the threads.

use std::cell::RefCell;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use adapters::{Pool, SyncAdapter};
use gateway_spec::{
    AppError, Application, Capabilities, Connection, Done, DrainSignal, Gone, Lifespan,
    LifespanScope, LifespanTransport, Signal, State, SyncApplication, SyncHttp,
};
use http::StatusCode;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::support::{
    app, block_on, gate, get, part, pool, post, sent_head, serve, settings, turn,
};

/// What an application said of its life.
#[derive(Debug)]
enum Said {
    Started(State),
    Refused,
    Stopped,
    Dropped,
}

struct Life {
    said: mpsc::Sender<Said>,
    shutdown: Signal<Instant>,
}

impl Life {
    fn say(&self, said: Said) {
        // Not every test listens.
        let _ = self.said.send(said);
    }
}

impl LifespanTransport for Life {
    fn started(&self, state: State) {
        self.say(Said::Started(state));
    }

    fn refuse(&self) {
        self.say(Said::Refused);
    }

    fn shutdown(&self) -> DrainSignal {
        self.shutdown.wait()
    }

    fn stopped(&self) {
        self.say(Said::Stopped);
    }

    fn abort(&self) {
        self.say(Said::Dropped);
    }
}

fn life() -> (Connection, mpsc::Receiver<Said>, Signal<Instant>) {
    let (said, says) = mpsc::channel();
    let shutdown = Signal::new();
    let transport = Life {
        said,
        shutdown: shutdown.clone(),
    };
    let scope = LifespanScope::new(Capabilities::new("test"));
    let lifespan = Lifespan::new(scope, Arc::new(transport));
    (Connection::Lifespan(lifespan), says, shutdown)
}

/// Late enough that a test which waits for it never ends.
fn tomorrow() -> Instant {
    Instant::now() + 2 * HALF
}

const HALF: Duration = Duration::from_secs(12 * 60 * 60);

/// Writes down in which order it is called, and on which threads.
struct Diary {
    lines: mpsc::Sender<String>,
    fail: Fail,
}

enum Fail {
    Never,
    Startup,
    Shutdown,
    Panic,
}

impl Diary {
    fn write(&self, line: &str) {
        let thread = thread::current();
        let name = thread.name().unwrap_or_default();
        self.lines.send(format!("{line} on {name}")).unwrap();
    }
}

impl SyncApplication for Diary {
    fn call(&self, mut http: SyncHttp) -> Result<Done, AppError> {
        self.write("call");
        let read = std::io::copy(&mut http.body, &mut std::io::sink());
        self.write("read");
        http.responder.respond(read?.to_string())
    }

    fn startup(&self) -> Result<State, AppError> {
        self.write("startup");
        match self.fail {
            Fail::Startup => Err(AppError::message("no database")),
            Fail::Panic => panic!("no database"),
            Fail::Never | Fail::Shutdown => Ok(State::new().with(7_u64)),
        }
    }

    fn shutdown(&self) -> Result<(), AppError> {
        self.write("shutdown");
        match self.fail {
            Fail::Shutdown => Err(AppError::message("the database does not answer")),
            Fail::Never | Fail::Startup | Fail::Panic => Ok(()),
        }
    }
}

fn diary(pool: &Pool, fail: Fail) -> (SyncAdapter<Diary>, mpsc::Receiver<String>) {
    let (lines, diary) = mpsc::channel();
    let app = SyncAdapter::new(Diary { lines, fail });
    (app.with_pool(pool.clone()), diary)
}

#[test]
fn an_error_or_a_panic_at_startup_is_a_failed_lifespan() {
    for (fail, text) in [
        (Fail::Startup, "no database"),
        (Fail::Panic, "panicked: no database"),
    ] {
        let (app, _diary) = diary(&pool(1, 0), fail);
        let (lifespan, says, _) = life();
        let error = block_on(app.call(lifespan)).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert!(matches!(says.recv(), Ok(Said::Dropped)));
    }
}

#[test]
fn an_error_at_shutdown_is_a_failed_shutdown() {
    let (app, _diary) = diary(&pool(1, 0), Fail::Shutdown);
    let (lifespan, says, shutdown) = life();
    shutdown.raise(tomorrow());
    let error = block_on(app.call(lifespan)).unwrap_err();
    assert_eq!(error.to_string(), "the database does not answer");
    assert!(matches!(says.recv(), Ok(Said::Started(_))));
    assert!(matches!(says.recv(), Ok(Said::Dropped)));
}

#[test]
fn shutdown_releases_a_thread_that_waits_for_its_client_first() {
    let pool = Pool::new("test", settings(1).with_queue(1).with_join_grace(HALF));
    let (app, diary) = diary(&pool, Fail::Never);
    let (lifespan, says, shutdown) = life();
    let mut lifespan = pin!(app.call(lifespan));
    assert!(turn(lifespan.as_mut()).is_pending());
    assert_eq!(diary.recv().unwrap(), "startup on test-lifespan");

    let (connection, events) = post();
    events.deliver(part(vec![0; 64 << 10]));
    let mut call = pin!(app.call(connection));
    assert!(turn(call.as_mut()).is_pending());
    assert_eq!(diary.recv().unwrap(), "call on test-0");
    let (connection, mut queued) = get();
    let mut in_queue = pin!(app.call(connection));
    assert!(turn(in_queue.as_mut()).is_pending());

    shutdown.raise(tomorrow());
    serve(lifespan);
    assert_eq!(diary.recv().unwrap(), "read on test-0");
    assert_eq!(diary.recv().unwrap(), "shutdown on test-lifespan");
    let Ok(Said::Started(state)) = says.recv() else {
        panic!("not started")
    };
    assert_eq!(state.get::<u64>(), Some(&7));
    assert!(matches!(says.recv(), Ok(Said::Stopped)));
    assert_eq!(block_on(call).unwrap_err().gone(), Some(Gone::Aborted));
    serve(in_queue);
    assert_eq!(
        sent_head(&mut queued).0.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(pool.stats().threads, 0);

    let (connection, mut late) = get();
    serve(app.call(connection));
    assert_eq!(
        sent_head(&mut late).0.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[test]
fn a_thread_that_stays_in_the_applications_code_is_left_after_a_deadline_and_reported() {
    let warnings = Warnings::record();
    let settings = settings(1).with_join_grace(Duration::from_millis(1));
    let pool = Pool::new("sleepy", settings);
    let (gate, keeper) = gate();
    let app = app(&pool, move |http: SyncHttp| {
        gate.pass();
        http.responder.respond("too late")
    });
    let (lifespan, says, shutdown) = life();
    let mut lifespan = pin!(app.call(lifespan));
    assert!(turn(lifespan.as_mut()).is_pending());
    let (connection, _events) = get();
    let mut call = pin!(app.call(connection));
    assert!(turn(call.as_mut()).is_pending());
    keeper.wait_for_arrival();

    shutdown.raise(tomorrow());
    serve(lifespan);
    assert!(matches!(says.recv(), Ok(Said::Started(_))));
    assert!(matches!(says.recv(), Ok(Said::Stopped)));
    assert_eq!(pool.stats().threads, 1);
    assert_eq!(
        warnings.try_iter().find(|text| text.contains("sleepy")),
        Some(
            "message=threads did not come back from the application's code pool=sleepy threads=1 "
                .to_owned()
        )
    );
    keeper.open();
    // Nobody is left to be told.
    assert_eq!(block_on(call).unwrap_err().gone(), Some(Gone::Aborted));
}

#[test]
fn a_shared_pool_stops_with_the_last_lifespan_and_opens_for_the_next() {
    let pool = pool(1, 0);
    let first = app(&pool, |http: SyncHttp| http.responder.respond("first"));
    let second = app(&pool, |http: SyncHttp| http.responder.respond("second"));
    let (of_first, _, shut_first) = life();
    let (of_second, _, shut_second) = life();
    let (mut of_first, mut of_second) = (pin!(first.call(of_first)), pin!(second.call(of_second)));
    assert!(turn(of_first.as_mut()).is_pending());
    assert!(turn(of_second.as_mut()).is_pending());
    let status = || {
        let (connection, mut events) = get();
        serve(second.call(connection));
        sent_head(&mut events).0.status
    };
    shut_first.raise(tomorrow());
    serve(of_first);
    assert_eq!(status(), StatusCode::OK);
    shut_second.raise(tomorrow());
    serve(of_second);
    assert_eq!(status(), StatusCode::SERVICE_UNAVAILABLE);

    let (again, _, _shut) = life();
    let mut again = pin!(second.call(again));
    assert!(turn(again.as_mut()).is_pending());
    assert_eq!(status(), StatusCode::OK);
}

#[test]
fn of_a_shared_pool_each_lifespan_ends_its_own_jobs_alone() {
    let pool = Pool::new("test", settings(2).with_queue(10).with_join_grace(HALF));
    let (gate, keeper) = gate();
    let other = app(&pool, move |http: SyncHttp| {
        gate.pass();
        http.responder.respond("the other's")
    });
    let (alive, _said, _end) = life();
    let mut alive = pin!(other.call(alive));
    assert!(turn(alive.as_mut()).is_pending());
    let (app, diary) = diary(&pool, Fail::Never);
    let (lifespan, _says, shutdown) = life();
    let mut lifespan = pin!(app.call(lifespan));
    assert!(turn(lifespan.as_mut()).is_pending());
    assert!(diary.recv().unwrap().starts_with("startup"));

    // One thread is the other's, one waits for a client of its own, and one more of its calls is queued.
    let (connection, mut others_events) = get();
    let mut others = pin!(other.call(connection));
    assert!(turn(others.as_mut()).is_pending());
    keeper.wait_for_arrival();
    let (connection, events) = post();
    events.deliver(part(vec![0; 64 << 10]));
    let mut reads = pin!(app.call(connection));
    assert!(turn(reads.as_mut()).is_pending());
    assert!(diary.recv().unwrap().starts_with("call"));
    let (connection, mut queued) = get();
    let mut in_queue = pin!(app.call(connection));
    assert!(turn(in_queue.as_mut()).is_pending());
    assert_eq!(pool.stats().queued, 1);

    shutdown.raise(tomorrow());
    serve(lifespan);
    assert!(diary.recv().unwrap().starts_with("read"));
    assert!(diary.recv().unwrap().starts_with("shutdown"));
    assert_eq!(block_on(reads).unwrap_err().gone(), Some(Gone::Aborted));
    serve(in_queue);
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(sent_head(&mut queued).0.status, unavailable);
    let (connection, mut late) = get();
    serve(app.call(connection));
    assert_eq!(sent_head(&mut late).0.status, unavailable);
    // And the other's has gone on.
    keeper.open();
    serve(others);
    assert_eq!(sent_head(&mut others_events).1, "the other's");
}

#[test]
fn threads_end_with_the_last_handle_of_the_pool() {
    let (ended, has_ended) = mpsc::channel();
    let app = app(&pool(1, 0), move |http: SyncHttp| {
        thread_local!(static LAST: RefCell<Option<Farewell>> = const { RefCell::new(None) });
        LAST.set(Some(Farewell(ended.clone())));
        http.responder.respond("hello")
    });
    let (connection, _events) = get();
    serve(app.call(connection));
    drop(app);
    has_ended.recv().unwrap();

    struct Farewell(mpsc::Sender<()>);

    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
}

/// Records warnings of all threads, as text.
struct Warnings(Mutex<mpsc::Sender<String>>);

impl Warnings {
    fn record() -> mpsc::Receiver<String> {
        let (texts, warnings) = mpsc::channel();
        let recorder = Self(Mutex::new(texts));
        tracing::subscriber::set_global_default(recorder).expect("only one test records");
        warnings
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        // The test that records may have ended.
        let _ = self.0.lock().unwrap().send(text.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}
