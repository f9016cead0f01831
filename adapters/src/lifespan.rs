//! The lifespans of several applications within one: started in order, stopped in reverse.

mod child;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use gateway_spec::{
    AppError, Application, Done, DrainSignal, Lifespan, LifespanScope, Running, State,
};

use child::Child;

/// How long those that have started may take to stop when another one failed. The host sets the deadline of an ordinary
/// shutdown; here nobody else does.
const STOP_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Runs the lifespans of applications within one lifespan, or on behalf of a host that has none of its own (LIFE-10).
///
/// What holds several applications runs all their lifespans, or their pools and caches are never made: a mount, a router,
/// a fallback. They are polled side by side in the caller's own future, which a host drives on its runtime (LIFE-1):
///
/// - [`start`](Self::start) calls one and waits for its state. One that refuses is served all the same, and has an empty
///   state. When one fails, those that have started are stopped, in reverse.
/// - [`run`](Self::run) waits for the shutdown and stops them in reverse. One that ends before ends them all (LIFE-4).
///   They are stopped before the exchanges that are still open, then: only returning tells the host, and nothing
///   drives them after it.
///
/// [`ChildStates`] keeps what they made apart, and [`run_all`](Self::run_all) does all of it. ASGI: what a sub-application's
/// `lifespan` scope would be; frameworks there commonly run the outermost one alone.
///
/// # Cancel safety
///
/// Dropped, it drops the calls where they stand: nothing is stopped in order. Hosts do that at the end of the grace
/// period.
///
/// # Examples
///
/// Two applications, the second of which must come up after the first:
///
/// ```
/// use adapters::{ChildStates, Lifespans};
/// use gateway_spec::{AppError, Application, Done, Lifespan, State};
///
/// async fn live(
///     lifespan: Lifespan,
///     first: &impl Application,
///     second: &impl Application,
/// ) -> Result<Done, AppError> {
///     let mut lives = Lifespans::new();
///     let states = ChildStates::from_iter([
///         lives.start(&lifespan.scope, first).await?,
///         lives.start(&lifespan.scope, second).await?,
///     ]);
///     lives.run(lifespan.started(State::new().with(states))).await
/// }
/// ```
#[derive(Default)]
pub struct Lifespans<'a> {
    /// Those that have started, in the order of their start.
    children: Vec<Child<'a>>,
}

enum Until {
    Shutdown(Instant),
    Ended(Result<(), AppError>),
}

impl<'a> Lifespans<'a> {
    /// Nothing is started yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            children: Vec::new(),
        }
    }

    /// Starts one more, after those that have started, and waits for what it made: its state, an empty one if it has no
    /// lifespan.
    ///
    /// # Errors
    ///
    /// If it fails to start, or one that had started ends meanwhile. Those that had started were stopped then, within ten
    /// seconds: return the error.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, the call that was to start is dropped with it.
    pub async fn start(
        &mut self,
        scope: &LifespanScope,
        app: &'a impl Application,
    ) -> Result<State, AppError> {
        let mut child = Child::call(scope, app);
        let started = poll_fn(|cx| {
            if let Poll::Ready(result) = self.poll_ended(cx) {
                let early = || AppError::message("a lifespan ended while others were starting");
                return Poll::Ready(Err(result.err().unwrap_or_else(early)));
            }
            child.poll_start(cx)
        })
        .await;
        match started {
            Ok(state) => {
                self.children.push(child);
                Ok(state)
            }
            Err(error) => {
                drop(child);
                self.stop_after_failure().await;
                Err(error)
            }
        }
    }

    /// Waits until one that has started ends by itself, on which the whole is to end (LIFE-4); for ever, if none does.
    ///
    /// # Errors
    ///
    /// What it failed with.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn ended(&mut self) -> Result<(), AppError> {
        poll_fn(|cx| self.poll_ended(cx)).await
    }

    /// Stops each before the one that was started before it. The first error is the result, and keeps no other from being
    /// stopped.
    ///
    /// The deadline is told to them and not enforced here.
    ///
    /// # Errors
    ///
    /// What one of them failed with; that it returned without having said that it stopped (LIFE-7).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, those that have not stopped may be stopped by another call.
    pub async fn stop(&mut self, deadline: Instant) -> Result<(), AppError> {
        let mut result = Ok(());
        while let Some(last) = self.children.last() {
            last.request_shutdown(deadline);
            let stopped = poll_fn(|cx| self.poll_last_stopped(cx)).await;
            self.children.pop();
            result = result.and(stopped);
        }
        result
    }

    /// Waits for the shutdown of the lifespan that they run within, or for the end of one of them, and stops them all.
    ///
    /// # Errors
    ///
    /// What one of them failed with, early or when it was to stop.
    pub async fn run(mut self, running: Running) -> Result<Done, AppError> {
        let mut shutdown = running.shutdown_requested();
        match self.until(&mut shutdown).await {
            Until::Shutdown(deadline) => {
                self.stop(deadline).await?;
                Ok(running.stopped())
            }
            Until::Ended(result) => {
                self.stop_after_failure().await;
                result.map(|()| running.stopped())
            }
        }
    }

    /// The whole of a lifespan that has nothing of its own: starts these in order, says so with their [`ChildStates`], and
    /// [runs](Self::run) them. Refuses if there are none.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start) and [`run`](Self::run).
    pub async fn run_all<A: Application>(
        lifespan: Lifespan,
        apps: impl IntoIterator<Item = &'a A>,
    ) -> Result<Done, AppError> {
        let (mut lives, mut states) = (Self::new(), Vec::new());
        for app in apps {
            states.push(lives.start(&lifespan.scope, app).await?);
        }
        if states.is_empty() {
            return Ok(lifespan.refuse());
        }
        let state = State::new().with(ChildStates(states));
        lives.run(lifespan.started(state)).await
    }

    async fn until(&mut self, shutdown: &mut DrainSignal) -> Until {
        poll_fn(|cx| {
            if let Poll::Ready(deadline) = Pin::new(&mut *shutdown).poll(cx) {
                return Poll::Ready(Until::Shutdown(deadline));
            }
            self.poll_ended(cx).map(Until::Ended)
        })
        .await
    }

    async fn stop_after_failure(&mut self) {
        let deadline = Instant::now() + STOP_AFTER_FAILURE;
        // The failure that led here is the one to report, whatever these say.
        let _ = tokio::time::timeout_at(deadline.into(), self.stop(deadline)).await;
    }

    fn poll_last_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        let Some((last, below)) = self.children.split_last_mut() else {
            return Poll::Ready(Ok(()));
        };
        // Those below go on with what they do in the meantime; their own ends count when it is their turn.
        below.iter_mut().for_each(|child| child.poll(cx));
        last.poll_stopped(cx)
    }

    /// Resolves when one that has started ends.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        self.children.iter_mut().for_each(|child| child.poll(cx));
        let ended = self.children.iter_mut().find_map(Child::take_end);
        ended.map_or(Poll::Pending, Poll::Ready)
    }
}

impl fmt::Debug for Lifespans<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifespans")
            .field("started", &self.children.len())
            .finish_non_exhaustive()
    }
}

/// What each of several applications made at startup: a value in the state of what holds them, so that each child is
/// shown its own state and no other (LIFE-10).
///
/// # Examples
///
/// ```
/// use adapters::ChildStates;
/// use gateway_spec::State;
///
/// let states = ChildStates::from_iter([State::new().with("of the first"), State::new()]);
/// let whole = State::new().with(states);
/// assert_eq!(ChildStates::of(&whole, 0).get::<&str>(), Some(&"of the first"));
/// assert!(ChildStates::of(&whole, 1).is_empty());
/// assert!(ChildStates::of(&State::new(), 0).is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChildStates(Vec<State>);

impl ChildStates {
    /// The state of one child, in the order of their start; empty if it made none, or no lifespan was run.
    #[must_use]
    pub fn of(whole: &State, index: usize) -> State {
        let states = whole.get::<Self>();
        states
            .and_then(|states| states.0.get(index))
            .cloned()
            .unwrap_or_default()
    }
}

impl FromIterator<State> for ChildStates {
    fn from_iter<I: IntoIterator<Item = State>>(states: I) -> Self {
        Self(states.into_iter().collect())
    }
}
