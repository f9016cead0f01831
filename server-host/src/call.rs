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

use crate::Output;
use crate::app::{Slot, Upgradable};
use crate::worker::Worker;

/// A place for calls of the application, one at a time, whose allocations are used again.
///
/// The order is: [`vacant`](Self::vacant), [`begin`](Self::begin), [`poll`](Self::poll) as often as anything happens,
/// [`end`](Self::end) when the response is written or the connection is over, and [`rest`](Self::rest) when no next request is here.
pub struct Call {
    worker: Arc<Worker>,
    info: Arc<ConnectionInfo>,
    /// While a request is read or served.
    kit: Option<Box<Kit>>,
    phase: Phase,
    forced: bool,
}

/// What a call needs and an idle connection does not: the worker's, for whoever has a request.
pub(crate) struct Kit {
    slot: Box<dyn Slot>,
    exchange: Arc<Exchange>,
    scope: Scope,
    /// For what is to be written.
    output: Vec<u8>,
    began: Option<Instant>,
}

impl Kit {
    pub(crate) fn new(worker: &Worker) -> Self {
        Self {
            slot: worker.app.slot(),
            exchange: Arc::default(),
            scope: worker.blank.scope(),
            output: Vec::new(),
            began: None,
        }
    }
}

impl std::fmt::Debug for Kit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kit").finish_non_exhaustive()
    }
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
        Self {
            worker,
            info,
            kit: None,
            phase: Phase::Idle,
            forced: false,
        }
    }

    /// The scope of the next request, for whoever reads that: method, target, version, fields and body are the wire's to set; the rest
    /// is set already.
    #[inline]
    pub fn vacant(&mut self) -> &mut HttpScope {
        debug_assert_eq!(self.phase, Phase::Idle, "one call at a time");
        let kit = self.kit.get_or_insert_with(|| self.worker.take_kit());
        // A copy where the application keeps the last one.
        let scope = kit.scope.edit();
        scope.clear();
        if !Arc::ptr_eq(&scope.connection, &self.info) {
            scope.connection = Arc::clone(&self.info);
        }
        scope
    }

    /// As [`vacant`](Self::vacant), for a connection that also writes with the memory of its worker: `output` gets it if it has none.
    #[inline]
    pub fn vacant_with(&mut self, output: &mut Output) -> &mut HttpScope {
        if self.kit.is_none() {
            let mut kit = self.worker.take_kit();
            output.exchange_memory(&mut kit.output);
            self.kit = Some(kit);
        }
        self.vacant()
    }

    /// No request is here: gives back to the worker what only a request needs.
    pub fn rest(&mut self) {
        if self.phase == Phase::Idle
            && let Some(kit) = self.kit.take()
        {
            self.worker.give_kit(kit);
        }
    }

    /// As [`rest`](Self::rest), of a connection that has its memory by [`vacant_with`](Self::vacant_with). As long as something is to be
    /// written, it does nothing.
    #[inline]
    pub fn rest_with(&mut self, output: &mut Output) {
        if self.phase == Phase::Idle
            && output.is_empty()
            && let Some(mut kit) = self.kit.take()
        {
            output.exchange_memory(&mut kit.output);
            self.worker.give_kit(kit);
        }
    }

    /// Starts the call for the request that was put into the [vacant](Self::vacant) scope.
    ///
    /// # Panics
    ///
    /// If none was.
    pub fn begin(&mut self, facts: Facts) {
        debug_assert_eq!(self.phase, Phase::Idle, "one call at a time");
        let kit = self.kit.as_mut().expect("a request lies in its scope");
        kit.began = self.worker.now_if_logging();
        let body = kit.scope.body;
        let limit = self.worker.settings.limits.body_bytes;
        match Arc::get_mut(&mut kit.exchange) {
            Some(exchange) => exchange.begin(facts, body, limit),
            None => {
                let mut exchange = Exchange::new();
                exchange.begin(facts, body, limit);
                kit.exchange = Arc::new(exchange);
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
        let http = Http::new(kit.scope.clone(), Arc::clone(&kit.exchange) as _);
        // Where no tunnel can be, nobody looks after one.
        let upgrade = match facts.upgrade {
            UpgradeAsked::Yes => Upgradable::Yes(Arc::clone(&kit.exchange)),
            UpgradeAsked::Unlisted => Upgradable::InVain,
            UpgradeAsked::No => Upgradable::No,
        };
        kit.slot.start(http, upgrade);
        self.phase = Phase::Running;
    }

    /// Answers that there are too many calls already (HTTP-3).
    #[cold]
    fn refuse_for_now(&mut self) {
        self.phase = Phase::Returned;
        let head = ResponseHead::new(StatusCode::SERVICE_UNAVAILABLE)
            .with_header(header::RETRY_AFTER, RETRY_AFTER);
        // A fresh exchange takes its first event.
        let _ = self.exchange().send(HttpSend::Start {
            head,
            body: Bytes::new(),
            more: false,
            trailers: TrailersPlan::None,
        });
    }

    /// Answers in the application's place.
    fn refuse(&mut self, error: BodyError) {
        self.phase = Phase::Returned;
        self.exchange().leave(Turn::Failed(&error.into()));
    }

    /// The exchange under way; between requests one that is nobody's.
    #[must_use]
    #[inline]
    pub fn exchange(&self) -> &Arc<Exchange> {
        match &self.kit {
            Some(kit) => &kit.exchange,
            None => self.worker.blank.exchange(),
        }
    }

    /// What is known of the request under way.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        match &self.kit {
            Some(kit) => &kit.scope,
            None => self.worker.blank.shared_scope(),
        }
    }

    /// The scope for taking back what the wire put into it, if the application has let go of it: memory to be used
    /// again, and slices that would hold a read buffer.
    pub fn scope_mut(&mut self) -> Option<&mut HttpScope> {
        self.kit.as_mut()?.scope.reuse()
    }

    /// Whether a call is under way: begun and not ended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Polls the application, if it has not returned, and says what there is to do for the wire.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Progress {
        let Some(kit) = self.kit.as_deref_mut() else {
            return self.exchange().leave(Turn::Over).0;
        };
        kit.exchange.enter(cx.waker());
        if self.phase != Phase::Running {
            return kit.exchange.leave(Turn::Over).0;
        }
        let polled = kit.slot.poll(cx);
        if polled.is_ready() {
            self.worker.call_ended();
            self.phase = Phase::Returned;
        } else if self.forced {
            return kit.exchange.leave(Turn::Forced).0;
        }
        kit.exchange.settle(&polled, &kit.scope)
    }

    /// Gives the exchange up because the grace period is over: at the next poll the application learns it, and what
    /// can still be said to the client is in the exchange afterwards. The call itself goes on until its worker ends.
    pub fn force(&mut self) {
        self.forced = true;
    }

    /// The exchange is over: the response is written, or the connection gone. Logs it and makes room for the next.
    /// An application that has not returned goes on in a task of its own (SRV-1, SRV-9).
    pub fn end(&mut self, gone: Gone) {
        let Some(kit) = self.kit.as_deref_mut() else {
            return;
        };
        if self.phase == Phase::Idle {
            return;
        }
        if let Some(began) = kit.began {
            self.worker
                .access_log
                .exchange(&kit.scope, kit.exchange.sent(), began.elapsed());
        }
        if !kit.exchange.clear() {
            kit.exchange.set_gone(gone);
        }
        if self.phase == Phase::Running {
            let slot = std::mem::replace(&mut kit.slot, self.worker.app.slot());
            let scope = kit.scope.clone();
            tokio::spawn(Trailing::new(Arc::clone(&self.worker), slot, scope));
        }
        self.phase = Phase::Idle;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // A connection that ends in order has called `end`; this is its task being dropped.
        match self.phase {
            Phase::Idle => return self.rest(),
            Phase::Running => self.worker.call_ended(),
            Phase::Returned => {}
        }
        self.exchange().set_gone(Gone::Shutdown);
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("phase", &self.phase)
            .field("exchange", self.exchange())
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
