//! Runs the lifespans of a router's own function, of its pool and of what is mounted, within the router's.
//!
//! They are polled side by side in the router's own future, which the host drives on its runtime (LIFE-1).

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use gateway_spec::{
    AppError, Application, BoxApplication, Connection, Done, DrainSignal, Lifespan, LifespanScope,
    LifespanTransport, Signal, State, Wait,
};

use crate::handler::Calling;

/// What each mount made at startup, in the order of mounting: a value in the router's state.
pub(crate) struct MountStates(Vec<State>);

impl MountStates {
    /// The state of one mount; empty if it made none.
    pub(crate) fn of(router: &State, index: usize) -> State {
        let states = router.get::<Self>();
        states
            .and_then(|states| states.0.get(index))
            .cloned()
            .unwrap_or_default()
    }
}

/// How long those that have started may take to stop when another one failed. The host sets the deadline of an ordinary
/// shutdown; here nobody else does.
const STOP_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Starts all in order, waits for the shutdown, and stops them in reverse.
///
/// One that ends before the shutdown was requested ends them all, and so the router (LIFE-4). The others are stopped
/// before the exchanges that are still open, then: only returning tells the host, and nothing drives them after it.
pub(crate) async fn run<'a>(
    lifespan: Lifespan,
    own: Option<&'a BoxApplication>,
    pool: Option<&'a BoxApplication>,
    mounts: impl ExactSizeIterator<Item = &'a BoxApplication>,
) -> Result<Done, AppError> {
    if own.is_none() && pool.is_none() && mounts.len() == 0 {
        return Ok(lifespan.refuse());
    }
    let mut children = Children::default();
    let state = match children.start(&lifespan.scope, own, pool, mounts).await {
        Ok(state) => state,
        Err(error) => {
            children.stop_after_failure().await;
            return Err(error);
        }
    };
    let running = lifespan.started(state);
    let mut shutdown = running.shutdown_requested();
    match children.until(&mut shutdown).await {
        Until::Shutdown(deadline) => {
            children.stop(deadline).await?;
            Ok(running.stopped())
        }
        Until::Ended(result) => {
            children.stop_after_failure().await;
            result.map(|()| running.stopped())
        }
    }
}

/// Those that were called, in the order of their start.
#[derive(Default)]
struct Children<'a> {
    children: Vec<Child<'a>>,
}

enum Until {
    Shutdown(Instant),
    Ended(Result<(), AppError>),
}

impl<'a> Children<'a> {
    async fn start(
        &mut self,
        scope: &LifespanScope,
        own: Option<&'a BoxApplication>,
        pool: Option<&'a BoxApplication>,
        mounts: impl Iterator<Item = &'a BoxApplication>,
    ) -> Result<State, AppError> {
        let mut base = State::new();
        if let Some(own) = own {
            base = self.start_one(scope, own).await?;
        }
        if let Some(pool) = pool {
            // Its state is empty: the functions that block are no application of their own.
            self.start_one(scope, pool).await?;
        }
        let mut states = Vec::new();
        for app in mounts {
            states.push(self.start_one(scope, app).await?);
        }
        Ok(base.with(MountStates(states)))
    }

    async fn start_one(
        &mut self,
        scope: &LifespanScope,
        app: &'a BoxApplication,
    ) -> Result<State, AppError> {
        let mut child = Child::call(scope, app);
        let state = poll_fn(|cx| {
            if let Poll::Ready(result) = self.poll_ended(cx) {
                let early = || AppError::message("a lifespan ended while others were starting");
                return Poll::Ready(Err(result.err().unwrap_or_else(early)));
            }
            child.poll_start(cx)
        })
        .await?;
        self.children.push(child);
        Ok(state)
    }

    async fn until(&mut self, shutdown: &mut DrainSignal) -> Until {
        poll_fn(|cx| {
            if let Poll::Ready(deadline) = std::pin::Pin::new(&mut *shutdown).poll(cx) {
                return Poll::Ready(Until::Shutdown(deadline));
            }
            self.poll_ended(cx).map(Until::Ended)
        })
        .await
    }

    /// Stops each before the one that was started before it; the first error is the result, and stops no other one from
    /// being stopped.
    async fn stop(&mut self, deadline: Instant) -> Result<(), AppError> {
        let mut result = Ok(());
        while let Some(mut child) = self.children.pop() {
            child.life.shutdown.raise(deadline);
            let stopped = poll_fn(|cx| {
                // Those below go on with what they do in the meantime; their own ends count when it is their turn.
                self.children.iter_mut().for_each(|child| child.poll(cx));
                child.poll_stopped(cx)
            });
            result = result.and(stopped.await);
        }
        result
    }

    async fn stop_after_failure(&mut self) {
        let deadline = Instant::now() + STOP_AFTER_FAILURE;
        // The failure that led here is the one to report, whatever these say.
        let _ = tokio::time::timeout_at(deadline.into(), self.stop(deadline)).await;
    }

    /// Resolves when one that has started ends.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        self.children.iter_mut().for_each(|child| child.poll(cx));
        let ended = self.children.iter_mut().find_map(Child::take_end);
        ended.map_or(Poll::Pending, Poll::Ready)
    }
}

/// One lifespan: a call of an application, and the transport that it speaks through.
struct Child<'a> {
    call: Call<'a>,
    life: Arc<Life>,
    changed: Wait<()>,
}

enum Call<'a> {
    Running(Calling<'a>),
    Returned(Result<Done, AppError>),
    /// Its result was taken.
    Over,
}

impl<'a> Child<'a> {
    fn call(scope: &LifespanScope, app: &'a BoxApplication) -> Self {
        let life = Arc::new(Life::default());
        let lifespan = Lifespan::new(scope.clone(), Arc::clone(&life) as _);
        let call = Call::Running(Box::pin(app.call(Connection::Lifespan(lifespan))));
        let changed = life.changed.wait();
        Self {
            call,
            life,
            changed,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Call::Running(call) = &mut self.call
            && let Poll::Ready(result) = call.as_mut().poll(cx)
        {
            self.call = Call::Returned(result);
        }
        // The handle may be used by another task, which changes the phase without waking the call.
        while std::pin::Pin::new(&mut self.changed).poll(cx).is_ready() {}
    }

    /// Resolves with the state when the application has started, and with an empty one when it has no lifespan.
    fn poll_start(&mut self, cx: &mut Context<'_>) -> Poll<Result<State, AppError>> {
        self.poll(cx);
        if let Call::Returned(Err(_)) = self.call {
            return Poll::Ready(self.take_result().map(|()| State::new()));
        }
        let said = self.life.said();
        Poll::Ready(match (&said.state, said.end, &self.call) {
            (Some(state), _, _) => Ok(state.clone()),
            (None, Some(End::Refused), _) => Ok(State::new()),
            (None, None, Call::Running(_)) => return Poll::Pending,
            (None, _, _) => Err(AppError::message(
                "an application ended its lifespan before it had started",
            )),
        })
    }

    /// The result of one that has started, once it is over.
    fn take_end(&mut self) -> Option<Result<(), AppError>> {
        let end = self.life.said().end;
        match (end, &self.call) {
            // It has no life to end.
            (Some(End::Refused), _) | (_, Call::Over) => None,
            (_, Call::Returned(_)) => Some(self.take_result()),
            (Some(End::Dropped), Call::Running(_)) => Some(Err(dropped())),
            (_, Call::Running(_)) => None,
        }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        self.poll(cx);
        let end = self.life.said().end;
        Poll::Ready(match (end, &self.call) {
            (Some(End::Refused), _) | (_, Call::Over) => Ok(()),
            (_, Call::Running(_)) => return Poll::Pending,
            (Some(End::Stopped), Call::Returned(_)) => self.take_result(),
            (_, Call::Returned(_)) => self.take_result().and(Err(dropped())),
        })
    }

    fn take_result(&mut self) -> Result<(), AppError> {
        match std::mem::replace(&mut self.call, Call::Over) {
            Call::Returned(result) => result.map(drop),
            Call::Running(_) | Call::Over => Ok(()),
        }
    }
}

fn dropped() -> AppError {
    AppError::message("an application dropped its lifespan without having stopped")
}

/// The transport of one child.
#[derive(Default)]
struct Life {
    said: Mutex<Said>,
    changed: Signal<()>,
    shutdown: Signal<Instant>,
}

/// What the application has said of itself.
#[derive(Default)]
struct Said {
    /// Once it has started.
    state: Option<State>,
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    Refused,
    Stopped,
    Dropped,
}

impl Life {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End) {
        self.said().end = Some(end);
        self.changed.raise(());
    }
}

impl LifespanTransport for Life {
    fn started(&self, state: State) {
        self.said().state = Some(state);
        self.changed.raise(());
    }

    fn refuse(&self) {
        self.end(End::Refused);
    }

    fn shutdown(&self) -> DrainSignal {
        self.shutdown.wait()
    }

    fn stopped(&self) {
        self.end(End::Stopped);
    }

    fn abort(&self) {
        self.end(End::Dropped);
    }
}
