//! A worker: a thread with its own runtime, its own listeners and all connections that it accepts.

use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_spec::{
    Address, Capabilities, ConnectionInfo, HttpScope, Scope, Signal, State, WorkerThread,
};
use hosting::Exchange;
use tokio::sync::Notify;

use crate::access_log::AccessLog;
use crate::app::App;
use crate::call::Kit;
use crate::clock::Clock;
use crate::date::Dates;
use crate::listener::{AcceptFailure, EXHAUSTED_PAUSE, classify};
use crate::{AccessLogging, Context, Protocol, Settings, Shutdown, Stream};

/// What the connections of one worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) app: App,
    pub(crate) blank: Blank,
    kits: Mutex<Kits>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) capabilities: Capabilities,
    pub(crate) drain: Signal<Instant>,
    /// Raised when the grace period is over.
    forced: Signal<()>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) dates: Dates,
    pub(crate) access_log: AccessLog,
    /// [`SERVING`], [`DRAINING`] or [`FORCED`].
    phase: AtomicU8,
    /// The tick until which a head that has begun is waited for.
    heads_until: AtomicU32,
    open: AtomicUsize,
    /// Calls of the application under way. Written by the worker's own thread alone, so it is loaded and stored: no
    /// request pays for a locked instruction.
    calls: AtomicUsize,
    closed: Notify,
}

/// What stands where connections without a request have their scopes and exchanges. It is never used: a call that begins makes its own,
/// since these are shared.
#[derive(Debug)]
pub(crate) struct Blank {
    scope: Scope,
    exchange: Arc<Exchange>,
}

impl Blank {
    fn new(state: State, capabilities: Capabilities) -> Self {
        let mut scope = HttpScope::new(Arc::new(ConnectionInfo::new(capabilities)));
        scope.state = state;
        Self {
            scope: Scope::new(scope),
            exchange: Arc::default(),
        }
    }

    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    pub(crate) fn shared_scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn scope(&self) -> Scope {
        self.scope.clone()
    }
}

/// Each is a pointer, which goes to a connection and comes back.
type Kits = Vec<Box<Kit>>;

/// Kits that a worker keeps: of some KiB each, and as many as requests are at work at once on one thread where their applications do not wait.
const KITS: usize = 64;

impl Worker {
    pub(crate) fn new(
        app: App,
        state: State,
        settings: Arc<Settings>,
        capabilities: Capabilities,
        forced: Signal<()>,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            app,
            blank: Blank::new(state, capabilities),
            kits: Mutex::default(),
            settings,
            capabilities,
            drain: Signal::new(),
            forced,
            clock,
            heads_until: AtomicU32::new(u32::MAX),
            dates: Dates::new(),
            access_log: AccessLog::default(),
            phase: AtomicU8::new(SERVING),
            open: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            closed: Notify::new(),
        }
    }

    /// A connection, or a call that outlives its own, has begun.
    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// It has ended.
    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.closed.notify_waiters();
    }

    /// Counts a call, if one more may run (HTTP-3).
    pub(crate) fn call_begins(&self) -> bool {
        let calls = self.calls.load(Ordering::Relaxed);
        let may = calls < self.settings.limits.exchanges;
        if may {
            self.calls.store(calls + 1, Ordering::Relaxed);
        }
        may
    }

    /// What a call needs.
    #[inline]
    pub(crate) fn take_kit(&self) -> Box<Kit> {
        let kit = self.lock_kits().pop();
        kit.unwrap_or_else(|| Box::new(Kit::new(self)))
    }

    /// Takes back what no call needs any more.
    #[inline]
    pub(crate) fn give_kit(&self, kit: Box<Kit>) {
        // Dropped without the lock: what is in it may be the application's.
        let _spare = {
            let mut kits = self.lock_kits();
            if kits.len() < KITS {
                kits.push(kit);
                return;
            }
            kit
        };
    }

    #[inline]
    fn lock_kits(&self) -> MutexGuard<'_, Kits> {
        self.kits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that was counted has returned, or was dropped.
    pub(crate) fn call_ended(&self) {
        let calls = self.calls.load(Ordering::Relaxed);
        self.calls.store(calls.wrapping_sub(1), Ordering::Relaxed);
    }

    /// Runs on a thread of its own until the drain has ended. `shutdown` is raised with the deadline.
    pub(crate) fn run<P: Protocol>(
        self: Arc<Self>,
        protocol: Arc<P>,
        listeners: Vec<TcpListener>,
        shutdown: &Signal<Instant>,
    ) -> io::Result<()> {
        let _mark = WorkerThread::enter();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let result = runtime.block_on(Arc::clone(&self).serve(protocol, listeners, shutdown));
        // Futures that did not end in time are dropped here, in a runtime that still exists.
        drop(runtime);
        self.access_log.flush();
        result
    }

    async fn serve<P: Protocol>(
        self: Arc<Self>,
        protocol: Arc<P>,
        listeners: Vec<TcpListener>,
        shutdown: &Signal<Instant>,
    ) -> io::Result<()> {
        let mut accepting = Vec::new();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let accept = accept(Arc::clone(&self), Arc::clone(&protocol), listener);
            accepting.push(tokio::spawn(accept));
        }
        let deadline = shutdown.wait().await;
        let farewell = farewell(deadline.saturating_duration_since(Instant::now()));
        // A head is one packet or a few: who began one is served, and who does not end it holds nobody up.
        self.heads_until
            .store(self.clock.deadline(farewell), Ordering::Relaxed);
        self.phase.store(DRAINING, Ordering::Relaxed);
        // Applications are told of the time that is theirs; the rest is for goodbyes.
        let force_at = deadline - farewell;
        self.drain.raise(force_at);
        for task in accepting {
            // It sees the drain, takes what the kernel has accepted for it, and ends.
            let _ = task.await;
        }
        self.clock.wake_all();
        self.drain_until(force_at, deadline).await;
        Ok(())
    }

    async fn drain_until(&self, force_at: Instant, deadline: Instant) {
        if tokio::time::timeout_at(force_at.into(), self.all_closed())
            .await
            .is_ok()
        {
            return;
        }
        self.phase.store(FORCED, Ordering::Relaxed);
        self.forced.raise(());
        self.clock.wake_all();
        if tokio::time::timeout_at(deadline.into(), self.all_closed())
            .await
            .is_err()
        {
            let open = self.open.load(Ordering::Relaxed);
            tracing::warn!(
                open,
                "the grace period is over: dropping what is still open"
            );
        }
    }

    async fn all_closed(&self) {
        loop {
            let mut closed = pin!(self.closed.notified());
            closed.as_mut().enable();
            if self.open.load(Ordering::Relaxed) == 0 {
                return;
            }
            closed.await;
        }
    }

    /// The time has come to so many ticks.
    pub(crate) fn tick(&self, ticks: u32) {
        self.clock.tick(ticks);
        self.access_log.flush();
    }

    #[inline]
    pub(crate) fn shutdown(&self) -> Shutdown {
        match self.phase.load(Ordering::Relaxed) {
            SERVING => Shutdown::No,
            DRAINING => Shutdown::Draining,
            _ => Shutdown::Forced,
        }
    }

    /// The tick until which a head that has begun is waited for: far off, until a shutdown begins.
    pub(crate) fn heads_until(&self) -> u32 {
        self.heads_until.load(Ordering::Relaxed)
    }

    pub(crate) fn now_if_logging(&self) -> Option<Instant> {
        (self.settings.access_log == AccessLogging::On).then(Instant::now)
    }
}

const SERVING: u8 = 0;
const DRAINING: u8 = 1;
const FORCED: u8 = 2;

/// The end of the grace period that is kept for goodbyes: close frames and last writes. Heads that have begun get as much
/// of its beginning.
fn farewell(grace: Duration) -> Duration {
    (grace / 10).min(Duration::from_secs(1))
}

async fn accept<P: Protocol>(
    worker: Arc<Worker>,
    protocol: Arc<P>,
    listener: tokio::net::TcpListener,
) {
    let mut drain = worker.drain.wait();
    loop {
        let full = worker.open.load(Ordering::Relaxed) >= worker.settings.limits.connections;
        tokio::select! {
            biased;
            _ = &mut drain => break,
            accepted = listener.accept(), if !full => match accepted {
                Ok((tcp, client)) => open(&worker, &protocol, tcp, client),
                Err(error) => if classify(&error) == AcceptFailure::Pause {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                },
            },
            () = worker.closed.notified(), if full => {}
        }
    }
    // The kernel has accepted these already: closing the listener would reset them.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while let std::task::Poll::Ready(Ok((tcp, client))) = listener.poll_accept(&mut context) {
        open(&worker, &protocol, tcp, client);
    }
}

fn open<P: Protocol>(
    worker: &Arc<Worker>,
    protocol: &Arc<P>,
    tcp: tokio::net::TcpStream,
    client: std::net::SocketAddr,
) {
    // Answers are written whole, so waiting to join small segments would only delay them.
    let _ = tcp.set_nodelay(true);
    // A peer whose system is gone takes nothing: of what the kernel holds for it, only the kernel can know.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&tcp).set_tcp_user_timeout(Some(worker.settings.timeouts.write));
    let mut info = ConnectionInfo::new(worker.capabilities).with_client(Address::Tcp(client));
    if let Ok(local) = tcp.local_addr() {
        info = info.with_server(Address::Tcp(local));
    }
    let context = Context::new(Arc::clone(worker), info);
    tokio::spawn(protocol.connection(Stream::new(tcp), context));
}
