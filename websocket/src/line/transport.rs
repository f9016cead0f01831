//! The application's side of a line.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use gateway_spec::{
    Abort, Accept, Cause, Gone, GoneSignal, Http, HttpSend, Message, SendError, Signal,
    WebSocketReceive, WebSocketSend, WebSocketTransport,
};
use parking_lot::MutexGuard;

use super::{Inner, Line, Outbox, keep, wake};
use crate::socket::AtHand;

impl<O: Outbox> WebSocketTransport for Line<O> {
    #[inline]
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        let mut inner = self.lock();
        if inner.is_quiet() {
            match inner.socket.at_hand() {
                AtHand::Message(message) => {
                    return Poll::Ready(WebSocketReceive::Message(message));
                }
                AtHand::Nothing if waits(&inner.receiver, cx.waker()) => return Poll::Pending,
                AtHand::Nothing | AtHand::Unknown => {}
            }
        }
        look_further(inner, cx.waker())
    }

    #[inline]
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut inner = self.lock();
        inner.socket.check_ready()?;
        if let Some(http) = inner.handshake() {
            drop(inner);
            return http.poll_ready(cx);
        }
        if let Some(ready) = inner.credit() {
            return Poll::Ready(ready);
        }
        let unused = keep(&mut inner.sender, cx.waker());
        drop(inner);
        drop(unused);
        Poll::Pending
    }

    #[inline]
    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        let mut inner = self.lock();
        let Inner { socket, out, .. } = &mut *inner;
        match event {
            WebSocketSend::Message(message) => socket.message(message, out)?,
            WebSocketSend::Accept(accept) => {
                drop(inner);
                return self.accept(&accept);
            }
            WebSocketSend::Deny(response) => {
                socket.deny(response, out)?;
                let denial = out.denial.take();
                let http = inner.http.clone();
                drop(inner);
                return match (http, denial) {
                    (Some(http), Some(denial)) => http.send(*denial),
                    _ => Err(SendError::Gone(Gone::Finished)),
                };
            }
            WebSocketSend::Ping(payload) => socket.ping(payload, out)?,
            WebSocketSend::Pong(payload) => socket.unasked_pong(payload, out)?,
            WebSocketSend::Close(frame) => socket.close(&frame, Cause::Local, out)?,
            _ => return Err(SendError::Unsupported),
        }
        if let Some(gone) = inner.gone {
            inner.out.outbox = O::default();
            return Err(SendError::Gone(gone));
        }
        if !inner.is_quiet() {
            tell(inner);
        }
        Ok(())
    }

    #[inline]
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), SendError>> {
        let mut inner = self.lock();
        if inner.is_quiet()
            && let Some(Ok(())) = inner.credit()
            && let Some(short) = message
            && let Some(header) = inner.socket.short_header(short)
        {
            inner.out.outbox.short_frame(header, short.as_bytes());
            drop(inner);
            // Without the lock: its memory may be the application's own.
            *message = None;
            return Poll::Ready(Ok(()));
        }
        drop(inner);
        self.send_by_steps(cx, message)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut inner = self.lock();
        if let Some(http) = inner.handshake() {
            drop(inner);
            return http.poll_flush(cx);
        }
        match inner.gone {
            Some(Gone::Finished) => return Poll::Ready(Ok(())),
            Some(gone) => return Poll::Ready(Err(gone)),
            None if inner.is_flushed() => return Poll::Ready(Ok(())),
            None => {}
        }
        let unused = keep(&mut inner.sender, cx.waker());
        drop(inner);
        drop(unused);
        Poll::Pending
    }

    fn gone(&self) -> GoneSignal {
        let mut inner = self.lock();
        if let Some(http) = inner.http.clone() {
            drop(inner);
            return http.gone();
        }
        let gone = inner.gone;
        let signal = inner.signal.get_or_insert_with(|| {
            let signal = Signal::new();
            if let Some(gone) = gone {
                signal.raise(gone);
            }
            signal
        });
        signal.wait()
    }

    fn take_http(&self) -> Option<Http> {
        let mut inner = self.lock();
        let http = inner.http.clone()?;
        let scope = inner.socket.give_back()?;
        Some(Http::new(scope, http))
    }

    fn abort(&self, why: Abort) {
        let draining = self.connection.draining();
        let mut inner = self.lock();
        let handshake = inner.handshake();
        let Inner { socket, out, .. } = &mut *inner;
        socket.abort(why, draining, out);
        if let Some(http) = handshake {
            let aborted = out.end.take().is_some();
            drop(inner);
            if aborted {
                http.abort(why);
            }
            return;
        }
        tell(inner);
    }
}

/// Whether it is this one that is kept.
#[inline]
fn waits(slot: &Option<Waker>, waker: &Waker) -> bool {
    slot.as_ref().is_some_and(|kept| kept.will_wake(waker))
}

/// Takes apart what came.
#[inline(never)]
fn look_further<O: Outbox>(
    mut inner: MutexGuard<'_, Inner<O>>,
    waker: &Waker,
) -> Poll<WebSocketReceive> {
    let received = inner.receive();
    if inner.is_quiet() {
        match received {
            Some(event) => return Poll::Ready(event),
            None if waits(&inner.receiver, waker) => return Poll::Pending,
            None => {}
        }
    }
    wait(inner, received, waker)
}

/// Keeps the waker, if nothing was received, and wakes who has to be.
#[cold]
fn wait<O: Outbox>(
    mut inner: MutexGuard<'_, Inner<O>>,
    received: Option<WebSocketReceive>,
    waker: &Waker,
) -> Poll<WebSocketReceive> {
    // In this order: one that has just begun to wait for the end is woken for it.
    let unused = match received {
        None => keep(&mut inner.receiver, waker),
        Some(_) => None,
    };
    tell(inner);
    drop(unused);
    match received {
        Some(event) => Poll::Ready(event),
        None => Poll::Pending,
    }
}

/// Wakes who has to know that something was sent, or that the socket is over.
#[cold]
pub(super) fn tell<O: Outbox>(mut inner: MutexGuard<'_, Inner<O>>) {
    let wakers = inner.wakers_of_news();
    drop(inner);
    wake(wakers);
}

impl<O: Outbox> Line<O> {
    /// Waits, and sends then.
    #[inline(never)]
    fn send_by_steps(
        &self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), SendError>> {
        ready!(self.poll_ready(cx))?;
        Poll::Ready(match message.take() {
            Some(message) => self.send(WebSocketSend::Message(message)),
            None => Err(SendError::Gone(Gone::Finished)),
        })
    }

    fn accept(&self, accept: &Accept) -> Result<(), SendError> {
        let mut inner = self.lock();
        let (head, open) = inner.socket.accept(accept)?;
        let http = inner.http.clone();
        drop(inner);
        let Some(http) = http else {
            return Err(SendError::OutOfOrder);
        };
        // Refused, the exchange stays the server's to answer.
        http.send(HttpSend::Upgrade { head })?;
        let mut inner = self.lock();
        inner.socket.opened(open);
        let receiver = inner.receiver.take();
        drop(inner);
        wake([receiver, None, None]);
        Ok(())
    }
}

impl<O: Outbox> Inner<O> {
    /// The exchange, while nothing but it can take what is said.
    #[inline]
    fn handshake(&self) -> Option<Arc<dyn gateway_spec::HttpTransport>> {
        match &self.http {
            Some(http) if !self.socket.was_opened() => Some(Arc::clone(http)),
            _ => None,
        }
    }
}
