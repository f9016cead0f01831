//! The application under experiment: a route for each [`Work`](crate::Work).
//!
//! This is the file to read. Each handler is what one writes; which thread it gets, and when, is seen from around it
//! ([`observed`]).

mod observed;
mod stalls;

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Duration;
use std::{io, thread};

use adapters::cpu::CpuPool;
use adapters::{Pool, PoolSettings};
use app_router::{Request, Router};
use gateway_spec::{AppError, Application, SyncBody};
use rustix::process::{Signal, getpid, kill_process};

use crate::moment::worked;
use crate::record::{What, name_of_thread, recorded, row, say};
use crate::run::{MOST_MILLISECONDS, POOL_THREADS};

use observed::Observed;

/// The application under experiment. It says on standard output what becomes of its requests.
///
/// | route | what it does for so many milliseconds |
/// |---|---|
/// | `/blocking/{milliseconds}` | sleeps on its worker |
/// | `/awaiting/{milliseconds}` | awaits a timer |
/// | `/pooled/{milliseconds}` | sleeps on a thread of the pool |
/// | `/computing/{milliseconds}` | computes on its worker |
/// | `/computing-beside/{milliseconds}` | computes on a thread for computations |
/// | `/quick` | nothing: the bystander's |
///
/// # Examples
///
/// ```
/// # fn assert(_: impl gateway_spec::Application) {}
/// assert(lecture::subject());
/// ```
#[must_use]
pub fn subject() -> impl Application {
    let threads = NonZeroUsize::new(POOL_THREADS as usize).expect("some threads");
    let settings = PoolSettings::default().with_threads(threads);
    let pool = Pool::new("pool", settings.with_queue_deadline(QUEUE));
    let settings = PoolSettings::for_cores().with_queue_deadline(QUEUE);
    let cpus = CpuPool::new("cpu", settings);
    let routes = Router::new()
        .get("/blocking/{milliseconds}", blocking)
        .get("/awaiting/{milliseconds}", awaiting)
        .get("/pooled/{milliseconds}", pooled)
        .get("/computing/{milliseconds}", computing)
        .get("/computing-beside/{milliseconds}", move |request| {
            computing_beside(cpus.clone(), request)
        })
        .get("/quick", async || "quick\n")
        .get("/worker", async || name_of_thread())
        .get("/fence", fence)
        .pool(pool)
        .build()
        .expect("these routes do not conflict");
    Observed(routes)
}

/// How long requests may queue for a thread of a pool: longer than any run, however busy the machine is. (The default, ten
/// seconds, would answer some by 503.)
const QUEUE: Duration = Duration::from_secs(3600);

/// The common mistake: the worker's thread sleeps, and with it everybody whom it serves.
async fn blocking(request: Request) -> Result<&'static str, AppError> {
    thread::sleep(length(&request)?);
    Ok("blocked\n")
}

/// The same wait. The worker is told when to come back, and serves others meanwhile.
async fn awaiting(request: Request) -> Result<&'static str, AppError> {
    tokio::time::sleep(length(&request)?).await;
    Ok("awaited\n")
}

/// No `async`: the router calls it on a thread of the pool, which may sleep.
fn pooled(request: Request<SyncBody>) -> Result<&'static str, AppError> {
    let length = length(&request)?;
    recorded(row(&request.scope), || thread::sleep(length));
    Ok("slept\n")
}

/// It waits for nothing, so there is nothing to await: the worker is at work, and has no time for others.
async fn computing(request: Request) -> Result<String, AppError> {
    let result = compute(length(&request)?);
    Ok(format!("computed {result}\n"))
}

/// Another thread is at work; for the worker it is a wait. (Most programs need no pool of their own: `run_cpu` has the process's.)
async fn computing_beside(cpus: CpuPool, request: Request) -> Result<String, AppError> {
    let (length, row) = (length(&request)?, row(&request.scope));
    let work = move || recorded(row, || compute(length));
    let result = cpus.run(request.body.gone(), work).await?;
    Ok(format!("computed {result}\n"))
}

/// Says on standard output that this worker has said all.
async fn fence() -> &'static str {
    say(What::Fence);
    "fenced\n"
}

fn length<B>(request: &Request<B>) -> Result<Duration, AppError> {
    let milliseconds: u32 = request.params.get("milliseconds")?;
    Ok(Duration::from_millis(
        milliseconds.min(MOST_MILLISECONDS).into(),
    ))
}

/// Keeps a core at work for so long. It is the thread's own time that counts: four at once on two cores take twice as
/// long, as a computation does, and as nothing would that looks at a clock on the wall.
fn compute(length: Duration) -> u64 {
    let (begun, mut state) = (worked(), 1_u64);
    while worked().saturating_sub(begun) < length {
        for _ in 0..10_000 {
            // Marsaglia's xorshift: cheap, and the compiler cannot guess it.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        black_box(state);
    }
    state
}

/// Has the process say what its stall detector finds, and end with whoever holds the other end of its standard input: for the
/// `main` of a server under experiment, before it serves.
///
/// # Errors
///
/// If the process has set up logging already, or is refused a thread.
///
/// # Examples
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     lecture::attach().expect("nothing was logged before");
///     gateway::run(lecture::subject())
/// }
/// ```
pub fn attach() -> io::Result<()> {
    stalls::listen().map_err(io::Error::other)?;
    thread::Builder::new()
        .name(String::from("leash"))
        .spawn(|| {
            // Nothing is ever written there; it ends when the other process does, however that ends.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = kill_process(getpid(), Signal::TERM);
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computation_is_as_much_work_as_it_was_asked_for() {
        let begun = worked();
        compute(Duration::from_millis(20));
        assert!(worked() - begun >= Duration::from_millis(20));
    }
}
