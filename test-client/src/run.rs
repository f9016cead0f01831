//! A test that blocks.

use std::future::Future;

/// Runs a test to its end on a runtime of its own, whose clock is paused: time passes only while every task waits, and takes none.
///
/// For tests that are no `#[tokio::test(start_paused = true)]`: plain `#[test]` functions, examples, other test harnesses. A thread
/// that is not of this runtime, such as one of a pool of the application's own, does not count as a task: while the test waits
/// for it, the clock may run ahead.
///
/// # Panics
///
/// Within another tokio runtime, as all that blocks.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gateway_spec::{Connection, application_fn};
/// use test_client::TestClient;
///
/// let app = application_fn(async |connection: Connection| {
///     tokio::time::sleep(Duration::from_secs(3600)).await;
///     connection.refuse().await
/// });
/// let reply = test_client::run(TestClient::new(app).get("/").send()).unwrap();
/// assert_eq!(reply.status, 404);
/// ```
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread can be made");
    runtime.block_on(test)
}
