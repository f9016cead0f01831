//! One call of the application after another, for one connection: what is started, polled, settled and logged.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use gateway_spec::{
    BodyError, BodyLength, ConnectionInfo, Gone, Http, HttpScope, HttpSend, HttpTransport,
    ResponseHead, Scope, TrailersPlan,
};
use hosting::{Exchange, Facts, Progress, Turn, UpgradeAsked, report};
use http::{HeaderValue, StatusCode, header};

use crate::app::{Slot, Upgradable};
use crate::worker::Worker;

/// A place for calls of the application, one at a time, whose allocations are used again.
///
/// The order is: [`vacant`](Self::vacant), [`begin`](Self::begin), [`poll`](Self::poll) as often as anything happens, and
/// [`end`](Self::end) when the response is written or the connection is over.
pub struct Call {
    worker: Arc<Worker>,
    slot: Box<dyn Slot>,
    exchange: Arc<Exchange>,
    scope: Scope,
    phase: Phase,
    forced: bool,
    began: Option<Instant>,
}

/// Seconds after which a refused client may ask again: exchanges end all the time.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Running,
    Returned,
}

impl Call {
    pub(crate) fn new(worker: Arc<Worker>, info: Arc<ConnectionInfo>) -> Self {
        let mut scope = HttpScope::new(info);
        scope.state = worker.state.clone();
        let slot = worker.app.slot();
        Self {
            worker,
            slot,
            exchange: Arc::default(),
            scope: Scope::new(scope),
            phase: Phase::Idle,
            forced: false,
            began: None,
        }
    }

    /// The scope of the next request, for whoever reads that: method, target, version, fields and body are the wire's to set; the rest
    /// is set already.
    #[inline]
    pub fn vacant(&mut self) -> &mut HttpScope {
        debug_assert_eq!(self.phase, Phase::Idle, "one call at a time");
        // A copy where the application keeps the last one; all that is copied in vain is of a request that it wanted to keep.
        let scope = self.scope.edit();
        scope.clear();
        scope
    }

    /// Starts the call for the request that was put into the [vacant](Self::vacant) scope.
    pub fn begin(&mut self, facts: Facts) {
        debug_assert_eq!(self.phase, Phase::Idle, "one call at a time");
        self.began = self.worker.now_if_logging();
        let body = self.scope.body;
        let limit = self.worker.settings.limits.body_bytes;
        match Arc::get_mut(&mut self.exchange) {
            Some(exchange) => exchange.begin(facts, body, limit),
            None => {
                let mut exchange = Exchange::new();
                exchange.begin(facts, body, limit);
                self.exchange = Arc::new(exchange);
            }
        }
        if let BodyLength::Known(length) = body
            && length > limit
        {
            return self.refuse(BodyError::TooLarge { limit });
        }
        if !self.worker.call_begins() {
            return self.refuse_for_now();
        }
        let http = Http::new(self.scope.clone(), Arc::clone(&self.exchange) as _);
        // Where no tunnel can be, nobody looks after one.
        let upgrade = match facts.upgrade {
            UpgradeAsked::Yes => Upgradable::Yes(Arc::clone(&self.exchange)),
            UpgradeAsked::Unlisted => Upgradable::InVain,
            UpgradeAsked::No => Upgradable::No,
        };
        self.slot.start(http, upgrade);
        self.phase = Phase::Running;
    }

    /// Answers that there are too many calls already (HTTP-3).
    #[cold]
    fn refuse_for_now(&mut self) {
        self.phase = Phase::Returned;
        let head = ResponseHead::new(StatusCode::SERVICE_UNAVAILABLE)
            .with_header(header::RETRY_AFTER, RETRY_AFTER);
        // A fresh exchange takes its first event.
        let _ = self.exchange.send(HttpSend::Start {
            head,
            body: Bytes::new(),
            more: false,
            trailers: TrailersPlan::None,
        });
    }

    /// Answers in the application's place.
    fn refuse(&mut self, error: BodyError) {
        self.phase = Phase::Returned;
        self.exchange.leave(Turn::Failed(&error.into()));
    }

    /// The exchange under way.
    #[must_use]
    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// What is known of the request under way.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The scope for taking back what the wire put into it, if the application has let go of it: memory to be used
    /// again, and slices that would hold a read buffer.
    pub fn scope_mut(&mut self) -> Option<&mut HttpScope> {
        self.scope.reuse()
    }

    /// Both at once: an answer to the request in the scope comes from the exchange.
    #[inline]
    pub fn exchange_and_scope(&mut self) -> (&Arc<Exchange>, &mut Scope) {
        (&self.exchange, &mut self.scope)
    }

    /// Whether a call is under way: begun and not ended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Polls the application, if it has not returned, and says what there is to do for the wire.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Progress {
        if self.phase != Phase::Running {
            self.exchange.enter(cx.waker());
            return self.exchange.leave(Turn::Over).0;
        }
        self.exchange.enter(cx.waker());
        let polled = self.slot.poll(cx);
        if polled.is_ready() {
            self.worker.call_ended();
        }
        if polled.is_pending() && self.forced {
            return self.exchange.leave(Turn::Forced).0;
        }
        if polled.is_ready() {
            self.phase = Phase::Returned;
        }
        self.exchange.settle(&polled, &self.scope)
    }

    /// Gives the exchange up because the grace period is over: at the next poll the application learns it, and what
    /// can still be said to the client is in the exchange afterwards. The call itself goes on until its worker ends.
    pub fn force(&mut self) {
        self.forced = true;
    }

    /// The exchange is over: the response is written, or the connection gone. Logs it and makes room for the next.
    /// An application that has not returned goes on in a task of its own (SRV-1, SRV-9).
    pub fn end(&mut self, gone: Gone) {
        if self.phase == Phase::Idle {
            return;
        }
        if let Some(began) = self.began {
            self.worker
                .access_log
                .exchange(&self.scope, self.exchange.sent(), began.elapsed());
        }
        if !self.exchange.clear() {
            self.exchange.set_gone(gone);
        }
        if self.phase == Phase::Running {
            let slot = std::mem::replace(&mut self.slot, self.worker.app.slot());
            let scope = self.scope.clone();
            tokio::spawn(Trailing::new(Arc::clone(&self.worker), slot, scope));
        }
        self.phase = Phase::Idle;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // A connection that ends in order has called `end`; this is its task being dropped.
        if self.phase != Phase::Idle {
            self.exchange.set_gone(Gone::Shutdown);
        }
        if self.phase == Phase::Running {
            self.worker.call_ended();
        }
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("phase", &self.phase)
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}

/// A call that goes on after its exchange is over. It counts in the drain, and as a call.
struct Trailing {
    worker: Arc<Worker>,
    slot: Box<dyn Slot>,
    scope: Scope,
}

impl Trailing {
    fn new(worker: Arc<Worker>, slot: Box<dyn Slot>, scope: Scope) -> Self {
        worker.opened();
        Self {
            worker,
            slot,
            scope,
        }
    }
}

impl Future for Trailing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = std::task::ready!(self.slot.poll(cx)) {
            report(&self.scope, &error);
        }
        Poll::Ready(())
    }
}

impl Drop for Trailing {
    fn drop(&mut self) {
        self.worker.call_ended();
        self.worker.closed();
    }
}
