//! The lifespan of an application inside of a server that has none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::tower::into_service;
use gateway_spec::{
    AppError, Application, Connection, Done, Lifespan, Running as Life, State, application_fn,
};
use tokio::sync::{Notify, Semaphore, mpsc};

use super::support::{ask, get, read, soon, turn};

/// An application that writes down what happens to it, and answers with its state.
fn app<F, Fut>(live: F) -> impl Application
where
    F: Fn(Lifespan) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    application_fn(move |connection| {
        let live = live.clone();
        async move {
            match connection {
                Connection::Lifespan(lifespan) => live(lifespan).await,
                Connection::Http(http) => {
                    let state = http.scope.state.get::<&str>().copied();
                    http.responder.respond(state.unwrap_or("no state")).await
                }
                other => other.refuse().await,
            }
        }
    })
}

fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[tokio::test]
async fn it_starts_before_and_stops_behind_all_calls() {
    let (says, mut said) = mpsc::unbounded_channel();
    let go = Arc::new(Semaphore::new(0));
    let may_go = Arc::clone(&go);
    let app = application_fn(move |connection| {
        let (says, may_go) = (says.clone(), Arc::clone(&may_go));
        async move {
            match connection {
                Connection::Lifespan(lifespan) => {
                    assert_eq!(lifespan.scope.capabilities.server(), "into_service");
                    says.send("started")?;
                    let running: Life = lifespan.started(State::new().with("made at startup"));
                    running.shutdown_requested().await;
                    says.send("stopped")?;
                    Ok(running.stopped())
                }
                Connection::Http(http) => {
                    let state = http.scope.state.get::<&str>().copied().unwrap_or("none");
                    let done = http.responder.respond(state).await?;
                    let deadline = http.scope.drain().await;
                    assert!(deadline > Instant::now());
                    says.send("draining")?;
                    may_go.acquire().await?.forget();
                    says.send("returned")?;
                    Ok(done)
                }
                other => other.refuse().await,
            }
        }
    });
    let (service, running) = into_service(app).start().await.unwrap();
    assert_eq!(said.try_recv(), Ok("started"));
    let response = ask(&service, get("/")).await;
    assert_eq!(read(response.into_body()).await.0, "made at startup");
    let mut shutdown = Box::pin(running.shutdown(in_a_minute()));
    assert!(turn(&mut shutdown).is_pending());
    assert_eq!(soon(said.recv()).await, Some("draining"));
    assert!(turn(&mut shutdown).is_pending());
    assert!(said.try_recv().is_err());
    go.add_permits(1);
    soon(shutdown).await.unwrap();
    assert_eq!(soon(said.recv()).await, Some("returned"));
    assert_eq!(soon(said.recv()).await, Some("stopped"));
}

#[tokio::test]
async fn who_has_none_is_served() {
    let app = app(async |lifespan: Lifespan| Ok(lifespan.refuse()));
    let (service, running) = into_service(app).start().await.unwrap();
    let response = ask(&service, get("/")).await;
    assert_eq!(read(response.into_body()).await.0, "no state");
    soon(running.shutdown(in_a_minute())).await.unwrap();
}

#[tokio::test]
async fn who_cannot_start_says_why() {
    let fails = app(async |_| Err(AppError::message("no database")));
    let error = into_service(fails).start().await.unwrap_err();
    assert_eq!(error.to_string(), "no database");
    let panics = app(async |_| panic!("on purpose"));
    assert!(into_service(panics).start().await.is_err());
    let forgets = app(async |lifespan: Lifespan| {
        drop(lifespan);
        Err(AppError::message("nothing was said before"))
    });
    assert!(into_service(forgets).start().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_come_up_in_time_has_failed() {
    let hangs = app(async |_lifespan| std::future::pending().await);
    let begin = tokio::time::Instant::now();
    assert!(into_service(hangs).start().await.is_err());
    assert_eq!(begin.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn who_ends_early_is_noticed() {
    let lost = Arc::new(Notify::new());
    let loses = Arc::clone(&lost);
    let app = app(move |lifespan: Lifespan| {
        let loses = Arc::clone(&loses);
        async move {
            let _running = lifespan.started(State::new());
            loses.notified().await;
            Err(AppError::message("the database is gone"))
        }
    });
    let (_service, mut running) = into_service(app).start().await.unwrap();
    lost.notify_one();
    let error = soon(running.ended_early()).await.unwrap();
    assert_eq!(error.to_string(), "the database is gone");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_by_its_deadline() {
    let app = application_fn(async |connection: Connection| match connection {
        Connection::Lifespan(lifespan) => {
            let running = lifespan.started(State::new());
            running.shutdown_requested().await;
            std::future::pending().await
        }
        other => {
            let done = other.refuse().await;
            std::future::pending::<()>().await;
            done
        }
    });
    let (service, running) = into_service(app).start().await.unwrap();
    drop(ask(&service, get("/")).await);
    let begin = tokio::time::Instant::now();
    let deadline = (begin + Duration::from_secs(10)).into_std();
    let error = running.shutdown(deadline).await.unwrap_err();
    assert!(error.to_string().contains("did not stop"), "{error}");
    let took = begin.elapsed();
    assert!(
        took >= Duration::from_secs(10) && took < Duration::from_secs(12),
        "{took:?}"
    );
}
