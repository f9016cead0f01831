//! From settings to the last closed connection: what a process does that serves an application.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gateway_spec::{Application, LifespanScope, Signal};
use hosting::lifespan;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::app::App;
use crate::clock::{Clock, Ticker};
use crate::listener::{self, Bound};
use crate::worker::Worker;
use crate::{Protocol, ServeError, Settings};

/// One address that a server listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listening {
    /// The address, with its real port.
    pub address: SocketAddr,
    /// The number of workers.
    pub workers: usize,
    /// The server's name.
    pub server: &'static str,
}

/// At the least, this long may the lifespan's shutdown take, however little is left of the grace period.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves an application until SIGINT or SIGTERM, or until its lifespan ends. Blocks the thread that calls it.
///
/// In order: bind, the lifespan's startup, `on_listening` for each address, serve; then drain, and the lifespan's
/// shutdown. A second signal cuts the shutdown short.
///
/// # Errors
///
/// See [`ServeError`]. When the grace period ends with work left, that work is dropped and logged: no error.
pub fn serve<P: Protocol>(
    protocol: P,
    app: impl Application,
    settings: Settings,
    on_listening: impl FnMut(Listening),
) -> Result<(), ServeError> {
    settings.check().map_err(ServeError::Settings)?;
    for concern in settings.concerns() {
        tracing::warn!("{concern}");
    }
    let mut bound = Vec::new();
    for &address in &settings.bind {
        bound.push(listener::bind(address, settings.workers.get())?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let result = runtime.block_on(host(
        Arc::new(protocol),
        Arc::new(app),
        Arc::new(settings),
        bound,
        on_listening,
    ));
    // Tasks of the application that block must not hold the process.
    runtime.shutdown_background();
    result
}

async fn host<P: Protocol>(
    protocol: Arc<P>,
    app: Arc<impl Application>,
    settings: Arc<Settings>,
    bound: Vec<Bound>,
    on_listening: impl FnMut(Listening),
) -> Result<(), ServeError> {
    let mut signals = Signals::new().map_err(ServeError::Runtime)?;
    let capabilities = protocol.capabilities();
    let shutdown = Signal::new();
    let scope = LifespanScope::new(capabilities).with_drain(shutdown.clone());
    let (mut running, state) = tokio::select! {
        started = lifespan::start(Arc::clone(&app), scope, settings.timeouts.startup) => {
            started.map_err(ServeError::Startup)?
        }
        // Nothing is served yet, so there is nothing to drain.
        () = signals.next() => return Ok(()),
    };
    let listening: Vec<SocketAddr> = bound.iter().map(|bound| bound.address).collect();
    let workers = settings.workers.get();

    let (ended, mut all_ended) = mpsc::channel::<io::Result<()>>(workers);
    let mut all = Vec::with_capacity(workers);
    for (number, listeners) in by_worker(bound, workers).into_iter().enumerate() {
        let (forced, clock) = (Signal::new(), Arc::new(Clock::new()));
        let worker = Arc::new(Worker::new(
            App::new(Arc::clone(&app), &settings, &forced, &clock),
            state.clone(),
            Arc::clone(&settings),
            capabilities,
            forced,
            clock,
        ));
        all.push(Arc::clone(&worker));
        let (protocol, shutdown, ended) = (Arc::clone(&protocol), shutdown.clone(), ended.clone());
        let run = move || {
            let result = worker.run(protocol, listeners, &shutdown);
            // The host waits for as many results as there are workers, so there is room.
            let _ = ended.try_send(result);
        };
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(run)
            .map_err(ServeError::Runtime)?;
    }
    drop(ended);
    let ticker = Ticker::start(move |ticks| all.iter().for_each(|worker| worker.tick(ticks)));
    let _ticker = ticker.map_err(ServeError::Runtime)?;
    let server = capabilities.server();
    listening
        .into_iter()
        .map(|address| Listening {
            address,
            workers,
            server,
        })
        .for_each(on_listening);

    let mut outcome = Ok(());
    tokio::select! {
        () = signals.next() => tracing::info!(grace = ?settings.grace, "shutting down"),
        error = running.ended_early() => {
            tracing::error!("the application's lifespan ended while it was served: shutting down");
            outcome = Err(ServeError::Lifespan(error));
        }
        Some(result) = all_ended.recv() => {
            outcome = result.map_err(ServeError::Runtime);
        }
    }
    let deadline = Instant::now() + settings.grace;
    shutdown.raise(deadline);
    let drained = async {
        while let Some(result) = all_ended.recv().await {
            if let Err(error) = result {
                tracing::error!(%error, "a worker failed");
            }
        }
    };
    tokio::select! {
        // A worker whose thread the application blocks is left behind.
        _ = tokio::time::timeout_at((deadline + LAST_WORDS / 4).into(), drained) => {}
        () = signals.next() => return Err(ServeError::Forced),
    }
    let last = deadline.max(Instant::now() + LAST_WORDS);
    tokio::select! {
        stopped = running.stop(last) => if let Err(error) = stopped {
            tracing::error!("the application's shutdown failed: {error}");
            outcome = outcome.and(Err(ServeError::Lifespan(Some(error))));
        },
        () = signals.next() => return Err(ServeError::Forced),
    }
    outcome
}

/// The listeners of each worker, one for each address.
fn by_worker(bound: Vec<Bound>, workers: usize) -> Vec<Vec<std::net::TcpListener>> {
    let mut by_worker: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
    for bound in bound {
        for (worker, listener) in by_worker.iter_mut().zip(bound.listeners) {
            worker.push(listener);
        }
    }
    by_worker
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
