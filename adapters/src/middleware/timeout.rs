//! Bounds how long an application may take.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_spec::{AppError, Application, Connection, Done, Gone, Label, Response};
use http::StatusCode;
use tokio::time::Instant;

use super::stand_in::{HttpStand, SocketStand, Stage, Stand, Start, Unchanged, first_turn, plain};

/// Gives an application so long to begin its answer, then drops its future and answers 503.
///
/// - **HTTP**: an application whose head was accepted in time may go on for as long as it likes, or as
///   [`whole`](Timeout::whole) says.
/// - **WebSocket**: the handshake must be accepted or denied in time. An open socket, and a tunnel, may live on, or as
///   [`upgraded`](Timeout::upgraded) says.
/// - **Lifespan**: passes through; servers bound the startup (LIFE-8).
///
/// The time runs while a body is uploaded and while the client is slow: it bounds what the client waits, and servers bound what they
/// wait for clients (SRV-14).
///
/// 503 says that the server cannot serve this now (RFC 9110 section 15.6.4). 504 is for gateways that wait for another
/// server (section 15.6.5), and 408 for clients that are too slow with their request (section 15.5.9): [`answer`](Timeout::answer)
/// changes it. Go's `http.TimeoutHandler` answers 503 too.
///
/// What was cut short is logged as a warning, with the exchange's label.
///
/// # Cost
///
/// One small allocation. An application that returns without waiting costs no timer and no look at the clock.
///
/// # Panics
///
/// When an application waits outside of a tokio runtime with time (SRV-11).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use adapters::middleware::timeout;
/// use gateway_spec::{Connection, application_fn};
///
/// let app = application_fn(|connection: Connection| connection.refuse());
/// let app = timeout(app, Duration::from_secs(10)).whole(Duration::from_secs(60));
/// # fn assert(_: impl gateway_spec::Application) {}
/// # assert(app);
/// ```
pub fn timeout<A: Application>(app: A, start: Duration) -> Timeout<A> {
    Timeout {
        app,
        start,
        whole: None,
        upgraded: None,
        answer: plain(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// An application with a bound on its time: see [`timeout`].
///
/// # Examples
///
/// A gateway's:
///
/// ```
/// use std::time::Duration;
/// use adapters::middleware::{Timeout, timeout};
/// use gateway_spec::{BoxApplication, Connection, Response, application_fn};
/// use http::StatusCode;
///
/// let proxy = BoxApplication::new(application_fn(|c: Connection| c.refuse()));
/// let answer = Response::text("the other server did not answer").with_status(StatusCode::GATEWAY_TIMEOUT);
/// let app: Timeout<BoxApplication> = timeout(proxy, Duration::from_secs(5)).answer(answer);
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct Timeout<A> {
    app: A,
    start: Duration,
    whole: Option<Duration>,
    upgraded: Option<Duration>,
    answer: Response,
}

impl<A> Timeout<A> {
    /// Bounds the whole exchange too, from the call to the end of the answer; then it is cut off. Work after the answer is
    /// not bounded.
    #[must_use]
    pub fn whole(mut self, whole: Duration) -> Self {
        self.start = self.start.min(whole);
        self.whole = Some(whole);
        self
    }

    /// Bounds open WebSockets and tunnels too, from the call to their close; then a socket is closed with 1011, a tunnel
    /// after what was accepted.
    #[must_use]
    pub fn upgraded(mut self, upgraded: Duration) -> Self {
        self.upgraded = Some(upgraded);
        self
    }

    /// Sets what is answered when nothing was begun in time: a status, or a whole response.
    #[must_use]
    pub fn answer(mut self, answer: impl Into<Response>) -> Self {
        self.answer = answer.into();
        self
    }

    async fn bound<S: Stand>(
        &self,
        stand: &S,
        start: Duration,
        label: Label,
        call: impl Future<Output = Result<Done, AppError>>,
    ) -> Result<Done, AppError> {
        let mut call = pin!(Some(call));
        if let Some(result) = first_turn(&mut Call(call.as_mut())).await {
            return result;
        }
        let began = Instant::now();
        let limits = [Some(start), self.whole, self.upgraded];
        let mut passed = None;
        loop {
            let ahead = limits.into_iter().flatten();
            let next = ahead.filter(|limit| passed < Some(*limit)).min();
            if let Some(result) = within(began, next, &mut Call(call.as_mut())).await {
                return result;
            }
            passed = next;
            if passed >= Some(start) && stand.stage().take() {
                call.set(None);
                warn(&label, "an application did not begin its answer in time");
                return stand.answer(self.answer.clone()).await;
            }
            if self.is_overdue(stand.stage(), passed) {
                stand.cut_off();
                call.set(None);
                warn(&label, "an application did not end its answer in time");
                return Err(Gone::Aborted.into());
            }
        }
    }

    /// Whether what was begun should have ended by now.
    fn is_overdue(&self, stage: &Stage, passed: Option<Duration>) -> bool {
        let limit = match (stage.is_decided(), stage.is_upgraded()) {
            (false, _) => None,
            (true, true) => self.upgraded,
            (true, false) => self.whole,
        };
        limit.is_some() && passed >= limit && !stage.is_ended()
    }
}

/// Waits for a call until so much time has passed.
async fn within<F: Future + Unpin>(
    began: Instant,
    time: Option<Duration>,
    call: &mut F,
) -> Option<F::Output> {
    // More than the clock can say is for ever.
    match time.and_then(|time| began.checked_add(time)) {
        Some(deadline) => tokio::time::timeout_at(deadline, call).await.ok(),
        None => Some(call.await),
    }
}

fn warn(label: &Label, what: &str) {
    tracing::warn!(label = label.get(), "{what}");
}

/// A call that may be dropped before its place is.
struct Call<'a, F>(Pin<&'a mut Option<F>>);

impl<F: Future> Future for Call<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.0.as_mut().as_pin_mut() {
            Some(call) => call.poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<A: Application> Application for Timeout<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => {
                let label = http.scope.label.clone();
                let (http, stand) = HttpStand::around(http, Start::Free, Unchanged);
                let call = self.app.call(Connection::Http(http));
                self.bound(&stand.0, self.start, label, call).await
            }
            Connection::WebSocket(socket) => {
                let label = socket.scope.label.clone();
                let (socket, stand) = SocketStand::around(socket, Start::Free, Unchanged);
                let call = self.app.call(Connection::WebSocket(socket));
                let start = self.upgraded.map_or(self.start, |all| all.min(self.start));
                self.bound(&stand.0, start, label, call).await
            }
            other => self.app.call(other).await,
        }
    }
}

impl<A> fmt::Debug for Timeout<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("start", &self.start)
            .field("whole", &self.whole)
            .field("upgraded", &self.upgraded)
            .finish_non_exhaustive()
    }
}
