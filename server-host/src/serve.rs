//! From settings to the last closed connection: what a process does that serves an application.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_spec::{Address, Application, LifespanScope, Signal};
use hosting::{lifespan, printable};

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
use crate::signals::{Ends, Reloads};
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
/// shutdown. A second signal cuts the shutdown short. SIGHUP reads certificates again.
///
/// SIGUSR2 restarts without a refused connection or a request that is cut: the same program is started once more and gets the
/// listeners; when it serves, this process accepts no more, answers all that it was asked, tells clients with the next answer
/// to connect anew, and ends. If the new process fails, this one carries on, and logs why. Systemd is told
/// (`NOTIFY_SOCKET`) when the server is ready, restarts and stops, and that all workers live (`WATCHDOG_USEC`).
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let result = runtime.block_on(host(
        Arc::new(protocol),
        Arc::new(app),
        Arc::new(settings),
        Opened {
            access_log,
            bound,
            identity,
            predecessor,
        },
        on_listening,
    ));
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

/// What a process has before its application starts.
struct Opened {
    access_log: Option<OpenLines>,
    bound: Vec<Bound>,
    identity: Option<Arc<Identity>>,
    predecessor: Option<Predecessor>,
}

async fn host<P: Protocol>(
    protocol: Arc<P>,
    app: Arc<impl Application>,
    settings: Arc<Settings>,
    opened: Opened,
    on_listening: impl FnMut(Listening),
) -> Result<(), ServeError> {
    let Opened {
        access_log,
        bound,
        identity,
        mut predecessor,
    } = opened;
    let mut signals = Ends::new().map_err(ServeError::Runtime)?;
    let notify = Arc::new(notify::Notify::by_environment());
    let mut restart = Restart::new(&settings).map_err(ServeError::Runtime)?;
    restart.keep(&bound).map_err(ServeError::Runtime)?;
    let mut reloads = Reloads::new(identity.is_some()).map_err(ServeError::Runtime)?;
    let capabilities = protocol.capabilities();
    let mut operation = Operation::new(&settings, capabilities, access_log);
    // One that is to take over is asked nothing before it is ready: who asks is told of the process that serves.
    if predecessor.is_none() {
        operation.serve_metrics(&protocol, None, &mut restart)?;
    }
    let shutdown = Signal::new();
    let scope = LifespanScope::new(capabilities).with_drain(shutdown.clone());
    let (mut running, state) = tokio::select! {
        started = lifespan::start(Arc::clone(&app), scope, settings.timeouts.startup) => {
            started.map_err(ServeError::Startup)?
        }
        // Nothing is served yet, so there is nothing to drain.
        () = signals.next() => return Ok(()),
    };
    let listening = listening(&bound, &settings, capabilities.server());
    let crew = Crew::start(&protocol, &app, &state, &settings, bound, &operation);
    let mut crew = crew.map_err(ServeError::Runtime)?;
    if let Some(interval) = notify.interval() {
        let pulses = crew.workers.iter().map(|worker| worker.pulse()).collect();
        tokio::spawn(pulse::watch(pulses, Arc::clone(&notify), interval));
    }
    let _ticker = operation.look_after(crew.workers.clone(), Arc::clone(&crew.faults))?;
    if let Some(predecessor) = &mut predecessor {
        operation.serve_metrics(&protocol, Some(predecessor), &mut restart)?;
    }
    listening.into_iter().for_each(on_listening);
    if let Some(predecessor) = predecessor
        && let Err(error) = predecessor.say_ready()
    {
        tracing::warn!(%error, "the process before this one is gone");
    }
    notify.ready();

    let mut queued = Queued::Taken;
    let mut outcome = loop {
        tokio::select! {
            () = signals.next() => {
                tracing::info!(grace = ?settings.grace, "shutting down");
                break Ok(());
            }
            () = reloads.next() => reload(identity.as_deref(), &notify),
            successor = restart.taken_over() => {
                tracing::info!(pid = successor, grace = ?settings.grace, "another process has taken over: leaving");
                notify.taken_over(successor);
                queued = Queued::Left;
                break Ok(());
            }
            reason = operation.next() => {
                tracing::info!("recycling, since {reason}");
                restart.begin();
            }
            error = running.ended_early() => {
                tracing::error!("the application's lifespan ended while it was served: shutting down");
                break Err(ServeError::Lifespan(error));
            }
            result = crew.one_ended() => break result.map_err(ServeError::Runtime),
        }
    };
    // With it go the listeners that were kept for another process, and one that has not said that it is ready.
    drop(restart);
    let deadline = Instant::now() + settings.grace;
    match queued {
        Queued::Taken => {
            notify.stopping();
            operation.draining(deadline);
        }
        Queued::Left => operation.hand_metrics_over(),
    }
    shutdown.raise(deadline);
    crew.leave(Leaving { deadline, queued });
    tokio::select! {
        // A worker whose thread the application blocks is left behind.
        _ = tokio::time::timeout_at((deadline + LAST_WORDS / 4).into(), crew.all_ended()) => {}
        () = signals.next() => return Err(ServeError::Forced),
    }
    drop(crew);
    let last = deadline.max(Instant::now() + LAST_WORDS);
    tokio::select! {
        stopped = running.stop(last) => if let Err(error) = stopped {
            tracing::error!("the application's shutdown failed: {}", printable(&error));
            outcome = outcome.and(Err(ServeError::Lifespan(Some(error))));
        },
        () = signals.next() => return Err(ServeError::Forced),
    }
    outcome
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
