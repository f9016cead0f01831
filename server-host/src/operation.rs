//! What runs beside the workers and looks at them: the access log's thread, the watchdog, the metrics bind.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gateway_spec::{Capabilities, Signal, State};
use tokio::sync::Notify;

use crate::accept::{Faults, Queued};
use crate::access_log::AccessLog;
use crate::admin::Admin;
use crate::app::App;
use crate::clock::{Clock, Ticker};
use crate::crew::Leaving;
use crate::gate::Gate;
use crate::lines::{Lines, OpenLines};
use crate::listen::{self, Bound, Listener, SocketFile};
use crate::metrics::Counts;
use crate::opens::Sources;
use crate::overview::Overview;
use crate::recycle::{Age, LOOK, Reason};
use crate::restart::{Predecessor, Purpose};
use crate::signals::Reopens;
use crate::stall::{Stalls, Turns, Watchdog};
use crate::worker::{Equipment, Observing, WhenFull, Worker};
use crate::{LogTarget, Protocol, Proxies, ServeError, Settings, TICK};

/// Connections of the metrics bind: a few collectors, probes and pages. The oldest is given up for one more.
const LOOKERS: usize = 64;

/// Requests that each of them may have open over HTTP/2: as many as the page has files, and its look.
const LOOKS: u32 = 8;

/// How long the metrics bind ends before the process does.
const LAST_LOOK: Duration = Duration::from_millis(200);

/// What runs beside the workers.
pub(crate) struct Operation {
    settings: Arc<Settings>,
    /// The access log, and what opens it anew. Ends last, after [`Drop`]: what was logged is written.
    sink: Option<OpenLines>,
    stalls: Arc<Stalls>,
    overview: Arc<Overview>,
    run: u16,
    metrics: Option<Metrics>,
    /// Opens the access log anew at signals, also while the process starts and drains.
    reopens: tokio::task::JoinHandle<()>,
    age: Age,
}

/// The worker of the metrics bind.
struct Metrics {
    leave: Signal<Leaving>,
    file: Option<SocketFile>,
    thread: thread::JoinHandle<()>,
    /// Of this worker, which is there before the others are.
    _ticker: Ticker,
}

impl Operation {
    /// Takes the access log, which was opened before anything was bound.
    pub(crate) fn new(
        settings: &Arc<Settings>,
        capabilities: Capabilities,
        sink: Option<OpenLines>,
        reopens: Reopens,
    ) -> Self {
        let stalls = Arc::new(Stalls::default());
        let lines = sink.as_ref().map(|sink| Arc::clone(sink.lines()));
        let overview = Overview::new(
            capabilities.server(),
            lines.clone(),
            settings.events.clone(),
            Arc::clone(&stalls),
        );
        Self {
            settings: Arc::clone(settings),
            sink,
            stalls,
            overview: Arc::new(overview),
            run: crate::observe::run(),
            metrics: None,
            age: Age::new(&settings.recycling, Instant::now()),
            reopens: tokio::spawn(obey(reopens, lines, settings.access_log.clone())),
        }
    }

    /// Binds where the metrics are to be served. `None`: nowhere.
    pub(crate) fn bind_metrics(
        &self,
        predecessor: Option<&mut Predecessor>,
    ) -> Result<Option<Bound>, ServeError> {
        let Some(settings) = self.settings_of_metrics() else {
            return Ok(None);
        };
        let bound = listen::bind(&settings, None, predecessor, Purpose::Metrics)?.pop();
        let nothing = || ServeError::Settings("metrics-bind: no listener was passed".into());
        bound.ok_or_else(nothing).map(Some)
    }

    fn settings_of_metrics(&self) -> Option<Settings> {
        let bind = self.settings.metrics_bind.clone()?;
        let mut settings = Settings::clone(&self.settings);
        settings.bind = vec![bind];
        settings.workers = std::num::NonZeroUsize::MIN;
        settings.access_log = LogTarget::Off;
        // Collectors come by themselves.
        settings.proxies = Proxies::default();
        settings.limits.connections = LOOKERS;
        settings.limits.streams = settings.limits.streams.min(LOOKS);
        // They are bounded by those two; a probe is never one too many.
        settings.limits.exchanges = usize::MAX;
        Some(settings)
    }

    /// Serves the metrics where they were bound.
    pub(crate) fn serve_metrics<P: Protocol>(
        &mut self,
        protocol: &Arc<P>,
        bound: Bound,
    ) -> io::Result<()> {
        let Some(settings) = self.settings_of_metrics() else {
            return Ok(());
        };
        let address = bound.entrance.address.clone();
        let listeners: Vec<(Listener, _)> = bound
            .listeners
            .into_iter()
            .map(|listener| (listener, Arc::clone(&bound.entrance)))
            .collect();
        let (forced, clock) = (Signal::new(), Arc::new(Clock::new()));
        let counts = Arc::new(Counts::new(&Arc::default()));
        let admin = Arc::new(Admin::new(Arc::clone(&self.overview)));
        let worker = Arc::new(Worker::new(Equipment {
            number: 0,
            app: App::new(admin, &settings, &forced, &clock, &counts),
            state: State::new(),
            settings: Arc::new(settings),
            capabilities: protocol.capabilities(),
            forced,
            clock,
            closed: Arc::new(Notify::new()),
            counts,
            turns: Arc::new(Turns::default()),
            stalls: Arc::new(Stalls::default()),
            access_log: None,
            observing: Observing::off(self.run),
            // Who looks and never reads must not keep a probe out.
            when_full: WhenFull::OldestLeaves,
        }));
        let ticked = Arc::clone(&worker);
        let ticker = Ticker::start(TICK, move |ticks, _| ticked.tick(ticks));
        let leave = Signal::new();
        let sources = Sources {
            listeners,
            handed: None,
            faults: Arc::new(Faults::default()),
        };
        let (protocol, leaves) = (Arc::clone(protocol), leave.clone());
        let run = move |runtime| {
            if let Err(error) = worker.run(runtime, protocol, sources, &leaves) {
                tracing::error!(%error, "metrics are not served any more");
            }
        };
        let thread = Gate::opened().start("metrics".into(), run);
        self.metrics = Some(Metrics {
            leave,
            file: bound.file,
            thread: thread?,
            _ticker: ticker?,
        });
        tracing::info!(%address, "metrics, health, readiness and the page");
        Ok(())
    }

    /// What a worker of the application needs of this.
    pub(crate) fn observing(&self) -> Observing {
        let settings = &self.settings;
        Observing {
            counts: settings.metrics_bind.is_some(),
            spans: settings.spans,
            fields: self.sink.is_some() && settings.access_log_format.shows_fields(),
            run: self.run,
        }
    }

    /// The access log of one worker.
    pub(crate) fn access_log(&self) -> Option<AccessLog> {
        let sink = self.sink.as_ref()?;
        let format = self.settings.access_log_format.clone();
        Some(AccessLog::new(format, Arc::clone(sink.lines())))
    }

    pub(crate) fn stalls(&self) -> &Arc<Stalls> {
        &self.stalls
    }

    /// The workers serve: looks after them from now on, for as long as what is returned is held.
    pub(crate) fn look_after(
        &self,
        workers: Vec<Arc<Worker>>,
        faults: Arc<Faults>,
    ) -> io::Result<Ticker> {
        self.overview.ready(workers.clone(), faults);
        let threshold = self.settings.stall_threshold;
        let period = threshold.map_or(TICK, |threshold| TICK.min(Watchdog::period(threshold)));
        let turns = workers.iter().map(|worker| Arc::clone(&worker.turns));
        let mut watchdog =
            threshold.map(|threshold| Watchdog::new(threshold, Arc::clone(&self.stalls), turns));
        let last = AtomicU32::new(0);
        Ticker::start(period, move |ticks, now| {
            if last.swap(ticks, Ordering::Relaxed) != ticks {
                workers.iter().for_each(|worker| worker.tick(ticks));
            }
            if let Some(watchdog) = &mut watchdog {
                let is_used = |at: usize| workers.get(at).is_some_and(|worker| worker.load() > 0);
                watchdog.look(now, is_used);
            }
        })
    }

    /// Another process serves the metrics from now on, at the same listener: who asks is not to be told of this one.
    pub(crate) fn hand_metrics_over(&mut self) {
        if let Some(metrics) = &mut self.metrics {
            metrics.leave.raise(Leaving {
                deadline: Instant::now() + LAST_LOOK,
                queued: Queued::Left,
            });
            metrics.file.iter_mut().for_each(SocketFile::share);
        }
    }

    /// A shutdown has begun.
    pub(crate) fn draining(&self, deadline: Instant) {
        self.overview.draining(deadline);
    }

    /// Resolves with why the process should be replaced. Cancel safe.
    pub(crate) async fn next(&mut self) -> Reason {
        if !self.age.is_bounded() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(LOOK).await;
            let overview = &self.overview;
            let requests = overview
                .workers()
                .iter()
                .map(|worker| worker.exchanges())
                .sum();
            let memory = crate::metrics::resident_bytes;
            if let Some(reason) = self.age.look(Instant::now(), requests, memory) {
                return reason;
            }
        }
    }
}

/// Opens the access log anew at these signals, for as long as the process lives.
async fn obey(mut reopens: Reopens, lines: Option<Arc<Lines>>, target: LogTarget) {
    loop {
        reopens.next().await;
        if let Some(lines) = lines.as_ref().filter(|_| is_file(&target)) {
            lines.reopen();
            tracing::info!(to = %target, "the access log is opened anew");
        }
    }
}

fn is_file(target: &LogTarget) -> bool {
    matches!(target, LogTarget::File(_))
}

/// The metrics end last, but for what was logged.
impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(Metrics {
            leave,
            thread,
            file,
            ..
        }) = self.metrics.take()
        {
            leave.raise(Leaving {
                deadline: Instant::now() + LAST_LOOK,
                queued: Queued::Taken,
            });
            // Nothing of the application can hold it.
            let _ = thread.join();
            drop(file);
        }
        self.reopens.abort();
    }
}
