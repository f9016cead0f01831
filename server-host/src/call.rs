//! One call of the application after another, for one connection: what is started, polled, settled and logged.

mod kit;
mod socket;
#[cfg(test)]
mod tests;
mod trailing;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_spec::{
    AppError, BodyError, BodyLength, ConnectionInfo, Done, Gone, Headers, HttpScope, HttpSend,
    HttpTransport, ResponseHead, Scope, TrailersPlan,
};
use hosting::{Exchange, Facts, Progress, Turn, UpgradeAsked};
use http::{HeaderValue, StatusCode, header};
use websocket::line::Turn as SocketTurn;

use crate::observe::{Fate, Limit};
use crate::proxy::Rewriting;
use crate::worker::Worker;

use trailing::Trailing;

pub(crate) use kit::Kit;
pub(crate) use socket::SocketCall;

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
    /// What is to be changed of scopes, if anything.
    rewriting: Option<Arc<Rewriting>>,
}

/// What has become of a call that was begun and polled at once.
#[derive(Debug)]
pub enum Served<E> {
    /// All is over: the application has returned, and its answer was written, or not.
    Whole(Result<(), E>),
    /// The call goes on, or its answer is to be written piece by piece: this is to do for the wire.
    Goes(Progress),
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
        let rewriting = worker.rewriting.as_ref();
        let rewriting = rewriting.filter(|rewriting| rewriting.concerns(info.client.as_ref()));
        Self {
            rewriting: rewriting.map(Arc::clone),
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
        kit.is_told = true;
        // A copy where the application keeps the last one.
        let scope = kit.scope.edit();
        scope.clear();
        if !Arc::ptr_eq(&scope.connection, &self.info) {
            scope.connection = Arc::clone(&self.info);
            // Another client's: a head that comes slowly does not keep them here.
            scope.headers = Headers::new();
        }
        scope
    }

    /// The scope of the request before, if the next one may have it as it is, should it say the same: it was of this connection, nobody
    /// has kept it, and nothing else than what the wire [sets](Self::vacant) is in it.
    #[inline]
    pub fn kept(&mut self) -> Option<&HttpScope> {
        debug_assert_eq!(self.phase, Phase::Idle, "one call at a time");
        let kit = self.kit.get_or_insert_with(|| self.worker.take_kit());
        let scope: &HttpScope = &kit.scope;
        let may_stay = kit.is_told
            && Arc::ptr_eq(&scope.connection, &self.info)
            && self.rewriting.is_none()
            && kit.scope.try_clear();
        may_stay.then_some(scope)
    }

    /// No request is here: gives back to the worker what only a request needs. What the client said is forgotten at the next tick, unless
    /// a request comes before.
    pub fn rest(&mut self) {
        if self.phase == Phase::Idle
            && let Some(kit) = self.kit.take()
        {
            self.worker.give_kit(kit);
        }
    }

    /// Starts the call for the request that was put into the [vacant](Self::vacant) scope.
    ///
    /// # Panics
    ///
    /// If no scope was vacant since the connection had its last [rest](Self::rest).
    pub fn begin(&mut self, facts: Facts) {
        if !self.prepare(facts, None, None) {
            return;
        }
        let Some(kit) = self.kit.as_deref_mut() else {
            return;
        };
        let http = kit.http();
        match facts.upgrade {
            UpgradeAsked::No => kit.slot.start(http),
            asked => self.begin_upgrade(http, asked),
        }
    }

    /// [`begin`](Self::begin) and the first [`poll`](Self::poll) at once, and the [`end`](Self::end) too where the application has answered in one event
    /// and returned, as nearly all do: that is given to `write` from where it lies. With what `write` fails the call is still to be ended.
    ///
    /// # Panics
    ///
    /// As `begin`.
    #[inline]
    pub fn serve<E>(
        &mut self,
        facts: Facts,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut ResponseHead, Bytes) -> Result<(), E>,
    ) -> Served<E> {
        self.serve_at_once(facts, None, cx, write)
    }

    /// The same for a request whose body is here already, all of it: the application finds it at its first poll.
    ///
    /// # Panics
    ///
    /// As `begin`.
    pub fn serve_with_body<E>(
        &mut self,
        facts: Facts,
        body: Bytes,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut ResponseHead, Bytes) -> Result<(), E>,
    ) -> Served<E> {
        self.serve_at_once(facts, Some(body), cx, write)
    }

    #[inline(always)]
    fn serve_at_once<E>(
        &mut self,
        facts: Facts,
        body: Option<Bytes>,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut ResponseHead, Bytes) -> Result<(), E>,
    ) -> Served<E> {
        if facts.upgrade != UpgradeAsked::No {
            self.begin(facts);
            if let Some(body) = body {
                self.exchange().push_last_part(body);
            }
            return Served::Goes(self.poll(cx));
        }
        if !self.prepare(facts, body, Some(cx.waker())) {
            return Served::Goes(self.poll(cx));
        }
        let Some(kit) = self.kit.as_deref_mut() else {
            return Served::Goes(self.poll(cx));
        };
        let polled = kit.turn(&self.worker, |kit| kit.slot.call(kit.http(), cx));
        let Poll::Ready(Ok(done)) = polled else {
            return Served::Goes(self.settle(&polled));
        };
        if kit.began.is_none()
            && let Some(exchange) = Arc::get_mut(&mut kit.exchange)
            && let Some(written) = exchange.finish_whole(write)
        {
            self.worker.call_ended();
            self.phase = match written {
                Ok(()) => Phase::Idle,
                Err(_) => Phase::Returned,
            };
            return Served::Whole(written);
        }
        Served::Goes(self.settle(&Poll::Ready(Ok(done))))
    }

    /// Makes an exchange of the request, or answers in the application's place: whether that is to be called. `whole` is the body if all of
    /// it is here, `entered` the waker of a task that polls the call at once.
    #[inline(always)]
    fn prepare(&mut self, facts: Facts, whole: Option<Bytes>, entered: Option<&Waker>) -> bool {
        debug_assert_eq!(self.phase, Phase::Idle, "one call at a time");
        let kit = self.kit.as_mut().expect("a request lies in its scope");
        if let Some(rewriting) = &self.rewriting {
            rewriting.apply(kit.scope.edit(), &self.info);
        }
        let body = kit.scope.body;
        let limit = self.worker.settings.limits.body_bytes;
        let begin = |exchange: &mut Exchange| match entered {
            Some(waker) => exchange.begin_entered(facts, body, limit, waker),
            None => exchange.begin(facts, body, limit),
        };
        match Arc::get_mut(&mut kit.exchange) {
            Some(exchange) => begin(exchange),
            None => {
                let mut exchange = Exchange::new();
                begin(&mut exchange);
                kit.exchange = Arc::new(exchange);
            }
        }
        // Of this exchange, whose bytes may be counted from another number than those of the last.
        if self.worker.is_observed {
            kit.start_observing(&self.worker);
        }
        if let Some(bytes) = whole {
            kit.exchange.push_last_part(bytes);
        }
        if let BodyLength::Known(length) = body
            && length > limit
        {
            self.note_limit(Limit::BodyBytes);
            self.refuse(BodyError::TooLarge { limit });
            return false;
        }
        if !self.worker.call_begins() {
            self.note_limit(Limit::Exchanges);
            self.refuse_for_now();
            return false;
        }
        self.phase = Phase::Running;
        true
    }

    /// The application is not called, and whoever wants to know of the exchange is told why.
    #[cold]
    fn note_limit(&mut self, limit: Limit) {
        if let Some(began) = self.kit.as_mut().and_then(|kit| kit.began.as_mut()) {
            began.fate = Fate::Limited(limit);
        }
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

    /// Both at once, of a request that is read or served: the answer to what is in the scope comes from the exchange.
    #[inline]
    pub fn exchange_and_scope(&mut self) -> Option<(&mut Arc<Exchange>, &mut Scope)> {
        let kit = self.kit.as_deref_mut()?;
        Some((&mut kit.exchange, &mut kit.scope))
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
        let polled = kit.turn(&self.worker, |kit| kit.slot.poll(cx));
        self.settle(&polled)
    }

    /// After a poll of the application: what there is to do for the wire.
    fn settle(&mut self, polled: &Poll<Result<Done, AppError>>) -> Progress {
        let Some(kit) = self.kit.as_deref_mut() else {
            return self.exchange().leave(Turn::Over).0;
        };
        if polled.is_ready() {
            self.worker.call_ended();
            kit.note_failure(polled);
            self.phase = Phase::Returned;
            if let (Some(socket), Poll::Ready(result)) = (&mut kit.socket, polled) {
                socket.returned = SocketTurn::of(result);
            }
        } else if self.forced {
            return kit.exchange.leave(Turn::Forced).0;
        }
        kit.exchange.settle(polled, &kit.scope)
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
        if let Some(line) = kit.line() {
            line.set_gone(gone);
        }
        if kit.began.is_some() {
            // What the shutdown cut off the application did not give up.
            let is_cut_off = self.forced && gone == Gone::Aborted;
            let told = if is_cut_off { Gone::Shutdown } else { gone };
            kit.tell(&self.worker, told);
        }
        kit.exchange.finish(gone);
        if self.phase == Phase::Running {
            let slot = std::mem::replace(&mut kit.slot, self.worker.app.slot());
            let (mark, scope) = kit.give_away(&self.worker);
            tokio::spawn(Trailing::of_request(&self.worker, slot, scope, mark));
        }
        kit.forget_socket(&self.worker);
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
        if let Some(kit) = &mut self.kit {
            if let Some(line) = kit.line() {
                line.set_gone(Gone::Shutdown);
            }
            kit.tell(&self.worker, Gone::Shutdown);
        }
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
