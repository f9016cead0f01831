//! The application as a connection sees it: erased once, its future kept in one place and filled again.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gateway_spec::{AppError, Application, Connection, Done, Http, Signal};
use hosting::{drop_confined, poll_confined};
use websocket::{Times, Upgrade};

use crate::clock::Clock;
use crate::socket::{Keeper, times};
use crate::{Exchange, Settings};

/// An application of any type, shared by all connections.
#[derive(Clone)]
pub(crate) struct App {
    make_slot: Arc<dyn Fn() -> Box<dyn Slot> + Send + Sync>,
}

impl App {
    /// `forced` is raised when the grace period is over: sockets that are open then are closed. `clock` is the worker's.
    pub(crate) fn new(
        app: Arc<impl Application>,
        settings: &Settings,
        forced: &Signal<()>,
        clock: &Arc<Clock>,
    ) -> Self {
        let shared = Arc::new(Shared {
            app,
            websocket: settings.websocket,
            times: times(&settings.timeouts),
            forced: forced.clone(),
            clock: Arc::clone(clock),
        });
        let call = move |http, tunnel: Option<Arc<Exchange>>| {
            let shared = Arc::clone(&shared);
            async move {
                match (websocket::upgrade(http, &shared.websocket), tunnel) {
                    (Upgrade::Http(http), tunnel) => {
                        drop(tunnel);
                        shared.app.call(Connection::Http(http)).await
                    }
                    (Upgrade::WebSocket(socket, watch), Some(exchange)) => {
                        let call = shared.app.call(Connection::WebSocket(socket));
                        Keeper::new(watch, exchange, &shared.clock, shared.times)
                            .keep(call, shared.forced.wait())
                            .await
                    }
                    (Upgrade::WebSocket(socket, _), None) => {
                        // Nothing else than a denial will be taken.
                        shared.app.call(Connection::WebSocket(socket)).await
                    }
                    (Upgrade::Refused(http, error), _) => http.responder.respond(error).await,
                }
            }
        };
        Self {
            make_slot: slots(Arc::new(call)),
        }
    }

    /// A place for the future of one call at a time.
    pub(crate) fn slot(&self) -> Box<dyn Slot> {
        (self.make_slot)()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// What all calls share, behind one count.
struct Shared<A> {
    app: Arc<A>,
    websocket: websocket::Settings,
    times: Times,
    forced: Signal<()>,
    clock: Arc<Clock>,
}

/// A place for the future of one call: allocated once, filled for each request.
pub(crate) trait Slot: Send {
    /// Starts a call, in the place of the last one. `tunnel` is its exchange, if that may become a tunnel.
    fn start(&mut self, http: Http, tunnel: Option<Arc<Exchange>>);

    /// Polls the call; `Ready` empties the slot. A panic comes out as an error.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Done, AppError>>;

    /// Drops the call.
    fn clear(&mut self);
}

fn slots<M, F>(make: Arc<M>) -> Arc<dyn Fn() -> Box<dyn Slot> + Send + Sync>
where
    M: Fn(Http, Option<Arc<Exchange>>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    Arc::new(move || {
        Box::new(TypedSlot {
            make: Arc::clone(&make),
            future: Box::pin(None),
        })
    })
}

struct TypedSlot<M, F> {
    make: Arc<M>,
    future: Pin<Box<Option<F>>>,
}

impl<M, F> Slot for TypedSlot<M, F>
where
    M: Fn(Http, Option<Arc<Exchange>>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    fn start(&mut self, http: Http, tunnel: Option<Arc<Exchange>>) {
        let future = (self.make)(http, tunnel);
        self.future.set(Some(future));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Done, AppError>> {
        let Some(call) = self.future.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let polled = poll_confined(call, cx);
        if polled.is_ready() {
            self.clear();
        }
        polled
    }

    fn clear(&mut self) {
        drop_confined(|| self.future.set(None));
    }
}
