//! A [`WebSocketTransport`] over the [`HttpTransport`] of an exchange: a session's bytes are the tunnel's.
//!
//! What happens to a socket is decided by [`Socket`], which waits for nothing. Here is who waits, who is woken, and what is done with
//! the exchange.
//!
//! No lock is held while the exchange is called, for it may call wakers, and a waker may call back. What is to be done with the
//! exchange is queued under the lock, and whoever comes first does it, for all, in order.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Abort, Cause, ConnectionInfo, Gone, GoneSignal, Http, HttpSend, HttpTransport, Scope,
    SendError, WebSocketReceive, WebSocketSend, WebSocketTransport,
};

use crate::{
    frame::Frame,
    handshake::Offer,
    socket::{Next, Outlet, Readers, Socket},
    upgrade::Settings,
    waiting::{Slot, Waiting},
    watch::{Ending, Standing, Watched},
};

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
    /// What is to be done with the exchange, in this order.
    queue: Queue,
    worker: Worker,
}

#[derive(Default)]
struct Queue(VecDeque<Action>);

enum Action {
    Bytes(Bytes),
    Event(Box<HttpSend>),
    Close,
    Abort(Abort),
}

/// Payloads from this size on are handed on as they are; copying a shorter one behind its header costs less than a second event.
const WHOLE: usize = 4096;

impl Outlet for Queue {
    /// In one piece if it is short, without a copy of the payload if it is long.
    fn frame(&mut self, frame: Frame) {
        if frame.payload().len() < WHOLE {
            self.0.push_back(Action::Bytes(frame.to_bytes()));
            return;
        }
        let mut header = BytesMut::new();
        frame.header().write(&mut header);
        self.0.push_back(Action::Bytes(header.freeze()));
        self.0.push_back(Action::Bytes(frame.payload));
    }

    fn event(&mut self, event: HttpSend) {
        self.0.push_back(Action::Event(Box::new(event)));
    }

    fn close(&mut self) {
        self.0.push_back(Action::Close);
    }

    fn abort(&mut self, why: Abort) {
        self.0.push_back(Action::Abort(why));
    }
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
                queue: Queue::default(),
                worker: Worker::Idle,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code of others runs under this lock, so a poisoned one is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is queued, unless somebody is at it. Fails with the first thing that the exchange does not take.
    fn work<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) -> Result<(), SendError> {
        if inner.worker == Worker::Busy || inner.queue.0.is_empty() {
            return Ok(());
        }
        inner.worker = Worker::Busy;
        let mut outcome = Ok(());
        let mut ended = false;
        while let Some(action) = inner.queue.0.pop_front() {
            drop(inner);
            ended |= matches!(action, Action::Close | Action::Abort(_));
            let done = self.act(action);
            inner = self.lock();
            if let Err(error) = done {
                // The exchange refuses all that follows too (HTTP-35). What came before is still to be read (WS-12).
                inner.queue.0.clear();
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
            let next = inner.next();
            self.work_quietly(inner);
            match next {
                Next::Receive(event) => return Poll::Ready(event),
                Next::Pong => {
                    let ready = ready!(self.poll_credit(slot, cx));
                    inner = self.lock();
                    let Inner { socket, queue, .. } = &mut *inner;
                    let answered = socket.pong(ready, queue);
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
        let Inner { socket, queue, .. } = &mut *inner;
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
            WebSocketSend::Deny(response) => socket.deny(response, queue)?,
            WebSocketSend::Message(message) => socket.message(message, queue)?,
            WebSocketSend::Ping(payload) => socket.ping(payload, queue)?,
            WebSocketSend::Pong(payload) => socket.unasked_pong(payload, queue)?,
            WebSocketSend::Close(frame) => socket.close(&frame, Cause::Local, queue)?,
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
        let Inner { socket, queue, .. } = &mut *inner;
        socket.abort(why, draining, queue);
        self.work_quietly(inner);
    }
}

impl Watched for Exchange {
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        while self.standing() == Standing::Closing {
            // What comes now is skipped by the session; the disconnect ends the loop.
            drop(ready!(self.receive(&self.waiting.watcher, cx)));
        }
        Poll::Ready(())
    }

    fn standing(&self) -> Standing {
        self.lock().socket.standing()
    }

    fn ping(&self) -> bool {
        if self.standing() != Standing::Open {
            return false;
        }
        // With the waker that wakes all, so nobody who waits for credit is forgotten.
        let credit = self.http.poll_ready(&mut Context::from_waker(&self.waker));
        let Poll::Ready(Ok(())) = credit else {
            return false;
        };
        // A socket that was closed meanwhile does not take it, and needs none.
        self.send(WebSocketSend::Ping(Bytes::new())).is_ok()
    }

    fn give_up(&self) {
        let mut inner = self.lock();
        let Inner { socket, queue, .. } = &mut *inner;
        socket.stop_closing(queue);
        self.work_quietly(inner);
    }

    fn end(&self, why: Ending) {
        let mut inner = self.lock();
        let Inner { socket, queue, .. } = &mut *inner;
        socket.end_for(why, queue);
        self.work_quietly(inner);
    }
}

impl Inner {
    fn next(&mut self) -> Next {
        let next = self.socket.next(&mut self.queue);
        if let Next::Read(_) = next {
            self.socket.let_go();
        }
        next
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
