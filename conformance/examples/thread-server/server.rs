//! What all connections share: the application, its state, the times, the signals, and who is still at work.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use gateway_spec::{
    AppError, Application, BoxApplication, Capabilities, Connection, Done, Http, Scope, Signal,
    State,
};
use tokio::runtime::Handle;
use websocket::{Standing, Upgrade, Watch};

use crate::Event;
use crate::exchange::Exchange;

/// What the server can do beyond what each must (SRV-10): all that there is.
pub(crate) const CAPABILITIES: Capabilities = Capabilities::new("thread-server")
    .with_informational(true)
    .with_wire_order(true)
    .with_wire_case(true)
    .with_continue_on_read(true)
    .with_trailers(true);

/// How much there may be at a time.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Connections, each with its thread. Above it new ones wait in the kernel.
    pub(crate) connections: usize,
    /// Calls, those included that go on without their client; above it 503 is answered (HTTP-3).
    pub(crate) calls: usize,
}

pub(crate) struct Server {
    pub(crate) app: BoxApplication,
    pub(crate) state: State,
    pub(crate) times: Times,
    pub(crate) limits: Limits,
    /// Timers and I/O for the application (SRV-11), and a place for calls whose connection has gone on without them.
    pub(crate) runtime: Handle,
    /// Raised when the drain begins, with the time until which applications may go on (SRV-4).
    pub(crate) drain: Signal<Instant>,
    /// Raised when that time is over.
    pub(crate) forced: Signal<()>,
    /// Raised when all of the grace is over: nobody's client is there any more (SRV-2).
    pub(crate) over: Signal<()>,
    pub(crate) connections: Arc<Count>,
    pub(crate) calls: Arc<Count>,
}

/// How long the others are waited for, clients above all (SRV-14).
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// For the application to start (LIFE-8).
    pub(crate) startup: Duration,
    /// From a head's first byte, or the connection's, to its last.
    pub(crate) head: Duration,
    /// From an answer to the next request.
    pub(crate) idle: Duration,
    /// Without a byte of a body that the application waits for.
    pub(crate) body: Duration,
    /// Without a byte that the client takes.
    pub(crate) write: Duration,
    /// For the client to end its direction after ours, so that it reads all that was sent.
    pub(crate) linger: Duration,
    /// From our close frame of a WebSocket to the client's (WS-19).
    pub(crate) close: Duration,
    /// Until a silent client of a WebSocket is pinged (WS-9).
    pub(crate) ping: Duration,
    /// From the ping until it is given up.
    pub(crate) pong: Duration,
}

/// A call of the application for one exchange. Its panics are errors (SRV-7).
pub(crate) struct Call {
    future: Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send>>,
    scope: Scope,
    _counts: Counted,
}

impl Call {
    pub(crate) fn new(
        server: &Arc<Server>,
        http: Http,
        exchange: &Arc<Exchange>,
        counts: Counted,
    ) -> Self {
        let scope = http.scope.clone();
        let (server, exchange) = (Arc::clone(server), Arc::clone(exchange));
        Self {
            future: Box::pin(async move { server.call(http, &exchange).await }),
            scope,
            _counts: counts,
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Done, AppError>> {
        // Nobody polls it again after a panic, so what it left half done is not seen.
        let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(AppError::message("the application panicked"))))
    }

    /// Lets it run to its end without its connection (SRV-1, SRV-9).
    pub(crate) fn go_on(mut self, runtime: &Handle) {
        runtime.spawn(async move {
            if let Err(error) = std::future::poll_fn(|cx| self.poll(cx)).await {
                self.report(&error);
            }
        });
    }

    /// A leaving client is no error of the application (APP-5); all else is logged once (APP-6).
    pub(crate) fn report(&self, error: &AppError) {
        if error.gone().is_none() {
            self.log(error);
        }
    }

    pub(crate) fn log(&self, what: &dyn Display) {
        // Both are free of control bytes: http1 has checked them.
        let (method, path) = (&self.scope.method, self.scope.uri.path());
        let label = self.scope.label.get().unwrap_or(path);
        // What the application says need not be, and a failure is one line.
        let what = what.to_string();
        eprintln!("ERROR {method} {label}: {}", what.escape_debug());
    }
}

impl Server {
    /// The application, for what the exchange is: a request or a WebSocket (WS-1).
    async fn call(&self, http: Http, exchange: &Exchange) -> Result<Done, AppError> {
        match websocket::upgrade(http, &websocket::Settings::default()) {
            Upgrade::Http(http) => self.app.call(Connection::Http(http)).await,
            Upgrade::Refused(http, error) => http.responder.respond(error).await,
            Upgrade::WebSocket(socket, watch) => {
                let call = self.app.call(Connection::WebSocket(socket));
                let result = self.keep(call, &watch, exchange).await;
                // What the client answers to our close frame is not the application's to fail by.
                let _ = tokio::time::timeout(self.times.close, watch).await;
                result
            }
        }
    }

    /// Runs a socket's call, and beside it what needs a clock: `websocket` has none.
    async fn keep<T>(
        &self,
        call: impl Future<Output = T>,
        watch: &Watch,
        exchange: &Exchange,
    ) -> T {
        let mut call = pin!(call);
        let mut forced = pin!(self.forced.wait());
        let mut since = Instant::now();
        let mut is_pinged = false;
        loop {
            let patience = match is_pinged {
                false => self.times.ping,
                true => self.times.pong,
            };
            tokio::select! {
                biased;
                result = &mut call => return result,
                () = &mut forced => watch.shut_down(), // WS-18
                () = tokio::time::sleep_until((since + patience).into()) => {
                    let silent_since = exchange.silent_since();
                    if silent_since > since {
                        (since, is_pinged) = (silent_since, false);
                        continue;
                    }
                    if is_pinged {
                        watch.time_out(); // WS-9
                    }
                    let may_ping = !is_pinged && watch.standing() == Standing::Open;
                    is_pinged = may_ping && watch.ping();
                    since = Instant::now();
                }
            }
        }
    }
}

/// How many of something there are.
pub(crate) struct Count {
    number: Mutex<usize>,
    less: Condvar,
    /// Learns when there is none.
    main: Sender<Event>,
}

/// One of them, while it lives.
pub(crate) struct Counted(Arc<Count>);

impl Count {
    pub(crate) fn new(main: Sender<Event>) -> Arc<Self> {
        Arc::new(Self {
            number: Mutex::new(0),
            less: Condvar::new(),
            main,
        })
    }

    /// One more, if there are fewer than `limit`.
    pub(crate) fn add(self: &Arc<Self>, limit: usize) -> Option<Counted> {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        (*number < limit).then(|| {
            *number += 1;
            Counted(Arc::clone(self))
        })
    }

    /// Waits until there are fewer than `limit`, for a while.
    pub(crate) fn wait_below(&self, limit: usize, at_most: Duration) {
        let number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            self.less
                .wait_timeout_while(number, at_most, |number| *number >= limit),
        );
    }

    pub(crate) fn is_zero(&self) -> bool {
        *self.number.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut number = self.0.number.lock().unwrap_or_else(PoisonError::into_inner);
        *number -= 1;
        self.0.less.notify_one();
        if *number == 0 {
            // Nobody listens any more when the process ends.
            let _ = self.0.main.send(Event::Idle);
        }
    }
}
