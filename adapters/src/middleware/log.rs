//! Shows every event between a server and an application, in order: for debugging.

mod describe;
mod layers;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use gateway_spec::{AppError, Application, Connection, Done, Label};
use tokio::time::Instant;
use tracing::Level;

use self::describe::Shown;
use self::layers::{on_http, on_lifespan, on_socket};

/// Hands every event of every connection to a sink: what was received, what was sent and whether that was accepted, how the
/// handles were given up, and what the call came to.
///
/// - **HTTP**, **WebSocket** and **lifespan** alike. Signals (`gone`, `drain`) and waiting for credit are no events; the
///   shutdown that a lifespan waits for is one.
/// - Events have sizes, not contents, and paths but no queries; [`contents`](LogEvents::contents) shows more. What is of the
///   client is escaped, so that one event stays one line.
/// - Nothing else is changed, and nothing waits: the sink is called in the middle of the application's own calls. It must not
///   block.
///
/// [`Tracing`] is the sink for programs, a closure the one for tests. Put this around other middleware to see what the server
/// sees, and inside to see what the application does.
///
/// # Cost
///
/// For a sink that is not [enabled](EventSink::is_enabled), nothing. Else an allocation or two an event: it is for debugging.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use adapters::middleware::{LoggedEvent, log_events};
/// use gateway_spec::{Connection, application_fn};
/// use test_client::TestClient;
///
/// let app = application_fn(|connection: Connection| connection.refuse());
/// let lines = Arc::new(Mutex::new(Vec::new()));
/// let sink = Arc::clone(&lines);
/// let app = log_events(app, move |event: &LoggedEvent<'_>| {
///     sink.lock().unwrap().push(format!("{:?}: {}", event.kind, event.text));
/// });
/// # test_client::run(async {
/// TestClient::new(app).get("/secret?key=1").send().await?.outcome().await;
/// let expected = [
///     "Called: GET /secret?(5 bytes) HTTP/1.1, 1 field, no body",
///     "Sent: start 404, 0 fields, 0 bytes, the end",
///     "Ended: done",
/// ];
/// assert_eq!(*lines.lock().unwrap(), expected);
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// ```
pub fn log_events<A: Application, S: EventSink>(app: A, sink: S) -> LogEvents<A, S> {
    LogEvents {
        app,
        sink: Arc::new(sink),
        contents: 0,
        number: Arc::default(),
    }
}

/// An application whose events are shown: see [`log_events`].
///
/// # Examples
///
/// ```
/// use adapters::middleware::{LogEvents, Tracing, log_events};
/// use gateway_spec::{BoxApplication, Connection, application_fn};
///
/// let app = BoxApplication::new(application_fn(|c: Connection| c.refuse()));
/// let app: LogEvents<BoxApplication, Tracing> = log_events(app, Tracing).contents(64);
/// # let _ = app;
/// ```
pub struct LogEvents<A, S> {
    app: A,
    sink: Arc<S>,
    contents: usize,
    /// Of the connection that was called last.
    number: Arc<AtomicU64>,
}

/// Where events go.
///
/// A closure is one.
///
/// # Examples
///
/// ```
/// use adapters::middleware::{EventSink, LoggedEvent};
///
/// struct Stderr;
///
/// impl EventSink for Stderr {
///     fn note(&self, event: &LoggedEvent<'_>) {
///         eprintln!("{event}");
///     }
/// }
/// # let _ = Stderr;
/// ```
pub trait EventSink: Send + Sync + 'static {
    /// Whether anybody looks at the events of a connection that is about to be called.
    fn is_enabled(&self) -> bool {
        true
    }

    /// Takes an event. Called from any thread, also with several at once; those of one side of one connection come in order.
    fn note(&self, event: &LoggedEvent<'_>);
}

impl<F: Fn(&LoggedEvent<'_>) + Send + Sync + 'static> EventSink for F {
    fn note(&self, event: &LoggedEvent<'_>) {
        self(event);
    }
}

/// The sink for programs: `tracing`, at the level `debug`, with the target `adapters::events`.
///
/// # Examples
///
/// ```
/// use adapters::middleware::{EventSink, Tracing};
///
/// // Nobody listens.
/// assert!(!Tracing.is_enabled());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Tracing;

impl EventSink for Tracing {
    fn is_enabled(&self) -> bool {
        tracing::enabled!(target: "adapters::events", Level::DEBUG)
    }

    fn note(&self, event: &LoggedEvent<'_>) {
        let line = hosting::printable(event);
        tracing::debug!(target: "adapters::events", label = event.label, "{line}");
    }
}

/// One event of one connection. Its text is for people, and may change.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use adapters::middleware::{EventKind, LoggedEvent};
///
/// let event = LoggedEvent::new(7, Duration::from_micros(1_234), EventKind::Sent, "body, 5 bytes, more");
/// assert_eq!(event.to_string(), "#7 +0.001234s Sent: body, 5 bytes, more");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoggedEvent<'a> {
    /// Which connection: they are counted from 1.
    pub connection: u64,
    /// How long after the call began.
    pub at: Duration,
    /// The exchange's label, once the application has set it.
    pub label: Option<&'a str>,
    /// What kind of event.
    pub kind: EventKind,
    /// What happened, in one line.
    pub text: &'a str,
}

impl<'a> LoggedEvent<'a> {
    /// An event without a label: for tests of sinks.
    #[must_use]
    pub const fn new(connection: u64, at: Duration, kind: EventKind, text: &'a str) -> Self {
        Self {
            connection,
            at,
            label: None,
            kind,
            text,
        }
    }
}

impl fmt::Display for LoggedEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            connection,
            at,
            kind,
            text,
            ..
        } = self;
        write!(
            f,
            "#{connection} +{:.6}s {kind:?}: {text}",
            at.as_secs_f64()
        )
    }
}

/// What kind of event it is.
///
/// # Examples
///
/// ```
/// use adapters::middleware::{EventKind, LoggedEvent};
///
/// fn is_of_the_client(event: &LoggedEvent<'_>) -> bool {
///     event.kind == EventKind::Received
/// }
/// # let _ = is_of_the_client;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// The application was called with a connection.
    Called,
    /// The application received something.
    Received,
    /// The application sent something.
    Sent,
    /// The application let go of a handle, or gave the connection up.
    LetGo,
    /// The call came to its end.
    Ended,
}

impl<A, S> LogEvents<A, S> {
    /// Shows so many bytes of each body part and message too, escaped, and queries. They may be secrets: not for production.
    #[must_use]
    pub fn contents(mut self, bytes: usize) -> Self {
        self.contents = bytes;
        self
    }
}

/// What the layers of one connection write into.
struct Journal<S> {
    sink: Arc<S>,
    number: u64,
    began: Instant,
    label: Label,
    shown: Shown,
}

impl<S: EventSink> Journal<S> {
    fn note(&self, kind: EventKind, text: impl fmt::Display) {
        self.sink.note(&LoggedEvent {
            connection: self.number,
            at: self.began.elapsed(),
            label: self.label.get(),
            kind,
            text: &text.to_string(),
        });
    }
}

/// Says how a call ended, also if it was dropped or panicked.
struct Ending<S: EventSink>(Option<Arc<Journal<S>>>);

impl<S: EventSink> Ending<S> {
    fn returned(mut self, result: &Result<Done, AppError>) {
        if let Some(journal) = self.0.take() {
            journal.note(EventKind::Ended, describe::result(result));
        }
    }
}

impl<S: EventSink> Drop for Ending<S> {
    fn drop(&mut self) {
        if let Some(journal) = &self.0 {
            let how = if thread::panicking() {
                "panicked"
            } else {
                "dropped before it returned"
            };
            journal.note(EventKind::Ended, how);
        }
    }
}

impl<A: Application, S: EventSink> LogEvents<A, S> {
    fn journal(&self, label: Label) -> Arc<Journal<S>> {
        Arc::new(Journal {
            sink: Arc::clone(&self.sink),
            number: self.number.fetch_add(1, Ordering::Relaxed) + 1,
            began: Instant::now(),
            label,
            shown: Shown(self.contents),
        })
    }

    async fn logged(&self, connection: Connection) -> Result<Done, AppError> {
        let label = match &connection {
            Connection::Http(http) => http.scope.label.clone(),
            Connection::WebSocket(socket) => socket.scope.label.clone(),
            _ => Label::default(),
        };
        let journal = self.journal(label);
        journal.note(EventKind::Called, journal.shown.called(&connection));
        // Dropped after the call, whose handles have something to say.
        let ending = Ending(Some(Arc::clone(&journal)));
        let result = match connection {
            Connection::Http(http) => {
                let http = on_http(http, &journal);
                self.app.call(Connection::Http(http)).await
            }
            Connection::WebSocket(socket) => {
                let socket = on_socket(socket, &journal);
                self.app.call(Connection::WebSocket(socket)).await
            }
            Connection::Lifespan(lifespan) => {
                let (lifespan, shutdown) = on_lifespan(lifespan, &journal);
                let call = self.app.call(Connection::Lifespan(lifespan));
                beside(call, async {
                    shutdown.await;
                    journal.note(EventKind::Received, "the shutdown was requested");
                })
                .await
            }
            other => self.app.call(other).await,
        };
        ending.returned(&result);
        result
    }
}

/// Waits for a call, and polls something else before it, which ends with it.
async fn beside<F: Future>(call: F, other: impl Future<Output = ()>) -> F::Output {
    let (mut call, mut other) = (pin!(call), pin!(Some(other)));
    poll_fn(|cx| {
        if let Some(running) = other.as_mut().as_pin_mut()
            && let Poll::Ready(()) = running.poll(cx)
        {
            other.set(None);
        }
        call.as_mut().poll(cx)
    })
    .await
}

impl<A: Application, S: EventSink> Application for LogEvents<A, S> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        if self.sink.is_enabled() {
            // Boxed, so that the future is no larger for those that are not.
            Box::pin(self.logged(connection)).await
        } else {
            self.app.call(connection).await
        }
    }
}

impl<A: Clone, S> Clone for LogEvents<A, S> {
    /// Counts on with the same numbers.
    fn clone(&self) -> Self {
        Self {
            app: self.app.clone(),
            sink: Arc::clone(&self.sink),
            contents: self.contents,
            number: Arc::clone(&self.number),
        }
    }
}

impl<A, S> fmt::Debug for LogEvents<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogEvents")
            .field("contents", &self.contents)
            .finish_non_exhaustive()
    }
}
