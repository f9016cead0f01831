//! A socket whose bytes are at hand: for a server that reads and writes them itself.
//!
//! `socket.rs` decides what happens to it, as it does over any exchange. Here both ends of its tunnel lie beside it, under one lock: what
//! the wire has read is taken apart where it lies, and what is sent is written behind what the wire takes at its next turn. So a
//! message costs neither an event nor a copy, and all messages that one read brought are answered by one write.
//!
//! # Waking
//!
//! The wire's task polls the application itself, between [`Line::enter`] and [`Line::leave`]: what is sent meanwhile needs no wake, since the
//! wire looks afterwards, nor does a receiver that waits in that very task. Wakers are called and dropped without the lock (SRV-13).

mod transport;
mod wire;

use std::{fmt, sync::Arc, task::Waker};

use bytes::Bytes;
use gateway_spec::{
    Abort, ConnectionInfo, Gone, HttpSend, HttpTransport, Scope, Signal, WebSocketReceive,
};
use parking_lot::{Mutex, MutexGuard};

use crate::{
    frame::Frame,
    handshake::Offer,
    socket::{Next, Outlet, Socket},
    upgrade::Settings,
};

pub use crate::socket::Input;
pub use wire::{Came, End, Left, Seen, Turn};

/// Bytes for the client from which on a sender waits until the wire has written them (SRV-5), and the message that passes them. 64 KiB,
/// as an exchange's.
pub const OUTBOUND_BYTES: usize = 64 * 1024;

/// Bytes that the wire reads ahead of an application that does not receive (SRV-5). 64 KiB, as an exchange's.
pub const INBOUND_BYTES: usize = 64 * 1024;

/// What a wire has to write: it is swapped with the wire's own when that is empty.
pub trait Outbox: Default + Send + 'static {
    /// Bytes that lie here.
    fn len(&self) -> usize;

    /// Whether nothing lies here.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a frame: its header, then its payload.
    fn frame(&mut self, header: &[u8], payload: Bytes);

    /// The same of a payload that stays the caller's: of 125 bytes at most.
    fn short_frame(&mut self, header: [u8; 2], payload: &[u8]);
}

/// The socket of one exchange, shared by the application's handles and the wire.
///
/// Until the application has accepted it, what it sends are events of the exchange; then the wire [attaches](Self::attach) itself.
pub struct Line<O> {
    connection: Arc<ConnectionInfo>,
    inner: Mutex<Inner<O>>,
}

struct Inner<O> {
    socket: Socket,
    /// The exchange of the handshake, until the wire is attached.
    http: Option<Arc<dyn HttpTransport>>,
    out: Out<O>,
    /// Bytes that the wire has taken and not written.
    unsent: usize,
    gone: Option<Gone>,
    signal: Option<Signal<Gone>>,
    receiver: Option<Waker>,
    /// Waits for credit, or until all is written: the last one counts.
    sender: Option<Waker>,
    wire: Option<Waker>,
    at: At,
    told: Told,
}

/// Where the wire's task is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// In its turn: it looks afterwards.
    Work,
    /// Waiting.
    Rest,
}

/// Whether who waits was woken for the socket's end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    No,
    Yes,
}

/// What the socket has to say.
struct Out<O> {
    outbox: O,
    end: Option<End>,
    /// The answer of a handshake that is denied.
    denial: Option<Box<HttpSend>>,
}

impl<O: Outbox> Outlet for Out<O> {
    #[inline]
    fn frame(&mut self, frame: Frame) {
        let (header, count) = frame.header.to_array();
        self.outbox.frame(&header[..count], frame.payload);
    }

    fn event(&mut self, event: HttpSend) {
        self.denial = Some(Box::new(event));
    }

    fn close(&mut self) {
        self.end.get_or_insert(End::Closed);
    }

    fn abort(&mut self, _why: Abort) {
        self.end.get_or_insert(End::CutOff);
    }
}

/// Who is to be woken, without the lock.
type Wakers = [Option<Waker>; 3];

const NOBODY: Wakers = [const { None }; 3];

impl<O: Outbox> Line<O> {
    pub(crate) fn new(
        scope: Scope,
        http: Arc<dyn HttpTransport>,
        offer: Offer,
        settings: Settings,
    ) -> Self {
        Self {
            connection: Arc::clone(&scope.connection),
            inner: Mutex::new(Inner {
                socket: Socket::new(scope, offer, settings),
                http: Some(http),
                out: Out {
                    outbox: O::default(),
                    end: None,
                    denial: None,
                },
                unsent: 0,
                gone: None,
                signal: None,
                receiver: None,
                sender: None,
                wire: None,
                at: At::Rest,
                told: Told::No,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<O>> {
        // No code of others runs under it.
        self.inner.lock()
    }
}

impl<O: Outbox> Inner<O> {
    /// What the client sends next, if it is here.
    #[inline]
    fn receive(&mut self) -> Option<WebSocketReceive> {
        loop {
            match self.socket.next(&mut self.out) {
                Next::Receive(event) => return Some(event),
                Next::Pong => {
                    let ready = self.credit()?;
                    if let Some(payload) = self.socket.pong(ready, &mut self.out) {
                        return Some(WebSocketReceive::Ping(payload));
                    }
                }
                Next::Read(_) | Next::Answer => return None,
            }
        }
    }

    /// Whether something may be sent; `None` while there is too much of it.
    #[inline]
    fn credit(&self) -> Option<Result<(), Gone>> {
        match self.gone {
            Some(gone) => Some(Err(gone)),
            None if self.out.outbox.len() + self.unsent < OUTBOUND_BYTES => Some(Ok(())),
            None => None,
        }
    }

    fn is_flushed(&self) -> bool {
        self.http.is_none() && self.unsent == 0 && self.out.outbox.is_empty()
    }

    /// Whether nobody has to be woken for what was sent: the wire looks by itself.
    #[inline]
    fn is_quiet(&self) -> bool {
        self.at == At::Work && self.out.end.is_none()
    }

    /// Who has to know that something was sent, or that the socket is over.
    #[cold]
    fn wakers_of_news(&mut self) -> Wakers {
        let wire = match self.at {
            At::Work => None,
            At::Rest if self.out.outbox.is_empty() && self.out.end.is_none() => None,
            At::Rest => self.wire.clone(),
        };
        if self.out.end.is_none() || self.told == Told::Yes {
            return [wire, None, None];
        }
        self.told = Told::Yes;
        [wire, self.receiver.take(), self.sender.take()]
    }

    /// Whether somebody waits for credit, or until all is written.
    #[inline]
    fn is_waited_for(&self) -> bool {
        self.sender.is_some() || self.socket.owes_a_pong()
    }

    /// Who waits for credit, or for all to be sent, if there is nothing to wait for any more.
    #[cold]
    fn wakers_of_credit(&mut self) -> Wakers {
        if self.credit().is_none() {
            return NOBODY;
        }
        // A receiver may wait for a pong's credit. One that flushes, and not for the last bytes yet, asks again.
        let waits = self.socket.owes_a_pong();
        let receiver = waits.then(|| self.receiver.take()).flatten();
        [None, receiver, self.sender.take()]
    }
}

/// Keeps a waker. The one before is to be dropped without the lock: that may run code of the application (SRV-13).
#[must_use = "drop it without the lock"]
#[inline]
fn keep(slot: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match slot {
        Some(kept) if kept.will_wake(waker) => None,
        _ => slot.replace(waker.clone()),
    }
}

fn wake(wakers: Wakers) {
    // By `map`, which is no loop: most have nobody to wake.
    let _ = wakers.map(|waker| waker.map(Waker::wake));
}

impl<O: Outbox> fmt::Debug for Line<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("phase", &self.lock().socket.phase())
            .finish_non_exhaustive()
    }
}
