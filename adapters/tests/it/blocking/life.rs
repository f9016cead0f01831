//! The application's own life: startup, shutdown, and ends of other kinds.

use std::io::ErrorKind;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use adapters::blocking::{CallErrorKind, Caller, CallerSettings};
use gateway_spec::{AppError, Application, Connection, State, application_fn};
use http::StatusCode;
use tokio::sync::Notify;

use super::{PATIENCE, told};

/// Tells of its life, and answers with its state.
fn living(report: Sender<&'static str>) -> impl Application {
    application_fn(move |connection: Connection| {
        let report = report.clone();
        async move {
            match connection {
                Connection::Lifespan(lifespan) => {
                    report.send("started")?;
                    let running = lifespan.started(State::new().with("made at startup"));
                    running.shutdown_requested().await;
                    report.send("stopped")?;
                    Ok(running.stopped())
                }
                Connection::Http(http) => {
                    let made = *http.scope.state.get::<&str>().unwrap_or(&"nothing");
                    http.responder.respond(made).await
                }
                other => other.refuse().await,
            }
        }
    })
}

#[test]
fn a_lifespan_runs_around_all_calls() {
    let (report, told) = told();
    let caller = Caller::new(living(report)).unwrap();
    assert_eq!(told.next(), "started");
    assert_eq!(caller.state().get(), Some(&"made at startup"));
    assert_eq!(
        caller.get("/").unwrap().body_mut().text(100).unwrap(),
        "made at startup"
    );
    caller.shutdown(PATIENCE).unwrap();
    assert_eq!(told.next(), "stopped");
    caller.shutdown(PATIENCE).unwrap();
    assert_eq!(caller.get("/").unwrap_err().kind(), CallErrorKind::Shutdown);
    drop(caller);
    assert!(told.is_over(), "the application is dropped");
}

#[test]
fn a_caller_that_is_dropped_shuts_down_once_its_responses_are_gone() {
    let (report, told) = told();
    let caller = Caller::new(living(report)).unwrap();
    assert_eq!(told.next(), "started");
    let response = caller.get("/").unwrap();
    drop(caller.clone());
    drop(caller);
    assert_eq!(response.into_body().text(100).unwrap(), "made at startup");
    assert_eq!(told.next(), "stopped");
    assert!(told.is_over());
}

#[test]
fn a_caller_that_is_dropped_by_a_runtime_does_not_block_it() {
    let (report, told) = told();
    let dropped = Arc::new(Notify::new());
    let wait = Arc::clone(&dropped);
    let app = lifespan(move |lifespan| {
        let (report, wait) = (report.clone(), Arc::clone(&wait));
        async move {
            let running = lifespan.started(State::new());
            running.shutdown_requested().await;
            wait.notified().await;
            report.send("stopped")?;
            Ok(running.stopped())
        }
    });
    let caller = Caller::new(app).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async move { drop(caller) });
    dropped.notify_one();
    assert_eq!(told.next(), "stopped");
    assert!(told.is_over());
}

/// An application whose lifespan is this.
fn lifespan<F>(
    life: impl Fn(gateway_spec::Lifespan) -> F + Send + Sync + 'static,
) -> impl Application
where
    F: Future<Output = Result<gateway_spec::Done, AppError>> + Send,
{
    let life = Arc::new(life);
    application_fn(move |connection: Connection| {
        let life = Arc::clone(&life);
        async move {
            match connection {
                Connection::Lifespan(lifespan) => life(lifespan).await,
                other => other.refuse().await,
            }
        }
    })
}

#[test]
fn a_failed_startup_is_the_error_of_the_start() {
    let fails = Caller::new(lifespan(async |_| Err(AppError::message("no database"))));
    assert_eq!(fails.unwrap_err().to_string(), "no database");
    let panics = Caller::new(lifespan(async |_| panic!("on purpose")));
    assert!(panics.unwrap_err().to_string().contains("panicked"));
}

#[test]
fn a_startup_that_is_late_has_failed_whether_it_waits_or_blocks() {
    let hasty = || CallerSettings::default().with_startup(Duration::from_millis(50));
    let waits = lifespan(async |lifespan| {
        let _kept = lifespan;
        std::future::pending().await
    });
    let error = Caller::with_settings(waits, hasty()).unwrap_err();
    assert!(error.to_string().contains("LIFE-8"), "{error}");

    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let blocks = lifespan(move |lifespan| {
        let _ = released.lock().unwrap().recv();
        async move { Ok(lifespan.refuse()) }
    });
    let error = Caller::with_settings(blocks, hasty()).unwrap_err();
    assert!(error.to_string().contains("blocks its thread"), "{error}");
    drop(release);
}

#[test]
fn open_calls_see_the_drain_and_may_finish() {
    let app = super::exchanges(async |http: gateway_spec::Http| {
        let drain = http.scope.drain();
        let writer = http.responder.start(StatusCode::OK).await?;
        let mut writer = writer;
        drain.await;
        writer.write("goodbye").await?;
        writer.finish().await
    });
    let caller = Caller::new(app).unwrap();
    let mut response = caller.get("/").unwrap();
    let reader = std::thread::spawn(move || response.body_mut().text(100));
    caller.shutdown(PATIENCE).unwrap();
    assert_eq!(reader.join().unwrap().unwrap(), "goodbye");
}

#[test]
fn what_goes_on_after_the_grace_is_dropped_and_its_client_told() {
    let (report, told) = told::<()>();
    let app = super::exchanges(move |http: gateway_spec::Http| {
        let report = report.clone();
        async move {
            let _dropped_with_the_call = report;
            if http.scope.path() == "/silent" {
                std::future::pending::<()>().await;
            }
            let _writer = http.responder.start(StatusCode::OK).await?;
            std::future::pending().await
        }
    });
    let caller = Caller::new(app).unwrap();
    let mut response = caller.get("/").unwrap();
    let silent = caller.clone();
    let silent = std::thread::spawn(move || silent.get("/silent").unwrap_err().kind());
    let began = Instant::now();
    caller.shutdown(Duration::from_millis(50)).unwrap();
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(silent.join().unwrap(), CallErrorKind::Shutdown);
    let error = response.body_mut().text(100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    drop((caller, response));
    assert!(told.is_over(), "the calls are dropped");
}

#[test]
fn a_shutdown_that_fails_says_why() {
    let app = lifespan(async |lifespan| {
        let running = lifespan.started(State::new());
        running.shutdown_requested().await;
        Err(AppError::message("the disk is full"))
    });
    let caller = Caller::new(app).unwrap();
    assert_eq!(
        caller.shutdown(PATIENCE).unwrap_err().to_string(),
        "the disk is full"
    );
    caller.shutdown(PATIENCE).unwrap();
}

/// An application whose lifespan fails when it is told to; its calls go on until they are dropped.
fn failing(end: &Arc<Notify>) -> impl Application {
    let end = Arc::clone(end);
    application_fn(move |connection: Connection| {
        let end = Arc::clone(&end);
        async move {
            match connection {
                Connection::Lifespan(lifespan) => {
                    let _running = lifespan.started(State::new());
                    end.notified().await;
                    Err(AppError::message("the database is gone"))
                }
                Connection::Http(http) => {
                    let _writer = http.responder.start(StatusCode::OK).await?;
                    std::future::pending().await
                }
                other => other.refuse().await,
            }
        }
    })
}

#[test]
fn a_lifespan_that_ends_early_ends_the_calls() {
    let end = Arc::new(Notify::new());
    let caller = Caller::new(failing(&end)).unwrap();
    let open = caller.get("/").unwrap();
    end.notify_one();
    super::until(|| caller.get("/").is_err());
    assert_eq!(caller.get("/").unwrap_err().kind(), CallErrorKind::Shutdown);
    // What is open has a server's grace period, unless somebody says otherwise.
    let error = caller.shutdown(Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "the database is gone");
    let error = open.into_body().text(100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
}

#[test]
fn an_application_that_blocks_its_thread_is_left_behind() {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let app = super::exchanges(move |http: gateway_spec::Http| {
        let released = Arc::clone(&released);
        async move {
            let writer = http.responder.start(StatusCode::OK).await?;
            tokio::task::yield_now().await;
            // What an application must not do (APP-7).
            let _ = released.lock().unwrap().recv();
            writer.finish().await
        }
    });
    let caller = Caller::new(app).unwrap();
    let response = caller.get("/").unwrap();
    let error = caller.shutdown(Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("blocks its thread"), "{error}");
    drop(release);
    drop(response);
}
