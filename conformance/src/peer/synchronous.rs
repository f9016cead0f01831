//! Synchronous applications, through the adapter: mounted at `/conformance/sync/`; on a pool of one thread with one place in its
//! queue at `/conformance/sync/small/`; for a crowd of a hundred, on as many threads at `/conformance/sync/crowd/` and on forty, with
//! twenty places in their queue, at `/conformance/sync/few/`.

use std::io::{self, BufRead, Read, Write};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use adapters::{Pool, PoolSettings, SyncAdapter};
use gateway_spec::bytes::Bytes;
use gateway_spec::types::StatusCode;
use gateway_spec::{
    AppError, Application, Connection, Done, DrainSignal, Http, Lifespan, LifespanTransport,
    Response, ResponseHead, Signal, State, SyncApplication, SyncHttp, SyncWriter, WorkerThread,
};

use super::Routes;
use super::lifespan::LIFESPAN;
use super::reports::{Reports, block_on};

/// The size of the parts that `endless` writes, in bytes.
const PART: usize = 16 * 1024;

/// How long `sleep` sleeps.
const SLEEP: Duration = Duration::from_secs(2);

/// The mounts. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Mounts {
    large: Arc<SyncAdapter<Blocking>>,
    small: Arc<SyncAdapter<Blocking>>,
    crowd: Arc<SyncAdapter<Blocking>>,
    few: Arc<SyncAdapter<Blocking>>,
}

impl Default for Mounts {
    fn default() -> Self {
        let mount = |name, threads, queue| {
            let settings = PoolSettings::default()
                .with_threads(NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN))
                .with_queue(queue)
                // Who is dropped from the queue, is for another reason than its time.
                .with_queue_deadline(Duration::from_secs(600));
            Arc::new(SyncAdapter::new(Blocking).with_pool(Pool::new(name, settings)))
        };
        Self {
            large: mount("sync", 8, 128),
            small: mount("small", 1, 1),
            crowd: mount("crowd", 100, 0),
            few: mount("few", 40, 20),
        }
    }
}

impl Mounts {
    /// The child's life, inside of its parent's: it has a state of its own.
    pub(super) fn mount(
        &self,
    ) -> (
        Lifespanned,
        impl Future<Output = Result<Done, AppError>> + use<>,
    ) {
        let child = Arc::new(Child::default());
        let app = Arc::clone(&self.large);
        let started = Lifespanned(Arc::clone(&child));
        (started, async move {
            let scope = gateway_spec::LifespanScope::new(gateway_spec::Capabilities::new("mount"));
            let lifespan = Lifespan::new(scope, child);
            app.call(Connection::Lifespan(lifespan)).await
        })
    }
}

/// The parent's view of its child's life.
pub(super) struct Lifespanned(Arc<Child>);

impl Lifespanned {
    /// Once it is up.
    pub(super) async fn started(&self) -> ChildState {
        self.0.changed.wait().await;
        ChildState(self.0.state().clone().unwrap_or_default())
    }

    pub(super) fn shut_down(&self, deadline: std::time::Instant) {
        self.0.shutdown.raise(deadline);
    }
}

/// What the child alone sees.
#[derive(Clone, Default)]
pub(super) struct ChildState(State);

#[derive(Default)]
struct Child {
    state: Mutex<Option<State>>,
    changed: Signal<()>,
    shutdown: Signal<std::time::Instant>,
}

impl Child {
    fn state(&self) -> std::sync::MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LifespanTransport for Child {
    fn started(&self, state: State) {
        *self.state() = Some(state);
        self.changed.raise(());
    }

    fn refuse(&self) {
        self.changed.raise(());
    }

    fn shutdown(&self) -> DrainSignal {
        self.shutdown.wait()
    }

    fn stopped(&self) {
        eprintln!("peer: the child has stopped");
    }

    fn abort(&self) {
        self.changed.raise(());
    }
}

/// How a call finds the reports: in its scope, as a mount's own value.
#[derive(Clone)]
struct Context {
    reports: Arc<Reports>,
    route: Vec<String>,
}

impl Routes {
    pub(super) async fn synchronous(&self, how: &[&str], mut http: Http) -> Result<Done, AppError> {
        let (mount, route) = match how {
            ["stats"] => {
                let stats = self.synchronous.small.pool().stats();
                let text = format!(
                    "running {} queued {} dropped {}",
                    stats.running, stats.queued, stats.dropped
                );
                return http.responder.respond(text).await;
            }
            ["misuse"] => {
                // Whole: without its responder it would be over, and nothing to wait for.
                let mut http = SyncHttp::new(http);
                let _ = http.body.chunk();
                return Err(AppError::message("a worker's thread was blocked"));
            }
            ["small", route @ ..] => (&self.synchronous.small, route),
            ["crowd", route @ ..] => (&self.synchronous.crowd, route),
            ["few", route @ ..] => (&self.synchronous.few, route),
            route => (&self.synchronous.large, route),
        };
        let scope = http.scope.edit();
        let child = scope.state.get::<ChildState>().cloned().unwrap_or_default();
        scope.state = child.0;
        scope.extensions.insert(Context {
            reports: Arc::clone(&self.reports),
            route: route.iter().map(ToString::to_string).collect(),
        });
        mount.call(Connection::Http(http)).await
    }
}

/// What `startup` gives.
struct Made(&'static str);

/// The application that blocks.
#[derive(Debug)]
struct Blocking;

impl SyncApplication for Blocking {
    fn startup(&self) -> Result<State, AppError> {
        if std::env::var(LIFESPAN).is_ok_and(|plan| plan == "sync-fail") {
            return Err(AppError::message(
                "the synchronous startup fails on purpose",
            ));
        }
        eprintln!(
            "peer: synchronous startup, on a worker: {}",
            WorkerThread::is_current()
        );
        Ok(State::new().with(Made("made by the child")))
    }

    fn shutdown(&self) -> Result<(), AppError> {
        eprintln!(
            "peer: synchronous shutdown, on a worker: {}",
            WorkerThread::is_current()
        );
        Ok(())
    }

    fn call(&self, http: SyncHttp) -> Result<Done, AppError> {
        let Some(Context { reports, route }) = http.scope.extensions.get::<Context>().cloned()
        else {
            return Err(AppError::message("it is not mounted"));
        };
        let route: Vec<&str> = route.iter().map(String::as_str).collect();
        let SyncHttp {
            scope,
            mut body,
            responder,
        } = http;
        reports.say("sync-calls", route.join("/"));
        match route[..] {
            ["thread"] => {
                let name = thread::current().name().unwrap_or("-").to_owned();
                responder.respond(format!("{name} worker {}", WorkerThread::is_current()))
            }
            ["state"] => {
                let made = scope.state.get::<Made>().map_or("no state", |made| made.0);
                let parent = scope.state.get::<super::lifespan::Greeting>().is_some();
                responder.respond(format!("{made}, the parent's {parent}"))
            }
            ["block", ..] => {
                reports.pass_blocking("sync");
                responder.respond("blocked")
            }
            ["sleep"] => {
                thread::sleep(SLEEP);
                responder.respond("slept")
            }
            ["drain"] => {
                let deadline = block_on(scope.drain());
                let left = deadline.saturating_duration_since(std::time::Instant::now());
                responder.respond(format!("drained {}", !left.is_zero()))
            }
            ["read"] => {
                let mut all = Vec::new();
                let read = body.read_to_end(&mut all);
                let told = read.map_err(|error| {
                    let gone = AppError::from(error).gone();
                    format!("{gone:?}")
                });
                reports.say("sync", format_args!("{told:?}"));
                responder.respond(Response::text(all))
            }
            ["read-oddly"] => {
                let buffered = body.fill_buf()?.len();
                let mut first = [0];
                let taken = body.read(&mut first)?;
                let empty = body.read(&mut [])?;
                let rest = body.collect(1024 * 1024)?;
                let ends = [body.read(&mut first)?, body.read(&mut first)?];
                let text = format!(
                    "{} taken {taken} empty {empty} first {} rest {} ends {ends:?}",
                    buffered > 0,
                    first.escape_ascii(),
                    rest.escape_ascii()
                );
                responder.respond(text)
            }
            ["parts", how] => parts(how, &reports, responder),
            ["endless"] => {
                let mut writer = responder.start(ResponseHead::new(StatusCode::OK))?;
                reports.say("sync", "started");
                let error = match writer.flush() {
                    Ok(()) => write_until_gone(&mut writer, &reports),
                    Err(error) => error,
                };
                let gone = AppError::from(error).gone();
                reports.say("sync", format_args!("{gone:?}"));
                eprintln!("peer: a thread could not write: {gone:?}");
                Ok(writer.abort())
            }
            ["large"] => {
                let done = responder.respond(vec![b'x'; 16 * 1024 * 1024]);
                reports.say("sync", "respond has returned");
                done
            }
            ["panic"] => panic!("the synchronous peer panics on purpose"),
            ["hello"] => responder.respond("Hello, world!"),
            _ => responder.respond(StatusCode::NOT_FOUND),
        }
    }
}

/// Why it could not write any more.
fn write_until_gone(writer: &mut SyncWriter, reports: &Reports) -> io::Error {
    let mut written = 0_usize;
    loop {
        if let Err(error) = writer.write_all(&[b'x'; PART]) {
            return error;
        }
        written += PART;
        if written.is_multiple_of(16 * PART) {
            reports.say("sync-written", written);
        }
    }
}

/// An iterator of parts that tells when it is dropped.
struct Parts {
    left: usize,
    panics_at: Option<usize>,
    reports: Arc<Reports>,
}

impl Iterator for Parts {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.panics_at == Some(self.left) {
            panic!("the iterator panics on purpose");
        }
        self.left = self.left.checked_sub(1)?;
        Some(Bytes::from_static(&[b'p'; PART]))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.reports.say("sync", "the iterator was dropped");
    }
}

fn parts(
    how: &str,
    reports: &Arc<Reports>,
    responder: gateway_spec::SyncResponder,
) -> Result<Done, AppError> {
    let (left, panics_at) = match how {
        "all" => (3, None),
        "endless" => (usize::MAX, None),
        "panic-at-once" => (3, Some(3)),
        _ => (3, Some(1)),
    };
    let parts = Parts {
        left,
        panics_at,
        reports: Arc::clone(reports),
    };
    responder.respond_with(ResponseHead::new(StatusCode::OK), parts)
}
