//! A transport in memory that is as slow as it can be: it waits as a script says and has credit for a few bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_spec::{
    Abort, BodyLength, Capabilities, ConnectionInfo, Gone, GoneSignal, Http, HttpReceive,
    HttpScope, HttpSend, HttpTransport, Scope, SendError, Signal, Tunnel, Writer,
};
use http::StatusCode;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};

use crate::support::block_on;

/// A waker is woken as soon as it is left, so whoever leaves none hangs, and whoever is woken asks again.
#[derive(Debug)]
pub(crate) struct Wire {
    state: Mutex<State>,
    gone: Signal<Gone>,
}

#[derive(Debug)]
struct State {
    inbound: VecDeque<HttpReceive>,
    /// Those of the way in, and those of the way out.
    receiving: Waits,
    sending: Waits,
    /// Bytes that may be sent and not yet taken.
    credit: usize,
    outstanding: usize,
    sent: Vec<u8>,
    calls: Vec<&'static str>,
    refusal: Option<SendError>,
}

/// Whether each poll waits, over and over.
#[derive(Debug)]
pub(crate) struct Waits {
    script: VecDeque<bool>,
}

impl Waits {
    pub(crate) fn new(script: Vec<bool>) -> Self {
        // One that always waits would never get anywhere.
        let script = script.into_iter().chain([false]).collect();
        Self { script }
    }

    pub(crate) fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.script.rotate_left(1);
        if *self.script.back().unwrap() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl State {
    /// The client takes what was sent while somebody waits for that, if it takes anything.
    fn take_all(&mut self, cx: &Context<'_>) {
        if self.credit > 0 {
            self.outstanding = 0;
            cx.waker().wake_by_ref();
        }
    }
}

/// A wire that never waits but for credit.
pub(crate) fn quick() -> Arc<Wire> {
    wire(Vec::new(), usize::MAX)
}

pub(crate) fn wire(waits: Vec<bool>, credit: usize) -> Arc<Wire> {
    Arc::new(Wire {
        state: Mutex::new(State {
            inbound: VecDeque::new(),
            receiving: Waits::new(waits.clone()),
            sending: Waits::new(waits),
            credit,
            outstanding: 0,
            sent: Vec::new(),
            calls: Vec::new(),
            refusal: None,
        }),
        gone: Signal::new(),
    })
}

/// Any way to wait and any small credit.
pub(crate) fn any_wire() -> impl Strategy<Value = Arc<Wire>> {
    (vec(any::<bool>(), 0..6), 1..9_usize).prop_map(|(waits, credit)| wire(waits, credit))
}

/// Any bytes, cut anywhere.
pub(crate) fn any_parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), 0..20), 0..12)
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Delivers these parts, more to come.
    pub(crate) fn deliver(&self, parts: impl IntoIterator<Item: Into<Bytes>>) {
        let parts = parts.into_iter().map(|part| HttpReceive::Body {
            bytes: part.into(),
            more: true,
        });
        self.lock().inbound.extend(parts);
    }

    pub(crate) fn deliver_event(&self, event: HttpReceive) {
        self.lock().inbound.push_back(event);
    }

    /// Delivers the end.
    pub(crate) fn end(&self) {
        self.deliver_event(HttpReceive::Body {
            bytes: Bytes::new(),
            more: false,
        });
    }

    /// The client leaves, after what it sent.
    pub(crate) fn leave(&self, gone: Gone) {
        self.gone.raise(gone);
        self.deliver_event(HttpReceive::Disconnect(gone));
    }

    /// Refuses the next event.
    pub(crate) fn refuse(&self, error: SendError) {
        self.lock().refusal = Some(error);
    }

    /// Has no credit, or has it again.
    pub(crate) fn set_credit(&self, credit: usize) {
        self.lock().credit = credit;
    }

    /// What was sent of bodies.
    pub(crate) fn sent(&self) -> Vec<u8> {
        self.lock().sent.clone()
    }

    /// What else was called since this was last asked.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.lock().calls)
    }

    /// An exchange over it.
    pub(crate) fn http(self: &Arc<Self>, body: BodyLength) -> Http {
        let info = Arc::new(ConnectionInfo::new(Capabilities::new("wire")));
        let mut scope = HttpScope::new(info);
        scope.body = body;
        Http::new(Scope::new(scope), Arc::clone(self) as _)
    }

    /// The response of an exchange over it.
    pub(crate) fn writer(self: &Arc<Self>) -> Writer {
        let Http {
            body, responder, ..
        } = self.http(BodyLength::Empty);
        drop(body);
        block_on(responder.start(StatusCode::OK)).unwrap()
    }

    pub(crate) fn tunnel(self: &Arc<Self>) -> Tunnel {
        let Http {
            body, responder, ..
        } = self.http(BodyLength::Empty);
        block_on(responder.upgrade(StatusCode::SWITCHING_PROTOCOLS, body)).unwrap()
    }

    fn left(&self) -> Result<(), Gone> {
        match self.gone.value().filter(|gone| gone.is_final()) {
            Some(gone) => Err(gone),
            None => Ok(()),
        }
    }
}

impl HttpTransport for Wire {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        let mut state = self.lock();
        ready!(state.receiving.poll_turn(cx));
        match state.inbound.pop_front() {
            Some(event) => Poll::Ready(event),
            None => Poll::Pending,
        }
    }

    fn stop_receiving(&self) {
        self.lock().calls.push("stop");
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.left()?;
        let mut state = self.lock();
        ready!(state.sending.poll_turn(cx));
        if state.outstanding < state.credit {
            return Poll::Ready(Ok(()));
        }
        state.take_all(cx);
        Poll::Pending
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let mut state = self.lock();
        if let Some(refusal) = state.refusal.take() {
            return Err(refusal);
        }
        match event {
            HttpSend::Body { bytes, more: true } => {
                state.outstanding += bytes.len();
                state.sent.extend_from_slice(&bytes);
            }
            HttpSend::Body { more: false, .. } => state.calls.push("end"),
            HttpSend::Trailers(_) => state.calls.push("trailers"),
            _ => {}
        }
        Ok(())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        assert!(!bytes.is_empty(), "a write of nothing needs no transport");
        ready!(self.poll_ready(cx))?;
        let room = {
            let state = self.lock();
            state.credit - state.outstanding
        };
        let taken = &bytes[..bytes.len().min(room)];
        self.send(HttpSend::Body {
            bytes: Bytes::copy_from_slice(taken),
            more: true,
        })?;
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.left()?;
        let mut state = self.lock();
        ready!(state.sending.poll_turn(cx));
        if state.outstanding > 0 {
            state.take_all(cx);
            return Poll::Pending;
        }
        state.calls.push("flush");
        Poll::Ready(Ok(()))
    }

    fn poll_buffered(&self, _: &mut Context<'_>, _: usize) -> Poll<Result<(), Gone>> {
        Poll::Ready(self.left())
    }

    fn gone(&self) -> GoneSignal {
        self.gone.wait()
    }

    fn close(&self) {
        self.lock().calls.push("close");
    }

    fn abort(&self, why: Abort) {
        self.lock().calls.push(match why {
            Abort::Dropped => "abort: dropped",
            Abort::Deliberate => "abort: deliberate",
        });
    }
}
