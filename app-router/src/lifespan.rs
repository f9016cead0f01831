//! Runs the lifespans of a router's own function, of its pool and of what is mounted, within the router's.

use adapters::{ChildStates, Lifespans};
use gateway_spec::{AppError, BoxApplication, Done, Lifespan, State};

/// Starts all in order, waits for the shutdown, and stops them in reverse.
pub(crate) async fn run<'a>(
    lifespan: Lifespan,
    own: Option<&'a BoxApplication>,
    pool: Option<&'a BoxApplication>,
    mounts: impl ExactSizeIterator<Item = &'a BoxApplication>,
) -> Result<Done, AppError> {
    if own.is_none() && pool.is_none() && mounts.len() == 0 {
        return Ok(lifespan.refuse());
    }
    let mut lives = Lifespans::new();
    let mut base = State::new();
    if let Some(own) = own {
        base = lives.start(&lifespan.scope, own).await?;
    }
    if let Some(pool) = pool {
        // Its state is empty: the functions that block are no application of their own.
        lives.start(&lifespan.scope, pool).await?;
    }
    let mut states = Vec::with_capacity(mounts.len());
    for app in mounts {
        states.push(lives.start(&lifespan.scope, app).await?);
    }
    let state = base.with(ChildStates::from_iter(states));
    lives.run(lifespan.started(state)).await
}
