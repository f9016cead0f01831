//! The application's life, as its environment tells it to go.

use std::future::pending;

use gateway_spec::{AppError, Done, Lifespan, State};

/// The variable of the environment that says how the lifespan goes: `refuse`, `fail`, `panic`, `return`, `hang`,
/// `fail-late`, `fail-stop`, or nothing for one that goes well.
pub const LIFESPAN: &str = "PEER_LIFESPAN";

/// What `/state` shows.
pub(super) struct Greeting(pub(super) &'static str);

pub(super) async fn run(lifespan: Lifespan) -> Result<Done, AppError> {
    let plan = std::env::var(LIFESPAN).unwrap_or_default();
    eprintln!("peer: starting");
    match plan.as_str() {
        "refuse" => return Ok(lifespan.refuse()),
        "fail" => return Err(AppError::message("the peer's startup fails on purpose")),
        "panic" => panic!("the peer's startup panics on purpose"),
        "hang" => pending().await,
        _ => {}
    }
    let running = lifespan.started(State::new().with(Greeting("made at startup")));
    eprintln!("peer: started");
    match plan.as_str() {
        "fail-late" => {
            return Err(AppError::message("the peer's life fails on purpose"));
        }
        "return" => return Ok(running.stopped()),
        _ => {}
    }
    running.shutdown_requested().await;
    eprintln!("peer: asked to stop");
    if plan == "fail-stop" {
        return Err(AppError::message("the peer's shutdown fails on purpose"));
    }
    Ok(running.stopped())
}
