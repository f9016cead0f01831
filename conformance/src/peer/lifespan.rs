//! The application's life, as its environment tells it to go.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gateway_spec::{AppError, Done, DrainSignal, Lifespan, LifespanTransport, State};
use tokio::time::sleep;

use super::synchronous::Mounts;

/// The variable of the environment that says how the lifespan goes: `refuse`, `fail`, `panic`, `return`, `hang`, `drop`,
/// `fail-late`, `drop-late`, `fail-stop`, `hang-stop`, `sync-fail`, or nothing for one that goes well.
pub const LIFESPAN: &str = "PEER_LIFESPAN";

/// How long it takes to stop, so that a server that does not wait is seen.
const STOPPING: Duration = Duration::from_millis(50);

/// What `/state` shows.
pub(super) struct Greeting(pub(super) &'static str);

pub(super) async fn run(lifespan: Lifespan, mounts: &Mounts) -> Result<Done, AppError> {
    let plan = std::env::var(LIFESPAN).unwrap_or_default();
    eprintln!("peer: starting");
    let lifespan = lifespan.map_transport(|inner| Arc::new(Watched(inner)));
    match plan.as_str() {
        "refuse" => return Ok(lifespan.refuse()),
        "fail" => return Err(AppError::message("the peer's startup fails on purpose")),
        "panic" => panic!("the peer's startup panics on purpose"),
        "hang" => pending().await,
        "drop" => {
            drop(lifespan);
            return Err(AppError::message("the peer has dropped its lifespan"));
        }
        _ => {}
    }
    // A mount's life goes on beside its parent's.
    let (child, life) = mounts.mount();
    let mut life = pin!(life);
    let mut started = pin!(child.started());
    let made = poll_fn(|cx| match started.as_mut().poll(cx) {
        Poll::Ready(made) => Poll::Ready(Ok(made)),
        Poll::Pending => match life.as_mut().poll(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(_)) => Poll::Ready(Err(AppError::message("the child has ended"))),
            Poll::Pending => match started.as_mut().poll(cx) {
                Poll::Ready(made) => Poll::Ready(Ok(made)),
                Poll::Pending => Poll::Pending,
            },
        },
    })
    .await?;
    let state = State::new().with(Greeting("made at startup")).with(made);
    let draining = lifespan.scope.drain();
    let running = lifespan.started(state);
    eprintln!("peer: started");
    match plan.as_str() {
        "fail-late" => {
            return Err(AppError::message("the peer's life fails on purpose"));
        }
        "drop-late" => {
            drop(running);
            return Err(AppError::message("the peer has dropped its running life"));
        }
        "return" => return Ok(running.stopped()),
        _ => {}
    }
    draining.await;
    eprintln!("peer: the lifespan is told of the drain");
    let deadline = running.shutdown_requested().await;
    eprintln!("peer: asked to stop");
    sleep(STOPPING).await;
    if plan == "fail-stop" {
        return Err(AppError::message("the peer's shutdown fails on purpose"));
    }
    if plan == "hang-stop" {
        pending::<()>().await;
    }
    child.shut_down(deadline);
    let _stopped = life.await?;
    eprintln!("peer: stopped");
    Ok(running.stopped())
}

/// Says when a lifespan was dropped.
struct Watched(Arc<dyn LifespanTransport>);

impl LifespanTransport for Watched {
    fn started(&self, state: State) {
        self.0.started(state);
    }

    fn refuse(&self) {
        self.0.refuse();
    }

    fn shutdown(&self) -> DrainSignal {
        self.0.shutdown()
    }

    fn stopped(&self) {
        self.0.stopped();
    }

    fn abort(&self) {
        eprintln!("peer: the lifespan was aborted");
        self.0.abort();
    }
}
