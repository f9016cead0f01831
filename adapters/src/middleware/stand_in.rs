//! What lets middleware stand in for an application: answer in its place, and change the head of every answer, those to
//! errors included.
//!
//! An application that fails drops its handles before its error gets here, and a server that saw that would answer by
//! itself. So a dropped handle is held back while the call is polled, and what it means is decided with what the poll came to.

mod http;
mod socket;
mod stage;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::thread;

use ::http::StatusCode;
use gateway_spec::{
    Abort, AppError, Application, Connection, Done, Gone, Headers, Http, Response, SendError,
    WebSocket,
};

use self::stage::Dropped;

pub(super) use self::http::HttpStand;
pub(super) use self::socket::SocketStand;
pub(super) use self::stage::{Stage, Start};

/// What is done to the head of each answer, the application's or one in its place.
pub(super) trait OnHead: Clone + Send + Sync + 'static {
    /// Whether anything is.
    const CHANGES: bool;

    fn change(&self, kind: HeadKind, headers: &mut Headers);

    /// The same of an answer in the application's place.
    fn changed(&self, mut response: Response) -> Response {
        self.change(HeadKind::Response, &mut response.head.headers);
        response
    }
}

/// What a head begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadKind {
    Response,
    /// A tunnel or a socket.
    Upgrade,
}

/// Heads stay as they are.
#[derive(Clone, Copy)]
pub(super) struct Unchanged;

impl OnHead for Unchanged {
    const CHANGES: bool = false;

    fn change(&self, _: HeadKind, _: &mut Headers) {}
}

/// The place of an application in one exchange.
pub(super) trait Stand: Send + Sync {
    /// Whether an application that gave its exchange up is answered for here, and not by the server.
    const ANSWERS: bool;

    fn stage(&self) -> &Stage;

    /// Answers in the application's place. Only after [`Stage::take`] said yes.
    fn answer(&self, response: Response) -> impl Future<Output = Result<Done, AppError>> + Send;

    /// The same without waiting, where nobody is left who waits for credit.
    fn answer_at_once(&self, response: Response) -> Result<(), SendError>;

    /// Hands an abort on.
    fn hand_on(&self, why: Abort);

    /// Ends what was started, and is not complete.
    fn cut_off(&self);

    /// The application begins its answer, and ends it by the same event if that is so.
    fn begin(
        &self,
        kind: HeadKind,
        ends: bool,
        send: impl FnOnce() -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let stage = self.stage();
        if !stage.decide() {
            return Err(Gone::Aborted.into());
        }
        let sent = send();
        match (&sent, kind) {
            (Err(_), _) => stage.undecide(),
            (Ok(()), HeadKind::Upgrade) => stage.upgrade(),
            (Ok(()), HeadKind::Response) if ends => stage.end(),
            (Ok(()), HeadKind::Response) => {}
        }
        sent
    }

    /// From here on a dropped handle is held back.
    fn hold(&self) {
        self.stage().hold();
    }

    /// A handle that was dropped meanwhile takes effect.
    fn release(&self) {
        if self.stage().release() {
            self.abandoned();
        }
    }

    /// What the application's handles say.
    fn aborted(&self, why: Abort) {
        match why {
            Abort::Deliberate if self.stage().decide() => {
                self.stage().end();
                self.hand_on(why);
            }
            Abort::Deliberate => {}
            Abort::Dropped => match self.stage().dropped() {
                Dropped::Nothing => {}
                Dropped::HandOn => {
                    self.stage().end();
                    self.hand_on(why);
                }
                Dropped::Abandoned => self.abandoned(),
            },
        }
    }

    /// The application let go of an exchange for which nothing was started (SRV-12).
    fn abandoned(&self) {
        if !Self::ANSWERS {
            return self.hand_on(Abort::Dropped);
        }
        if !self.stage().take() {
            return;
        }
        let response = plain(StatusCode::INTERNAL_SERVER_ERROR);
        if self.answer_at_once(response).is_err() {
            self.hand_on(Abort::Dropped);
        }
        // The server would have logged it, had it answered. A panic it does log.
        if !thread::panicking() {
            tracing::error!("the application dropped its responder without an answer (SRV-12)");
        }
    }
}

/// Releases what is held, however a call ends.
pub(super) struct Release<'a, S: Stand>(pub(super) &'a S);

impl<S: Stand> Drop for Release<'_, S> {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Calls an application with the heads of all answers changed: of those in its place too, when it fails, panics or forgets
/// to answer.
pub(super) async fn call_with_heads<H: OnHead>(
    app: &impl Application,
    http: Http,
    on_head: H,
) -> Result<Done, AppError> {
    let (http, stand) = HttpStand::around(http, Start::Held, on_head);
    answer_errors(&stand.0, app.call(Connection::Http(http))).await
}

/// The same for a WebSocket.
pub(super) async fn call_socket_with_heads<H: OnHead>(
    app: &impl Application,
    socket: WebSocket,
    on_head: H,
) -> Result<Done, AppError> {
    let (socket, stand) = SocketStand::around(socket, Start::Held, on_head);
    answer_errors(&stand.0, app.call(Connection::WebSocket(socket))).await
}

/// Answers what the call leaves unanswered, as a server would (APP-6, SRV-12). The server still gets the error, to log it.
async fn answer_errors<S: Stand>(
    stand: &S,
    call: impl Future<Output = Result<Done, AppError>>,
) -> Result<Done, AppError> {
    // Dropped after the call, also while a panic goes through here.
    let _release = Release(stand);
    let mut call = pin!(call);
    let result = poll_fn(|cx| {
        stand.hold();
        let polled = call.as_mut().poll(cx);
        if polled.is_pending() {
            stand.release();
        }
        polled
    })
    .await;
    let error = match result {
        Err(error) if stand.stage().take() => error,
        Ok(_) if stand.stage().take() => {
            AppError::message("the application returned `Done` without an answer (SRV-12)")
        }
        decided => return decided,
    };
    // A client that is gone needs none, and the error is handed on all the same.
    let _ = stand.answer(error.response()).await;
    Err(error)
}

/// The answer that servers give by themselves, for answers of ours to look like theirs.
pub(super) fn plain(status: StatusCode) -> Response {
    AppError::status(status).response()
}

/// One poll, in the task that is polling.
pub(super) async fn first_turn<F: Future + Unpin>(mut call: F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match Pin::new(&mut call).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
