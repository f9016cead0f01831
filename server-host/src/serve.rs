//! From settings to the last closed connection: what a process does that serves an application.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_spec::{Address, Application, LifespanScope, Signal};
use hosting::lifespan::{self, Running};
use hosting::printable;

use crate::accept::Queued;
use crate::access_log;
use crate::crew::{Crew, Leaving};
use crate::descriptors;
use crate::lines::OpenLines;
use crate::listen::{self, Bound};
use crate::notify;
use crate::operation::Operation;
use crate::pulse;
use crate::restart::{Predecessor, Purpose, Restart};
use crate::signals::{Ends, Reloads, Signals};
use crate::tls::Identity;
use crate::{Bind, Protocol, Security, ServeError, Settings, TlsError};

/// One place that a server listens at. Its text is its URL: `http://127.0.0.1:8000`, `unix:/run/app.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listening {
    /// The address, with its real port.
    pub address: Address,
    /// Whether TLS is spoken there.
    pub is_tls: bool,
    /// The number of workers.
    pub workers: usize,
    /// The server's name.
    pub server: &'static str,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(address) if self.is_tls => write!(f, "https://{address}"),
            Address::Tcp(address) => write!(f, "http://{address}"),
            unix if self.is_tls => write!(f, "https+{unix}"),
            other => other.fmt(f),
        }
    }
}

/// At the least, this long may the lifespan's shutdown take, however little is left of the grace period.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves an application until SIGINT or SIGTERM, or until its lifespan ends. Blocks the thread that calls it.
///
/// In order: open the access log, bind, the lifespan's startup, `on_listening` for each address, serve; then drain, and the lifespan's
/// shutdown. A second signal cuts the shutdown short. SIGHUP reads certificates again. Signals that come before it serves are
/// remembered.
///
/// SIGUSR2 restarts without a refused connection or a request that is cut: the same program is started once more and gets the
/// listeners; when it serves, this process accepts no more, answers all that it was asked, tells clients with the next answer
/// to connect anew, and ends. If the new process fails, this one carries on, and logs why. The first process of a container,
/// with which all others of it would end, does not restart: it logs that, and where it would be recycled it drains and ends, for
/// a new container. Systemd is told (`NOTIFY_SOCKET`) when the server is ready, restarts and stops, and that all workers live
/// (`WATCHDOG_USEC`).
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let entered = runtime.enter();
    // Before all that takes time: until then they end the process.
    let signals = Signals::new(&settings).map_err(ServeError::Runtime)?;
    drop(entered);
    settings.check().map_err(ServeError::Settings)?;
    for concern in settings.concerns() {
        tracing::warn!("{concern}");
    }
    descriptors::raise_limit();
    let identity = identity(&settings)?;
    let access_log = access_log::open(&settings.access_log)?;
    let mut predecessor = Predecessor::meet().map_err(ServeError::Runtime)?;
    let bound = listen::bind(
        &settings,
        identity.as_ref(),
        predecessor.as_mut(),
        Purpose::Application,
    )?;
    let prepared = Prepared {
        settings: Arc::new(settings),
        signals,
        identity,
        access_log,
        predecessor,
        bound,
    };
    let (protocol, app) = (Arc::new(protocol), Arc::new(app));
    let result = runtime.block_on(host(protocol, app, prepared, on_listening));
    // Tasks of the application that block must not hold the process.
    runtime.shutdown_background();
    result
}

/// Whether one can serve by these settings, as far as can be known before anything is bound: they are right together,
/// certificates and keys can be read and fit, and the access log can be written. Nothing is changed: a file of the log that
/// is not there is not made, and a pipe is not opened, so whether somebody reads it is seen at the start.
///
/// # Errors
///
/// [`ServeError::Settings`], [`ServeError::Tls`] or [`ServeError::AccessLog`].
pub fn check(settings: &Settings) -> Result<(), ServeError> {
    settings.check().map_err(ServeError::Settings)?;
    identity(settings)?;
    access_log::check(&settings.access_log)
}

/// What TLS is spoken with, if it is: read before anything is bound.
fn identity(settings: &Settings) -> Result<Option<Arc<Identity>>, ServeError> {
    if !settings.tls.is_on() {
        return Ok(None);
    }
    let is_shown = |bind: &Bind| bind.security != Security::ClearText;
    if !settings.bind.iter().any(is_shown) {
        return Err(ServeError::Tls(TlsError::nobody_to_show()));
    }
    let identity = Identity::load(&settings.tls).map_err(ServeError::Tls)?;
    Ok(Some(Arc::new(identity)))
}

/// What is said of the places that are listened at.
fn listening(bound: &[Bound], settings: &Settings, server: &'static str) -> Vec<Listening> {
    let of_one = |bound: &Bound| Listening {
        address: bound.entrance.address.clone(),
        is_tls: bound.entrance.passage.identity.is_some(),
        workers: settings.workers.get(),
        server,
    };
    bound.iter().map(of_one).collect()
}

/// What is there before the application starts.
struct Prepared {
    settings: Arc<Settings>,
    signals: Signals,
    identity: Option<Arc<Identity>>,
    predecessor: Option<Predecessor>,
    access_log: Option<OpenLines>,
    bound: Vec<Bound>,
}

async fn host<P: Protocol>(
    protocol: Arc<P>,
    app: Arc<impl Application>,
    prepared: Prepared,
    on_listening: impl FnMut(Listening),
) -> Result<(), ServeError> {
    let Prepared {
        settings,
        signals,
        identity,
        access_log,
        mut predecessor,
        bound,
    } = prepared;
    let Signals {
        ends: mut signals,
        restarts,
        reloads,
        reopens,
    } = signals;
    let notify = Arc::new(notify::Notify::by_environment());
    let mut restart = Restart::new(&settings, restarts);
    let capabilities = protocol.capabilities();
    let mut operation = Operation::new(&settings, capabilities, access_log, reopens);
    let mut metrics = operation.bind_metrics(predecessor.as_mut())?;
    for bound in [bound.as_slice(), metrics.as_slice()] {
        restart.keep(bound).map_err(ServeError::Runtime)?;
    }
    // One that is to take over is asked nothing before it is ready: who asks is told of the process that serves.
    if let Some(bound) = metrics.take_if(|_| predecessor.is_none()) {
        let served = operation.serve_metrics(&protocol, bound);
        served.map_err(ServeError::Runtime)?;
    }
    let shutdown = Signal::new();
    let scope = LifespanScope::new(capabilities).with_drain(shutdown.clone());
    let (running, state) = tokio::select! {
        started = lifespan::start(Arc::clone(&app), scope, settings.timeouts.startup) => {
            started.map_err(ServeError::Startup)?
        }
        // Nothing is served yet, so there is nothing to drain.
        () = signals.next() => return Ok(()),
    };
    let listening = listening(&bound, &settings, capabilities.server());
    let crew = Crew::start(&protocol, &app, &state, &settings, bound, &operation);
    let crew = crew.map_err(ServeError::Runtime)?;
    let ticker = operation.look_after(crew.workers.clone(), Arc::clone(&crew.faults));
    let _ticker = ticker.map_err(ServeError::Runtime)?;
    if let Some(bound) = metrics {
        let served = operation.serve_metrics(&protocol, bound);
        served.map_err(ServeError::Runtime)?;
    }
    // From here on nothing fails: a process that took clients and could not keep them would be no one to restart to.
    crew.open();
    if let Some(interval) = notify.interval() {
        let pulses = crew.workers.iter().map(|worker| worker.pulse()).collect();
        let notify = Arc::clone(&notify);
        tokio::spawn(pulse::watch(pulses, move || notify.alive(), interval));
    }
    listening.into_iter().for_each(on_listening);
    if let Some(predecessor) = &mut predecessor
        && let Err(error) = predecessor.say_ready()
    {
        tracing::warn!(%error, "the process before this one is gone");
    }
    notify.ready();

    let mut serving = Serving {
        settings,
        notify,
        operation,
        crew,
        running,
        shutdown,
        signals,
    };
    let (queued, outcome) = serving
        .until_it_is_to_end(reloads, identity.as_deref(), &mut restart)
        .await;
    // With it go the listeners that were kept for another process, and one that has not said that it is ready.
    drop(restart);
    // The process before this one, if it has not let go, goes on: with the files of its sockets.
    if !predecessor.as_ref().is_some_and(Predecessor::goes_on) {
        serving.crew.take_files_over();
    }
    // And it learns now that this one leaves.
    drop(predecessor);
    serving.end(queued, outcome).await
}

/// A process that serves.
struct Serving {
    settings: Arc<Settings>,
    notify: Arc<notify::Notify>,
    operation: Operation,
    crew: Crew,
    running: Running,
    /// Tells the application.
    shutdown: Signal<Instant>,
    signals: Ends,
}

impl Serving {
    /// Waits until there is a reason to end: who goes on, and how this one ends.
    async fn until_it_is_to_end(
        &mut self,
        mut reloads: Reloads,
        identity: Option<&Identity>,
        restart: &mut Restart,
    ) -> (Queued, Result<(), ServeError>) {
        let grace = self.settings.grace;
        let outcome = loop {
            tokio::select! {
                () = self.signals.next() => {
                    tracing::info!(?grace, "shutting down");
                    break Ok(());
                }
                () = reloads.next() => reload(identity, &self.notify),
                successor = restart.taken_over() => {
                    tracing::info!(pid = successor, ?grace, "another process has taken over: leaving");
                    self.notify.taken_over(successor);
                    return (Queued::Left, Ok(()));
                }
                reason = self.operation.next() => {
                    if restart.is_possible() {
                        tracing::info!("recycling, since {reason}");
                        restart.begin();
                    } else {
                        tracing::info!(?grace, "recycling, since {reason}: shutting down, for a new container");
                        break Ok(());
                    }
                }
                error = self.running.ended_early() => {
                    tracing::error!("the application's lifespan ended while it was served: shutting down");
                    break Err(ServeError::Lifespan(error));
                }
                result = self.crew.one_ended() => break result.map_err(ServeError::Runtime),
            }
        };
        (Queued::Taken, outcome)
    }

    /// Drains, and has the application end.
    async fn end(
        mut self,
        queued: Queued,
        outcome: Result<(), ServeError>,
    ) -> Result<(), ServeError> {
        let deadline = Instant::now() + self.settings.grace;
        match queued {
            Queued::Taken => {
                self.notify.stopping();
                self.operation.draining(deadline);
            }
            Queued::Left => self.operation.hand_metrics_over(),
        }
        self.shutdown.raise(deadline);
        self.crew.leave(Leaving { deadline, queued });
        tokio::select! {
            // A worker whose thread the application blocks is left behind.
            _ = tokio::time::timeout_at((deadline + LAST_WORDS / 4).into(), self.crew.all_ended()) => {}
            () = self.signals.next() => return Err(ServeError::Forced),
        }
        drop(self.crew);
        let last = deadline.max(Instant::now() + LAST_WORDS);
        tokio::select! {
            stopped = self.running.stop(last) => match stopped {
                Ok(()) => outcome,
                Err(error) => {
                    tracing::error!("the application's shutdown failed: {}", printable(&error));
                    outcome.and(Err(ServeError::Lifespan(Some(error))))
                }
            },
            () = self.signals.next() => Err(ServeError::Forced),
        }
    }
}

/// Reads the certificates again.
fn reload(identity: Option<&Identity>, notify: &notify::Notify) {
    let Some(identity) = identity else { return };
    notify.reloading();
    match identity.reload() {
        Ok(()) => tracing::info!("certificates were read again: new connections are shown them"),
        Err(error) => tracing::error!("certificates stay as they were: {error}"),
    }
    notify.ready();
}
