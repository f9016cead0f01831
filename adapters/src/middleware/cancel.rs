//! Drops the work for a client that has left.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use gateway_spec::{Abort, AppError, Application, Connection, Done, Gone, GoneSignal};

use super::stand_in::{HttpStand, SocketStand, Stand, Start, Unchanged};

/// Drops an application's future when its client is gone. Servers never do so by themselves (SRV-1).
///
/// - **HTTP**: the future is dropped where it stands, at an `await`. What it began is cut off. Once the answer is complete,
///   or given up by the application itself, nothing is cancelled: work after it goes on.
/// - **Upgraded exchanges and WebSockets**: cancelled until the answer to the upgrade or the handshake. From then on the end
///   is an event of the tunnel or the socket, which the application needs for its farewells.
/// - **Lifespan**: passes through.
///
/// For work that is expensive and of no use without a client, such as a search. Not for work that must not stop halfway: a
/// future that is dropped between two writes to a database has made one of them. Work in a task of its own, or on a thread of
/// a pool, goes on.
///
/// ASGI servers leave it to the application to receive `http.disconnect`; hyper and axum cancel always.
///
/// # Cost
///
/// One small allocation, and one more poll each time the application waits.
///
/// # Examples
///
/// ```
/// use adapters::middleware::{HalfClose, cancel_on_disconnect};
/// use gateway_spec::{Connection, application_fn};
///
/// let search = application_fn(|connection: Connection| connection.refuse());
/// let app = cancel_on_disconnect(search).on_half_close(HalfClose::Continue);
/// # fn assert(_: impl gateway_spec::Application) {}
/// # assert(app);
/// ```
pub fn cancel_on_disconnect<A: Application>(app: A) -> CancelOnDisconnect<A> {
    CancelOnDisconnect {
        app,
        on_half_close: HalfClose::Cancel,
    }
}

/// An application that is cancelled when its client is gone: see [`cancel_on_disconnect`].
///
/// # Examples
///
/// ```
/// use adapters::middleware::{CancelOnDisconnect, cancel_on_disconnect};
/// use gateway_spec::{BoxApplication, Connection, application_fn};
///
/// let app = BoxApplication::new(application_fn(|c: Connection| c.refuse()));
/// let app: CancelOnDisconnect<BoxApplication> = cancel_on_disconnect(app);
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct CancelOnDisconnect<A> {
    app: A,
    on_half_close: HalfClose,
}

/// What it means when a client stops sending, and may still read.
///
/// # Examples
///
/// ```
/// use adapters::middleware::HalfClose;
///
/// assert_eq!(HalfClose::default(), HalfClose::Cancel);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HalfClose {
    /// It has left. The default: over HTTP/1.1 this is how nearly all clients leave, and a reset follows only when they are
    /// written to. A client that really waits for an answer after its FIN gets none: the connection is closed. Go's
    /// `net/http`, hyper and nginx take it so.
    #[default]
    Cancel,
    /// It is still there; only a reset, a cancelled stream or the server's own timeout says that it left. For services whose
    /// clients send a request and shut their side down, as `nc -N` does.
    Continue,
}

impl<A> CancelOnDisconnect<A> {
    /// Sets what a half-close means; [`HalfClose::Cancel`] unless this is said.
    #[must_use]
    pub fn on_half_close(mut self, on_half_close: HalfClose) -> Self {
        self.on_half_close = on_half_close;
        self
    }

    /// Resolves when the client has left, by what counts as that.
    async fn left(&self, mut gone: GoneSignal) -> Gone {
        loop {
            match ((&mut gone).await, self.on_half_close) {
                (Gone::HalfClosed, HalfClose::Continue) => {}
                // It has its answer, or was given up here: that is not its leaving.
                (Gone::Finished | Gone::Aborted, _) => return pending().await,
                (gone, _) => return gone,
            }
        }
    }

    async fn watch<S: Stand>(
        &self,
        stand: &S,
        gone: GoneSignal,
        call: impl Future<Output = Result<Done, AppError>>,
    ) -> Result<Done, AppError> {
        let mut call = pin!(call);
        match race(call.as_mut(), pin!(self.left(gone))).await {
            Ok(result) => result,
            Err(_) if stand.stage().is_ended() || stand.stage().is_upgraded() => call.await,
            Err(gone) if gone.is_final() => Err(gone.into()),
            Err(_half_closed) => {
                // Before the handles are dropped, which would be an error of the application's.
                stand.hand_on(Abort::Deliberate);
                Err(Gone::Aborted.into())
            }
        }
    }
}

impl<A: Application> Application for CancelOnDisconnect<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => {
                let gone = http.responder.gone();
                let (http, stand) = HttpStand::around(http, Start::Free, Unchanged);
                let call = self.app.call(Connection::Http(http));
                self.watch(&stand.0, gone, call).await
            }
            Connection::WebSocket(socket) => {
                let gone = socket.handshake.gone();
                let (socket, stand) = SocketStand::around(socket, Start::Free, Unchanged);
                let call = self.app.call(Connection::WebSocket(socket));
                self.watch(&stand.0, gone, call).await
            }
            other => self.app.call(other).await,
        }
    }
}

impl<A> fmt::Debug for CancelOnDisconnect<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelOnDisconnect")
            .field("on_half_close", &self.on_half_close)
            .finish_non_exhaustive()
    }
}

/// What the first gives, or what the second does if it is earlier. In a turn in which both are done, the first counts.
async fn race<A: Future, B: Future>(
    mut first: Pin<&mut A>,
    mut second: Pin<&mut B>,
) -> Result<A::Output, B::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = first.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        second.as_mut().poll(cx).map(Err)
    })
    .await
}
