//! The transport that the first application is tried with: an answer that says "nothing here" goes nowhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use gateway_spec::{
    Abort, Gone, Http, HttpLayer, HttpReceive, HttpSend, HttpTransport, Layered, SendError,
    WebSocket, WebSocketLayer, WebSocketReceive, WebSocketSend, WebSocketTransport,
};

use super::When;
use crate::middleware::{layered, layered_socket};

/// Something reached the client or came from it: what the application answers, it has answered.
const COMMITTED: u8 = 1;
/// It said that it has nothing, and the client does not know.
const OVER: u8 = 1 << 1;
/// It dropped the body.
const UNWANTED: u8 = 1 << 2;
/// It was told that nobody takes more of what it says instead.
const REFUSED: u8 = 1 << 3;

pub(super) struct Trial<T: ?Sized> {
    inner: Arc<T>,
    when: When,
    bits: AtomicU8,
}

/// Tries an application with an exchange.
pub(super) fn try_http(http: Http, when: When) -> (Http, Arc<Layered<Trial<dyn HttpTransport>>>) {
    layered(http, |inner| Trial::new(inner, when))
}

/// Tries an application with a WebSocket.
pub(super) fn try_socket(
    socket: WebSocket,
    when: When,
) -> (WebSocket, Arc<Layered<Trial<dyn WebSocketTransport>>>) {
    layered_socket(socket, |inner| Trial::new(inner, when))
}

impl<T: ?Sized> Trial<T> {
    fn new(inner: Arc<T>, when: When) -> Self {
        Self {
            inner,
            when,
            bits: AtomicU8::new(0),
        }
    }

    /// The transport for another application, if the first has nothing.
    pub(super) fn over(&self) -> Option<Arc<T>> {
        self.is_over().then(|| Arc::clone(&self.inner))
    }

    fn is_over(&self) -> bool {
        self.bits.load(Ordering::Acquire) & OVER != 0
    }

    /// Whether it was kept from saying more, which may be why it failed.
    pub(super) fn was_refused(&self) -> bool {
        self.bits.load(Ordering::Acquire) & REFUSED != 0
    }

    /// Nobody takes the rest of an answer that goes nowhere: without an end it would never let the other application have its turn.
    fn refuse(&self) -> SendError {
        self.bits.fetch_or(REFUSED, Ordering::AcqRel);
        Gone::Finished.into()
    }

    /// Ends the trial, if nothing speaks against it.
    fn give_up(&self) -> bool {
        let over = |bits: u8| (bits & COMMITTED == 0).then_some(bits | OVER);
        self.bits
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, over)
            .is_ok()
    }
}

impl Trial<dyn HttpTransport> {
    /// The exchange is the first application's for good.
    fn commit(&self) {
        let before = self.bits.fetch_or(COMMITTED, Ordering::AcqRel);
        if before & (COMMITTED | UNWANTED) == UNWANTED {
            self.inner.stop_receiving();
        }
    }
}

impl HttpLayer for Trial<dyn HttpTransport> {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        if self.is_over() {
            return Poll::Ready(HttpReceive::Disconnect(Gone::Finished));
        }
        let received = self.inner.poll_receive(cx);
        if received.is_ready() {
            self.commit();
        }
        received
    }

    fn stop_receiving(&self) {
        let before = self.bits.fetch_or(UNWANTED, Ordering::AcqRel);
        if before & (COMMITTED | OVER) == COMMITTED {
            self.inner.stop_receiving();
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if self.is_over() {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_ready(cx)
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        if self.is_over() {
            return match event {
                HttpSend::Body { more: true, .. } => Err(self.refuse()),
                _ => Ok(()),
            };
        }
        if let HttpSend::Start { head, .. } = &event
            && (self.when)(head)
            && self.give_up()
        {
            return Ok(());
        }
        self.commit();
        self.inner.send(event)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        if self.is_over() {
            return Poll::Ready(Err(self.refuse()));
        }
        self.commit();
        self.inner.poll_write(cx, bytes)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if self.is_over() {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_flush(cx)
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        if self.is_over() {
            return Poll::Ready(Err(Gone::Finished));
        }
        self.inner.poll_buffered(cx, n)
    }

    fn close(&self) {
        if !self.is_over() {
            self.inner.close();
        }
    }

    fn abort(&self, why: Abort) {
        if !self.is_over() {
            self.commit();
            self.inner.abort(why);
        }
    }
}

impl WebSocketLayer for Trial<dyn WebSocketTransport> {
    fn inner(&self) -> &dyn WebSocketTransport {
        &*self.inner
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        if self.is_over() {
            // As of any socket that was denied.
            return Poll::Pending;
        }
        self.inner.poll_receive(cx)
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if self.is_over() {
            return Poll::Ready(Err(Gone::Finished));
        }
        self.inner.poll_ready(cx)
    }

    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        if self.is_over() {
            return Err(Gone::Finished.into());
        }
        if let WebSocketSend::Deny(response) = &event
            && (self.when)(&response.head)
            && self.give_up()
        {
            return Ok(());
        }
        self.inner.send(event)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if self.is_over() {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_flush(cx)
    }

    fn take_http(&self) -> Option<Http> {
        if self.is_over() {
            return None;
        }
        self.inner.take_http()
    }

    fn abort(&self, why: Abort) {
        if !self.is_over() {
            self.inner.abort(why);
        }
    }
}
