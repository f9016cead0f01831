//! One request and its reply between a wire and the application: the one [`HttpTransport`] of all that host here.
//!
//! The application's handles call the trait; the wire calls the methods of [`Exchange`] itself. What may be sent when
//! is decided in [`reply`], what of the body is kept in [`inbound`]; here both meet, under one lock that is never held
//! over a system call or a waker.
//!
//! # Waking
//!
//! The wire's task polls the application itself, under the `polling` flag: what the application sends meanwhile needs
//! no wake, since the wire looks afterwards. Anybody else (a handle in another task, a thread of a pool) finds the
//! flag down and wakes the wire.

mod facts;
mod files;
mod inbound;
#[cfg(test)]
mod machine;
mod reply;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_spec::{
    Abort, AppError, BodyError, BodyLength, FileRegion, Gone, GoneSignal, HttpReceive, HttpSend,
    HttpTransport, Response, ResponseHead, SendError, Signal, TrailersPlan,
};
use http::{HeaderMap, StatusCode};
use parking_lot::{Mutex, MutexGuard};

use inbound::{Inbound, Unread};
use reply::Reply;

pub use facts::{BodyAllowed, Facts, Informational, TrailersTaken, UpgradeAsked};
pub use inbound::Wanted;
pub use reply::{Sent, is_bodiless, may_be_trailer};

/// Bytes of a response that are kept for a client that is slower than the application (SRV-5), and the event that passes them. 64 KiB: a window that
/// keeps a fast network busy, and little enough for tens of thousands of slow readers.
pub const OUTBOUND_BYTES: usize = 64 * 1024;

/// Bytes of a request's body, or of a tunnel, that are kept for an application that is slower than the client (SRV-5). A wire
/// holds at most as many again that it has read and not brought.
pub const INBOUND_BYTES: usize = 64 * 1024;

/// Places for parts of a body that an exchange keeps for the next: those of a body that comes in pieces of a usual size.
const KEPT_PARTS: usize = 32;

/// What an informational response counts, of which there may be any number: about that of a small head.
const INFORMATIONAL_BYTES: usize = 256;

/// What the wire has to send next, in order. Already checked: the wire decides nothing.
#[derive(Debug)]
pub enum Outgoing {
    /// An informational response.
    Informational(ResponseHead),
    /// The head of the response, and with it the first bytes of its body.
    Head {
        /// Status and fields.
        head: ResponseHead,
        /// How long the body is.
        length: ReplyLength,
        /// The first bytes of the body; empty where it has none.
        first: Bytes,
    },
    /// Bytes of the body or of the tunnel.
    Data(Bytes),
    /// The same, in a file whose part the kernel has in memory: only for who
    /// [asks for it](Exchange::next_output_or_file).
    File(FileRegion),
    /// The end of the body.
    End(Option<HeaderMap>),
    /// Switch protocols; what follows is the tunnel's.
    Upgrade(ResponseHead),
    /// The tunnel's direction to the client ends.
    Shutdown,
    /// The tunnel ends, after all that came before.
    Close,
    /// End in a way that the client can see is not clean, after all that came before.
    Abort,
}

/// How long a response's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyLength {
    /// All of it is in the head's event.
    Whole,
    /// So many bytes, as the application's `content-length` says.
    Known(u64),
    /// Only its end will tell.
    Unknown,
}

/// What the wire finds after the application was polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// There is something to send.
    pub output: bool,
    /// The application waits for the body.
    pub wanted: Wanted,
}

/// What an exchange knows of its client's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Changes when something comes, received by the application or not.
    pub heard: u32,
    /// Whether what the client sends is read: not if the application leaves so much that there is no room, or nothing can come
    /// any more.
    pub is_read: bool,
    /// Whether the kernel has all that was sent to it.
    pub has_all: bool,
}

/// One request and its reply.
#[derive(Debug)]
pub struct Exchange {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inbound: Inbound,
    reply: Reply,
    output: VecDeque<Queued>,
    /// A response in one event, which comes after all of `output`: by itself, so that nearly no exchange has a queue. As it was sent: a
    /// head is large, and each move of it a copy.
    whole: Option<HttpSend>,
    /// Bytes of the body in `output` and `whole`.
    queued: usize,
    /// Bytes that the wire has taken and not written.
    unsent: usize,
    gone: Option<Gone>,
    half_closed: bool,
    /// Grows with each part that the wire brings; it may wrap.
    heard: u32,
    /// The grace period is over: that is why this exchange ends, whatever the wire comes to say.
    forced: bool,
    signal: Option<Signal<Gone>>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
    flusher: Option<Waker>,
    wire: Option<Waker>,
    polling: bool,
    course: Course,
}

/// What was done with an exchange.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Nothing, or a whole response was sent: there is nothing else to be set back.
    #[default]
    Straight,
    /// More than that.
    Varied,
}

/// Whether a wire takes parts of files as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FilesTaken {
    No,
    Yes,
}

#[derive(Debug)]
enum Queued {
    Ready(Outgoing),
    File(files::Reading),
}

impl Exchange {
    /// An exchange that waits for its request.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
        }
    }

    /// Makes it the exchange of the next request. `&mut` is the proof that no handle of the last one lives (SRV-9).
    pub fn begin(&mut self, facts: Facts, body: BodyLength, body_limit: u64) {
        self.state_mut().begin(facts, body, body_limit);
    }

    /// [`begin`](Self::begin) and [`enter`](Self::enter) at once, without a lock: the application is polled next, by the task of `waker`.
    pub fn begin_entered(
        &mut self,
        facts: Facts,
        body: BodyLength,
        body_limit: u64,
        waker: &Waker,
    ) {
        let state = self.state_mut();
        state.begin(facts, body, body_limit);
        state.polling = true;
        drop(keep(&mut state.wire, waker));
    }

    fn state_mut(&mut self) -> &mut State {
        self.state.get_mut()
    }

    // What the wire does around a poll of the application.

    /// Before the application is polled by the task of `waker`.
    pub fn enter(&self, waker: &Waker) {
        let mut state = self.lock();
        state.polling = true;
        let unused = keep(&mut state.wire, waker);
        drop(state);
        drop(unused);
    }

    /// After the application was polled: decides what the client gets if the call has returned, or has dropped its
    /// last handle while it is pending.
    pub fn leave(&self, turn: Turn<'_>) -> (Progress, Verdict) {
        let mut state = self.lock();
        state.polling = false;
        state.forced |= matches!(turn, Turn::Forced);
        let verdict = match state.reply.settle(turn) {
            // Nobody is there for an answer.
            _ if state.gone.is_some() => Verdict::Fine,
            verdict => verdict,
        };
        match verdict {
            Verdict::Fine => {}
            Verdict::Answer(status) => state.answer_for_the_app(match turn {
                Turn::Failed(error) => error.response(),
                _ => AppError::status(status).response(),
            }),
            Verdict::CutOff => state.push(Outgoing::Abort),
            Verdict::CloseTunnel => state.push(Outgoing::Close),
        }
        let progress = Progress {
            output: state.has_output(),
            wanted: state.inbound.wanted(),
        };
        (progress, verdict)
    }

    /// What was sent so far: for the access log.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.lock().reply.sent()
    }

    // The response, as the wire takes it.

    /// The next thing to send. Bytes of it count as unsent until [`unsent`](Self::unsent) says otherwise.
    #[inline]
    pub fn next_output(self: &Arc<Self>) -> Option<Outgoing> {
        self.next(FilesTaken::No)
    }

    /// The same for a wire that can have the kernel send a part of a file from where it is: [`Outgoing::File`].
    #[inline]
    pub fn next_output_or_file(self: &Arc<Self>) -> Option<Outgoing> {
        self.next(FilesTaken::Yes)
    }

    fn next(self: &Arc<Self>, files: FilesTaken) -> Option<Outgoing> {
        let mut state = self.lock();
        let outgoing = match state.output.pop_front() {
            Some(Queued::Ready(outgoing)) => outgoing,
            Some(Queued::File(reading)) => return files::next(self, reading, state, files),
            None => {
                let Some(HttpSend::Start { head, body, .. }) = state.whole.take() else {
                    return None;
                };
                Outgoing::Head {
                    head,
                    length: ReplyLength::Whole,
                    first: body,
                }
            }
        };
        let bytes = weight(&outgoing);
        state.queued -= bytes;
        state.unsent += bytes;
        // The end of a direction has no bytes that the wire would tell of when they have left.
        let ends = matches!(outgoing, Outgoing::Shutdown) && state.is_flushed();
        let flusher = ends.then(|| state.flusher.take()).flatten();
        drop(state);
        wake([flusher]);
        Some(outgoing)
    }

    /// Whether there is something to send that is not given before the wire has got rid of what it took.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        let state = self.lock();
        !state.output.is_empty() && !state.has_credit()
    }

    /// The response, if it is one event and the next thing to send, given to `write` from where it lies, which may take parts of the head; its bytes
    /// then count as unsent, and the exchange goes on until it is [finished](Self::finish). For after any poll: where the application has
    /// returned and let go of all, [`finish_whole`](Self::finish_whole) is both at once, and what comes in pieces
    /// [`next_output`](Self::next_output) has.
    #[inline]
    pub fn write_whole<R>(
        self: &mut Arc<Self>,
        write: impl FnOnce(&mut ResponseHead, Bytes) -> R,
    ) -> Option<R> {
        let Some(exchange) = Arc::get_mut(self) else {
            return self.write_shared(write);
        };
        let state = exchange.state_mut();
        if !state.output.is_empty() {
            return None;
        }
        let Some(HttpSend::Start {
            head,
            body,
            trailers,
            ..
        }) = &mut state.whole
        else {
            return None;
        };
        let body = std::mem::take(body);
        state.queued -= body.len();
        state.unsent += body.len();
        let written = write(head, body);
        if head.headers.is_blank() && *trailers == TrailersPlan::None {
            // All was taken out of it: its drop would look into each place.
            std::mem::forget(state.whole.take());
        } else {
            state.whole = None;
        }
        Some(written)
    }

    /// [`write_whole`](Self::write_whole) where the application, or something else, has the exchange too.
    fn write_shared<R>(&self, write: impl FnOnce(&mut ResponseHead, Bytes) -> R) -> Option<R> {
        let mut state = self.lock();
        if !state.output.is_empty() {
            return None;
        }
        let mut event = state.whole.take()?;
        let HttpSend::Start { head, body, .. } = &mut event else {
            return None;
        };
        let body = std::mem::take(body);
        state.queued -= body.len();
        state.unsent += body.len();
        // What is dropped from here on may be the application's.
        drop(state);
        Some(write(head, body))
    }

    /// After a poll in which the application has returned: its response, if it is one event and the next thing to send, given to `write`, and with that
    /// the exchange is over. `&mut` is the proof that no handle is left, so nobody has to be told, and nothing is locked.
    ///
    /// What `write` fails with leaves the exchange to be [finished](Self::finish) otherwise.
    #[inline]
    pub fn finish_whole<E>(
        &mut self,
        write: impl FnOnce(&mut ResponseHead, Bytes) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        let state = self.state_mut();
        if !state.output.is_empty() {
            return None;
        }
        let Some(HttpSend::Start { head, body, .. }) = &mut state.whole else {
            return None;
        };
        let written = write(head, std::mem::take(body));
        state.polling = false;
        if written.is_ok() {
            state.finish(Gone::Finished);
        }
        Some(written)
    }

    /// An exchange that is over, for where there must be one: nothing changes it.
    #[must_use]
    pub fn over() -> Self {
        let exchange = Self::new();
        exchange.set_gone(Gone::Finished);
        exchange
    }

    /// The exchange is over, if it was not before: whoever still waits for its end learns why, and what is left of it is dropped, with
    /// the memory that a client made it take.
    pub fn finish(self: &mut Arc<Self>, gone: Gone) {
        let Some(exchange) = Arc::get_mut(self) else {
            return self.set_gone(gone);
        };
        exchange.state_mut().finish(gone);
    }

    /// Tells how many bytes the wire still holds; wakes the application when there is credit again.
    pub fn unsent(&self, bytes: usize) {
        let wakers = {
            let mut state = self.lock();
            state.unsent = bytes;
            state.wakers_of_credit()
        };
        wake(wakers);
    }

    /// Tells that the wire has got rid of so many of the bytes that it took: for one whose two ends count apart. The one that takes is
    /// woken for what could not be read from a file meanwhile.
    pub fn written(&self, bytes: usize) {
        let ([sender, flusher], wire) = {
            let mut state = self.lock();
            state.unsent = state.unsent.saturating_sub(bytes);
            let reads_on = state.has_credit() && state.has_output();
            let wire = reads_on.then(|| state.wire_waker()).flatten();
            (state.wakers_of_credit(), wire)
        };
        wake([sender, flusher, wire]);
    }

    // The request's body, as the wire brings it.

    /// How much of the body the application can take now.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        self.lock().inbound.wanted()
    }

    /// Brings a part of the body, or bytes of the tunnel.
    pub fn push_body(&self, bytes: Bytes) {
        let receiver = {
            let mut state = self.lock();
            state.heard = state.heard.wrapping_add(1);
            state.inbound.push(bytes);
            state.receiver.take()
        };
        wake([receiver]);
    }

    /// Brings the last part of a body, which is all of it where nothing came before: [`push_body`](Self::push_body) and
    /// [`end_body`](Self::end_body) at once, so that who gets the part learns with it that it is the last.
    pub fn push_last_part(&self, bytes: Bytes) {
        let receiver = {
            let mut state = self.lock();
            state.heard = state.heard.wrapping_add(1);
            state.inbound.push(bytes);
            state.inbound.end(None);
            state.receiver.take()
        };
        wake([receiver]);
    }

    /// Brings the end of the body, or of the client's direction of the tunnel.
    pub fn end_body(&self, trailers: Option<HeaderMap>) {
        self.inbound(|inbound| inbound.end(trailers));
    }

    /// The body cannot be read to its end.
    pub fn fail_body(&self, error: BodyError) {
        self.inbound(|inbound| inbound.fail(error));
    }

    /// Whether the connection can be kept after a response of this length that is about to begin: not if the body
    /// failed, or so much of it stays unread that reading it costs more than a new connection.
    #[must_use]
    pub fn can_keep_connection(&self, length: ReplyLength, discard_bytes: u64) -> bool {
        let unread = match length {
            ReplyLength::Whole => Unread::Stays,
            ReplyLength::Known(_) | ReplyLength::Unknown => Unread::MayBeRead,
        };
        !self.lock().inbound.is_lost(unread, discard_bytes)
    }

    /// Whether the body failed.
    #[must_use]
    pub fn body_failed(&self) -> bool {
        self.lock().inbound.has_failed()
    }

    /// Bytes of bodies and of tunnels that the wire has brought, in this exchange and in those before it in the same place.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.lock().inbound.received()
    }

    /// What is known of the client's life.
    pub fn life(&self) -> Life {
        let state = self.lock();
        Life {
            heard: state.heard,
            is_read: state.gone.is_none() && state.inbound.wanted().room() > 0,
            has_all: state.is_flushed(),
        }
    }

    fn inbound(&self, change: impl FnOnce(&mut Inbound)) {
        let receiver = {
            let mut state = self.lock();
            change(&mut state.inbound);
            state.receiver.take()
        };
        wake([receiver]);
    }

    // The client.

    /// The client stopped sending (SRV-3).
    pub fn half_close(&self) {
        let (signal, receiver) = {
            let mut state = self.lock();
            if state.half_closed || state.gone.is_some() {
                return;
            }
            state.half_closed = true;
            (state.signal.clone(), state.receiver.take())
        };
        if let Some(signal) = signal {
            signal.raise(Gone::HalfClosed);
        }
        wake([receiver]);
    }

    /// What those wait for who asked whether the client is gone, if somebody did: for a server that goes on without the exchange, to raise
    /// it instead.
    #[must_use]
    pub fn take_signal(&self) -> Option<Signal<Gone>> {
        self.lock().signal.take()
    }

    /// Nothing can be sent any more. The first reason counts.
    pub fn set_gone(&self, gone: Gone) {
        let unsent;
        let (gone, signal, wakers) = {
            let mut state = self.lock();
            if state.gone.is_some() {
                return;
            }
            let gone = if state.forced { Gone::Shutdown } else { gone };
            state.gone = Some(gone);
            state.queued = 0;
            // Dropped without the lock: it may be the application's.
            unsent = (state.whole.take(), std::mem::take(&mut state.output));
            (
                gone,
                state.signal.clone(),
                [
                    state.receiver.take(),
                    state.sender.take(),
                    state.flusher.take(),
                ],
            )
        };
        drop(unsent);
        if let Some(signal) = signal {
            signal.raise(gone);
        }
        wake(wakers);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock_straight();
        state.course = Course::Varied;
        state
    }

    /// For what the straight course is.
    #[inline]
    fn lock_straight(&self) -> MutexGuard<'_, State> {
        // No code of others runs under it.
        self.state.lock()
    }
}

impl Default for Exchange {
    fn default() -> Self {
        Self::new()
    }
}

/// What a poll of the application has come to.
#[derive(Debug, Clone, Copy)]
pub enum Turn<'a> {
    /// The call goes on.
    Pending,
    /// The call has returned with a `Done`.
    Done,
    /// The call has failed, panicked, or was ended by the server.
    Failed(&'a AppError),
    /// The call goes on, but the grace period is over.
    Forced,
    /// The call had returned before.
    Over,
}

/// What becomes of an exchange whose call has returned or let go of its handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The response is complete, or still in the application's hands.
    Fine,
    /// Nothing was started: the server answers with this status.
    Answer(StatusCode),
    /// The response was started: it is cut off.
    CutOff,
    /// The call returned with the tunnel open: what was accepted is sent, then it is closed.
    CloseTunnel,
}

impl State {
    #[inline]
    fn begin(&mut self, facts: Facts, body: BodyLength, body_limit: u64) {
        self.reply.begin(facts);
        self.queued = 0;
        self.unsent = 0;
        self.polling = false;
        if self.course == Course::Varied || self.whole.is_some() || body != BodyLength::Empty {
            self.set_back();
            self.inbound.begin(body, body_limit);
            self.course = match body {
                BodyLength::Empty => Course::Straight,
                BodyLength::Known(_) | BodyLength::Unknown => Course::Varied,
            };
        }
    }

    #[inline(never)]
    fn set_back(&mut self) {
        // Raised with the end: by `finish`, or before it where a handle of the last one still lived then.
        debug_assert!(self.signal.is_none() || self.gone.is_some());
        self.drop_output();
        self.gone = None;
        self.half_closed = false;
        self.heard = 0;
        self.forced = false;
        self.signal = None;
        self.receiver = None;
        self.sender = None;
        self.flusher = None;
    }

    /// Nothing of it goes on: what is left is dropped, and whoever waits for its end learns why.
    #[inline]
    fn finish(&mut self, gone: Gone) {
        self.whole = None;
        if self.course == Course::Varied {
            self.finish_varied(gone);
        }
    }

    #[inline(never)]
    fn finish_varied(&mut self, gone: Gone) {
        self.drop_output();
        self.inbound.release();
        if let Some(signal) = self.signal.take() {
            let gone = if self.forced { Gone::Shutdown } else { gone };
            signal.raise(self.gone.unwrap_or(gone));
        }
    }

    fn has_credit(&self) -> bool {
        self.queued + self.unsent < OUTBOUND_BYTES
    }

    fn has_output(&self) -> bool {
        self.whole.is_some() || !self.output.is_empty()
    }

    fn drop_output(&mut self) {
        self.whole = None;
        if !self.output.is_empty() {
            self.output.clear();
        }
        if self.output.capacity() > KEPT_PARTS {
            self.output = VecDeque::new();
        }
    }

    fn is_flushed(&self) -> bool {
        !self.has_output() && self.unsent == 0
    }

    /// Whoever waits for credit, or for all to be sent, if there is nothing to wait for any more.
    fn wakers_of_credit(&mut self) -> [Option<Waker>; 2] {
        let sender = if self.has_credit() {
            self.sender.take()
        } else {
            None
        };
        let flusher = if self.is_flushed() {
            self.flusher.take()
        } else {
            None
        };
        [sender, flusher]
    }

    fn push(&mut self, outgoing: Outgoing) {
        self.queued += weight(&outgoing);
        self.output.push_back(Queued::Ready(outgoing));
    }

    fn answer_for_the_app(&mut self, answer: Response) {
        let Response { head, body, .. } = answer;
        let body = self.reply.answered(head.status, body);
        self.queued += body.len();
        self.whole = Some(HttpSend::Start {
            head,
            body,
            more: false,
            trailers: TrailersPlan::None,
        });
    }

    /// The wire's waker, if nobody is about to look anyway.
    fn wire_waker(&self) -> Option<Waker> {
        if self.polling {
            None
        } else {
            self.wire.clone()
        }
    }
}

impl HttpTransport for Exchange {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        let mut state = self.lock();
        let before = state.inbound.wanted();
        if let Some(event) = state.inbound.next() {
            // A full buffer that is emptied lets the wire read on, and a window is given back when half of it is free.
            let half = INBOUND_BYTES / 2;
            let freed = before.room() < half && state.inbound.wanted().room() >= half;
            let wire = if before.is_full() || freed {
                state.wire_waker()
            } else {
                None
            };
            drop(state);
            wake([wire]);
            return Poll::Ready(event);
        }
        if let Some(gone) = state.gone {
            return Poll::Ready(HttpReceive::Disconnect(gone));
        }
        if state.reply.is_over() {
            return Poll::Ready(HttpReceive::Disconnect(Gone::Finished));
        }
        if state.inbound.is_over() && state.half_closed && state.inbound.tell_half_closed() {
            return Poll::Ready(HttpReceive::Disconnect(Gone::HalfClosed));
        }
        let unused = keep(&mut state.receiver, cx.waker());
        let asked_first = state.inbound.ask();
        let wire = if asked_first {
            state.wire_waker()
        } else {
            None
        };
        drop(state);
        drop(unused);
        wake([wire]);
        Poll::Pending
    }

    fn stop_receiving(&self) {
        let wire = {
            let mut state = self.lock();
            state.inbound.stop();
            state.wire_waker()
        };
        wake([wire]);
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock_straight();
        if let Some(gone) = state.gone {
            return Poll::Ready(Err(gone));
        }
        if state.has_credit() {
            return Poll::Ready(Ok(()));
        }
        state.course = Course::Varied;
        let unused = keep(&mut state.sender, cx.waker());
        drop(state);
        drop(unused);
        Poll::Pending
    }

    fn send(&self, mut event: HttpSend) -> Result<(), SendError> {
        let mut state = self.lock_straight();
        if let Some(gone) = state.gone {
            return Err(SendError::Gone(gone));
        }
        let State {
            reply,
            output,
            whole,
            queued,
            course,
            ..
        } = &mut *state;
        match &mut event {
            // By reference, until it is accepted, and then into a place that is known to be empty: so it is moved once.
            HttpSend::Start {
                head,
                body,
                more: false,
                trailers,
            } => {
                // What is refused is dropped without the lock: it is the application's.
                reply.whole(head, body, trailers)?;
                *queued += body.len();
                if whole.is_none() {
                    *whole = Some(event);
                }
            }
            _ => {
                *course = Course::Varied;
                reply.accept(event, |accepted| {
                    *queued += match &accepted {
                        Queued::Ready(outgoing) => weight(outgoing),
                        Queued::File(_) => 0,
                    };
                    output.push_back(accepted);
                })?;
            }
        }
        wake_after_sending(state);
        Ok(())
    }

    // Both under one lock, and a whole response straight from its place.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        event: &mut Option<HttpSend>,
    ) -> Poll<Result<(), SendError>> {
        let mut state = self.lock_straight();
        if let Some(gone) = state.gone {
            return Poll::Ready(Err(SendError::Gone(gone)));
        }
        if !state.has_credit() {
            state.course = Course::Varied;
            let unused = keep(&mut state.sender, cx.waker());
            drop(state);
            drop(unused);
            return Poll::Pending;
        }
        let Some(HttpSend::Start {
            head,
            body,
            more: false,
            trailers,
        }) = event
        else {
            drop(state);
            return Poll::Ready(match event.take() {
                Some(event) => self.send(event),
                None => Err(SendError::Gone(Gone::Finished)),
            });
        };
        let State {
            reply,
            whole,
            queued,
            ..
        } = &mut *state;
        if let Err(error) = reply.whole(head, body, trailers) {
            drop(state);
            *event = None;
            return Poll::Ready(Err(error));
        }
        *queued += body.len();
        if whole.is_none() {
            *whole = event.take();
        }
        wake_after_sending(state);
        Poll::Ready(Ok(()))
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        let room = {
            let mut state = self.lock();
            if let Some(gone) = state.gone {
                return Poll::Ready(Err(SendError::Gone(gone)));
            }
            if !state.has_credit() {
                let unused = keep(&mut state.sender, cx.waker());
                drop(state);
                drop(unused);
                return Poll::Pending;
            }
            OUTBOUND_BYTES - (state.queued + state.unsent)
        };
        let piece = &bytes[..bytes.len().min(room)];
        self.send(HttpSend::Body {
            bytes: Bytes::copy_from_slice(piece),
            more: true,
        })?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        match state.gone {
            Some(Gone::Finished) => return Poll::Ready(Ok(())),
            Some(gone) => return Poll::Ready(Err(gone)),
            None if state.is_flushed() => return Poll::Ready(Ok(())),
            None => {}
        }
        let unused = keep(&mut state.flusher, cx.waker());
        drop(state);
        drop(unused);
        Poll::Pending
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if state.inbound.has(n) {
            return Poll::Ready(Ok(()));
        }
        if let Some(gone) = state.gone {
            return Poll::Ready(Err(gone));
        }
        let unused = keep(&mut state.receiver, cx.waker());
        let wire = if state.inbound.ask() {
            state.wire_waker()
        } else {
            None
        };
        drop(state);
        drop(unused);
        wake([wire]);
        Poll::Pending
    }

    fn gone(&self) -> GoneSignal {
        let mut state = self.lock();
        let (gone, half_closed) = (state.gone, state.half_closed);
        let signal = state.signal.get_or_insert_with(|| {
            let signal = Signal::new();
            if let Some(gone) = gone.or(half_closed.then_some(Gone::HalfClosed)) {
                signal.raise(gone);
            }
            signal
        });
        signal.wait()
    }

    fn close(&self) {
        let wire = {
            let mut state = self.lock();
            if state.gone.is_none() && state.reply.close() {
                state.push(Outgoing::Close);
            }
            state.wire_waker()
        };
        wake([wire]);
    }

    fn abort(&self, why: Abort) {
        let wire = {
            let mut state = self.lock();
            if state.gone.is_none() && state.reply.abort(why) {
                state.push(Outgoing::Abort);
            }
            state.wire_waker()
        };
        wake([wire]);
    }
}

/// What the application has sent may be the end of what others wait for.
#[inline(always)]
fn wake_after_sending(mut state: MutexGuard<'_, State>) {
    if state.reply.is_tunnel() {
        state.inbound.become_tunnel();
    }
    // Whoever waits for more of the body learns that the exchange is over.
    let receiver = if state.reply.is_over() {
        state.receiver.take()
    } else {
        None
    };
    if state.polling && receiver.is_none() {
        // Nearly always: there is nobody to wake.
        return;
    }
    let wakers = [state.wire_waker(), receiver];
    drop(state);
    wake(wakers);
}

pub(crate) fn weight(outgoing: &Outgoing) -> usize {
    match outgoing {
        Outgoing::Head { first, .. } => first.len(),
        Outgoing::Data(bytes) => bytes.len(),
        Outgoing::Informational(_) => INFORMATIONAL_BYTES,
        _ => 0,
    }
}

/// Keeps a waker. The one before is to be dropped without the lock: that may run code of the application (SRV-13).
#[must_use = "drop it without the lock"]
pub(crate) fn keep(slot: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match slot {
        Some(kept) if kept.will_wake(waker) => None,
        _ => slot.replace(waker.clone()),
    }
}

pub(crate) fn wake<const N: usize>(wakers: [Option<Waker>; N]) {
    // By `map`, which is no loop: most have nobody to wake.
    let _ = wakers.map(|waker| waker.map(Waker::wake));
}
