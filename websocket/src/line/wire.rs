//! The server's side of a line.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use gateway_spec::{Done, Gone, HttpTransport, Signal, WebSocketSend, WebSocketTransport};
use parking_lot::MutexGuard;

use super::{At, Inner, Input, Line, Outbox, keep, transport::tell, wake};
use crate::{
    socket::Next,
    watch::{Ending, Standing, Watched},
};

/// Whether a read brought something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Bytes.
    Bytes,
    /// Nothing.
    Nothing,
}

/// What a turn of the application has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The call goes on.
    Pending,
    /// The call has returned with a `Done`: a socket that it left open is closed once the client's close frame is there, or not waited
    /// for any more.
    Done,
    /// The call has failed: a socket that it left open is cut off then.
    Failed,
}

impl Turn {
    /// That of a call that has returned.
    pub const fn of<E>(result: &Result<Done, E>) -> Self {
        match result {
            Ok(_) => Self::Done,
            Err(_) => Self::Failed,
        }
    }
}

/// How a line ends, after all that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order.
    Closed,
    /// In a way that the client can see is not clean.
    CutOff,
}

/// Whether more was sent than the wire has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// All was taken.
    Nothing,
    /// The wire's outbox was not empty: there is more once it is.
    Some,
}

/// What a wire sees after a turn of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where the socket stands.
    pub standing: Standing,
    /// How it ends, once all is taken that it has sent, if it does.
    pub end: Option<End>,
    /// Whether it has sent more than was taken.
    pub left: Left,
    /// What is left of what came.
    pub input: Input,
}

impl<O: Outbox> Line<O> {
    /// Whether the application has accepted the handshake: the wire is then to be attached.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.lock().socket.was_opened()
    }

    /// The wire is the socket's from here on, and the exchange is over. `signal` is what those wait for who asked the exchange whether
    /// the client is gone.
    pub fn attach(&self, signal: Option<Signal<Gone>>) -> Option<Arc<dyn HttpTransport>> {
        let mut inner = self.lock();
        inner.signal = signal;
        inner.http.take()
    }

    /// Before the application is polled by the task of `waker`. What came is taken out of `input`.
    #[inline]
    pub fn enter(&self, waker: &Waker, input: &mut BytesMut, came: Came) {
        let mut inner = self.lock();
        inner.at = At::Work;
        let unused = keep(&mut inner.wire, waker);
        let mut receiver = None;
        if came == Came::Bytes {
            inner.socket.bring(input);
            // One that waits in this task is polled now.
            receiver = inner.receiver.take_if(|kept| !kept.will_wake(waker));
        }
        drop(inner);
        drop(unused);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// As [`enter`](Self::enter) with bytes that came, which stay the caller's: takes a message that is not long from their front, as a copy that has a share of
    /// `copies`. How many bytes were taken; with the rest, if there is some, `enter` is still to be called.
    #[inline]
    pub fn enter_by_copy(&self, waker: &Waker, bytes: &[u8], copies: &mut BytesMut) -> usize {
        let mut inner = self.lock();
        let taken = inner.socket.copy_message(bytes, copies);
        if taken < bytes.len() {
            return taken;
        }
        inner.at = At::Work;
        let unused = keep(&mut inner.wire, waker);
        let receiver = inner.receiver.take_if(|kept| !kept.will_wake(waker));
        drop(inner);
        drop(unused);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        taken
    }

    /// After the application was polled: gives out what it has sent, if `outbox` is empty, and `input`, if more is to be read behind it.
    #[inline]
    pub fn leave(&self, turn: Turn, outbox: &mut O, input: &mut BytesMut) -> Seen {
        let mut inner = self.lock();
        inner.at = At::Rest;
        let mut standing = inner.socket.standing();
        if standing == Standing::Closing {
            inner = self.read_to_the_end(inner);
            standing = inner.socket.standing();
        }
        if turn != Turn::Pending && standing != Standing::Closing {
            inner.out.end.get_or_insert(match turn {
                Turn::Failed => End::CutOff,
                Turn::Pending | Turn::Done => End::Closed,
            });
        }
        if outbox.is_empty() && !inner.out.outbox.is_empty() {
            std::mem::swap(outbox, &mut inner.out.outbox);
            inner.unsent = outbox.len();
        }
        let (left, end) = match inner.out.outbox.is_empty() {
            true => (Left::Nothing, inner.out.end),
            false => (Left::Some, None),
        };
        Seen {
            standing,
            end,
            left,
            input: inner.socket.hand_out(input),
        }
    }

    /// What comes after our close frame is skipped by the session, whoever receives; the client's close frame ends it.
    #[cold]
    fn read_to_the_end<'a>(
        &'a self,
        mut inner: MutexGuard<'a, Inner<O>>,
    ) -> MutexGuard<'a, Inner<O>> {
        while inner.socket.standing() == Standing::Closing {
            let Inner { socket, out, .. } = &mut *inner;
            match socket.next(out) {
                Next::Receive(_) => {}
                Next::Pong | Next::Read(_) | Next::Answer => break,
            }
        }
        let wakers = inner.wakers_of_news();
        drop(inner);
        wake(wakers);
        self.lock()
    }

    /// Tells how many bytes the wire still holds; wakes the application when there is credit again.
    #[inline]
    pub fn unsent(&self, bytes: usize) {
        let mut inner = self.lock();
        inner.unsent = bytes;
        if inner.is_waited_for() {
            let wakers = inner.wakers_of_credit();
            drop(inner);
            wake(wakers);
        }
    }

    /// The client has stopped sending (SRV-3).
    pub fn half_close(&self) {
        let mut inner = self.lock();
        inner.socket.end_of_input(Gone::HalfClosed);
        let signal = inner.signal.clone();
        let receiver = inner.receiver.take();
        drop(inner);
        if let Some(signal) = signal {
            signal.raise(Gone::HalfClosed);
        }
        wake([receiver, None, None]);
    }

    /// Nothing can be sent any more. The first reason counts.
    pub fn set_gone(&self, gone: Gone) {
        let mut inner = self.lock();
        if inner.gone.is_some() {
            return;
        }
        inner.gone = Some(gone);
        inner.socket.end_of_input(gone);
        let lost = std::mem::take(&mut inner.out.outbox);
        let signal = inner.signal.clone();
        let wakers = [inner.receiver.take(), inner.sender.take(), None];
        drop(inner);
        drop(lost);
        if let Some(signal) = signal {
            signal.raise(gone);
        }
        wake(wakers);
    }
}

impl<O: Outbox> Watched for Line<O> {
    fn standing(&self) -> Standing {
        self.lock().socket.standing()
    }

    fn ping(&self) -> bool {
        let has_credit = matches!(self.lock().credit(), Some(Ok(())));
        // A socket that was closed meanwhile does not take it, and needs none.
        has_credit && self.send(WebSocketSend::Ping(bytes::Bytes::new())).is_ok()
    }

    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.read_to_the_end(self.lock());
        let unused = keep(&mut inner.wire, cx.waker());
        let standing = inner.socket.standing();
        drop(inner);
        drop(unused);
        match standing {
            Standing::Closing => Poll::Pending,
            Standing::Handshake | Standing::Open | Standing::Over => Poll::Ready(()),
        }
    }

    fn give_up(&self) {
        let mut inner = self.lock();
        let Inner { socket, out, .. } = &mut *inner;
        socket.stop_closing(out);
        tell(inner);
    }

    fn end(&self, why: Ending) {
        let mut inner = self.lock();
        let Inner { socket, out, .. } = &mut *inner;
        socket.end_for(why, out);
        tell(inner);
    }
}
