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
        let call = move |http: Http, upgrade| {
            let shared = Arc::clone(&shared);
            async move {
                let tunnel = match upgrade {
                    Upgradable::No => return shared.app.call(Connection::Http(http)).await,
                    Upgradable::InVain => None,
                    Upgradable::Yes(exchange) => Some(exchange),
                };
                // Rare, and large: kept out of the future of all others.
                Box::pin(shared.upgrade(http, tunnel)).await
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

impl<A: Application> Shared<A> {
    /// A request that may be one for a WebSocket.
    async fn upgrade(&self, http: Http, tunnel: Option<Arc<Exchange>>) -> Result<Done, AppError> {
        match (websocket::upgrade(http, &self.websocket), tunnel) {
            (Upgrade::Http(http), tunnel) => {
                drop(tunnel);
                self.app.call(Connection::Http(http)).await
            }
            (Upgrade::WebSocket(socket, watch), Some(exchange)) => {
                let call = self.app.call(Connection::WebSocket(socket));
                Keeper::new(watch, exchange, &self.clock, self.times)
                    .keep(call, self.forced.wait())
                    .await
            }
            (Upgrade::WebSocket(socket, _), None) => {
                // Nothing else than a denial will be taken.
                self.app.call(Connection::WebSocket(socket)).await
            }
            (Upgrade::Refused(http, error), _) => http.responder.respond(error).await,
        }
    }
}

/// Whether a request may be one for a WebSocket or another tunnel.
pub(crate) enum Upgradable {
    No,
    /// It asks for it in a way that cannot be granted.
    InVain,
    /// Its exchange may become a tunnel.
    Yes(Arc<Exchange>),
}

/// A place for the future of one call: allocated once, filled for each request.
pub(crate) trait Slot: Send {
    /// Starts a call, in the place of the last one.
    fn start(&mut self, http: Http, upgrade: Upgradable);

    /// Polls the call; `Ready` empties the slot. A panic comes out as an error.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Done, AppError>>;

    /// Drops the call.
    fn clear(&mut self);
}

fn slots<M, F>(make: Arc<M>) -> Arc<dyn Fn() -> Box<dyn Slot> + Send + Sync>
where
    M: Fn(Http, Upgradable) -> F + Send + Sync + 'static,
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
    M: Fn(Http, Upgradable) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    fn start(&mut self, http: Http, upgrade: Upgradable) {
        let future = (self.make)(http, upgrade);
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
