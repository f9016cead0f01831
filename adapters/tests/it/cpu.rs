//! Computations beside asynchronous code.

use std::num::NonZeroUsize;
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use adapters::PoolSettings;
use adapters::blocking::Caller;
use adapters::cpu::{CpuError, CpuPool, RunCpu, run_cpu};
use gateway_spec::{AppError, Connection, Gone, Signal, application_fn};

use crate::support::{Gate, Keeper, block_on, gate, settings, turn};

/// For what must happen; a machine that is busy may take its time.
const PATIENCE: Duration = Duration::from_secs(30);

fn pool(threads: usize, queue: usize) -> CpuPool {
    CpuPool::new("cpu-test", settings(threads).with_queue(queue))
}

/// A pool of one thread, at work until the keeper opens.
fn busy(queue: usize) -> (CpuPool, RunCpu<()>, Keeper) {
    let pool = pool(1, queue);
    let (gate, keeper) = gate();
    let first = pool.run(None, move || gate.pass());
    keeper.wait_for_arrival();
    (pool, first, keeper)
}

/// Something whose end can be seen.
fn token() -> (Arc<()>, impl Fn() -> bool) {
    let token = Arc::new(());
    let seen = Arc::downgrade(&token);
    (token, move || seen.strong_count() == 0)
}

#[test]
fn a_computation_gives_its_value_from_a_thread_of_the_pool() {
    let pool = pool(1, 0);
    let name = pool.run(None, || thread::current().name().map(str::to_owned));
    assert_eq!(block_on(name).unwrap().as_deref(), Some("cpu-test-0"));
    let stats = pool.stats();
    assert_eq!((stats.threads, stats.completed, stats.waited), (1, 1, 0));
}

#[test]
fn there_are_as_many_threads_as_cores() {
    let cores = thread::available_parallelism().unwrap();
    let pool = CpuPool::global();
    assert_eq!((pool.name(), pool.settings().threads), ("cpu", cores));
    assert_eq!(block_on(run_cpu(None, || 6 * 7)), Ok(42));

    let pool = CpuPool::new("cores", PoolSettings::for_cores());
    let barrier = Arc::new(Barrier::new(cores.get()));
    let all: Vec<_> = (0..cores.get())
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            pool.run(None, move || barrier.wait().is_leader())
        })
        .collect();
    // They can meet only if all of them run at once.
    let leaders = all.into_iter().map(|run| block_on(run).unwrap());
    assert_eq!(leaders.filter(|leads| *leads).count(), 1);
}

#[test]
fn first_come_first_served() {
    let (pool, first, keeper) = busy(10);
    let order = Arc::new(Mutex::new(Vec::new()));
    let queued: Vec<_> = (0..10)
        .map(|n| {
            let order = Arc::clone(&order);
            pool.run(None, move || order.lock().unwrap().push(n))
        })
        .collect();
    let stats = pool.stats();
    assert_eq!((stats.running, stats.queued, stats.waited), (1, 10, 10));
    keeper.open();
    block_on(first).unwrap();
    queued.into_iter().for_each(|run| block_on(run).unwrap());
    assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.completed), (0, 11));
    assert!(stats.queue_wait >= stats.queue_wait_max && stats.queue_wait_max > Duration::ZERO);
}

#[test]
fn beyond_the_queue_it_is_busy_which_is_503_and_retry_after() {
    let (pool, _first, keeper) = busy(1);
    let queued = pool.run(None, || "queued");
    let (unrun, is_dropped) = token();
    let error = block_on(pool.run(None, move || drop(unrun))).unwrap_err();
    assert!(is_dropped());
    assert!(matches!(error, CpuError::Busy(_)), "{error:?}");
    let answer = AppError::from(error).response();
    assert_eq!(answer.head.status, 503);
    assert_eq!(answer.head.headers.get_str("retry-after"), Some("10"));
    assert_eq!(pool.stats().refused, 1);
    keeper.open();
    assert_eq!(block_on(queued), Ok("queued"));
}

#[test]
fn a_future_that_is_dropped_takes_its_work_back_from_the_queue() {
    let (pool, first, keeper) = busy(10);
    let (unrun, is_dropped) = token();
    drop(pool.run(None, move || panic!("{unrun:?} is run for nobody")));
    assert!(is_dropped(), "at once, and not when a thread comes to it");
    assert_eq!((pool.stats().queued, pool.stats().dropped), (0, 1));
    let last = pool.run(None, || ());
    keeper.open();
    block_on(first).unwrap();
    block_on(last).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.dropped, stats.completed), (1, 2));
}

#[test]
fn a_client_that_leaves_takes_its_work_back_from_the_queue() {
    let (pool, first, keeper) = busy(10);
    let gone = Signal::new();
    let (unrun, is_dropped) = token();
    let mut watched = pin!(pool.run(gone.wait(), move || drop(unrun)));
    assert!(turn(watched.as_mut()).is_pending());
    gone.raise(Gone::HalfClosed);
    assert!(turn(watched.as_mut()).is_pending(), "it still reads");
    assert!(!is_dropped());
    gone.raise(Gone::PeerReset);
    assert_eq!(block_on(watched), Err(CpuError::Gone(Gone::PeerReset)));
    assert!(is_dropped());

    // Also where the thread sees it first.
    let gone = Signal::new();
    let unwatched = pool.run(gone.wait(), || panic!("it is run for nobody"));
    gone.raise(Gone::StreamReset);
    keeper.open();
    block_on(first).unwrap();
    // The one thread comes to this after the two.
    block_on(pool.run(None, || ())).unwrap();
    assert_eq!(pool.stats().dropped, 2);
    let error = block_on(unwatched).unwrap_err();
    assert_eq!(AppError::from(error).gone(), Some(Gone::StreamReset));
}

#[test]
fn places_of_those_that_left_are_given_to_others() {
    let (pool, _first, keeper) = busy(2);
    for _ in 0..10 {
        drop(pool.run(None, || ()));
    }
    let queued = [pool.run(None, || ()), pool.run(None, || ())];
    assert!(matches!(
        block_on(pool.run(None, || ())),
        Err(CpuError::Busy(_))
    ));
    keeper.open();
    queued.into_iter().for_each(|run| block_on(run).unwrap());
}

/// Work that runs until it is cancelled, and says so.
fn until_cancelled(
    pool: &CpuPool,
    gone: &Signal<Gone>,
) -> (RunCpu<&'static str>, mpsc::Receiver<()>) {
    let (report, reported) = mpsc::channel();
    let run = pool.run_cancellable(gone.wait(), move |cancelled| {
        report.send(()).unwrap();
        while !cancelled.is_cancelled() {
            thread::yield_now();
        }
        report.send(()).unwrap();
        "cut short"
    });
    reported.recv_timeout(PATIENCE).unwrap();
    (run, reported)
}

#[test]
fn what_runs_is_told_that_nobody_waits_and_nothing_else_stops_it() {
    let pool = pool(1, 10);
    let (run, reported) = until_cancelled(&pool, &Signal::new());
    drop(run);
    reported.recv_timeout(PATIENCE).unwrap();

    let gone = Signal::new();
    let (mut run, reported) = until_cancelled(&pool, &gone);
    assert!(turn(Pin::new(&mut run)).is_pending());
    gone.raise(Gone::HalfClosed);
    assert!(turn(Pin::new(&mut run)).is_pending());
    gone.raise(Gone::PeerReset);
    // It is not interrupted: whoever still waits gets what it came to.
    assert_eq!(block_on(run), Ok("cut short"));
    reported.recv_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().completed, 2);
}

/// Panics when it is dropped.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("on purpose");
        }
    }
}

#[test]
fn a_panic_is_the_error_of_its_computation_alone() {
    let pool = pool(1, 10);
    let run = pool.run(None, || panic!("division by {}", 0));
    let error: Result<(), _> = block_on(run);
    assert_eq!(error, Err(CpuError::Panicked("division by 0".into())));
    assert_eq!(AppError::from(error.unwrap_err()).status_code(), 500);
    let odd: Result<(), _> = block_on(pool.run(None, || panic_any(Explosive)));
    assert_eq!(
        odd,
        Err(CpuError::Panicked("something that is no text".into()))
    );
    // Destructors: of a value that nobody waits for, and of work that is never run.
    let (gate, keeper) = gate();
    let run = pool.run(None, move || {
        gate.pass();
        Explosive
    });
    keeper.wait_for_arrival();
    let bomb = Explosive;
    drop(pool.run(None, move || drop(bomb)));
    drop(run);
    keeper.open();
    assert_eq!(block_on(pool.run(None, || 7)), Ok(7));
    assert_eq!(
        pool.stats().threads,
        1,
        "the thread lived through all of it"
    );

    let (full, _first, keeper) = busy(0);
    let bomb = Explosive;
    let refused = full.run(None, move || drop(bomb));
    assert!(matches!(block_on(refused), Err(CpuError::Busy(_))));
    keeper.open();
}

#[test]
fn a_pool_that_is_shut_down_refuses_what_is_queued_and_waits_for_what_runs() {
    let pool = pool(1, 10);
    let (run, _reported) = until_cancelled(&pool, &Signal::new());
    let queued = pool.run(None, || ());
    let left = block_on(pool.shutdown(Instant::now() + PATIENCE));
    assert_eq!((left, pool.stats().threads), (0, 0));
    assert!(matches!(block_on(queued), Err(CpuError::Stopped(_))));
    assert_eq!(block_on(run), Ok("cut short"));
    let error = block_on(pool.run(None, || ())).unwrap_err();
    assert!(matches!(error, CpuError::Stopped(_)));
    assert_eq!(AppError::from(error).status_code(), 503);
}

#[test]
fn a_computation_that_does_not_end_is_left_behind_and_counted() {
    let (pool, first, keeper) = busy(10);
    assert_eq!(block_on(pool.shutdown(Instant::now())), 1);
    keeper.open();
    block_on(first).unwrap();
}

#[test]
fn a_pool_whose_last_handle_is_dropped_stops() {
    let (pool, first, keeper) = busy(10);
    let queued = pool.run(None, || ());
    drop(pool.clone());
    let mut queued = pin!(queued);
    assert!(
        turn(queued.as_mut()).is_pending(),
        "there is another handle"
    );
    drop(pool);
    assert!(matches!(
        turn(queued),
        Poll::Ready(Err(CpuError::Stopped(_)))
    ));
    keeper.open();
    block_on(first).unwrap();
}

#[test]
fn a_computation_counts_in_the_drain() {
    let pool = pool(1, 10);
    let (gate, keeper) = gate();
    let gate: Arc<Gate> = Arc::new(gate);
    let app = application_fn(move |connection: Connection| {
        let (pool, gate) = (pool.clone(), Arc::clone(&gate));
        async move {
            let Connection::Http(http) = connection else {
                return connection.refuse().await;
            };
            let sum = pool.run(http.body.gone(), move || {
                gate.pass();
                7
            });
            let sum: i32 = sum.await?;
            http.responder.respond(sum.to_string()).await
        }
    });
    let caller = Caller::new(app).unwrap();
    let other = caller.clone();
    let call = thread::spawn(move || other.get("/").unwrap().body_mut().text(10).unwrap());
    keeper.wait_for_arrival();
    let (done, is_done) = mpsc::channel();
    let shutdown = thread::spawn(move || {
        caller.shutdown(PATIENCE).unwrap();
        done.send(()).unwrap();
    });
    assert!(is_done.recv_timeout(Duration::from_millis(20)).is_err());
    keeper.open();
    assert_eq!(call.join().unwrap(), "7");
    shutdown.join().unwrap();
}

#[test]
fn a_client_that_leaves_a_queued_computation_frees_it() {
    let (pool, first, keeper) = busy(10);
    let (report, reported) = mpsc::channel();
    let app = application_fn(move |connection: Connection| {
        let (pool, report) = (pool.clone(), report.clone());
        async move {
            let Connection::Http(http) = connection else {
                return connection.refuse().await;
            };
            let gone = http.body.gone();
            let _writer = http.responder.start(http::StatusCode::OK).await?;
            let sum = pool.run(gone, || panic!("it is run for nobody")).await;
            report.send(sum.clone())?;
            Err(AppError::from(sum.unwrap_err()))
        }
    });
    let caller = Caller::new(app).unwrap();
    drop(caller.get("/").unwrap());
    let sum: Result<(), _> = reported.recv_timeout(PATIENCE).unwrap();
    assert_eq!(sum, Err(CpuError::Gone(Gone::PeerReset)));
    keeper.open();
    block_on(first).unwrap();
}

#[test]
fn many_at_once_each_with_its_own_value() {
    let threads = NonZeroUsize::new(4).unwrap();
    let pool = CpuPool::new(
        "many",
        PoolSettings::for_cores()
            .with_threads(threads)
            .with_queue(1000),
    );
    thread::scope(|scope| {
        for caller in 0..8_u64 {
            let pool = &pool;
            scope.spawn(move || {
                for n in 0..200 {
                    let run = pool.run(None, move || (0..n).sum::<u64>() + caller);
                    if n % 5 == 0 {
                        drop(run);
                    } else {
                        assert_eq!(block_on(run), Ok(n * n.saturating_sub(1) / 2 + caller));
                    }
                }
            });
        }
    });
    let stats = pool.stats();
    assert_eq!(stats.refused, 0);
    assert!(stats.completed + stats.dropped <= 8 * 200);
    assert!(stats.completed >= 8 * 160);
}
