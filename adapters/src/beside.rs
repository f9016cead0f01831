//! A step that blocks, on a thread of its own beside any pool.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::task::Waker;
use std::thread;

use gateway_spec::AppError;
use hosting::{drop_confined, panicked};

use crate::completion::Completion;

/// Runs a step on a thread that no job can occupy. A panic is an error. The thread is called as the pool is, and `-lifespan`.
pub(crate) async fn beside<T: Send + 'static>(
    pool: &str,
    step: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, AppError> {
    let completion = Arc::new(Completion::new());
    let there = Arc::clone(&completion);
    let life = move || {
        let result = panic::catch_unwind(AssertUnwindSafe(step));
        let result = result.unwrap_or_else(|payload| Err(caught(payload)));
        there.complete(result).into_iter().for_each(Waker::wake);
    };
    let name = format!("{pool}-lifespan");
    thread::Builder::new().name(name).spawn(life)?;
    completion.wait().await
}

/// The error that a panic is. Its payload's destructor is the application's code too, and may panic as well.
pub(crate) fn caught(payload: Box<dyn Any + Send>) -> AppError {
    let error = panicked(&*payload);
    drop_confined(|| drop(payload));
    error
}
