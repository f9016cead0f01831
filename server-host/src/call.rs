//! One call of the application after another, for one connection: what is started, polled, settled and logged.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_spec::{
    AppError, BodyError, BodyLength, ConnectionInfo, Done, Gone, Headers, Http, HttpScope,
    HttpSend, HttpTransport, ResponseHead, Scope, TrailersPlan,
};
use hosting::{
    Exchange, Facts, Progress, Sent, Turn, UpgradeAsked, drop_confined, is_panic, poll_confined,
    report, report_of,
};
use http::{HeaderValue, Method, StatusCode, header};
use websocket::line::Turn as SocketTurn;
use websocket::{Line, Watch};

use crate::app::{self, BoxCall, Slot, Started};
use crate::metrics::{Gauge, Open};
use crate::observe::{Began, Fate, Limit};
use crate::proxy::Rewriting;
use crate::stall::Mark;
use crate::worker::{Seat, Worker};
use crate::{Io, Output, socket};

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

/// What a call needs and an idle connection does not: the worker's, for whoever has a request.
pub(crate) struct Kit {
    slot: Box<dyn Slot>,
    exchange: Arc<Exchange>,
    scope: Scope,
    mark: Mark,
    /// If somebody wants to know of the exchange.
    began: Option<Began>,
    /// Whether what a client has said lies in the scope.
    is_told: bool,
    /// What a call has that may become a WebSocket's: the slot is then for it alone.
    socket: Option<Box<MayBeSocket>>,
}

/// What a request may become.
struct MayBeSocket {
    /// The socket, if its bytes may be the connection's.
    line: Option<(Arc<Line<Output>>, Watch)>,
    /// How the call has returned.
    returned: SocketTurn,
}

impl Kit {
    pub(crate) fn new(worker: &Worker) -> Self {
        let mark = worker.turns.mark();
        Self {
            slot: worker.app.slot(),
            exchange: Arc::default(),
            scope: worker.blank.scope(&mark),
            mark,
            began: None,
            is_told: false,
            socket: None,
        }
    }

    /// The exchange as the application has it.
    #[inline(always)]
    fn http(&self) -> Http {
        Http::new(self.scope.clone(), Arc::clone(&self.exchange) as _)
    }

    /// Polls the call under the eyes of who looks for calls that hold their worker.
    #[inline(always)]
    fn turn(
        &mut self,
        worker: &Worker,
        poll: impl FnOnce(&mut Self) -> Poll<Result<Done, AppError>>,
    ) -> Poll<Result<Done, AppError>> {
        self.mark.begin();
        let polled = poll(self);
        if let Some(since) = self.mark.end() {
            worker.was_held(&self.scope, since);
        }
        polled
    }

    /// Somebody wants to know of the exchange.
    #[cold]
    fn start_observing(&mut self, worker: &Worker) {
        let mut began = worker.begin_observation(&self.exchange);
        if worker.observing.spans
            && let Some(scope) = self.scope.reuse()
        {
            scope.extensions.insert(began.id);
        }
        if worker.observing.fields {
            began.kept = Some(self.scope.clone());
        }
        self.began = Some(began);
    }

    /// A panic is what became of the exchange, whatever is still sent.
    #[inline]
    fn note_panic(&mut self, polled: &Poll<Result<Done, AppError>>) {
        if let (Poll::Ready(Err(error)), Some(began)) = (polled, &mut self.began) {
            began.fate = fate_of(error);
        }
    }

    /// The exchange is over: whoever wants to know of it is told.
    #[inline]
    fn tell(&mut self, worker: &Worker, gone: Gone) {
        if let Some(began) = self.began.take() {
            let received = self.exchange.received().wrapping_sub(began.received);
            worker.exchange_over(&began, &self.scope, self.exchange.sent(), received, gone);
        }
    }

    /// What is known of the call under way goes with it: the mark, and with it the label that it shows, and the scope.
    fn give_away(&mut self, worker: &Worker) -> (Mark, Scope) {
        let mark = std::mem::replace(&mut self.mark, worker.turns.mark());
        let scope = std::mem::replace(&mut self.scope, worker.blank.scope(&self.mark));
        (mark, scope)
    }

    fn line(&self) -> Option<&Line<Output>> {
        Some(&*self.socket.as_ref()?.line.as_ref()?.0)
    }

    /// Makes room for a call of any kind in place of one that may have become a WebSocket.
    fn forget_socket(&mut self, worker: &Worker) {
        if self.socket.take().is_some() {
            self.slot = worker.app.slot();
        }
    }

    /// Forgets what the client said, of a kit that nobody uses: nothing of it lies about until somebody else comes.
    pub(crate) fn forget(&mut self, worker: &Worker) {
        if !std::mem::take(&mut self.is_told) {
            return;
        }
        match self.scope.reuse() {
            Some(scope) => scope.headers = Headers::new(),
            // The application keeps it.
            None => self.scope = worker.blank.scope(&self.mark),
        }
    }
}

impl std::fmt::Debug for Kit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kit").finish_non_exhaustive()
    }
}

/// What became of an exchange whose call failed like this.
fn fate_of(error: &AppError) -> Fate {
    match is_panic(error) {
        true => Fate::Panicked,
        false => Fate::Called,
    }
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

    /// Starts the call in a slot of its own: such a future is larger than others, and rare.
    #[cold]
    fn begin_upgrade(&mut self, http: Http, asked: UpgradeAsked) {
        let Some(kit) = &mut self.kit else {
            return;
        };
        // Where no tunnel can be, nobody looks after one.
        let tunnel = match asked {
            UpgradeAsked::Yes => Some(Arc::clone(&kit.exchange)),
            UpgradeAsked::Unlisted | UpgradeAsked::No => None,
        };
        let Started { slot, line } = self.worker.app.upgrade(http, tunnel);
        kit.slot = slot;
        kit.socket = Some(Box::new(MayBeSocket {
            line,
            returned: SocketTurn::Pending,
        }));
    }

    /// Whether the call under way is a WebSocket's that the application has accepted, and whose bytes are the connection's: once the
    /// answer is on its way, the connection is given up to it by [`into_socket`](Self::into_socket).
    #[must_use]
    pub fn is_socket(&self) -> bool {
        let line = self.kit.as_ref().and_then(|kit| kit.line());
        line.is_some_and(Line::is_open)
    }

    /// Makes the connection that of the WebSocket, in a task of its own: HTTP is over, and all that it needed is given back. What `io` has read is
    /// what came behind the request.
    ///
    /// A call that [is no socket](Self::is_socket) is dropped, and the connection with it.
    pub fn into_socket(mut self, mut io: Io, context: crate::Context) {
        io.give_back();
        let Some(mut kit) = self.kit.take() else {
            return;
        };
        let Some(socket) = kit.socket.take() else {
            return;
        };
        let MayBeSocket { line, returned } = *socket;
        let Some((line, watch)) = line else {
            return;
        };
        // From here on the exchange is nobody's.
        let handed_over = line.attach(kit.exchange.take_signal());
        drop(handed_over);
        let slot = std::mem::replace(&mut kit.slot, self.worker.app.slot());
        let path = kit.scope.uri.path().into();
        let began = kit.began.take();
        let (mut mark, scope) = kit.give_away(&self.worker);
        let observed = began.map(|began| Box::new(ObservedSocket::new(scope, began)));
        mark.settle();
        let call = SocketCall {
            _open: Open::new(&self.worker.counts, Gauge::WebSockets),
            path,
            mark,
            observed,
            call: match self.phase {
                Phase::Running => slot.into_call(),
                Phase::Idle | Phase::Returned => None,
            },
            worker: Arc::clone(&self.worker),
            returned,
        };
        self.phase = Phase::Idle;
        self.worker.give_kit(kit);
        tokio::spawn(socket::Wire::new(io, line, watch, call, context));
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
            kit.note_panic(polled);
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
            let subject = Subject::Request(scope);
            tokio::spawn(Trailing::new(&self.worker, slot, subject, mark));
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

/// The call of a WebSocket whose connection has a task of its own.
pub(crate) struct SocketCall {
    worker: Arc<Worker>,
    /// `None` once it has returned.
    call: Option<BoxCall>,
    returned: SocketTurn,
    /// What the request asked for, for a log. Not its scope: that is the application's alone, to let go of.
    path: Box<str>,
    mark: Mark,
    /// If somebody wants to know of the socket.
    observed: Option<Box<ObservedSocket>>,
    _open: Open,
}

/// A socket of which somebody wants to know.
struct ObservedSocket {
    scope: Scope,
    began: Began,
    sent: u64,
    received: u64,
}

impl ObservedSocket {
    const fn new(scope: Scope, began: Began) -> Self {
        Self {
            scope,
            began,
            sent: 0,
            received: 0,
        }
    }
}

impl SocketCall {
    /// Polls the application, if it has not returned.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> SocketTurn {
        let Some(call) = &mut self.call else {
            return self.returned;
        };
        self.mark.begin();
        let polled = poll_confined(call.as_mut(), cx);
        if let Some(since) = self.mark.end() {
            self.worker
                .was_held_by_socket(&self.mark, &self.path, since);
        }
        match polled {
            Poll::Pending => SocketTurn::Pending,
            Poll::Ready(result) => self.return_with(result),
        }
    }

    #[cold]
    fn return_with(&mut self, result: Result<Done, AppError>) -> SocketTurn {
        drop_confined(|| self.call = None);
        self.worker.call_ended();
        self.returned = SocketTurn::of(&result);
        if let Err(error) = result {
            if let Some(observed) = &mut self.observed {
                observed.began.fate = fate_of(&error);
            }
            report_of(
                &Method::GET,
                &self.path,
                self.mark.shown().as_deref(),
                &error,
            );
        }
        self.returned
    }

    /// Counts what was sent.
    #[inline]
    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(observed) = &mut self.observed {
            observed.sent += bytes as u64;
        }
    }

    /// Counts what has come.
    #[inline]
    pub(crate) fn received(&mut self, bytes: usize) {
        if let Some(observed) = &mut self.observed {
            observed.received += bytes as u64;
        }
    }

    /// The socket is over: whoever wants to know of it is told. An application that has not returned goes on in a task of its
    /// own (SRV-1).
    pub(crate) fn end(&mut self, gone: Gone) {
        self.tell(gone);
        if let Some(call) = self.call.take() {
            let slot = app::slot_of(call);
            let subject = Subject::Socket(std::mem::take(&mut self.path));
            let mark = std::mem::replace(&mut self.mark, self.worker.turns.mark());
            tokio::spawn(Trailing::new(&self.worker, slot, subject, mark));
        }
    }

    fn tell(&mut self, gone: Gone) {
        if let Some(observed) = self.observed.take() {
            let ObservedSocket {
                scope,
                began,
                sent,
                received,
            } = *observed;
            let sent = Sent {
                status: Some(StatusCode::SWITCHING_PROTOCOLS),
                bytes: sent,
            };
            self.worker
                .exchange_over(&began, &scope, sent, received, gone);
        }
    }
}

impl Drop for SocketCall {
    fn drop(&mut self) {
        self.tell(Gone::Shutdown);
        if self.call.is_some() {
            self.worker.call_ended();
        }
    }
}

/// A call that goes on after its exchange is over. It counts in the drain, and as a call.
struct Trailing {
    worker: Seat,
    _open: Open,
    slot: Box<dyn Slot>,
    subject: Subject,
    mark: Mark,
}

/// Whose call it is, for a log.
enum Subject {
    Request(Scope),
    /// The path that it asked for.
    Socket(Box<str>),
}

impl Trailing {
    fn new(worker: &Arc<Worker>, slot: Box<dyn Slot>, subject: Subject, mark: Mark) -> Self {
        Self {
            worker: Seat::for_other(worker),
            _open: Open::new(&worker.counts, Gauge::LeftBehind),
            slot,
            subject,
            mark,
        }
    }
}

impl Future for Trailing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.mark.begin();
        let polled = self.slot.poll(cx);
        if let Some(since) = self.mark.end() {
            match &self.subject {
                Subject::Request(scope) => self.worker.was_held(scope, since),
                Subject::Socket(path) => {
                    self.worker.was_held_by_socket(&self.mark, path, since);
                }
            }
        }
        if let Err(error) = std::task::ready!(polled) {
            match &self.subject {
                Subject::Request(scope) => report(scope, &error),
                Subject::Socket(path) => {
                    report_of(&Method::GET, path, self.mark.shown().as_deref(), &error);
                }
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Trailing {
    fn drop(&mut self) {
        self.worker.call_ended();
    }
}

#[cfg(test)]
mod tests;
