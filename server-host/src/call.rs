//! One call of the application after another, for one connection: what is started, polled, settled and logged.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    AppError, BodyError, BodyLength, ConnectionInfo, Done, Gone, Http, HttpScope, HttpSend,
    HttpTransport, ResponseHead, Scope, TrailersPlan,
};
use hosting::{
    Exchange, Facts, Progress, Sent, Turn, UpgradeAsked, drop_confined, poll_confined, report,
    report_of,
};
use http::{HeaderValue, Method, StatusCode, header};
use websocket::line::Turn as SocketTurn;
use websocket::{Line, Watch};

use crate::app::{self, BoxCall, Slot, Started};
use crate::worker::Worker;
use crate::{Output, Stream, socket};

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
    /// What a call has that may become a WebSocket's: its slot is for it alone.
    socket: Option<Box<MayBeSocket>>,
}

/// What a request may become.
struct MayBeSocket {
    /// The socket, if its bytes may be the connection's.
    line: Option<(Arc<Line<Output>>, Watch)>,
    /// How the call has returned.
    returned: SocketTurn,
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
            socket: None,
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
        self.phase = Phase::Running;
        if facts.upgrade != UpgradeAsked::No {
            return self.begin_upgrade(http, facts.upgrade);
        }
        if self.socket.take().is_some() {
            self.slot = self.worker.app.slot();
        }
        self.slot.start(http);
    }

    /// Starts the call in a slot of its own: such a future is larger than others, and rare.
    #[cold]
    fn begin_upgrade(&mut self, http: Http, asked: UpgradeAsked) {
        // Where no tunnel can be, nobody looks after one.
        let tunnel = match asked {
            UpgradeAsked::Yes => Some(Arc::clone(&self.exchange)),
            UpgradeAsked::Unlisted | UpgradeAsked::No => None,
        };
        let Started { slot, line } = self.worker.app.upgrade(http, tunnel);
        self.slot = slot;
        self.socket = Some(Box::new(MayBeSocket {
            line,
            returned: SocketTurn::Pending,
        }));
    }

    /// Whether the call under way is a WebSocket's that the application has accepted, and whose bytes are the connection's: once the
    /// answer is on its way, the connection is given up to it by [`into_socket`](Self::into_socket).
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.line().is_some_and(Line::is_open)
    }

    fn line(&self) -> Option<&Line<Output>> {
        Some(&*self.socket.as_ref()?.line.as_ref()?.0)
    }

    /// Makes the connection that of the WebSocket, in a task of its own: HTTP is over, and all that it needed is given back. `input` is what
    /// was read behind the request, `output` what is not written yet.
    ///
    /// A call that [is no socket](Self::is_socket) is dropped, and the connection with it.
    pub fn into_socket(
        mut self,
        stream: Stream,
        input: BytesMut,
        output: Output,
        context: crate::Context,
    ) {
        let Some(socket) = self.socket.take() else {
            return;
        };
        let MayBeSocket { line, returned } = *socket;
        let Some((line, watch)) = line else {
            return;
        };
        // From here on the exchange is nobody's.
        let handed_over = line.attach(self.exchange.signal());
        drop(handed_over);
        let call = SocketCall {
            worker: Arc::clone(&self.worker),
            path: self.scope.uri.path().into(),
            logged: self.began.map(|began| {
                let scope = self.scope.clone();
                Box::new(Logged {
                    scope,
                    began,
                    bytes: 0,
                })
            }),
            call: match self.phase {
                Phase::Running => std::mem::replace(&mut self.slot, app::none()).into_call(),
                Phase::Idle | Phase::Returned => None,
            },
            returned,
        };
        self.phase = Phase::Idle;
        let io = socket::Io::new(stream, input, output);
        tokio::spawn(socket::Wire::new(io, line, watch, call, context));
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
        if let Poll::Ready(result) = &polled {
            self.phase = Phase::Returned;
            if let Some(socket) = &mut self.socket {
                socket.returned = SocketTurn::of(result);
            }
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
        if let Some(line) = self.line() {
            line.set_gone(gone);
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
            self.socket = None;
            let subject = Subject::Request(self.scope.clone());
            tokio::spawn(Trailing::new(Arc::clone(&self.worker), slot, subject));
        }
        self.phase = Phase::Idle;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // A connection that ends in order has called `end`; this is its task being dropped.
        if self.phase != Phase::Idle {
            self.exchange.set_gone(Gone::Shutdown);
            if let Some(line) = self.line() {
                line.set_gone(Gone::Shutdown);
            }
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

/// The call of a WebSocket whose connection has a task of its own.
pub(crate) struct SocketCall {
    worker: Arc<Worker>,
    /// `None` once it has returned.
    call: Option<BoxCall>,
    returned: SocketTurn,
    /// What the request asked for, for a log. Not its scope: that is the application's alone, to let go of.
    path: Box<str>,
    /// What the access log is to say.
    logged: Option<Box<Logged>>,
}

/// What the access log says of a socket.
struct Logged {
    scope: Scope,
    began: Instant,
    bytes: u64,
}

impl SocketCall {
    /// Polls the application, if it has not returned.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> SocketTurn {
        let Some(call) = &mut self.call else {
            return self.returned;
        };
        match poll_confined(call.as_mut(), cx) {
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
            report_of(&Method::GET, &self.path, &error);
        }
        self.returned
    }

    /// Counts what was sent.
    #[inline]
    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(logged) = &mut self.logged {
            logged.bytes += bytes as u64;
        }
    }

    /// The socket is over: logs it. An application that has not returned goes on in a task of its own (SRV-1).
    pub(crate) fn end(&mut self) {
        if let Some(logged) = self.logged.take() {
            let sent = Sent {
                status: Some(StatusCode::SWITCHING_PROTOCOLS),
                bytes: logged.bytes,
            };
            self.worker
                .access_log
                .exchange(&logged.scope, sent, logged.began.elapsed());
        }
        if let Some(call) = self.call.take() {
            let slot = app::slot_of(call);
            let subject = Subject::Socket(std::mem::take(&mut self.path));
            tokio::spawn(Trailing::new(Arc::clone(&self.worker), slot, subject));
        }
    }
}

impl Drop for SocketCall {
    fn drop(&mut self) {
        if self.call.is_some() {
            self.worker.call_ended();
        }
    }
}

/// A call that goes on after its exchange is over. It counts in the drain, and as a call.
struct Trailing {
    worker: Arc<Worker>,
    slot: Box<dyn Slot>,
    subject: Subject,
}

/// Whose call it is, for a log.
enum Subject {
    Request(Scope),
    /// The path that it asked for.
    Socket(Box<str>),
}

impl Trailing {
    fn new(worker: Arc<Worker>, slot: Box<dyn Slot>, subject: Subject) -> Self {
        worker.opened();
        Self {
            worker,
            slot,
            subject,
        }
    }
}

impl Future for Trailing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = std::task::ready!(self.slot.poll(cx)) {
            match &self.subject {
                Subject::Request(scope) => report(scope, &error),
                Subject::Socket(path) => report_of(&Method::GET, path, &error),
            }
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
