//! Asynchronous applications from threads: what both ways to call them share.

mod body;
mod caller;
mod into_sync;
mod life;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use adapters::blocking::Caller;
use gateway_spec::{AppError, Connection, Done, Http, application_fn};

/// For what must happen; a machine that is busy may take its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A caller of a function of an exchange, without a lifespan.
pub(super) fn caller<F>(app: impl Fn(Http) -> F + Send + Sync + 'static) -> Caller
where
    F: Future<Output = Result<Done, AppError>> + Send,
{
    Caller::new(exchanges(app)).unwrap()
}

/// An application of exchanges alone.
pub(super) fn exchanges<F>(
    app: impl Fn(Http) -> F + Send + Sync + 'static,
) -> impl gateway_spec::Application
where
    F: Future<Output = Result<Done, AppError>> + Send,
{
    let app = std::sync::Arc::new(app);
    application_fn(move |connection: Connection| {
        let app = std::sync::Arc::clone(&app);
        async move {
            match connection {
                Connection::Http(http) => app(http).await,
                other => other.refuse().await,
            }
        }
    })
}

/// What a thread is told by an application, in order.
pub(super) struct Told<T>(Receiver<T>);

pub(super) fn told<T>() -> (Sender<T>, Told<T>) {
    let (sender, receiver) = channel();
    (sender, Told(receiver))
}

impl<T> Told<T> {
    #[track_caller]
    pub(super) fn next(&self) -> T {
        self.0.recv_timeout(PATIENCE).expect("it is told in time")
    }

    /// Whether nothing more will ever be told.
    #[track_caller]
    pub(super) fn is_over(&self) -> bool {
        match self.0.recv_timeout(PATIENCE) {
            Ok(_) => false,
            Err(RecvTimeoutError::Disconnected) => true,
            Err(RecvTimeoutError::Timeout) => panic!("nobody lets go of it"),
        }
    }
}

/// Waits until something is so that nobody tells of.
#[track_caller]
pub(super) fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it does not come to that");
        std::thread::yield_now();
    }
}
