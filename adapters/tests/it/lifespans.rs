//! LIFE-3, LIFE-4, LIFE-7, LIFE-10: several lifespans run as one.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adapters::{ChildStates, Lifespans};
use gateway_spec::{
    AppError, Application, BoxApplication, Capabilities, Connection, LifespanScope, State,
    application_fn,
};
use test_client::TestClient;

type Log = Arc<Mutex<Vec<String>>>;

fn scope() -> LifespanScope {
    LifespanScope::new(Capabilities::new("test"))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

/// Lives until it is asked to stop, with its name as its state.
fn lives(name: &'static str, log: &Log) -> BoxApplication {
    let log = Arc::clone(log);
    BoxApplication::new(application_fn(move |connection: Connection| {
        let log = Arc::clone(&log);
        async move {
            let Connection::Lifespan(lifespan) = connection else {
                return connection.refuse().await;
            };
            log.lock().unwrap().push(format!("{name} starts"));
            let running = lifespan.started(State::new().with(name));
            running.shutdown_requested().await;
            log.lock().unwrap().push(format!("{name} stops"));
            Ok(running.stopped())
        }
    }))
}

fn refuses() -> BoxApplication {
    BoxApplication::new(application_fn(Connection::refuse))
}

fn fails() -> BoxApplication {
    BoxApplication::new(application_fn(async |_: Connection| {
        Err(AppError::message("no database"))
    }))
}

/// Never stops.
fn hangs() -> BoxApplication {
    BoxApplication::new(application_fn(async |connection: Connection| {
        let Connection::Lifespan(lifespan) = connection else {
            return connection.refuse().await;
        };
        let _running = lifespan.started(State::new());
        pending().await
    }))
}

/// Holds these, and shows the states that they were given.
fn holder(apps: Vec<BoxApplication>) -> impl Application {
    let apps: Arc<[BoxApplication]> = apps.into();
    application_fn(move |connection: Connection| {
        let apps = Arc::clone(&apps);
        async move {
            match connection {
                Connection::Lifespan(lifespan) => Lifespans::run_all(lifespan, &*apps).await,
                Connection::Http(http) => {
                    let names: Vec<_> = (0..apps.len())
                        .map(|index| ChildStates::of(&http.scope.state, index))
                        .map(|state| state.get::<&str>().copied().unwrap_or("-"))
                        .collect();
                    http.responder.respond(names.join(" ")).await
                }
                other => other.refuse().await,
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn they_start_in_order_stop_in_reverse_and_their_states_are_kept_apart() {
    let log = Log::default();
    let app = holder(vec![lives("a", &log), refuses(), lives("b", &log)]);
    let client = TestClient::start(app).await.unwrap();
    assert_eq!(client.get("/").send().await.unwrap().text(), "a - b");
    client.shutdown().await.unwrap();
    let expected = ["a starts", "b starts", "b stops", "a stops"];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_run_is_no_lifespan() {
    let client = TestClient::start(holder(Vec::new())).await.unwrap();
    assert!(!client.has_lifespan());
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_to_start_stops_those_before_it() {
    let (log, scope) = (Log::default(), scope());
    let (a, b) = (lives("a", &log), fails());
    let mut all = Lifespans::new();
    all.start(&scope, &a).await.unwrap();
    let error = all.start(&scope, &b).await.unwrap_err();
    assert_eq!(error.to_string(), "no database");
    assert_eq!(*log.lock().unwrap(), ["a starts", "a stops"]);
    // Nothing is left to stop.
    all.stop(soon()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_stop_after_another_s_failure_is_given_ten_seconds() {
    let scope = scope();
    let (a, b) = (hangs(), fails());
    let mut all = Lifespans::new();
    all.start(&scope, &a).await.unwrap();
    let began = tokio::time::Instant::now();
    assert!(all.start(&scope, &b).await.is_err());
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_one_is_told_while_the_others_go_on() {
    let (log, scope) = (Log::default(), scope());
    let a = lives("a", &log);
    let b = application_fn(async |connection: Connection| {
        let Connection::Lifespan(lifespan) = connection else {
            return connection.refuse().await;
        };
        let running = lifespan.started(State::new());
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(running);
        Err(AppError::message("it broke"))
    });
    let mut all = Lifespans::new();
    all.start(&scope, &a).await.unwrap();
    all.start(&scope, &b).await.unwrap();
    let error = all.ended().await.unwrap_err();
    assert_eq!(error.to_string(), "it broke");
    assert_eq!(*log.lock().unwrap(), ["a starts"]);
    all.stop(soon()).await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["a starts", "a stops"]);
}

/// Starts, and panics later.
fn panics(after: Duration) -> BoxApplication {
    BoxApplication::new(application_fn(move |connection: Connection| async move {
        let Connection::Lifespan(lifespan) = connection else {
            return connection.refuse().await;
        };
        let _running = lifespan.started(State::new());
        tokio::time::sleep(after).await;
        panic!("on purpose");
    }))
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_one_stops_the_others() {
    let log = Log::default();
    let app = holder(vec![
        lives("a", &log),
        panics(Duration::from_secs(1)),
        lives("b", &log),
    ]);
    let Err(error) = TestClient::start(app).await.unwrap().shutdown().await else {
        panic!("it ends in order");
    };
    assert!(error.to_string().contains("on purpose"), "{error}");
    let expected = ["a starts", "b starts", "b stops", "a stops"];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_panic_at_the_start_or_in_the_call_itself_is_a_failed_start() {
    let (log, scope) = (Log::default(), scope());
    let a = lives("a", &log);
    let at_once = application_fn(|connection: Connection| {
        if true {
            panic!("before the first poll");
        }
        connection.refuse()
    });
    let mut all = Lifespans::new();
    all.start(&scope, &a).await.unwrap();
    let error = all.start(&scope, &at_once).await.unwrap_err();
    assert_eq!(error.to_string(), "panicked: before the first poll");
    assert_eq!(*log.lock().unwrap(), ["a starts", "a stops"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_given_up_can_be_called_again() {
    let (log, scope) = (Log::default(), scope());
    let a = lives("a", &log);
    let slow = application_fn(async |connection: Connection| {
        let Connection::Lifespan(lifespan) = connection else {
            return connection.refuse().await;
        };
        let running = lifespan.started(State::new());
        running.shutdown_requested().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        Err(AppError::message("stopped late"))
    });
    let mut all = Lifespans::new();
    all.start(&scope, &a).await.unwrap();
    all.start(&scope, &slow).await.unwrap();
    let second = Duration::from_secs(1);
    let given_up = tokio::time::timeout(second, all.stop(soon())).await;
    assert!(given_up.is_err());
    assert_eq!(*log.lock().unwrap(), ["a starts"]);
    let error = all.stop(soon()).await.unwrap_err();
    assert_eq!(error.to_string(), "stopped late");
    assert_eq!(*log.lock().unwrap(), ["a starts", "a stops"]);
}

#[tokio::test(start_paused = true)]
async fn those_that_started_before_work_on_while_one_stops() {
    let (ask, asked) = tokio::sync::mpsc::channel::<tokio::sync::oneshot::Sender<()>>(1);
    let asked = Mutex::new(Some(asked));
    let below = application_fn(move |connection: Connection| {
        let asked = asked.lock().unwrap().take();
        async move {
            let (Connection::Lifespan(lifespan), Some(mut asked)) = (connection, asked) else {
                panic!("a lifespan, once");
            };
            let running = lifespan.started(State::new());
            let mut shutdown = running.shutdown_requested();
            loop {
                tokio::select! {
                    _ = &mut shutdown => return Ok(running.stopped()),
                    Some(answer) = asked.recv() => answer.send(()).unwrap(),
                }
            }
        }
    });
    let above = application_fn(move |connection: Connection| {
        let ask = ask.clone();
        async move {
            let Connection::Lifespan(lifespan) = connection else {
                return connection.refuse().await;
            };
            let running = lifespan.started(State::new());
            running.shutdown_requested().await;
            // Such as a last write to what the other one holds.
            let (answer, answered) = tokio::sync::oneshot::channel();
            ask.send(answer).await?;
            answered.await?;
            Ok(running.stopped())
        }
    });
    let scope = scope();
    let mut all = Lifespans::new();
    all.start(&scope, &below).await.unwrap();
    all.start(&scope, &above).await.unwrap();
    let minute = Duration::from_secs(60);
    let stopped = tokio::time::timeout(minute, all.stop(soon())).await;
    stopped
        .expect("it waits for one that is not polled")
        .unwrap();
}

#[tokio::test]
async fn a_life_that_is_led_in_another_task_counts() {
    let app = application_fn(async |connection: Connection| {
        let Connection::Lifespan(lifespan) = connection else {
            return connection.refuse().await;
        };
        let life = tokio::spawn(async move {
            tokio::task::yield_now().await;
            let running = lifespan.started(State::new().with("elsewhere"));
            running.shutdown_requested().await;
            running.stopped()
        });
        Ok(life.await?)
    });
    let scope = scope();
    let mut all = Lifespans::new();
    let state = all.start(&scope, &app).await.unwrap();
    assert_eq!(state.get::<&str>(), Some(&"elsewhere"));
    all.stop(soon()).await.unwrap();
}
