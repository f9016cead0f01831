//! The application as a connection sees it: erased once, its future kept in one place and filled again.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gateway_spec::{AppError, Application, Connection, Done, Http, HttpScope, Signal, WebSocket};
use hosting::{confine, drop_confined, poll_confined};
use http::Version;
use tracing::field::display;
use tracing::{Instrument, Span};
use websocket::{Line, Times, Upgrade, Watch};

use crate::clock::Clock;
use crate::metrics::{Counts, Gauge, Open};
use crate::observe::ExchangeId;
use crate::socket::{Keeper, times};
use crate::{Exchange, Output, Settings};

/// An application of any type, shared by all connections.
#[derive(Clone)]
pub(crate) struct App {
    calls: Arc<dyn Calls>,
}

impl App {
    /// `forced` is raised when the grace period is over: sockets that are open then are closed. `clock` is the worker's.
    pub(crate) fn new(
        app: Arc<impl Application>,
        settings: &Settings,
        forced: &Signal<()>,
        clock: &Arc<Clock>,
        counts: &Arc<Counts>,
    ) -> Self {
        let shared = Arc::new(Shared {
            app,
            websocket: settings.websocket,
            times: times(&settings.timeouts),
            forced: forced.clone(),
            clock: Arc::clone(clock),
            counts: Arc::clone(counts),
            spans: settings.spans,
        });
        Self { calls: shared }
    }

    /// A place for the future of one call at a time.
    pub(crate) fn slot(&self) -> Box<dyn Slot> {
        Arc::clone(&self.calls).slot()
    }

    /// Starts the call for a request that may be one for a WebSocket. `tunnel` is its exchange, if that may become a tunnel.
    pub(crate) fn upgrade(&self, http: Http, tunnel: Option<Arc<Exchange>>) -> Started {
        Arc::clone(&self.calls).upgrade(http, tunnel)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// A call that was started in a place of its own.
pub(crate) struct Started {
    pub(crate) slot: Box<dyn Slot>,
    /// The socket that it has, if it has one whose bytes are the connection's.
    pub(crate) line: Option<(Arc<Line<Output>>, Watch)>,
}

/// How calls of one application are made.
trait Calls: Send + Sync {
    fn slot(self: Arc<Self>) -> Box<dyn Slot>;
    fn upgrade(self: Arc<Self>, http: Http, tunnel: Option<Arc<Exchange>>) -> Started;
}

/// What all calls share, behind one count.
struct Shared<A> {
    app: Arc<A>,
    websocket: websocket::Settings,
    times: Times,
    forced: Signal<()>,
    clock: Arc<Clock>,
    counts: Arc<Counts>,
    /// Whether each call is in a span.
    spans: bool,
}

/// The span of an exchange: what the application logs meanwhile can be told to be of it.
fn span(scope: &HttpScope) -> Span {
    let id = scope.extensions.get::<ExchangeId>().map(display);
    tracing::info_span!("exchange", id, method = %scope.method, path = scope.uri.path())
}

impl<A: Application> Calls for Shared<A> {
    fn slot(self: Arc<Self>) -> Box<dyn Slot> {
        let spans = self.spans;
        let make = |http, shared: Arc<Self>| async move {
            let result = shared.app.call(Connection::Http(http)).await;
            (result, shared)
        };
        if spans {
            return slot(self, move |http: Http, shared| {
                let span = span(&http.scope);
                make(http, shared).instrument(span)
            });
        }
        slot(self, make)
    }

    fn upgrade(self: Arc<Self>, http: Http, tunnel: Option<Arc<Exchange>>) -> Started {
        let span = match self.spans {
            true => span(&http.scope),
            false => Span::none(),
        };
        let (upgrade, line) = match (http.scope.version, &tunnel) {
            (Version::HTTP_11, Some(_)) => websocket::upgrade_line(http, &self.websocket),
            // Over a stream of HTTP/2; and where nothing else than a denial will be taken.
            _ => (websocket::upgrade(http, &self.websocket), None),
        };
        match (upgrade, line) {
            (Upgrade::WebSocket(socket, watch), Some(line)) => Started {
                slot: started(self.call(Connection::WebSocket(socket)), span),
                line: Some((line, watch)),
            },
            (Upgrade::WebSocket(socket, watch), None) => Started {
                slot: started(self.keep(socket, watch, tunnel), span),
                line: None,
            },
            (Upgrade::Http(http), _) => Started {
                slot: started(self.call(Connection::Http(http)), span),
                line: None,
            },
            (Upgrade::Refused(http, error), _) => Started {
                slot: started(http.responder.respond(error), span),
                line: None,
            },
        }
    }
}

impl<A: Application> Shared<A> {
    fn call(
        self: Arc<Self>,
        connection: Connection,
    ) -> impl Future<Output = Result<Done, AppError>> + Send {
        // Boxed until the call has it: in this future, which lives as long as a socket, it would have a place for ever.
        let connection = Box::new(connection);
        async move { self.app.call(unboxed(connection)).await }
    }

    /// The call of a socket whose bytes are an exchange's, with what needs a clock beside it.
    async fn keep(
        self: Arc<Self>,
        socket: WebSocket,
        watch: Watch,
        tunnel: Option<Arc<Exchange>>,
    ) -> Result<Done, AppError> {
        let _open = Open::new(&self.counts, Gauge::WebSockets);
        let call = self.app.call(Connection::WebSocket(socket));
        match tunnel {
            Some(exchange) => {
                Keeper::new(watch, exchange, &self.clock, &self.counts, self.times)
                    .keep(call, self.forced.wait())
                    .await
            }
            None => call.await,
        }
    }
}

/// What is in a box, whose memory is given back here: dereferenced in a future, it would live as long.
#[expect(
    clippy::boxed_local,
    reason = "to take it out of its box is what this is for"
)]
fn unboxed<T>(boxed: Box<T>) -> T {
    *boxed
}

/// A place for the future of one call: allocated once, filled for each request.
pub(crate) trait Slot: Send {
    /// Starts a call, in the place of the last one.
    fn start(&mut self, http: Http);

    /// Polls the call; `Ready` empties the slot. A panic comes out as an error.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Done, AppError>>;

    /// Both at once.
    fn call(&mut self, http: Http, cx: &mut Context<'_>) -> Poll<Result<Done, AppError>> {
        self.start(http);
        self.poll(cx)
    }

    /// Drops the call.
    fn clear(&mut self);

    /// The call itself, if the slot is for it alone.
    fn into_call(self: Box<Self>) -> Option<BoxCall>;
}

/// A call in a place of its own.
pub(crate) type BoxCall = Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send>>;

struct TypedSlot<S, M, F> {
    shared: Arc<S>,
    /// The same for the call, which gives it back when it returns: a count that goes up and down with each call costs more.
    lent: Option<Arc<S>>,
    make: M,
    future: Pin<Box<Option<F>>>,
}

impl<S, M, F> Slot for TypedSlot<S, M, F>
where
    S: Send + Sync + 'static,
    M: Fn(Http, Arc<S>) -> F + Send + 'static,
    F: Future<Output = (Result<Done, AppError>, Arc<S>)> + Send + 'static,
{
    #[inline(always)]
    fn start(&mut self, http: Http) {
        let shared = self.lent.take();
        let shared = shared.unwrap_or_else(|| Arc::clone(&self.shared));
        let future = (self.make)(http, shared);
        self.future.set(Some(future));
    }

    #[inline(always)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Done, AppError>> {
        let Self { lent, future, .. } = self;
        let polled = confine(|polled| {
            let Some(call) = future.as_mut().as_pin_mut() else {
                return;
            };
            if let Poll::Ready((result, shared)) = call.poll(cx) {
                *polled = Poll::Ready(result);
                *lent = Some(shared);
                future.set(None);
            }
        });
        if polled.is_ready() && self.future.is_some() {
            // It panicked.
            self.clear();
        }
        polled
    }

    #[cold]
    fn clear(&mut self) {
        drop_confined(|| self.future.set(None));
    }

    fn into_call(self: Box<Self>) -> Option<BoxCall> {
        None
    }
}

/// A slot for the calls that are made like this.
fn slot<S, M, F>(shared: Arc<S>, make: M) -> Box<dyn Slot>
where
    S: Send + Sync + 'static,
    M: Fn(Http, Arc<S>) -> F + Send + 'static,
    F: Future<Output = (Result<Done, AppError>, Arc<S>)> + Send + 'static,
{
    Box::new(TypedSlot {
        shared,
        lent: None,
        make,
        future: Box::pin(None),
    })
}

/// A slot for one call, which is started.
fn started(
    call: impl Future<Output = Result<Done, AppError>> + Send + 'static,
    span: Span,
) -> Box<dyn Slot> {
    // Most have none, and their futures are no larger for it.
    let call: BoxCall = match span.is_none() {
        true => Box::pin(call),
        false => Box::pin(call.instrument(span)),
    };
    slot_of(call)
}

/// A slot for a call that was made elsewhere.
pub(crate) fn slot_of(call: BoxCall) -> Box<dyn Slot> {
    Box::new(OneCall(Some(call)))
}

struct OneCall(Option<BoxCall>);

impl Slot for OneCall {
    fn start(&mut self, http: Http) {
        debug_assert!(false, "another slot is made for the next call");
        drop(http);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Done, AppError>> {
        let Some(call) = &mut self.0 else {
            return Poll::Pending;
        };
        let polled = poll_confined(call.as_mut(), cx);
        if polled.is_ready() {
            self.clear();
        }
        polled
    }

    fn clear(&mut self) {
        drop_confined(|| self.0 = None);
    }

    fn into_call(self: Box<Self>) -> Option<BoxCall> {
        self.0
    }
}
