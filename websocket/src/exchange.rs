//! A [`WebSocketTransport`] over the [`HttpTransport`] of an exchange: a session's bytes are the tunnel's.
//!
//! What happens to a socket is decided by [`Socket`], which waits for nothing. Here is who waits, who is woken, and what is done with
//! the exchange.
//!
//! No lock is held while the exchange is called, for it may call wakers, and a waker may call back. What is to be done with the
//! exchange is queued under the lock, and whoever comes first does it, for all, in order.

mod socket;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use gateway_spec::{
    Abort, Cause, CloseCode, ConnectionInfo, Gone, GoneSignal, Http, HttpSend, HttpTransport,
    Scope, SendError, WebSocketReceive, WebSocketSend, WebSocketTransport,
};

use crate::{
    handshake::Offer,
    upgrade::Settings,
    waiting::{Slot, Waiting},
    watch::Standing,
};
use socket::{Action, Next, Readers, Socket};

/// The socket of one exchange, shared by the application's handles and the server's [`Watch`](crate::Watch).
pub(crate) struct Exchange {
    http: Arc<dyn HttpTransport>,
    connection: Arc<ConnectionInfo>,
    waiting: Arc<Waiting>,
    /// Wakes all of `waiting`.
    waker: Waker,
    inner: Mutex<Inner>,
}

struct Inner {
    socket: Socket,
    worker: Worker,
}

/// Whether somebody is doing what is queued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worker {
    Idle,
    Busy,
}

impl Exchange {
    pub(crate) fn new(
        scope: Scope,
        http: Arc<dyn HttpTransport>,
        offer: Offer,
        settings: Settings,
    ) -> Self {
        let waiting = Arc::new(Waiting::default());
        Self {
            http,
            connection: Arc::clone(&scope.connection),
            waker: Waker::from(Arc::clone(&waiting)),
            waiting,
            inner: Mutex::new(Inner {
                socket: Socket::new(scope, offer, settings),
                worker: Worker::Idle,
            }),
        }
    }

    /// For the server: waits for the client's close frame, if ours is sent.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        while self.standing() == Standing::Closing {
            // What comes now is skipped by the session; the disconnect ends the loop.
            drop(ready!(self.receive(&self.waiting.watcher, cx)));
        }
        Poll::Ready(())
    }

    /// For the server: where the socket stands.
    pub(crate) fn standing(&self) -> Standing {
        self.lock().socket.standing()
    }

    /// For the server: pings, if there is credit.
    pub(crate) fn ping(&self) -> bool {
        if self.standing() != Standing::Open {
            return false;
        }
        // With the waker that wakes all, so nobody who waits for credit is forgotten.
        let credit = self.http.poll_ready(&mut Context::from_waker(&self.waker));
        let Poll::Ready(Ok(())) = credit else {
            return false;
        };
        // A socket that was closed meanwhile does not take it, and needs none.
        self.send(WebSocketSend::Ping(bytes::Bytes::new())).is_ok()
    }

    /// For the server: waits no longer for the client's close frame.
    pub(crate) fn give_up(&self) {
        let mut inner = self.lock();
        inner.socket.stop_closing();
        self.work_quietly(inner);
    }

    /// For the server: gives the client up.
    pub(crate) fn time_out(&self) {
        let mut inner = self.lock();
        let reason = "the client was silent for too long";
        inner
            .socket
            .give_up(CloseCode::INTERNAL_ERROR, reason, Cause::Timeout);
        self.work_quietly(inner);
    }

    /// For the server: says goodbye because it shuts down.
    pub(crate) fn shut_down(&self) {
        let mut inner = self.lock();
        let reason = "the server is shutting down";
        inner
            .socket
            .give_up(CloseCode::RESTART, reason, Cause::Shutdown);
        self.work_quietly(inner);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code of others runs under this lock, so a poisoned one is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is queued, unless somebody is at it. Fails with the first thing that the exchange does not take.
    fn work<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) -> Result<(), SendError> {
        if inner.worker == Worker::Busy || inner.socket.queue.is_empty() {
            return Ok(());
        }
        inner.worker = Worker::Busy;
        let mut outcome = Ok(());
        let mut ended = false;
        while let Some(action) = inner.socket.queue.pop_front() {
            drop(inner);
            ended |= matches!(action, Action::Close | Action::Abort(_));
            let done = self.act(action);
            inner = self.lock();
            if let Err(error) = done {
                // The exchange refuses all that follows too (HTTP-35). What came before is still to be read (WS-12).
                inner.socket.queue.clear();
                ended = true;
                outcome = outcome.and(Err(error));
            }
        }
        inner.worker = Worker::Idle;
        drop(inner);
        if ended {
            // They may wait for something that the exchange will not tell them any more.
            self.waiting.wake();
        }
        outcome
    }

    /// As [`work`](Self::work), where nobody can be told: the way in will show it.
    fn work_quietly<'a>(&'a self, inner: MutexGuard<'a, Inner>) {
        drop(self.work(inner));
    }

    fn act(&self, action: Action) -> Result<(), SendError> {
        match action {
            Action::Bytes(bytes) => self.http.send(HttpSend::Body { bytes, more: true })?,
            Action::Event(event) => self.http.send(*event)?,
            Action::Close => self.http.close(),
            Action::Abort(why) => self.http.abort(why),
        }
        Ok(())
    }

    fn receive(&self, slot: &Slot, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        loop {
            let mut inner = self.lock();
            let next = inner.socket.next();
            self.work_quietly(inner);
            match next {
                Next::Receive(event) => return Poll::Ready(event),
                Next::Pong => {
                    let ready = ready!(self.poll_credit(slot, cx));
                    inner = self.lock();
                    let answered = inner.socket.pong(ready);
                    self.work_quietly(inner);
                    if let Some(payload) = answered {
                        return Poll::Ready(WebSocketReceive::Ping(payload));
                    }
                }
                Next::Read(readers) => {
                    Waiting::keep(slot, cx.waker());
                    let event = match readers {
                        Readers::One => self.http.poll_receive(cx),
                        Readers::Two => self
                            .http
                            .poll_receive(&mut Context::from_waker(&self.waker)),
                    };
                    let event = ready!(event);
                    self.lock().socket.take(event);
                }
                Next::Answer => {
                    Waiting::keep(slot, cx.waker());
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_credit(&self, slot: &Slot, cx: &Context<'_>) -> Poll<Result<(), Gone>> {
        Waiting::keep(slot, cx.waker());
        self.http.poll_ready(&mut Context::from_waker(&self.waker))
    }
}

impl WebSocketTransport for Exchange {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        self.receive(&self.waiting.receiver, cx)
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.lock().socket.check_ready()?;
        self.poll_credit(&self.waiting.sender, cx)
    }

    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        let mut inner = self.lock();
        let socket = &mut inner.socket;
        match event {
            WebSocketSend::Accept(accept) => {
                let (head, open) = socket.accept(&accept)?;
                drop(inner);
                // Refused, the exchange stays the server's to answer.
                self.http.send(HttpSend::Upgrade { head })?;
                self.lock().socket.opened(open);
                self.waiting.wake();
                return Ok(());
            }
            WebSocketSend::Deny(response) => socket.deny(response)?,
            WebSocketSend::Message(message) => socket.message(&message)?,
            WebSocketSend::Ping(payload) => socket.ping(payload)?,
            WebSocketSend::Pong(payload) => socket.unasked_pong(payload)?,
            WebSocketSend::Close(frame) => socket.close(&frame, Cause::Local)?,
            _ => return Err(SendError::Unsupported),
        }
        self.work(inner)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Waiting::keep(&self.waiting.sender, cx.waker());
        self.http.poll_flush(&mut Context::from_waker(&self.waker))
    }

    fn gone(&self) -> GoneSignal {
        self.http.gone()
    }

    fn take_http(&self) -> Option<Http> {
        let scope = self.lock().socket.give_back()?;
        Some(Http::new(scope, Arc::clone(&self.http)))
    }

    fn abort(&self, why: Abort) {
        let draining = self.connection.draining();
        let mut inner = self.lock();
        inner.socket.abort(why, draining);
        self.work_quietly(inner);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Every handle is gone. One that owed the client something has aborted, so our close frame is the last word.
        if inner.socket.has_tunnel() {
            self.http.close();
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("phase", &self.lock().socket.phase())
            .finish_non_exhaustive()
    }
}
